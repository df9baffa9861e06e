"""Compiles vocabularies into the store.

A new store is made beside the old one and takes its place when it is whole: whatever
fails on the way, the old one stands, and who reads it is not disturbed.
"""

import fcntl
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from medllm import files, paths
from medllm.errors import DataError, StorageError, UsageError
from medllm.reference import builtin_cards
from medllm.terminology import hierarchy, tokens
from medllm.terminology.facts import Fact, Link, Name, Relation
from medllm.terminology.readers import builtin, obo, rrf, senses, tables
from medllm.terminology.readers.lines import Lines, Problems
from medllm.terminology.store import INDEXES, SCHEMA, VERSION

BUILTIN = "built-in"
BATCH = 20_000
"""Facts held in memory before they are written."""
LONGEST_NAME = 12
"""Words; longer names are found by link() but not in running text."""
Progress = Callable[[float, int], None]
"""Told the share of the file that is read, and the facts so far."""


@dataclass(frozen=True, slots=True)
class Report:
    """What an import brought."""

    name: str
    kind: str
    names: int
    links: int
    notes: int
    skipped: int
    problems: tuple[str, ...]
    """The first of what was skipped, with file and line."""


def add(
    file: Path, name: str = "", progress: Progress | None = None, store: Path | None = None
) -> Report:
    """Adds the vocabulary in `file`, or replaces the one of that name.

    Args:
        file: MRCONSO/MRSTY/MRDEF.RRF, .obo, or a table in CSV or TSV (SSSOM included).
        name: by default the file's name.
        progress: told how far it is.
        store: the store, by default the user's.

    Raises:
        UsageError: the kind of file is not known, or the name is taken by the project.
        DataError: nothing in it can be read.
        StorageError: the file can't be read or the store not written.
    """
    name = name or file.name
    if name == BUILTIN:
        raise UsageError(f"The name {BUILTIN!r} is taken.", "Choose another: --name NAME")
    kind = _kind(file)
    try:
        size = max(1, file.stat().st_size)
    except OSError as error:
        raise StorageError(f"{file} can't be read: {error.strerror}.", "Check its name.") from error
    problems = Problems(file)
    with _rebuilding(store) as base:
        _forget(base, name)
        writer = _Writer(base, name, kind, str(file.resolve()))
        lines = Lines(
            file, problems, lambda read: progress(read / size, writer.total) if progress else None
        )
        writer.take(_facts(lines, kind))
        if not writer.total:
            first = f" The first problem: {problems.first[0]}." if problems.first else ""
            raise DataError(f"{file} holds nothing that can be used.{first}", "Check its format.")
        _cut_cycles(base, writer.source, problems)
        writer.finish(problems.count, files.sha256(file))
        report = Report(
            name, kind, writer.names, writer.links, writer.notes,
            problems.count, tuple(problems.first),
        )  # fmt: skip
    if progress:
        progress(1.0, writer.total)
    return report


def remove(name: str, store: Path | None = None) -> None:
    """Takes the vocabulary `name` out of the store.

    Raises:
        UsageError: there is none of that name.
    """
    with _rebuilding(store) as base:
        known = [row[0] for row in base.execute("SELECT name FROM source ORDER BY id")]
        if name not in known or name == BUILTIN:
            raise UsageError(
                f"There is no imported vocabulary {name!r}.",
                f"There are: {', '.join(n for n in known if n != BUILTIN) or 'none'}.",
            )
        _forget(base, name)


def build(store: Path | None = None) -> None:
    """Makes the store anew from what it holds, with the built-in vocabulary of this version."""
    with _rebuilding(store):
        pass


def _kind(file: Path) -> str:
    stem, end = file.stem.upper(), file.suffix.lower()
    if end == ".rrf" and stem in ("MRCONSO", "MRSTY", "MRDEF"):
        return stem
    if end in (".obo", ".csv", ".tsv", ".txt"):
        return "tsv" if end == ".txt" else end[1:]
    raise UsageError(
        f"{file.name} is of no kind that can be read.",
        "These can: MRCONSO.RRF, MRSTY.RRF, MRDEF.RRF, *.obo, *.tsv (SSSOM too), *.txt, *.csv.",
    )


