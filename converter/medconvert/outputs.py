"""Making the output files of one reading: types, layout, pass, checks, names."""

import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medconvert import mixture, onepass, record
from medconvert.estimate import estimate
from medconvert.importance import Importance
from medconvert.layout import Describe, write_layout
from medconvert.onepass import Output
from medconvert.plan import Plan
from medconvert.quants import Quant
from medconvert.scratch import scratch
from medconvert.verify.checks import verify

_PART, _TYPES, _CHECK = "part", "types", "check"

Progress = Callable[[str, int, int], None]
"""Called with the phase, what is done of it, and what there is to do (0: unknown)."""


@dataclass(frozen=True, slots=True)
class Made:
    """What is worth keeping of the making of one file."""

    size: int
    """In bytes."""
    tensors: dict[str, int]
    """How many there are of each type."""
    seconds: dict[str, float]
    verify: dict[str, Any]
    """Outcome of the checks; empty where they were left out."""
    peak_mb: float | None = None
    """Anonymous memory of this process."""


class Making:
    """One reading of a base into several files.

    Args:
        todo: what is converted.
        importance: file of an importance matrix.

    Raises:
        ConversionError: the importance matrix belongs to another model.
    """

    def __init__(self, todo: Plan, importance: Path | None) -> None:
        self._todo, self._file = todo, importance
        self._importance = Importance.read(importance) if importance else None
        if self._importance:
            self._importance.check(todo.shapes)

    def sizes(self, targets: Mapping[Quant, Path], folder: Path) -> dict[Quant, int]:
        """Bytes of each output; `folder` holds files of full size without data on the way."""
        todo, sizes = self._todo, {}
        for kind, out in targets.items():
            target = folder / out.name
            with scratch(target, _PART) as part:
                kinds = self._kinds(kind, target)
                describe = self._describe(kind)
                layout = write_layout(part, todo.arch, todo.shapes, kinds, describe)
                sizes[kind] = layout.size
        return sizes

    def run(self, targets: Mapping[Quant, Path], progress: Progress) -> dict[Quant, Made]:
        """Makes the files and gives them their names.

        Raises:
            MedLLMError, OSError: no file was made or changed.
        """
        todo, clock = self._todo, time.monotonic()
        folder = next(iter(targets.values())).parent
        progress("Choosing types", 0, 0)
        with ExitStack() as stack:
            outputs: dict[Quant, Output] = {}
            for kind, out in targets.items():
                part = stack.enter_context(scratch(out, _PART))
                outputs[kind] = self._lay_out(kind, out, part)
            expected = estimate(todo, {kind: o.layout.size for kind, o in outputs.items()})
            expected.need_room(folder)
            expected.need_memory()
            planned = time.monotonic()
            self._write(list(outputs.values()), progress)
            passed = time.monotonic()
            checked = self._check(outputs, next(iter(targets.values())), progress)
            verified = time.monotonic()
            for kind, out in targets.items():
                _put_in_place(outputs[kind].file, out)
        seconds = {
            "plan": round(planned - clock, 2),
            "pass": round(passed - planned, 2),
            "verify": round(verified - passed, 2),
        }
        return {
            kind: Made(o.layout.size, _counts(o.kinds), seconds, checked.get(kind.name, {}))
            for kind, o in outputs.items()
        }

    def _kinds(self, kind: Quant, target: Path) -> dict[str, int]:
        todo = self._todo
        with scratch(target, _TYPES) as sparse:
            return mixture.kinds_of(
                sparse,
                todo.arch,
                todo.shapes,
                todo.plain_kinds,
                self._describe(kind),
                kind,
                self._file,
            )

    def _describe(self, kind: Quant) -> Describe:
        return lambda writer: self._todo.describe(writer, kind)

    def _lay_out(self, kind: Quant, out: Path, part: Path) -> Output:
        todo, kinds = self._todo, self._kinds(kind, out)
        layout = write_layout(part, todo.arch, todo.shapes, kinds, self._describe(kind))
        narrow = todo.options.match_peft and kind.plain is None
        return Output(part, layout, kinds, narrow, self._importance)

    def _write(self, outputs: list[Output], progress: Progress) -> None:
        todo, first = self._todo, outputs[0].layout
        onepass.write_tensors(
            outputs,
            sorted(todo.tasks, key=lambda task: first.offsets[task.place.name]),
            todo.extra,
            todo.options.match_peft,
            todo.options.threads or os.cpu_count() or 1,
            _counter(progress, todo.bytes_read),
        )

    def _check(
        self, outputs: Mapping[Quant, Output], target: Path, progress: Progress
    ) -> dict[str, dict[str, Any]]:
        if not self._todo.options.verify:
            return {}
        parts = {kind.name: output.file for kind, output in outputs.items()}
        with scratch(target, _CHECK) as spare:
            return verify(self._todo, parts, spare, progress)


def _put_in_place(part: Path, out: Path) -> None:
    with open(part, "rb") as written:
        os.fsync(written.fileno())
    # An older record must not stand beside a newer file.
    record.file_of(out).unlink(missing_ok=True)
    part.replace(out)


def _counter(progress: Progress, total: int) -> Callable[[int], None]:
    done, lock = 0, threading.Lock()

    def count(size: int) -> None:
        nonlocal done
        with lock:
            done += size
            progress("Quantizing", done, total)

    return count


def _counts(kinds: Mapping[str, int]) -> dict[str, int]:
    import gguf

    return dict(Counter(gguf.GGMLQuantizationType(kind).name for kind in kinds.values()))
