"""Tokens and time of a training over all its parts: one that was stopped counts on."""

import json
import time
from pathlib import Path
from typing import Any


def kept(trainer: Any, checkpoint: Path | None) -> Any:
    """A callback that writes both into each checkpoint, and counts on from this one.

    Args:
        trainer: TRL's, or one that counts its tokens in the same attribute.
        checkpoint: where the training goes on; None at its beginning.
    """
    from transformers import TrainerCallback
    from transformers.trainer_callback import ExportableState

    before = _read(checkpoint)
    trainer._total_train_tokens = before["tokens"]

    class Totals(TrainerCallback, ExportableState):  # type: ignore[misc]
        def __init__(self) -> None:
            self.began = time.monotonic()

        def state(self) -> dict[str, Any]:
            seconds = before["seconds"] + time.monotonic() - self.began
            now = {"tokens": trainer._total_train_tokens, "seconds": seconds}
            return {"args": {}, "attributes": now}

        def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            self.began = time.monotonic()

        def on_log(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            line = state.log_history[-1]
            if "train_runtime" in line:
                line["train_runtime"] += before["seconds"]

    return Totals()


def _read(checkpoint: Path | None) -> dict[str, Any]:
    """What a checkpoint has counted; nothing where there is none, or it is of before."""
    if checkpoint is not None:
        content = json.loads((checkpoint / "trainer_state.json").read_text(encoding="utf-8"))
        callbacks = content.get("stateful_callbacks") or {}
        if "Totals" in callbacks:
            return dict(callbacks["Totals"]["attributes"])
    return {"tokens": 0, "seconds": 0.0}
