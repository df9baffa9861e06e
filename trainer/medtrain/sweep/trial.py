"""One trial of a sweep: a training in a process of its own, watched and ended early.

In a process of its own, since a crash or a lack of memory then ends the trial and not the
sweep, and since all memory of the device is free again afterwards. The process ends with its
parent, so that a sweep that was killed and begun again never trains twice in one folder.
"""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from medllm import command, files, paths
from medllm.errors import InterruptedRunError

from medtrain.settings import TuningRecipe

_RECIPE, _SAID = "recipe.json", "output.txt"
_EVERY = 0.2
"""Seconds between two looks."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a trial ended."""

    state: Literal["complete", "pruned", "failed"]
    loss: float = float("nan")
    """The best validation loss, whose weights were kept."""
    validations: int = 0
    told: str = ""
    """Of a failure: what went wrong."""


def train(
    recipe: TuningRecipe, folder: Path, data: Path, hopeless: Callable[[int, float], bool]
) -> Outcome:
    """Trains in a process of its own; one that was stopped goes on from its checkpoint.

    Args:
        recipe: with the settings of the trial.
        folder: of the run.
        data: what it trains on.
        hopeless: told number and loss of each validation; whether to end the trial.

    Raises:
        InterruptedRunError: Ctrl-C; the trial's checkpoint is kept.
    """
    paths.ensure_dir(folder)
    files.write_json(folder / _RECIPE, recipe.model_dump(mode="json"))
    words = [sys.executable, "-m", "medtrain.sweep.trial", str(folder), str(data)]
    with open(folder / _SAID, "ab") as said:
        child = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=said, stderr=said)
        try:
            if _watch(child, folder, hopeless):
                return Outcome("pruned", validations=len(losses_so_far(folder)))
        except KeyboardInterrupt as error:
            # Ctrl-C has reached the trial as well, which writes its checkpoint.
            child.wait()
            raise InterruptedRunError(
                "Stopped; trials and checkpoint are kept.", "The same command goes on."
            ) from error
        finally:
            if child.poll() is None:
                child.kill()
            child.wait()
            assert child.stdin is not None
            child.stdin.close()
    if child.returncode == command.INTERRUPTED:
        raise InterruptedRunError("Stopped; trials are kept.", "The same command goes on.")
    if child.returncode:
        return Outcome("failed", told=_last_line(folder / _SAID, child.returncode))
    losses = _losses(_finished_log(folder))
    return Outcome("complete", min(losses), len(losses))


def losses_so_far(folder: Path) -> list[float]:
    """The validation losses up to the newest checkpoint."""
    states = folder.glob("work/checkpoint-*/trainer_state.json")
    newest = max(states, key=lambda file: int(file.parent.name.split("-")[1]), default=None)
    try:
        return _losses(json.loads(newest.read_text("utf-8"))["log_history"]) if newest else []
    except (OSError, ValueError):
        return []  # it is being written, or was removed for a newer one


def _watch(
    child: "subprocess.Popen[bytes]", folder: Path, hopeless: Callable[[int, float], bool]
) -> bool:
    """Waits for the end; whether the trial was ended early."""
    seen = 0
    while child.poll() is None:
        losses = losses_so_far(folder)
        for number, loss in enumerate(losses[seen:], seen + 1):
            if hopeless(number, loss):
                return True
        seen = max(seen, len(losses))
        time.sleep(_EVERY)
    return False


def _finished_log(folder: Path) -> list[dict[str, Any]]:
    from medtrain import pretrain

    made = next(name for name in ("adapter", "model") if (folder / name).is_dir())
    return pretrain.read_log(folder / made)


def _losses(log: list[dict[str, Any]]) -> list[float]:
    return [float(line["eval_loss"]) for line in log if "eval_loss" in line]


def _last_line(said: Path, code: int) -> str:
    """What the trial said last, or how it was ended."""
    if code < 0:
        return f"it was killed by signal {-code}"
    lines = said.read_text("utf-8", errors="replace").strip().splitlines()
    return lines[-1].removeprefix("error: ") if lines else f"it ended with {code}"


def _end_with_parent() -> None:
    """The parent never writes into the pipe; that it closes is that the parent is gone."""
    os.read(sys.stdin.fileno(), 1)
    os._exit(1)


def main() -> None:
    """Trains the recipe of a trial's folder."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    folder, data = Path(sys.argv[1]), Path(sys.argv[2])
    recipe = TuningRecipe.model_validate_json((folder / _RECIPE).read_text("utf-8"))
    from medtrain import network
    from medtrain import run as runs

    network.close_unless_needed(recipe, data)
    runs.run(recipe, folder, data)


if __name__ == "__main__":
    command.run(main)
