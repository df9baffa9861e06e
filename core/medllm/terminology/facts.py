"""What a vocabulary says, one fact at a time: the common tongue of readers and store."""

from dataclasses import dataclass
from enum import IntEnum


class Scope(IntEnum):
    """How a name stands to its concept; the smaller, the closer."""

    PREFERRED = 0
    EXACT = 1
    NARROW = 2
    BROAD = 3
    RELATED = 4
    ACRONYM = 5


class Relation(IntEnum):
    """How a code stands to another one."""

    EXACT = 0
    """The same concept: the two are one for linking (skos:exactMatch)."""
    NEAR = 1
    """A cross-reference, which may be wider or narrower."""
    PARENT = 2
    """is_a."""


@dataclass(frozen=True, slots=True)
class Name:
    """A concept is called `text`."""

    code: str
    text: str
    scope: Scope


@dataclass(frozen=True, slots=True)
class Link:
    """A concept stands in `relation` to `target`, both CURIEs."""

    code: str
    target: str
    relation: Relation


@dataclass(frozen=True, slots=True)
class Note:
    """A definition or a semantic group (DISO, CHEM, PROC, ...) of a concept."""

    code: str
    kind: str
    """`definition` or `group`."""
    text: str


Fact = Name | Link | Note

_PREFIXES = {
    "MIM": "OMIM", "OMIMPS": "OMIM", "MSH": "MESH", "UMLS_CUI": "UMLS", "ORDO": "ORPHA",
    "ORPHANET": "ORPHA", "HPO": "HP", "SNOMEDCT": "SNOMED", "SCTID": "SNOMED",
}  # fmt: skip


def curie(text: str) -> str:
    """A code in one spelling: `MIM:1` -> `OMIM:1`, `.../obo/HP_1` -> `HP:1`.

    Raises:
        ValueError: it is not of the form PREFIX:LOCAL.
    """
    bare = text.strip().strip("<>")
    if "://" in bare:
        bare = bare.rsplit("/", 1)[1].replace("_", ":", 1)
    prefix, colon, local = bare.partition(":")
    if not colon or not prefix or not local or " " in bare:
        raise ValueError(f"{text.strip()[:60]!r} is not a code like DOID:5844")
    prefix = prefix.upper()
    if prefix.startswith("SNOMEDCT"):
        prefix = "SNOMED"
    local = local.removeprefix("HP:") if prefix == "HPO" else local
    return f"{_PREFIXES.get(prefix, prefix)}:{local}"
