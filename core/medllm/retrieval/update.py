"""Brings the index in step with the cards and with a folder, in one transaction."""

import hashlib
import sqlite3
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from medllm import files
from medllm.errors import DataError, MedLLMError, UsageError
from medllm.reference import builtin_cards
from medllm.retrieval import store
from medllm.retrieval.broken import Broken
from medllm.retrieval.broken import roots as roots_of_broken
from medllm.retrieval.folder import Listed, walk
from medllm.retrieval.passages import cut
from medllm.retrieval.readers import read
from medllm.retrieval.writer import NewFile, NewPassage, Writer

CARDS = "built-in cards"
"""Root of the cards; no folder has this name, for those are absolute."""
Progress = Callable[[int, int, str], None]
"""Told how many files of how many are done, and the name of the next."""


@dataclass
class Report:
    """What an update did."""

    read: int = 0
    """Files that were new or changed."""
    unchanged: int = 0
    removed: int = 0
    """Files that are gone, and their passages with them."""
    passages: int = 0
    """Written for the files that were read."""
    problems: list[str] = field(default_factory=list)
    """What was skipped, each as `FILE, line 3: ...`; of a skipped file the old state stands."""
    passed: Counter[str] = field(default_factory=Counter)
    """Files of other kinds, by their endings."""


def add_cards(base: sqlite3.Connection) -> int:
    """Writes the built-in cards, a passage each, unless they are there; gives their number."""
    cards = builtin_cards()
    digest = hashlib.sha256(repr(cards).encode()).hexdigest()
    with store.writing(base):
        if store.meta(base, "cards") == digest:
            return len(cards)
        writer = Writer(base)
        rows = base.execute("SELECT id FROM file WHERE root = ?", (CARDS,)).fetchall()
        for (number,) in rows:
            writer.forget(number)
        for card in cards:
            passage = NewPassage(card.text, 0, len(card.text), card=card.id, names=card.names()[1:])
            writer.put(NewFile(CARDS, card.id, card.term, passages=[passage]))
        writer.flush()
        store.set_meta(base, "cards", digest)
    return len(cards)


def update(base: sqlite3.Connection, folder: Path, progress: Progress | None = None) -> Report:
    """Brings the index in step with a folder: what is new, changed or gone.

    A file whose size and time of change are as before is not read; one whose content is as
    before is not cut anew. A kill leaves the index as it was.

    Raises:
        UsageError: there is no such folder, or it is inside one that is indexed.
        StorageError: the index can't be written.
    """
    root = folder.expanduser().resolve()
    if not root.is_dir():
        raise UsageError(f"There is no folder {folder}.", "Name a folder with documents.")
    if not str(root).isprintable():
        raise UsageError(f"The name {str(root)!a} can't be written.", "Give the folder another.")
    work = _Update(base, root)
    with store.writing(base):
        _part(base, root)
        work.run(progress)
    base.execute("PRAGMA wal_checkpoint(PASSIVE)")
    return work.report


def remove(base: sqlite3.Connection, folder: Path) -> int:
    """Takes all files of a folder out of the index, broken ones too; gives their number.

    Raises:
        UsageError: the index has none of it.
    """
    root = str(folder.expanduser().resolve())
    with store.writing(base):
        rows = base.execute("SELECT id, path FROM file WHERE root = ?", (root,)).fetchall()
        broken = Broken(base, root)
        paths = {path for _, path in rows} | broken.paths()
        if not paths:
            raise UsageError(
                f"The index has nothing of {folder}.",
                f"It has: {', '.join(r for r in _roots(base) if r != CARDS) or 'no folder'}.",
            )
        writer = Writer(base)
        for number, _ in rows:
            writer.forget(number)
        writer.flush()
        broken.write()
    return len(paths)


def _roots(base: sqlite3.Connection) -> list[str]:
    """Whose files the index knows, those with nothing but broken ones included."""
    rows = base.execute("SELECT DISTINCT root FROM file").fetchall()
    return sorted({row[0] for row in rows} | set(roots_of_broken(base)))


