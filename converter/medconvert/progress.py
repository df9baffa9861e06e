"""Progress on stderr: a bar with bytes, rate and time left on a terminal, plain lines elsewhere."""

import sys
import time
from types import TracebackType
from typing import Any, TextIO

_TENTHS = 10


class ProgressView:
    """Shows what `medconvert.conversion.convert` reports."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._bar: Any = None
        self._tasks: dict[str, Any] = {}
        self._shown: dict[str, int] = {}
        self._started: dict[str, float] = {}

    def __enter__(self) -> "ProgressView":
        if self._stream.isatty():
            from rich.console import Console
            from rich.progress import (
                BarColumn,
                DownloadColumn,
                Progress,
                TextColumn,
                TimeRemainingColumn,
                TransferSpeedColumn,
            )

            self._bar = Progress(
                TextColumn("{task.description:<16}"),
                BarColumn(),
                DownloadColumn(),
                TransferSpeedColumn(),
                TimeRemainingColumn(),
                console=Console(file=self._stream),
            )
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar:
            self._bar.stop()

    def __call__(self, phase: str, done: int, total: int) -> None:
        """Shows `done` of `total` bytes of a phase; a total of 0 is a phase without a measure."""
        if self._bar:
            self._draw(phase, done, total)
        else:
            self._print(phase, done, total)

    def _draw(self, phase: str, done: int, total: int) -> None:
        if phase not in self._tasks:
            for task in self._tasks.values():
                size = self._bar.tasks[task].total or 1
                self._bar.update(task, total=size, completed=size)
            self._tasks[phase] = self._bar.add_task(phase, total=total or None)
        self._bar.update(self._tasks[phase], completed=done)

    def _print(self, phase: str, done: int, total: int) -> None:
        tenth = done * _TENTHS // total if total else 0
        if self._shown.get(phase) == tenth:
            return
        now = time.monotonic()
        since = self._started.setdefault(phase, now)
        self._shown[phase] = tenth
        line = phase
        if total:
            rate = done / (now - since) if now > since else 0.0
            line += f" {done / 1e6:.1f} of {total / 1e6:.1f} MB"
            line += f", {rate / 1e6:.0f} MB/s" if rate else ""
        print(line, file=self._stream, flush=True)
