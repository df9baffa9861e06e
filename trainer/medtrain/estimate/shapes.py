"""The shape of a base: from its config.json, or from a table where that can't be had.

Many bases ask for terms to be accepted before even their settings can be read; what they
take should be known before.
"""

from typing import Any

from medllm.errors import UsageError

from medtrain import bases
from medtrain.settings import TuningRecipe

_LLAMA2: dict[str, Any] = {
    "model_type": "llama", "vocab_size": 32000, "hidden_size": 4096,
    "intermediate_size": 11008, "num_hidden_layers": 32, "num_attention_heads": 32,
    "num_key_value_heads": 32, "tie_word_embeddings": False,
}  # fmt: skip
_LLAMA2_13B = {
    **_LLAMA2, "hidden_size": 5120, "intermediate_size": 13824, "num_hidden_layers": 40,
    "num_attention_heads": 40, "num_key_value_heads": 40,
}  # fmt: skip
_LLAMA3: dict[str, Any] = {
    "model_type": "llama", "vocab_size": 128256, "hidden_size": 4096,
    "intermediate_size": 14336, "num_hidden_layers": 32, "num_attention_heads": 32,
    "num_key_value_heads": 8, "head_dim": 128, "tie_word_embeddings": False,
}  # fmt: skip
_LLAMA32_3B = {
    **_LLAMA3, "hidden_size": 3072, "intermediate_size": 8192, "num_hidden_layers": 28,
    "num_attention_heads": 24, "tie_word_embeddings": True,
}  # fmt: skip
_LLAMA32_1B = {
    **_LLAMA3, "hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 16,
    "num_attention_heads": 32, "head_dim": 64, "tie_word_embeddings": True,
}  # fmt: skip
_MISTRAL: dict[str, Any] = {
    "model_type": "mistral", "vocab_size": 32768, "hidden_size": 4096,
    "intermediate_size": 14336, "num_hidden_layers": 32, "num_attention_heads": 32,
    "num_key_value_heads": 8, "head_dim": 128, "sliding_window": None,
    "tie_word_embeddings": False,
}  # fmt: skip
_FLAN: dict[str, Any] = {
    "model_type": "t5", "vocab_size": 32128, "d_model": 768, "d_kv": 64, "d_ff": 2048,
    "num_layers": 12, "num_decoder_layers": 12, "num_heads": 12,
    "feed_forward_proj": "gated-gelu", "tie_word_embeddings": False, "dtype": "float32",
    "is_encoder_decoder": True,
}  # fmt: skip
_FLAN_SMALL = {
    **_FLAN, "d_model": 512, "d_ff": 1024, "num_layers": 8, "num_decoder_layers": 8,
    "num_heads": 6,
}  # fmt: skip
_FLAN_LARGE = {
    **_FLAN, "d_model": 1024, "d_ff": 2816, "num_layers": 24, "num_decoder_layers": 24,
    "num_heads": 16,
}  # fmt: skip
KNOWN: dict[str, dict[str, Any]] = {
    "mistralai/Mistral-7B-v0.3": _MISTRAL,
    "mistralai/Mistral-7B-Instruct-v0.3": _MISTRAL,
    "meta-llama/Llama-2-7b-hf": _LLAMA2,
    "meta-llama/Llama-2-7b-chat-hf": _LLAMA2,
    "meta-llama/Llama-2-13b-hf": _LLAMA2_13B,
    "meta-llama/Llama-2-13b-chat-hf": _LLAMA2_13B,
    "meta-llama/Llama-3.1-8B": _LLAMA3,
    "meta-llama/Llama-3.1-8B-Instruct": _LLAMA3,
    "meta-llama/Llama-3.2-1B": _LLAMA32_1B,
    "meta-llama/Llama-3.2-1B-Instruct": _LLAMA32_1B,
    "meta-llama/Llama-3.2-3B": _LLAMA32_3B,
    "meta-llama/Llama-3.2-3B-Instruct": _LLAMA32_3B,
    "google/flan-t5-small": _FLAN_SMALL,
    "google/flan-t5-base": _FLAN,
    "google/flan-t5-large": _FLAN_LARGE,
}
"""The config.json of bases as published, what shapes them alone."""


def config_of(recipe: TuningRecipe) -> Any:
    """transformers' configuration of the recipe's base.

    Raises:
        UsageError: it is neither here, nor known, nor can it be fetched.
    """
    from transformers import AutoConfig

    if recipe.base in KNOWN:
        content = dict(KNOWN[recipe.base])
        return AutoConfig.for_model(content.pop("model_type"), **content)
    folder = bases.locate(recipe.base, recipe.revision, weights=False)
    try:
        return AutoConfig.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        told = " ".join(str(error).split())[:200]
        raise UsageError(f"The settings of {recipe.base} can't be read: {told}") from error


def bytes_published(recipe: TuningRecipe, config: Any, parameters: int) -> int:
    """Size of the base's weights on disk: of its files, else by the type in its settings."""
    from pathlib import Path

    found = list(Path(recipe.base).expanduser().glob("*.safetensors"))
    if found:
        return sum(file.stat().st_size for file in found)
    return parameters * (4 if "32" in str(getattr(config, "dtype", "")) else 2)
