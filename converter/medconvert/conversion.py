"""A whole conversion: plan, pass, token parity, rename, record."""

import math
import os
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from medllm import files, paths, run_record
from medllm.errors import ConversionError, MissingExtraError, StorageError, UsageError
from medllm.run_record import RunRecord

from medconvert import checkpoint, general, mixture, onepass, parity
from medconvert.adapter import read_adapter
from medconvert.families import Family, family_of
from medconvert.layout import Shape, in_file_order, write_layout
from medconvert.memory import AnonymousPeak
from medconvert.mixture import Quant
from medconvert.onepass import Task
from medconvert.scratch import remove_stale, scratch
from medconvert.source import Source, read_json
from medconvert.vocabulary import write_vocabulary

_PART, _TYPES = "part", "types"


@dataclass(frozen=True, slots=True)
class Options:
    """How to convert."""

    quant: Quant
    match_peft: bool = False
    threads: int = 0
    """0: one a core."""
    name: str = ""
    """`general.name`; empty: the source's."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A conversion of which all is known but the types; nothing has been written yet."""

    source: Source
    options: Options
    family: Family
    tasks: list[Task]
    """In the order of the file; `kind` is that before quantization."""
    extra: dict[str, checkpoint.Floats]

    @property
    def name(self) -> str:
        """`general.name`."""
        return self.options.name or self.source.name

    @property
    def shapes(self) -> list[Shape]:
        """The tensors of the GGUF, in the order of the file."""
        made = [Shape(name, values.shape) for name, values in self.extra.items()]
        return in_file_order([*made, *(Shape(t.place.name, t.tensor.shape) for t in self.tasks)])

    def describe(self, writer: Any) -> None:
        """Adds all metadata to a `gguf.GGUFWriter`, but the two keys that come last."""
        import gguf

        general.write_general(writer, self.source, self.name)
        self.family.write_parameters(writer)
        config = read_json(self.source.base / "config.json")
        write_vocabulary(self.source.base, config["vocab_size"], writer)
        general.write_own(writer, self.source)
        writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
        writer.add_file_type(self.options.quant.file_type)


def plan(source: Source, options: Options) -> Plan:
    """Reads everything but the weights and refuses what can't be converted.

    Raises:
        ConversionError: see its message.
    """
    _need_extra()
    family = family_of(read_json(source.base / "config.json"))
    base = checkpoint.read_model(source.base)
    updates = read_adapter(source.adapter, base) if source.adapter else {}
    tasks = [
        Task(place, tensor, updates.get(name), mixture.source_kind(tensor.shape, place.name))
        for name, tensor in base.items()
        if (place := family.place(name))
    ]
    if twice := [n for n, count in Counter(t.place.name for t in tasks).items() if count > 1]:
        raise ConversionError(f"Two tensors of the base would become {twice[0]}.")
    return Plan(source, options, family, tasks, family.extra_tensors())


def convert(
    source: Source, out: Path, options: Options, progress: "Progress | None" = None
) -> RunRecord:
    """Converts `source` into the GGUF `out` and writes its record beside it.

    The record is `<stem>.run.json`, since one folder may hold several outputs.

    Raises:
        MedLLMError: nothing is left of the output, but for an older one in its place.
    """
    started = time.monotonic()
    _refuse_output(source, out)
    paths.ensure_dir(out.parent)
    remove_stale(out, (_PART, _TYPES))
    todo = plan(source, options)
    with AnonymousPeak() as peak, ThreadPoolExecutor(1) as pool:
        stop = threading.Event()
        hashes = pool.submit(_hash_all, source.inputs(), stop)
        try:
            metrics = _write(todo, out, progress or _silent)
            inputs = hashes.result()
        finally:
            stop.set()
    metrics["peak_anonymous_mb"] = peak.mb
    return _record(todo, out, inputs, metrics, started)


Progress = Callable[[str, int, int], None]
"""Called with the phase, and the bytes of it that are done and that there are."""


def record_file(out: Path) -> Path:
    """Where the record of an output lies."""
    return out.with_name(f"{out.name.removesuffix('.gguf')}.run.json")


