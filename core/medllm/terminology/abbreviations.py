"""Which sense an abbreviation has here: ranked senses, and whether the first one is sure.

A definition inside the text decides. Otherwise how common each sense is and what stands
around the abbreviation are weighed: `sense_evidence`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from rapidfuzz import fuzz

from medllm.embedding import Embedder
from medllm.reference import ReferenceCard, builtin_cards
from medllm.terminology import sense_context, sense_evidence
from medllm.terminology.background import Background
from medllm.terminology.document import Document
from medllm.terminology.lexicon import Lexicon, Sense, builtin_lexicon
from medllm.terminology.sense_parts import contradict
from medllm.terminology.sense_shares import Imported, Share, shares
from medllm.terminology.tokens import bag, name_words

Source = Literal["defined in the text", "context", "frequency", "unknown"]

SAME_NAME = 0.9
"""Least likeness of a defined long form to a known sense that makes it the same."""
DEFINED = 0.98
"""Probability of the sense that the text itself defines."""
SUPPORTED = 0.6
"""Least support of its surroundings by which the only known sense is more than the only known."""
MOST_HINTS = 20
"""Other abbreviations of a text whose long forms are taken into the context."""


@dataclass(frozen=True, slots=True)
class RankedSense:
    """A sense and how likely it is here."""

    sense: Sense
    score: float
    """Probability, 0 to 1; those of one abbreviation add up to 1."""


@dataclass(frozen=True, slots=True)
class Ranked:
    """The senses of an abbreviation at a place in a text, the likeliest first."""

    abbreviation: str
    """As it stands in the text."""
    senses: tuple[RankedSense, ...]
    """Empty where the abbreviation is not known."""
    source: Source
    """What decided; `context` of the only known sense: the surroundings speak for it."""
    margin: float
    """Score of the first sense minus that of the second."""
    sure: bool
    """Whether the margin is large enough not to ask."""
    defined: str = ""
    """The long form in the text's own words, where it defines the abbreviation as it is written."""

    @property
    def best(self) -> Sense | None:
        """The likeliest sense."""
        return self.senses[0].sense if self.senses else None

    @property
    def caution(self) -> str:
        """Why not to write this abbreviation: for its sense, or, if that is not sure, for any."""
        asked = [r.sense for r in self.senses[: 1 if self.sure else None]]
        return next((sense.caution for sense in asked if sense.caution), "")


