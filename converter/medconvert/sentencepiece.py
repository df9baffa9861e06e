"""Reading a SentencePiece file, such as `tokenizer.model`, without the SentencePiece library.

Format: https://github.com/google/sentencepiece, src/sentencepiece_model.proto, a
protocol-buffer message; of it only the pieces (field 1), the kind of model (field 3
of field 2) and how text is normalized (field 3) are needed.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from medllm.errors import ConversionError

_PIECES, _TRAINER, _NORMALIZER, _MODEL_TYPE = 1, 2, 3, 3
_TEXT, _SCORE, _KIND = 1, 2, 3
_CHARACTERS, _DUMMY_PREFIX, _EXTRA_SPACES = 2, 3, 4
_KINDS = {1: "unigram", 2: "bpe", 3: "word", 4: "char"}


@dataclass(frozen=True, slots=True)
class Piece:
    """One token."""

    text: bytes
    score: float
    kind: int
    """1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused, 6 byte; GGUF counts alike."""


@dataclass(frozen=True, slots=True)
class SentencePiece:
    """A SentencePiece model."""

    kind: str
    """`bpe` or `unigram`."""
    pieces: list[Piece]
    """In order of ids."""
    characters: bytes
    """How characters are normalized, precompiled; empty: they stay as they are."""
    dummy_prefix: bool
    """A space is put before a text."""
    single_spaces: bool
    """White space at the ends is dropped, several spaces become one."""


def read_sentencepiece(file: Path, kinds: tuple[str, ...] = ("bpe",)) -> SentencePiece:
    """A SentencePiece model.

    Args:
        file: tokenizer.model or spiece.model.
        kinds: those that will do.

    Raises:
        ConversionError: the file is broken, or the model is of another kind.
    """
    pieces, trainer, normalizer = [], b"", b""
    try:
        for number, value in _fields(file.read_bytes()):
            if number == _PIECES and isinstance(value, bytes):
                pieces.append(_piece(value))
            elif number == _TRAINER and isinstance(value, bytes):
                trainer = value
            elif number == _NORMALIZER and isinstance(value, bytes):
                normalizer = value
        found = dict(_fields(trainer)).get(_MODEL_TYPE, 1)
        kind = _KINDS.get(found, str(found)) if isinstance(found, int) else "?"
        normal = dict(_fields(normalizer))
    except (OSError, IndexError, ValueError, struct.error) as error:
        raise ConversionError(
            f"{file} is not a SentencePiece model.", "Take it from the base model again."
        ) from error
    if not pieces:
        raise ConversionError(f"{file} holds no tokens.", "Take it from the base model again.")
    if kind not in kinds:
        raise ConversionError(
            f"{file} is a SentencePiece model of the kind {kind}.",
            f"For this family of models it must be {' or '.join(kinds)}.",
        )
    characters = normal.get(_CHARACTERS, b"")
    return SentencePiece(
        kind,
        pieces,
        characters if isinstance(characters, bytes) else b"",
        bool(normal.get(_DUMMY_PREFIX, 1)),
        bool(normal.get(_EXTRA_SPACES, 1)),
    )


def _piece(message: bytes) -> Piece:
    fields = dict(_fields(message))
    text, score, kind = fields.get(_TEXT, b""), fields.get(_SCORE, b"\0" * 4), fields.get(_KIND, 1)
    if not (isinstance(text, bytes) and isinstance(score, bytes) and isinstance(kind, int)):
        raise ValueError("a field has another type")  # noqa: TRY004
    return Piece(text, struct.unpack("<f", score)[0], kind)


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Number and value of each field; fixed-size and length-delimited values as bytes."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        number, wire = key >> 3, key & 7
        if wire == 0:
            value, at = _varint(message, at)
            yield number, value
            continue
        if wire == 2:
            size, at = _varint(message, at)
        elif wire in (1, 5):
            size = 8 if wire == 1 else 4
        else:
            raise ValueError(f"unknown wire type {wire}")
        if at + size > len(message):
            raise ValueError("a field runs over the end")
        yield number, message[at : at + size]
        at += size


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
