"""Compiles vocabularies into the store.

A new store is made beside the old one and takes its place when it is whole: whatever
fails on the way, the old one stands, and who reads it is not disturbed.
"""

import fcntl
import shutil
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from medllm import files, paths, sqlite_faults
from medllm.errors import DataError, StorageError, UsageError
from medllm.reference import builtin_cards
from medllm.terminology import hierarchy
from medllm.terminology.facts import Fact, Relation
from medllm.terminology.readers import builtin, obo, rrf, senses, tables
from medllm.terminology.readers.lines import KEPT, Lines, Problems
from medllm.terminology.store import ANEW, BUILTIN, INDEXES, SCHEMA, VERSION
from medllm.terminology.writer import Writer

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
    """What was taken in spite of a doubt, and the first of what was skipped; with file and line."""
    replaced: bool
    """Whether there was a vocabulary of this name, whose place it took."""

    @property
    def untold(self) -> int:
        """Number of what was skipped beyond `problems`."""
        return max(0, self.skipped - KEPT)


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
        UsageError: the kind of file is not known, or the name is taken by the project or
            can't be shown.
        DataError: nothing in it can be read.
        StorageError: the file can't be read or the store not written.
    """
    name = name or file.name
    if name == BUILTIN:
        raise UsageError(f"The name {BUILTIN!r} is taken.", "Choose another: --name NAME")
    if not name.strip() or not name.isprintable():
        raise UsageError(f"The name {name!a} can't be shown.", "Choose another: --name NAME")
    kind, size = _kind(file), _size(file)
    problems = Problems(file)
    with _rebuilding(store) as base:
        replaced = _forget(base, name)
        writer = Writer(base, name, kind, _shown(file.resolve()))
        lines = Lines(
            file, problems, lambda read: progress(read / size, writer.total) if progress else None
        )
        writer.take(_facts(lines, kind))
        if not writer.total:
            raise DataError(
                f"{file} holds nothing that can be used.{problems.opening()}", "Check its format."
            )
        _cut_cycles(base, writer.source, problems)
        writer.finish(problems.count, files.sha256(file))
        report = Report(
            name, kind, writer.names, writer.links, writer.notes,
            problems.count, (*problems.notices, *problems.first), replaced,
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


def _size(file: Path) -> int:
    """Bytes of a plain file, at least 1; a pipe or a device may never end."""
    try:
        known = file.stat()
    except OSError as error:
        raise StorageError(f"{file} can't be read: {error.strerror}.", "Check its name.") from error
    if not stat.S_ISREG(known.st_mode):
        raise UsageError(f"{file} is no plain file.", "Save what it gives as a file, and add that.")
    return max(1, known.st_size)


def _shown(file: Path) -> str:
    return str(file).encode("utf-8", "replace").decode()


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
    with _locked(target):
        for left in target.parent.glob(f".{target.name}.*.part"):  # by an import that was killed
            left.unlink(missing_ok=True)
        with files.atomic(target) as temporary:
            try:
                with closing(_copy(target, temporary)) as base:
                    _refresh_builtin(base)
                    yield base
                    _index(base)
                    base.commit()
            except sqlite3.Error as error:
                what = f"The vocabulary store {target} can't be written"
                raise sqlite_faults.fault(what, error, ANEW) from error


@contextmanager
def _locked(target: Path) -> Iterator[None]:
    """One import at a time; the system lets go of the lock of one that was killed."""
    try:
        lock = open(target.with_name(f".{target.name}.lock"), "w")  # noqa: SIM115
    except OSError as error:
        what = f"The vocabulary store {target} can't be written"
        raise sqlite_faults.fault(what, error, "Check the rights of its folder.") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise StorageError(
                "Another import is under way.", "Wait until it has ended, then try again."
            ) from error
        yield


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
        raise sqlite_faults.fault(f"{file} is broken", error, ANEW) from error
    return row is not None and row[0] == VERSION


def _refresh_builtin(base: sqlite3.Connection) -> None:
    _forget(base, BUILTIN)
    writer = Writer(base, BUILTIN, "cards", "")
    writer.take(builtin.read(builtin_cards()))
    writer.take(builtin.read_lexicon(senses.read_concepts(paths.lexicon_file())))
    writer.finish(0, "")


def _forget(base: sqlite3.Connection, name: str) -> bool:
    """Takes a vocabulary out; whether there was one."""
    row = base.execute("SELECT id FROM source WHERE name = ?", (name,)).fetchone()
    if row:
        for table in ("name", "link", "note"):
            base.execute(f"DELETE FROM {table} WHERE source = ?", row)
        base.execute("DELETE FROM source WHERE id = ?", row)
    return row is not None


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
    closing = hierarchy.closing_links(rows)
    lines = obo.places(problems.file, closing) if closing else {}
    for code, parent in sorted(closing, key=lambda link: lines.get(link, 0)):
        line = lines.get((code, parent), 0)
        problems.add(line, f"{code} is_a {parent} closes a cycle, link left out")
        base.execute(
            "DELETE FROM link WHERE source = ? AND relation = ? AND code = ? AND target = ?",
            (source, Relation.PARENT, code, parent),
        )
