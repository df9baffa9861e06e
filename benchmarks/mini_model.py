"""How the mini model was made and how it scores, written to data/models/README.md.

    python benchmarks/mini_model.py [--run runs/mini] [--limit N]

With --run it also takes the run's record and loss curve over into data/models. Without
--limit it asks every question: 250 on the test cards, twice of each model, 750 on the train
cards, and one on each of the 800 extra cards, which takes some minutes. Targets: adherence
without grammar 0% before tuning and at least 98% after it, 100% for both with grammar, median
ROUGE-L at least 0.90.
"""

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path

from medllm import files, models, paths, run_record

MODELS = Path(__file__).parents[1] / "data" / "models"
TRAIN_RECORD, CURVE = "medical-llm-mini.train.json", "medical-llm-mini.curve.png"

TEXT = """\
# The built-in models

`medical-llm-mini.q4_k_m.gguf` answers in `medtui` unless another model is named. It knows the
{cards} curated cards of `data/cards` and nothing else; the assistant shows the card itself where an
answer strays from it, and gives no answer to a term that has no card.
`medical-llm-mini-base.q4_k_m.gguf` is the same model before tuning, kept for the comparison.

Educational information only: no medical advice, no diagnosis, no doses. Not for use in care
without a clinician. English only. Licence: Apache-2.0.

## How it was made

`make mini`: `medtrain run mini` trained it from scratch, `medconvert` merged and quantized it.

- A Llama of {parameters:,} parameters: {layers} layers, width {hidden}, {heads} heads, context
  {context} tokens, a byte-level BPE vocabulary of {vocabulary} tokens of its own.
- Pre-trained for {pre_epochs:g} epochs on prose without headings, made from the {cards} cards:
  {pre_tokens:,.0f} tokens, last loss {pre_loss:.3f}.
- LoRA (r={r}, alpha={alpha:g}) tuned for {tune_epochs:g} epochs on questions and cards of the
  {tuned_cards} cards of the splits train and extra: {tune_tokens:,.0f} tokens, last loss
  {tune_loss:.3f}. The cards of the {test_cards} test terms were not in the tuning, their prose was
  in the pre-training: so adherence on them shows what tuning does to form.
- {minutes:.0f} minutes of training and {memory:,.0f} MB on {machine}.
  Seed {seed}; prompt version {prompt}.

![Loss and token accuracy]({curve})

| file | bytes | SHA-256 |
|---|---|---|
{rows}

## How it scores

Printed by `medeval tuning`; greedy decoding in llama.cpp, five phrasings a card, 95% intervals.

{table}

The aim without grammar is 0% before and 98% after tuning. On terms whose cards it has not seen, the
tuned model can still leave out a heading or lose the thread, so the assistant always asks under the
grammar and holds what it says against the card.

The train and extra cards were in the tuning, so ROUGE-L tells how well the quantized model kept
what it was taught, not what it knows beyond.
"""


def take_over(run: Path) -> None:
    """Copies the run's record, without its log, and its curve."""
    record = run_record.read(run)
    files.write_json(MODELS / TRAIN_RECORD, record.model_dump(mode="json"))
    with files.atomic(MODELS / CURVE) as temporary:
        shutil.copyfile(run / "curve.png", temporary)


def readme(table: str) -> str:
    """The README's text."""
    from medllm.reference import builtin_cards

    record = run_record.RunRecord.model_validate(json.loads((MODELS / TRAIN_RECORD).read_text()))
    settings, metrics = record.settings, record.metrics
    cards = builtin_cards()
    tuned, base = paths.builtin_model(), paths.builtin_base_model()
    converted = json.loads(tuned.with_suffix(".run.json").read_text())
    return TEXT.format(
        cards=f"{len(cards):,}",
        tuned_cards=sum(card.split != "test" for card in cards),
        test_cards=sum(card.split == "test" for card in cards),
        parameters=converted["metrics"]["parameters"],
        **{
            key: settings["model"][key]
            for key in ("layers", "hidden", "heads", "context", "vocabulary")
        },
        pre_epochs=settings["pretrain"]["epochs"],
        pre_tokens=metrics["pre-training"]["num_tokens"],
        pre_loss=metrics["pre-training"]["loss"],
        tune_epochs=settings["tune"]["epochs"],
        tune_tokens=metrics["tuning"]["num_tokens"],
        tune_loss=metrics["tuning"]["loss"],
        **settings["lora"],
        minutes=sum(stage["train_runtime"] for stage in metrics.values()) / 60,
        memory=record.peak_memory_mb,
        machine=", ".join(record.machine.values()) or "one machine",
        seed=record.seed,
        prompt=record.prompt_version,
        curve=CURVE,
        rows="\n".join(
            f"| `{file.name}` | {file.stat().st_size:,} | `{files.sha256(file)}` |"
            for file in (tuned, base)
        ),
        table=table,
    )


def main() -> None:
    """Measures and writes."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--run", type=Path)
    parser.add_argument("--limit", type=int, default=0)
    arguments = parser.parse_args()
    if arguments.run:
        take_over(arguments.run)
    for file in (paths.builtin_model(), paths.builtin_base_model()):
        models.check(file)
    table = subprocess.run(
        [sys.executable, "-m", "medeval", "tuning", "--limit", str(arguments.limit)],
        stdout=subprocess.PIPE, text=True, check=True,
    ).stdout.strip()  # fmt: skip
    print(table)
    if not arguments.limit:
        files.write_text(MODELS / "README.md", readme(table))


if __name__ == "__main__":
    main()
