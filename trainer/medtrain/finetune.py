"""Tuning of a base model on examples: tokenized, checked, trained, saved."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medllm import files, paths

from medtrain import (
    arguments,
    assembly,
    bases,
    encoding,
    preflight,
    pretrain,
    reporting,
    training,
    weights,
)
from medtrain import device as devices
from medtrain.device import Device
from medtrain.encoding import Tally
from medtrain.examples import Example, Prepared
from medtrain.settings import TuningRecipe


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
    reporting.check(recipe, tuning.target.parent)
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
    preflight.check_rows(data["train"], tokenizer, ends)
    model = assembly.model_of(tuning.base, recipe, device)
    settled = assembly.settle(recipe, device, model, tallies["train"])
    trainer = assembly.trainer_of(
        recipe, device, settled, model, tokenizer, data, tuning.work, tallies["train"].lengths
    )
    preflight.check_batch(trainer)
    if state.is_main_process:
        both = (tallies["train"], tallies["validation"])
        told = assembly.told(recipe, device, settled, model)
        preflight.show(recipe, tokenizer, both, data["train"][0], told)
    log = training.fit(trainer, tuning.work, lambda: _remedy(recipe, device, tallies["train"]))
    try:
        _save(trainer, tuning, [_facts(tallies, trainer.model), *log], state)
    except Exception as error:
        if foreseen := training.foresee(error, tuning.target):
            raise foreseen from error
        raise


def _facts(tallies: dict[str, Tally], model: Any) -> dict[str, int]:
    """The first line of the log: what was trained, and on how much."""
    share = weights.share_of(model)
    return {
        "examples": tallies["train"].examples,
        "validation_examples": tallies["validation"].examples,
        "left_out": sum(tally.too_long for tally in tallies.values()),
        "trained_parameters": share.trained,
        "parameters": share.total,
    }


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


def _remedy(recipe: TuningRecipe, device: Device, tally: Tally) -> str:
    """Settings that take less memory, those first that change least."""
    from medtrain.estimate import fitting

    return fitting.remedy(recipe, device, tally.lengths)


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
