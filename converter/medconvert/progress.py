"""Progress on stderr: a bar with bytes, rate and time left on a terminal, plain lines elsewhere."""

import sys
import time
from types import TracebackType
from typing import Any, TextIO

_TENTHS = 10
BYTES = frozenset({"Quantizing", "Hashing", "Uploading", "Pushing"})
"""The phases that are counted in bytes; others are counted in steps."""


class ProgressView:
    """Shows what `medconvert.conversion.convert` and `medconvert.publish.run` report."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._bar: Any = None
        self._tasks: dict[str, Any] = {}
        self._shown: dict[str, int] = {}
        self._started: dict[str, float] = {}

    def __enter__(self) -> "ProgressView":
        if self._stream.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

            self._bar = Progress(
                TextColumn("{task.description:<22}"),
                BarColumn(),
                TextColumn("{task.fields[amount]}"),
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
        """Shows `done` of `total` of a phase; a total of 0 is a phase without a measure."""
        self._started.setdefault(phase, time.monotonic())
        if self._bar:
            self._draw(phase, done, total)
        else:
            self._print(phase, done, total)

    def _draw(self, phase: str, done: int, total: int) -> None:
        if phase not in self._tasks:
            for task in self._tasks.values():
                size = self._bar.tasks[task].total or 1
                self._bar.update(task, total=size, completed=size)
            self._tasks[phase] = self._bar.add_task(phase, total=total or None, amount="")
        amount = self._amount(phase, done, total)
        self._bar.update(self._tasks[phase], completed=done, amount=amount)

    def _print(self, phase: str, done: int, total: int) -> None:
        tenth = done * _TENTHS // total if total else 0
        if self._shown.get(phase) == tenth:
            return
        self._shown[phase] = tenth
        print(f"{phase} {self._amount(phase, done, total)}".rstrip(), file=self._stream, flush=True)

    def _amount(self, phase: str, done: int, total: int) -> str:
        if not total:
            return ""
        if phase not in BYTES:
            return f"{done} of {total}"
        said = f"{done / 1e6:.1f} of {total / 1e6:.1f} MB"
        since = time.monotonic() - self._started[phase]
        if since > 0 and done:
            said += f", {done / since / 1e6:.0f} MB/s"
            # On a terminal a column of its own tells the time left.
            if not self._bar and done < total:
                said += f", {(total - done) * since / done:.0f} s left"
        return said
