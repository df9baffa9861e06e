"""Cuts a text into passages of 100 to 200 words, at the borders of paragraphs and sentences."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from medllm.retrieval.extract import Extract, Section

ENOUGH = 100
"""Words with which a passage ends at the next paragraph."""
MOST = 200
"""Words that a passage has at most; a last one of few words may join the one before."""
FEW = 40
LONG_WORD = 8
"""Characters that count as a word where a text has few spaces."""
_SENTENCE_END = re.compile(r"[.!?][\"')\]”’]{0,3}\s{1,20}(?=[\"'(\[“‘]?[A-Z0-9À-Þ])|[。！？]")
_BREAK = re.compile(r"\s")


@dataclass(frozen=True, slots=True)
class Span:
    """A passage: `text[start:end]` of its extract."""

    start: int
    end: int
    section: Section


@dataclass(slots=True)
class _Piece:
    start: int
    end: int
    words: int
    closing: bool
    """Whether a paragraph ends with it."""


def cut(extract: Extract) -> Iterator[Span]:
    """The passages of a text, in its order; none reaches across two sections."""
    for section in extract.sections:
        yield from _of_section(extract.text, section)


def _of_section(text: str, section: Section) -> list[Span]:
    spans: list[tuple[int, int]] = []
    start = end = words = 0
    for piece in _pieces(text, section):
        if words and words + piece.words > MOST:
            spans.append((start, end))
            words = 0
        if not words:
            start = piece.start
        end, words = piece.end, words + piece.words
        if piece.closing and words >= ENOUGH:
            spans.append((start, end))
            words = 0
    if words:
        if spans and words < FEW and _words(text[spans[-1][0] : end]) <= MOST + FEW:
            start = spans.pop()[0]
        spans.append((start, end))
    return [Span(start, end, section) for start, end in spans]


def _pieces(text: str, section: Section) -> Iterator[_Piece]:
    """Sentences, or parts of those that are longer than a passage."""
    for start, end in _paragraphs(text, section):
        places = [start]
        places += [m.end() for m in _SENTENCE_END.finditer(text, start, end) if m.end() < end]
        for first, last in zip(places, [*places[1:], end], strict=True):
            for left, right in _short(text, first, last):
                yield _Piece(left, right, _words(text[left:right]), right == end)


def _paragraphs(text: str, section: Section) -> Iterator[tuple[int, int]]:
    """Runs of lines that are not blank, without the space around them."""
    first = last = -1
    place = section.start
    while place < section.end:
        border = text.find("\n", place, section.end)
        border = section.end if border < 0 else border
        line = text[place:border]
        if kept := line.strip():
            left = place + len(line) - len(line.lstrip())
            first, last = (left if first < 0 else first), left + len(kept)
        elif first >= 0:
            yield first, last
            first = -1
        place = border + 1
    if first >= 0:
        yield first, last


def _short(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Parts of at most `MOST` words, cut at spaces where there are some."""
    end = start + len(text[start:end].rstrip())
    while start < end and _words(text[start : min(end, start + 20 * MOST)]) > MOST:
        reach = start + LONG_WORD * (MOST - FEW)
        spaces = [m.end() for m in _BREAK.finditer(text, start, min(end, reach))]
        border = spaces[min(len(spaces), MOST - FEW) - 1] if spaces else min(end, reach)
        yield start, start + len(text[start:border].rstrip())
        start = border
    if start < end:
        yield start, end


def _words(text: str) -> int:
    return max(len(text.split()), len(text) // (2 * LONG_WORD))
