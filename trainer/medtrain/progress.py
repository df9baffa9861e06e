"""What a person sees while training runs: a bar in a terminal, plain lines in a log."""

import sys
import time
from typing import Any

from transformers import TrainerCallback


def _left(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"


class ProgressView(TrainerCallback):  # type: ignore[misc]
    """Shows step, loss, accuracy and the time left."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.loss = self.accuracy = float("nan")
        self.first_step = 0
        self.started = time.monotonic()
        self.bar: Any = None
        self.task: Any = None

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Opens the bar, or writes the first line."""
        self.first_step, self.started = state.global_step, time.monotonic()
        if not sys.stderr.isatty():
            print(f"{self.title}: {state.max_steps} steps", file=sys.stderr, flush=True)
            return
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed:.0f}/{task.total:.0f}"),
            TextColumn("{task.fields[figures]}"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
        )
        self.task = self.bar.add_task(self.title, total=state.max_steps, figures="")
        self.bar.start()

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kw: Any) -> None:
        """Takes over the newest figures."""
        self.loss = float(logs.get("loss", self.loss))
        self.accuracy = float(logs.get("mean_token_accuracy", self.accuracy))
        if self.bar is None and "loss" in logs:
            done = state.global_step - self.first_step
            rate = done / max(time.monotonic() - self.started, 1e-9)
            print(
                f"{self.title}: step {state.global_step}/{state.max_steps} {self._figures()}, "
                f"{_left((state.max_steps - state.global_step) / max(rate, 1e-9))} left",
                file=sys.stderr,
                flush=True,
            )

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Moves the bar."""
        if self.bar is not None:
            self.bar.update(self.task, completed=state.global_step, figures=self._figures())

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Closes the bar."""
        if self.bar is not None:
            self.bar.stop()

    def _figures(self) -> str:
        return f"loss {self.loss:.3f}, accuracy {self.accuracy:.1%}"
