"""BERT, the encoder of MiniLM, BGE and the BERTs that read medical papers: texts as vectors."""

from collections.abc import Mapping
from typing import Any

from medllm.errors import ConversionError

from medconvert.checkpoint import Floats
from medconvert.families.family import Place, VocabularyStyle, settings_of

_NEEDED = (
    "vocab_size",
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "max_position_embeddings",
)
_DEFAULTS = {
    "layer_norm_eps": 1e-12,
    "type_vocab_size": 2,
    "hidden_act": "gelu",
    "position_embedding_type": "absolute",
    "is_decoder": False,
}
# A GGUF does not name these; llama.cpp computes with the ones here. Its GELU is the
# approximation by tanh, also for a model that was trained with the exact one.
_FIXED: dict[str, tuple[Any, ...]] = {
    "hidden_act": ("gelu", "gelu_new", "gelu_pytorch_tanh"),
    "position_embedding_type": ("absolute",),
    "is_decoder": (False,),
}
# Heads of the pre-training, of which a text's vector is not made.
_NOT_NEEDED = ("pooler.", "cls.predictions.", "cls.seq_relationship.")
_OLD_NAMES = {".gamma": ".weight", ".beta": ".bias"}


class Bert:
    """BertModel, BertForMaskedLM and BertForPreTraining."""

    arch = "bert"
    vocabulary = VocabularyStyle(word_pieces=True)

    def __init__(self, architecture: str, config: Mapping[str, Any]) -> None:
        import gguf

        self._config = settings_of(config, _DEFAULTS, _NEEDED)
        for key, known in _FIXED.items():
            if self._config[key] not in known:
                raise ConversionError(
                    f"config.json has {key}={self._config[key]!r}, which llama.cpp lacks for BERT.",
                    f"Known: {', '.join(map(str, known))}.",
                )
        layers = int(self._config["num_hidden_layers"])
        self._names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.BERT, layers)

    def place(self, tensor: str) -> Place | None:
        """See `Family.place`; the prefix `bert.` and the names of old checkpoints are known."""
        name = tensor.removeprefix("bert.")
        for old, new in _OLD_NAMES.items():
            if name.endswith(old):
                name = name.removesuffix(old) + new
        if name.startswith(_NOT_NEEDED):
            return None
        found = self._names.get_name(name, try_suffixes=(".weight", ".bias"))
        if found is None:
            raise ConversionError(
                f"The base holds the tensor {tensor}, which a BERT model does not have.",
                "Another architecture can't be converted under this name.",
            )
        return Place(found)

    def extra_tensors(self) -> dict[str, Floats]:
        """None."""
        return {}

    def write_parameters(self, writer: Any) -> None:
        """See `Family.write_parameters`. The order is that of llama.cpp's converter."""
        config = self._config
        writer.add_block_count(config["num_hidden_layers"])
        writer.add_context_length(config["max_position_embeddings"])
        writer.add_embedding_length(config["hidden_size"])
        writer.add_feed_forward_length(config["intermediate_size"])
        writer.add_head_count(config["num_attention_heads"])
        writer.add_layer_norm_eps(config["layer_norm_eps"])
        writer.add_causal_attention(False)
