"""A comparison as one HTML page that needs nothing beside itself: no network, no file."""

from pathlib import Path

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from medeval.comparison import Comparison, Pair
from medeval.report import charts, markdown

_LONGEST = 160  # characters of a question in the list
_TEMPLATE = Path(__file__).with_name("page.html")


def render(found: Comparison) -> str:
    """The page; everything that a model wrote is escaped."""
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string(_TEMPLATE.read_text(encoding="utf-8"))
    return template.render(
        found=found,
        title=markdown.title,
        difference=markdown.difference,
        kinds_of=kinds_of,
        figure=markdown.figure,
        headline=headline,
        fitted=lambda task: any(curve.fit for curve in task.curves.values()),
        confidence=confidence,
        chart=lambda name, *what: Markup(getattr(charts, name)(*what)),
        all_kinds=sorted({kind for task in found.tasks.values() for kind in task.kinds}),
    )


def kinds_of(pair: Pair) -> list[str]:
    """Kinds of errors on either side."""
    return sorted({*pair.base.kinds, *pair.tuned.kinds})


def headline(prompt: str) -> str:
    """The line of a prompt that asks: the last that ends in a question mark, else the first."""
    lines = [line.strip() for line in prompt.split("\n") if line.strip()]
    asking = [line for line in lines if line.endswith("?")]
    line = (asking or lines or [""])[-1 if asking else 0].removeprefix("Question: ")
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1].rstrip() + "…"


def confidence(values: dict[str, float | None]) -> str:
    """The confidence, where an answer has one."""
    value = values.get("confidence")
    return "" if value is None else f"{value:.0%}"
