"""The quantizations that a model can be written in, by the names of llama.cpp."""

from dataclasses import dataclass

from medllm.errors import UsageError
from medllm.models import FILE_TYPES

F32, F16, BF16 = 0, 1, 30
"""ggml types of plain numbers."""


@dataclass(frozen=True, slots=True)
class Quant:
    """A mixture of tensor types."""

    name: str
    file_type: int
    """llama_ftype, `general.file_type`."""
    plain: int | None = None
    """The ggml type of all matrices where nothing is quantized; None for a quantized mixture."""


_PLAIN = {"F32": F32, "F16": F16, "BF16": BF16}
DEFAULT = "q4_k_m"
QUANTS = {
    name.lower(): Quant(name.lower(), number, _PLAIN.get(name))
    for number, name in FILE_TYPES.items()
}


def quant(name: str) -> Quant:
    """The quantization of that name, in small letters or capitals.

    Raises:
        UsageError: there is none.
    """
    if (found := QUANTS.get(name.strip().lower())) is None:
        from rapidfuzz import process

        nearest = process.extractOne(name.lower(), list(QUANTS))
        raise UsageError(
            f"There is no quantization {name!r}.",
            f"Did you mean {nearest[0]}? There are: {', '.join(QUANTS)}.",
        )
    return found


def quants(names: str) -> tuple[Quant, ...]:
    """Several, separated by commas; each once.

    Raises:
        UsageError: one of them does not exist, or there is none.
    """
    found = tuple(dict.fromkeys(quant(name) for name in names.split(",") if name.strip()))
    if not found:
        raise UsageError("No quantization is named.", f"Try --quant {DEFAULT}.")
    return found
