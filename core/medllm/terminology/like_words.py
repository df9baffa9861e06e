"""Words of a vocabulary that look like a word that it lacks: misspelt, or two written as one."""

from collections import defaultdict
from collections.abc import Collection
from functools import lru_cache

from rapidfuzz import fuzz, process

from medllm.terminology import tokens

SHORTEST = 5
"""Letters of a word that others are found for."""
LONGER = 2
"""Letters by which a like word is longer or shorter at most."""
ALIKE = 80.0
"""Least likeness, in hundredths of `rapidfuzz.fuzz.ratio`."""
COUNT = 4
PART = 3
"""Letters of a part of a word that may be two."""


class LikeWords:
    """The stems of a vocabulary, by their first letter and their length."""

    def __init__(self, stems: Collection[str]) -> None:
        """Takes the stems, each once."""
        self._stems = stems
        self._alike: dict[tuple[str, int], list[str]] = defaultdict(list)
        for stem in stems:
            if stem.isalpha():
                self._alike[stem[0], len(stem)].append(stem)
        self.of = lru_cache(1 << 12)(self._of)
        """Stems that look like one that is not among them."""

    def _of(self, stem: str) -> tuple[str, ...]:
        if len(stem) < SHORTEST or not stem.isalpha():
            return ()
        near = [
            word
            for length in range(len(stem) - LONGER, len(stem) + LONGER + 1)
            for word in self._alike.get((stem[0], length), ())
        ]
        found = process.extract(stem, near, scorer=fuzz.ratio, score_cutoff=ALIKE, limit=COUNT)
        return (*(word for word, _, _ in found), *self._parts(stem))

    def _parts(self, stem: str) -> list[str]:
        """Both halves wherever the vocabulary has the two: lippit is lip, pit."""
        halves = [
            (tokens.stem(stem[:cut]), stem[cut:]) for cut in range(PART, len(stem) - PART + 1)
        ]
        return [p for pair in halves if all(part in self._stems for part in pair) for p in pair]
