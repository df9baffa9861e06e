"""A whole conversion: plan, importance, pass, checks, names, records."""

import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from medllm import files, paths
from medllm.errors import StorageError, UsageError
from medllm.run_record import RunRecord

from medconvert import checkout, record
from medconvert.collect import collect, is_saved
from medconvert.estimate import Estimate, estimate
from medconvert.families import is_built_in
from medconvert.importance import Importance
from medconvert.memory import AnonymousPeak
from medconvert.outputs import Making, Progress
from medconvert.plan import Options, Plan, need_extra, plan
from medconvert.quants import Quant, quant
from medconvert.scratch import remove_stale, scratch
from medconvert.source import Source, read_json

_READER = "q8_0"
# What reads the text for an importance matrix: nearly the whole model, at half the disk.
_SPARE = "spare"
IMATRIX = ".imatrix.gguf"


@dataclass(frozen=True, slots=True)
class Targets:
    """Where the outputs go, all into one folder."""

    files: dict[Quant, Path]

    @property
    def folder(self) -> Path:
        """Where all of them lie."""
        return next(iter(self.files.values())).parent

    @property
    def imatrix(self) -> Path:
        """Where an importance matrix that is computed on the way is kept."""
        kind, out = next(iter(self.files.items()))
        return out.with_name(out.name.removesuffix(".gguf").removesuffix(f".{kind.name}") + IMATRIX)

    def refuse(self, source: Source) -> None:
        """Raises UsageError for an output that is a folder, or an input."""
        for out in self.files.values():
            if out.is_dir():
                raise UsageError(f"{out} is a folder.", "Name a file, such as NAME.q4_k_m.gguf.")
            for name, file in source.inputs().items():
                if file.resolve() == out.resolve() or (out.exists() and out.samefile(file)):
                    raise UsageError(
                        f"The output {out} is an input ({name}).", "Choose another --out."
                    )


def targets(source: Source, options: Options, out: Path | None) -> Targets:
    """The files that a conversion writes.

    Args:
        source: what is converted.
        options: how.
        out: the file, or the folder of several; None: a folder `gguf` in the source.
    """
    stem = (options.name or source.name).replace("/", "-").replace("\0", "")
    several = len(options.quants) > 1 or (out is not None and out.is_dir())
    if out is not None and not several:
        return Targets({options.quants[0]: out})
    folder = out or source.folder / "gguf"
    if folder.suffix == ".gguf":
        raise UsageError(
            f"{out} is one file, and {len(options.quants)} are to be written.", "Name a folder."
        )
    return Targets({kind: folder / f"{stem}.{kind.name}.gguf" for kind in options.quants})


def convert(
    source: Source, targets: Targets, options: Options, progress: Progress | None = None
) -> list[RunRecord]:
    """Converts `source` into every quantization that is asked for, reading it once.

    A record is written beside each output, `<stem>.run.json`, since one folder may
    hold several.

    Raises:
        MedLLMError: nothing is left of the outputs, but for older ones in their place.
    """
    started, tell = time.monotonic(), progress or _silent
    targets.refuse(source)
    paths.ensure_dir(targets.folder)
    for out in targets.files.values():
        remove_stale(out)
    with (
        _storage_errors(targets.folder),
        AnonymousPeak() as peak,
        _planned(source, targets, options) as todo,
        ThreadPoolExecutor(1) as pool,
    ):
        stop = threading.Event()
        hashes = pool.submit(_hash_all, source.inputs(), stop)
        try:
            importance = _importance(todo, targets, tell)
            made = Making(todo, importance).run(targets.files, tell)
            inputs = hashes.result()
        finally:
            stop.set()
        return [
            record.write(todo, kind, out, inputs, replace(made[kind], peak_mb=peak.mb), started)
            for kind, out in targets.files.items()
        ]


@contextmanager
def _planned(source: Source, targets: Targets, options: Options) -> Iterator[Plan]:
    config = read_json(source.base / "config.json")
    if options.llama_cpp and not is_built_in(config):
        need_extra()
        with checkout.planned(source, options, next(iter(targets.files.values()))) as todo:
            yield todo
    else:
        yield plan(source, options)


def preview(source: Source, targets: Targets, options: Options) -> tuple[Plan, Estimate]:
    """What `convert` would do; nothing is written but into a temporary folder.

    Raises:
        MedLLMError: as `convert`.
    """
    targets.refuse(source)
    todo = plan(source, options)
    saved = options.imatrix if options.imatrix and is_saved(options.imatrix) else None
    with tempfile.TemporaryDirectory() as folder:
        sizes = Making(todo, saved).sizes(targets.files, Path(folder))
    return todo, estimate(todo, sizes)


def _importance(todo: Plan, targets: Targets, progress: Progress) -> Path | None:
    """The file of the importance matrix that was named, or that the text named gives."""
    named = todo.options.imatrix
    if named is None or is_saved(named):
        return named
    plain = replace(todo.options, quants=(quant(_READER),), match_peft=False, verify=False)
    with scratch(targets.imatrix, _SPARE) as spare:
        reader = replace(todo, options=plain)
        Making(reader, None).run({quant(_READER): spare}, progress)
        collect(
            spare,
            named,
            targets.imatrix,
            lambda done, total: progress("Reading the text", done, total),
        )
    Importance.read(targets.imatrix).check(todo.shapes)
    return targets.imatrix


@contextmanager
def _storage_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"{folder} can't be written: {error.strerror or error}.",
            "Free some space or choose another folder with --out.",
        ) from error


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


def _silent(_phase: str, _done: int, _total: int) -> None:
    """No progress shown."""
