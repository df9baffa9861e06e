"""An embedder in a GGUF file, through llama.cpp in its host process."""

from collections.abc import Sequence
from pathlib import Path

from medllm.embedding import open_embedder

from medeval.metrics.embedding import Embedded, unit


class GgufEmbedder:
    """Vectors of whole texts, pooled as the file says, and of their tokens.

    Raises:
        ModelError: the file is no embedding model.
    """

    def __init__(self, file: Path) -> None:
        self._embedder = open_embedder(file)
        self.name = file.stem

    def embed(self, texts: Sequence[str]) -> list[Embedded]:
        """Vectors of each text; of as much of it as the model's context takes."""
        try:
            wholes, tokens = self._embedder.embed(texts), self._embedder.embed_tokens(texts)
        finally:
            self._embedder.close()
        return [
            Embedded(whole, unit(found.vectors), ~found.marks)
            for whole, found in zip(wholes, tokens, strict=True)
        ]
