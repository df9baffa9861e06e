"""Settings with which a recipe fits into a machine's memory, those first that change least."""

import math
import statistics
from collections.abc import Iterator, Sequence
from typing import Any

from medllm.errors import MedLLMError
from pydantic import ValidationError

from medtrain.device import Device
from medtrain.estimate import estimate
from medtrain.estimate.estimate import Texts
from medtrain.estimate.machines import HERE, Machine
from medtrain.settings import TuningRecipe

_SHORTEST = 128
_LOWEST = 8
_LESS = 0.85


def settings_that_fit(
    recipe: TuningRecipe,
    machine: Machine,
    texts: Texts | None = None,
    *,
    ran_out: bool = False,
) -> list[str] | None:
    """Changes to a recipe, as `--set` takes them; None where no change would do.

    They are taken one after the other, and each is kept: activations computed twice, smaller
    batches with as many examples a step, the base in 4 bits, shorter texts, a lower rank.

    Args:
        recipe: one that does not fit.
        machine: where it does not.
        texts: the examples, where they are known.
        ran_out: memory did run out, whatever was foretold: what fits must take clearly less.
    """
    most = _LESS * estimate.of_recipe(recipe, machine, texts).memory.total if ran_out else math.inf
    changed: dict[str, Any] = {}
    for change in _changes(recipe, machine):
        changed |= change
        try:
            tried = recipe.changed(changed)
        except ValidationError:
            continue
        found = estimate.of_recipe(tried, machine, texts)
        if found.fits and found.memory.total <= most:
            return [f"{name}={value}" for name, value in changed.items()]
    return None


def remedy(recipe: TuningRecipe, device: Device, lengths: Sequence[int]) -> str:
    """What to do where memory ran out in training.

    Args:
        recipe: what was trained.
        device: with the memory that was free before.
        lengths: tokens of each example.
    """
    longest = max(lengths)
    answer = longest if recipe.kind == "seq2seq" else 0
    texts = Texts(len(lengths), statistics.fmean(lengths), longest, answer)
    try:
        found = settings_that_fit(recipe, Machine(HERE, device, 0.0), texts, ran_out=True)
    except (MedLLMError, MemoryError, RuntimeError):
        found = ["train.batch=1", "train.checkpointing=always"]
    if not found:
        return "Take a smaller base, or a larger machine."
    return "In a new folder, try: " + " ".join(f"--set {setting}" for setting in found)


def _changes(recipe: TuningRecipe, machine: Machine) -> Iterator[dict[str, Any]]:
    train, lora = recipe.train, recipe.lora
    if train.checkpointing != "always":
        yield {"train.checkpointing": "always"}
    if train.batch > 1:
        yield {"train.batch": 1, "train.accumulation": train.accumulation * train.batch}
    if lora and lora.bits == 16 and lora.init == "default" and machine.device.kind != "mps":
        yield {"lora.bits": 4}
    length = train.max_length // 2
    while length >= _SHORTEST:
        yield {"train.max_length": length}
        length //= 2
    rank = lora.r // 2 if lora else 0
    while rank >= _LOWEST:
        yield {"lora.r": rank}
        rank //= 2
