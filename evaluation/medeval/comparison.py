"""Two runs on the same questions: differences, tests, answers side by side."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import chain
from types import MappingProxyType

import numpy as np
from medllm.confidence import ConfidenceCurve
from medllm.errors import DataError, UsageError
from pydantic import BaseModel, ConfigDict

from medeval import confidence, results
from medeval.intervals import Column, is_binary
from medeval.metrics.calibration import reliability, risk_coverage
from medeval.results import Figure, Report, Row
from medeval.significance import holm, mcnemar, paired_bootstrap
from medeval.task import Measure, Task, mean
from medeval.tasks import all_tasks

SIGNIFICANT = 0.05
_CURVE_POINTS = 100


class Difference(BaseModel):
    """One measure of two runs on the questions that both answered."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    base: Figure
    tuned: Figure
    difference: float
    low: float
    high: float
    p: float
    """Two-sided: McNemar's exact test for shares, else the paired bootstrap."""
    test: str
    p_corrected: float
    """Holm's correction over the first measure of each task; over its own task's otherwise."""
    first: bool
    """Whether it is its task's first measure."""


class Curve(BaseModel):
    """How confidence goes with being right, of one run."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    reliability: tuple[tuple[float, float, int], ...]
    """Mean confidence, share right and number of answers of each bin."""
    risk_coverage: tuple[tuple[float, float], ...]
    """Share answered, and share of errors among it."""
    fit: tuple[tuple[float, float], ...] = ()
    """Where it is a fit: token probability, and the probability of being right that is shown."""


class Pair(BaseModel):
    """One question with both answers."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    base: Row
    tuned: Row
    change: str
    """`better`, `worse` or `same`, by the task's first measure."""


class TaskComparison(BaseModel):
    """One task of both runs."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    about: str
    shared: int
    only_base: int
    only_tuned: int
    differing: int
    """Questions of the same name whose text or gold differs; they are left out."""
    differences: tuple[Difference, ...]
    kinds: dict[str, tuple[int, int]]
    """Errors of base and tuned among the shared questions, by kind."""
    curves: dict[str, Curve]
    """By run, where the task has confidence; `RUN fitted` is that of the answers held back."""
    pairs: tuple[Pair, ...]


class Comparison(BaseModel):
    """compare.json."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    base: dict[str, str]
    tuned: dict[str, str]
    tasks: dict[str, TaskComparison]
    warnings: tuple[str, ...]


def compare(
    base: tuple[Report, list[Row]],
    tuned: tuple[Report, list[Row]],
    fits: Mapping[str, ConfidenceCurve | None] = MappingProxyType({}),
) -> Comparison:
    """Compares what both answered.

    Args:
        base: what the first run wrote.
        tuned: what the second wrote.
        fits: the confidence fitted on either, by `base` and `tuned`.

    Raises:
        UsageError: they have no task, or no question, in common.
    """
    names = [name for name in base[0].tasks if name in tuned[0].tasks]
    if not names:
        raise UsageError(
            f"The runs have no task in common: {', '.join(base[0].tasks) or 'none'} and "
            f"{', '.join(tuned[0].tasks) or 'none'}.",
            "Run both with the same --task.",
        )
    found = [_task(name, base[1], tuned[1], fits) for name in names]
    if not any(task.shared for task in found):
        raise UsageError(
            "The runs have no question in common.",
            "Run both with the same data, --seed and --limit.",
        )
    return Comparison(
        base=_told(base[0]),
        tuned=_told(tuned[0]),
        tasks={task.name: task for task in _corrected(found)},
        warnings=tuple(chain(_warnings(base[0], tuned[0]), *map(_sample_warnings, found))),
    )


def _task(
    name: str,
    base: Sequence[Row],
    tuned: Sequence[Row],
    fits: Mapping[str, ConfidenceCurve | None],
) -> TaskComparison:
    task = all_tasks().get(name)
    if task is None:
        raise DataError(f"The task {name} of the reports is unknown here.", "Run it again.")
    mine = {row.id: row for row in base if row.task == name}
    theirs = {row.id: row for row in tuned if row.task == name}
    both = [i for i in mine if i in theirs]
    ids = [i for i in both if mine[i].digest == theirs[i].digest]
    left, right = [mine[i] for i in ids], [theirs[i] for i in ids]
    differences = [
        d
        for index, measure in enumerate(task.measures)
        if (d := _difference(measure, left, right, index == 0)) is not None
    ]
    return TaskComparison(
        name=name,
        about=task.about,
        shared=len(ids),
        only_base=len(mine) - len(both),
        only_tuned=len(theirs) - len(both),
        differing=len(both) - len(ids),
        differences=tuple(differences),
        kinds=_kinds(left, right),
        curves=_curves(task, {"base": left, "tuned": right}, fits),
        pairs=tuple(
            Pair(base=a, tuned=b, change=_change(task, a, b))
            for a, b in zip(left, right, strict=True)
        ),
    )