def _facts(lines: Lines, kind: str) -> Iterator[Fact]:
    if kind == "obo":
        return obo.read(lines)
    if kind in ("csv", "tsv"):
        return tables.read(lines, "\t" if kind == "tsv" else ",")
    return rrf.read(lines, kind)


@contextmanager
def _rebuilding(store: Path | None) -> Iterator[sqlite3.Connection]:
    """A copy of the store to change; it is indexed and takes the store's place at the end."""
    target = store or paths.vocabulary_file()
    paths.ensure_dir(target.parent)
    with open(target.with_name(f".{target.name}.lock"), "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise StorageError(
                "Another import is under way.", "Wait until it has ended, then try again."
            ) from error
        with files.atomic(target) as temporary:
            try:
                with closing(_copy(target, temporary)) as base:
                    _refresh_builtin(base)
                    yield base
                    _index(base)
                    base.commit()
            except sqlite3.Error as error:
                raise StorageError(
                    f"The vocabulary store can't be written: {error}.",
                    "Free some space; the old one is as it was.",
                ) from error


def _copy(target: Path, temporary: Path) -> sqlite3.Connection:
    """The store as it is, without indexes; an empty one where there is none of this version."""
    temporary.unlink(missing_ok=True)
    if target.exists() and _is_current(target):
        shutil.copyfile(target, temporary)
    base = sqlite3.connect(temporary, isolation_level=None)
    for pragma in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -65536"):
        base.execute(f"PRAGMA {pragma}")
    indexes = base.execute("SELECT name FROM sqlite_master WHERE type = 'index' AND sql != ''")
    for (index,) in indexes.fetchall():
        base.execute(f"DROP INDEX {index}")
    if not base.execute("SELECT 1 FROM sqlite_master").fetchone():
        base.executescript(SCHEMA)
        base.execute("INSERT INTO meta VALUES('version', ?)", (VERSION,))
    base.execute("BEGIN")
    return base


def _is_current(file: Path) -> bool:
    try:
        with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)) as base:
            row = base.execute("SELECT value FROM meta WHERE key = 'version'").fetchone()
    except sqlite3.Error as error:
        raise StorageError(
            f"{file} is broken: {error}.", "Move it away and add the vocabularies again."
        ) from error
    return row is not None and row[0] == VERSION


def _refresh_builtin(base: sqlite3.Connection) -> None:
    _forget(base, BUILTIN)
    writer = _Writer(base, BUILTIN, "cards", "")
    writer.take(builtin.read(builtin_cards()))
    writer.take(builtin.read_lexicon(senses.read_concepts(paths.lexicon_file())))
    writer.finish(0, "")


def _forget(base: sqlite3.Connection, name: str) -> None:
    row = base.execute("SELECT id FROM source WHERE name = ?", (name,)).fetchone()
    if row:
        for table in ("name", "link", "note"):
            base.execute(f"DELETE FROM {table} WHERE source = ?", row)
        base.execute("DELETE FROM source WHERE id = ?", row)


def _index(base: sqlite3.Connection) -> None:
    base.execute("DELETE FROM lead")
    base.execute("INSERT INTO lead SELECT lead, max(words) FROM name WHERE words > 0 GROUP BY lead")
    base.execute("DELETE FROM same")
    exact = base.execute("SELECT code, target FROM link WHERE relation = ?", (Relation.EXACT,))
    base.executemany("INSERT INTO same VALUES(?, ?)", hierarchy.classes(exact))
    for statement in INDEXES.split(";"):
        base.execute(statement)


def _cut_cycles(base: sqlite3.Connection, source: int, problems: Problems) -> None:
    """Removes the is_a links that close a cycle; a concept can't be above itself."""
    rows = base.execute(
        "SELECT code, target FROM link WHERE source = ? AND relation = ?", (source, Relation.PARENT)
    )
    for code, parent in hierarchy.closing_links(rows):
        problems.add(0, f"{code} is_a {parent} closes a cycle, link left out")
        base.execute(
            "DELETE FROM link WHERE source = ? AND relation = ? AND code = ? AND target = ?",
            (source, Relation.PARENT, code, parent),
        )


class _Writer:
    """Writes the facts of one source in batches."""

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
