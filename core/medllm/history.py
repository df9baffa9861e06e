"""What was asked and answered, in one SQLite file of the user's.

A question is saved before its answer starts, and the answer as it grows, so that
a kill -9 loses at most the last moment. Deleting purges (`secure_delete`).
"""

import json
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from medllm import paths
from medllm.errors import StorageError

State = Literal["open", "done", "stopped", "failed"]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS entry (
    id INTEGER PRIMARY KEY,
    asked_at REAL NOT NULL,
    question TEXT NOT NULL,
    text TEXT NOT NULL DEFAULT '',
    state TEXT NOT NULL DEFAULT 'open',
    answer TEXT
);
CREATE INDEX IF NOT EXISTS entry_time ON entry (asked_at);
"""
_APPLICATION_ID = 0x6D656471  # "medq"


@dataclass(frozen=True, slots=True)
class Entry:
    """One question with what came of it."""

    id: int
    asked_at: float
    """Seconds since the epoch."""
    question: str
    text: str
    """The answer, or as much of it as arrived."""
    state: State
    """`open` in a file that is at rest means that the program was killed."""
    answer: dict[str, Any] | None
    """The whole answer as `medtui ask --json` prints it."""


class History:
    """The user's history; safe to use from several threads."""

    def __init__(self, file: Path | None) -> None:
        """Opens or makes the history.

        Args:
            file: the SQLite file; None keeps the history in memory only.

        Raises:
            StorageError: the file is damaged or no history, or can't be written.
        """
        self.file = file
        self._lock = threading.Lock()
        if file is not None:
            paths.ensure_dir(file.parent)
        with _clear_errors(file):
            self._db = sqlite3.connect(
                file or ":memory:", check_same_thread=False, isolation_level=None, timeout=5
            )
            self._prepare()
        if file is not None:
            file.chmod(0o600)

    def _prepare(self) -> None:
        known = self._db.execute("PRAGMA application_id").fetchone()[0]
        tables = self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if tables and known != _APPLICATION_ID:
            raise sqlite3.DatabaseError("it belongs to another program")
        if self._db.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
            raise sqlite3.DatabaseError("its pages are damaged")
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.execute("PRAGMA secure_delete=ON")
        self._db.execute(f"PRAGMA application_id={_APPLICATION_ID}")
        self._db.executescript(_SCHEMA)

    def start(self, question: str) -> int:
        """Saves a question before it is answered; returns its id."""
        done = self._run(
            "INSERT INTO entry (asked_at, question) VALUES (?, ?)", time.time(), question
        )
        assert done.lastrowid is not None
        return done.lastrowid

    def grow(self, entry: int, text: str) -> None:
        """Saves what has arrived of the answer."""
        self._run("UPDATE entry SET text=? WHERE id=?", text, entry)

    def finish(
        self, entry: int, text: str, state: State, answer: dict[str, Any] | None = None
    ) -> None:
        """Saves the end of an answer."""
        packed = None if answer is None else json.dumps(answer, ensure_ascii=False)
        self._run(
            "UPDATE entry SET text=?, state=?, answer=? WHERE id=?", text, state, packed, entry
        )

    def latest(self, limit: int = 50, before: int | None = None) -> list[Entry]:
        """The newest entries, oldest of them first; `before` an id for older pages."""
        rows = self._run(
            "SELECT id, asked_at, question, text, state, answer FROM entry "
            "WHERE id < ? ORDER BY id DESC LIMIT ?",
            before if before is not None else 1 << 62,
            limit,
        ).fetchall()
        return [
            Entry(number, at, question, text, state, json.loads(answer) if answer else None)
            for number, at, question, text, state, answer in reversed(rows)
        ]

    def count(self) -> int:
        """How many entries there are."""
        return int(self._run("SELECT count(*) FROM entry").fetchone()[0])

    def delete(self, entry: int) -> None:
        """Removes one entry for good."""
        self._run("DELETE FROM entry WHERE id=?", entry)
        self._run("PRAGMA wal_checkpoint(TRUNCATE)")

    def clear(self) -> None:
        """Removes everything for good."""
        self._run("DELETE FROM entry")
        self._run("PRAGMA wal_checkpoint(TRUNCATE)")
        self._run("VACUUM")

    def close(self) -> None:
        """Closes the file."""
        with self._lock:
            self._db.close()

    def _run(self, statement: str, *values: object) -> sqlite3.Cursor:
        with self._lock, _clear_errors(self.file):
            return self._db.execute(statement, values)


@contextmanager
def _clear_errors(file: Path | None) -> Iterator[None]:
    """Turns SQLite's errors into one line that says what to do."""
    try:
        yield
    except (sqlite3.OperationalError, OSError) as error:
        raise StorageError(
            f"The history {file} can't be written: {error}.",
            "Make room or make it writable, set MEDLLM_HOME to another folder, "
            "or use --no-history.",
        ) from error
    except sqlite3.DatabaseError as error:
        raise StorageError(
            f"The history {file} can't be read: {error}. It was left as it is.",
            f"Move it away (mv {file} {file}.damaged) to begin a new one, or use --no-history.",
        ) from error
