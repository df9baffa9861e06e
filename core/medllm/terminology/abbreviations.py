"""Which sense an abbreviation has here: ranked senses, and whether the first one is sure.

A definition inside the text decides. Otherwise how common each sense is and what stands
around the abbreviation are weighed: `sense_evidence`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Literal

from medllm.embedding import Embedder
from medllm.reference import ReferenceCard, builtin_cards
from medllm.terminology import sense_context, sense_evidence
from medllm.terminology.background import Background
from medllm.terminology.document import Document
from medllm.terminology.lexicon import Lexicon, Sense, builtin_lexicon
from medllm.terminology.mention_forms import expand
from medllm.terminology.sense_shares import Imported, Share, shares
from medllm.terminology.tokens import bag, name_words

Source = Literal["defined in the text", "context", "frequency", "unknown"]

DEFINED = 0.98
"""Probability of the sense that the text itself defines."""
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
    """What decided."""
    margin: float
    """Score of the first sense minus that of the second."""
    sure: bool
    """Whether the margin is large enough not to ask."""

    @property
    def best(self) -> Sense | None:
        """The likeliest sense."""
        return self.senses[0].sense if self.senses else None

    @property
    def caution(self) -> str:
        """Why not to write this abbreviation; empty where nobody warns of it."""
        return next((r.sense.caution for r in self.senses if r.sense.caution), "")


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
        written = abbreviation.strip()
        document = Document(text)
        found = shares(written, self.lexicon, self.imported, document.in_capitals)
        long = expand(written, document.long_forms)
        if long != written:
            return self._defined(written, long, found)
        if not found:
            return Ranked(written, (), "unknown", 0.0, False)
        senses, common = [f.sense for f in found], [f.share for f in found]
        if len(found) == 1 or not text.strip():
            return self._ranked(written, senses, common, "frequency")
        place = sense_context.find(text, written) if at is None else at
        context = sense_context.around(text, place, len(written), self._hints(document, written))
        rows = sense_evidence.evidence(
            written, senses, common, context, self.lexicon, self.background, self._meanings
        )
        scores = sense_evidence.probabilities(rows, self.weights)
        told = bool(rows[:, sense_evidence.FROM_CONTEXT].any())
        return self._ranked(written, senses, scores.tolist(), "context" if told else "frequency")

    def _defined(self, written: str, long: str, found: Sequence[Share]) -> Ranked:
        """The sense that the text defines first; of the lexicon if it has that one."""
        meant = bag(name_words(long))
        first = next(
            (
                f.sense
                for f in found
                if any(bag(name_words(name)) == meant for name in self.lexicon.names(f.sense))
            ),
            Sense(written, "", long),
        )
        others = [f for f in found if f.sense is not first]
        rest = sum(f.share for f in others)
        score = DEFINED if others else 1.0
        senses = [first, *(f.sense for f in others)]
        scores = [score, *((1 - score) * f.share / rest for f in others)]
        return self._ranked(written, senses, scores, "defined in the text")

    def _ranked(
        self, written: str, senses: Sequence[Sense], scores: Sequence[float], source: Source
    ) -> Ranked:
        order = sorted(range(len(senses)), key=lambda place: -scores[place])
        ranked = tuple(RankedSense(senses[place], scores[place]) for place in order)
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


def card_text(card: ReferenceCard) -> str:
    """What a card teaches about which words go together."""
    return " ".join(
        (card.term, *card.synonyms, card.definition, card.explanation, card.clinical_relevance)
    )


@cache
def builtin_background() -> Background:
    """The texts of the built-in cards."""
    return Background(map(card_text, builtin_cards()))
