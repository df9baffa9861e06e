"""What stands around an abbreviation, as evidence for one of its senses."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from medllm.terminology.background import stems

REACH = 20
"""Words over which a cue loses most of its force (to 1/e)."""
FAR = 0.3
"""Weight of a word anywhere else in the text."""
WINDOW = 4000
"""Characters on each side that are read; of a text without a place, twice as many."""
_WORD = re.compile(r"[^\W_]+")
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")


@dataclass(frozen=True)
class Context:
    """The words around a place in a text."""

    sentence: str
    """The sentence itself, for an embedder."""
    words: dict[str, float] = field(default_factory=dict)
    """Weight by stem: 1 beside the place, less further away."""
    pairs: dict[tuple[str, str], float] = field(default_factory=dict)
    """The same of two stems side by side."""

    def holds(self, cue: str) -> float:
        """Weight of a cue, a word or a few, in the text; 0 where it isn't there."""
        parts = stems(cue)
        if not parts:
            return 0.0
        if len(parts) == 1:
            return self.words.get(parts[0], 0.0)
        return min(self.pairs.get(pair, 0.0) for pair in pairwise(parts))


def find(text: str, abbreviation: str) -> int | None:
    """Where the abbreviation stands in `text`, in its own case before any other."""
    pattern = rf"(?<![^\W_]){re.escape(abbreviation)}(?![^\W_])"
    found = re.search(pattern, text) or re.search(pattern, text, re.IGNORECASE)
    return found.start() if found else None


def around(text: str, at: int | None, length: int, expanded: Sequence[str] = ()) -> Context:
    """The context of `text[at:at + length]`, or of the whole text where `at` is None.

    Args:
        text: the whole of it.
        at: where the abbreviation stands.
        length: characters of the abbreviation.
        expanded: long forms of other abbreviations of the text.
    """
    words: dict[str, float] = {}
    pairs: dict[tuple[str, str], float] = {}
    first, end = (0, 2 * WINDOW) if at is None else (max(0, at - WINDOW), at + WINDOW)
    matches = list(_WORD.finditer(text, first, end))
    middle = None
    if at is not None:
        middle = sum(match.start() < at for match in matches)
    last = ""
    for place, match in enumerate(matches):
        inside = at is not None and at <= match.start() < at + length
        parts = [] if inside else stems(match.group())
        if not parts:
            continue
        distance = 0 if middle is None else abs(place - middle)
        weight = FAR + (1 - FAR) * math.exp(-distance / REACH)
        stem = parts[0]
        words[stem] = max(weight, words.get(stem, 0.0))
        pairs[last, stem] = max(weight, pairs.get((last, stem), 0.0))
        last = stem
    for name in expanded:
        for stem in stems(name):
            words[stem] = max(FAR, words.get(stem, 0.0))
    return Context(sentence_at(text, at), words, pairs)


def sentence_at(text: str, at: int | None) -> str:
    """The sentence around a place; without one, the beginning of `text`."""
    if at is None:
        return text[: 2 * WINDOW].strip()
    start = 0
    for stop in _SENTENCE.finditer(text):
        if stop.start() > at:
            return text[start : stop.start()].strip()
        start = stop.end()
    return text[start:].strip()
