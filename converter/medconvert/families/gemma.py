"""Gemma 2, and Gemma 3 as a text model."""

from collections.abc import Mapping
from typing import Any, ClassVar

from medllm.errors import ConversionError

from medconvert.families.decoder import Decoder
from medconvert.families.family import Place, VocabularyStyle
from medconvert.families.rope import read_rope

_SHARED = {
    "rms_norm_eps": 1e-6,
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "head_dim": 256,
    "sliding_window": 4096,
    "query_pre_attn_scalar": 256,
}


class _Gemma(Decoder):
    """What the two have in common: norms stored less one, heads of a size of their own."""

    vocabulary = VocabularyStyle(no_prefix=True)
    large: int
    """Layers of the 27B model, whose queries llama.cpp scales otherwise."""
    period: int
    """Every so many layers, the last one attends to the whole text."""

    def __init__(self, architecture: str, config: Mapping[str, Any]) -> None:
        super().__init__(architecture, config)
        self._refuse_what_llama_cpp_fixes(config)

    def _refuse_what_llama_cpp_fixes(self, config: Mapping[str, Any]) -> None:
        """A GGUF does not name these settings; a model with others would think wrongly."""
        layers = int(self.config["num_hidden_layers"])
        scale = self.config["hidden_size"] // self.heads if layers == self.large else self.head_dim
        if self.config["query_pre_attn_scalar"] != scale:
            raise ConversionError(
                f"config.json has query_pre_attn_scalar={self.config['query_pre_attn_scalar']}; "
                f"llama.cpp computes with {scale}."
            )
        pattern = [
            "full_attention" if (i + 1) % self.period == 0 else "sliding_attention"
            for i in range(layers)
        ]
        if self.config.get("layer_types", pattern) != pattern:
            raise ConversionError(
                "The layers of config.json attend in another order (layer_types) than llama.cpp's."
            )

    def place(self, tensor: str) -> Place | None:
        """See `Family.place`."""
        name = self.name_of(tensor)
        if name is None:
            return None
        return Place(name, shift=1.0 if tensor.endswith("norm.weight") else 0.0)


class Gemma2(_Gemma):
    """Gemma2ForCausalLM."""

    arch = "gemma2"
    large, period = 46, 2
    ropes = ("default",)
    defaults: ClassVar = {
        "Gemma2ForCausalLM": {
            **_SHARED,
            "max_position_embeddings": 8192,
            "attn_logit_softcapping": 50.0,
            "final_logit_softcapping": 30.0,
        }
    }

    def _refuse_what_llama_cpp_fixes(self, config: Mapping[str, Any]) -> None:
        super()._refuse_what_llama_cpp_fixes(config)
        caps = ("attn_logit_softcapping", "final_logit_softcapping")
        if off := [key for key in caps if key in config and not config[key]]:
            raise ConversionError(f"config.json turns {off[0]} off, which llama.cpp can't.")
        if self.rope["rope_theta"] != 10000.0:
            raise ConversionError(
                f"config.json has rope_theta={self.rope['rope_theta']}; for Gemma 2 llama.cpp "
                "computes with 10000."
            )

    def name_of(self, tensor: str) -> str | None:
        """The output is the embedding; some tools save it twice."""
        return None if tensor == "lm_head.weight" else super().name_of(tensor)

    def write_parameters(self, writer: Any) -> None:
        """See `Family.write_parameters`."""
        config = self.config
        writer.add_context_length(config["max_position_embeddings"])
        writer.add_embedding_length(config["hidden_size"])
        writer.add_block_count(config["num_hidden_layers"])
        writer.add_feed_forward_length(config["intermediate_size"])
        writer.add_head_count(self.heads)
        writer.add_head_count_kv(self.kv_heads)
        writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
        writer.add_key_length(self.head_dim)
        writer.add_value_length(self.head_dim)
        writer.add_attn_logit_softcapping(config["attn_logit_softcapping"])
        writer.add_final_logit_softcapping(config["final_logit_softcapping"])
        writer.add_sliding_window(config["sliding_window"])


class Gemma3(_Gemma):
    """Gemma3ForCausalLM: norms on Q and K, two rotary frequencies, no cap on attention."""

    arch = "gemma3"
    large, period = 62, 6
    ropes = ("default", "linear")
    defaults: ClassVar = {"Gemma3ForCausalLM": {**_SHARED, "max_position_embeddings": 131072}}

    def read_rope(self) -> dict[str, Any]:
        """That of the layers which attend to the whole text; the others have their own base."""
        return read_rope(self.config, self.ropes, 1_000_000.0)

    def _refuse_what_llama_cpp_fixes(self, config: Mapping[str, Any]) -> None:
        super()._refuse_what_llama_cpp_fixes(config)
        if self.config.get("attn_logit_softcapping"):
            raise ConversionError(
                "config.json sets attn_logit_softcapping, which llama.cpp lacks for Gemma 3."
            )
        if self.config.get("use_bidirectional_attention"):
            raise ConversionError("A Gemma 3 that reads in both directions can't be converted.")

    def write_rope(self, writer: Any) -> None:
        """Adds the rotary settings of both kinds of layers."""
        super().write_rope(writer)
        local = (self.config.get("rope_parameters") or {}).get("sliding_attention") or {}
        theta = local.get("rope_theta", self.config.get("rope_local_base_freq", 10000.0))
        writer.add_rope_freq_base_swa(theta)

    def write_parameters(self, writer: Any) -> None:
        """See `Family.write_parameters`."""
        super().write_parameters(writer)
        if cap := self.config.get("final_logit_softcapping"):
            writer.add_final_logit_softcapping(cap)
        if self.config.get("sliding_window_pattern") != 1:
            writer.add_sliding_window(self.config["sliding_window"])
