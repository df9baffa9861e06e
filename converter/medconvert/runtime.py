"""A GGUF in llama.cpp for the checks of a conversion: all logits of a text, or a look inside.

Child processes only: native code can abort the process that it runs in.
"""

import ctypes
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from medllm.closing import Closing
from medllm.errors import ConversionError

from medconvert.checkpoint import Floats

Watch = Callable[[int | None, bool, object], bool]


@cache
def _silent() -> Any:
    """A log callback that the library may call for as long as this process lives."""
    from llama_cpp import llama_cpp as native

    return native.llama_log_callback(lambda _level, _text, _data: None)


class Runtime(Closing):
    """A loaded model with a context.

    Args:
        file: the GGUF.
        context: tokens that fit into one text.
        watch: is shown the nodes of the graph, see `cb_eval` of llama_context_params.

    Raises:
        ConversionError: llama.cpp can't load the file.
    """

    def __init__(self, file: Path, context: int, watch: Watch | None = None) -> None:
        from llama_cpp import llama_cpp as native

        self._native = native
        native.llama_log_set(_silent(), ctypes.c_void_p(0))
        native.llama_backend_init()
        path = str(file).encode()
        self._model = native.llama_model_load_from_file(path, native.llama_model_default_params())
        if not self._model:
            raise ConversionError(f"llama.cpp can't load {file.name}.")
        settings = native.llama_context_default_params()
        settings.n_ctx = settings.n_batch = settings.n_ubatch = context
        settings.n_threads = settings.n_threads_batch = os.cpu_count() or 1
        self._watch = native.ggml_backend_sched_eval_callback(watch) if watch else None
        if self._watch:
            settings.cb_eval = self._watch
        self._context = native.llama_init_from_model(self._model, settings)
        if not self._context:
            raise ConversionError(f"llama.cpp finds no room for a context with {file.name}.")
        self._vocabulary = native.llama_model_get_vocab(self._model)

    def close(self) -> None:
        """Frees the model."""
        self._native.llama_free(self._context)
        self._native.llama_model_free(self._model)

    @property
    def size(self) -> int:
        """Tokens of the vocabulary."""
        return int(self._native.llama_vocab_n_tokens(self._vocabulary))

    def bos(self) -> list[int]:
        """What a text begins with: one BOS, or nothing where the model wants none."""
        if not self._native.llama_vocab_get_add_bos(self._vocabulary):
            return []
        return [int(self._native.llama_vocab_bos(self._vocabulary))]

    def tokenize(self, text: str, *, special: bool) -> list[int]:
        """Token ids of a text, without BOS."""
        data = text.encode()
        ids = (self._native.llama_token * (len(data) + 8))()
        count = self._native.llama_tokenize(
            self._vocabulary, data, len(data), ids, len(ids), False, special
        )
        return list(ids[:count])

    def read(self, tokens: list[int]) -> Floats:
        """Reads one text anew; its logits, (len(tokens), size).

        Raises:
            ConversionError: llama.cpp fails.
        """
        self._forget()
        return self._decode(tokens)

    def read_pair(self, source: list[int], tokens: list[int]) -> Floats:
        """Reads `source` with the encoder, then `tokens` with the decoder; the latter's logits.

        Raises:
            ConversionError: llama.cpp fails.
        """
        self._forget()
        self._run(self._native.llama_encode, source)
        return self._decode(tokens)

    def _forget(self) -> None:
        native = self._native
        native.llama_memory_clear(native.llama_get_memory(self._context), True)

    def _decode(self, tokens: list[int]) -> Floats:
        self._run(self._native.llama_decode, tokens)
        logits = self._native.llama_get_logits(self._context)
        return np.ctypeslib.as_array(logits, (len(tokens), self.size)).copy()

    def _run(self, compute: Callable[[Any, Any], int], tokens: list[int]) -> None:
        native = self._native
        batch = native.llama_batch_init(len(tokens), 0, 1)
        try:
            batch.n_tokens = len(tokens)
            for i, token in enumerate(tokens):
                batch.token[i], batch.pos[i] = token, i
                batch.n_seq_id[i], batch.seq_id[i][0], batch.logits[i] = 1, 0, 1
            if compute(self._context, batch) != 0:
                raise ConversionError("llama.cpp can't read a text with the converted model.")
        finally:
            native.llama_batch_free(batch)
