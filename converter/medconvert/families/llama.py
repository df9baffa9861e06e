"""The Llama family: Llama 2 and 3, Mistral, and every model that has their architecture."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from medllm.errors import ConversionError

from medconvert.checkpoint import Floats
from medconvert.families.family import Place

# What transformers takes where config.json is silent.
_DEFAULTS: dict[str, dict[str, Any]] = {
    "LlamaForCausalLM": {"max_position_embeddings": 2048, "rms_norm_eps": 1e-6},
    "MistralForCausalLM": {
        "max_position_embeddings": 131072,
        "rms_norm_eps": 1e-6,
        "num_key_value_heads": 8,
    },
}
_NEEDED = (
    "vocab_size",
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
)
_NOT_NEEDED = (".attention.masked_bias", ".attention.bias", ".rotary_emb.inv_freq")


class Llama:
    """LlamaForCausalLM and MistralForCausalLM."""

    arch = "llama"

    def __init__(self, architecture: str, config: Mapping[str, Any]) -> None:
        import gguf

        given = {key: value for key, value in config.items() if value is not None}
        self._config = {**_DEFAULTS[architecture], **given}
        if missing := [key for key in _NEEDED if not isinstance(given.get(key), int)]:
            raise ConversionError(f"config.json lacks {', '.join(missing)}.")
        self._heads = int(given["num_attention_heads"])
        self._kv_heads = int(self._config.get("num_key_value_heads", self._heads))
        self._head_dim = int(given.get("head_dim", given["hidden_size"] // self._heads))
        self._rope = _rope(given)
        if "quantization_config" in given:
            raise ConversionError(
                "The base is quantized already (quantization_config in config.json).",
                "Convert the 16-bit model that it was made from.",
            )
        self._names = gguf.get_tensor_name_map(
            gguf.MODEL_ARCH.LLAMA, int(given["num_hidden_layers"])
        )

    def place(self, tensor: str) -> Place | None:
        """See `Family.place`."""
        if tensor.endswith(_NOT_NEEDED):
            return None
        name = self._names.get_name(tensor, try_suffixes=(".weight", ".bias"))
        if name is None:
            raise ConversionError(
                f"The base holds the tensor {tensor}, which a Llama model does not have.",
                "Another architecture can't be converted under this name.",
            )
        module = tensor.rpartition(".")[0]
        if module.endswith("q_proj"):
            return Place(name, self._heads)
        return Place(name, self._kv_heads if module.endswith("k_proj") else 0)

    def extra_tensors(self) -> dict[str, Floats]:
        """The frequency factors of Llama 3's long context, where it is on."""
        if self._rope["rope_type"] != "llama3":
            return {}
        return {"rope_freqs.weight": _llama3_factors(self._rope, self._head_dim)}

    def write_parameters(self, writer: Any) -> None:
        """See `Family.write_parameters`. The order is that of llama.cpp's converter."""
        config = self._config
        writer.add_block_count(config["num_hidden_layers"])
        writer.add_context_length(config["max_position_embeddings"])
        writer.add_embedding_length(config["hidden_size"])
        writer.add_feed_forward_length(config["intermediate_size"])
        writer.add_head_count(self._heads)
        writer.add_head_count_kv(self._kv_heads)
        self._write_rope(writer)
        writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
        writer.add_key_length(self._head_dim)
        writer.add_value_length(self._head_dim)
        writer.add_vocab_size(config["vocab_size"])
        writer.add_rope_dimension_count(self._head_dim)

    def _write_rope(self, writer: Any) -> None:
        import gguf

        if self._rope["rope_type"] == "linear":
            writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
            writer.add_rope_scaling_factor(self._rope["factor"])
        writer.add_rope_freq_base(self._rope["rope_theta"])


def _rope(config: Mapping[str, Any]) -> dict[str, Any]:
    """The rotary settings under their new names; older files have them in two places."""
    rope = dict(config.get("rope_parameters") or config.get("rope_scaling") or {})
    rope.setdefault("rope_type", rope.get("type", "default"))
    rope.setdefault("rope_theta", config.get("rope_theta", 10000.0))
    needed = {
        "default": (),
        "linear": ("factor",),
        "llama3": (
            "factor",
            "low_freq_factor",
            "high_freq_factor",
            "original_max_position_embeddings",
        ),
    }
    if rope["rope_type"] not in needed:
        raise ConversionError(
            f"The rotary embedding {rope['rope_type']!r} can't be converted.",
            f"Those that can: {', '.join(needed)}.",
        )
    if missing := [key for key in needed[rope["rope_type"]] if key not in rope]:
        raise ConversionError(f"The rotary settings of config.json lack {', '.join(missing)}.")
    return rope


def _llama3_factors(rope: Mapping[str, Any], head_dim: int) -> Floats:
    """By how much each frequency is divided: 1 for short waves, `factor` for long ones.

    Source: the function `_compute_llama3_parameters` of transformers describes the
    scheme; between the two limits the factors blend smoothly.
    """
    low, high = float(rope["low_freq_factor"]), float(rope["high_freq_factor"])
    context, factor = float(rope["original_max_position_embeddings"]), float(rope["factor"])
    exponents = np.arange(0, head_dim, 2, dtype=np.float32) / np.float32(head_dim)
    # The power in double precision, rounded: numpy's own in single differs from torch's.
    powers = float(rope["rope_theta"]) ** exponents.astype(np.float64)
    frequencies = np.float32(1) / powers.astype(np.float32)
    one = np.float32(1)
    # A number over a tensor is the tensor's reciprocal times the number in torch.
    waves = one / frequencies * np.float32(2 * math.pi)
    smooth = (one / waves * np.float32(context) - np.float32(low)) / np.float32(high - low)
    blended = one / ((one - smooth) / np.float32(factor) + smooth)
    factors = np.where(waves < context / high, 1, np.where(waves > context / low, factor, blended))
    return factors.astype(np.float32)
