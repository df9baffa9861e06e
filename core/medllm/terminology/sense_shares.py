"""How common each sense of an abbreviation is: by imported frequencies, else by the lexicon."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from medllm.terminology.facts import Note
from medllm.terminology.lexicon import Lexicon, Sense, joined_key, loose_key
from medllm.terminology.store import Store
from medllm.terminology.tokens import bag, name_words

SENSE = "sense"
"""Kind of the store's notes that hold a frequency."""
STEEPNESS = 2.4
"""The n-th sense of an abbreviation in the lexicon is taken to be as common as n to the power
of -2.4. The power, not the order, fits notes: benchmarks/abbreviation_weights.py."""
_CLOSENESS = (1.0, 0.4, 0.3, 0.3)
"""Factor on senses of another spelling: in other case, with other marks, of a plural."""
_IMPORTED = 0.95
"""Share of the imported senses; the lexicon's others have the rest."""


@dataclass(frozen=True, slots=True)
class Share:
    """A sense and how common it is among those of its abbreviation."""

    sense: Sense
    share: float
    """0 to 1."""


@dataclass(frozen=True, slots=True)
class Frequency:
    """A line of a list of senses met in notes."""

    abbreviation: str
    expansion: str
    concept: str
    """`UMLS:C...`, or one of our own making where the list gives none."""
    frequency: float
    """Share or count among the senses of the abbreviation."""

    def note(self) -> Note:
        """As the vocabulary store keeps it."""
        return Note(
            self.concept, SENSE, f"{self.abbreviation}\t{self.expansion}\t{self.frequency!r}"
        )

    @classmethod
    def of_note(cls, concept: str, text: str) -> "Frequency":
        """What `note` made."""
        short, long, frequency = text.split("\t")
        return cls(short, long, concept, float(frequency))


class Imported:
    """Frequencies of senses that the user brought, by abbreviation."""

    def __init__(self, frequencies: Iterable[Frequency]) -> None:
        """Takes them in any order."""
        self._by_key: dict[str, list[Frequency]] = {}
        for row in frequencies:
            self._by_key.setdefault(loose_key(row.abbreviation), []).append(row)

    @classmethod
    def of_store(cls, store: Store) -> "Imported":
        """The frequencies in the user's vocabularies."""
        return cls(Frequency.of_note(code, text) for code, text in store.notes_of_kind(SENSE))

    def of(self, written: str) -> Sequence[Frequency]:
        """Senses of an abbreviation, the commonest first."""
        rows = self._by_key.get(loose_key(written), ())
        joined = joined_key(written)
        same = [row for row in rows if joined_key(row.abbreviation) == joined]
        return sorted(same or rows, key=lambda row: -row.frequency)


def shares(
    written: str, lexicon: Lexicon, imported: Imported | None = None, capitals: bool = False
) -> list[Share]:
    """The senses that `written` may have, the commonest first; the shares add up to 1.

    Args:
        written: the abbreviation as it stands.
        lexicon: its order tells how common a sense is.
        imported: frequencies, which come before that order.
        capitals: whether the text has no small letters, so that case tells nothing.
    """
    found: dict[str, Share] = {}
    for spelling in lexicon.spellings(written):
        factor = 1.0 if capitals and spelling.closeness == 1 else _CLOSENESS[spelling.closeness]
        senses = lexicon.senses(spelling.abbreviation)
        ranks = [(n + 1) ** -STEEPNESS if lexicon.ordered else 1.0 for n in range(len(senses))]
        for sense, rank in zip(senses, ranks, strict=True):
            share = factor * rank / sum(ranks)
            known = found.get(sense.concept)
            if known is None or known.share < share:
                found[sense.concept] = Share(sense, share)
    rows = imported.of(written) if imported else ()
    merged = _merged(written, list(found.values()), lexicon, rows)
    total = sum(entry.share for entry in merged)
    return sorted(
        (replace(entry, share=entry.share / total) for entry in merged), key=lambda e: -e.share
    )


def _merged(
    written: str, known: list[Share], lexicon: Lexicon, rows: Sequence[Frequency]
) -> list[Share]:
    """The lexicon's senses with the imported frequencies, and the senses that only these have."""
    total = sum(row.frequency for row in rows)
    if total <= 0:
        return known
    own = sum(entry.share for entry in known)
    left = [replace(entry, share=(1 - _IMPORTED) * entry.share / own) for entry in known]
    names = [{bag(name_words(name)) for name in lexicon.names(e.sense)} for e in known]
    for row in filter(lambda row: row.frequency > 0, rows):
        share = _IMPORTED * row.frequency / total
        meant = bag(name_words(row.expansion))
        for place, entry in enumerate(left):
            if place < len(names) and (
                meant in names[place] or row.concept in lexicon.codes(entry.sense)
            ):
                left[place] = replace(entry, share=entry.share + share)
                break
        else:
            left.append(Share(Sense(written, row.concept, row.expansion), share))
    return left
