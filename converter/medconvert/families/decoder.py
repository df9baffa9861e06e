"""What the decoder-only families have in common."""

from collections.abc import Mapping
from typing import Any, ClassVar

from medllm.errors import ConversionError

from medconvert.checkpoint import Floats
from medconvert.families.family import Place, VocabularyStyle, settings_of
from medconvert.families.rope import llama3_factors, read_rope, write_rope

_NEEDED = (
    "vocab_size",
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
)
_NOT_NEEDED = (".attention.masked_bias", ".attention.bias", ".rotary_emb.inv_freq")


class Decoder:
    """A decoder whose tensors keep their values and their order."""

    arch: str
    vocabulary = VocabularyStyle()
    defaults: ClassVar[dict[str, dict[str, Any]]]
    """What transformers takes where config.json is silent, by architecture."""
    ropes: tuple[str, ...] = ("default", "linear", "yarn")
    """The scalings of the rotary embedding that llama.cpp has for it."""

    def __init__(self, architecture: str, config: Mapping[str, Any]) -> None:
        import gguf

        self.config = settings_of(config, self.defaults[architecture], _NEEDED)
        self.heads = int(self.config["num_attention_heads"])
        self.kv_heads = int(self.config.get("num_key_value_heads", self.heads))
        self.rope = self.read_rope()
        arch = next(a for a, name in gguf.MODEL_ARCH_NAMES.items() if name == self.arch)
        self._names = gguf.get_tensor_name_map(arch, int(self.config["num_hidden_layers"]))

    def read_rope(self) -> dict[str, Any]:
        """The rotary settings."""
        return read_rope(self.config, self.ropes)

    @property
    def head_dim(self) -> int | None:
        """Numbers in a head, where they are written down; None: hidden size by heads."""
        given = self.config.get("head_dim")
        return None if given is None else int(given)

    def place(self, tensor: str) -> Place | None:
        """See `Family.place`."""
        name = self.name_of(tensor)
        return None if name is None else Place(name)

    def name_of(self, tensor: str) -> str | None:
        """The name of a tensor in the GGUF; None for one that is not needed."""
        if tensor.endswith(_NOT_NEEDED):
            return None
        name: str | None = self._names.get_name(tensor, try_suffixes=(".weight", ".bias"))
        if name is None:
            raise ConversionError(
                f"The base holds the tensor {tensor}, which a model of the architecture "
                f"{self.arch} does not have.",
                "Another architecture can't be converted under this name.",
            )
        return name

    def extra_tensors(self) -> dict[str, Floats]:
        """The frequency factors of Llama 3's long context, where it is on."""
        if self.rope["rope_type"] != "llama3":
            return {}
        dim = self.head_dim or self.config["hidden_size"] // self.heads
        return {"rope_freqs.weight": llama3_factors(self.rope, dim)}

    def write_parameters(self, writer: Any) -> None:
        """See `Family.write_parameters`. The order is that of llama.cpp's converter."""
        config = self.config
        writer.add_block_count(config["num_hidden_layers"])
        writer.add_context_length(config["max_position_embeddings"])
        writer.add_embedding_length(config["hidden_size"])
        writer.add_feed_forward_length(config["intermediate_size"])
        writer.add_head_count(self.heads)
        writer.add_head_count_kv(self.kv_heads)
        self.write_rope(writer)
        writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
        if self.head_dim is not None:
            writer.add_key_length(self.head_dim)
            writer.add_value_length(self.head_dim)

    def write_rope(self, writer: Any) -> None:
        """Adds the rotary settings."""
        write_rope(self.rope, writer)
