"""The model families that can be converted, by the architecture that config.json names."""

from collections.abc import Mapping
from typing import Any

from medllm.errors import ConversionError

from medconvert.families.family import Family
from medconvert.families.llama import Llama

FAMILIES: dict[str, type[Family]] = {
    "LlamaForCausalLM": Llama,
    "MistralForCausalLM": Llama,
}


def family_of(config: Mapping[str, Any]) -> Family:
    """The family of a model.

    Args:
        config: the content of config.json.

    Raises:
        ConversionError: there is none for its architecture, or a setting is not understood.
    """
    architecture = next(iter(config.get("architectures") or ()), None)
    if architecture not in FAMILIES:
        raise ConversionError(
            f"The architecture {architecture!r} can't be converted.",
            f"Those that can: {', '.join(FAMILIES)}.",
        )
    return FAMILIES[architecture](architecture, config)


__all__ = ["FAMILIES", "Family", "family_of"]
