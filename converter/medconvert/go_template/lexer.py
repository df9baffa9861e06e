"""A template cut into text and actions, an action into words.

White space next to `{{-` and `-}}` falls away here.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from medllm.errors import ConversionError

_SPACE = " \t\r\n"
_LEFT, _RIGHT = "{{", "}}"
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)

Kind = Literal["string", "number", "variable", "field", "dot", "name", "sign"]
# A name, field or variable ends where a word can end in Go's own lexer.
_ENDS = r"(?=[\s.,|:=()]|$)"
_WORDS: tuple[tuple[Kind | None, re.Pattern[str]], ...] = (
    (None, re.compile(r"\s+")),
    ("string", re.compile(r'"(?:[^"\\\n]|\\[^\n])*"|`[^`]*`')),
    ("number", re.compile(rf"[+-]?\d+{_ENDS}(?!\.)")),
    ("variable", re.compile(rf"\$\w*(?:\.[^\W\d]\w*)*{_ENDS}")),
    ("field", re.compile(rf"(?:\.[^\W\d]\w*)+{_ENDS}")),
    ("dot", re.compile(rf"\.{_ENDS}(?![.=:])")),
    ("name", re.compile(rf"[^\W\d]\w*{_ENDS}")),
    ("sign", re.compile(r":=|[=|(),]")),
)


@dataclass(frozen=True, slots=True)
class Word:
    """A word of an action."""

    kind: Kind
    text: str
    spaced: bool
    """Whether white space stands before it."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Text that is written as it stands, or an action: its words."""

    text: str = ""
    action: tuple[Word, ...] | None = None


def refused(reason: str) -> ConversionError:
    """The error for a template that can't be read or run."""
    return ConversionError(
        f"The Ollama template can't be used: {reason}.",
        "Understood is the part of Go's text/template that `medconvert.go_template` names.",
    )


def pieces(source: str) -> Iterator[Piece]:
    """Cuts a template.

    Raises:
        ConversionError: an action has no end, or holds what is no word of the language.
    """
    at, trim = 0, False
    while True:
        start = source.find(_LEFT, at)
        text = source[at:] if start < 0 else source[at:start]
        if trim:
            text = text.lstrip(_SPACE)
        if start >= 0 and _trims_before(source, start):
            text = text.rstrip(_SPACE)
        if text:
            yield Piece(text)
        if start < 0:
            return
        action, at, trim = _action(source, start)
        if action is not None:
            yield Piece(action=action)


def _trims_before(source: str, start: int) -> bool:
    after = source[start + 2 : start + 4]
    return after[:1] == "-" and after[1:] in tuple(_SPACE)


def _action(source: str, start: int) -> tuple[tuple[Word, ...] | None, int, bool]:
    """The words of the action at `start` (None: a comment), its end, and whether that trims."""
    at = start + (3 if _trims_before(source, start) else 2)
    inner = at
    while inner < len(source) and source[inner] in _SPACE and _trims_before(source, start):
        inner += 1
    if comment := _COMMENT.match(source, inner):
        closing = re.compile(rf"([{_SPACE}]-)?{_RIGHT}").match(source, comment.end())
        if not closing:
            raise refused("a comment ends before its closing delimiter")
        return None, closing.end(), bool(closing[1])
    words: list[Word] = []
    spaced = False
    while True:
        trim = source[at : at + 1] in tuple(_SPACE) and source.startswith("-}}", at + 1)
        if trim or source.startswith(_RIGHT, at):
            return tuple(words), at + (4 if trim else 2), trim
        if at >= len(source):
            raise refused(f"the action {source[start : start + 30]!r} has no end")
        kind, text = _word(source, at)
        at += len(text)
        if kind is None:
            at -= _holds_back_a_space(source, at)
            spaced = True
        else:
            words.append(Word(kind, text, spaced))
            spaced = False


def _holds_back_a_space(source: str, at: int) -> int:
    """The last of several spaces belongs to ` -}}`."""
    return 1 if source.startswith("-}}", at) else 0


def _word(source: str, at: int) -> tuple[Kind | None, str]:
    end = source.find(_RIGHT, at)
    for kind, pattern in _WORDS:
        # Only a string may hold the closing delimiter.
        found = pattern.match(source, at, len(source) if kind == "string" or end < 0 else end)
        if found:
            return kind, found[0]
    raise refused(f"{source[at : at + 20]!r} is not understood")
