"""Texts as vectors, by an embedding model in a GGUF file.

The vectors of two texts that mean the same point the same way: their dot product
is the cosine of the angle between them. The model runs through llama.cpp in the
engine's host process; nothing leaves the machine.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class TokenVectors:
    """A text as the vectors of its tokens."""

    vectors: Vectors
    """As the model gives them, of any length. Shape: (tokens, dimension)."""
    marks: npt.NDArray[np.bool_]
    """Which are no tokens of the text but marks at its ends, as [CLS]. Shape: (tokens,)."""


class Embedder(Protocol):
    """What turns texts into vectors. One call at a time; `close` from any thread."""

    name: str
    """Of the model."""
    sha256: str
    """Of the model's file; vectors of another file can't be compared with these."""
    dimension: int
    """Numbers in a vector."""

    def embed(self, texts: Sequence[str]) -> Vectors:
        """One vector a text, each of length 1. Shape: (texts, dimension).

        A text that is longer than the model's context is cut there, without an error;
        an empty one is allowed.

        Raises:
            ModelError: llama.cpp can't load the file.
            EngineError: the host process died; the next call starts it again.
        """
        ...

    def close(self) -> None:
        """Ends the host process at once; a later call starts it again."""
        ...


class TokenEmbedder(Embedder, Protocol):
    """An embedder that gives the vectors of single tokens too."""

    def embed_tokens(self, texts: Sequence[str]) -> list[TokenVectors]:
        """The vectors of each text's tokens; texts are cut and errors raised as by `embed`."""
        ...


def open_embedder(file: Path) -> TokenEmbedder:
    """The embedder in a GGUF file; its model is loaded when the first text comes.

    Raises:
        ModelError: there is no such file, it is damaged, or it is no embedding model.
    """
    from medllm.engines.embedder import LlamaCppEmbedder

    return LlamaCppEmbedder(file)
