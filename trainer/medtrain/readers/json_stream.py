"""The items of a JSON array or object of any size, one after the other, with their lines."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from medllm.errors import DataError

_PIECE = 1 << 20
"""Characters that are read at once."""
_SPACE = " \t\r\n"
_AFTER = frozenset(" \t\r\n,:]}")


def items(file: Path, *inside: str) -> Iterator[tuple[int, str, Any]]:
    """Line, key (empty in an array) and value of each item.

    Args:
        file: UTF-8 text.
        inside: keys that lead from the outer object to the array or object that is meant.

    Raises:
        DataError: it is not JSON, or has no such key; file and line are named.
    """
    try:
        with open(file, encoding="utf-8-sig") as stream:
            cursor = _Cursor(file, stream.read)
            for key in inside:
                cursor.go_to(key)
            yield from cursor.items()
    except UnicodeDecodeError as error:
        raise DataError(f"{file} is not UTF-8 text: {error.reason}.") from error
    except OSError as error:
        raise DataError(f"{file} can't be read: {error.strerror or error}.") from error


class _Cursor:
    """A place in a JSON text that is read piece by piece."""

    def __init__(self, file: Path, read: Any) -> None:
        self.file, self._read, self._text, self._at = file, read, "", 0
        self._line = 1
        self._decode = json.JSONDecoder().raw_decode

    def items(self) -> Iterator[tuple[int, str, Any]]:
        opening = self._next()
        if opening not in ("[", "{"):
            raise self._broken("an array or an object should begin here")
        self._at += 1
        closing = "]" if opening == "[" else "}"
        first = True
        while (sign := self._next()) != closing:
            if not first:
                self._expect(",", sign)
                self._next()
            first = False
            line = self._line_here()
            key = "" if opening == "[" else self._key()
            yield line, key, self._value()

    def go_to(self, key: str) -> None:
        """Stands, after this, at the value of `key` of the object that begins here."""
        self._expect("{", self._next())
        while self._next() != "}":
            if self._key() == key:
                self._next()
                return
            self._value()
            if self._next() == ",":
                self._at += 1
        raise DataError(f"{self.file}: there is no {key!r} in this object.", "Is it another file?")

    def _key(self) -> str:
        key = self._value()
        if not isinstance(key, str):
            raise self._broken("a key should stand here")
        self._expect(":", self._next())
        return key

    def _value(self) -> Any:
        """The value that begins here; more is read as long as it is not whole."""
        self._next()
        while True:
            try:
                value, end = self._decode(self._text, self._at)
            except json.JSONDecodeError as error:
                begin = self._at
                if not self._more():
                    self._at = error.pos - begin  # what stood before was dropped
                    raise self._broken(error.msg.removesuffix(" at")) from error
                continue
            except (ValueError, RecursionError) as error:
                raise self._broken(str(error)) from error
            # A number may go on in the next piece, its point or exponent may be here already.
            if self._text[end : end + 1] in _AFTER or not self._more():
                self._at = end
                return value

    def _next(self) -> str:
        """The next sign that is no space; the place moves to it."""
        while True:
            while self._at < len(self._text):
                if self._text[self._at] not in _SPACE:
                    return self._text[self._at]
                self._at += 1
            if not self._more():
                raise self._broken("the text ends too early")

    def _expect(self, sign: str, found: str) -> None:
        if sign != found:
            raise self._broken(f"{sign} should stand here")
        self._at += 1

    def _more(self) -> bool:
        """Drops what is behind and reads on, more each time that one value needs it."""
        self._line += self._text.count("\n", 0, self._at)
        self._text = self._text[self._at :]
        self._at = 0
        piece = self._read(max(_PIECE, len(self._text)))
        self._text += piece
        return bool(piece)

    def _line_here(self) -> int:
        self._line += self._text.count("\n", 0, self._at)
        self._text, self._at = self._text[self._at :], 0
        return self._line

    def _broken(self, what: str) -> DataError:
        line = self._line + self._text.count("\n", 0, self._at)
        return DataError(f"{self.file}, line {line}: this is not JSON ({what}).", "Fetch it again.")
