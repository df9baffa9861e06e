"""Writes what a vocabulary says into the store, in batches."""

import sqlite3
import time
from collections.abc import Iterable

from medllm.terminology import tokens
from medllm.terminology.facts import Fact, Link, Name
from medllm.terminology.store import BUILTIN

BATCH = 20_000
"""Facts held in memory before they are written."""
LONGEST_NAME = 12
"""Words; longer names are found by link() but not in running text."""


class Writer:
    """Writes the facts of one vocabulary; `finish` comes last."""

    def __init__(self, base: sqlite3.Connection, name: str, kind: str, file: str) -> None:
        self.base = base
        cursor = base.execute(
            "INSERT INTO source(id, name, kind, file) VALUES(?, ?, ?, ?)",
            (0 if name == BUILTIN else None, name, kind, file),
        )
        self.source = cursor.lastrowid or 0
        self.names = self.links = self.notes = 0
        self._code, self._texts = "", set[str]()

    @property
    def total(self) -> int:
        """Facts so far."""
        return self.names + self.links + self.notes

    def take(self, facts: Iterable[Fact]) -> None:
        """Writes all of `facts`."""
        rows: dict[type, list[tuple[str | int, ...]]] = {Name: [], Link: []}
        notes: list[tuple[str | int, ...]] = []
        for fact in facts:
            if isinstance(fact, Name):
                if self._is_new(fact) and (row := self._name(fact)):
                    rows[Name].append(row)
            elif isinstance(fact, Link):
                row = (fact.code, fact.target, int(fact.relation), self.source)
                rows[Link].append(row)
            else:
                notes.append((fact.code, fact.kind, fact.text, self.source))
            if len(rows[Name]) + len(rows[Link]) + len(notes) >= BATCH:
                self._flush(rows[Name], rows[Link], notes)
        self._flush(rows[Name], rows[Link], notes)

    def _is_new(self, name: Name) -> bool:
        """Whether the concept's names just before this one had it not yet."""
        if name.code != self._code:
            self._code, self._texts = name.code, set()
        known = name.text in self._texts
        self._texts.add(name.text)
        return not known

    def _name(self, name: Name) -> tuple[str | int, ...] | None:
        words = tokens.name_words(name.text)
        if not words:
            return None
        form = tokens.form(words)
        parts = form.split(" ")
        return (
            name.code, name.text, int(name.scope), self.source,
            tokens.digest(form), tokens.digest(tokens.bag(words)),
            tokens.digest(" ".join(parts[:2])), len(parts) if len(parts) <= LONGEST_NAME else 0,
        )  # fmt: skip

    def _flush(self, names: list, links: list, notes: list) -> None:  # type: ignore[type-arg]
        self.base.executemany("INSERT INTO name VALUES(?, ?, ?, ?, ?, ?, ?, ?)", names)
        self.base.executemany("INSERT INTO link VALUES(?, ?, ?, ?)", links)
        self.base.executemany("INSERT INTO note VALUES(?, ?, ?, ?)", notes)
        self.names += len(names)
        self.links += len(links)
        self.notes += len(notes)
        for rows in (names, links, notes):
            rows.clear()

    def finish(self, skipped: int, sha256: str) -> None:
        """Writes the source's row."""
        self.base.execute(
            "UPDATE source SET names = ?, links = ?, notes = ?, skipped = ?, sha256 = ?, added = ? "
            "WHERE id = ?",
            (
                self.names, self.links, self.notes, skipped, sha256,
                time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), self.source,
            ),
        )  # fmt: skip
