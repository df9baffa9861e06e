"""The pass: every tensor read, merged, quantized and written in pieces, by several threads.

Nothing is held but the pieces under way, and nothing is written but the GGUF.
"""

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from medllm.errors import ConversionError

from medconvert import ggml
from medconvert.adapter import Update
from medconvert.checkpoint import Floats, Tensor
from medconvert.families.family import Place
from medconvert.layout import Layout

PIECE = 1 << 20
"""Numbers in a piece, about."""
_STEP = 32
# Rows of a piece come in multiples of this: a matrix product of one row would take
# another path in the library, and may differ in the last bit.


@dataclass(frozen=True, slots=True)
class Task:
    """One tensor of the output."""

    place: Place
    tensor: Tensor
    update: Update | None
    kind: int
    """ggml type to write."""


Progress = Callable[[int], None]
"""Called with bytes of the input that are done, from any thread."""


def write_tensors(
    file: Path,
    layout: Layout,
    tasks: list[Task],
    extra: Mapping[str, Floats],
    match_peft: bool,
    threads: int,
    progress: Progress | None = None,
) -> None:
    """Fills the data of a GGUF that `layout.write_layout` laid out.

    Args:
        extra: float32 tensors that no checkpoint has, written as they are.
        match_peft: round the merged weights to the base's type and all to f16, as merging
            with PEFT, converting to f16 and quantizing does; otherwise they stay float32.

    Raises:
        ConversionError: a weight is NaN or infinite.
        OSError: the disk is full.
    """
    descriptor = os.open(file, os.O_WRONLY)
    try:
        for name, values in extra.items():
            _write(descriptor, values.tobytes(), layout.offsets[name])
        pieces = _Pieces(tasks)
        stop = threading.Event()
        failures: list[BaseException] = []

        def work() -> None:
            try:
                while not stop.is_set() and (piece := pieces.take()):
                    task, start, rows = piece
                    _convert(descriptor, layout, task, start, start + rows, match_peft)
                    if progress:
                        progress(task.tensor.data.nbytes * rows // task.tensor.rows)
            except BaseException as error:  # handed to the caller's thread
                failures.append(error)
                stop.set()

        with _one_thread_a_product(any(task.update for task in tasks)):
            _run(work, threads, stop)
        if failures:
            raise failures[0]
    finally:
        os.close(descriptor)


def pieces_of(rows: int, columns: int) -> Iterator[tuple[int, int]]:
    """Start and number of rows of each piece of a matrix."""
    step = max(_STEP, PIECE // columns // _STEP * _STEP)
    starts = list(range(0, rows, step))
    if len(starts) > 1 and rows - starts[-1] < _STEP:
        starts.pop()
    for start, stop in zip(starts, [*starts[1:], rows], strict=True):
        yield start, stop - start


class _Pieces:
    """Hands out the pieces to the threads."""

    def __init__(self, tasks: list[Task]) -> None:
        self._all = (
            (task, start, rows)
            for task in tasks
            for start, rows in pieces_of(task.tensor.rows, task.tensor.columns)
        )
        self._lock = threading.Lock()

    def take(self) -> tuple[Task, int, int] | None:
        with self._lock:
            return next(self._all, None)


def _run(work: Callable[[], None], threads: int, stop: threading.Event) -> None:
    """Runs `work` in threads; Ctrl-C in the caller stops them before it goes on."""
    workers = [threading.Thread(target=work, name=f"convert-{i}") for i in range(threads)]
    try:
        for worker in workers:
            worker.start()
        for worker in workers:
            # With a time-out, so that a signal is noticed at once.
            while worker.is_alive():
                worker.join(0.1)
    finally:
        stop.set()
        for worker in workers:
            if worker.ident is not None:
                worker.join()


@contextmanager
def _one_thread_a_product(merging: bool) -> Iterator[None]:
    """Keeps torch from using several threads in each of ours; imports it only where needed."""
    if not merging:
        yield
        return
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _convert(
    descriptor: int, layout: Layout, task: Task, start: int, stop: int, match_peft: bool
) -> None:
    values = _read(task, start, stop)
    if not np.isfinite(values).all():
        raise ConversionError(
            f"The tensor {task.tensor.name} holds NaN or infinity"
            + (" once the adapter is merged." if task.update else "."),
            "The training failed, or the file is broken.",
        )
    if match_peft and len(task.tensor.shape) > 1:
        if task.update:
            ggml.round_to(task.tensor.dtype, values)
        ggml.round_to("F16", values)
        if not np.isfinite(values).all():
            raise ConversionError(
                f"The tensor {task.tensor.name} has weights beyond the range of f16.",
                "Convert without --match-peft.",
            )
    packed = ggml.quantize(task.kind, values)
    row = ggml.row_size(task.kind, task.tensor.columns)
    _write(descriptor, packed.data, layout.offsets[task.place.name] + start * row)


def _read(task: Task, start: int, stop: int) -> Floats:
    tensor = task.tensor
    if len(tensor.shape) == 1:
        values = tensor.read(0, 1)
        order = task.place.order(tensor.columns)
        return values if order is None else np.ascontiguousarray(values[:, order])
    order = task.place.order(tensor.rows)
    rows = np.arange(start, stop) if order is None else order[start:stop]
    values = tensor.read(start, stop) if order is None else tensor.gather(rows)
    return values if task.update is None else task.update.merge(values, rows)


def _write(descriptor: int, data: bytes | memoryview, offset: int) -> None:
    view = memoryview(data).cast("B")
    while view:
        written = os.pwrite(descriptor, view, offset)
        view, offset = view[written:], offset + written
