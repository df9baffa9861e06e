"""What a conversion will take: memory, disk and time, said and checked before it begins."""

import math
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from medllm.errors import StorageError

from medconvert.onepass import PIECE, pieces_of
from medconvert.plan import Plan
from medconvert.quants import Quant

_PROGRAM = 400 << 20  # Python with torch, numpy and llama.cpp's library loaded
_COPIES = 4  # of a piece in float32: read, merged, product, rounded
# Numbers a second and core, about; only for an estimate. The iq types search tables.
_RATES = {"plain": 150e6, "simple": 120e6, "k": 40e6, "iq": 2e6}


@dataclass(frozen=True, slots=True)
class Estimate:
    """Before the first byte."""

    bytes_read: int
    sizes: dict[str, int]
    """Bytes of each output, by its quantization."""
    memory: int
    """Peak of anonymous memory in bytes; the base is mapped and does not count."""
    seconds: float
    """Of the pass, without the checks."""

    def need_room(self, folder: Path) -> None:
        """Raises StorageError where the disk would run full."""
        free, needed = shutil.disk_usage(folder).free, sum(self.sizes.values())
        if free < needed:
            raise StorageError(
                f"{folder} has {free / 1e6:.0f} MB free, the output takes {needed / 1e6:.0f} MB.",
                "Free some space or choose another folder with --out.",
            )

    def need_memory(self) -> None:
        """Raises StorageError where the pass would not fit."""
        import psutil

        free = psutil.virtual_memory().available
        if free < self.memory:
            raise StorageError(
                f"About {self.memory / 1e6:.0f} MB of memory are needed, {free / 1e6:.0f} MB "
                "are free.",
                "Close other programs, or take fewer threads with --threads 1.",
            )


def estimate(plan: Plan, sizes: Mapping[Quant, int]) -> Estimate:
    """What `plan` takes.

    Args:
        plan: the conversion.
        sizes: bytes of each output's file.
    """
    threads = plan.options.threads or os.cpu_count() or 1
    widest = max((_piece(task.tensor.rows, task.tensor.columns) for task in plan.tasks), default=0)
    adapters = sum(
        4 * (task.update.a.size + task.update.b.size) for task in plan.tasks if task.update
    )
    whole = 0
    if plan.options.four_bit:
        # The rounded matrices are held whole, two at a time.
        whole = 2 * 4 * max(math.prod(task.tensor.shape) for task in plan.tasks)
    work = sum(plan.parameters / _RATES[_speed(quant)] for quant in sizes)
    return Estimate(
        bytes_read=plan.bytes_read,
        sizes={quant.name: size for quant, size in sizes.items()},
        memory=_PROGRAM + threads * widest * 4 * (_COPIES + len(sizes)) + adapters + whole,
        seconds=round(work / threads, 1),
    )


def _piece(rows: int, columns: int) -> int:
    """Numbers in the largest piece of a matrix."""
    return max((count for _start, count in pieces_of(rows, columns)), default=0) * columns or PIECE


def _speed(quant: Quant) -> str:
    if quant.plain is not None:
        return "plain"
    if quant.name.startswith("iq") and quant.name not in ("iq4_nl", "iq4_xs"):
        return "iq"
    return "k" if "_k" in quant.name else "simple"
