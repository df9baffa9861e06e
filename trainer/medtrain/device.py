"""The device at hand: what it does well, and what it can't do and is refused."""

import os
from dataclasses import dataclass
from typing import Literal

from medllm.errors import TrainingError

from medtrain.settings import TrainSettings, TuningRecipe

Precision = Literal["bf16", "fp16", "fp32"]
Batching = Literal["packed", "grouped", "padded"]


@dataclass(frozen=True, slots=True)
class Device:
    """Where training runs; each process has one of its own."""

    kind: Literal["cuda", "mps", "cpu"]
    name: str
    memory: int
    """Free memory in bytes."""
    has_fast_bf16: bool
    processes: int = 1
    """Of the whole training, on all machines."""
    sharded: str = ""
    """FSDP or DeepSpeed, where the launcher asked for it."""

    @property
    def is_cuda(self) -> bool:
        """Whether it is a GPU that CUDA or ROCm drives."""
        return self.kind == "cuda"


def here() -> Device:
    """The device of this process, as torchrun or accelerate set it up."""
    import psutil
    import torch

    processes = int(os.environ.get("WORLD_SIZE", "1"))
    asked = {"FSDP": "ACCELERATE_USE_FSDP", "DeepSpeed": "ACCELERATE_USE_DEEPSPEED"}
    sharded = next((name for name, key in asked.items() if os.environ.get(key) == "true"), "")
    fast = bf16_is_fast()
    if torch.cuda.is_available():
        number = int(os.environ.get("LOCAL_RANK", "0"))
        free, _ = torch.cuda.mem_get_info(number)
        name = torch.cuda.get_device_name(number)
        return Device("cuda", name, free, fast, processes, sharded)
    memory = psutil.virtual_memory().available
    if torch.backends.mps.is_available():
        return Device("mps", "Apple GPU", memory, False, processes, sharded)
    return Device("cpu", f"{os.cpu_count()} cores", memory, fast, processes, sharded)


def bf16_is_fast() -> bool:
    """Whether bf16 pays on this device; without AVX512-BF16 or AMX it is several times slower."""
    import torch

    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def ran_out_of_memory(error: BaseException) -> bool:
    """Whether an error of Python or torch says that there is no more memory."""
    told = isinstance(error, RuntimeError) and "memory" in str(error).lower()
    return told or isinstance(error, MemoryError)


def refuse_what_cannot_be(recipe: TuningRecipe, device: Device) -> None:
    """Names the first setting that this device would ignore or fail at.

    Raises:
        TrainingError: there is one.
    """
    if device.kind == "cpu" and recipe.train.precision == "fp16":
        raise TrainingError(
            "A processor can't train in fp16.", "Leave it: --set train.precision=auto"
        )
    if device.is_cuda and recipe.train.precision == "bf16" and not device.has_fast_bf16:
        raise TrainingError(
            f"{device.name} has no bf16.", "Use --set train.precision=auto, which takes fp16."
        )
    sharded = device.sharded or next(
        (name for name in ("fsdp", "deepspeed") if recipe.extra.get(name)), ""
    )
    if sharded and not device.is_cuda:
        raise TrainingError(
            f"{sharded} shards a model over GPUs, and there is none here.",
            "Start it with torchrun, which gives each process a whole copy.",
        )
    bits = recipe.lora.bits if recipe.lora else 16
    if bits == 4 and device.kind == "mps":
        raise TrainingError("An Apple GPU can't train in 4 bits.", "Use --set lora.bits=16")


def precision(train: TrainSettings, device: Device) -> Precision:
    """The precision of the computation; `auto` is settled."""
    if train.precision != "auto":
        return train.precision
    if device.has_fast_bf16:
        return "bf16"
    return "fp16" if device.is_cuda else "fp32"


def batching(train: TrainSettings, kind: str, device: Device) -> Batching:
    """How examples become batches; `auto` is settled.

    Measured in tokens a second on short examples: on a GPU packing gave 2.4 to 3.7 times
    padding; on two cores grouping by length gave 1.4 times, and packing a little less.
    """
    if train.batching != "auto":
        return train.batching
    return "packed" if device.is_cuda and kind == "causal" else "grouped"


def optimizer(train: TrainSettings, device: Device) -> str:
    """The optimizer by transformers' name; there are 8 bits with CUDA alone."""
    if train.optimizer == "adamw-8bit" and device.is_cuda:
        return "adamw_8bit"
    return "adamw_torch_fused"


def activation_bytes(hidden: int, layers: int, tokens: int) -> int:
    """What the activations of a decoder take in 16 bits, without a matrix of attention.

    34 bytes a token, layer and width: Korthikanti et al., 2022, arXiv:2205.05198, table 2.
    """
    return 34 * hidden * layers * tokens


def needs_checkpointing(train: TrainSettings, device: Device, model: object, fixed: int) -> bool:
    """Whether activations are computed twice; `auto`: if they would not fit beside the weights.

    Args:
        train: the settings.
        device: with the memory that was free before the model was loaded.
        model: with a `config` of transformers.
        fixed: bytes of weights, gradients and the optimizer's state.
    """
    if train.checkpointing != "auto":
        return train.checkpointing == "always"
    config = getattr(model, "config", None)
    hidden = getattr(config, "hidden_size", 0) or getattr(config, "d_model", 0)
    layers = getattr(config, "num_hidden_layers", 0) + getattr(config, "num_decoder_layers", 0)
    width = 1 if precision(train, device) != "fp32" else 2
    tokens = train.batch * train.max_length
    return fixed + width * activation_bytes(hidden, layers, tokens) > 0.85 * device.memory
