"""Rotary embeddings: the settings of config.json, old and new, and what a GGUF says of them."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from medllm.errors import ConversionError

from medconvert.checkpoint import Floats

_NEEDED: dict[str, tuple[str, ...]] = {
    "default": (),
    "linear": ("factor",),
    "llama3": (
        "factor",
        "low_freq_factor",
        "high_freq_factor",
        "original_max_position_embeddings",
    ),
    "yarn": ("factor", "original_max_position_embeddings"),
    "longrope": ("long_factor", "short_factor", "original_max_position_embeddings"),
}
_OLD_NAMES = {"su": "longrope"}
# The optional settings of yarn (arXiv:2309.00071), in the order of llama.cpp's converter.
_YARN = {
    "extrapolation_factor": "add_rope_scaling_yarn_ext_factor",
    "attention_factor": "add_rope_scaling_yarn_attn_factor",
    "beta_fast": "add_rope_scaling_yarn_beta_fast",
    "beta_slow": "add_rope_scaling_yarn_beta_slow",
}


def read_rope(
    config: Mapping[str, Any], kinds: tuple[str, ...], theta: float = 10000.0
) -> dict[str, Any]:
    """The rotary settings under their new names; older files have them in two places.

    Args:
        config: the content of config.json.
        kinds: the scalings that the family has in llama.cpp.
        theta: the base frequency where config.json is silent.

    Raises:
        ConversionError: a scaling of another kind, or one without what it needs.
    """
    given = config.get("rope_parameters") or config.get("rope_scaling") or {}
    rope = dict(given.get("full_attention") or given)
    kind = str(rope.get("rope_type") or rope.get("type") or "default")
    rope["rope_type"] = kind = _OLD_NAMES.get(kind, kind)
    rope.setdefault("rope_theta", config.get("rope_theta", theta))
    for key in ("original_max_position_embeddings", "partial_rotary_factor"):
        if key in config:
            rope.setdefault(key, config[key])
    if kind not in kinds:
        raise ConversionError(
            f"The rotary embedding {kind!r} can't be converted.",
            f"Those that can: {', '.join(kinds)}.",
        )
    if missing := [key for key in _NEEDED[kind] if key not in rope]:
        raise ConversionError(f"The rotary settings of config.json lack {', '.join(missing)}.")
    return rope


def write_rope(rope: Mapping[str, Any], writer: Any) -> None:
    """Adds the scaling and the base frequency to a `gguf.GGUFWriter`."""
    import gguf

    if rope["rope_type"] == "linear":
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(rope["factor"])
    elif rope["rope_type"] == "yarn":
        writer.add_rope_scaling_type(gguf.RopeScalingType.YARN)
        writer.add_rope_scaling_factor(rope["factor"])
        writer.add_rope_scaling_orig_ctx_len(rope["original_max_position_embeddings"])
        stated = {"attention_factor": rope.get("attn_factor"), **rope}
        for key, method in _YARN.items():
            if stated.get(key) is not None:
                getattr(writer, method)(stated[key])
    writer.add_rope_freq_base(rope["rope_theta"])


def llama3_factors(rope: Mapping[str, Any], head_dim: int) -> Floats:
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
