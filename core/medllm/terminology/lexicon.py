"""The lexicon: concepts, and the senses of abbreviations in the order of how common they are."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from medllm.terminology.tokens import folded

MARKS = ".·'’"
"""Marks inside an abbreviation that never tell two of them apart: `b.i.d.`."""
_JOINTS = "-‐-–_/\\ "


@dataclass(frozen=True, slots=True)
class Concept:
    """A line of data/lexicon.tsv."""

    id: str
    """A CURIE: `UMLS:C0027051`, or one of our own, `MED:...`."""
    name: str
    synonyms: tuple[str, ...]
    """Other names of the same concept; no abbreviations."""
    group: str
    """Semantic group of the UMLS Semantic Network: DISO, CHEM, PROC, ..."""
    references: tuple[str, ...]
    """Codes of the same concept elsewhere."""


@dataclass(frozen=True, slots=True)
class Sense:
    """One concept that an abbreviation can stand for: a line of data/abbreviations.tsv."""

    abbreviation: str
    concept: str
    """Its id; empty where a text's own definition is all that is known."""
    expansion: str
    cues: tuple[str, ...] = ()
    """Words, in small letters, that stand near by when this sense is meant."""
    setting: str = ""
    """The speciality where it is the usual sense; empty for none."""
    caution: str = ""
    """Why not to write it, where safety bodies warn of the abbreviation."""


@dataclass(frozen=True, slots=True)
class Spelling:
    """An abbreviation of the lexicon that a written one may be."""

    abbreviation: str
    closeness: int
    """0 for the same spelling, 1 for other case, 2 for other marks, 3 for its plural."""


class Lexicon:
    """Concepts, and senses by abbreviation, whatever its case and marks."""

    def __init__(
        self, concepts: Iterable[Concept], senses: Iterable[Sense], ordered: bool = True
    ) -> None:
        """Takes what the readers read.

        Args:
            concepts: each id once.
            senses: those of one abbreviation in the order of how common they are.
            ordered: whether the order tells that; else all senses are as common.
        """
        self.ordered = ordered
        self.concepts: Mapping[str, Concept] = MappingProxyType({c.id: c for c in concepts})
        self._senses: dict[str, list[Sense]] = {}
        for sense in senses:
            self._senses.setdefault(sense.abbreviation, []).append(sense)
        self._by_key: dict[str, list[str]] = {}
        for abbreviation in self._senses:
            self._by_key.setdefault(loose_key(abbreviation), []).append(abbreviation)

    def __contains__(self, abbreviation: str) -> bool:
        return bool(self.spellings(abbreviation))

    def abbreviations(self) -> tuple[str, ...]:
        """All of them, in the order of the file."""
        return tuple(self._senses)

    def senses(self, abbreviation: str) -> Sequence[Sense]:
        """Senses of an abbreviation in exactly this spelling, the commonest first."""
        return self._senses.get(abbreviation, ())

    def names(self, sense: Sense) -> tuple[str, ...]:
        """The expansion, and the names of its concept."""
        concept = self.concepts.get(sense.concept)
        others = (concept.name, *concept.synonyms) if concept else ()
        return tuple(dict.fromkeys((sense.expansion, *others)))

    def codes(self, sense: Sense) -> frozenset[str]:
        """The id of its concept and the same concept's codes elsewhere."""
        concept = self.concepts.get(sense.concept)
        return frozenset((sense.concept, *(concept.references if concept else ()))) - {""}

    def spellings(self, written: str) -> list[Spelling]:
        """The abbreviations that `written` may be, the closest first.

        A plural counts only where the word is no abbreviation itself: `MS` is not two `M`.
        """
        written = written.strip()
        found = self._found(written)
        bare = written.removesuffix("s").rstrip("'’")
        if len(bare) > 1 and len(bare) < len(written) and all(s.closeness for s in found):
            closest = self._found(bare)
            if not found or any(s.closeness == 0 for s in closest):
                found = [Spelling(s.abbreviation, 3) for s in closest] + found
        return found

    def _found(self, written: str) -> list[Spelling]:
        joined = joined_key(written)
        found = [
            Spelling(a, 0 if a == written else 1 if joined_key(a) == joined else 2)
            for a in self._by_key.get(loose_key(written), ())
        ]
        return sorted(found, key=lambda spelling: spelling.closeness)


def _plain_key(abbreviation: str) -> str:
    """Without case and points."""
    return folded("".join(c for c in abbreviation if c not in MARKS) or abbreviation)


def loose_key(abbreviation: str) -> str:
    """Without case, points and whatever joins letters: `A/P` and `a_p` are `ap`."""
    plain = _plain_key(abbreviation)
    return "".join(c for c in plain if c not in _JOINTS) or plain


def joined_key(abbreviation: str) -> str:
    """Without case and points, any joint as a space: `A/P` and `a_p` are `a p`, not `AP`."""
    return "".join(" " if c in _JOINTS else c for c in _plain_key(abbreviation))


@cache
def builtin_lexicon() -> Lexicon:
    """The lexicon that comes with the project."""
    from medllm import paths
    from medllm.terminology.readers import senses as reader

    concepts = reader.read_concepts(paths.lexicon_file())
    known = {concept.id for concept in concepts}
    return Lexicon(concepts, reader.read_senses(paths.abbreviations_file(), known))
