"""A whole run: pre-training, tuning, the curve and run.json, resumed where it stopped."""

import os
import shutil
import time
from pathlib import Path
from typing import Any

from medllm import files, paths, run_record
from medllm.errors import UsageError
from medllm.reference import builtin_cards
from medllm.run_record import RunRecord

from medtrain.recipe import Recipe

PACKAGES = ("torch", "transformers", "peft", "trl", "datasets", "tokenizers")


def run(recipe: Recipe, out: Path) -> RunRecord:
    """Trains `recipe` into `out`: base/, adapter/, curve.png, run.json.

    Args:
        recipe: what to train.
        out: the run's folder; a run that was interrupted there goes on.

    Returns:
        The finished record; at once if the run was finished before.

    Raises:
        UsageError: another run lies in `out`.
        InterruptedRunError: Ctrl-C; the same command goes on.
    """
    started = time.monotonic()
    record = _begin(recipe, paths.ensure_dir(out))
    if record.finished:
        return record
    _quiet()
    import torch

    from medtrain import curve, pretrain, training, tune

    torch.set_num_threads(os.cpu_count() or 1)
    training.keep_freed_memory()
    work = out / "work"
    cards = [card for card in builtin_cards() if card.split != "extra"]
    base, adapter = out / "base", out / "adapter"
    if not base.is_dir():
        pretrain.run(recipe, cards, work / "base", base)
    if not adapter.is_dir():
        tune.run(recipe, cards, base, work / "adapter", adapter)
    logs = {"pre-training": pretrain.read_log(base), "tuning": pretrain.read_log(adapter)}
    curve.draw(logs, out / "curve.png")
    record.metrics = {stage: _last(log) for stage, log in logs.items()}
    record.outputs = {
        str(file.relative_to(out)): files.sha256(file)
        for file in sorted(out.glob("*/*.safetensors"))
    }
    record.finish(out, started)
    shutil.rmtree(work, ignore_errors=True)
    return record


def _begin(recipe: Recipe, out: Path) -> RunRecord:
    inputs = {
        f"data/cards/{file.name}": files.sha256(file)
        for file in sorted(paths.cards_dir().glob("*.jsonl"))
    }
    settings = recipe.model_dump(mode="json")
    if (out / run_record.NAME).is_file():
        record = run_record.read(out)
        if (record.settings, record.inputs) != (settings, inputs):
            raise UsageError(
                f"{out} holds a run with other settings or other data.",
                "Name another folder with --out, or remove that one.",
            )
        return record
    record = RunRecord(
        stage="train",
        recipe=recipe.name,
        settings=settings,
        inputs=inputs,
        seed=recipe.seed,
        base="base",
        adapter="adapter",
        chat_family=recipe.chat_family,
        versions=run_record.versions(*PACKAGES),
        machine=run_record.machine(),
    )
    record.write(out)
    return record


def _last(log: list[dict[str, Any]]) -> dict[str, float]:
    """The newest loss and accuracy, and what the stage took."""
    found: dict[str, float] = {}
    for line in log:
        for key in ("loss", "mean_token_accuracy", "num_tokens", "train_runtime"):
            if key in line:
                found[key] = round(line[key], 4)
    return found


def _quiet() -> None:
    """Nothing is fetched and nothing but the progress is printed."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    # Threads that spin while they wait make training many times slower on a busy machine.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    import warnings

    import datasets
    import transformers

    datasets.disable_progress_bars()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    warnings.filterwarnings("ignore", module=r"torch\..*|trl\..*|transformers\..*|peft\..*")
