"""A GGUF model in llama.cpp: prompt in, logits out, the common beginning kept warm.

Host process only: native code can abort the process that it runs in.
"""

import ctypes
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from llama_cpp import llama_cpp as native

from medllm.engines.sampling import Logits
from medllm.engines.template import ChatTemplate
from medllm.engines.vocabulary import Vocabulary
from medllm.errors import EngineError, ModelError
from medllm.prompts import Message

_LOG_ERROR = 4
_ABORTED = 2
_BATCH = 512
_last_error = ""


@native.llama_log_callback  # type: ignore[untyped-decorator]
def _log(level: int, text: bytes, _data: object) -> None:
    """Swallows llama.cpp's log and keeps its last error; referenced by the module for ever."""
    global _last_error  # noqa: PLW0603
    if level == _LOG_ERROR:
        _last_error = text.decode("utf-8", "replace").strip()


class Cancelled(Exception):  # noqa: N818
    """The request was cancelled while its prompt was processed."""


class Decoder:
    """One model and one sequence of tokens.

    Args:
        model: a file that `medllm.models.check` has passed.
        context: tokens that prompt and answer may take together.
        threads: of the computation.
        progress: called with the share that is loaded, 0 to 1.
        cancelled: asked while a prompt is processed; True stops it.

    Raises:
        ModelError: llama.cpp can't load the file, or it has no usable chat template.
    """

    def __init__(
        self,
        model: Path,
        context: int,
        threads: int,
        progress: Callable[[float], None],
        cancelled: Callable[[], bool],
    ) -> None:
        self._cancelled = cancelled
        self._abort = native.ggml_abort_callback(lambda _data: cancelled())
        self._no_abort = native.ggml_abort_callback()
        self._model = load_model(model, progress)
        self._context = _context(self._model, model, context, threads)
        self._memory = native.llama_get_memory(self._context)
        self._batch: int = native.llama_n_batch(self._context)
        self.context: int = native.llama_n_ctx(self._context)
        self.vocabulary = Vocabulary(self._model)
        source = native.llama_model_chat_template(self._model, None)
        self.template = ChatTemplate(
            source.decode("utf-8", "replace") if source else None,
            self.vocabulary.text(self.vocabulary.bos),
            self.vocabulary.text(self.vocabulary.eos),
        )
        self._cached: list[int] = []  # the tokens whose state is kept
        self._one = (native.llama_token * 1)()
        self._one_batch = native.llama_batch_get_one(self._one, 1)
        self._views: dict[int, Logits] = {}

    def close(self) -> None:
        """Frees the model."""
        native.llama_free(self._context)
        native.llama_model_free(self._model)

    def prompt(self, messages: tuple[Message, ...], answer: str = "") -> list[int]:
        """Tokens of the prompt, with exactly one BOS where the model wants one.

        Spellings of control tokens within a message are broken up. `answer` is how the
        answer begins; it is tokenized together with the prompt.

        Raises:
            ModelError: the chat template fails.
        """
        vocabulary = self.vocabulary
        clean: list[Message] = [
            {"role": m["role"], "content": vocabulary.without_controls(m["content"])}
            for m in messages
        ]
        text = self.template.render(tuple(clean)) + vocabulary.without_controls(answer)
        tokens = vocabulary.tokenize(text, special=True)
        bos = vocabulary.bos
        start = 0
        while start < len(tokens) and tokens[start] == bos:
            start += 1
        return [bos] * (vocabulary.wants_bos or start > 0) + tokens[start:]

    def begin(self, tokens: list[int]) -> tuple[Logits, int]:
        """Starts a sequence anew, keeping the state of what it has in common with the last.

        Returns:
            The logits after the last token, valid until the next call, shape
            (vocabulary,), and the number of tokens whose state was kept.

        Raises:
            Cancelled: `cancelled` said so on the way.
            EngineError: llama.cpp failed.
        """
        reused = self._rewind(_common(self._cached, tokens[:-1]))
        native.llama_set_abort_callback(self._context, self._abort, ctypes.c_void_p(0))
        try:
            for start in range(reused, len(tokens), self._batch):
                if self._cancelled():
                    raise Cancelled
                self._decode(tokens[start : start + self._batch])
        finally:
            native.llama_set_abort_callback(self._context, self._no_abort, ctypes.c_void_p(0))
        return self._logits(), reused

    def extend(self, tokens: list[int]) -> Logits:
        """Appends tokens; returns the logits after the last, valid until the next call."""
        if len(tokens) == 1:
            self._one[0] = tokens[0]
            if native.llama_decode(self._context, self._one_batch) != 0:
                raise failed()
            self._cached.append(tokens[0])
        else:
            for start in range(0, len(tokens), self._batch):
                self._decode(tokens[start : start + self._batch])
        return self._logits()

    def _decode(self, tokens: list[int]) -> None:
        array = (native.llama_token * len(tokens))(*tokens)
        code = native.llama_decode(self._context, native.llama_batch_get_one(array, len(tokens)))
        if code == 0:
            self._cached += tokens
            return
        self._rewind(len(self._cached))  # a part of the batch may have been kept
        if code == _ABORTED and self._cancelled():
            raise Cancelled
        raise failed()

    def _rewind(self, length: int) -> int:
        """Forgets all but the first `length` tokens; returns how many could be kept."""
        if not native.llama_memory_seq_rm(self._memory, 0, length, -1):
            native.llama_memory_clear(self._memory, True)  # recurrent models can't go back
            length = 0
        del self._cached[length:]
        return length

    def _logits(self) -> Logits:
        pointer = native.llama_get_logits_ith(self._context, -1)
        address = ctypes.cast(pointer, ctypes.c_void_p).value
        if address is None:
            raise failed()
        view = self._views.get(address)
        if view is None:
            if len(self._views) > 64:
                self._views.clear()
            row = (ctypes.c_float * self.vocabulary.size).from_address(address)
            view = self._views[address] = np.ctypeslib.as_array(row)
        return view


