"""Definitions of abbreviations inside a text.

The algorithm of Schwartz and Hearst, "A simple algorithm for identifying abbreviation
definitions in biomedical text", Pacific Symposium on Biocomputing 2003.
"""

import re
from dataclasses import dataclass

_PARENTHESIS = re.compile(r"\(([^()]{1,200})\)")
_SEPARATOR = re.compile(r"[;,]\s|\s(?:or|also)\s")
_SENTENCE_END = re.compile(r"[.!?;:]\s(?=[A-Z])|\n")


@dataclass(frozen=True, slots=True)
class Definition:
    """`text[long_start:long_end]` is what `text[short_start:short_end]` stands for."""

    short: str
    long: str
    short_start: int
    short_end: int
    long_start: int
    long_end: int


def definitions(text: str) -> list[Definition]:
    """Pairs of a long form and its short form, in the order of the text.

    Both "long form (SF)" and "SF (long form)" are read.
    """
    found = []
    for match in _PARENTHESIS.finditer(text):
        inside = match.group(1)
        cut = _SEPARATOR.search(inside)
        short = (inside[: cut.start()] if cut else inside).strip()
        begin = match.start(1) + inside.index(short) if short else match.start(1)
        if _is_short_form(short):
            pair = _long_before(text, match.start(), short, begin)
        else:
            pair = _long_inside(text, match.start(), match.start(1), inside)
        if pair:
            found.append(pair)
    return found


def _is_short_form(text: str) -> bool:
    """2 to 10 characters, at most two words, a letter, and a letter or digit at its start."""
    return (
        2 <= len(text) <= 10
        and len(text.split()) <= 2
        and any(c.isalpha() for c in text)
        and text[0].isalnum()
    )


def _long_before(text: str, parenthesis: int, short: str, begin: int) -> Definition | None:
    """The long form that ends before the opening parenthesis."""
    sentence = 0
    for stop in _SENTENCE_END.finditer(text, max(0, parenthesis - 400), parenthesis):
        sentence = stop.end()
    sentence = max(sentence, parenthesis - 400, text.rfind("(", 0, parenthesis) + 1)
    most = min(len(short) + 5, len(short) * 2)
    words = list(re.finditer(r"\S+", text[sentence:parenthesis]))[-most:]
    if not words:
        return None
    first, last = sentence + words[0].start(), sentence + words[-1].end()
    start = best_long_form(short, text[first:last])
    if start is None:
        return None
    long = text[first + start : last]
    if not _is_sound(short, long):
        return None
    return Definition(short, long, begin, begin + len(short), first + start, last)


def _long_inside(text: str, parenthesis: int, inside: int, long: str) -> Definition | None:
    """ "SF (long form)": the word before the parenthesis is the short form."""
    before = re.search(r"(\S+)\s*$", text[max(0, parenthesis - 60) : parenthesis])
    if before is None:
        return None
    short = before.group(1)
    begin = max(0, parenthesis - 60) + before.start(1)
    if not _is_short_form(short) or not any(c.isupper() for c in short):
        return None
    start = best_long_form(short, long)
    if start is None or not _is_sound(short, long[start:]) or start > 0:
        return None
    return Definition(short, long, begin, begin + len(short), inside, inside + len(long))


def best_long_form(short: str, long: str) -> int | None:
    """Where the shortest fitting long form starts in `long`; None where none fits.

    From the right, every letter and digit of `short` is found in `long`, the first one
    at the beginning of a word.
    """
    at = len(long) - 1
    for place in range(len(short) - 1, -1, -1):
        letter = short[place].lower()
        if not letter.isalnum():
            continue
        while at >= 0 and (
            long[at].lower() != letter or (place == 0 and at > 0 and long[at - 1].isalnum())
        ):
            at -= 1
        if at < 0:
            return None
        at -= 1
    return max(long.rfind(" ", 0, at + 1), long.rfind("\n", 0, at + 1)) + 1


def _is_sound(short: str, long: str) -> bool:
    words = long.split()
    letters = sum(c.isalnum() for c in short)
    return (
        len(long) > len(short)
        and len(words) <= min(letters + 5, letters * 2)
        and short.lower() not in (word.lower() for word in words)
        and long.count("(") == long.count(")")
    )
