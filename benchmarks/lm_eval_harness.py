"""MedMCQA through medeval and through lm-evaluation-harness: the same choices from one model.

    python benchmarks/lm_eval_harness.py --data FILE [--model FOLDER] [--limit 300] [--json]

FILE is MedMCQA in JSON lines, or a folder with it. FOLDER holds Hugging Face weights whose
tokenizer has no chat template; without it a tiny Llama with random weights is made, which knows
nothing but whose scores differ from question to question. lm-eval (pip install lm-eval) reads
the rows themselves and builds the prompt by a template of its own; it shares nothing with
medeval but the weights. Target: every choice the same, log-probabilities within 0.001.
"""

import argparse
import importlib.util
import json
import os
import sys
import tempfile
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
os.environ |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}

from medeval import evaluation
from medeval.answer_store import AnswerStore
from medeval.engines import spec as specs
from medeval.sample import Sample
from medeval.tasks import named
from medllm import files

from tests.evaluation.engines.tiny_models import write_byte_llama

TASK = "medmcqa"
CLOSE = 1e-3
TEMPLATE = (
    "{{question}}\n\nA. {{opa}}\nB. {{opb}}\nC. {{opc}}\nD. {{opd}}\n\n"
    "Answer with the letter alone.\nAnswer:"
)


@dataclass(frozen=True, slots=True)
class Scored:
    """What a program made of the questions, in one order."""

    accuracy: float
    said: str
    """The letter chosen, a character a question."""
    scores: list[list[float]]
    """Log-probability of each letter."""


def by_medeval(model: Path, data: Path, limit: int, out: Path) -> tuple[list[Sample], Scored]:
    """A run as `medeval run` does it."""
    spec, task = specs.parse(f"hf:{model}"), named(TASK)
    work = evaluation.plan(spec, [task], {TASK: data}, 0, limit)
    report = evaluation.carry_out(work, out, 1, 600)
    samples = list(work.samples[0][1])
    with AnswerStore(out) as store:
        answers = [store.get(sample.key(work.identity, 0)) for sample in samples]
    judged = [task.judge(s, a).said for s, a in zip(samples, answers, strict=True) if a]
    figures = {figure.name: figure.value for figure in report.tasks[TASK].figures}
    scores = [[float(s) for s in a.scores if s is not None] for a in answers if a]
    return samples, Scored(figures["accuracy"], "".join(judged), scores)


def by_harness(model: Path, rows: list[dict[str, Any]], out: Path) -> Scored:
    """A task of lm-eval on the same rows."""
    from lm_eval import simple_evaluate
    from lm_eval.models.huggingface import HFLM

    file = out / "rows.jsonl"
    files.write_text(file, "".join(json.dumps(row) + "\n" for row in rows))
    task = {
        "task": TASK,
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(file)}, "cache_dir": str(out / "cache")},
        "test_split": "test",
        "output_type": "multiple_choice",
        "doc_to_text": TEMPLATE,
        "doc_to_choice": list("ABCD"),
        "doc_to_target": "{{gold}}",
        "metric_list": [{"metric": "acc"}],
    }
    engine = HFLM(pretrained=str(model), dtype="float32", device="cpu", batch_size=8)
    found = simple_evaluate(engine, tasks=[task], bootstrap_iters=0, log_samples=True)
    assert found is not None
    samples = sorted(found["samples"][TASK], key=lambda s: s["doc_id"])
    scores = [[float(r[0]) for r in sample["filtered_resps"]] for sample in samples]
    said = "".join("ABCD"[row.index(max(row))] for row in scores)
    return Scored(float(found["results"][TASK]["acc,none"]), said, scores)


def rows_of(samples: list[Sample], file: Path) -> list[dict[str, Any]]:
    """The file's own rows of these samples, in their order."""
    lines = [line for line in file.read_text(encoding="utf-8").split("\n") if line.strip()]
    by_id = {str(row.get("id")): row for row in map(json.loads, lines)}
    wanted = ("question", "opa", "opb", "opc", "opd")
    first = min(row["cop"] for row in by_id.values())
    found = []
    for sample in samples:
        row = by_id[sample.id]
        found.append({**{name: row[name] for name in wanted}, "gold": row["cop"] - first})
    return found


def main() -> None:
    """Prints the table, or what both found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--limit", type=int, default=300)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    if importlib.util.find_spec("lm_eval") is None:
        print("Skipped: lm-eval is not installed (pip install lm-eval).")
        return
    file = asked.data / "medmcqa_dev.json" if asked.data.is_dir() else asked.data
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = asked.model or write_byte_llama(folder / "llama")
        samples, ours = by_medeval(model, file, asked.limit, folder / "run")
        theirs = by_harness(model, rows_of(samples, file), folder)
    if asked.json:
        ids = [sample.id for sample in samples]
        both = {"ids": ids, "medeval": asdict(ours), "lm-eval": asdict(theirs)}
        print(json.dumps(both))
        return
    same = sum(a == b for a, b in zip(ours.said, theirs.said, strict=True))
    pairs = zip(chain(*ours.scores), chain(*theirs.scores), strict=True)
    apart = max(abs(a - b) for a, b in pairs)
    print(f"{len(samples)} questions")
    print(f"{'':34}{'found':>10}{'target':>11}")
    print(f"{'accuracy, medeval':34}{ours.accuracy:10.4f}")
    print(f"{'accuracy, lm-eval':34}{theirs.accuracy:10.4f}{ours.accuracy:11.4f}")
    print(f"{'same choices':34}{same:10}{len(samples):11}")
    print(f"{'log-probabilities at most apart':34}{apart:10.6f}{f'<= {CLOSE}':>11}")


if __name__ == "__main__":
    main()