class Abbreviations:
    """Ranks the senses of abbreviations."""

    def __init__(
        self,
        lexicon: Lexicon | None = None,
        embedder: Embedder | None = None,
        background: Background | None = None,
        imported: Imported | None = None,
    ) -> None:
        """Takes what the ranking is made from.

        Args:
            lexicon: concepts and senses, by default the built-in ones.
            embedder: compares the sentence with the long forms.
            background: running texts of the field, by default the built-in cards.
            imported: frequencies of senses in notes, which come before the lexicon's order.
        """
        self.lexicon = lexicon or builtin_lexicon()
        self.imported = imported
        self._meanings = sense_evidence.Meanings(embedder) if embedder else None
        self._background = background
        self.weights = sense_evidence.WITH_EMBEDDER if embedder else sense_evidence.WITHOUT_EMBEDDER

    @cached_property
    def background(self) -> Background:
        """The texts from which it is known which words go together."""
        return self._background or builtin_background()

    def senses(self, abbreviation: str, text: str = "", at: int | None = None) -> Ranked:
        """Ranks what `abbreviation` may stand for.

        Args:
            abbreviation: as it is written; case, points and a plural s are tolerated.
            text: where it stands; may be empty.
            at: its offset in `text`; None for the first place where it stands.
        """
        return self.senses_in(Document(text), abbreviation.strip(), at)

    def senses_in(self, document: Document, written: str, at: int | None = None) -> Ranked:
        """As `senses`, of one abbreviation of many in a document that is read once."""
        found = shares(written, self.lexicon, self.imported, document.in_capitals)
        defined = document.long_forms
        if long := defined.get(written) or defined.get(written.removesuffix("s")):
            ranked = self._defined(written, long, found)
            return replace(ranked, defined=defined.get(written, ""))
        if not found:
            return Ranked(written, (), "unknown", 0.0, False)
        if not document.text.strip():
            return self._ranked(written, found, [f.share for f in found], "frequency")
        rows = self.evidence(written, found, document, at)
        if len(found) == 1:
            support = sense_evidence.support(rows[0], self.weights)
            source: Source = "context" if support >= SUPPORTED else "frequency"
            return self._ranked(written, found, [1.0], source)
        scores = sense_evidence.probabilities(rows, self.weights)
        told = bool(rows[:, sense_evidence.FROM_CONTEXT].any())
        return self._ranked(written, found, scores.tolist(), "context" if told else "frequency")

    def evidence(
        self, written: str, found: Sequence[Share], document: Document, at: int | None = None
    ) -> NDArray[np.float64]:
        """What speaks for each of the senses `found` in a text: see `sense_evidence.PARTS`."""
        place = sense_context.find(document.text, written) if at is None else at
        hints = self._hints(document, written)
        context = sense_context.around(document.text, place, len(written), hints)
        return sense_evidence.evidence(
            written, found, context, self.lexicon, self.background, self._meanings
        )

    def _defined(self, written: str, long: str, found: Sequence[Share]) -> Ranked:
        """The sense that the text defines first; of the lexicon if it has that one."""
        names = [self.lexicon.names(f.sense) for f in found]
        alike = [max(same_name(long, name) for name in own) for own in names]
        best = max(range(len(found)), key=alike.__getitem__, default=-1)
        if best < 0 or alike[best] < SAME_NAME:
            found = [Share(Sense(written, "", long), 0.0), *found]
            best = 0
        rest = sum(f.share for place, f in enumerate(found) if place != best)
        scores = [(1 - DEFINED) * f.share / rest if rest else 0.0 for f in found]
        scores[best] = DEFINED if rest else 1.0
        return self._ranked(written, found, scores, "defined in the text")

    def _ranked(
        self, written: str, found: Sequence[Share], scores: Sequence[float], source: Source
    ) -> Ranked:
        order = sorted(range(len(found)), key=lambda place: -scores[place])
        ranked = tuple(RankedSense(found[place].sense, scores[place]) for place in order)
        margin = ranked[0].score - (ranked[1].score if len(ranked) > 1 else 0.0)
        return Ranked(written, ranked, source, margin, margin >= self.weights.sure)

    def _hints(self, document: Document, written: str) -> list[str]:
        """Long forms of the text's other abbreviations: defined there, or of one sense only."""
        hints = [long for short, long in document.long_forms.items() if short != written]
        for word in document.acronyms:
            if word == written or word in document.long_forms:
                continue
            senses = self.lexicon.senses(word)
            if len(senses) == 1:
                hints.append(senses[0].expansion)
        return hints[:MOST_HINTS]


def same_name(one: str, other: str) -> float:
    """How alike two long forms are, 0 to 1.

    It is 1 where only endings and order differ, and 0 where words are opposed: hypo- and hyper-.
    """
    mine, theirs = name_words(one), name_words(other)
    if bag(mine) == bag(theirs):
        return 1.0
    if any(contradict(a, b) for a in {*mine} - {*theirs} for b in {*theirs} - {*mine}):
        return 0.0
    return fuzz.ratio(" ".join(sorted(mine)), " ".join(sorted(theirs))) / 100


def card_text(card: ReferenceCard) -> str:
    """What a card teaches about which words go together."""
    return " ".join(
        (card.term, *card.synonyms, card.definition, card.explanation, card.clinical_relevance)
    )


@cache
def builtin_background() -> Background:
    """The texts of the built-in cards."""
    return Background(map(card_text, builtin_cards()))
