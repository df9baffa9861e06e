"""The memory of a training, part by part."""

from dataclasses import asdict, dataclass

from medtrain.device import Device, Precision
from medtrain.estimate.trace import Counts, Step
from medtrain.settings import TuningRecipe

_NF4 = 0.5 + 1 / 64 + 4 / (64 * 256)
"""Bytes a weight in nf4: four bits, and for each block of 64 a scale of eight bits, and for 256
of these one of 32 (arXiv:2305.14314, section 3, "double quantization")."""
_ADAM = {"adamw_8bit": 2 * (1 + 4 / 256)}
"""Bytes of Adam's two moments a trained weight: 8 bits each and a scale of 32 for each block of
256 (arXiv:2110.02861); 32 bits each where it is not named here."""
_CUDA = 700_000_000
"""Context and libraries of CUDA, about; it differs by driver."""
_SLACK = {"cuda": 1.05, "mps": 1.05, "cpu": 1.2}
"""Gaps between what an allocator gives out. Of a GPU's assumed; glibc's keeps what is freed (see
`training.keep_freed_memory`), and batches of other lengths leave gaps: 0.97 to 1.4 by
benchmarks/estimate.py, whose first three shapes it was set on."""


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes at the peak of a training, by what holds them."""

    weights: int
    """The base's, as it is kept while training."""
    adapter: int
    gradients: int
    optimizer: int
    activations: int
    logits: int
    framework: int
    """Python, torch and the like; on a GPU what CUDA keeps for itself."""

    @property
    def total(self) -> int:
        """All of it."""
        return sum(asdict(self).values())


def of(
    recipe: TuningRecipe,
    device: Device,
    precision: Precision,
    counts: Counts,
    step: Step,
    optimizer: str,
) -> Memory:
    """The parts, from parameters and what a traced step holds.

    weights: parameters times bytes, see `_weights`; gradients: 4 bytes a trained weight;
    optimizer: 8 bytes, or 2 in 8 bits; activations and logits: from the trace.

    Args:
        recipe: the settings.
        device: where it is trained.
        precision: of the computation.
        counts: parameters.
        step: a batch, traced.
        optimizer: by transformers' name.
    """
    whole = recipe.lora is None
    rounded = recipe.lora is not None and recipe.lora.bits == 4
    slack = _SLACK[device.kind]
    # A layer in 4 bits stands in full while it is multiplied.
    opened = counts.largest_linear * (4 if precision == "fp32" else 2) if rounded else 0
    return Memory(
        weights=_weights(recipe, precision, counts),
        adapter=0 if whole else counts.trained * 4,
        gradients=counts.trained * 4,
        optimizer=int(counts.trained * _ADAM.get(optimizer, 8)),
        activations=int(slack * (step.activations + opened)),
        logits=int(slack * step.logits),
        framework=_framework(device),
    )


def _weights(recipe: TuningRecipe, precision: Precision, counts: Counts) -> int:
    """What is trained is kept in 32 bits; what is frozen in those of the computation."""
    if recipe.lora is None:
        return counts.total * 4
    base = counts.total - counts.trained
    each = 4 if precision == "fp32" else 2
    if recipe.lora.bits == 16:
        return base * each
    return int(counts.frozen_linear * _NF4 + (base - counts.frozen_linear) * each)


def _framework(device: Device) -> int:
    """On a processor what this process takes, with the packages that a training loads."""
    if device.is_cuda:
        return _CUDA
    import datasets  # noqa: F401
    import psutil
    import trl  # noqa: F401
    from matplotlib import pyplot  # noqa: F401

    return int(psutil.Process().memory_info().rss)
