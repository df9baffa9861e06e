"""T5 in llama.cpp: the high-level bindings can't run it, the low-level ones can."""

from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from tests.converter.reference import silence

CONTEXT = 256


class EncoderDecoder:
    """A loaded encoder-decoder model with a context."""

    def __init__(self, file: Path) -> None:
        from llama_cpp import llama_cpp as native

        self._native: Any = native
        silence()
        self._model = native.llama_model_load_from_file(
            str(file).encode(), native.llama_model_default_params()
        )
        settings = native.llama_context_default_params()
        settings.n_ctx = settings.n_batch = settings.n_ubatch = CONTEXT
        settings.n_threads = settings.n_threads_batch = 2
        self._context = native.llama_init_from_model(self._model, settings)
        self._vocabulary = native.llama_model_get_vocab(self._model)

    def __enter__(self) -> "EncoderDecoder":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._native.llama_free(self._context)
        self._native.llama_model_free(self._model)

    def tokenize(self, text: str) -> list[int]:
        """Token ids of a text, with the end token."""
        data = text.encode()
        ids = (self._native.llama_token * (len(data) + 8))()
        count = self._native.llama_tokenize(
            self._vocabulary, data, len(data), ids, len(ids), True, True
        )
        return list(ids[:count])

    def greedy(self, question: list[int], most: int) -> list[int]:
        """The likeliest answer, token by token, up to the end token or `most`."""
        native = self._native
        native.llama_memory_clear(native.llama_get_memory(self._context), True)
        ids = (native.llama_token * len(question))(*question)
        assert native.llama_encode(self._context, native.llama_batch_get_one(ids, len(ids))) == 0
        answer: list[int] = []
        token = native.llama_model_decoder_start_token(self._model)
        size = native.llama_vocab_n_tokens(self._vocabulary)
        while len(answer) < most:
            one = (native.llama_token * 1)(token)
            assert native.llama_decode(self._context, native.llama_batch_get_one(one, 1)) == 0
            logits = native.llama_get_logits_ith(self._context, -1)
            token = int(np.argmax(np.ctypeslib.as_array(logits, (size,))))
            answer.append(token)
            if native.llama_vocab_is_eog(self._vocabulary, token):
                break
        return answer
