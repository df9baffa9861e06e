"""The vocabulary that comes with the project: the cards' names, and data/lexicon.tsv."""

from collections.abc import Iterable, Iterator

from medllm.reference import ReferenceCard
from medllm.terminology.facts import Fact, Link, Name, Note, Relation, Scope, curie

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
