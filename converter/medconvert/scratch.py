"""Temporary files beside the output: locked while in use, removed when their process is gone."""

import fcntl
import glob
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def scratch(target: Path, purpose: str) -> Iterator[Path]:
    """An empty temporary file beside `target`, locked, and gone afterwards unless renamed.

    Raises:
        OSError: the folder can't be written.
    """
    file = target.with_name(f".{target.name}.{os.getpid()}.{purpose}")
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield file
    finally:
        # After a rename the name is no longer there, and the file stays.
        file.unlink(missing_ok=True)
        os.close(descriptor)


@contextmanager
def scratch_folder(target: Path, purpose: str) -> Iterator[Path]:
    """An empty temporary folder beside `target`, locked, and gone afterwards.

    Raises:
        OSError: the folder can't be written.
    """
    folder = target.with_name(f".{target.name}.{os.getpid()}.{purpose}")
    folder.mkdir()
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(descriptor)


def remove_stale(target: Path) -> list[Path]:
    """Removes what a killed conversion to `target` left; one that still runs keeps its lock."""
    stale = []
    for file in sorted(target.parent.glob(f".{glob.escape(target.name)}.[0-9]*.*")):
        with suppress(OSError):
            descriptor = os.open(file, os.O_RDONLY)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(file) if file.is_dir() else file.unlink()
                stale.append(file)
            finally:
                os.close(descriptor)
    return stale