def _difference(
    measure: Measure, left: Sequence[Row], right: Sequence[Row], first: bool
) -> Difference | None:
    one, other = results.columns(measure, left), results.columns(measure, right)
    if not left:
        return None
    whole = ~np.isnan(np.stack([*one, *other])).any(axis=0)
    if not whole.any():
        return None
    rows = [int(index) for index in np.flatnonzero(whole)]
    one, other = [c[whole] for c in one], [c[whole] for c in other]
    base = results.figure(measure, [left[i] for i in rows], 0)
    tuned = results.figure(measure, [right[i] for i in rows], 0)
    assert base is not None and tuned is not None
    low, high, p = paired_bootstrap(measure.function, one, other)
    test = "paired bootstrap"
    if measure.share and measure.function is mean and is_binary(one[0]) and is_binary(other[0]):
        p, test = mcnemar(one[0], other[0]), "McNemar"
    return Difference(
        base=base,
        tuned=tuned,
        difference=tuned.value - base.value,
        low=low,
        high=high,
        p=p,
        test=test,
        p_corrected=p,
        first=first,
    )


def _corrected(tasks: Sequence[TaskComparison]) -> list[TaskComparison]:
    """Holm over the first measures of all tasks; the others of a task over one another."""
    firsts = [d for task in tasks for d in task.differences if d.first]
    by_first = dict(zip(map(id, firsts), holm([d.p for d in firsts]), strict=True))
    found = []
    for task in tasks:
        rest = [d for d in task.differences if not d.first]
        by_rest = dict(zip(map(id, rest), holm([d.p for d in rest]), strict=True))
        p_of = {**by_first, **by_rest}
        differences = [d.model_copy(update={"p_corrected": p_of[id(d)]}) for d in task.differences]
        found.append(task.model_copy(update={"differences": tuple(differences)}))
    return found


def _kinds(left: Sequence[Row], right: Sequence[Row]) -> dict[str, tuple[int, int]]:
    one = Counter(kind for row in left for kind in row.kinds)
    other = Counter(kind for row in right for kind in row.kinds)
    return {kind: (one[kind], other[kind]) for kind in sorted({*one, *other})}


def _curves(
    task: Task, runs: Mapping[str, Sequence[Row]], fits: Mapping[str, ConfidenceCurve | None]
) -> dict[str, Curve]:
    found = {}
    pair = next((m for m in task.measures if m.columns[0] == "confidence"), None)
    for run, rows in runs.items():
        if pair is None or not rows:
            continue
        sure, right = results.columns(pair, rows)
        whole = ~np.isnan(sure) & ~np.isnan(right)
        if whole.any():
            found[run] = _curve(sure[whole], right[whole])
        fit = fits.get(run)
        if fit and task.name == confidence.TASK:
            held = confidence.held_back(rows, fit)
            if len(held[0]):
                knots = tuple((math.exp(x), y) for x, y in fit.knots)
                found[f"{run} fitted"] = _curve(*held).model_copy(update={"fit": knots})
    return found


def _curve(sure: Column, right: Column) -> Curve:
    coverage, risk = risk_coverage(sure, right)
    step = max(1, math.ceil(len(coverage) / _CURVE_POINTS))
    return Curve(
        reliability=tuple(reliability(sure, right)),
        risk_coverage=tuple(zip(coverage[::step].tolist(), risk[::step].tolist(), strict=True)),
    )


def _change(task: Task, left: Row, right: Row) -> str:
    measure = task.measures[0]
    one = left.values.get(measure.columns[0])
    other = right.values.get(measure.columns[0])
    if one is None or other is None or math.isclose(one, other, abs_tol=1e-9):
        return "same"
    return "better" if (other > one) == (measure.better >= 0) else "worse"


def _told(report: Report) -> dict[str, str]:
    known = {key: value for key, value in report.model.items() if value}
    return {"engine": report.engine, "identity": report.identity, **known}


def _warnings(base: Report, tuned: Report) -> list[str]:
    found = []
    for name, report in (("base", base), ("tuned", tuned)):
        if report.stopped_by:
            found.append(f"The {name} run ended early: {report.stopped_by}")
    if base.prompt_version != tuned.prompt_version:
        found.append(
            f"The prompts differ: version {base.prompt_version} and {tuned.prompt_version}."
        )
    if base.identity == tuned.identity:
        found.append("Both runs are of the same model.")
    for name in sorted({*base.tasks} ^ {*tuned.tasks}):
        found.append(f"{name} was run for one of the two only, and is left out.")
    return found


def _sample_warnings(task: TaskComparison) -> list[str]:
    found = []
    if task.only_base or task.only_tuned:
        found.append(
            f"{task.name}: the runs answered different samples; compared are the {task.shared} "
            f"that both did, left out {task.only_base} of base and {task.only_tuned} of tuned."
        )
    if task.differing:
        found.append(
            f"{task.name}: {task.differing} questions have the same name but another text or "
            "answer in the two runs, and are left out."
        )
    return found
