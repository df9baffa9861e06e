"""A GGUF embedding model in llama.cpp: texts in, vectors out, many texts at a time.

Host process only: native code can abort the process that it runs in.
"""

import ctypes
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from llama_cpp import llama_cpp as native

from medllm.embedding import Vectors
from medllm.engines.decoder import failed, load_model
from medllm.engines.vocabulary import Vocabulary
from medllm.errors import ModelError

_MOST_TOKENS = 2048  # of one text; attention's work buffers grow with its square
_TOGETHER = 512  # tokens of several texts that are computed at once; attention spans them all
_MOST_TEXTS = 64
_ALONE = 1e9  # products of weights and tokens that one thread does sooner than several


class Encoder:
    """One embedding model.

    Args:
        model: a file that `medllm.models.check_embedder` has passed.
        threads: of the computation.
        pooled: one vector a text, pooled as the file says; otherwise one a token.

    Raises:
        ModelError: llama.cpp can't load the file.
    """

    def __init__(self, model: Path, threads: int, *, pooled: bool) -> None:
        self._pooled = pooled
        self._model = load_model(model, lambda _share: None)
        self._limit = min(native.llama_model_n_ctx_train(self._model), _MOST_TOKENS)
        self._context = self._new_context(model, max(self._limit, _TOGETHER), threads)
        self._memory = native.llama_get_memory(self._context)
        self._threads = threads
        self._weights: int = native.llama_model_n_params(self._model)
        self._vocabulary = Vocabulary(self._model)
        self.dimension: int = native.llama_model_n_embd_out(self._model)
        self._batch = native.llama_batch_init(max(self._limit, _TOGETHER), 0, 1)

    def encode(self, texts: Sequence[str]) -> tuple[Vectors, list[list[bool]]]:
        """Vectors of texts.

        A text beyond the model's context, or 2048 tokens, is cut there and keeps the mark
        at its end.

        Returns:
            Pooled: a vector of length 1 for each text, shape (texts, dimension), zeros for
            a text without any token, and nothing else. Otherwise the vectors of all
            tokens, shape (tokens, dimension), and for each text which of its tokens are
            marks.

        Raises:
            EngineError: llama.cpp failed.
        """
        tokenized = [self._tokenize(text) for text in texts]
        parts = [self._encode(tokenized[start:end]) for start, end in _batches(tokenized)]
        vectors = np.concatenate([np.zeros((0, self.dimension), np.float32), *parts])
        if self._pooled:
            lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
            return vectors / np.maximum(lengths, np.float32(1e-12)), []
        ends = self._vocabulary.marks
        return vectors, [[token in ends for token in tokens] for tokens in tokenized]

    def _tokenize(self, text: str) -> list[int]:
        tokens = self._vocabulary.tokenize(text, special=False, marks=True)
        if len(tokens) > self._limit:
            tokens = [*tokens[: self._limit - 1], tokens[-1]]
        return tokens

    def _encode(self, texts: Sequence[list[int]]) -> Vectors:
        batch, count = self._batch, 0
        for sequence, tokens in enumerate(texts):
            for position, token in enumerate(tokens):
                batch.token[count], batch.pos[count] = token, position
                batch.n_seq_id[count], batch.seq_id[count][0] = 1, sequence
                batch.logits[count] = 1
                count += 1
        if not count:
            return np.zeros((len(texts) if self._pooled else 0, self.dimension), np.float32)
        batch.n_tokens = count
        if self._memory:  # encoders have none
            native.llama_memory_clear(self._memory, True)
        threads = self._threads if self._weights * count > _ALONE else 1
        native.llama_set_n_threads(self._context, threads, threads)
        run = native.llama_decode if self._memory else native.llama_encode
        if run(self._context, batch) != 0:
            raise failed()
        if not self._pooled:
            return _rows(native.llama_get_embeddings(self._context), count, self.dimension)
        return np.concatenate([self._vector(i, tokens) for i, tokens in enumerate(texts)])

    def _vector(self, sequence: int, tokens: list[int]) -> Vectors:
        if not tokens:
            return np.zeros((1, self.dimension), np.float32)
        pointer = native.llama_get_embeddings_seq(self._context, sequence)
        return _rows(pointer, 1, self.dimension)

    def _new_context(self, file: Path, tokens: int, threads: int) -> Any:
        parameters = native.llama_context_default_params()
        parameters.n_ctx = parameters.n_batch = parameters.n_ubatch = tokens
        parameters.n_seq_max, parameters.kv_unified = _MOST_TEXTS, True
        parameters.n_threads = parameters.n_threads_batch = threads
        parameters.embeddings, parameters.no_perf = True, True
        if not self._pooled:
            parameters.pooling_type = native.LLAMA_POOLING_TYPE_NONE
        context = native.llama_init_from_model(self._model, parameters)
        if not context:
            raise ModelError(
                f"There is no room for the embedding model {file.name}.", "Close other programs."
            )
        return context


def _batches(texts: Sequence[list[int]]) -> Iterator[tuple[int, int]]:
    """Where each group of texts that fit together begins and ends."""
    start = tokens = 0
    for index, text in enumerate(texts):
        if index > start and (tokens + len(text) > _TOGETHER or index - start == _MOST_TEXTS):
            yield start, index
            start, tokens = index, 0
        tokens += len(text)
    if start < len(texts):
        yield start, len(texts)


def _rows(pointer: Any, rows: int, width: int) -> Vectors:
    if not ctypes.cast(pointer, ctypes.c_void_p).value:
        raise failed()
    return np.ctypeslib.as_array(pointer, (rows, width)).copy()
