"""Phi-3 and Phi-3.5, with the short and long frequency factors of their 128k variants."""

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from medllm.errors import ConversionError

from medconvert.checkpoint import Floats
from medconvert.families.decoder import Decoder
from medconvert.families.family import VocabularyStyle


class Phi3(Decoder):
    """Phi3ForCausalLM. Q, K and V are one tensor, as are gate and up; in the GGUF too.

    llama.cpp has no sliding window for it: beyond the window of Phi-3-mini-4k (2047
    tokens) it attends to more than transformers does.
    """

    arch = "phi3"
    vocabulary = VocabularyStyle(
        markers=False, added_in_json=True, attributes_by_name=("phi-3", "phi3")
    )
    ropes = ("default", "longrope")
    defaults: ClassVar = {
        "Phi3ForCausalLM": {
            "max_position_embeddings": 4096,
            "original_max_position_embeddings": 4096,
            "rms_norm_eps": 1e-5,
        }
    }

    def __init__(self, architecture: str, config: Mapping[str, Any]) -> None:
        super().__init__(architecture, config)
        share = float(self.rope.get("partial_rotary_factor", 1.0))
        self._rope_dims = int(share * self.config["hidden_size"]) // self.heads
        if self.rope["rope_type"] == "longrope":
            lengths = {len(self.rope[f"{which}_factor"]) for which in ("long", "short")}
            if lengths != {self._rope_dims // 2}:
                raise ConversionError(
                    f"The rotary factors of config.json should be {self._rope_dims // 2} each, "
                    f"they are {sorted(lengths)}."
                )

    def extra_tensors(self) -> dict[str, Floats]:
        """The frequency factors, for texts up to the original context and for longer ones."""
        if self.rope["rope_type"] != "longrope":
            return {}
        return {
            f"rope_factors_{which}.weight": np.array(self.rope[f"{which}_factor"], np.float32)
            for which in ("long", "short")
        }

    def write_parameters(self, writer: Any) -> None:
        """See `Family.write_parameters`."""
        config, original = self.config, self.rope["original_max_position_embeddings"]
        if self.rope["rope_type"] == "longrope":
            _add_first(writer, "add_rope_scaling_attn_factors", self._attention_factor(original))
        writer.add_context_length(config["max_position_embeddings"])
        writer.add_rope_scaling_orig_ctx_len(original)
        writer.add_embedding_length(config["hidden_size"])
        writer.add_feed_forward_length(config["intermediate_size"])
        writer.add_block_count(config["num_hidden_layers"])
        writer.add_head_count(self.heads)
        writer.add_head_count_kv(self.kv_heads)
        writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
        writer.add_rope_dimension_count(self._rope_dims)
        writer.add_rope_freq_base(self.rope["rope_theta"])
        # llama.cpp knows Phi-4 by a 0 here.
        writer.add_sliding_window(config.get("sliding_window", 0))

    def _attention_factor(self, original: int) -> float:
        """LongRoPE (arXiv:2402.13753): what attention is scaled by, for a longer context."""
        scale = self.config["max_position_embeddings"] / original
        return math.sqrt(1 + math.log(scale) / math.log(original)) if scale > 1 else 1.0


def _add_first(writer: Any, method: str, value: Any) -> None:
    """Adds a key right behind the architecture, where llama.cpp's converter has this one."""
    entries = writer.kv_data[0]
    before = dict(entries)
    getattr(writer, method)(value)
    added = {key: entry for key, entry in entries.items() if key not in before}
    (first, *others) = before.items()
    entries.clear()
    entries.update([first, *added.items(), *others])
