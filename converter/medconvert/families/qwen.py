"""Qwen2 (Qwen2.5 too) and Qwen3."""

from typing import ClassVar

from medconvert.families.decoder import Decoder


class Qwen2(Decoder):
    """Qwen2ForCausalLM: a Llama with biases on Q, K and V."""

    arch = "qwen2"
    defaults: ClassVar = {
        "Qwen2ForCausalLM": {
            "max_position_embeddings": 32768,
            "rms_norm_eps": 1e-6,
            "num_key_value_heads": 32,
        }
    }


class Qwen3(Qwen2):
    """Qwen3ForCausalLM: norms on Q and K instead of the biases."""

    arch = "qwen3"
    defaults: ClassVar = {
        "Qwen3ForCausalLM": {**Qwen2.defaults["Qwen2ForCausalLM"], "head_dim": 128}
    }
