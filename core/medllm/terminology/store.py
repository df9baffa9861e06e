"""The vocabulary store: one SQLite file, read here, written by `compiler`.

A reader keeps the file it opened: a store that is compiled anew or removed takes another
place on disk, and the old one lives on until the reader closes it. `stale` tells.
"""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from medllm import paths, sqlite_faults
from medllm.closing import Closing
from medllm.errors import StorageError
from medllm.terminology.facts import Relation, Scope

VERSION = "1"
"""Of the tables and of the forms in them; another version is compiled anew."""
BUILTIN = "built-in"
"""Name of the vocabulary that comes with the project."""
SCHEMA = """
CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
CREATE TABLE source(id INTEGER PRIMARY KEY, name TEXT UNIQUE, kind TEXT, file TEXT, sha256 TEXT,
                    names INTEGER, links INTEGER, notes INTEGER, skipped INTEGER, added TEXT);
CREATE TABLE name(code TEXT, text TEXT, scope INTEGER, source INTEGER,
                  form INTEGER, bag INTEGER, lead INTEGER, words INTEGER);
CREATE TABLE link(code TEXT, target TEXT, relation INTEGER, source INTEGER);
CREATE TABLE note(code TEXT, kind TEXT, text TEXT, source INTEGER);
CREATE TABLE lead(lead INTEGER PRIMARY KEY, longest INTEGER);
CREATE TABLE same(code TEXT PRIMARY KEY, concept TEXT) WITHOUT ROWID;
"""
INDEXES = """
CREATE INDEX name_form ON name(form);
CREATE INDEX name_bag ON name(bag);
CREATE INDEX name_code ON name(code);
CREATE INDEX link_code ON link(code);
CREATE INDEX link_target ON link(target);
CREATE INDEX note_code ON note(code);
CREATE INDEX same_concept ON same(concept);
"""
ANEW = "Remove it, then add the vocabularies again: medtrain vocab add FILE"
"""How a damaged store is made again."""


