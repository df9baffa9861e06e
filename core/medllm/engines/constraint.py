"""An answer held to a grammar, lazily. Host process only.

The model chooses freely; only its one choice is held against the grammar, and
only where that is refused the grammar is applied to the whole vocabulary. The
grammar is llama.cpp's; on top of it, a choice must be sound UTF-8 and visible,
since llama.cpp's grammar also takes overlong byte sequences and the spelling of
control tokens as text.
"""

import ctypes
from typing import Any

import numpy as np
from llama_cpp import llama_cpp as native

from medllm.engines.sampling import Mask
from medllm.engines.vocabulary import Vocabulary
from medllm.errors import UsageError

_CANDIDATE = np.dtype([("id", np.int32), ("logit", np.float32), ("p", np.float32)])
_MINUS_INFINITY = float("-inf")


class Constraint:
    """The state of a grammar after the tokens accepted so far.

    Args:
        vocabulary: of the model.
        grammar: GBNF with a rule `root`.

    Raises:
        UsageError: the grammar can't be read.
    """

    def __init__(self, vocabulary: Vocabulary, grammar: str) -> None:
        self._vocabulary = vocabulary
        self._sampler = native.llama_sampler_init_grammar(
            vocabulary.handle, grammar.encode(), b"root"
        )
        if not self._sampler:
            raise UsageError("The grammar of the answer can't be read.", "Check its GBNF.")
        self._pending = b""  # bytes of a character that is not whole yet
        self._whole: Any = None  # the grammar's state before those bytes
        self._one = native.llama_token_data()
        self._array = native.llama_token_data_array()
        self._array.data = ctypes.pointer(self._one)
        self._array.size = 1
        self._reference = ctypes.byref(self._array)
        self._all = np.zeros(vocabulary.size, _CANDIDATE)

    def close(self) -> None:
        """Frees the native state."""
        for sampler in (self._sampler, self._whole):
            if sampler:
                native.llama_sampler_free(sampler)
        self._sampler = self._whole = None

    def allows(self, token: int) -> bool:
        """Whether `token` may come next."""
        if token in self._vocabulary.ends:
            return not self._pending and self._grammar_allows(self._sampler, token)
        piece = self._vocabulary.piece(token)
        if _split(self._pending + piece) is None:
            return False
        return self._grammar_allows(self._sampler, token)

    def accept(self, token: int) -> None:
        """Moves on past `token`, which `allows` must have allowed."""
        split = _split(self._pending + self._vocabulary.piece(token))
        if split is None:
            raise ValueError(f"token {token} was not allowed")
        _, rest = split
        if rest and not self._pending:
            self._whole = native.llama_sampler_clone(self._sampler)
        native.llama_sampler_accept(self._sampler, token)
        self._pending = rest
        if not rest and self._whole:
            native.llama_sampler_free(self._whole)
            self._whole = None

    def drop_partial(self) -> bool:
        """Takes back the bytes of a character that is not whole; tells whether there were any."""
        if not self._whole:
            return False
        native.llama_sampler_free(self._sampler)
        self._sampler, self._whole, self._pending = self._whole, None, b""
        return True

    def accept_all(self, tokens: list[int]) -> bool:
        """Moves on past all of `tokens`, or, where one of them is refused, past none."""
        if self._pending:
            return False
        trial = native.llama_sampler_clone(self._sampler)
        for token in tokens:
            if not self._grammar_allows(trial, token):
                native.llama_sampler_free(trial)
                return False
            native.llama_sampler_accept(trial, token)
        native.llama_sampler_free(self._sampler)
        self._sampler = trial
        return True

    def may_end(self) -> bool:
        """Whether the text so far is whole."""
        return any(self.allows(token) for token in self._vocabulary.ends)

    def mask(self) -> Mask:
        """For each token of the vocabulary, whether the grammar takes it. Shape: (size,).

        The other conditions are left to `allows`, asked of the one that is chosen.
        """
        self._all["id"] = np.arange(len(self._all), dtype=np.int32)
        self._all["logit"] = 0.0
        array = native.llama_token_data_array()
        array.data = self._all.ctypes.data_as(ctypes.POINTER(native.llama_token_data))
        array.size = len(self._all)
        native.llama_sampler_apply(self._sampler, ctypes.byref(array))
        mask: Mask = self._all["logit"] == 0.0
        return mask

    def _grammar_allows(self, sampler: Any, token: int) -> bool:
        self._one.id = token
        self._one.logit = 0.0
        native.llama_sampler_apply(sampler, self._reference)
        return bool(self._one.logit != _MINUS_INFINITY)


def _split(data: bytes) -> tuple[str, bytes] | None:
    """The whole characters of `data` and the bytes of an unfinished one; None if unsound."""
    if not data or 0 in data:
        return None
    try:
        return data.decode(), b""
    except UnicodeDecodeError as error:
        if error.reason != "unexpected end of data":
            return None
        return data[: error.start].decode(), data[error.start :]
