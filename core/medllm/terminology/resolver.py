"""Which card a question asks for: by term, synonym, abbreviation, or a near spelling.

A name inside a longer name is no match: "portal hypertension" is not hypertension.
So a name counts when the question is built around it, with nothing but the words
of asking beside it; anything else is offered as a nearest term and left to the reader.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

from rapidfuzz import fuzz, process
from rapidfuzz.distance import DamerauLevenshtein

from medllm.reference import ReferenceCard, builtin_cards
from medllm.terminology.lexicon import builtin_lexicon
from medllm.terminology.normalise import fold, key, words
from medllm.terminology.sense_parts import same_sense_parts

Kind = Literal["term", "synonym", "abbreviation", "fuzzy", "none"]

FUZZY_THRESHOLD = 0.88
"""Least share of equal letters (1 - Damerau-Levenshtein distance / length) of a near spelling."""
FUZZY_MARGIN = 0.04
"""By how much the nearest card must beat the second nearest."""
FUZZY_LENGTH = 6
"""Shorter words differ too little from one another to be guessed."""
NEAREST_SCORE = 60
"""Least rapidfuzz score (0 to 100) of a term that is offered."""

# The words with which people ask; they may stand beside a name.
_ASKING = frozenset(
    """
    a about an and any are as at be can cause caused causes could define definition
    describe develop develops diagnosed do does doctor explain explained explanation
    find for found function functions get give happen happens have help how i in info
    information is it its me mean meaning meant means medical my of on or please say
    simple simply someone stand stands symptoms term terms tell that the their there
    they this to treated treatment understand used want was we were what whats what's
    when where which who why will with word work works would you your abbreviation
    acronym condition disease test illness s hello hi hey words plain english language
    patient doctors called exactly kind sort types type mechanism
    """.split()
)
# Words of a statement about a name. They may stand beside it, but the card does not answer them.
_STATING = frozenset(
    """
    affect affects bad begin begins better common contagious curable cure cured
    dangerous deadly fatal feel feels genetic go harm harmful hereditary hurt hurts
    important increase increases inherited kill lead leads like located look looks
    lower make makes normal occur occurs painful permanent prevent prevented rare
    reversible risk risks run runs serious severe spread spreads start starts than
    worse
    """.split()
)
_BESIDE = _ASKING | _STATING


# Abbreviations that, in small letters, are words or names of everyday English: "hit me" asks
# for nothing, "what does hit stand for" does.
_ORDINARY = frozenset("aids all bid cad cup ed fast gad hit peg pet rom sad tips".split())
_DEFINING = frozenset(
    "a an abbreviation does explain define for is mean stand term the what".split()
)


@dataclass(frozen=True, slots=True)
class Resolution:
    """What a question names."""

    kind: Kind
    card: ReferenceCard | None
    matched: str
    """The words of the question that named it; for `none`, what was looked for."""
    score: float
    """1 for an exact name, the share of equal letters for a near spelling, 0 for none."""
    also: tuple[str, ...] = ()
    """Terms of other cards that the question names as well."""
    nearest: tuple[str, ...] = ()
    """Terms to offer, the nearest first; for `none` alone."""
    leftover: tuple[str, ...] = ()
    """Words of the question that are neither the name nor words of asking."""


@dataclass(frozen=True, slots=True)
class _Name:
    card: ReferenceCard
    kind: Kind


@dataclass(frozen=True, slots=True)
class _Span:
    start: int
    end: int
    name: _Name


class Resolver:
    """Looks up names of cards in questions."""

    def __init__(
        self, cards: Iterable[ReferenceCard], others: Mapping[str, Sequence[str]] | None = None
    ) -> None:
        """Takes the cards, and further names of them by card id, which count least."""
        cards = tuple(cards)
        self._names: dict[str, _Name] = {}
        for card in cards:
            self._add(card.term, _Name(card, "term"))
            for synonym in card.synonyms:
                self._add(synonym, _Name(card, "synonym"))
            if card.abbreviation:
                self._add(card.abbreviation, _Name(card, "abbreviation"))
        for card in cards:
            for other in (others or {}).get(card.id, ()):
                self._add(other, _Name(card, "synonym"))
        self._longest = max((name.count(" ") + 1 for name in self._names), default=0)
        self._long_names = [name for name in self._names if len(name) >= FUZZY_LENGTH]

    def _add(self, text: str, name: _Name) -> None:
        # A term beats a synonym of another card, and that an abbreviation.
        self._names.setdefault(key(text), name)

    def resolve(self, question: str) -> Resolution:
        """The card that `question` asks for, or none and what comes near."""
        said = words(question)
        folded = [fold(word) for word in said]
        spans = self._spans(said, folded)
        standing = [span for span in spans if _stands_alone(span, spans, folded)]
        if standing:
            return self._found(standing, said, folded)
        asked = [word for word in folded if word not in _ASKING] or folded
        near = self._near(" ".join(asked))
        return near or Resolution(
            "none", None, " ".join(asked), 0.0, nearest=self._nearest(" ".join(asked), spans)
        )

    def _spans(self, said: Sequence[str], folded: Sequence[str]) -> list[_Span]:
        """Longest names, left to right, without overlap."""
        found, start = [], 0
        while start < len(folded):
            for end in range(min(len(folded), start + self._longest), start, -1):
                name = self._names.get(" ".join(folded[start:end]))
                if name and (
                    name.kind != "abbreviation" or _reads_as_short(said, folded, start, end)
                ):
                    found.append(_Span(start, end, name))
                    start = end - 1
                    break
            start += 1
        return found

    def _found(self, spans: list[_Span], said: Sequence[str], folded: Sequence[str]) -> Resolution:
        chosen = max(spans, key=lambda span: (span.end - span.start > 1, -span.start))
        inside = {i for span in spans for i in range(span.start, span.end)}
        also = {span.name.card.term for span in spans} - {chosen.name.card.term}
        return Resolution(
            chosen.name.kind,
            chosen.name.card,
            " ".join(said[chosen.start : chosen.end]),
            1.0,
            also=tuple(sorted(also)),
            leftover=tuple(
                said[i] for i, word in enumerate(folded) if i not in inside and word not in _ASKING
            ),
        )

    def _near(self, asked: str) -> Resolution | None:
        """A near spelling of one card's name, if it is near enough and clearly the nearest."""
        if len(asked) < FUZZY_LENGTH:
            return None
        ranked = process.extract(
            asked,
            self._long_names,
            scorer=DamerauLevenshtein.normalized_similarity,
            limit=8,
        )
        if not ranked or ranked[0][1] < FUZZY_THRESHOLD:
            return None
        best, score, _ = ranked[0]
        card = self._names[best].card
        rivals = [s for name, s, _ in ranked if self._names[name].card.id != card.id]
        if (rivals and score - rivals[0] < FUZZY_MARGIN) or not same_sense_parts(asked, best):
            return None
        return Resolution("fuzzy", card, asked, score)

    def _nearest(self, asked: str, spans: Sequence[_Span]) -> tuple[str, ...]:
        inside = [span.name.card.term for span in spans]
        ranked = process.extract(
            asked, list(self._names), scorer=fuzz.WRatio, limit=12, score_cutoff=NEAREST_SCORE
        )
        by_name = [self._names[name].card.term for name, _, _ in ranked]
        return tuple(dict.fromkeys([*inside, *by_name]))[:3]


