"""Answers that were given, one JSON object a line: what a run that was killed goes on from."""

import json
import os
import threading
from dataclasses import asdict
from pathlib import Path
from typing import Any

from medllm.closing import Closing
from medllm.errors import StorageError

from medeval.sample import Answer

NAME = "answers.jsonl"


class AnswerStore(Closing):
    """Answers by key, appended to a file as they come. Use as a context manager.

    A line is written by one call, so that a kill leaves whole lines and at most one
    that is torn, which is cut off when the file is opened again.

    Raises:
        StorageError: the file can't be read or written, or is in use by another run.
    """

    def __init__(self, folder: Path) -> None:
        self._file = folder / NAME
        self._lock = threading.Lock()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
            self._claim()
            self._answers = self._read()
        except OSError as error:
            raise self._unusable(error) from error

    def close(self) -> None:
        """Lets another process use it."""
        os.close(self._descriptor)

    def __len__(self) -> int:
        return len(self._answers)

    def get(self, key: str) -> Answer | None:
        """The answer of that key, if it was given."""
        return self._answers.get(key)

    def add(self, key: str, answer: Answer) -> None:
        """Keeps an answer; it is in the file when this returns."""
        found: dict[str, Any] = {"key": key, **asdict(answer)}
        del found["others"]  # each has a line of its own
        line = json.dumps(found, ensure_ascii=False) + "\n"
        with self._lock:
            self._answers[key] = answer
            data = memoryview(line.encode("utf-8", "replace"))
            try:
                while data:
                    data = data[os.write(self._descriptor, data) :]
            except OSError as error:
                raise self._unusable(error) from error

    def _claim(self) -> None:
        """Keeps a second run out of the folder; the claim ends with the process."""
        try:
            import fcntl
        except ImportError:  # not on Windows
            return
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StorageError(
                f"Another run is writing to {self._file.parent}.",
                "Wait for it, or name another folder with --out.",
            ) from error

    def _read(self) -> dict[str, Answer]:
        data = self._file.read_bytes()
        whole = data.rfind(b"\n") + 1
        if whole < len(data):
            os.truncate(self._descriptor, whole)
        answers = {}
        for number, line in enumerate(data[:whole].splitlines(), 1):
            try:
                found = json.loads(line)
                key = found.pop("key")
                answers[key] = Answer(**{**found, "scores": tuple(found["scores"])})
            except (ValueError, KeyError, TypeError) as error:
                raise StorageError(
                    f"{self._file}, line {number}: no answer of a run.",
                    "Remove the line, or name another folder with --out.",
                ) from error
        return answers

    def _unusable(self, error: OSError) -> StorageError:
        return StorageError(
            f"{self._file} can't be used: {error.strerror or error}.",
            "Free some space or choose another folder.",
        )
