"""Adapters that started from a part of the base: PiSSA and OLoRA.

Before training they take a product s·B0·A0 out of the base, PiSSA its largest singular
parts (arXiv:2404.02948), OLoRA the first columns and rows of its QR decomposition
(arXiv:2406.01775), and train B and A from there. What they leave behind belongs to
W - s·B0·A0 and not to the base on disk; merging it there would be silently wrong. So the
start is computed again, as PEFT does when it loads such an adapter, and
W + s·(B·A - B0·A0) is merged.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from medllm.errors import ConversionError, UsageError

from medconvert.checkpoint import Floats, Tensor
from medconvert.update import Update

Start = Literal["pissa", "olora"]
STARTS: tuple[Start, ...] = ("pissa", "olora")


def start_of(folder: Path, config: Mapping[str, Any], match_peft: bool) -> Start | None:
    """How the training began; None where it left the base as it was.

    Raises:
        ConversionError: with DoRA, which PEFT does not combine with it.
        UsageError: identical bytes are asked for.
    """
    start = config.get("init_lora_weights")
    if start not in STARTS:
        return None
    if config.get("use_dora"):
        raise ConversionError(
            f"The adapter {folder} was trained with DoRA and init_lora_weights={start!r}, "
            "which can't be merged faithfully.",
            "Merge it with PEFT and convert the merged model.",
        )
    if match_peft:
        raise UsageError(
            f"--match-peft can't promise identical bytes for a {start} adapter.",
            "Leave the option out; the weights are the same up to rounding.",
        )
    return "pissa" if start == "pissa" else "olora"


@dataclass(frozen=True, slots=True)
class Restarted(Update):
    """An update whose start is taken out of the base."""

    tensor: Tensor
    """The base's matrix."""
    start: Start
    _made: list[tuple[Floats, Floats]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def of(cls, update: Update, tensor: Tensor, start: Start) -> "Restarted":
        """The update of a trained A and B."""
        return cls(update.a, update.b, update.scale, update.magnitude, tensor, start)

    def factors(self) -> tuple[Floats, Floats]:
        """A and A0 one above the other, B and -B0 side by side. Computed at first use."""
        with self._lock:
            if not self._made:
                a0, b0 = self._beginning()
                self._made.append((np.concatenate([self.a, a0]), np.hstack([self.b, -b0])))
        return self._made[0]

    def _beginning(self) -> tuple[Floats, Floats]:
        """A0 (r, columns) and B0 (rows, r)."""
        import torch

        rank = len(self.a)
        weights = torch.from_numpy(self.tensor.read(0, self.tensor.rows))
        if self.start == "olora":
            q, r = torch.linalg.qr(weights)
            return r[:rank].numpy(), q[:, :rank].numpy()
        u, sizes, v = torch.linalg.svd(weights, full_matrices=False)
        roots = (sizes[:rank] / self.scale).sqrt()
        return (roots[:, None] * v[:rank]).numpy(), (u[:, :rank] * roots).numpy()
