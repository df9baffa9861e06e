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
    number, header = _header(rows, lines)
    header = [cell.lstrip("?") for cell in header]
    if all(column in header for column in _SSSOM):
        make, width = _mapping, len(header)
    elif all(column in header for column in _FREQUENCIES):
        make, width = _sense_note, len(header)
    else:
        columns = _columns(header)
        if "code" not in columns or not columns.keys() & {"name", "synonyms", "xrefs"}:
            raise DataError(
                f"{lines.file}, line {number}: no columns of codes and names in the header."
                f"{lines.problems.opening()}",
                "It must name the columns id and name; synonyms, xrefs, group and definition "
                "are read as well.",
            )
        header = [next((c for c, i in columns.items() if i == n), "") for n in range(len(header))]
        make, width = _Entries(lines, "synonyms" in columns).facts, len(header)
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
    number, header = _header(rows, lines)
    if not all(column in header for column in _FREQUENCIES):
        raise DataError(
            f"{lines.file}, line {number}: this is no list of senses with frequencies."
            f"{lines.problems.opening()}",
            f"Its header must name the columns {', '.join(_FREQUENCIES)}.",
        )
    for number, cells in rows:
        try:
            yield _frequency(dict(zip(header, cells, strict=True)))
        except ValueError as error:
            lines.problems.add(number, f"{error}, skipped")


def _header(rows: Iterator[tuple[int, list[str]]], lines: Lines) -> tuple[int, list[str]]:
    """Number and cells of the first row."""
    number, cells = next(rows, (0, []))
    if not cells:
        raise DataError(
            f"{lines.file} has no row that can be read.{lines.problems.opening()}",
            "Check its format; a table is text in UTF-8.",
        )
    return number, [cell.strip().lower() for cell in cells]


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


class _Entries:
    """Rows of concepts.

    Where a table has a column of synonyms, a second row of an id with another name is a fault.
    Where it has none, each row may be one more name, and only the first such row is told.
    """

    def __init__(self, lines: Lines, has_synonyms: bool) -> None:
        self._lines, self._has_synonyms = lines, has_synonyms
        self._names: dict[str, str] = {}

    def facts(self, row: dict[str, str]) -> Iterator[Fact]:
        """What a row says."""
        code, name = curie(row["code"]), row.get("name", "").strip()
        if name:
            known = self._names.setdefault(code, name)
            if known != name and key(known) != key(name):
                self._again(f"the id {code} stands further up for {known[:60]!r}")
            yield Name(code, name, Scope.PREFERRED)
        yield from _others(code, row)

    def _again(self, told: str) -> None:
        if self._has_synonyms:
            raise ValueError(told)
        problems = self._lines.problems
        if not problems.notices:
            what = f"{told}; here and below such rows are taken as more names of it"
            problems.notice(self._lines.number, what)


def _others(code: str, row: dict[str, str]) -> Iterator[Fact]:
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