def load_model(file: Path, progress: Callable[[float], None]) -> Any:
    """llama.cpp's pointer to the model in a file. Raises ModelError where it can't be loaded."""
    native.llama_log_set(_log, ctypes.c_void_p(0))
    native.llama_backend_init()

    def report(share: float, _data: object) -> bool:
        progress(share)
        return True

    callback = native.llama_progress_callback(report)
    parameters = native.llama_model_default_params()
    parameters.progress_callback = callback
    model = native.llama_model_load_from_file(str(file).encode(), parameters)
    if not model:
        raise ModelError(
            f"The model {file.name} can't be loaded: {_last_error or 'llama.cpp gave no reason'}.",
            "Fetch it again, or take a model that this llama.cpp knows.",
        )
    return model


def _context(model: Any, file: Path, tokens: int, threads: int) -> Any:
    parameters = native.llama_context_default_params()
    parameters.n_ctx = tokens
    parameters.n_batch = parameters.n_ubatch = min(_BATCH, tokens)
    parameters.n_seq_max = 1
    parameters.n_threads = parameters.n_threads_batch = threads
    parameters.no_perf = True
    context = native.llama_init_from_model(model, parameters)
    if not context:
        raise ModelError(
            f"There is no room for a context of {tokens} tokens with {file.name}.",
            "Close other programs, or ask for a smaller context.",
        )
    return context


def _common(old: list[int], new: list[int]) -> int:
    """Length of the common beginning."""
    for index, (a, b) in enumerate(zip(old, new, strict=False)):
        if a != b:
            return index
    return min(len(old), len(new))


def failed() -> EngineError:
    """The error of a computation that llama.cpp gave up."""
    reason = f": {_last_error}" if _last_error else ""
    return EngineError(f"llama.cpp could not go on{reason}.", "Ask again; the engine restarts.")
