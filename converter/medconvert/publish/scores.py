"""Figures of evaluations that lie beside a model: what `medeval run` wrote about this very file."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_REPORT = "report.json"


@dataclass(frozen=True, slots=True)
class Score:
    """One figure of an evaluation."""

    task: str
    name: str
    value: float
    low: float | None
    """Ends of the 95% interval, where there is one."""
    high: float | None
    answers: int
    share: bool
    """Whether it is read as a percentage."""
    sha256: str
    """Of the model that was evaluated."""


def scores(folder: Path, models: Sequence[str]) -> tuple[Score, ...]:
    """The figures of all whole evaluations of some models.

    Args:
        folder: where the models lie; it, the folder above, and the folders in both are searched.
        models: SHA-256 of each.
    """
    found: dict[tuple[str, str, str], Score] = {}
    reports = {
        file.resolve()
        for place in (folder, folder.absolute().parent)
        for pattern in (_REPORT, f"*/{_REPORT}")
        for file in place.glob(pattern)
    }
    # Of two evaluations of one model, the later one holds.
    for file in sorted(reports, key=lambda report: report.stat().st_mtime):
        for score in _read(file, models):
            found[score.sha256, score.task, score.name] = score
    return tuple(sorted(found.values(), key=lambda s: (models.index(s.sha256), s.task)))


def _read(file: Path, models: Sequence[str]) -> Iterator[Score]:
    try:
        report = json.loads(file.read_text(encoding="utf-8"))
        identity = str(report["identity"]).removeprefix("gguf:")
        if identity not in models or report.get("stopped_by"):
            return
        for task in report["tasks"].values():
            for figure in task["figures"]:
                yield _score(task["name"], figure, identity)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return  # a report.json of something else


def _score(task: str, figure: dict[str, Any], sha256: str) -> Score:
    low, high = figure["low"], figure["high"]
    return Score(
        task=task,
        name=str(figure["name"]),
        value=float(figure["value"]),
        low=None if low is None else float(low),
        high=None if high is None else float(high),
        answers=int(figure["answers"]),
        share=bool(figure["share"]),
        sha256=sha256,
    )
