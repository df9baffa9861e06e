"""The vocabulary that comes with the project: the cards' names, and data/lexicon.tsv."""

from collections.abc import Iterable, Iterator

from medllm.reference import ReferenceCard
from medllm.terminology.facts import Fact, Link, Name, Note, Relation, Scope, curie
from medllm.terminology.lexicon import Concept

_MENTIONED = frozenset("ANAT CHEM DEVI DISO GENE PHYS PROC".split())
"""Groups of the lexicon that are looked for in texts; "twice" and "patient" tell nothing."""
_GROUPS = {
    "anatomy & physiology": "ANAT",
    "diagnostic test": "PROC",
    "disease mechanism": "PHYS",
}


def read(cards: Iterable[ReferenceCard]) -> Iterator[Fact]:
    """Facts of the cards: each is a concept `MED:<card id>` with its names and codes."""
    for card in cards:
        code = f"MED:{card.id}"
        yield Name(code, card.term, Scope.PREFERRED)
        for synonym in card.synonyms:
            yield Name(code, synonym, Scope.EXACT)
        if card.abbreviation:
            yield Name(code, card.abbreviation, Scope.ACRONYM)
        codes = [curie(target) for target in card.codes]
        for target in codes:
            yield Link(code, target, Relation.EXACT)
        diseases = any(target.startswith(("DOID:", "MONDO:", "HP:")) for target in codes)
        group = "DISO" if diseases else _GROUPS.get(card.category, "")
        if group:
            yield Note(code, "group", group)
        yield Note(code, "definition", card.definition)


def read_lexicon(concepts: Iterable[Concept]) -> Iterator[Fact]:
    """Facts of the lexicon's concepts of those groups that are looked for in texts."""
    for concept in concepts:
        if concept.group in _MENTIONED:
            yield Name(concept.id, concept.name, Scope.PREFERRED)
            for synonym in concept.synonyms:
                yield Name(concept.id, synonym, Scope.EXACT)
            for code in concept.references:
                yield Link(concept.id, curie(code), Relation.NEAR)
            yield Note(concept.id, "group", concept.group)
