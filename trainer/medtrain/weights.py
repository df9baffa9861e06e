"""The weights that are trained: the base's, whole or rounded, and what PEFT adds to them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medllm.errors import TrainingError, UsageError

from medtrain.device import Device, Precision
from medtrain.settings import AdapterSettings, TuningRecipe


def open_model(folder: Path, recipe: TuningRecipe, device: Device, precision: Precision) -> Any:
    """The base's weights, ready to be trained or to get an adapter.

    Raises:
        UsageError: they can't be read.
        TrainingError: they don't fit into memory.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM

    frozen = recipe.lora is not None
    kinds = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}
    # What is trained is kept in 32 bits; what is frozen may stand in fewer, where that is fast.
    kind = kinds[precision] if frozen and device.kind != "cpu" else torch.float32
    settings: dict[str, Any] = {"dtype": kind, "local_files_only": True, "use_safetensors": True}
    if recipe.lora is not None and recipe.lora.bits == 4:
        settings["quantization_config"] = four_bit(kinds[precision], device)
    if device.is_cuda and device.sharded != "DeepSpeed":
        settings["device_map"] = {"": torch.cuda.current_device()} if not device.sharded else None
    reader = AutoModelForCausalLM if recipe.kind == "causal" else AutoModelForSeq2SeqLM
    try:
        return reader.from_pretrained(folder, **settings)
    except (MemoryError, torch.OutOfMemoryError) as error:
        raise TrainingError(
            f"The base {recipe.base} does not fit into memory.",
            "Use --set lora.bits=4, or a smaller base.",
        ) from error
    except (OSError, ValueError, KeyError) as error:
        told = " ".join(str(error).split())[:200]
        raise UsageError(f"The base {recipe.base} can't be read: {told}") from error


def four_bit(kind: Any, device: Device) -> Any:
    """QLoRA's rounding of the base: nf4, its scales rounded too (arXiv:2305.14314)."""
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=kind,
        # FSDP shards tensors of one type only.
        **({"bnb_4bit_quant_storage": kind} if device.sharded == "FSDP" else {}),
    )


def adapter_config(lora: AdapterSettings, kind: str) -> Any:
    """PEFT's settings of the adapter."""
    from peft import LoraConfig

    return LoraConfig(
        r=lora.r,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=lora.targets,
        use_rslora=lora.rslora,
        use_dora=lora.dora,
        init_lora_weights="pissa" if lora.init == "pissa" else True,
        task_type="CAUSAL_LM" if kind == "causal" else "SEQ_2_SEQ_LM",
    )


@dataclass(frozen=True, slots=True)
class Share:
    """Parameters, those of a rounded base counted as they were."""

    trained: int
    total: int


def share_of(model: Any) -> Share:
    """How many parameters there are, and how many are trained."""
    trained = total = 0
    for parameter in model.parameters():
        count = parameter.numel()
        if parameter.__class__.__name__ == "Params4bit":
            # Two of them stand in a byte.
            count *= 2 * parameter.element_size()
        total += count
        trained += count if parameter.requires_grad else 0
    return Share(trained, total)


def bytes_of(model: Any, optimizer: str) -> int:
    """Memory of weights, gradients and the optimizer's two moments."""
    moments = 2 if optimizer == "adamw_8bit" else 8
    stored = sum(p.numel() * p.element_size() for p in model.parameters())
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    return int(stored + trained * (4 + moments))


def keep_trained_in_full(model: Any) -> None:
    """Keeps what is trained in 32 bits: small steps are lost in 16, and fp16 can't scale them."""
    import torch

    for parameter in model.parameters():
        if parameter.requires_grad and parameter.dtype != torch.float32:
            parameter.data = parameter.data.to(torch.float32)
