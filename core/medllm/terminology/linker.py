"""From a mention to a concept: exact, then inflected, reordered, reduced, and near names.

A mention that nothing answers well enough stays unlinked: `link` gives None, and the
candidates stay to be offered.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Literal

from medllm.terminology import mention_forms, tokens
from medllm.terminology.document import Document
from medllm.terminology.facts import Scope
from medllm.terminology.mention_forms import Reading
from medllm.terminology.near_names import NearNames
from medllm.terminology.store import Entry, Store

How = Literal["exact", "inflected", "reordered", "reduced", "near", "acronym"]

THRESHOLD = 0.6
"""Least score of a link; below it the answer is "don't know"."""
NEAR_NAMES = 1_000_000
"""Above this many names the near ones are not looked for: their index would not fit."""
IN_MEMORY = 500_000
"""Names that `prepare` takes into memory; of a larger vocabulary only what was asked for."""
NEAR_READINGS = 2
"""Readings, the surest ones, that near names are looked for."""
_SCORES: dict[How, float] = {
    "exact": 1.0, "inflected": 0.97, "reordered": 0.9, "reduced": 1.0, "near": 0.88, "acronym": 0.7,
}  # fmt: skip
_SCOPE_FACTOR = {
    Scope.PREFERRED: 1.0, Scope.EXACT: 0.99, Scope.NARROW: 0.9, Scope.BROAD: 0.9,
    Scope.RELATED: 0.88, Scope.ACRONYM: 1.0,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Candidate:
    """A concept that a mention may mean."""

    concept: str
    """Its code; `Store.codes` gives the others."""
    name: str
    """The name of the vocabulary that matched."""
    score: float
    """0 to 1; an exact preferred name has 1."""
    how: How
    source: int = 0
    """Number of the vocabulary that the name is from."""


Match = tuple[str, float, Entry, How]
"""A concept, its score, the name that matched, and how."""


class Linker:
    """Links mentions to the concepts of a store."""

    def __init__(
        self,
        store: Store,
        targets: Iterable[str] = (),
        threshold: float = THRESHOLD,
        near: bool = True,
    ) -> None:
        """Takes an open store.

        Args:
            store: the vocabularies.
            targets: prefixes of codes (`MESH`, `OMIM`); only concepts with such a code are
                linked to. Empty: all.
            threshold: least score of a link.
            near: whether to look for near names where no reading is a name; it takes most of
                the time.
        """
        self.store, self.threshold, self.near = store, threshold, near
        self.targets = tuple(f"{prefix}:" for prefix in targets)
        self._full_names = lru_cache(1 << 12)(self._read_full_names)

    def link(self, mention: str, document: Document | None = None) -> Candidate | None:
        """The concept of `mention`; None where no candidate reaches the threshold.

        Args:
            mention: as it stands in the text.
            document: the text around it, which may say what an abbreviation stands for.
        """
        found = self._found(mention, document, self.threshold / _SCORES["near"])
        return found[0] if found and found[0].score >= self.threshold else None

    def candidates(self, mention: str, document: Document | None = None) -> list[Candidate]:
        """What `mention` may mean, the likeliest first; each concept once."""
        return self._found(mention, document, self.threshold)

    def _found(self, mention: str, document: Document | None, floor: float) -> list[Candidate]:
        """The candidates; near names, where there is no link without them, from a likeness on."""
        best: dict[str, Match] = {}
        surest: list[Reading] = []
        top = 0.0
        for reading in mention_forms.readings(mention, document.long_forms if document else {}):
            if len(surest) < NEAR_READINGS:
                surest.append(reading)
            if top and top >= reading.factor * 0.9:
                break
            for match in self._of_reading(reading, document):
                known = best.get(match[0])
                if known is None or match[1] > known[1]:
                    best[match[0]] = match
                    top = max(top, match[1])
        if top < self.threshold:
            for match in self._near(surest, floor):
                known = best.get(match[0])
                if known is None or match[1] > known[1]:
                    best[match[0]] = match
        return self._ranked(
            Candidate(concept, entry.text, score, how, entry.source)
            for concept, score, entry, how in best.values()
        )

    def _ranked(self, candidates: Iterable[Candidate]) -> list[Candidate]:
        """The better score first, then the later vocabulary, then the better connected concept."""
        found = sorted(candidates, key=lambda c: (-round(c.score, 4), -c.source, c.concept))
        if len(found) > 1 and _tied(found[0], found[1]):
            ties = [c for c in found if _tied(c, found[0])]
            ties.sort(key=lambda c: -len(self.store.codes(c.concept)))
            found[: len(ties)] = ties
        return found

    def _of_reading(self, reading: Reading, document: Document | None) -> Iterator[Match]:
        text = reading.text
        words = tokens.name_words(text)
        if not words:
            return
        if tokens.is_acronym(text):
            yield from self._acronym(text, words, reading.factor, document)
            return
        form = tokens.form(words)
        entries = self.store.by_form(tokens.digest(form))
        found = False
        for entry in entries:
            if tokens.is_acronym(entry.text):
                continue
            how: How = "reduced"
            if reading.factor == 1:
                how = "exact" if tokens.name_words(entry.text) == words else "inflected"
            if match := self._match(entry, how, reading.factor):
                found = True
                yield match
        if found:
            return
        for entry in self.store.by_bag(tokens.digest(tokens.bag(words))):
            if not tokens.is_acronym(entry.text) and (
                match := self._match(entry, "reordered", reading.factor)
            ):
                yield match

    def _acronym(
        self, text: str, words: Sequence[str], factor: float, document: Document | None
    ) -> Iterator[Match]:
        """Concepts with this acronym.

        One is sure where it is the only one whose full name the text holds, or, the text
        saying nothing, the only one whose full name has these initials.
        """
        senses: dict[str, Entry] = {}
        for entry in self.store.by_form(tokens.digest(tokens.form(words))):
            if tokens.is_acronym(entry.text) and _letters(entry.text) == _letters(text):
                senses.setdefault(self.store.concept(entry.code), entry)
        usable = {concept: entry for concept, entry in senses.items() if self.is_usable(concept)}
        named = [concept for concept in usable if document and self._is_named(concept, document)]
        sure = ""
        if len(named) == 1:
            sure = named[0]
        elif usable and len(text) >= 3:
            borne = [concept for concept in senses if self._bears(concept, text)]
            sure = borne[0] if len(borne) == 1 else ""
        for concept, entry in usable.items():
            doubt = 1.0 if concept == sure else 0.5
            if match := self._match(entry, "acronym", factor * doubt):
                yield match

    def _read_full_names(self, concept: str) -> list[str]:
        return [
            entry.text
            for entry in self.store.names(concept)
            if entry.scope <= Scope.EXACT and not tokens.is_acronym(entry.text)
        ]

    def _bears(self, concept: str, acronym: str) -> bool:
        """Whether a full name of the concept has the acronym as its initials."""
        return any(mention_forms.has_initials(n, acronym) for n in self._full_names(concept))

    def _is_named(self, concept: str, document: Document) -> bool:
        """Whether the text holds all words of a full name of the concept."""
        return any(
            len(stems := _stems(name)) > 1 and stems <= document.stems
            for name in self._full_names(concept)
        )

    def _match(self, entry: Entry, how: How, factor: float) -> Match | None:
        concept = self.store.concept(entry.code)
        if not self.is_usable(concept):
            return None
        return concept, _SCORES[how] * _SCOPE_FACTOR[entry.scope] * factor, entry, how

    def prepare(self) -> None:
        """Makes the index of near names, and holds a vocabulary of some size in memory.

        Without it the first mention in need of the index waits for it.
        """
        if self.store.size() <= IN_MEMORY:
            self.store.preload()
        _ = self._near_names
        if self.targets:
            _ = self._usable

    def is_usable(self, concept: str) -> bool:
        """Whether the concept has a code of the targets."""
        return not self.targets or concept in self._usable

    @cached_property
    def _usable(self) -> set[str]:
        return self.store.usable(self.targets)

    @cached_property
    def _near_names(self) -> NearNames | None:
        """Usable names that are not acronyms; None where near ones are not looked for."""
        if not self.near or self.store.size() > NEAR_NAMES:
            return None
        return NearNames(
            dict.fromkeys(
                tokens.form(map(tokens.folded, tokens.split(entry.text)))
                for entry in self.store.entries()
                if not tokens.is_acronym(entry.text)
                and self.is_usable(self.store.concept(entry.code))
            )
        )

    def _near(self, readings: Sequence[Reading], floor: float) -> Iterator[Match]:
        if self._near_names is None:
            return
        for reading in readings:
            if tokens.is_acronym(reading.text):
                continue
            for score, name in self._near_names.of(tokens.name_words(reading.text), floor):
                for entry in self.store.by_form(tokens.digest(name)):
                    if not tokens.is_acronym(entry.text) and (
                        match := self._match(entry, "near", score)
                    ):
                        yield match


@lru_cache(1 << 14)
def _stems(name: str) -> frozenset[str]:
    """The words of a name as a document holds them."""
    return frozenset(tokens.bag(tokens.name_words(name)).split(" "))


def _letters(acronym: str) -> str:
    return "".join(c for c in acronym.upper() if c.isalnum())


def _tied(one: Candidate, other: Candidate) -> bool:
    return one.source == other.source and abs(one.score - other.score) < 1e-4