@dataclass(frozen=True, slots=True)
class Source:
    """A vocabulary in the store."""

    name: str
    kind: str
    names: int
    links: int
    notes: int
    skipped: int
    """Rows that were broken."""
    added: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A name of a concept."""

    code: str
    text: str
    scope: Scope
    source: int = 0
    """Number of its vocabulary: the later added, the higher."""


class Store(Closing):
    """A compiled vocabulary, open for reading."""

    def __init__(self, file: Path | None = None) -> None:
        """Opens `file`, by default the user's store.

        Raises:
            StorageError: it is missing, no store, or of another version.
        """
        self.file = file or paths.vocabulary_file()
        try:
            self._opened = self.file.stat().st_ino
            self._base = sqlite3.connect(
                f"{self.file.resolve().as_uri()}?mode=ro", uri=True, check_same_thread=False
            )
            row = self._base.execute("SELECT value FROM meta WHERE key = 'version'").fetchone()
        except FileNotFoundError as error:
            raise StorageError(
                f"There is no vocabulary at {self.file}.", "Make one: medtrain vocab add FILE"
            ) from error
        except (OSError, sqlite3.Error) as error:
            raise sqlite_faults.fault(f"{self.file} is no vocabulary", error, ANEW) from error
        if row is None or row[0] != VERSION:
            self._base.close()
            raise StorageError(f"{self.file} is of another version.", ANEW)
        self._forms: dict[int, list[Entry]] | None = None
        self._bags: dict[int, list[Entry]] = {}
        self._same: dict[str, str] = {}
        self.by_form = lru_cache(1 << 16)(self._by_form)
        """Names of a form, given as its hash."""
        self.by_bag = lru_cache(1 << 16)(self._by_bag)
        """Names of a bag, given as its hash."""
        self.concept = lru_cache(1 << 17)(self._concept)
        """The concept that a code belongs to: one code stands for all that are the same."""
        self.codes = lru_cache(1 << 17)(self._codes)
        """Every code of a concept, cross-references included."""
        self.preferred = lru_cache(1 << 16)(self._preferred)
        """The preferred name of a concept."""
        self.longest = lru_cache(1 << 18)(self._longest)
        """Most words of the names that begin with the words of that hash; 0 for none."""

    @property
    def stale(self) -> bool:
        """Whether the file was replaced or removed since it was opened."""
        try:
            return self.file.stat().st_ino != self._opened
        except OSError:
            return True

    def sources(self) -> list[Source]:
        """The vocabularies, in the order in which they were added."""
        columns = "name, kind, names, links, notes, skipped, added"
        return [Source(*row) for row in self._rows(f"SELECT {columns} FROM source ORDER BY id")]

    def _by_form(self, form: int) -> list[Entry]:
        if self._forms is not None:
            return self._forms.get(form, [])
        return self._entries("form", form)

    def _by_bag(self, bag: int) -> list[Entry]:
        if self._forms is not None:
            return self._bags.get(bag, [])
        return self._entries("bag", bag)

    def entries(self) -> Iterator[Entry]:
        """All names, in the order in which they were added."""
        for code, text, scope in self._each("SELECT code, text, scope FROM name"):
            yield Entry(code, text, Scope(scope))

    def size(self) -> int:
        """Number of names."""
        return int(self._rows("SELECT coalesce(sum(names), 0) FROM source")[0][0])

    def names(self, concept: str) -> list[Entry]:
        """All names of a concept, the preferred ones first."""
        found: dict[str, Entry] = {}
        for code in self.members(concept):
            for text, scope in self._rows("SELECT text, scope FROM name WHERE code = ?", code):
                entry = Entry(code, text, Scope(scope))
                if text not in found or scope < found[text].scope:
                    found[text] = entry
        return sorted(found.values(), key=lambda entry: entry.scope)

    def members(self, concept: str) -> list[str]:
        """The codes that are this concept itself."""
        rows = self._rows("SELECT code FROM same WHERE concept = ? ORDER BY code", concept)
        return [row[0] for row in rows] or [concept]

    def parents(self, concept: str) -> set[str]:
        """Concepts one step up."""
        return {
            self.concept(target)
            for code in self.members(concept)
            for target, relation in self._links(code)
            if relation == Relation.PARENT
        } - {concept}

    def notes(self, concept: str, kind: str) -> list[str]:
        """Definitions or semantic groups of a concept, each once."""
        found: dict[str, None] = {}
        for code in self.members(concept):
            rows = self._rows("SELECT text FROM note WHERE code = ? AND kind = ?", code, kind)
            found.update((row[0], None) for row in rows)
        return list(found)

    def notes_of_kind(self, kind: str) -> list[tuple[str, str]]:
        """Code and text of all notes of a kind, in the order in which they were added."""
        return self._rows("SELECT code, text FROM note WHERE kind = ? ORDER BY rowid", kind)

    def preload(self) -> None:
        """Takes the names into memory: 300 bytes a name, and look-ups no longer read the file."""
        forms: dict[int, list[Entry]] = {}
        bags: dict[int, list[Entry]] = {}
        query = "SELECT code, text, scope, source, form, bag FROM name"
        scopes = {int(scope): scope for scope in Scope}
        for code, text, scope, source, form, bag in self._each(query):
            entry = Entry(code, text, scopes[scope], source)
            forms.setdefault(form, []).append(entry)
            bags.setdefault(bag, []).append(entry)
        self._forms, self._bags = forms, bags
        self._same = dict(self._rows("SELECT code, concept FROM same"))

    def usable(self, prefixes: tuple[str, ...]) -> set[str]:
        """Concepts that have a code with one of `prefixes` (`MESH:`)."""
        found = set()
        for table, column in (("link", "target"), ("name", "code")):
            for prefix in prefixes:
                rows = self._rows(
                    f"SELECT DISTINCT code FROM {table} WHERE {column} >= ? AND {column} < ?",
                    prefix,
                    prefix + "\U0010ffff",
                )
                found |= {self._concept(row[0]) for row in rows}
        return found

    def forget(self) -> None:
        """Empties what is remembered of earlier look-ups."""
        for remembered in (
            self.by_form, self.by_bag, self.concept, self.codes, self.preferred, self.longest,
        ):  # fmt: skip
            remembered.cache_clear()

    def close(self) -> None:
        """Closes the file."""
        self._base.close()

    def _entries(self, column: str, value: int) -> list[Entry]:
        # A form of very many names, such as that of a number, tells nothing after the first.
        query = f"SELECT code, text, scope, source FROM name WHERE {column} = ? LIMIT 200"
        return [Entry(c, text, Scope(scope), n) for c, text, scope, n in self._rows(query, value)]

    def _concept(self, code: str) -> str:
        if self._forms is not None:
            return self._same.get(code, code)
        rows = self._rows("SELECT concept FROM same WHERE code = ?", code)
        return str(rows[0][0]) if rows else code

    def _codes(self, concept: str) -> frozenset[str]:
        found = set(self.members(concept))
        for code in tuple(found):
            found |= {target for target, kind in self._links(code) if kind != Relation.PARENT}
        return frozenset(found)

    def _preferred(self, concept: str) -> str:
        names = self.names(concept)
        return names[0].text if names else concept

    def _longest(self, lead: int) -> int:
        rows = self._rows("SELECT longest FROM lead WHERE lead = ?", lead)
        return int(rows[0][0]) if rows else 0

    def _links(self, code: str) -> list[tuple[str, int]]:
        return self._rows("SELECT target, relation FROM link WHERE code = ?", code)

    def _rows(self, query: str, *values: str | int) -> list[tuple]:  # type: ignore[type-arg]
        return list(self._each(query, *values))

    def _each(self, query: str, *values: str | int) -> Iterator[tuple]:  # type: ignore[type-arg]
        try:
            yield from self._base.execute(query, values)
        except sqlite3.Error as error:
            raise sqlite_faults.fault(f"{self.file} can't be read", error, ANEW) from error
