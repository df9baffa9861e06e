"""How an output beside whole GGUFs is made."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from medconvert.four_bit import Code

Progress = Callable[[str, int, int], None]
"""Called with the phase, the steps done and the steps that there are (0: unknown)."""


@dataclass(frozen=True, slots=True)
class Options:
    """How to export."""

    precision: str = ""
    """One of `Format.precisions`; empty: the first."""
    four_bit: Code | None = None
    """Of a QLoRA adapter: how its base was rounded, to merge into that; None: the original."""
    name: str = ""
    """The model's name; empty: the source's."""

    def at(self, precision: str) -> "Options":
        """The same at another precision."""
        return replace(self, precision=precision)
