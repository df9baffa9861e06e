"""The pass: every tensor read, merged, quantized and written in pieces, by several threads.

Nothing is held but the pieces under way, and nothing is written but the GGUFs. Several
of them share one reading and one merge.
"""

import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import numpy as np
from medllm.errors import ConversionError

from medconvert import ggml
from medconvert.checkpoint import Bytes, Floats, Tensor
from medconvert.families.family import Place
from medconvert.importance import Importance
from medconvert.layout import Layout
from medconvert.quants import BF16, F16, F32
from medconvert.update import Update

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
    plain: int
    """Its ggml type in an f16 file."""


@dataclass(frozen=True, slots=True)
class Output:
    """A GGUF that `layout.write_layout` laid out."""

    file: Path
    layout: Layout
    kinds: Mapping[str, int]
    """ggml type of each tensor, by name."""
    through_f16: bool
    """Whether weights are rounded to f16 before they are quantized, as in a file made from one."""
    importance: Importance | None = None


Progress = Callable[[int], None]
"""Called with bytes of the input that are done, from any thread."""


def write_tensors(
    outputs: Sequence[Output],
    tasks: list[Task],
    extra: Mapping[str, Floats],
    match_peft: bool,
    threads: int,
    progress: Progress | None = None,
) -> None:
    """Fills the data of GGUFs that are laid out.

    Args:
        outputs: all of the same tensors.
        extra: float32 tensors that no checkpoint has, written as they are.
        match_peft: round the merged weights to the base's type, as merging with PEFT and
            saving does; otherwise they stay float32 until they are quantized.

    Raises:
        ConversionError: a weight is NaN or infinite.
        OSError: the disk is full.
    """
    with ExitStack() as stack:
        writers = [stack.enter_context(_Writer(output)) for output in outputs]
        for name, values in extra.items():
            for writer in writers:
                writer.write(name, 0, values.tobytes())
        pieces = _Pieces(tasks)
        stop = threading.Event()
        failures: list[BaseException] = []

        def work() -> None:
            try:
                while not stop.is_set() and (piece := pieces.take()):
                    task, start, rows = piece
                    _convert(writers, task, start, start + rows, match_peft)
                    if progress:
                        progress(task.tensor.data.nbytes * rows // task.tensor.rows)
            except BaseException as error:  # handed to the caller's thread
                failures.append(error)
                stop.set()

        with _one_thread_a_product(any(task.update for task in tasks)):
            _run(work, threads, stop)
        if failures:
            raise failures[0]


class _Writer:
    """An open output."""

    def __init__(self, output: Output) -> None:
        self.output = output
        self._descriptor = -1

    def __enter__(self) -> "_Writer":
        self._descriptor = os.open(self.output.file, os.O_WRONLY)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self._descriptor)

    def weights(self, name: str) -> Floats | None:
        """The importance of the columns of a tensor that is quantized."""
        if self.output.importance is None or self.output.kinds[name] in (F32, F16, BF16):
            return None
        return self.output.importance.weights(name)

    def write(self, name: str, offset: int, data: bytes | memoryview) -> None:
        """Writes bytes of a tensor, from `offset` of it on."""
        view = memoryview(data).cast("B")
        at = self.output.layout.offsets[name] + offset
        while view:
            written = os.pwrite(self._descriptor, view, at)
            view, at = view[written:], at + written


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
    writers: Sequence[_Writer], task: Task, start: int, stop: int, match_peft: bool
) -> None:
    name, values = task.place.name, _read(task, start, stop)
    task.place.add_shift(values, task.tensor.dtype if match_peft else "F32")
    if not np.isfinite(values).all():
        raise ConversionError(
            f"The tensor {task.tensor.name} holds NaN or infinity"
            + (" once the adapter is merged." if task.update else "."),
            "The training failed, or the file is broken.",
        )
    if match_peft and task.update:
        ggml.round_to(task.tensor.dtype, values)
    halved: Floats | None = None
    made: dict[tuple[int, bool, int], Bytes] = {}
    for writer in writers:
        kind = writer.output.kinds[name]
        narrow = writer.output.through_f16 and task.plain == F16
        if narrow and halved is None:
            halved = _through_f16(task, values)
        weights = writer.weights(name)
        key = (kind, narrow, id(writer.output.importance) if weights is not None else 0)
        if key not in made:
            exact = halved if narrow and halved is not None else values
            made[key] = ggml.quantize(kind, exact, weights)
        row = ggml.row_size(kind, task.tensor.columns)
        writer.write(name, start * row, made[key].data)


def _through_f16(task: Task, values: Floats) -> Floats:
    halved = values.copy()
    ggml.round_to("F16", halved)
    if not np.isfinite(halved).all():
        raise ConversionError(
            f"The tensor {task.tensor.name} has weights beyond the range of f16.",
            "Convert without --match-peft.",
        )
    return halved


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
