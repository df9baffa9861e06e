"""What a person sees while examples are prepared: a line that changes, or lines in a log."""

import sys
import time
from types import TracebackType
from typing import Any

_EVERY = 10.0
"""Seconds between two lines of a log."""


class Progress:
    """Shows the stage and how far it is."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._status: Any = None
        self._stage, self._told = "", time.monotonic()

    def __enter__(self) -> "Progress":
        if sys.stderr.isatty():
            from rich.console import Console

            self._status = Console(stderr=True).status(self._title)
            self._status.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._status is not None:
            self._status.stop()

    def show(self, stage: str, count: int, unit: str) -> None:
        """Tells how far a stage is."""
        line = f"{self._title}: {stage}, {count:,} {unit}"
        if self._status is not None:
            self._status.update(line)
        elif stage != self._stage or time.monotonic() - self._told > _EVERY:
            print(line, file=sys.stderr, flush=True)
            self._stage, self._told = stage, time.monotonic()
