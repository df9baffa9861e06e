"""The Llama family: Llama 2 and 3, Mistral, and every model that has their architecture."""

from typing import Any, ClassVar

from medconvert.families.decoder import Decoder
from medconvert.families.family import Place, VocabularyStyle


class Llama(Decoder):
    """LlamaForCausalLM and MistralForCausalLM."""

    arch = "llama"
    vocabulary = VocabularyStyle(prefix_setting=True)
    defaults: ClassVar = {
        "LlamaForCausalLM": {"max_position_embeddings": 2048, "rms_norm_eps": 1e-6},
        "MistralForCausalLM": {
            "max_position_embeddings": 131072,
            "rms_norm_eps": 1e-6,
            "num_key_value_heads": 8,
        },
    }
    ropes = ("default", "linear", "llama3", "yarn")

    @property
    def head_dim(self) -> int:
        """transformers always writes it down."""
        return int(self.config.get("head_dim", self.config["hidden_size"] // self.heads))

    def place(self, tensor: str) -> Place | None:
        """Rows of Q and K are reordered, see `family.rope_order`."""
        name = self.name_of(tensor)
        if name is None:
            return None
        module = tensor.rpartition(".")[0]
        if module.endswith("q_proj"):
            return Place(name, self.heads)
        return Place(name, self.kv_heads if module.endswith("k_proj") else 0)

    def write_parameters(self, writer: Any) -> None:
        """See `Family.write_parameters`."""
        super().write_parameters(writer)
        writer.add_vocab_size(self.config["vocab_size"])
        writer.add_rope_dimension_count(self.head_dim)
