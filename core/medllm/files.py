"""Writing so that a crash leaves the old file or the new one, never half of it; and hashes."""

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from medllm.errors import StorageError


@contextmanager
def atomic(target: Path) -> Iterator[Path]:
    """Gives a temporary path beside `target`; on success it is synced and takes its place.

    Raises:
        StorageError: the folder can't be written, or the disk is full.
    """
    temporary = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        yield temporary
        with open(temporary, "rb") as written:
            os.fsync(written.fileno())
        temporary.replace(target)
    except OSError as error:
        raise StorageError(
            f"{target} can't be written: {error.strerror or error}.",
            "Free some space or choose another folder.",
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def write_text(target: Path, text: str) -> None:
    """Writes `text` as UTF-8, atomically."""
    with atomic(target) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(target: Path, content: Any) -> None:
    """Writes `content` as indented JSON, atomically."""
    write_text(target, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def sha256(file: Path, progress: Callable[[float], None] | None = None) -> str:
    """SHA-256 of a file, in hexadecimal, read in pieces of 1 MiB."""
    digest, size, read = hashlib.sha256(), max(1, file.stat().st_size), 0
    with open(file, "rb") as stream:
        while piece := stream.read(1 << 20):
            digest.update(piece)
            read += len(piece)
            if progress:
                progress(read / size)
    return digest.hexdigest()
