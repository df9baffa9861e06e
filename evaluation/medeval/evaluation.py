"""A whole run: what is asked, in which order, and what came of it."""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from medllm import prompts
from medllm.engines.protocol import ModelInfo
from medllm.run_record import RunRecord, machine, versions

from medeval import results
from medeval.answer_store import AnswerStore
from medeval.engines.spec import EngineSpec
from medeval.metrics.embedding import Embedder
from medeval.order import shuffled
from medeval.results import Report, Row, TaskResult
from medeval.runner import Job, Outcome, Runner
from medeval.sample import Answer, Sample
from medeval.task import Task


@dataclass(frozen=True, slots=True)
class Plan:
    """Tasks with the samples that are asked, in their order."""

    spec: EngineSpec
    identity: str
    seed: int
    limit: int
    samples: tuple[tuple[Task, tuple[Sample, ...]], ...]

    def jobs(self) -> list[Job]:
        """One job a sample and seed, each key once."""
        jobs = [
            Job(sample.key(self.identity, seed), sample, seed)
            for task, samples in self.samples
            for sample in samples
            for seed in range(task.seeds + 1)
        ]
        return list({job.key: job for job in jobs}.values())


def plan(
    spec: EngineSpec, tasks: Sequence[Task], data: Mapping[str, Path], seed: int, limit: int
) -> Plan:
    """Reads the data and draws the samples.

    Args:
        spec: the engine.
        tasks: what is measured.
        data: by name of the task; the others go without.
        seed: of the samples' order.
        limit: samples a task; 0 asks all.

    Raises:
        DataError: the data are missing, broken or have no labels.
        ModelError: there is no such model.
    """
    chosen = [
        (task, tuple(shuffled(task.samples(data.get(task.name)), seed, limit))) for task in tasks
    ]
    return Plan(spec, spec.identity(), seed, limit, tuple(chosen))


def carry_out(
    work: Plan,
    out: Path,
    workers: int,
    patience: float,
    embedder: Embedder | None = None,
    advance: Callable[[Answer | None], None] = lambda _answer: None,
    loading: Callable[[float], None] = lambda _share: None,
) -> Report:
    """Asks what is missing, judges everything that was answered, and writes the report.

    A broken engine ends the asking; what was done is judged and `stopped_by` tells.

    Raises:
        ModelError: the model can't be loaded.
        UsageError: the engine can't do what a task needs.
        StorageError: `out` can't be written.
        KeyboardInterrupt: the answers are kept, no report is written.
    """
    started = time.monotonic()
    with AnswerStore(out) as store:
        runner = Runner(work.spec, store, workers, patience, advance, loading)
        outcome = runner.run(work.jobs())
        report, rows = judged(work, store, outcome, embedder)
    if not report.model:
        report.model = _told_before(out, report.identity)
    report.write(out, rows)
    _record(report).finish(out, started)
    return report


def judged(
    work: Plan, store: AnswerStore, outcome: Outcome, embedder: Embedder | None
) -> tuple[Report, list[Row]]:
    """The report over all answers that there are."""
    report = Report(
        engine=work.spec.kind,
        identity=work.identity,
        model=_facts(outcome.info),
        prompt_version=prompts.VERSION,
        seed=work.seed,
        limit=work.limit,
        stopped_by=outcome.stopped_by,
    )
    rows: list[Row] = []
    for task, samples in work.samples:
        pairs = [(s, a) for s in samples if (a := _answer(work, store, task, s)) is not None]
        said, answers = [s for s, _ in pairs], [a for _, a in pairs]
        judgements = task.judge_all(said, answers, embedder)
        mine = [
            results.row(task, sample, answer, judgement)
            for sample, answer, judgement in zip(said, answers, judgements, strict=True)
        ]
        rows += mine
        failed = Counter(
            outcome.failures[key]
            for sample in samples
            if (key := sample.key(work.identity, 0)) in outcome.failures
        )
        report.tasks[task.name] = task_result(task, len(samples), mine, dict(failed), work.seed)
    return report, rows


def task_result(
    task: Task, asked: int, rows: Sequence[Row], failed: dict[str, int], seed: int
) -> TaskResult:
    """The figures of one task."""
    figures = [results.figure(measure, rows, seed) for measure in task.measures]
    return TaskResult(
        name=task.name,
        about=task.about,
        asked=asked,
        answered=len(rows),
        failed=failed,
        problems=dict(Counter(row.problem for row in rows if row.problem)),
        kinds=dict(Counter(kind for row in rows for kind in row.kinds)),
        figures=tuple(f for f in figures if f is not None),
    )


def _answer(work: Plan, store: AnswerStore, task: Task, sample: Sample) -> Answer | None:
    """The greedy answer, with those by other seeds, if all of them are there."""
    found = [store.get(sample.key(work.identity, seed)) for seed in range(task.seeds + 1)]
    whole = [answer for answer in found if answer is not None]
    if len(whole) < len(found):
        return None
    return replace(whole[0], others=tuple(answer.text for answer in whole[1:]))


def _facts(info: ModelInfo | None) -> dict[str, str]:
    if info is None:
        return {}
    return {
        "name": info.name,
        "sha256": info.sha256,
        "architecture": info.architecture,
        "quantization": info.quantization,
        "parameters": str(info.parameters) if info.parameters else "",
        "context": str(info.context),
    }


def _told_before(out: Path, identity: str) -> dict[str, str]:
    """The model's facts from an earlier report in `out`, where nothing had to be asked anew."""
    if not (out / results.REPORT).is_file():
        return {}
    before, _ = results.read(out)
    return before.model if before.identity == identity else {}


def _record(report: Report) -> RunRecord:
    return RunRecord(
        stage="evaluate",
        recipe="",
        settings={"engine": report.engine, "tasks": list(report.tasks), "limit": report.limit},
        inputs={report.model.get("name", "model"): report.identity},
        seed=report.seed,
        versions=versions("llama-cpp-python", "numpy", "scipy", "rouge-score"),
        machine=machine(),
        metrics={
            name: {figure.name: figure.value for figure in result.figures}
            for name, result in report.tasks.items()
        },
    )
