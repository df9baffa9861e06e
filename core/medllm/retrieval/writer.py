"""Writes the passages of files into the index, and takes them out again."""

import sqlite3
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from medllm.retrieval import names, words

BATCH = 50_000
"""Words whose numbers are held in memory before they are written."""


@dataclass(frozen=True, slots=True)
class NewPassage:
    """A passage to be written."""

    text: str
    start: int
    end: int
    page: int | None = None
    headings: tuple[str, ...] = ()
    card: str | None = None
    names: tuple[str, ...] = ()
    """What it is called besides title and headings."""


@dataclass
class NewFile:
    """A file to be written; one of the same root and path is replaced."""

    root: str
    path: str
    title: str
    size: int = 0
    changed: int = 0
    """Time of the last change, in nanoseconds."""
    sha256: str = ""
    passages: list[NewPassage] = field(default_factory=list)


class Writer:
    """Changes the index inside one transaction; `flush` comes last."""

    def __init__(self, base: sqlite3.Connection) -> None:
        self._base = base
        last = base.execute("SELECT max(last) FROM file").fetchone()[0]
        self._next = int(last or 0) + 1
        self._changes: Counter[str] = Counter()

    def put(self, file: NewFile) -> None:
        """Writes a file in place of what the index has of it."""
        known = self._base.execute(
            "SELECT id FROM file WHERE root = ? AND path = ?", (file.root, file.path)
        ).fetchone()
        if known:
            self.forget(known[0])
        first = self._next
        self._next += len(file.passages)
        number = self._base.execute(
            "INSERT INTO file(root, path, title, size, changed, sha256, first, last) "
            "VALUES(?, ?, ?, ?, ?, ?, ?, ?)",
            (file.root, file.path, file.title, file.size, file.changed, file.sha256,
             first, self._next - 1),
        ).lastrowid or 0  # fmt: skip
        self._base.executemany(
            "INSERT INTO passage VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (_row(first + i, number, passage) for i, passage in enumerate(file.passages)),
        )
        self._base.executemany(
            "INSERT INTO name VALUES(?, ?, ?, ?, ?, ?)",
            (
                (form, names.bag(form), names.initials(form), first + a, first + b, number)
                for form, a, b in _names(file)
            ),
        )
        for i, p in enumerate(file.passages):
            self._index(first + i, (file.title, "\n".join((*p.headings, *p.names)), p.text), 1)

    def forget(self, number: int) -> None:
        """Takes the file of that number out, with all that is known of it."""
        rows = self._base.execute(
            "SELECT passage.id, file.title, headings, names, text FROM passage "
            "JOIN file ON file.id = passage.file WHERE file = ?",
            (number,),
        ).fetchall()
        for passage, title, headings, others, text in rows:
            self._index(passage, (title, f"{headings}\n{others}", text), -1)
            for table in ("vector", "sign"):
                self._base.execute(f"DELETE FROM {table} WHERE passage = ?", (passage,))
        for table in ("passage", "name"):
            self._base.execute(f"DELETE FROM {table} WHERE file = ?", (number,))
        self._base.execute("DELETE FROM file WHERE id = ?", (number,))

    def flush(self) -> None:
        """Writes the numbers of passages that have each word."""
        self._base.executemany(
            "INSERT INTO frequency VALUES(?, ?) ON CONFLICT(word) "
            "DO UPDATE SET passages = passages + excluded.passages",
            self._changes.items(),
        )
        self._base.execute("DELETE FROM frequency WHERE passages <= 0")
        self._changes.clear()

    def _index(self, passage: int, texts: tuple[str, str, str], sign: int) -> None:
        columns = [words.terms(text) for text in texts]
        joined = [" ".join(column) for column in columns]
        if sign > 0:
            self._base.execute(
                "INSERT INTO word(rowid, title, headings, text) VALUES(?, ?, ?, ?)",
                (passage, *joined),
            )
        else:  # a table without content is told what to take out
            self._base.execute(
                "INSERT INTO word(word, rowid, title, headings, text) VALUES('delete', ?, ?, ?, ?)",
                (passage, *joined),
            )
        for found in {word for column in columns for word in column}:
            self._changes[found] += sign
        if len(self._changes) > BATCH:
            self.flush()


def _row(number: int, file: int, passage: NewPassage) -> tuple[int | str | None, ...]:
    headings, others = "\n".join(passage.headings), "\n".join(passage.names)
    return (
        number, file, passage.start, passage.end, passage.page, passage.card,
        headings, others, passage.text,
    )  # fmt: skip


def _names(file: NewFile) -> Iterable[tuple[str, int, int]]:
    """Each name with the first and last of the passages that it names, counted from 0."""
    if not file.passages:
        return
    spans: dict[str, tuple[int, int]] = {}
    for variant in names.variants(file.title):
        if form := names.form(variant):
            spans[form] = (0, len(file.passages) - 1)
    yield from ((form, a, b) for form, (a, b) in spans.items())
    held: dict[str, tuple[int, int]] = {}
    for i, passage in enumerate(file.passages):
        called = (*passage.headings, *passage.names)
        here = {names.form(variant) for name in called for variant in names.variants(name)}
        here -= {"", *spans}
        for form in tuple(held):
            if form not in here:
                yield (form, *held.pop(form))
        for form in here:
            held[form] = (held.get(form, (i, i))[0], i)
    yield from ((form, a, b) for form, (a, b) in held.items())
