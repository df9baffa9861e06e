"""Memory that `medtrain estimate` foretells beside the peak that `medtrain run` reaches.

    python benchmarks/estimate.py

Three shapes on this machine: a small causal model with LoRA, a larger one, and an
encoder-decoder whose weights are all trained; then two on which the estimate's factor for a
processor's allocator was not set. Each is trained for a few steps in a process of its own, and
its peak resident memory is read from its run.json. Target: within 15%.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from training_speed import write_base, write_records

sys.path.insert(0, str(Path(__file__).parents[1]))

CAUSAL = """
name: {name}
kind: causal
base: {base}
data: {{validation: 0}}
lora: {{r: 16, alpha: 32}}
train: {{max_steps: {steps}, batch: {batch}, max_length: {length}, warmup: 0}}
"""
PAIRS = """
name: {name}
kind: seq2seq
base: {base}
prefix: "Medical question: "
data: {{validation: 0}}
lora: null
train: {{max_steps: {steps}, batch: {batch}, max_length: {length}, warmup: 0}}
"""


def write_t5(folder: Path) -> None:
    """A random T5 of Flan-T5 small's shape, with a tokenizer made by rule."""
    from medtrain.estimate import shapes
    from transformers import T5Config, T5ForConditionalGeneration

    from tests.converter import vocabularies

    settings = {
        "tokenizer_class": "T5Tokenizer", "eos_token": "</s>", "unk_token": "<unk>",
        "pad_token": "<pad>",
    }  # fmt: skip
    vocabularies.unigram(folder, settings, 20)
    shape = {**shapes.KNOWN["google/flan-t5-small"], "decoder_start_token_id": 0}
    shape.pop("model_type")
    T5ForConditionalGeneration(T5Config(**shape)).save_pretrained(folder)


def compare(work: Path, name: str, recipe: str, steps: int, batch: int, length: int) -> float:
    """Prints both peaks; what is foretold over what is reached."""
    file, out = work / f"{name}.yaml", work / f"run-{name}"
    base = work / name
    file.write_text(recipe.format(name=name, base=base, steps=steps, batch=batch, length=length))
    data = ["--data", str(work / "records.jsonl")]
    told = json.loads(_medtrain("estimate", str(file), *data, "--json"))
    _medtrain("run", str(file), *data, "--out", str(out))
    record = json.loads((out / "run.json").read_text())
    foretold, reached = told["memory"]["total"] / 1e6, record["peak_memory_mb"]
    parts = ", ".join(f"{part} {size / 1e6:,.0f}" for part, size in told["memory"].items() if size)
    print(
        f"{name:12}{told['parameters']['total'] / 1e6:8.1f} M parameters  foretold "
        f"{foretold:7,.0f} MB  reached {reached:7,.0f} MB  ratio {foretold / reached:.2f}\n"
        f"{'':12}{parts}",
        flush=True,
    )
    return float(foretold / reached)


def _medtrain(*words: str) -> str:
    place = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_WAIT_POLICY": "passive"}
    command = [sys.executable, "-m", "medtrain", *words]
    done = subprocess.run(command, capture_output=True, text=True, env=place, check=False)
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])
    return done.stdout


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=8)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        write_base(work / "small", 256, 8)
        write_base(work / "larger", 1024, 16)
        write_base(work / "middle", 512, 12)
        write_base(work / "narrow", 512, 8)
        write_t5(work / "t5")
        write_records(work / "records.jsonl", 64)
        ratios = [
            compare(work, "small", CAUSAL, chosen.steps, 16, 512),
            compare(work, "larger", CAUSAL, chosen.steps, 4, 512),
            compare(work, "t5", PAIRS, chosen.steps, 8, 512),
            compare(work, "middle", CAUSAL, chosen.steps, 8, 384),
            compare(work, "narrow", CAUSAL, chosen.steps, 4, 1024),
        ]
    print(
        f"target: each within 0.85 and 1.15; furthest {max(ratios, key=lambda r: abs(r - 1)):.2f}; "
        f"of those it was not set on {max(ratios[3:], key=lambda r: abs(r - 1)):.2f}"
    )


if __name__ == "__main__":
    main()
