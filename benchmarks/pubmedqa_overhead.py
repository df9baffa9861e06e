"""A PubMedQA run through medeval against the same generations without anything around them.

    python benchmarks/pubmedqa_overhead.py --data FOLDER [--model FILE] [--limit 100] [--rounds 3]

FOLDER holds ori_pqal.json and test_ground_truth.json. Bare is the engine's stream read to
its end, question after question, its answers thrown away; medeval adds the order, the store
on disk, the looks for loops, the judgement, intervals by bootstrap and the report. One engine
on either side, loaded afresh each time; rounds take turns. The ratio is that of each side's
quickest round, the one that other programs disturbed least. On a busy machine that still
varies by more than the target, since the engine's host takes nearly all the time on both sides;
so the processor time of medeval's own process, which others hardly touch, is shown beside it:
bare plus what that process adds, against bare. Target: at most 1.05.
"""

import argparse
import resource
import tempfile
import time
from pathlib import Path

from medeval import evaluation
from medeval.engines.spec import EngineSpec
from medeval.evaluation import Plan
from medeval.tasks import named
from medllm import paths
from medllm.errors import UsageError

Cost = tuple[float, float]
"""Seconds on the clock, and of this process's processor time."""


def bare(work: Plan) -> Cost:
    """The plain generations, loading included."""
    started, spent = time.perf_counter(), processor_seconds()
    engine = work.spec.open(600, 1)
    try:
        with_system = engine.load().template_has_system
        for job in work.jobs():
            try:
                for _ in engine.stream(job.sample.request(with_system)):
                    pass
            except UsageError:
                continue  # longer than the model's context, on both sides
    finally:
        engine.close()
    return time.perf_counter() - started, processor_seconds() - spent


def through_medeval(work: Plan) -> Cost:
    """The whole run, reports included."""
    with tempfile.TemporaryDirectory() as folder:
        started, spent = time.perf_counter(), processor_seconds()
        evaluation.carry_out(work, Path(folder), 1, 600)
        return time.perf_counter() - started, processor_seconds() - spent


def processor_seconds() -> float:
    """Processor time of this process, without the engine's host."""
    own = resource.getrusage(resource.RUSAGE_SELF)
    return own.ru_utime + own.ru_stime


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", type=Path, default=paths.builtin_model())
    parser.add_argument("--limit", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    spec = EngineSpec("gguf", str(asked.model))
    task = named("pubmedqa-written")
    work = evaluation.plan(spec, [task], {task.name: asked.data}, 0, asked.limit)
    through_medeval(work)  # libraries and file cache
    pairs = [(bare(work), through_medeval(work)) for _ in range(asked.rounds)]
    alone, whole = (min(cost[0] for cost in side) for side in zip(*pairs, strict=True))
    added = min(there[1] for _, there in pairs) - min(here[1] for here, _ in pairs)
    print(f"{asked.limit} questions")
    print(f"{'':14}{'bare s':>9}{'medeval s':>11}{'ratio':>8}{'target':>9}")
    for name, seconds in (("clock", whole), ("own processor", alone + added)):
        print(f"{name:14}{alone:9.2f}{seconds:11.2f}{seconds / alone:8.3f}{'<= 1.05':>9}")


if __name__ == "__main__":
    main()
