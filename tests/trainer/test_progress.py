"""Figures of a training as they are shown: plain lines in a log, a live view in a terminal."""

from types import SimpleNamespace
from typing import Any

import pytest
from medtrain import progress
from medtrain.progress import Figures, ProgressView, sparks
from rich.console import Console


def state(step: int, steps: int = 8) -> Any:
    return SimpleNamespace(global_step=step, max_steps=steps)


def test_a_log_gets_a_line_with_every_figure(capsys: pytest.CaptureFixture[str]) -> None:
    view = ProgressView("tuning")
    view.on_train_begin(None, state(0), None)
    logs = {"loss": 1.5, "mean_token_accuracy": 0.25, "num_tokens": 1000}
    view.on_log(None, state(2), None, logs=logs)
    view.on_log(None, state(4), None, logs={"eval_loss": 1.25, "eval_mean_token_accuracy": 0.5})
    view.on_train_end(None, state(8), None)
    first, second, third = capsys.readouterr().err.splitlines()
    assert first == "tuning: 8 steps"
    for part in ("step 2/8", "loss 1.500", "accuracy 25.0%", "tokens/s", " GB", " left"):
        assert part in second
    assert third == "tuning: step 4, validation loss 1.250, accuracy 50.0%"


def test_a_terminal_gets_one_view_with_the_curve(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    view = ProgressView("tuning")
    view.on_train_begin(None, state(0), None)
    for step, loss in enumerate((3.0, 2.0, 1.0), 1):
        view.on_log(None, state(step), None, logs={"loss": loss, "num_tokens": step * 100})
        view.on_step_end(None, state(step), None)
    console = Console(width=80, force_terminal=False)
    with console.capture() as shown:
        console.print(view._view())
    view.on_train_end(None, state(8), None)
    assert view.live is None
    assert "tuning" in shown.get() and "3/8" in shown.get()
    assert "loss 1.000" in shown.get() and "█▅▁" in shown.get()


def test_tokens_of_before_a_stop_are_not_counted_into_the_speed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    figures = Figures()
    figures.begin(50, 100)
    now[0] = 101
    figures.take({"loss": 1.0, "num_tokens": 9_000_000}, 51)
    assert figures.rate == 0
    now[0] = 103
    figures.take({"loss": 1.0, "num_tokens": 9_001_000}, 53)
    assert figures.rate == 500
    assert figures.seconds_left() == 47


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ([], ""),
        ([2.0], "▁"),
        ([1.0, float("nan"), 8.0], "▁█"),
        ([float(i) for i in range(8)], "▁▂▃▄▅▆▇█"),
    ],
)
def test_a_curve_of_blocks(values: list[float], wanted: str) -> None:
    assert sparks(values) == wanted


def test_a_long_curve_is_drawn_in_its_width() -> None:
    assert len(sparks([float(i) for i in range(1000)])) == 32
