"""Vocabularies in tables: SSSOM mappings, and CSV or TSV with a header.

SSSOM: https://mapping-commons.github.io/sssom/. Frequencies of the senses of abbreviations:
columns abbreviation, sense, frequency and CUI, as Vanderbilt's lists have them (Moon et al.
2014, J. Am. Med. Inform. Assoc. 21). Other tables need a column of codes and
one of names; see `COLUMNS` for the headings that are understood.
"""

import csv
import re
from collections.abc import Iterator

from medllm.errors import DataError
from medllm.terminology.facts import Fact, Link, Name, Note, Relation, Scope, curie
from medllm.terminology.normalise import key
from medllm.terminology.readers.lines import Lines
from medllm.terminology.sense_shares import Frequency

COLUMNS = {
    "code": ("id", "code", "curie", "concept id", "concept_id", "term", "cui"),
    "name": ("label", "name", "preferred name", "preferred", "term_label", "preferred_name"),
    "synonyms": ("synonyms", "synonym", "layperson", "aliases"),
    "xrefs": ("xref", "xrefs", "cross-references", "codes"),
    "group": ("group", "semantic group", "semantic_group"),
    "definition": ("definition", "def"),
    "acronyms": ("abbreviation", "abbreviations", "acronym"),
}
_SSSOM = ("subject_id", "predicate_id", "object_id")
_CUI = re.compile(r"C\d{7}")
_FREQUENCIES = ("abbreviation", "sense", "frequency")


def read(lines: Lines, delimiter: str) -> Iterator[Fact]:
    """Facts of a table; the first line that is no comment is its header.

    Raises:
        DataError: the header names no column of codes, or neither names nor mappings.
    """
    rows = _rows(lines, delimiter)
    number, header = next(rows, (1, []))
    header = [cell.strip().lstrip("?").lower() for cell in header]
    if all(column in header for column in _SSSOM):
        make, width = _mapping, len(header)
    elif all(column in header for column in _FREQUENCIES):
        make, width = _sense_note, len(header)
    else:
        columns = _columns(header)
        if "code" not in columns or not columns.keys() & {"name", "synonyms", "xrefs"}:
            raise DataError(
                f"{lines.file}, line {number}: no columns of codes and names in the header.",
                "It must name the columns id and name; synonyms, xrefs, group and definition "
                "are read as well.",
            )
        header = [next((c for c, i in columns.items() if i == n), "") for n in range(len(header))]
        make, width = _entry, len(header)
    for number, cells in rows:
        if len(cells) != width:
            lines.problems.add(number, f"{len(cells)} cells where the header has {width}, skipped")
            continue
        try:
            yield from make(dict(zip(header, cells, strict=True)))
        except ValueError as error:
            lines.problems.add(number, f"{error}, skipped")


def read_frequencies(lines: Lines, delimiter: str) -> Iterator[Frequency]:
    """Rows of a list of senses with their frequencies.

    Raises:
        DataError: the header names no such columns.
    """
    rows = _rows(lines, delimiter)
    number, header = next(rows, (1, []))
    header = [cell.strip().lower() for cell in header]
    if not all(column in header for column in _FREQUENCIES):
        raise DataError(
            f"{lines.file}, line {number}: this is no list of senses with frequencies.",
            f"Its header must name the columns {', '.join(_FREQUENCIES)}.",
        )
    for number, cells in rows:
        try:
            yield _frequency(dict(zip(header, cells, strict=True)))
        except ValueError as error:
            lines.problems.add(number, f"{error}, skipped")


def _rows(lines: Lines, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    for number, line in lines:
        if not line.strip() or line.startswith("#"):
            continue
        try:
            yield number, next(csv.reader([line], delimiter=delimiter, strict=True))
        except csv.Error as error:
            # A quotation mark inside a cell of a TSV is a character, not a quotation.
            if delimiter == "\t":
                yield number, line.split("\t")
            else:
                lines.problems.add(number, f"broken row ({error}), skipped")


def _columns(header: list[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for meaning, headings in COLUMNS.items():
        for heading in headings:
            if heading in header and header.index(heading) not in found.values():
                found[meaning] = header.index(heading)
                break
    return found


def _mapping(row: dict[str, str]) -> Iterator[Fact]:
    subject, target = curie(row["subject_id"]), curie(row["object_id"])
    exact = row["predicate_id"].strip() in ("skos:exactMatch", "owl:equivalentClass")
    for code, label in ((subject, row.get("subject_label")), (target, row.get("object_label"))):
        if label and label.strip():
            yield Name(code, label.strip(), Scope.PREFERRED)
    yield Link(subject, target, Relation.EXACT if exact else Relation.NEAR)


def _entry(row: dict[str, str]) -> Iterator[Fact]:
    code = curie(row["code"])
    name = row.get("name", "").strip()
    if name:
        yield Name(code, name, Scope.PREFERRED)
    for column, scope in (("synonyms", Scope.EXACT), ("acronyms", Scope.ACRONYM)):
        for synonym in row.get(column, "").split("|"):
            if synonym.strip():
                yield Name(code, synonym.strip(), scope)
    for target in row.get("xrefs", "").split("|"):
        if target.strip():
            yield Link(code, curie(target), Relation.NEAR)
    for kind in ("group", "definition"):
        if row.get(kind, "").strip():
            yield Note(code, kind, row[kind].strip())


def _frequency(row: dict[str, str]) -> Frequency:
    short, long = row["abbreviation"].strip(), row["sense"].strip()
    if not short or not long:
        raise ValueError("no abbreviation or no sense")
    try:
        frequency = float(row["frequency"])
    except ValueError:
        frequency = -1.0
    if not 0 <= frequency < float("inf"):
        raise ValueError(f"{row['frequency'].strip()[:20]!r} is no frequency")
    cui = row.get("cui", "").strip().upper()
    concept = f"UMLS:{cui}" if _CUI.fullmatch(cui) else f"MED:{key(long).replace(' ', '-')}"
    return Frequency(short, long, concept, frequency)


def _sense_note(row: dict[str, str]) -> Iterator[Fact]:
    yield _frequency(row).note()
