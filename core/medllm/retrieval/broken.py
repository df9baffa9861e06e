"""Files that could not be read as what their ending says: told at every update, read once."""

import sqlite3

from medllm import __version__
from medllm.retrieval.folder import Listed


def roots(base: sqlite3.Connection) -> list[str]:
    """The folders with broken files; asked inside a transaction that writes."""
    _make_table(base)
    return [row[0] for row in base.execute("SELECT DISTINCT root FROM broken ORDER BY root")]


def _make_table(base: sqlite3.Connection) -> None:
    base.execute(
        "CREATE TABLE IF NOT EXISTS broken(root TEXT, path TEXT, size INTEGER, "
        "changed INTEGER, version TEXT, told TEXT, PRIMARY KEY(root, path)) WITHOUT ROWID"
    )


class Broken:
    """The broken files of one folder; used inside a transaction that writes."""

    def __init__(self, base: sqlite3.Connection, root: str) -> None:
        """Reads what is known of them; another version of the program tries them again."""
        self._base, self._root = base, root
        _make_table(base)
        rows = base.execute(
            "SELECT path, size, changed, told FROM broken WHERE root = ? AND version = ?",
            (root, __version__),
        )
        self._known = {Listed(*row[:3]): str(row[3]) for row in rows}
        self._now: dict[Listed, str] = {}

    def paths(self) -> set[str]:
        """All that are known, whichever version of the program found them."""
        rows = self._base.execute("SELECT path FROM broken WHERE root = ?", (self._root,))
        return {row[0] for row in rows}

    def told(self, file: Listed) -> str:
        """What was wrong with a file that is as it was then; "" where nothing is known."""
        if told := self._known.get(file, ""):
            self._now[file] = told
        return told

    def add(self, file: Listed, told: str) -> None:
        """Remembers what is wrong with a file."""
        self._now[file] = told

    def write(self) -> None:
        """Writes the files that were told or added; the others are forgotten."""
        self._base.execute("DELETE FROM broken WHERE root = ?", (self._root,))
        self._base.executemany(
            "INSERT INTO broken VALUES(?, ?, ?, ?, ?, ?)",
            (
                (self._root, file.path, file.size, file.changed, __version__, told)
                for file, told in self._now.items()
            ),
        )