def _write(todo: Plan, out: Path, progress: Progress) -> dict[str, Any]:
    """Makes the file; the numbers that are worth keeping."""
    options, clock = todo.options, time.monotonic()
    try:
        with scratch(out, _TYPES) as sparse:
            progress("Choosing types", 0, 0)
            arch, shapes = todo.family.arch, todo.shapes
            kinds = mixture.ask_types(sparse, arch, shapes, todo.describe, options.quant)
        with scratch(out, _PART) as part:
            layout = write_layout(part, arch, shapes, kinds, todo.describe)
            _need_room(out.parent, layout.size)
            planned = time.monotonic()
            tasks = [
                Task(t.place, t.tensor, t.update, kinds[t.place.name])
                for t in sorted(todo.tasks, key=lambda t: layout.offsets[t.place.name])
            ]
            total = sum(task.tensor.data.nbytes for task in tasks)
            onepass.write_tensors(
                part,
                layout,
                tasks,
                todo.extra,
                options.match_peft,
                options.threads or os.cpu_count() or 1,
                _counter(progress, total),
            )
            passed = time.monotonic()
            progress("Comparing tokens", 0, 0)
            result = parity.check(todo.source.base, part)
            compared = time.monotonic()
            _put_in_place(part, out)
    except OSError as error:
        raise StorageError(
            f"{out} can't be written: {error.strerror or error}.",
            "Free some space or choose another folder with --out.",
        ) from error
    parameters = sum(math.prod(shape.dims) for shape in shapes)
    return {
        "parity": {"passed": True, **asdict(result)},
        "parameters": parameters,
        "bytes_read": total,
        "bytes_written": layout.size,
        "bits_per_weight": round(8 * layout.size / parameters, 2),
        "tensors": _type_counts(kinds),
        "merged_tensors": sum(task.update is not None for task in tasks),
        "seconds": {
            "plan": round(planned - clock, 2),
            "pass": round(passed - planned, 2),
            "parity": round(compared - passed, 2),
        },
    }


def _record(
    todo: Plan, out: Path, inputs: dict[str, str], metrics: dict[str, Any], started: float
) -> RunRecord:
    source, options, trained = todo.source, todo.options, todo.source.record
    record = RunRecord(
        stage="convert",
        recipe=trained.recipe if trained else "",
        settings={
            "name": todo.name,
            "quant": options.quant.name,
            "match_peft": options.match_peft,
            "threads": options.threads,
        },
        inputs=inputs,
        outputs={out.name: files.sha256(out)},
        seed=trained.seed if trained else 0,
        base=os.path.relpath(source.base, out.parent),
        adapter=os.path.relpath(source.adapter, out.parent) if source.adapter else "",
        chat_family=trained.chat_family if trained else "",
        versions=run_record.versions(
            "medical-llm", "gguf", "llama-cpp-python", "torch", "transformers"
        ),
        metrics=metrics,
    )
    if trained:
        record.prompt_version = trained.prompt_version
    record.finished = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    record.seconds = round(time.monotonic() - started, 1)
    record.peak_memory_mb = round(run_record.peak_memory_mb(), 1)
    files.write_json(record_file(out), record.model_dump(mode="json"))
    return record


def _put_in_place(part: Path, out: Path) -> None:
    with open(part, "rb") as written:
        os.fsync(written.fileno())
    # An older record must not stand beside a newer file.
    record_file(out).unlink(missing_ok=True)
    part.replace(out)


def _counter(progress: Progress, total: int) -> Callable[[int], None]:
    done, lock = 0, threading.Lock()

    def count(size: int) -> None:
        nonlocal done
        with lock:
            done += size
            progress("Quantizing", done, total)

    return count


def _type_counts(kinds: dict[str, int]) -> dict[str, int]:
    import gguf

    return dict(Counter(gguf.GGMLQuantizationType(kind).name for kind in kinds.values()))


def _hash_all(inputs: dict[str, Path], stop: threading.Event) -> dict[str, str]:
    """SHA-256 of each input; ends early when `stop` is set."""

    def check(_share: float) -> None:
        if stop.is_set():
            raise InterruptedError

    try:
        return {name: files.sha256(file, check) for name, file in inputs.items()}
    except InterruptedError:
        return {}
    except OSError as error:
        raise StorageError(f"An input can't be read: {error.strerror or error}.") from error


def _refuse_output(source: Source, out: Path) -> None:
    if out.is_dir():
        raise UsageError(f"{out} is a folder.", "Name a file, such as NAME.q4_k_m.gguf.")
    for name, file in source.inputs().items():
        if file.resolve() == out.resolve() or (out.exists() and out.samefile(file)):
            raise UsageError(f"The output {out} is an input ({name}).", "Choose another --out.")


def _need_room(folder: Path, size: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < size:
        raise StorageError(
            f"{folder} has {free / 1e6:.0f} MB free, the output takes {size / 1e6:.0f} MB.",
            "Free some space or choose another folder with --out.",
        )


def _need_extra() -> None:
    from importlib.util import find_spec

    for package in ("gguf", "torch", "transformers"):
        if find_spec(package) is None:
            raise MissingExtraError("convert", package)


def _silent(_phase: str, _done: int, _total: int) -> None:
    """No progress shown."""
