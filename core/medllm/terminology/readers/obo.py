"""OBO flat files (Disease Ontology, HPO, MONDO), format 1.2 and 1.4."""

import re
from collections.abc import Collection, Iterator
from pathlib import Path

from medllm.terminology.facts import Fact, Link, Name, Note, Relation, Scope, curie
from medllm.terminology.readers.lines import Lines, Problems

_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"\s*(.*)')
_ESCAPE = re.compile(r"\\(.)")
_SCOPES = {
    "EXACT": Scope.EXACT, "NARROW": Scope.NARROW, "BROAD": Scope.BROAD, "RELATED": Scope.RELATED,
}  # fmt: skip
_DISEASES = ("DOID:", "MONDO:", "HP:", "ORPHA:", "OMIM:", "MESH:")


def read(lines: Lines) -> Iterator[Fact]:
    """Facts of the terms that are not obsolete; a second stanza of an id is skipped."""
    seen: set[str] = set()
    stanza: list[tuple[int, str, str]] = []
    inside = False
    for number, line in lines:
        if line.startswith("["):
            yield from _term(stanza, seen, lines)
            stanza, inside = [], line.startswith("[Term]")
        elif inside and line.strip() and not line.startswith("!"):
            tag, colon, value = line.partition(":")
            if colon:
                stanza.append((number, tag.strip(), value.strip()))
            else:
                lines.problems.add(number, "no tag with a colon, skipped")
    yield from _term(stanza, seen, lines)


def places(file: Path, links: Collection[tuple[str, str]]) -> dict[tuple[str, str], int]:
    """The lines where is_a links stand, each given as child and parent."""
    wanted, found, code = frozenset(links), dict[tuple[str, str], int](), ""
    for number, line in Lines(file, Problems(file)):
        tag, _, value = line.partition(":")
        try:
            if tag == "id":
                code = curie(value)
            elif tag == "is_a" and (link := (code, _parent(value))) in wanted:
                found.setdefault(link, number)
        except ValueError:  # told when it was read
            continue
    return found


def _term(stanza: list[tuple[int, str, str]], seen: set[str], lines: Lines) -> Iterator[Fact]:
    if not stanza or any(tag == "is_obsolete" and value == "true" for _, tag, value in stanza):
        return
    number, tag, value = stanza[0]
    try:
        code = curie(value if tag == "id" else "")
    except ValueError as error:
        lines.problems.add(number, f"{error}, term skipped")
        return
    if code in seen:
        lines.problems.add(number, f"the id {code} stands here a second time, skipped")
        return
    seen.add(code)
    if code.startswith(_DISEASES):
        yield Note(code, "group", "DISO")
    for number, tag, value in stanza[1:]:
        try:
            yield from _fact(code, tag, value)
        except ValueError as error:
            lines.problems.add(number, f"{error}, skipped")


def _fact(code: str, tag: str, value: str) -> Iterator[Fact]:
    if tag == "name":
        yield Name(code, _ESCAPE.sub(r"\1", value), Scope.PREFERRED)
    elif tag == "def":
        yield Note(code, "definition", _quoted(value)[0])
    elif tag == "synonym":
        text, rest = _quoted(value)
        scope = _SCOPES.get(rest.split(" ", 1)[0], Scope.RELATED)
        if "OMO:0003012" in rest or "acronym" in rest.lower() or "abbreviation" in rest.lower():
            scope = Scope.ACRONYM
        yield Name(code, text, scope)
    elif tag == "xref":
        target = value.split(" ", 1)[0]
        if "://" not in target and ":" in target:
            yield Link(code, curie(target.replace("\\", "")), Relation.NEAR)
    elif tag == "is_a":
        yield Link(code, _parent(value), Relation.PARENT)
    elif tag == "alt_id":
        yield Link(code, curie(value), Relation.EXACT)


def _parent(value: str) -> str:
    return curie(value.strip().partition(" ")[0])


def _quoted(value: str) -> tuple[str, str]:
    match = _QUOTED.match(value)
    if match is None:
        raise ValueError("no text in quotation marks")
    return _ESCAPE.sub(r"\1", match.group(1)), match.group(2)
