"""`medeval run`: progress, the table, and how it ends."""

import sys
import time
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import typer
from medllm import guard
from medllm.errors import EngineError, InterruptedRunError, MissingExtraError, UsageError
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

from medeval import evaluation, results
from medeval.engines import spec as specs
from medeval.metrics.embedding import open_embedder
from medeval.results import Report
from medeval.sample import Answer
from medeval.task import Task
from medeval.tasks import named

_LINE_EVERY_S = 30.0  # between two lines of progress where there is no terminal


def run(
    engine: str,
    task_names: list[str],
    out: Path,
    data: list[str],
    limit: int,
    seed: int,
    parallel: int,
    patience: float,
    embedder_path: Path | None,
    as_json: bool,
) -> None:
    """Runs the tasks, prints the figures; a run that an engine broke off ends with its error.

    Raises:
        InterruptedRunError: Ctrl-C; the answers are kept.
        EngineError: the engine broke; the report over what was done is written.
    """
    for package in ("scipy", "rouge_score", "pyphen"):
        if find_spec(package) is None:
            raise MissingExtraError("eval", package.replace("_", "-"))
    chosen = [named(name) for name in dict.fromkeys(task_names)]
    spec = specs.parse(engine)
    guard.install(allow_loopback=spec.on_server)
    work = evaluation.plan(spec, chosen, data_of(chosen, data), seed, limit)
    embedder = open_embedder(embedder_path) if embedder_path else None
    shown = _Shown(len(work.jobs()))
    try:
        with shown.bar:
            report = evaluation.carry_out(
                work,
                out,
                parallel or spec.workers(),
                patience,
                embedder,
                shown.advance,
                shown.loading,
            )
    except KeyboardInterrupt as error:
        raise InterruptedRunError(
            f"Stopped after {shown.done} more answers, which are kept.",
            "The same command goes on from there.",
        ) from error
    typer.echo(report.model_dump_json(indent=2) if as_json else table(report))
    if report.stopped_by:
        raise EngineError(
            f"The run ended early: {report.stopped_by.rstrip('.')}.",
            f"The figures over what was done are in {out / results.REPORT}; "
            "the same command goes on from there.",
        )


def data_of(tasks: Sequence[Task], given: Sequence[str]) -> dict[str, Path]:
    """Which data each task gets.

    `TASK=PATH` is for one task. A path alone is for the tasks that can't go without data,
    or, where all of them can, for all that take some.

    Raises:
        UsageError: none of the tasks takes data.
    """
    found: dict[str, Path] = {}
    names = {task.name for task in tasks}
    for text in given:
        name, equals, path = text.partition("=")
        if equals and name in names:
            found[name] = Path(path)
            continue
        takers = [t for t in tasks if t.needs_data] or [t for t in tasks if t.takes]
        if not takers:
            raise UsageError(f"None of the tasks takes data: {', '.join(sorted(names))}.")
        found |= {task.name: Path(text) for task in takers if task.name not in found}
    return found


def table(report: Report) -> str:
    """The figures as Markdown."""
    name = report.model.get("name") or report.identity[:40]
    lines = [f"{name} ({report.engine}), 95% intervals", ""]
    for result in report.tasks.values():
        lines += [f"**{result.name}**: {result.about}", ""]
        lines += [f"- {figure.name}: {figure}, n = {figure.answers}" for figure in result.figures]
        lines += [f"- {note}" for note in remarks(result)]
        lines.append("")
    return "\n".join(lines).rstrip()


def remarks(result: results.TaskResult) -> list[str]:
    """What went wrong in a task, a line each."""
    said = []
    if result.answered < result.asked:
        said.append(f"answered {result.answered} of {result.asked}")
    said += [f"no answer to {count}: {reason}" for reason, count in result.failed.items()]
    if result.problems:
        listed = (f"{name} {count}" for name, count in sorted(result.problems.items()))
        said.append(f"answers with a problem: {', '.join(listed)}")
    return said


class _Shown:
    """Progress: a bar in a terminal, now and then a line elsewhere."""

    def __init__(self, total: int) -> None:
        console = Console(stderr=True)
        self.bar = Progress(
            TextColumn("asking"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[rate]}"),
            console=console,
            disable=not sys.stderr.isatty(),
        )
        self.done = 0
        self._total, self._tokens = total, 0
        self._started = self._told = time.monotonic()
        self._task = self.bar.add_task("asking", total=total, rate="")

    def loading(self, share: float) -> None:
        """Shows how much of the model is loaded."""
        self.bar.update(self._task, rate=f"loading {share:.0%}" if share < 1 else "")

    def advance(self, answer: Answer | None) -> None:
        """Counts a job."""
        self.done += answer is not None
        self._tokens += answer.tokens if answer else 0
        now = time.monotonic()
        rate = self._tokens / max(now - self._started, 1e-3)
        self.bar.update(self._task, advance=1, rate=f"{rate:.0f} tokens/s")
        if self.bar.disable and now - self._told > _LINE_EVERY_S:
            self._told = now
            print(f"asked {self.done} of at most {self._total}", file=sys.stderr, flush=True)
