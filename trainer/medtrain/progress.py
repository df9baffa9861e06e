"""What a person sees while training runs: a live view in a terminal, plain lines in a log."""

import math
import sys
import time
from typing import Any

from transformers import TrainerCallback

_SPARKS = "▁▂▃▄▅▆▇█"
_WIDTH = 32
"""Points of the small curve."""


class ProgressView(TrainerCallback):  # type: ignore[misc]
    """Shows step, loss, accuracy, tokens a second, memory and the time left."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.figures = Figures()
        self.bar: Any = None
        self.live: Any = None
        self.task: Any = None

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Opens the view, or writes the first line."""
        self.figures.begin(state.global_step, state.max_steps)
        if not sys.stderr.isatty():
            print(f"{self.title}: {state.max_steps} steps", file=sys.stderr, flush=True)
            return
        from rich.console import Console
        from rich.live import Live
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(None),
            TextColumn("{task.completed:.0f}/{task.total:.0f}"),
            TimeRemainingColumn(),
            expand=True,
        )
        self.task = self.bar.add_task(self.title, total=state.max_steps)
        self.live = Live(self._view(), console=Console(stderr=True), refresh_per_second=4)
        self.live.start()

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kw: Any) -> None:
        """Takes over the newest figures."""
        self.figures.take(logs, state.global_step)
        if self.live is None and "loss" in logs:
            line = f"{self.title}: {self.figures.line()}"
            print(line, file=sys.stderr, flush=True)
        elif self.live is None and "eval_loss" in logs:
            line = f"{self.title}: step {state.global_step}, {self.figures.validated()}"
            print(line, file=sys.stderr, flush=True)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Moves the bar."""
        self.figures.step = state.global_step
        if self.live is not None:
            self.bar.update(self.task, completed=state.global_step)
            self.live.update(self._view())

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Closes the view."""
        self.close()

    def close(self) -> None:
        """Leaves the terminal as it was, with the last view in it."""
        if self.live is not None:
            self.live.stop()
            self.live = None

    def _view(self) -> Any:
        from rich.console import Group
        from rich.text import Text

        figures = self.figures
        rows = [Text(figures.told(), overflow="ellipsis", no_wrap=True)]
        if validated := figures.validated():
            rows.append(Text(validated, overflow="ellipsis", no_wrap=True))
        if len(figures.losses) > 1:
            rows.append(Text(f"loss {sparks(figures.losses)}", "cyan", no_wrap=True))
        return Group(self.bar, *rows)


class Figures:
    """The newest figures of a training, and what follows from them."""

    def __init__(self) -> None:
        self.loss = self.accuracy = self.eval_loss = self.eval_accuracy = float("nan")
        self.losses: list[float] = []
        self.step = self.steps = self.first_step = 0
        self.started = time.monotonic()
        self.rate = 0.0
        self._counted: tuple[float, float] | None = None

    def begin(self, step: int, steps: int) -> None:
        """Training begins, or goes on at `step`."""
        self.step = self.first_step = step
        self.steps, self.started = steps, time.monotonic()
        # Of a training that goes on it is not known how many tokens were counted before.
        self._counted = None if step else (self.started, 0.0)

    def take(self, logs: dict[str, Any], step: int) -> None:
        """Takes over a line of the trainer's log."""
        self.step = step
        self.loss = float(logs.get("loss", self.loss))
        self.accuracy = float(logs.get("mean_token_accuracy", self.accuracy))
        self.eval_loss = float(logs.get("eval_loss", self.eval_loss))
        self.eval_accuracy = float(logs.get("eval_mean_token_accuracy", self.eval_accuracy))
        if "loss" not in logs:
            return
        self.losses.append(self.loss)
        now, tokens = time.monotonic(), float(logs.get("num_tokens", 0.0))
        if self._counted is None:
            self._counted = (now, tokens)
        else:
            since, before = self._counted
            self.rate = (tokens - before) / max(now - since, 1e-9)

    def seconds_left(self) -> float:
        """From the speed since training began."""
        done = max(self.step - self.first_step, 0)
        rate = done / max(time.monotonic() - self.started, 1e-9)
        return (self.steps - self.step) / rate if rate else float("inf")

    def line(self) -> str:
        """All of it in one line of a log."""
        return f"step {self.step}/{self.steps} {self.told()}, {_clock(self.seconds_left())} left"

    def told(self) -> str:
        """Loss, accuracy, speed and memory."""
        words = []
        if not math.isnan(self.loss):
            words = [f"loss {self.loss:.3f}", f"accuracy {self.accuracy:.1%}"]
        if self.rate:
            words.append(f"{self.rate:,.0f} tokens/s")
        return ", ".join([*words, f"{memory_used() / 1e9:.1f} GB"])

    def validated(self) -> str:
        """The newest validation; empty before the first."""
        if math.isnan(self.eval_loss):
            return ""
        return f"validation loss {self.eval_loss:.3f}, accuracy {self.eval_accuracy:.1%}"


def memory_used() -> int:
    """Bytes that training holds: of the GPU where there is one, else of this process."""
    import psutil
    import torch

    if torch.cuda.is_available():
        return int(torch.cuda.memory_reserved())
    return int(psutil.Process().memory_info().rss)


def sparks(values: list[float]) -> str:
    """A curve of small blocks, the lowest value lowest; values that are no numbers are left out."""
    kept = [value for value in values if not math.isnan(value)]
    if len(kept) > _WIDTH:
        size = len(kept) / _WIDTH
        parts = [kept[int(i * size) : int((i + 1) * size)] for i in range(_WIDTH)]
        kept = [sum(part) / len(part) for part in parts]
    if not kept:
        return ""
    low, span = min(kept), max(kept) - min(kept)
    top = len(_SPARKS) - 1
    return "".join(_SPARKS[round((value - low) / span * top) if span else 0] for value in kept)


def _clock(seconds: float) -> str:
    if seconds == float("inf"):
        return "?"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
