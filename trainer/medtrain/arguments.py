"""A recipe's settings as the arguments of TRL's and transformers' trainers."""

from pathlib import Path
from typing import Any

from medllm.errors import DataError
from rapidfuzz import process

from medtrain import device as devices
from medtrain.device import Batching, Device
from medtrain.settings import TuningRecipe

_OURS = {
    "output_dir": "--out",
    "seed": "seed",
    "data_seed": "seed",
    "num_train_epochs": "train.epochs",
    "max_steps": "train.max_steps",
    "learning_rate": "train.learning_rate",
    "lr_scheduler_type": "train.schedule",
    "warmup_steps": "train.warmup",
    "weight_decay": "train.weight_decay",
    "per_device_train_batch_size": "train.batch",
    "per_device_eval_batch_size": "train.batch",
    "gradient_accumulation_steps": "train.accumulation",
    "max_length": "train.max_length",
    "bf16": "train.precision",
    "fp16": "train.precision",
    "optim": "train.optimizer",
    "packing": "train.batching",
    "padding_free": "train.batching",
    "train_sampling_strategy": "train.batching",
    "gradient_checkpointing": "train.checkpointing",
    "save_steps": "train.save_steps",
    "save_strategy": "train.save_steps",
    "eval_steps": "train.save_steps",
    "eval_strategy": "train.save_steps",
}
"""What a setting of ours stands for; it is not taken twice."""
_FIXED = frozenset(
    """
    assistant_only_loss auto_find_batch_size chat_template_path completion_only_loss
    dataset_kwargs dataset_text_field disable_tqdm do_eval do_predict do_train eos_token
    eval_packing greater_is_better hub_model_id ignore_data_skip load_best_model_at_end
    logging_nan_inf_filter metric_for_best_model model_init_kwargs packing_strategy pad_token
    predict_with_generate push_to_hub remove_unused_columns resume_from_checkpoint
    save_only_model shuffle_dataset trust_remote_code use_cpu
    """.split()
)
"""What the project decides: what is learned, in which order, and that a run can go on."""


def check_extra(recipe: TuningRecipe) -> None:
    """Refuses what `extra` may not hold.

    Raises:
        DataError: a key is unknown, fixed, or has a setting of its own.
    """
    if not recipe.extra:
        return
    known = sorted(_known(recipe.kind) - set(_OURS) - _FIXED)
    for key in recipe.extra:
        if key in _OURS:
            raise DataError(
                f"Recipe {recipe.name}: extra.{key} has a setting of its own.",
                f"Set {_OURS[key]} instead.",
            )
        if key in _FIXED:
            raise DataError(f"Recipe {recipe.name}: extra.{key} is not free.", "Leave it out.")
        if key not in known:
            nearest = process.extractOne(key, [*known, *_OURS])[0]
            meant = _OURS.get(nearest, f"extra.{nearest}")
            raise DataError(
                f"Recipe {recipe.name}: there is no setting extra.{key}; did you mean {meant}?"
            )


def _known(kind: str) -> set[str]:
    import dataclasses

    if kind == "causal":
        from trl import SFTConfig as Arguments
    else:
        from transformers import Seq2SeqTrainingArguments as Arguments
    return {field.name for field in dataclasses.fields(Arguments)}


def build(
    recipe: TuningRecipe,
    device: Device,
    folder: Path,
    *,
    batches: Batching,
    steps: tuple[int, int],
    total: int,
    validates: bool,
    checkpointing: bool,
) -> Any:
    """The arguments of the recipe's trainer.

    Args:
        recipe: the settings.
        device: what it runs on.
        folder: where checkpoints go.
        batches: how examples become batches.
        steps: batch and accumulation.
        total: steps of the whole training, about.
        validates: whether there are examples to validate on.
        checkpointing: whether activations are computed twice.

    Raises:
        DataError: an argument of `extra` has a value that is not understood.
    """
    from transformers import Seq2SeqTrainingArguments
    from trl import SFTConfig

    made = _shared(recipe, device, folder) | {
        "per_device_train_batch_size": steps[0],
        "per_device_eval_batch_size": recipe.train.batch,
        "gradient_accumulation_steps": steps[1],
        "gradient_checkpointing": checkpointing,
        "logging_steps": max(1, min(10, total // 20)),
        **_saving(recipe, validates),
    }
    if recipe.kind == "causal":
        packed = batches == "packed"
        made |= {
            "packing": packed,
            "eval_packing": False,
            # Examples come tokenized and not too long; a pack has its length.
            "max_length": recipe.train.max_length if packed else None,
            "pad_to_multiple_of": _multiple(device),
        }
    try:
        arguments = SFTConfig if recipe.kind == "causal" else Seq2SeqTrainingArguments
        whole = arguments(**made | recipe.extra)
    except (TypeError, ValueError) as error:
        told = " ".join(str(error).split())
        raise DataError(f"Recipe {recipe.name}: {told}", "Look at `extra`.") from error
    if whole.n_gpu > 1:
        # One process would split its batches over all GPUs; several are for torchrun.
        whole._n_gpu = 1
    return whole


def _shared(recipe: TuningRecipe, device: Device, folder: Path) -> dict[str, Any]:
    train, kind = recipe.train, devices.precision(recipe.train, device)
    return {
        "output_dir": str(folder),
        "seed": recipe.seed,
        "data_seed": recipe.seed,
        "num_train_epochs": train.epochs,
        "max_steps": train.max_steps,
        "learning_rate": train.learning_rate,
        # Transformers' constant schedule has no warm-up.
        "lr_scheduler_type": f"{train.schedule}_with_warmup"
        if train.schedule == "constant" and train.warmup
        else train.schedule,
        "warmup_steps": train.warmup,
        "weight_decay": train.weight_decay,
        "optim": devices.optimizer(train, device),
        "bf16": kind == "bf16",
        "fp16": kind == "fp16",
        "use_cpu": device.kind == "cpu",
        "ddp_backend": "gloo" if device.kind == "cpu" and device.processes > 1 else None,
        "dataloader_pin_memory": device.is_cuda,
        "logging_first_step": True,
        "logging_nan_inf_filter": False,  # a loss that is no number must be seen
        "disable_tqdm": True,
        "report_to": "none",
    }


def _saving(recipe: TuningRecipe, validates: bool) -> dict[str, Any]:
    """Checkpoints and validation keep step, so that the best one is there at the end."""
    every = recipe.train.save_steps
    when = "steps" if every else "epoch"
    made: dict[str, Any] = {"save_strategy": when, "eval_strategy": when if validates else "no"}
    made |= {"save_steps": every, "eval_steps": every} if every else {}
    best = {"load_best_model_at_end": True, "metric_for_best_model": "eval_loss"}
    return {**made, "save_total_limit": 2, **(best if validates else {})}


def _multiple(device: Device) -> int:
    """On a processor each new shape of a batch costs a new kernel; a GPU likes eights."""
    return 32 if device.kind == "cpu" else 8


def packed_steps(batch: int, accumulation: int, fill: float) -> tuple[int, int]:
    """Batch and accumulation in packs, so that a step has about as many examples as before.

    Args:
        batch: examples a device at once.
        accumulation: batches a step.
        fill: examples that go into a pack, at least 1.
    """
    packs = max(1, round(batch * accumulation / fill))
    at_once = min(batch, packs)
    return at_once, max(1, round(packs / at_once))
