"""What a family knows: where its tensors go, and its hyper-parameters."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from medconvert.checkpoint import Floats, Rows


@dataclass(frozen=True, slots=True)
class Place:
    """Where a tensor of the checkpoint goes."""

    name: str
    """Its name in the GGUF."""
    heads: int = 0
    """Heads whose rows are reordered; 0: the rows stay in order."""

    def order(self, rows: int) -> Rows | None:
        """The checkpoint's row for each row of the GGUF; None where the order stays."""
        return rope_order(rows, self.heads) if self.heads else None


class Family(Protocol):
    """One architecture family."""

    arch: str
    """As GGUF names it."""

    def __init__(self, architecture: str, config: Mapping[str, Any]) -> None: ...

    def place(self, tensor: str) -> Place | None:
        """Where a tensor goes; None for one that is not needed.

        Raises:
            ConversionError: its name is unknown.
        """
        ...

    def extra_tensors(self) -> dict[str, Floats]:
        """Tensors that the GGUF has and the checkpoint has not, by their GGUF name."""
        ...

    def write_parameters(self, writer: Any) -> None:
        """Adds the hyper-parameters to a `gguf.GGUFWriter`."""
        ...


def rope_order(rows: int, heads: int) -> Rows:
    """The row order that llama.cpp's rotary embedding expects of Q and K.

    Hugging Face keeps the two halves of a head's rotated pairs apart, llama.cpp
    has the partners side by side: of a head's rows 0..d, row 2i is old row i and
    row 2i+1 is old row i + d/2.
    """
    import numpy as np

    numbers = np.arange(rows).reshape(heads, 2, rows // heads // 2)
    return np.ascontiguousarray(numbers.swapaxes(1, 2).reshape(-1))
