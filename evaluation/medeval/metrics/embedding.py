"""Likeness of texts by a local embedder: cosine of whole texts, BERTScore of their tokens."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
from medllm.errors import ModelError

Matrix = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Embedded:
    """One text in numbers."""

    whole: Matrix
    """Of length 1: the mean over the tokens, or what a GGUF says instead. Shape: (width,)."""
    tokens: Matrix
    """Each of length 1. Shape: (tokens, width)."""
    counts: npt.NDArray[np.bool_]
    """Which tokens are of the text; the others are the marks at its ends. Shape: (tokens,)."""


class Embedder(Protocol):
    """What turns texts into vectors."""

    name: str

    def embed(self, texts: Sequence[str]) -> list[Embedded]:
        """Vectors of each text."""
        ...


def open_embedder(path: Path) -> Embedder:
    """The embedder at `path`: a GGUF file, or a folder with Hugging Face weights.

    Raises:
        ModelError: there is neither.
    """
    if path.is_dir():
        from medeval.metrics.embedder_folder import FolderEmbedder

        return FolderEmbedder(path)
    if path.suffix == ".gguf" and path.is_file():
        from medeval.metrics.embedder_gguf import GgufEmbedder

        return GgufEmbedder(path)
    raise ModelError(
        f"There is no embedder at {path}.", "Name a GGUF file or a folder of Hugging Face weights."
    )


def cosine(first: Embedded, second: Embedded) -> float:
    """Cosine of the angle between two whole texts, -1 to 1."""
    return float(first.whole @ second.whole)


def bert_score(answer: Embedded, reference: Embedded) -> float:
    """BERTScore F1, each token matched with its nearest, without idf and rescaling.

    Zhang, Kishore, Wu, Weinberger and Artzi 2020, ICLR. As in the package bert-score, the
    marks at the ends of a text can be matched but are not counted.
    """
    if not answer.counts.any() or not reference.counts.any():
        return 0.0
    likeness = answer.tokens @ reference.tokens.T
    precision = float(likeness.max(axis=1)[answer.counts].mean())
    recall = float(likeness.max(axis=0)[reference.counts].mean())
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def embedded(vectors: Matrix, counts: npt.NDArray[np.bool_]) -> Embedded:
    """Vectors of tokens, made into what is compared."""
    whole = vectors.mean(axis=0) if len(vectors) else np.zeros(vectors.shape[1], np.float32)
    return Embedded(unit(whole), unit(vectors), counts)


def unit(vectors: Matrix) -> Matrix:
    """Each vector with length 1, but for zeros."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    scaled: Matrix = (vectors / np.maximum(lengths, 1e-12)).astype(np.float32)
    return scaled
