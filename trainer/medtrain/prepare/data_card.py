"""README.md of a prepared folder: where the examples come from, and what was done to them."""

from collections.abc import Mapping

from medtrain import readers
from medtrain.prepare import decontamination
from medtrain.prepare.shards import Plan
from medtrain.prepare.statistics import Figures, SourceFigures
from medtrain.readers.reader import FREE
from medtrain.settings import SourceSettings


def render(plan: Plan, recipe: str, figures: Figures, evaluation: Mapping[str, str]) -> str:
    """The card.

    Args:
        plan: settings and seed.
        recipe: its name.
        figures: what was counted.
        evaluation: the files whose items must not be learned, with their SHA-256.
    """
    data, count = plan.data, figures.examples
    lines = [
        f"# Examples of {recipe}",
        "",
        f"{count['train']:,} examples to learn, {count['validation']:,} to validate on; "
        f"seed {plan.seed}. Documents are split by their names: {data.validation:.0%} are for "
        "validation, and no document stands on both sides.",
        "",
        "## Sources",
        "",
    ]
    for source, of in zip(plan.sources(), figures.sources, strict=True):
        lines += _source(source, of)
    lines += ["## What was removed, and why", "", "| why | examples |", "|---|---|"]
    lines += [f"| {why} | {number:,} |" for why, number in _removed(figures, data.near)]
    lines += ["", "Evaluation data that was kept out: the cards of the test split"]
    lines[-1] += "".join(f", {name}" for name in evaluation) + "."
    for line in decontamination.unknown(plan.sources(), evaluation):
        lines += ["", line]
    lines += ["", "## What was mended", ""]
    mended = sum((dict_of.mended for dict_of in figures.sources), start=type(count)())
    lines += [f"- {what}: {number:,} examples" for what, number in sorted(mended.items())]
    lines += ["- nothing"] if not mended else []
    lines += ["", "## Terms", "", _terms(plan, count["augmented"])]
    lines += ["", "## Lengths", "", _lengths("words", figures.lengths())]
    if figures.tokens:
        lines.append(_lengths(f"tokens ({figures.tokens['of']:,} looked at)", figures.tokens))
    return "\n".join(lines) + "\n"


def _source(source: SourceSettings, of: SourceFigures) -> list[str]:
    reader = readers.readers()[source.reader]
    kinds = ", ".join(f"{number:,} {kind}" for kind, number in sorted(of.kinds.items()))
    licences = "; ".join(sorted(of.licences)) or reader.licence
    lines = [
        f"### {reader.name}",
        "",
        f"{reader.about[0].upper()}{reader.about[1:]}.",
        "",
        f"- rows read: {of.rows:,}; examples kept: {of.kept:,}",
        f"- kinds, before duplicates were removed: {kinds or 'none'}",
        f"- licence: {licences}",
        f"- access: {reader.access}",
        f"- from: {reader.url}",
    ]
    if reader.access != FREE:
        lines.append("- these examples are under the same terms: keep this folder to yourself")
    return [*lines, ""]


def _removed(figures: Figures, near: float) -> list[tuple[str, int]]:
    removed = sum((of.removed for of in figures.sources), start=type(figures.examples)())
    found = sorted(removed.items())
    found.append(("the same text as an earlier one", sum(of.same for of in figures.sources)))
    if near:
        why = f"at least {near:.0%} like an earlier one of another document"
        found.append((why, sum(of.near for of in figures.sources)))
    return found


def _terms(plan: Plan, augmented: int) -> str:
    settings = plan.data.terminology
    told = []
    if settings.normalise:
        told.append("Terms that were surely linked have their preferred names.")
        told.append("Abbreviations of a sure sense are written out, once with the short form.")
    if settings.augment:
        kinds = ", ".join(settings.augment)
        told.append(f"{augmented:,} changed copies ({kinds}) are among the examples to learn.")
    return " ".join(told) or "They stand as they were read."


def _lengths(unit: str, found: Mapping[str, int]) -> str:
    return (
        f"- {unit}: median {found['median']:,}, 95% have at most {found['p95']:,}, longest "
        f"{found['longest']:,}, together {found['all']:,}"
    )
