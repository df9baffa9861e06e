"""A PubMedQA run through medeval against the same generations without anything around them.

    python benchmarks/pubmedqa_overhead.py --data FOLDER [--model FILE] [--limit 40] [--rounds 5]

FOLDER holds ori_pqal.json and test_ground_truth.json. Bare is the engine's stream read to
its end, question after question, its answers thrown away; medeval adds the order, the store
on disk, the looks for loops, the judgement, intervals by bootstrap and the report. One engine
on either side, loaded afresh each time; rounds take turns. The ratio is that of each side's
quickest round, the one that other programs disturbed least. Target: at most 1.05.
"""

import argparse
import tempfile
import time
from pathlib import Path

from medeval import evaluation
from medeval.engines.spec import EngineSpec
from medeval.evaluation import Plan
from medeval.tasks import named
from medllm import paths
from medllm.errors import UsageError


def bare(work: Plan) -> float:
    """Seconds of the plain generations, loading included."""
    started = time.perf_counter()
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
    return time.perf_counter() - started


def through_medeval(work: Plan) -> float:
    """Seconds of the whole run, reports included."""
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        evaluation.carry_out(work, Path(folder), 1, 600)
        return time.perf_counter() - started


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", type=Path, default=paths.builtin_model())
    parser.add_argument("--limit", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    spec = EngineSpec("gguf", str(asked.model))
    task = named("pubmedqa-written")
    work = evaluation.plan(spec, [task], {task.name: asked.data}, 0, asked.limit)
    through_medeval(work)  # libraries and file cache
    pairs = [(bare(work), through_medeval(work)) for _ in range(asked.rounds)]
    alone, whole = (min(side) for side in zip(*pairs, strict=True))
    print(f"{'questions':>10}{'bare s':>9}{'medeval s':>11}{'ratio':>8}{'target':>9}")
    print(f"{asked.limit:>10}{alone:9.2f}{whole:11.2f}{whole / alone:8.3f}{'<= 1.05':>9}")


if __name__ == "__main__":
    main()
