"""Model, arguments and data, put together into a trainer."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medllm.errors import TrainingError

from medtrain import arguments, weights
from medtrain import device as devices
from medtrain.device import Batching, Device, Precision
from medtrain.encoding import Tally
from medtrain.settings import TrainSettings, TuningRecipe


@dataclass(frozen=True, slots=True)
class Settled:
    """What `auto` became on this device, for these examples."""

    precision: Precision
    batching: Batching
    steps: tuple[int, int]
    """Batch and accumulation, in examples or in packs."""
    total: int
    """Steps of the whole training, about."""
    checkpointing: bool


def model_of(base: Path, recipe: TuningRecipe, device: Device) -> Any:
    """The base with what is trained in it, an adapter or all of it, in 32 bits.

    Raises:
        UsageError: the base can't be read.
        DataError: it lacks a layer that the recipe names.
        TrainingError: it doesn't fit into memory.
    """
    model = weights.open_model(base, recipe, device, devices.precision(recipe.train, device))
    if recipe.lora is not None:
        model = weights.add_adapter(model, recipe.lora, recipe.kind)
    weights.keep_trained_in_full(model)
    return model


def settle(recipe: TuningRecipe, device: Device, model: Any, tally: Tally) -> Settled:
    """Settles what the recipe leaves to the device."""
    train = recipe.train
    batches = devices.batching(train, recipe.kind, device)
    steps = (train.batch, train.accumulation)
    if batches == "packed":
        mean = tally.tokens / max(tally.examples, 1)
        steps = arguments.packed_steps(*steps, train.max_length / mean)
    fixed = weights.bytes_of(model, devices.optimizer(train, device))
    return Settled(
        devices.precision(train, device),
        batches,
        steps,
        _total(train, tally.examples, train.batch * train.accumulation * device.processes),
        devices.needs_checkpointing(train, device, model, fixed),
    )


def trainer_of(
    recipe: TuningRecipe,
    device: Device,
    settled: Settled,
    model: Any,
    tokenizer: Any,
    data: dict[str, Any],
    work: Path,
    lengths: Sequence[int],
) -> Any:
    """The trainer, ready to train.

    Args:
        recipe: the settings.
        device: what it runs on.
        settled: what they leave to the device.
        model: of `model_of`.
        tokenizer: of the base.
        data: tokenized data sets: `train`, and `validation` where there is one.
        work: folder of the checkpoints.
        lengths: tokens of each example.

    Raises:
        DataError: `extra` holds what the trainer does not take.
        TrainingError: there is nothing to validate on, and it is needed.
    """
    from transformers import DataCollatorForSeq2Seq

    from medtrain.trainers import CausalTrainer, PairTrainer

    made = arguments.build(
        recipe,
        device,
        work,
        batches=settled.batching,
        steps=settled.steps,
        total=settled.total,
        validates="validation" in data,
        checkpointing=settled.checkpointing,
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
    if settled.batching == "grouped":
        trainer.group(lengths)
    return trainer


def check_patience(recipe: TuningRecipe, validates: bool) -> None:
    """Refuses to wait for a better validation where there is none.

    Raises:
        TrainingError: there is nothing to validate on.
    """
    if recipe.train.patience and not validates:
        raise TrainingError(
            "train.patience needs examples to validate on, and there are none.",
            "Set data.validation above 0, or train.patience=0.",
        )


def told(recipe: TuningRecipe, device: Device, settled: Settled, model: Any) -> dict[str, str]:
    """What is trained, where and how, in lines by what they are about."""
    share = weights.share_of(model)
    names = {"packed": "packed", "grouped": "grouped by length", "padded": "padded as they come"}
    each = settled.steps[0] * settled.steps[1] * device.processes
    unit = "packs" if settled.batching == "packed" else "examples"
    line = f"{device.name}, {settled.precision}, {names[settled.batching]}, {each} {unit} a step"
    if device.processes > 1:
        line += f", {device.processes} processes"
    if settled.checkpointing:
        line += ", activations computed twice"
    lines = {
        "Model": f"{recipe.base}, {share.trained / 1e6:.1f} of {share.total / 1e6:,.1f} million "
        f"parameters are trained ({share.trained / share.total:.2%})",
        "Device": line,
    }
    if recipe.train.optimizer == "adamw-8bit" and not device.is_cuda:
        lines["Optimizer"] = "AdamW in 32 bits, since 8 bits need CUDA"
    return lines


def _total(train: TrainSettings, examples: int, step: int) -> int:
    """Steps of the training, by the examples of a step."""
    return train.max_steps if train.max_steps > 0 else int(train.epochs * -(-examples // step))


def _callbacks(recipe: TuningRecipe, validates: bool) -> list[Any]:
    from accelerate import PartialState

    from medtrain.progress import ProgressView
    from medtrain.trainers import Patience

    check_patience(recipe, validates)
    made: list[Any] = [ProgressView("tuning")] if PartialState().is_main_process else []
    return [*made, Patience(recipe.train.patience)] if recipe.train.patience else made
