"""How much of what was asked the first passages have."""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence

from medllm.retrieval import words
from medllm.retrieval.names import Named
from medllm.retrieval.question import Question

Alike = Mapping[str, Sequence[tuple[str, float]]]
"""For a word of a question those of the index that look like it, and how much, 0 to 1."""


def covered(
    base: sqlite3.Connection,
    asked: Question,
    named: Iterable[Named],
    alike: Alike,
    passages: Sequence[int],
) -> float:
    """Most of the topic, weighted by rarity, that one of `passages` has."""
    topic = list(dict.fromkeys(filter(None, map(words.term, asked.topic))))
    weight = sum(map(asked.rarity, topic))
    marks = ", ".join("?" * len(passages))
    rows = base.execute(
        "SELECT title, headings, names, text FROM passage JOIN file ON file.id = file "
        f"WHERE passage.id IN ({marks})",
        passages,
    )
    best = 0.0
    for row in rows:
        here = {term for text in row for term in words.terms(text)}
        by_synonym = {
            term
            for one in named
            for text in one.synonyms
            if here.issuperset(words.terms(text))
            for term in one.terms
        }
        have = 0.0
        for term in topic:
            near = max((s for other, s in alike.get(term, ()) if other in here), default=0.0)
            has = 1.0 if term in here or term in by_synonym else near**2
            have += has * asked.rarity(term)
        best = max(best, have / weight if weight else 0.0)
    return best
