"""An embedding model in the engine's host process; see `medllm.embedding.Embedder`."""

import base64
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from medllm import models
from medllm.embedding import TokenVectors, Vectors
from medllm.engines.host_process import HostProcess
from medllm.engines.llamacpp import cores, error_of
from medllm.errors import EngineError

# Texts and characters in one message: seconds of work for a large model, so that the host
# gives signs of life.
_MOST_TEXTS, _MOST_CHARACTERS = 256, 16384
_PATIENCE_S = 120.0


class LlamaCppEmbedder:
    """Runs one GGUF file.

    Args:
        file: the model.
        threads: of the computation, where it is long enough to share; 0: one a core.
        patience: seconds of silence after which the host counts as lost.

    Raises:
        ModelError: there is no such file, it is damaged, or it is no embedding model.
    """

    def __init__(self, file: Path, threads: int = 0, patience: float = _PATIENCE_S) -> None:
        facts = models.check_embedder(file)
        self.name = facts.name
        self.sha256 = models.sha256(file)
        self.dimension = facts.embedding
        self._file, self._patience = file, patience
        self._threads = threads or cores()
        self._host: HostProcess | None = None
        self._pooled = True
        self._busy = threading.Lock()

    @property
    def host_pid(self) -> int | None:
        """Process id of the running host."""
        host = self._host
        return host.pid if host and host.alive else None

    def embed(self, texts: Sequence[str]) -> Vectors:
        """See `Embedder.embed`."""
        with self._busy:
            parts = [
                _floats(answer[1], self.dimension) for answer in self._answers(texts, pooled=True)
            ]
        return np.concatenate(parts) if parts else np.zeros((0, self.dimension), np.float32)

    def embed_tokens(self, texts: Sequence[str]) -> list[TokenVectors]:
        """See `TokenEmbedder.embed_tokens`."""
        found: list[TokenVectors] = []
        with self._busy:
            for _kind, data, marks in self._answers(texts, pooled=False):
                vectors, start = _floats(data, self.dimension), 0
                for of_text in marks:
                    end = start + len(of_text)
                    found.append(TokenVectors(vectors[start:end], np.array(of_text, np.bool_)))
                    start = end
        return found

    def close(self) -> None:
        """See `Embedder.close`."""
        host = self._host
        if host is not None:
            host.kill()
            if self._busy.acquire(blocking=False):  # else the running call tidies up
                try:
                    self._drop()
                finally:
                    self._busy.release()

    def _answers(self, texts: Sequence[str], *, pooled: bool) -> Iterator[list[Any]]:
        """The host's answer to each message's worth of texts."""
        try:
            for part in _messages(texts):
                host = self._loaded(pooled=pooled)
                host.send({"embed": part})
                yield self._receive(host, "vectors")
        except BaseException:  # whatever it was, what the host still writes is of this call
            self._drop()
            raise

    def _loaded(self, *, pooled: bool) -> HostProcess:
        host = self._host
        if host is not None and host.alive and self._pooled == pooled:
            return host
        self._drop()
        host = self._host = HostProcess()
        self._pooled = pooled
        path = str(self._file.resolve())
        host.send({"load_encoder": {"path": path, "threads": self._threads, "pooled": pooled}})
        self._receive(host, "loaded")
        return host

    def _receive(self, host: HostProcess, kind: str) -> list[Any]:
        message = host.receive(self._patience)
        if message is None:
            raise EngineError(
                f"The embedder gave no sign of life for {self._patience:.0f} seconds "
                "and was stopped.",
                "Ask again; the engine starts anew.",
            )
        if message[0] != kind:
            raise error_of(message)
        return message

    def _drop(self) -> None:
        host, self._host = self._host, None
        if host is not None:
            host.dispose()


def _messages(texts: Sequence[str]) -> Iterator[list[str]]:
    """The texts in parts that are computed in one go."""
    part: list[str] = []
    characters = 0
    for text in texts:
        if len(part) == _MOST_TEXTS or (part and characters + len(text) > _MOST_CHARACTERS):
            yield part
            part, characters = [], 0
        part.append(text)
        characters += len(text)
    if part:
        yield part


def _floats(data: str, dimension: int) -> Vectors:
    return np.frombuffer(base64.b64decode(data), "<f4").reshape(-1, dimension).copy()
