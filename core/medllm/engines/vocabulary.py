"""The vocabulary of a loaded GGUF: tokens to bytes and text to tokens. Host process only."""

import ctypes
from typing import Any

import numpy as np
import numpy.typing as npt
from llama_cpp import llama_cpp as native

# A text before another one, so that a SentencePiece vocabulary puts its leading
# space there and not in front of what follows.
_ANCHOR = "\n"


class Vocabulary:
    """Tokens of one model.

    Args:
        model: a `llama_model` pointer that outlives this object.
    """

    def __init__(self, model: Any) -> None:
        self.handle = native.llama_model_get_vocab(model)
        self.size: int = native.llama_vocab_n_tokens(self.handle)
        self.bos: int = native.llama_vocab_bos(self.handle)
        self.eos: int = native.llama_vocab_eos(self.handle)
        self.wants_bos = bool(native.llama_vocab_get_add_bos(self.handle)) and self.bos >= 0
        self.marks = frozenset((self.bos, self.eos, native.llama_vocab_sep(self.handle)))
        """The tokens that may be put at a text's ends; none of them comes of the text itself."""
        self._pieces: dict[int, bytes] = {}
        self._ends = frozenset(
            token for token in range(self.size) if native.llama_vocab_is_eog(self.handle, token)
        )
        self._letters: npt.NDArray[np.bool_] | None = None

    @property
    def ends(self) -> frozenset[int]:
        """The tokens that end an answer."""
        return self._ends

    def text(self, token: int) -> str:
        """How the model file spells `token`, special ones included; empty for none (-1)."""
        if token < 0:
            return ""
        spelled: bytes | None = native.llama_vocab_get_text(self.handle, token)
        return (spelled or b"").decode("utf-8", "replace")

    def piece(self, token: int) -> bytes:
        """What `token` adds to an answer: bytes, perhaps a part of a character only.

        Special tokens add nothing.
        """
        piece = self._pieces.get(token)
        if piece is None:
            piece = self._pieces[token] = self._read_piece(token)
        return piece

    def _read_piece(self, token: int) -> bytes:
        room = 64
        while True:
            buffer = ctypes.create_string_buffer(room)
            length = native.llama_token_to_piece(self.handle, token, buffer, room, 0, False)
            if length >= 0:
                return buffer.raw[:length]
            room = -length

    def is_control(self, token: int) -> bool:
        """Whether `token` is one of a chat's control tokens."""
        return bool(native.llama_vocab_is_control(self.handle, token))

    def letters(self) -> npt.NDArray[np.bool_]:
        """For each token, whether its text holds a letter or digit. Shape: (size,)."""
        if self._letters is None:
            self._letters = np.fromiter(
                (
                    any(c.isalnum() for c in self.piece(token).decode("utf-8", "ignore"))
                    for token in range(self.size)
                ),
                dtype=np.bool_,
                count=self.size,
            )
        return self._letters

    def tokenize(self, text: str, *, special: bool, marks: bool = False) -> list[int]:
        """Tokens of `text`.

        Args:
            text: any text; what UTF-8 can't hold becomes "?".
            special: whether the spelling of a special token stands for that token.
            marks: whether the marks that the model wants at the ends are added, as BOS.
        """
        data = text.encode("utf-8", "replace")
        room = len(data) + 8
        while True:
            buffer = (native.llama_token * room)()
            count = native.llama_tokenize(
                self.handle, data, len(data), buffer, room, marks, special
            )
            if count >= 0:
                return list(buffer[:count])
            room = -count

    def spell(self, text: str) -> list[int] | None:
        """Tokens whose pieces are exactly `text`; None where the vocabulary has no such."""
        wanted = text.encode()
        tokens = self.tokenize(text, special=False)
        if self._joined(tokens) == wanted:
            return tokens
        tokens = self.tokenize(_ANCHOR + text, special=False)
        for start in range(1, len(tokens)):
            if self._joined(tokens[start:]) == wanted:
                return tokens[start:]
        return None

    def without_controls(self, text: str) -> str:
        """`text` with the spellings of control tokens broken up by a space.

        So that a question can't pose as a turn of the chat.
        """
        for _ in range(8):  # breaking one up may uncover another; a few rounds are plenty
            tokens = self.tokenize(text, special=True)
            found = {token for token in tokens if self.is_control(token)}
            if not found:
                return text
            for token in found:
                spelled = self.text(token)
                text = text.replace(spelled, f"{spelled[:1]} {spelled[1:]}")
        return text

    def _joined(self, tokens: list[int]) -> bytes:
        return b"".join(map(self.piece, tokens))
