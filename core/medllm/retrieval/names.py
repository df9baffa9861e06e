"""Names in the index and in questions: as they stand, by their words, and by their initials."""

import re
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from medllm.retrieval import words
from medllm.terminology import tokens

_BRACKETED = re.compile(r"([^()]{2,150}) \(([^()]{2,60})\)")
LONGEST = 10
"""Words of a name that is looked for in a question."""
COMMON = 20
"""A name that more parts of files bear, such as "Summary", names none of them."""
SHORTEST = 3
"""Letters of a name that is no acronym; a shorter synonym would be found in any text."""
INITIALS = range(2, 9)
"""Words of a name that is also found by their initials."""
_GENERIC = frozenset(("disease", "disorder", "syndrome"))
"""Last words whose initial an acronym may lack."""

Ranges = list[tuple[int, int]]
"""First and last passages of what bears a name."""


@dataclass(frozen=True, slots=True)
class Named:
    """Words of a question that are a name."""

    form: str
    terms: tuple[str, ...]
    """Their stems."""
    synonyms: tuple[str, ...] = ()
    """What cards, lexicon and vocabulary call the same."""


def form(name: str) -> str:
    """A name as it is compared: folded words in the singular; "" for one that is too long."""
    found = tokens.name_words(name)
    if len(found) > 2 * LONGEST or all(word in words.STOP_WORDS for word in found):
        return name if tokens.is_acronym(name) else ""
    return tokens.form(found)


def bag(form: str) -> int | None:
    """A form's words whatever their order and ending, as a hash; None for no name."""
    found = "" if _is_said(form) else words.bag(form)
    return tokens.digest(found) if found else None


def initials(form: str) -> str | None:
    """First letters of a form's words; None where these are too few or too many."""
    found = [word for word in form.split() if word not in words.STOP_WORDS]
    named = len(found) in INITIALS and not _is_said(form)
    return "".join(word[0] for word in found) if named else None


def _is_said(form: str) -> bool:
    """Whether it begins or ends as a sentence does: `what is gout`."""
    said = form.split()
    return not said or bool({said[0], said[-1]} & words.STOP_WORDS)


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


def ranges(base: sqlite3.Connection, compared: str) -> Ranges:
    """Passages of what bears a name, if that is not too much."""
    return _ranges(base, "form", compared)


def ranges_by_words(base: sqlite3.Connection, compared: str) -> Ranges:
    """The same for names of the same words, whatever their order and endings."""
    hashed = bag(compared)
    return [] if hashed is None else _ranges(base, "bag", hashed)


def ranges_by_initials(base: sqlite3.Connection, acronym: str) -> Ranges:
    """The same for names whose words begin with an acronym's letters."""
    letters = "".join(filter(str.isalnum, acronym.lower()))
    if len(letters) not in INITIALS:
        return []
    rows = base.execute(
        "SELECT form, first, last FROM name WHERE initials IN (?, ? || 'd', ? || 's') "
        "ORDER BY length(initials), first LIMIT ?",
        (letters, letters, letters, COMMON + 1),
    ).fetchall()
    kept = [
        (first, last)
        for compared, first, last in rows
        if len(initials(compared) or "") == len(letters) or compared.split()[-1] in _GENERIC
    ]
    return kept if len(rows) <= COMMON else []


def _ranges(base: sqlite3.Connection, column: str, key: str | int) -> Ranges:
    rows = base.execute(
        f"SELECT first, last FROM name WHERE {column} = ? ORDER BY first LIMIT ?",
        (key, COMMON + 1),
    ).fetchall()
    return rows if len(rows) <= COMMON else []


def longest_first(found: Sequence[Named], known: set[str]) -> list[Named]:
    """Names that are known and stand inside no longer one that is."""
    kept: list[Named] = []
    for named in found:
        if named.form in known and not any(
            f" {named.form} " in f" {longer.form} " for longer in kept
        ):
            kept.append(named)
    return kept
