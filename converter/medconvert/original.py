"""The model that is converted, in transformers and PEFT: an independent reading of the files.

Child processes only, but for `affordable`: importing torch takes seconds.
"""

from collections.abc import Mapping
from typing import Any

from medconvert.pooling import ENCODERS


def affordable(parameters: int, config: Mapping[str, Any]) -> tuple[str, str]:
    """torch's name of the type that the original can be run in here, or why it can't be.

    Args:
        parameters: numbers in all tensors.
        config: the content of its config.json.
    """
    import psutil

    free = psutil.virtual_memory().available
    own = str(config.get("dtype") or config.get("torch_dtype") or "float32")
    for dtype, size in (("float32", 4), (own, 2)):
        if size * parameters * 1.3 < free:
            return dtype, ""
    need = 2.6 * parameters / 1e9
    return "", f"the original takes {need:.0f} GB, {free / 1e9:.0f} GB are free"


def load(base: str, adapter: str, four_bit: str, dtype: str) -> Any:
    """The model with its adapter applied, ready to predict.

    Args:
        base: its folder.
        adapter: a folder that PEFT saved; empty: none.
        four_bit: how the base is rounded before the adapter is merged; empty: not at all.
        dtype: torch's name of the type that it is computed in.
    """
    import torch
    from transformers import (
        AutoConfig,
        AutoModel,
        AutoModelForCausalLM,
        AutoModelForSeq2SeqLM,
        BitsAndBytesConfig,
    )

    settings: dict[str, Any] = {"dtype": getattr(torch, dtype)}
    if four_bit:
        kind, _, double = four_bit.partition("-")
        settings["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type=kind,
            bnb_4bit_use_double_quant=bool(double),
            bnb_4bit_compute_dtype=settings["dtype"],
        )
    config = AutoConfig.from_pretrained(base, local_files_only=True)
    reader: Any = AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM
    if config.model_type in ENCODERS:
        reader = AutoModel
    model = reader.from_pretrained(base, local_files_only=True, **settings)
    if adapter:
        from peft import PeftModel

        model = PeftModel.from_pretrained(model, adapter)
    return model.eval()


def load_tokenizer(base: str) -> Any:
    """Its tokenizer; transformers is quiet from here on."""
    from transformers import AutoTokenizer
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    return AutoTokenizer.from_pretrained(base, local_files_only=True)
