"""A question: its words, and how rare these are in the index."""

import math
import sqlite3
from dataclasses import dataclass

from medllm.retrieval import matching, words
from medllm.retrieval.matching import Counted


@dataclass(frozen=True, slots=True)
class Question:
    """A question to one state of an index."""

    text: str
    topic: tuple[str, ...]
    """Folded words without those of asking."""
    terms: tuple[str, ...]
    """Stems, each once."""
    counted: tuple[Counted, ...]
    """The stems that the index has, the rarest first."""
    total: int
    """Passages of the index."""

    def rarity(self, term: str) -> float:
        """Inverse document frequency; that of a word which the index lacks is the highest."""
        passages = next((c.passages for c in self.counted if c.word == term), 0)
        return math.log((self.total + 1) / (passages + 0.5))


def read(base: sqlite3.Connection, text: str, total: int) -> Question:
    """The question `text` to an index of `total` passages."""
    terms = tuple(dict.fromkeys(words.terms(text)))
    known = tuple(matching.counted(base, terms))
    return Question(text, tuple(words.topic(text)), terms, known, total)
