"""Words of a question in the index of words (FTS5), pruned so that large indexes stay quick.

FTS5 computes the rank (BM25) of every passage that a query matches, at about a microsecond
each, and looks through every passage that has one of its words, at some 25 nanoseconds. So
the rarest words of a question choose the passages, up to a budget, and the commoner ones
only add to their rank. A question of common words alone asks for two or more of them at once.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

BUDGET = 3_000
"""Passages that may be ranked for one question, about."""
MOST_WORDS = 12
"""Words of a question that are looked for, the rarest."""
LOOKED_THROUGH = 100_000
"""Passages that may be looked through for one question, about."""
TOGETHER = 4.0
"""How much oftener than by chance two words of one question stand in one passage."""
WEIGHTS = (4.0, 2.0, 1.0)
"""Of a word in the title, in headings and other names, and in the text."""
_RANK = f"bm25(word, {', '.join(map(str, WEIGHTS))})"


@dataclass(frozen=True, slots=True)
class Counted:
    """A word of the index."""

    word: str
    passages: int
    """That have it."""


def counted(base: sqlite3.Connection, terms: Iterable[str]) -> list[Counted]:
    """Those of `terms` that the index has, the rarest first."""
    asked = list(dict.fromkeys(terms))
    marks = ", ".join("?" * len(asked))
    rows = base.execute(
        f"SELECT word, passages FROM frequency WHERE word IN ({marks}) ORDER BY passages, word",
        asked,
    )
    return [Counted(word, passages) for word, passages in rows]


def query(known: Sequence[Counted], total: int) -> str:
    """The FTS5 query of words, the rarest first; "" for none.

    Args:
        known: words of the index.
        total: passages of the index.
    """
    known = list(known[:MOST_WORDS])
    chosen: list[Counted] = []
    ranked = 0
    for one in known:
        if ranked + one.passages > BUDGET:
            break
        chosen.append(one)
        ranked += one.passages
    looked = ranked
    others: list[Counted] = []
    for one in known[len(chosen) :]:
        if looked + one.passages <= LOOKED_THROUGH:
            others.append(one)
            looked += one.passages
    if chosen:
        either = _either(one.word for one in chosen)
        return (
            f"({either}) AND ({either} OR {_either(o.word for o in others)})" if others else either
        )
    if not others:
        return _quoted(known[0].word) if known else ""
    together, expected = [others[0]], float(others[0].passages)
    for one in others[1:]:
        if expected <= BUDGET:
            break
        together.append(one)
        expected *= one.passages / total * TOGETHER
    return " AND ".join(_quoted(one.word) for one in together)


def ranked(base: sqlite3.Connection, match: str, depth: int) -> list[int]:
    """Up to `depth` passages that match a query of FTS5, the best first; none for ""."""
    if not match:
        return []
    rows = base.execute(
        f"SELECT rowid FROM word WHERE word MATCH ? ORDER BY {_RANK}, rowid LIMIT ?",
        (match, depth),
    )
    return [row[0] for row in rows]


def holding(base: sqlite3.Connection, term: str, first: int, last: int) -> list[int]:
    """Passages from the first to the last that have a word; quick whatever its frequency."""
    rows = base.execute(
        "SELECT rowid FROM word WHERE word MATCH ? AND rowid BETWEEN ? AND ?",
        (_quoted(term), first, last),
    )
    return [row[0] for row in rows]


def any_of(groups: Iterable[Iterable[str]]) -> str:
    """The query for passages that have all words of one of the groups."""
    parts = [" AND ".join(map(_quoted, group)) for words in groups if (group := list(words))]
    return " OR ".join(f"({part})" for part in dict.fromkeys(parts))


def _either(terms: Iterable[str]) -> str:
    return " OR ".join(map(_quoted, terms))


def _quoted(term: str) -> str:
    return '"' + term.replace('"', '""') + '"'