@cache
def builtin_resolver() -> Resolver:
    """Over the built-in cards, with the everyday and older names that the lexicon has for them."""
    cards = {card.id: card for card in builtin_cards()}
    others: dict[str, tuple[str, ...]] = {}
    for concept in builtin_lexicon().concepts.values():
        for code in (concept.id, *concept.references):
            card = cards.get(code.removeprefix("MED:")) if code.startswith("MED:") else None
            if card and key(concept.name) in map(key, card.names()):
                others[card.id] = (*others.get(card.id, ()), *concept.synonyms)
    return Resolver(cards.values(), others)


def _reads_as_short(said: Sequence[str], folded: Sequence[str], start: int, end: int) -> bool:
    """Whether the words are meant as an abbreviation: capitals, or all that is asked for."""
    if any(c.isupper() for word in said[start:end] for c in word[1:]) or (
        end - start == 1 and len(said[start]) == 1
    ):
        return True
    rest = [word for i, word in enumerate(folded) if not start <= i < end]
    allowed = _DEFINING if folded[start] in _ORDINARY else _ASKING
    return all(word in allowed for word in rest) and folded[start] not in _ASKING


def _stands_alone(span: _Span, spans: Sequence[_Span], folded: Sequence[str]) -> bool:
    """Whether only words of asking or stating, or another name, stand beside the name."""
    taken = {i for other in spans for i in range(other.start, other.end)}
    return all(
        not 0 <= beside < len(folded) or beside in taken or folded[beside] in _BESIDE
        for beside in (span.start - 1, span.end)
    )
