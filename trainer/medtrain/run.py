"""A whole run: training, the curve and run.json, resumed where it stopped."""

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from medllm import files, paths, run_record
from medllm.errors import InterruptedRunError, UsageError
from medllm.run_record import RunRecord

from medtrain import bases, data, network, scratch, silence
from medtrain.settings import Recipe, ScratchRecipe, TuningRecipe

_ENVIRONMENT = {
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TOKENIZERS_PARALLELISM": "false",
    # Threads that spin while they wait make training many times slower on a busy machine.
    "OMP_WAIT_POLICY": "passive",
}
"""Must stand before torch is imported; what a user has set stays."""
PACKAGES = ("torch", "transformers", "peft", "trl", "datasets", "tokenizers")


def run(recipe: Recipe, out: Path, named: Path | None = None) -> RunRecord:
    """Trains `recipe` into `out`: base/, adapter/ or model/, curve.png, run.json.

    Args:
        recipe: what to train.
        out: the run's folder; a run that was interrupted there goes on.
        named: the data, where it is not the recipe's own: see `medtrain.data`.

    Returns:
        The finished record; at once if the run was finished before.

    Raises:
        UsageError: another run that has learned something lies in `out`, or data is named that
            would not be looked at.
        InterruptedRunError: Ctrl-C; the same command goes on.
    """
    started = time.monotonic()
    os.environ.update({key: os.environ.get(key, value) for key, value in _ENVIRONMENT.items()})
    data.refuse_named(recipe, named)
    paths.ensure_dir(out)
    try:
        return _run(recipe, out, named, started)
    except KeyboardInterrupt as error:  # before the first step, or after the last
        raise InterruptedRunError("Stopped.", "The same command goes on.") from error


def _run(recipe: Recipe, out: Path, named: Path | None, started: float) -> RunRecord:
    if isinstance(recipe, ScratchRecipe):
        record = _begin(recipe, out, scratch.inputs(), {"base": "base", "adapter": "adapter"})
        if not record.finished:
            network.close(recipe)
            _make_ready()
            _end(record, scratch.run(recipe, out), out, started)
        return record
    if not isinstance(recipe, TuningRecipe):
        raise UsageError(f"A recipe of the kind {recipe.kind!r} can't be run.")
    return _tune(recipe, out, named, started)


def _tune(recipe: TuningRecipe, out: Path, named: Path | None, started: float) -> RunRecord:
    with _first_process_first():
        prepared = data.of_run(recipe, named, out / "data")
        found = bases.locate(recipe.base, recipe.revision)
    place = {"base": "base", "adapter": "adapter"} if recipe.lora else {"base": "model"}
    read = prepared.inputs | bases.hashes(found)
    record = _begin(recipe, out, read, place)
    if record.finished:
        return record
    network.close(recipe)
    _make_ready()
    from medtrain import device as devices
    from medtrain import finetune, pretrain

    template, family = bases.template_of(recipe, bases.tokenizer_of(found))
    base, target = out / "base", out / (record.adapter or record.base)
    with _first_process_first():
        device = devices.here()
        if is_first():
            bases.show(found, base, template)
            record.chat_family = family
            record.machine |= {"device": device.name, "processes": str(device.processes)}
            record.write(out)
    if not target.is_dir():
        tuning = finetune.Tuning(recipe, prepared, base, family, out / "work", target)
        finetune.run(tuning, device)
    if is_first():
        _end(record, {"tuning": pretrain.read_log(target)}, out, started)
    return record


def is_first() -> bool:
    """Whether this process is the one that writes: the only one, or the first of torchrun's."""
    return int(os.environ.get("RANK", "0")) == 0


@contextmanager
def _first_process_first() -> Iterator[None]:
    """What one process writes and all of them read; the others wait for it."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield
        return
    import torch
    from accelerate import PartialState

    with PartialState(cpu=not torch.cuda.is_available()).main_process_first():
        yield


def _make_ready() -> None:
    """Threads, memory and silence for a training."""
    _quiet()
    from medtrain import training

    training.keep_freed_memory()
    import torch

    torch.set_num_threads(max(1, (os.cpu_count() or 1) // _processes_here()))


def _processes_here() -> int:
    return int(os.environ.get("LOCAL_WORLD_SIZE", "1"))


def _begin(recipe: Recipe, out: Path, inputs: dict[str, str], place: dict[str, str]) -> RunRecord:
    settings = recipe.in_force()
    if (out / run_record.NAME).is_file():
        record = run_record.read(out)
        if (record.settings, record.inputs) == (settings, inputs):
            return record
        if record.stage != "train" or record.finished or _has_learned(out):
            raise UsageError(
                f"{out} holds a run with other settings or other data.",
                "Name another folder with --out, or remove that one.",
            )
    record = RunRecord(
        stage="train",
        recipe=recipe.name,
        settings=settings,
        inputs=inputs,
        seed=recipe.seed,
        chat_family=recipe.chat_family,
        versions=run_record.versions(*PACKAGES),
        machine=run_record.machine(),
        **place,
    )
    if is_first():
        record.write(out)
    return record


def _has_learned(out: Path) -> bool:
    """Whether a run came to its first checkpoint; one that was refused before did not."""
    checkpoints = any((out / "work").rglob("checkpoint-*"))
    return checkpoints or any(not file.is_symlink() for file in out.glob("*/*.safetensors"))


def _end(record: RunRecord, logs: dict[str, Any], out: Path, started: float) -> None:
    """The curve, the figures and the hashes; what was needed only on the way is removed."""
    from medtrain import curve

    curve.draw(logs, out / "curve.png")
    record.metrics = {stage: _last(log) for stage, log in logs.items()}
    made = [folder for folder in ("base", "adapter", "model") if (out / folder).is_dir()]
    record.outputs = {
        str(file.relative_to(out)): files.sha256(file)
        for folder in made
        for file in sorted((out / folder).glob("*.safetensors"))
        if not file.is_symlink()
    }
    record.finish(out, started)
    shutil.rmtree(out / "work", ignore_errors=True)


def _last(log: list[dict[str, Any]]) -> dict[str, float]:
    """The newest loss and accuracy, and what the stage took."""
    found: dict[str, float] = {}
    for line in log:
        for key in _FIGURES:
            if key in line:
                found[key] = round(line[key], 4)
    return found


_FIGURES = (
    "examples",
    "validation_examples",
    "left_out",
    "trained_parameters",
    "parameters",
    "loss",
    "mean_token_accuracy",
    "eval_loss",
    "eval_mean_token_accuracy",
    "num_tokens",
    "train_runtime",
)


def _quiet() -> None:
    """Nothing is fetched and nothing but the progress is printed."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    import huggingface_hub.constants

    # What was fetched is here by now; both are read at import.
    huggingface_hub.constants.HF_HUB_OFFLINE = True
    huggingface_hub.constants.HF_HUB_DISABLE_TELEMETRY = True
    silence.libraries()
