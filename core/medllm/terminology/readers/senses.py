"""data/lexicon.tsv and data/abbreviations.tsv, which must be whole: the first fault ends it."""

import re
from collections.abc import Collection, Iterator
from pathlib import Path

from medllm.errors import DataError
from medllm.terminology.lexicon import Concept, Sense
from medllm.terminology.readers.lines import Lines, Problems
from medllm.terminology.readers.rrf import GROUP_OF

CONCEPT_HEADER = (
    "concept id", "preferred name", "synonyms", "semantic group", "cross-references",
)  # fmt: skip
SENSE_HEADER = (
    "abbreviation", "concept id", "expansion", "context cues", "setting", "caution",
)  # fmt: skip
CAUTIONS = ("do not use: ", "error-prone: ")
"""How a caution begins: on the Joint Commission's list, or known to be misread."""
_CURIE = re.compile(r"[A-Z]+:\S+")
_GROUPS = frozenset(GROUP_OF.values())


def read_concepts(file: Path) -> list[Concept]:
    """Concepts, each id once. Cells of many hold them apart by `|`.

    Raises:
        StorageError: the file can't be read.
        DataError: a line breaks the schema; names file and line.
    """
    found: dict[str, Concept] = {}
    for number, cells in _rows(file, CONCEPT_HEADER):
        code, name, synonyms, group, references = cells
        concept = Concept(code, name, _parts(synonyms), group, _parts(references))
        if not _CURIE.fullmatch(code):
            raise _fault(file, number, f"{code!r} is no concept id like UMLS:C0027051")
        if code in found:
            raise _fault(file, number, f"the concept {code} stands here a second time")
        if not name:
            raise _fault(file, number, f"{code} has no name")
        if group not in _GROUPS:
            raise _fault(file, number, f"{group!r} is no semantic group")
        if wrong := [r for r in concept.references if not _CURIE.fullmatch(r)]:
            raise _fault(file, number, f"{wrong[0]!r} is no code")
        found[code] = concept
    return list(found.values())


def read_senses(file: Path, concepts: Collection[str]) -> list[Sense]:
    """Senses, those of one abbreviation together, the commonest first.

    Args:
        file: the table.
        concepts: ids that there are.

    Raises:
        StorageError: the file can't be read.
        DataError: a line breaks the schema; names file and line.
    """
    found: list[Sense] = []
    seen: dict[str, set[str]] = {}
    for number, cells in _rows(file, SENSE_HEADER):
        abbreviation, concept, expansion, cues, setting, caution = cells
        if not abbreviation or not expansion:
            raise _fault(file, number, "a sense needs an abbreviation and an expansion")
        if concept not in concepts:
            raise _fault(file, number, f"{concept!r} is no concept of the lexicon")
        if caution and not caution.startswith(CAUTIONS):
            raise _fault(file, number, f"a caution begins with one of {', '.join(CAUTIONS)}")
        if abbreviation in seen and found[-1].abbreviation != abbreviation:
            raise _fault(file, number, f"{abbreviation} has senses further up, apart from this one")
        known = seen.setdefault(abbreviation, set())
        if expansion.casefold() in known:
            raise _fault(file, number, f"{abbreviation} has the sense {expansion} already")
        known.add(expansion.casefold())
        found.append(Sense(abbreviation, concept, expansion, _parts(cues), setting, caution))
    return found


def _rows(file: Path, header: tuple[str, ...]) -> Iterator[tuple[int, list[str]]]:
    problems = Problems(file)
    first = True
    for number, line in Lines(file, problems):
        cells = [cell.strip() for cell in line.split("\t")]
        if first and tuple(cells) != header:
            raise _fault(file, number, f"the header must be: {', '.join(header)}")
        if not first and len(cells) != len(header):
            raise _fault(file, number, f"{len(cells)} cells where the header has {len(header)}")
        if not first:
            yield number, cells
        first = False
    if problems.count:
        raise DataError(f"{file}: {problems.first[0]}.", "Mend or remove the line.")
    if first:
        raise _fault(file, 1, "the file is empty")


def _fault(file: Path, number: int, what: str) -> DataError:
    return DataError(f"{file}, line {number}: {what}.", "Mend or remove the line.")


def _parts(cell: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in cell.split("|") if part.strip())
