"""Machines that an estimate can be made for: those with a name, and the one at hand."""

import time
from dataclasses import dataclass
from typing import Any

from medllm.errors import UsageError

from medtrain import device as devices
from medtrain.device import Device
from medtrain.settings import TuningRecipe

HERE = "here"
_SHARE = 0.35
"""Of a GPU's peak that training reaches, about: reported are 0.2 to 0.5 (arXiv:2204.02311,
table 3, as "model FLOPs utilization")."""


@dataclass(frozen=True, slots=True)
class Machine:
    """A device and how fast it trains."""

    name: str
    device: Device
    flops: float
    """Operations a second that training reaches; 0: not known yet."""
    disk: int = 0
    """Free bytes; 0: not known."""


# Memory that is free to use, a little below the data sheets' 16, 80 and 141 GB; peaks of the
# data sheets in 16 bits without sparsity: 65, 312 and 989 TFLOPS.
_NAMED = {
    "T4": Machine("T4", Device("cuda", "T4", 15_600_000_000, False), _SHARE * 65e12),
    "A100": Machine("A100", Device("cuda", "A100 80 GB", 84_000_000_000, True), _SHARE * 312e12),
    "H200": Machine("H200", Device("cuda", "H200", 149_000_000_000, True), _SHARE * 989e12),
    # Eight cores at 3 GHz do 768 billion operations a second with AVX2; 12 of 16 GB are free.
    "laptop": Machine("laptop", Device("cpu", "8 cores", 12_000_000_000, False), 0.4 * 768e9),
}
NAMES = (*_NAMED, HERE)


def named(name: str) -> Machine:
    """The machine of that name; the speed of the one at hand is 0, see `measured`.

    Raises:
        UsageError: there is none.
    """
    if name == HERE:
        import shutil
        from pathlib import Path

        return Machine(HERE, devices.here(), 0.0, shutil.disk_usage(Path.cwd()).free)
    found = {key.lower(): machine for key, machine in _NAMED.items()}.get(name.lower())
    if found is None:
        raise UsageError(f"There is no machine {name!r}.", f"There are: {', '.join(NAMES)}.")
    return found


def measured(recipe: TuningRecipe, config: Any, device: Device, seconds: float = 3.0) -> float:
    """Operations a second of this machine, from steps through one layer of the base's width.

    Args:
        recipe: what is trained.
        config: the base's.
        device: the one at hand.
        seconds: how long it is measured.
    """
    import torch

    from medtrain.estimate import trace

    precision = devices.precision(recipe.train, device)
    length = min(256, recipe.train.max_length)
    batch = trace.Batch(1, length, length if recipe.kind == "seq2seq" else 0)
    small = _one_layer(config)
    flops = trace.step(recipe, small, batch, precision, False).flops
    kinds = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}
    place = device.kind
    with torch.device(place):
        model = trace.build(recipe, small).to(kinds[precision])
        inputs = trace.inputs_of(batch)
    model.train()

    def once() -> None:
        trace.loss_of(model, inputs).backward()
        if device.is_cuda:
            torch.cuda.synchronize()

    once()
    rounds, started = 0, time.perf_counter()
    while rounds < 2 or time.perf_counter() - started < seconds:
        once()
        rounds += 1
    return flops * rounds / (time.perf_counter() - started)


def _one_layer(config: Any) -> Any:
    from copy import deepcopy

    small = deepcopy(config)
    text = small.get_text_config()
    text.vocab_size = min(text.vocab_size, 1024)
    text.num_hidden_layers = 1
    for name in ("num_layers", "num_decoder_layers"):
        if hasattr(text, name):
            setattr(text, name, 1)
    if getattr(text, "layer_types", None):
        text.layer_types = text.layer_types[:1]
    # Tokens that begin, end and fill must be in the smaller vocabulary.
    text.pad_token_id = None if not small.is_encoder_decoder else 0
    return small
