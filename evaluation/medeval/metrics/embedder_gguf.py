"""An embedder in a GGUF file, through llama.cpp."""

import ctypes
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from llama_cpp import llama_cpp as native
from medllm.errors import ModelError

from medeval.metrics.embedding import Embedded, embedded

_LONGEST = 512


@native.llama_log_callback  # type: ignore[untyped-decorator]
def _silent(_level: int, _text: bytes, _data: object) -> None:
    """Swallows the log; referenced by the module for ever."""


class GgufEmbedder:
    """Last hidden states of a model's tokens.

    Raises:
        ModelError: llama.cpp can't load the file.
    """

    def __init__(self, file: Path) -> None:
        self.name = file.stem
        native.llama_log_set(_silent, ctypes.c_void_p(0))
        native.llama_backend_init()
        self._model: Any = native.llama_model_load_from_file(
            str(file).encode(), native.llama_model_default_params()
        )
        if not self._model:
            raise ModelError(f"The embedder {file} can't be loaded.", "Name another file.")
        parameters = native.llama_context_default_params()
        self._limit = min(_LONGEST, native.llama_model_n_ctx_train(self._model))
        parameters.n_ctx = parameters.n_batch = parameters.n_ubatch = self._limit
        parameters.embeddings = True
        parameters.pooling_type = native.LLAMA_POOLING_TYPE_NONE
        self._context: Any = native.llama_init_from_model(self._model, parameters)
        if not self._context:
            raise ModelError(f"There is no room for the embedder {file}.", "Close other programs.")
        self._vocabulary = native.llama_model_get_vocab(self._model)
        self._width = int(native.llama_model_n_embd(self._model))

    def embed(self, texts: Sequence[str]) -> list[Embedded]:
        """Vectors of each text; of at most 512 tokens of it."""
        return [self._embed(text) for text in texts]

    def _embed(self, text: str) -> Embedded:
        tokens = self._tokenize(text)
        if not tokens:
            return embedded(np.zeros((0, self._width), np.float32), np.zeros(0, bool))
        memory = native.llama_get_memory(self._context)
        if memory:  # encoders have none
            native.llama_memory_clear(memory, True)
        batch = native.llama_batch_init(len(tokens), 0, 1)
        try:
            for index, token in enumerate(tokens):
                batch.token[index], batch.pos[index] = token, index
                batch.n_seq_id[index], batch.seq_id[index][0] = 1, 0
                batch.logits[index] = True
            batch.n_tokens = len(tokens)
            if native.llama_decode(self._context, batch) != 0:
                raise ModelError(f"The embedder {self.name} failed.", "Name another embedder.")
        finally:
            native.llama_batch_free(batch)
        vectors = np.stack([self._vector(index) for index in range(len(tokens))])
        marks = [bool(native.llama_vocab_is_control(self._vocabulary, t)) for t in tokens]
        return embedded(vectors, np.logical_not(marks))

    def _vector(self, index: int) -> Any:
        pointer = native.llama_get_embeddings_ith(self._context, index)
        return np.ctypeslib.as_array(pointer, (self._width,)).copy()

    def _tokenize(self, text: str) -> list[int]:
        data = text.encode("utf-8", "replace")
        room = len(data) + 8
        array = (native.llama_token * room)()
        count = native.llama_tokenize(self._vocabulary, data, len(data), array, room, True, False)
        tokens = list(array[: max(0, count)])
        return tokens if len(tokens) <= self._limit else [*tokens[: self._limit - 1], tokens[-1]]
