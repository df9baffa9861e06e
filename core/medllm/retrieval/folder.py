"""The files of a folder: links are followed once, what can't be entered is told."""

import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from medllm.retrieval.readers import KINDS


@dataclass(frozen=True, slots=True)
class Listed:
    """A file that can be read by its ending."""

    path: str
    """Relative to the folder."""
    size: int
    changed: int
    """Time of the last change, in nanoseconds."""


def walk(
    root: Path,
    problem: Callable[[str], None],
    closed: Callable[[str], None],
    passed: Callable[[str], None],
) -> Iterator[Listed]:
    """The files below `root`, in the order of their names; hidden ones are left out.

    Args:
        root: the folder.
        problem: told of each link that leads nowhere or back, in one line.
        closed: told of each folder that can't be read, relative to `root`.
        passed: told the ending of each file that is of no kind that can be read.
    """
    seen: set[tuple[int, int]] = set()
    folders = [""]
    while folders:
        inside = folders.pop()
        try:
            mark = (root / inside).stat()
            if (mark.st_dev, mark.st_ino) in seen:
                problem(f"{_shown(inside)}: leads to a folder that was read already")
                continue
            seen.add((mark.st_dev, mark.st_ino))
            entries = sorted(os.scandir(root / inside), key=lambda entry: entry.name)
        except OSError as error:
            problem(f"{_shown(inside) or root}: {_reason(error)}")
            closed(inside)
            continue
        deeper = []
        for entry in entries:
            if entry.name.startswith("."):
                continue
            path = f"{inside}/{entry.name}" if inside else entry.name
            try:
                known = entry.stat()
            except OSError as error:
                problem(f"{_shown(path)}: {_reason(error)}")
                continue
            if stat.S_ISDIR(known.st_mode):
                deeper.append(path)
            elif stat.S_ISREG(known.st_mode):
                ending = Path(path).suffix.lower()
                if ending in KINDS:
                    yield Listed(path, known.st_size, known.st_mtime_ns)
                else:
                    passed(_shown(ending))
        folders += reversed(deeper)


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()


def _shown(path: str) -> str:
    return path.encode("utf-8", "replace").decode()
