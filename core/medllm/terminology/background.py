"""Which words go together, learnt from running texts: what a name's surroundings look like.

The profile of a name is the mean TF-IDF vector of the passages that hold it; where none
does, of those that hold most of its words.
"""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from heapq import nlargest

from medllm.terminology import tokens

PASSAGE, OVERLAP = 50, 10
"""Words of a passage, and how many of the next it holds as well."""
LOOKED_THROUGH = 20_000
"""A word in more passages than this is not looked for."""
MOST, FEW = 300, 15
"""Passages of a profile: with the name itself, and with only some of its words."""
ENOUGH = 0.45
"""Share of the weight of a name's words that a passage needs to count without the rest."""
LITTLE = 75.0
"""Added to the squared length of a context: two or three words alone prove little."""
_WORD = re.compile(r"[^\W\d_][^\W_]*|\d+")
_EMPTY = frozenset(
    """
    a an and as at by due for from in nos of on or the to with is are was were be been has have
    had this that these those it its not no we our than which who also may can but their they
    there more most between after before during into other such all both
    """.split()
)


@lru_cache(1 << 17)
def _stem(word: str) -> str:
    folded = tokens.folded(word)
    return "" if folded in _EMPTY else tokens.stem(folded)


def stems(text: str) -> list[str]:
    """Stems of the words of `text` that mean something, in order."""
    return [stem for stem in map(_stem, _WORD.findall(text)) if stem]


@dataclass(frozen=True, slots=True)
class Profile:
    """What stands around a name."""

    vector: Mapping[str, float]
    """Weight by stem, of unit length; the name's own words are left out."""
    count: int
    """How often the name itself stands in the texts."""


class Background:
    """Passages of running text, indexed by stem."""

    def __init__(self, texts: Iterable[str]) -> None:
        """Cuts `texts` into passages; about 1 kB of memory a passage."""
        self._passages: list[list[str]] = []
        for text in texts:
            words = stems(text)
            self._passages += [
                words[start : start + PASSAGE + OVERLAP]
                for start in range(0, max(1, len(words)), PASSAGE)
            ]
        self._holders: dict[str, list[int]] = defaultdict(list)
        for place, words in enumerate(self._passages):
            for word in set(words):
                self._holders[word].append(place)
        self.profile = lru_cache(1 << 14)(self._profile)
        """The profile of a name."""

    def weight(self, word: str) -> float:
        """Inverse document frequency of a stem."""
        return math.log((len(self._passages) + 1) / (len(self._holders.get(word, ())) + 0.5))

    def vector(self, words: Mapping[str, float]) -> dict[str, float]:
        """TF-IDF of words with their weights, of nearly unit length: shorter where few tell."""
        weights = {word: times * self.weight(word) for word, times in words.items()}
        return _unit(weights, LITTLE)

    def _profile(self, name: str) -> Profile:
        words = stems(name)
        whole, near = self._holding(words)
        holders, count = [], 0
        for place in whole:
            times = _times(words, self._passages[place])
            count += times
            if times:
                holders.append(place)
        used = holders[:MOST] or whole[: MOST // 3] or near
        around = Counter(word for place in used for word in set(self._passages[place]))
        rare = 1 if len(used) > 3 else 0
        return Profile(
            _unit({
                word: times / len(used) * self.weight(word)
                for word, times in around.items()
                if times > rare and word not in words
            }),
            count,
        )  # fmt: skip

    def _holding(self, words: Sequence[str]) -> tuple[list[int], list[int]]:
        """Passages with all of `words`, and the few with most of their weight."""
        weights = {word: self.weight(word) for word in words}
        held: dict[int, float] = defaultdict(float)
        for word, weight in weights.items():
            places = self._holders.get(word, ())
            if len(places) <= LOOKED_THROUGH:
                for place in places:
                    held[place] += weight
        total = sum(weights.values())
        whole = [place for place, weight in held.items() if weight >= 0.95 * total]
        near = [p for p in nlargest(FEW, held, key=held.__getitem__) if held[p] > ENOUGH * total]
        return whole, near


def cosine(one: Mapping[str, float], other: Mapping[str, float]) -> float:
    """Of two vectors of about unit length."""
    if len(one) > len(other):
        one, other = other, one
    return sum(weight * other.get(word, 0.0) for word, weight in one.items())


def _times(words: Sequence[str], passage: Sequence[str]) -> int:
    """How often `words` stand in `passage` in their order, side by side."""
    size, first = len(words), words[0]
    return sum(
        word == first and list(passage[at : at + size]) == list(words)
        for at, word in enumerate(passage)
    )


def _unit(vector: dict[str, float], more: float = 0.0) -> dict[str, float]:
    length = math.sqrt(sum(weight * weight for weight in vector.values()) + more)
    return {word: weight / length for word, weight in vector.items()} if length else {}
