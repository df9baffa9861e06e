"""The SQLite file of the index: its tables, and how it is opened for reading and for writing.

It is kept in WAL mode: a change is one transaction, so that a reader in another process sees
the old index till the new one is whole, and a change that is killed never was.
"""

import shlex
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from medllm import paths, sqlite_faults
from medllm.errors import StorageError

VERSION = "2"
"""Of the tables, the stems and the passages; an index of another version is made anew."""
SCHEMA = """
CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
CREATE TABLE file(id INTEGER PRIMARY KEY, root TEXT, path TEXT, title TEXT, size INTEGER,
                  changed INTEGER, sha256 TEXT, first INTEGER, last INTEGER, UNIQUE(root, path));
CREATE TABLE passage(id INTEGER PRIMARY KEY, file INTEGER, start INTEGER, end INTEGER,
                     page INTEGER, card TEXT, headings TEXT, names TEXT, text TEXT);
CREATE TABLE name(form TEXT, bag INTEGER, initials TEXT, first INTEGER, last INTEGER,
                  file INTEGER);
CREATE INDEX name_form ON name(form);
CREATE INDEX name_bag ON name(bag);
CREATE INDEX name_initials ON name(initials) WHERE initials IS NOT NULL;
CREATE INDEX name_file ON name(file);
CREATE TABLE frequency(word TEXT PRIMARY KEY, passages INTEGER) WITHOUT ROWID;
CREATE VIRTUAL TABLE word USING fts5(title, headings, text, content='', tokenize='unicode61');
CREATE TABLE vector(passage INTEGER PRIMARY KEY, scale REAL, numbers BLOB);
CREATE TABLE sign(passage INTEGER PRIMARY KEY, bits BLOB);
"""
BUSY_SECONDS = 10
"""How long a writer waits for another one."""


def open_base(file: Path | None) -> sqlite3.Connection:
    """Opens the index, by default the user's; makes it where there is none.

    Raises:
        StorageError: it can't be opened, or is no index of this version.
    """
    target = file or paths.documents_file()
    paths.ensure_dir(target.parent)
    try:
        base = sqlite3.connect(
            target, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        base.execute("PRAGMA journal_mode = WAL")
        base.execute("PRAGMA synchronous = NORMAL")
        base.execute("PRAGMA cache_size = -65536")
        base.execute("PRAGMA mmap_size = 2147418112")
        if not base.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone():
            _make(base)
            target.chmod(0o600)
        version = meta(base, "version")
    except (sqlite3.Error, OSError) as error:
        what = f"{target} is no index that can be read"
        raise sqlite_faults.fault(what, error, _anew(target)) from error
    if version != VERSION:
        base.close()
        raise StorageError(f"The index {target} is of another version.", _anew(target))
    return base


def _anew(file: str | Path) -> str:
    return f"Remove it, then index your folders again: rm {shlex.quote(str(file))}*"


def _fault(base: sqlite3.Connection, what: str, error: sqlite3.Error) -> StorageError:
    try:
        file = base.execute("PRAGMA database_list").fetchone()[2]
    except sqlite3.Error:  # it is closed
        file = paths.documents_file()
    return sqlite_faults.fault(what, error, _anew(file))


def size(base: sqlite3.Connection) -> int:
    """Number of passages; the table itself would have to be read from end to end."""
    row = base.execute("SELECT coalesce(sum(last - first + 1), 0) FROM file").fetchone()
    return int(row[0])


def meta(base: sqlite3.Connection, key: str) -> str:
    """A value of the table `meta`, "" where there is none."""
    row = base.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
    return str(row[0]) if row else ""


def set_meta(base: sqlite3.Connection, key: str, value: str) -> None:
    """Writes a value of the table `meta`."""
    base.execute("INSERT OR REPLACE INTO meta VALUES(?, ?)", (key, value))


@contextmanager
def reading(base: sqlite3.Connection) -> Iterator[None]:
    """One state of the index for all that is read inside."""
    try:
        if base.in_transaction:
            yield
            return
        base.execute("BEGIN")
        try:
            yield
        finally:
            base.execute("COMMIT")
    except sqlite3.Error as error:
        raise _fault(base, "The index can't be read", error) from error


@contextmanager
def writing(base: sqlite3.Connection, counter: str = "state") -> Iterator[None]:
    """One transaction: all that is written inside, or nothing.

    Args:
        base: the index.
        counter: the key of `meta` that is raised, so that readers know what changed.

    Raises:
        StorageError: another process writes, the disk is full, or the file is read-only.
    """
    try:
        base.execute("BEGIN IMMEDIATE")
        try:
            yield
            set_meta(base, counter, str(int(meta(base, counter) or 0) + 1))
            base.execute("COMMIT")
        finally:
            if base.in_transaction:
                base.execute("ROLLBACK")
    except sqlite3.Error as error:
        raise _fault(base, "The index can't be written", error) from error


def _make(base: sqlite3.Connection) -> None:
    base.execute("BEGIN IMMEDIATE")
    if not base.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone():
        for statement in SCHEMA.split(";"):
            base.execute(statement)
        set_meta(base, "version", VERSION)
    base.execute("COMMIT")
