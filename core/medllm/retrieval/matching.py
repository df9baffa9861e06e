"""Words of a question in the index of words (FTS5), pruned so that large indexes stay quick.

FTS5 computes the rank (BM25) of every passage that a query matches, at about two microseconds
each, and looks through every passage that has one of its words, at some 60 nanoseconds. So
the rarest words of a question choose the passages, up to a budget, and the commoner ones
only add to their rank. A question of common words alone asks for several of them at once, and
where these are still too many, for those that stand near each other, or in a title or heading.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

BUDGET = 2_000
"""Passages that are ranked for one query, at most."""
MOST_WORDS = 12
"""Words of a question that are looked for, the rarest."""
LOOKED_THROUGH = 60_000
"""Passages that may be looked through for the commoner words that only add to a rank."""
COMMON_LOOKED_THROUGH = 300_000
"""The same where all words are common, besides those of the rarest."""
TOGETHER = 4.0
"""How much oftener than by chance two words of one question stand in one passage."""
NEAR = 10
"""Words between two that stand near each other, at most."""
WEIGHTS = (4.0, 2.0, 1.0)
"""Of a word in the title, in headings and other names, and in the text."""
_RANKED = (
    f"SELECT rowid FROM (SELECT rowid, bm25(word, {', '.join(map(str, WEIGHTS))}) AS score "
    "FROM word WHERE word MATCH ? LIMIT ?) ORDER BY score, rowid LIMIT ?"
)


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


def queries(known: Sequence[Counted], total: int, budget: int | None = None) -> list[str]:
    """FTS5 queries of words: the next one is for when one has found nothing.

    Args:
        known: words of the index, the rarest first.
        total: passages of the index.
        budget: passages that may be ranked, by default `BUDGET`.
    """
    budget = BUDGET if budget is None else budget
    known = list(known[:MOST_WORDS])
    chosen: list[Counted] = []
    ranked = 0
    for one in known:
        if ranked + one.passages > budget:
            break
        chosen.append(one)
        ranked += one.passages
    if not chosen:
        return _of_common(known, total, budget)
    others = _within(known[len(chosen) :], LOOKED_THROUGH)
    either = _either(one.word for one in chosen)
    if not others:
        return [either]
    return [f"({either}) AND ({either} OR {_either(one.word for one in others)})"]


def _of_common(known: Sequence[Counted], total: int, budget: int) -> list[str]:
    """For words each of which is in more passages than may be ranked."""
    if not known:
        return []
    together, expected = [known[0]], float(known[0].passages)
    for one in _within(known[1:], COMMON_LOOKED_THROUGH):
        if expected <= budget:
            break
        together.append(one)
        expected *= min(1.0, one.passages / total * TOGETHER)
    asked = [_quoted(one.word) for one in together]
    whole = " AND ".join(asked)
    if expected <= budget:
        return [whole]
    if len(asked) > 1:
        return [f"NEAR({' '.join(asked)}, {NEAR})", whole]
    return [f"{{title headings}} : {whole}", whole]


def _within(known: Iterable[Counted], limit: int) -> list[Counted]:
    """The words whose passages are no more than `limit` together."""
    found, looked = [], 0
    for one in known:
        looked += one.passages
        if looked > limit:
            break
        found.append(one)
    return found


def ranked(base: sqlite3.Connection, queries: Iterable[str], depth: int) -> list[int]:
    """Up to `depth` passages that match the first query that finds any, the best first."""
    for match in queries:
        rows = base.execute(_RANKED, (match, BUDGET, depth)).fetchall()
        if rows:
            return [row[0] for row in rows]
    return []


def holding(base: sqlite3.Connection, term: str, first: int, last: int) -> list[int]:
    """Passages from the first to the last that have a word; quick whatever its frequency."""
    rows = base.execute(
        "SELECT rowid FROM word WHERE word MATCH ? AND rowid BETWEEN ? AND ?",
        (_quoted(term), first, last),
    )
    return [row[0] for row in rows]


def any_of(groups: Iterable[Iterable[str]]) -> list[str]:
    """The query for passages that have all words of one of the groups; none for no group."""
    parts = [" AND ".join(map(_quoted, group)) for words in groups if (group := list(words))]
    either = " OR ".join(f"({part})" for part in dict.fromkeys(parts))
    return [either] if either else []


def _either(terms: Iterable[str]) -> str:
    return " OR ".join(map(_quoted, terms))


def _quoted(term: str) -> str:
    return '"' + term.replace('"', '""') + '"'
