"""Names in questions: of cards, titles and headings, and what a vocabulary calls the same."""

import re
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from medllm.retrieval import words
from medllm.terminology import tokens
from medllm.terminology.facts import Scope
from medllm.terminology.lexicon import builtin_lexicon
from medllm.terminology.store import Store

_BRACKETED = re.compile(r"([^()]{2,150}) \(([^()]{2,60})\)")
LONGEST = 10
"""Words of a name that is looked for in a question."""
COMMON = 20
"""A name that more parts of files bear, such as "Summary", names none of them."""
SHORTEST = 3
"""Letters of a name that is no acronym; a shorter synonym would be found in any text."""
SENSES = 4
"""Senses of an abbreviation that a question is widened by, the commonest."""
SYNONYMS = 12
"""Names of one concept that a question is widened by."""


@dataclass(frozen=True, slots=True)
class Named:
    """Words of a question that are a name."""

    form: str
    terms: tuple[str, ...]
    """Their stems."""
    synonyms: tuple[str, ...] = ()
    """What the vocabulary calls the same."""


def form(name: str) -> str:
    """A name as it is compared: folded words in the singular; "" for one that is too long."""
    found = tokens.name_words(name)
    if len(found) > 2 * LONGEST or all(word in words.STOP_WORDS for word in found):
        return name if tokens.is_acronym(name) else ""
    return tokens.form(found)


def variants(name: str) -> tuple[str, ...]:
    """A title as it stands, and both names where one is in brackets: `Tuberculosis (TB)`."""
    bracketed = _BRACKETED.fullmatch(name)
    return (name, bracketed[1], bracketed[2]) if bracketed else (name,)


def spans(question: str) -> Iterator[tuple[str, str]]:
    """Runs of words of the question that may be a name, as they stand and as a form."""
    found = tokens.words_at(question)
    for length in range(min(LONGEST, len(found)), 0, -1):
        for first in range(len(found) - length + 1):
            said = question[found[first].start : found[first + length - 1].end]
            if (length > 1 or _may_name(said, found[first].folded)) and (compared := form(said)):
                yield said, compared


def _may_name(said: str, folded: str) -> bool:
    if folded in words.STOP_WORDS or folded in words.ASKING:
        return tokens.is_acronym(said) and len(said) > 1 and said.isupper()
    return len(folded) >= SHORTEST or tokens.is_acronym(said)


def ranges(base: sqlite3.Connection, compared: str) -> list[tuple[int, int]]:
    """First and last passages of what bears a name, if that is not too much."""
    rows = base.execute(
        "SELECT first, last FROM name WHERE form = ? ORDER BY first LIMIT ?",
        (compared, COMMON + 1),
    ).fetchall()
    return rows if len(rows) <= COMMON else []


def synonyms(vocabulary: Store, said: str, compared: str) -> tuple[str, ...]:
    """Other names of the concepts that the vocabulary knows by this one."""
    acronym = tokens.is_acronym(said)
    found: dict[str, None] = {}
    for entry in vocabulary.by_form(tokens.digest(compared)):
        if entry.scope > Scope.EXACT and not (acronym and entry.scope == Scope.ACRONYM):
            continue
        if tokens.is_acronym(entry.text) != acronym:
            continue
        for other in vocabulary.names(vocabulary.concept(entry.code)):
            if other.scope <= Scope.EXACT and not tokens.is_acronym(other.text):
                found[other.text] = None
    different = {form(text): text for text in found}
    return tuple(t for f, t in different.items() if f != compared and len(f) >= SHORTEST)[:SYNONYMS]


def lexicon_synonyms(said: str, compared: str) -> tuple[str, ...]:
    """Names that the built-in lexicon has for a name, or for the senses of an abbreviation."""
    lexicon = builtin_lexicon()
    if tokens.is_acronym(said):
        found = [name for s in lexicon.senses(said)[:SENSES] for name in lexicon.names(s)]
    else:
        concepts = [lexicon.concepts[code] for code in _codes().get(compared, ())]
        found = [name for concept in concepts for name in (concept.name, *concept.synonyms)]
    return tuple(name for name in found if form(name) != compared)


@cache
def _codes() -> dict[str, tuple[str, ...]]:
    """Concepts of the built-in lexicon by the forms of their names; made in half a second."""
    found: dict[str, tuple[str, ...]] = {}
    for concept in builtin_lexicon().concepts.values():
        for name in {form(text) for text in (concept.name, *concept.synonyms)}:
            found[name] = (*found.get(name, ()), concept.id)
    return found


def in_question(
    question: str, cards: Callable[[str], tuple[str, ...]], vocabulary: Store | None
) -> list[Named]:
    """The names that a question may hold, longer ones first; whether one is known is told later.

    Args:
        question: as it is asked.
        cards: gives the names of the cards that bear a name.
        vocabulary: what else knows synonyms.
    """
    found: dict[str, Named] = {}
    for said, compared in spans(question):
        if compared not in found:
            others = cards(compared) + lexicon_synonyms(said, compared)
            if vocabulary:
                others += synonyms(vocabulary, said, compared)
            distinct = {form(text): text for text in others}
            distinct.pop(compared, None)
            kept = tuple(t for f, t in distinct.items() if len(f) >= SHORTEST)[:SYNONYMS]
            found[compared] = Named(compared, tuple(words.terms(said)), kept)
    return list(found.values())


def longest_first(found: Sequence[Named], known: set[str]) -> list[Named]:
    """Names that are known and stand inside no longer one that is."""
    kept: list[Named] = []
    for named in found:
        if named.form in known and not any(
            f" {named.form} " in f" {longer.form} " for longer in kept
        ):
            kept.append(named)
    return kept
