"""UMLS Rich Release Format: MRCONSO, MRSTY and MRDEF in their published columns.

UMLS Reference Manual, chapter 3, "Metathesaurus - Rich Release Format (RRF)".
"""

import re
from collections.abc import Callable, Iterator

from medllm.terminology.facts import Fact, Link, Name, Note, Relation, Scope, curie
from medllm.terminology.readers.lines import Lines

_CUI = re.compile(r"C\d{7}$")
_PREFERRED = frozenset("PT PN MH PF PTN".split())
_ACRONYMS = frozenset("AB ACR AA CA2 CA3 ETAL".split())
_CODES = frozenset("MSH OMIM SNOMEDCT_US ICD10CM HPO NCI MDR DOID MONDO ORPHANET".split())
_GROUPS = {
    "ACTI": "T051 T052 T053 T054 T055 T056 T057 T064 T066",
    "ANAT": "T017 T018 T021 T022 T023 T024 T025 T026 T029 T030 T031",
    "CHEM": "T103 T104 T109 T114 T116 T120 T121 T122 T123 T125 T126 T127 T129 T130 T131 T192 "
    "T195 T196 T197 T200",
    "CONC": "T077 T078 T079 T080 T081 T082 T089 T102 T169 T170 T171 T185",
    "DEVI": "T074 T075 T203",
    "DISO": "T019 T020 T033 T037 T046 T047 T048 T049 T050 T184 T190 T191",
    "GENE": "T028 T085 T086 T087 T088",
    "GEOG": "T083",
    "LIVB": "T001 T002 T004 T005 T007 T008 T010 T011 T012 T013 T014 T015 T016 T096 T097 T098 "
    "T099 T100 T101 T194 T204",
    "OBJC": "T071 T072 T073 T167 T168",
    "OCCU": "T090 T091",
    "ORGA": "T092 T093 T094 T095",
    "PHEN": "T034 T038 T067 T068 T069 T070",
    "PHYS": "T032 T039 T040 T041 T042 T043 T044 T045 T201",
    "PROC": "T058 T059 T060 T061 T062 T063 T065",
}
GROUP_OF = {tui: group for group, tuis in _GROUPS.items() for tui in tuis.split()}
"""Semantic group of each semantic type, as the UMLS Semantic Network groups them."""

_Reader = Callable[[list[str]], Iterator[Fact]]


def read(lines: Lines, table: str, language: str = "ENG") -> Iterator[Fact]:
    """Facts of `table`: MRCONSO, MRSTY or MRDEF. Suppressed rows and other languages are left."""
    width, make = _TABLES[table]
    for number, line in lines:
        cells = line.split("|")
        if len(cells) != width + 1 or cells[-1]:
            lines.problems.add(
                number, f"{len(cells) - 1} columns where {table} has {width}, skipped"
            )
        elif not _CUI.match(cells[0]):
            lines.problems.add(number, f"{cells[0][:20]!r} is no concept id (CUI), skipped")
        elif table != "MRCONSO" or cells[1] == language:
            try:
                yield from make(cells)
            except ValueError as error:
                lines.problems.add(number, f"{error}, skipped")


def _conso(cells: list[str]) -> Iterator[Fact]:
    # CUI|LAT|TS|LUI|STT|SUI|ISPREF|AUI|SAUI|SCUI|SDUI|SAB|TTY|CODE|STR|SRL|SUPPRESS|CVF
    if cells[16] not in ("N", ""):
        return
    code, source, kind, text = f"UMLS:{cells[0]}", cells[11], cells[12], cells[14]
    if not text.strip():
        raise ValueError("no name (STR)")
    scope = Scope.EXACT
    if kind in _ACRONYMS:
        scope = Scope.ACRONYM
    elif cells[2] == "P" and cells[4] == "PF" and cells[6] == "Y":
        scope = Scope.PREFERRED
    yield Name(code, text, scope)
    if source in _CODES and kind in _PREFERRED and cells[13] not in ("", "NOCODE"):
        local = cells[13] if ":" in cells[13] else f"{source}:{cells[13]}"
        yield Link(code, curie(local), Relation.NEAR)


def _sty(cells: list[str]) -> Iterator[Fact]:
    # CUI|TUI|STN|STY|ATUI|CVF
    if cells[1] not in GROUP_OF:
        raise ValueError(f"{cells[1][:20]!r} is no semantic type that is known")
    yield Note(f"UMLS:{cells[0]}", "group", GROUP_OF[cells[1]])


def _def(cells: list[str]) -> Iterator[Fact]:
    # CUI|AUI|ATUI|SATUI|SAB|DEF|SUPPRESS|CVF
    if cells[6] in ("N", "") and cells[5].strip():
        yield Note(f"UMLS:{cells[0]}", "definition", cells[5])


_TABLES: dict[str, tuple[int, _Reader]] = {
    "MRCONSO": (18, _conso),
    "MRSTY": (6, _sty),
    "MRDEF": (8, _def),
}
