"""The weights that are trained: the base's, whole or rounded, and what PEFT adds to them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medllm.errors import DataError, TrainingError, UsageError
from rapidfuzz import process

from medtrain.device import Device, Precision, ran_out_of_memory
from medtrain.settings import AdapterSettings, TuningRecipe


def open_model(folder: Path, recipe: TuningRecipe, device: Device, precision: Precision) -> Any:
    """The base's weights, ready to be trained or to get an adapter.

    Raises:
        UsageError: they can't be read, or some are missing.
        TrainingError: they don't fit into memory.
    """
    import torch
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM

    frozen = recipe.lora is not None
    kinds = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}
    # What is trained is kept in 32 bits; what is frozen stands in those of the computation.
    kind = kinds[precision] if frozen else torch.float32
    settings: dict[str, Any] = {"dtype": kind, "local_files_only": True, "use_safetensors": True}
    if recipe.lora is not None and recipe.lora.bits == 4:
        settings["quantization_config"] = four_bit(kinds[precision], device)
    if device.is_cuda and device.sharded != "DeepSpeed":
        settings["device_map"] = {"": torch.cuda.current_device()} if not device.sharded else None
    reader = AutoModelForCausalLM if recipe.kind == "causal" else AutoModelForSeq2SeqLM
    try:
        model, told = reader.from_pretrained(folder, output_loading_info=True, **settings)
    except (MemoryError, OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        if ran_out_of_memory(error):
            raise TrainingError(
                f"The base {recipe.base} does not fit into memory.",
                "Use --set lora.bits=4, or a smaller base.",
            ) from error
        reason = " ".join(str(error).split())[:200]
        raise UsageError(f"The base {recipe.base} can't be read: {reason}") from error
    if missing := sorted(told["missing_keys"]):
        # Transformers would draw them at random, and say so in a warning alone.
        raise UsageError(
            f"The base {recipe.base} lacks {len(missing)} of its weights, {missing[0]} among them.",
            "Fetch it again, or take another.",
        )
    _keep_rounded(model)
    return model


def _keep_rounded(model: Any) -> None:
    """Keeps 4-bit weights as they were rounded.

    On a processor with AVX512-BF16 bitsandbytes packs them anew at the first evaluation, with
    coarser scales: training would go on with other weights, and a resumed one with the first.
    """
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False


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


def add_adapter(model: Any, lora: AdapterSettings, kind: str) -> Any:
    """The model with an adapter in it, which alone is trained.

    Raises:
        DataError: `lora.targets` names a layer that the model does not have.
    """
    import torch
    from peft import get_peft_model

    modules = model.named_modules()
    names = [name for name, module in modules if isinstance(module, torch.nn.Linear)]
    for target in () if isinstance(lora.targets, str) else lora.targets:
        # PEFT passes over a name that fits nothing, if another one fits.
        if not any(name == target or name.endswith(f".{target}") for name in names):
            known = sorted({name.rpartition(".")[2] for name in names})
            nearest = process.extractOne(target, known)[0]
            raise DataError(
                f"lora.targets: the base has no linear layer {target}; did you mean {nearest}?",
                f"There are: {', '.join(known)}.",
            )
    return get_peft_model(model, adapter_config(lora, kind))


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
