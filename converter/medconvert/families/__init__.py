"""The model families that can be converted, by the architecture that config.json names."""

from collections.abc import Mapping
from typing import Any

from medllm.errors import ConversionError

from medconvert.families.bert import Bert
from medconvert.families.family import Family
from medconvert.families.gemma import Gemma2, Gemma3
from medconvert.families.llama import Llama
from medconvert.families.phi import Phi3
from medconvert.families.qwen import Qwen2, Qwen3
from medconvert.families.t5 import T5

FAMILIES: dict[str, type[Family]] = {
    "LlamaForCausalLM": Llama,
    "MistralForCausalLM": Llama,
    "Qwen2ForCausalLM": Qwen2,
    "Qwen3ForCausalLM": Qwen3,
    "Gemma2ForCausalLM": Gemma2,
    "Gemma3ForCausalLM": Gemma3,
    "Phi3ForCausalLM": Phi3,
    "T5ForConditionalGeneration": T5,
    "BertModel": Bert,
    "BertForMaskedLM": Bert,
    "BertForPreTraining": Bert,
}


def is_built_in(config: Mapping[str, Any]) -> bool:
    """Whether the architecture of a config.json is one of the families."""
    return _architecture(config) in FAMILIES


def _architecture(config: Mapping[str, Any]) -> str:
    return str(next(iter(config.get("architectures") or ()), ""))


def family_of(config: Mapping[str, Any]) -> Family:
    """The family of a model.

    Args:
        config: the content of config.json.

    Raises:
        ConversionError: there is none for its architecture, or a setting is not understood.
    """
    architecture = _architecture(config)
    if not is_built_in(config):
        raise ConversionError(
            f"The architecture {architecture!r} can't be converted.",
            f"Those that can: {', '.join(FAMILIES)}. For another name a llama.cpp checkout with "
            "--llama-cpp.",
        )
    return FAMILIES[architecture](architecture, config)


__all__ = ["FAMILIES", "Family", "family_of", "is_built_in"]