def _part(base: sqlite3.Connection, root: Path) -> None:
    """Sees to it that no file is in the index by two folders; the outer one stands."""
    roots = _roots(base)
    for known in map(Path, roots):
        if known in root.parents:
            raise UsageError(f"{root} is inside {known}, which is indexed.", "Index that one.")
    writer = Writer(base)
    for inner in (known for known in roots if root in Path(known).parents):
        for (number,) in base.execute("SELECT id FROM file WHERE root = ?", (inner,)).fetchall():
            writer.forget(number)
        Broken(base, str(inner)).write()
    writer.flush()


class _Update:
    """One update of one folder."""

    def __init__(self, base: sqlite3.Connection, root: Path) -> None:
        self._base, self._root, self._closed = base, root, list[str]()
        self.report = Report()

    def run(self, progress: Progress | None) -> None:
        """Reads what is new, takes out what is gone."""
        writer, broken = Writer(self._base), Broken(self._base, str(self._root))
        rows = self._base.execute(
            "SELECT path, id, size, changed, sha256 FROM file WHERE root = ?", (str(self._root),)
        )
        known = {row[0]: row[1:] for row in rows}
        report, closed = self.report, self._closed
        listed = list(
            walk(
                self._root, report.problems.append, closed.append,
                lambda ending: report.passed.update([ending]),
            )
        )  # fmt: skip
        for done, file in enumerate(listed):
            if progress:
                progress(done, len(listed), file.path)
            had = known.pop(file.path, None)
            if had and had[1:3] == (file.size, file.changed):
                self.report.unchanged += 1
            elif told := broken.told(file):
                self._problem(file.path, told)
            else:
                self._take(writer, broken, file, had)
        for path, had in known.items():
            if not any(path.startswith(f"{closed}/" if closed else "") for closed in self._closed):
                writer.forget(had[0])
                self.report.removed += 1
        writer.flush()
        broken.write()
        if progress:
            progress(len(listed), len(listed), "")

    def _take(
        self,
        writer: Writer,
        broken: Broken,
        file: Listed,
        had: tuple[int, int, int, str] | None,
    ) -> None:
        """Reads one file that is new or may have changed."""
        place = self._root / file.path
        try:
            file.path.encode()
            digest = files.sha256(place)
            if had and digest == had[3]:
                self._base.execute(
                    "UPDATE file SET size = ?, changed = ? WHERE id = ?",
                    (file.size, file.changed, had[0]),
                )
                self.report.unchanged += 1
                return
            new, problems = _passages(self._root, file, digest)
            after = place.stat()
        except UnicodeEncodeError:
            self._problem(file.path.encode("utf-8", "replace").decode(), "its name is not UTF-8")
            return
        except FileNotFoundError:
            self._problem(file.path, "went away while the folder was read")
            if had:
                writer.forget(had[0])
                self.report.removed += 1
            return
        except OSError as error:
            self._problem(file.path, (error.strerror or str(error)).lower())
            return
        except MedLLMError as error:
            told = error.message.removeprefix(str(place)).lstrip(", :")
            told = f"{told} {error.hint}".strip()
            self._problem(file.path, told)
            if isinstance(error, DataError):
                broken.add(file, told)
            return
        if (after.st_size, after.st_mtime_ns) != (file.size, file.changed):
            self._problem(file.path, "changed while it was read; index the folder once more")
            return
        self.report.problems += [f"{file.path}, {problem}" for problem in problems]
        if not new.passages and not problems:
            self._problem(file.path, "has no text")
        writer.put(new)
        self.report.read += 1
        self.report.passages += len(new.passages)

    def _problem(self, path: str, what: str) -> None:
        self.report.problems.append(f"{path}: {what}")


def _passages(root: Path, file: Listed, digest: str) -> tuple[NewFile, list[str]]:
    extract = read(root / file.path)
    new = NewFile(str(root), file.path, extract.title, file.size, file.changed, digest)
    for span in cut(extract):
        new.passages.append(
            NewPassage(
                extract.text[span.start : span.end],
                span.start,
                span.end,
                span.section.page,
                span.section.headings,
            )
        )
    return new, extract.problems
