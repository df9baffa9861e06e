"""T5 and Flan-T5, encoder and decoder in one GGUF."""

from collections.abc import Mapping
from typing import Any

from medllm.errors import ConversionError

from medconvert.checkpoint import Floats
from medconvert.families.family import Place, VocabularyStyle, settings_of

_NEEDED = ("vocab_size", "d_model", "d_ff", "d_kv", "num_layers", "num_heads")
_DEFAULTS = {
    "n_positions": 512,
    "relative_attention_num_buckets": 32,
    "relative_attention_max_distance": 128,
    "layer_norm_epsilon": 1e-6,
    "feed_forward_proj": "relu",
    "decoder_start_token_id": 0,
}
# A GGUF does not name these; llama.cpp computes with the ones here.
_FIXED: dict[str, tuple[Any, ...]] = {
    "feed_forward_proj": ("relu", "gated-gelu"),
    "relative_attention_max_distance": (128,),
}
_EMBEDDINGS = ("shared.weight", "encoder.embed_tokens.weight", "decoder.embed_tokens.weight")


class T5:
    """T5ForConditionalGeneration.

    Where the output is the embedding (T5 1.0), transformers divides the logits by
    the root of the model's width and llama.cpp does not: the most likely token is
    the same, a sampling temperature is not.
    """

    arch = "t5"
    vocabulary = VocabularyStyle(unigram=True)

    def __init__(self, architecture: str, config: Mapping[str, Any]) -> None:
        import gguf

        self._config = settings_of(config, _DEFAULTS, _NEEDED)
        self._config.setdefault("num_decoder_layers", self._config["num_layers"])
        for key, known in _FIXED.items():
            if self._config[key] not in known:
                raise ConversionError(
                    f"config.json has {key}={self._config[key]!r}, which llama.cpp lacks for T5.",
                    f"Known: {', '.join(map(str, known))}.",
                )
        layers = max(self._config["num_layers"], self._config["num_decoder_layers"])
        self._names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.T5, layers)
        self._embedding: str | None = None

    def place(self, tensor: str) -> Place | None:
        """The embedding may be saved under three names; the first that is met counts."""
        if tensor in _EMBEDDINGS:
            self._embedding = self._embedding or tensor
            if tensor != self._embedding:
                return None
            tensor = _EMBEDDINGS[0]
        name = self._names.get_name(tensor, try_suffixes=(".weight", ".bias"))
        if name is None:
            raise ConversionError(
                f"The base holds the tensor {tensor}, which a T5 model does not have.",
                "Another architecture can't be converted under this name.",
            )
        return Place(name)

    def extra_tensors(self) -> dict[str, Floats]:
        """None."""
        return {}

    def write_parameters(self, writer: Any) -> None:
        """See `Family.write_parameters`."""
        config = self._config
        writer.add_context_length(config["n_positions"])
        writer.add_embedding_length(config["d_model"])
        writer.add_feed_forward_length(config["d_ff"])
        writer.add_block_count(config["num_layers"])
        writer.add_decoder_block_count(config["num_decoder_layers"])
        writer.add_head_count(config["num_heads"])
        writer.add_key_length(config["d_kv"])
        writer.add_value_length(config["d_kv"])
        writer.add_layer_norm_eps(config["layer_norm_epsilon"])
        writer.add_relative_attn_buckets_count(config["relative_attention_num_buckets"])
        writer.add_layer_norm_rms_eps(config["layer_norm_epsilon"])
        writer.add_decoder_start_token_id(config["decoder_start_token_id"])
