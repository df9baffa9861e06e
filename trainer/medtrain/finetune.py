"""Tuning of a base model on examples: tokenized, checked, trained, saved."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medllm import files, paths
from medllm.errors import TrainingError

from medtrain import arguments, bases, encoding, preflight, pretrain, training, weights
from medtrain import device as devices
from medtrain.device import Batching, Device
from medtrain.encoding import Tally
from medtrain.examples import Example, Prepared
from medtrain.settings import TrainSettings, TuningRecipe


@dataclass(frozen=True, slots=True)
class Tuning:
    """What a tuning is about."""

    recipe: TuningRecipe
    prepared: Prepared
    base: Path
    """Folder of the base, its chat template included."""
    family: str
    """The chat family, empty where it is not known."""
    work: Path
    """Folder of what is needed only while it runs."""
    target: Path
    """Folder of the adapter or of the model; it appears only when it is whole."""


def run(tuning: Tuning, device: Device) -> None:
    """Trains and saves.

    Raises:
        TrainingError: the examples would not train what they should, or memory ran out.
        InterruptedRunError: Ctrl-C; the checkpoint is kept.
    """
    from accelerate import PartialState
    from datasets import Dataset
    from transformers import set_seed

    recipe = tuning.recipe
    devices.refuse_what_cannot_be(recipe, device)
    arguments.check_extra(recipe)
    state = PartialState(cpu=device.kind == "cpu")
    set_seed(recipe.seed)
    tokenizer = bases.tokenizer_of(tuning.base)
    ends = bases.ends_of(tokenizer, tuning.base, tuning.family)
    paths.ensure_dir(tuning.work)
    parts = {"train": tuning.prepared.train, "validation": tuning.prepared.validation}
    tallies = {name: Tally() for name in parts}
    # The first process writes the tokens, the others map the same files.
    for name, examples in parts.items():
        _encode(tuning, tokenizer, ends, examples, tallies[name], _file(tuning, name), state)
    preflight.check_counts(recipe, tallies["train"])
    data = {
        name: Dataset.from_file(str(_file(tuning, name)))
        for name, tally in tallies.items()
        if tally.examples
    }
    trainer, told = _trainer(tuning, device, tokenizer, data, tallies["train"])
    preflight.check_batch(trainer, ends)
    if state.is_main_process:
        both = (tallies["train"], tallies["validation"])
        preflight.show(recipe, device, tokenizer, both, data["train"][0], told)
    log = training.fit(trainer, tuning.work, _remedy(recipe, device))
    _save(trainer, tuning, log, state)


def _file(tuning: Tuning, name: str) -> Path:
    return tuning.work / f"{name}.arrow"


def _encode(
    tuning: Tuning,
    tokenizer: Any,
    ends: frozenset[int],
    examples: Sequence[Example],
    tally: Tally,
    file: Path,
    state: Any,
) -> None:
    encoder = encoding.encoder_for(tuning.recipe, tokenizer, ends)
    rows = encoding.encode_all(examples, encoder, tally)
    if state.is_main_process:
        encoding.write(rows, file)
    else:
        for _ in rows:  # counts alone
            pass
    state.wait_for_everyone()


def _trainer(
    tuning: Tuning, device: Device, tokenizer: Any, data: dict[str, Any], tally: Tally
) -> tuple[Any, dict[str, str]]:
    """The trainer, and what was settled for it, by what it is about."""
    from peft import get_peft_model
    from transformers import DataCollatorForSeq2Seq

    from medtrain.trainers import CausalTrainer, PairTrainer

    recipe = tuning.recipe
    precision = devices.precision(recipe.train, device)
    batches = devices.batching(recipe.train, recipe.kind, device)
    model = weights.open_model(tuning.base, recipe, device, precision)
    if recipe.lora is not None:
        model = get_peft_model(model, weights.adapter_config(recipe.lora, recipe.kind))
    weights.keep_trained_in_full(model)
    share = weights.share_of(model)
    fixed = weights.bytes_of(model, devices.optimizer(recipe.train, device))
    twice = devices.needs_checkpointing(recipe.train, device, model, fixed)
    steps = _steps(recipe.train, batches, tally)
    made = arguments.build(
        recipe,
        device,
        tuning.work,
        batches=batches,
        steps=steps,
        total=_total(recipe.train, tally.examples, steps[0] * steps[1] * device.processes),
        validates="validation" in data,
        checkpointing=twice,
    )
    given = {
        "model": model,
        "args": made,
        "train_dataset": data["train"],
        "eval_dataset": data.get("validation"),
        "processing_class": tokenizer,
        "callbacks": _callbacks(recipe, "validation" in data),
    }
    if recipe.kind == "causal":
        trainer: Any = CausalTrainer(**given)
    else:
        collator = DataCollatorForSeq2Seq(tokenizer, model, pad_to_multiple_of=8)
        trainer = PairTrainer(**given, data_collator=collator)
    weights.keep_trained_in_full(trainer.model)  # TRL halves an adapter on a rounded base
    if batches == "grouped":
        trainer.group(tally.lengths)
    told = {
        "Model": f"{recipe.base}, {share.trained / 1e6:.1f} of {share.total / 1e6:,.1f} million "
        f"parameters are trained ({share.trained / share.total:.2%})",
        "Device": preflight.settled(device, precision, batches, steps, twice),
    }
    if recipe.train.optimizer == "adamw-8bit" and not device.is_cuda:
        told["Optimizer"] = "AdamW in 32 bits, since 8 bits need CUDA"
    return trainer, told


def _steps(train: TrainSettings, batches: Batching, tally: Tally) -> tuple[int, int]:
    """Batch and accumulation; packs count for the examples in them."""
    if batches != "packed":
        return train.batch, train.accumulation
    mean = tally.tokens / max(tally.examples, 1)
    return arguments.packed_steps(train.batch, train.accumulation, train.max_length / mean)


def _total(train: TrainSettings, examples: int, step: int) -> int:
    """Steps of the training; packs count as if they were examples."""
    steps = int(train.epochs * -(-examples // step))
    return min(steps, train.max_steps) if train.max_steps > 0 else steps


def _callbacks(recipe: TuningRecipe, validates: bool) -> list[Any]:
    from accelerate import PartialState
    from transformers import EarlyStoppingCallback

    from medtrain.progress import ProgressView

    made: list[Any] = [ProgressView("tuning")] if PartialState().is_main_process else []
    if not recipe.train.patience:
        return made
    if not validates:
        raise TrainingError(
            "train.patience needs examples to validate on, and there are none.",
            "Set data.validation above 0, or train.patience=0.",
        )
    return [*made, EarlyStoppingCallback(recipe.train.patience)]


def _remedy(recipe: TuningRecipe, device: Device) -> str:
    """Settings that take less memory, those first that change least."""
    train, lora = recipe.train, recipe.lora
    tips = []
    if train.batch > 1:
        more = train.accumulation * train.batch
        tips.append(f"--set train.batch=1 --set train.accumulation={more}")
    if train.checkpointing != "on":
        tips.append("--set train.checkpointing=on")
    if lora and lora.bits == 16 and lora.init == "default" and device.kind != "mps":
        tips.append("--set lora.bits=4")
    tips.append(f"--set train.max_length={max(16, train.max_length // 2)}")
    return f"In a new folder, try: {' '.join(tips)}"


def _save(trainer: Any, tuning: Tuning, log: list[dict[str, Any]], state: Any) -> None:
    """Saves beside the target, then gives it its name."""
    part = tuning.target.with_name(f".{tuning.target.name}.part")
    trainer.save_model(str(part))  # all processes: each may hold a shard
    if state.is_main_process:
        (part / "training_args.bin").unlink(missing_ok=True)  # a pickle
        if tuning.recipe.lora is not None:
            _name_base(part / "adapter_config.json", tuning)
        else:
            bases.complete(tuning.base, part)
        files.write_json(part / pretrain.LOG, log)
        part.rename(tuning.target)
    state.wait_for_everyone()


def _name_base(file: Path, tuning: Tuning) -> None:
    """Says where the base is: on the Hub, or beside the adapter."""
    content = json.loads(file.read_text("utf-8"))
    local = Path(tuning.recipe.base).expanduser().is_dir()
    content["base_model_name_or_path"] = "../base" if local else tuning.recipe.base
    content["revision"] = None if local else tuning.recipe.revision or None
    files.write_json(file, content)
