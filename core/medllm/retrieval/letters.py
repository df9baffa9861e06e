"""Spellings: names and words of the index that look like those of a question.

Both are compared by the trigrams of their letters. The indexes of trigrams are made in
memory when they are first needed, about 250 bytes a name or word.
"""

import sqlite3
from collections.abc import Sequence

from medllm.retrieval import names
from medllm.terminology.grams import GramIndex

MOST_NAMES = 1_000_000
"""Names, or words, that are compared; of more the rest is left out."""
ALIKE_NAMES = 8
ALIKE_WORDS = 4
NAME_FLOOR = 0.35
"""Least likeness of a name: the cosine of its weighted trigrams."""
WORD_FLOOR = 0.45
SHORTEST = 5
"""Letters of a word that is compared; shorter ones all look alike."""


class Spellings:
    """What the index has, by its letters, in one state of it."""

    def __init__(self, base: sqlite3.Connection) -> None:
        """Reads the names and words of the index."""
        rows = base.execute(
            "SELECT form FROM name GROUP BY form HAVING count(*) <= ? LIMIT ?",
            (names.COMMON, MOST_NAMES),
        )
        self._names = _index([row[0] for row in rows if len(row[0]) >= SHORTEST])
        rows = base.execute(
            "SELECT word FROM frequency WHERE length(word) >= ? ORDER BY passages DESC LIMIT ?",
            (SHORTEST, MOST_NAMES),
        )
        self._words = _index([row[0] for row in rows if not any(c.isdigit() for c in row[0])])

    def alike_names(self, asked: str) -> list[tuple[str, float]]:
        """Names that look like `asked`, the likest first."""
        if self._names is None or len(asked) < SHORTEST:
            return []
        return self._names.nearest(asked, ALIKE_NAMES, NAME_FLOOR)

    def alike_words(self, word: str) -> list[tuple[str, float]]:
        """Words that look like this one, itself left out."""
        if self._words is None or len(word) < SHORTEST:
            return []
        found = self._words.nearest(word, ALIKE_WORDS + 1, WORD_FLOOR)
        return [(other, score) for other, score in found if other != word][:ALIKE_WORDS]


def _index(texts: Sequence[str]) -> GramIndex | None:
    return GramIndex(texts) if texts else None
