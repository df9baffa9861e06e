"""Where an export goes, how it gets there at once or not at all, and its record."""

import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from medllm import files, paths, run_record
from medllm.errors import DataError, StorageError, UsageError
from medllm.run_record import RunRecord

from medconvert.formats.options import Options
from medconvert.scratch import remove_stale, scratch, scratch_folder
from medconvert.source import Source

_PART, _OLD = "part", "old"


@contextmanager
def new_file(out: Path, source: Source) -> Iterator[Path]:
    """A temporary file that takes the place of `out` at the end, if nothing is raised.

    Raises:
        UsageError: `out` is a folder or an input.
        StorageError: it can't be written.
    """
    if out.is_dir():
        raise UsageError(f"{out} is a folder.", "Name a file, such as NAME.gguf.")
    for name, file in source.inputs().items():
        if file.resolve() == out.resolve() or (out.exists() and out.samefile(file)):
            raise UsageError(f"The output {out} is an input ({name}).", "Choose another --out.")
    with _storage_errors(out):
        paths.ensure_dir(out.parent)
        remove_stale(out)
        with scratch(out, _PART) as part:
            yield part
            _sync(part)
            part.replace(out)


@contextmanager
def new_folder(out: Path, source: Source) -> Iterator[Path]:
    """A temporary folder that takes the place of `out` at the end, if nothing is raised.

    Raises:
        UsageError: `out` is something that no conversion has written, or holds an input.
        StorageError: it can't be written.
    """
    _refuse_folder(out, source)
    with _storage_errors(out):
        paths.ensure_dir(out.parent)
        remove_stale(out)
        with scratch_folder(out, _PART) as part:
            yield part
            for file in sorted(part.rglob("*")):
                if file.is_file():
                    _sync(file)
            _exchange(part, out)


def _refuse_folder(out: Path, source: Source) -> None:
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out} is a file.", "Name a folder with --out.")
    whole = out.resolve()
    for name, file in source.inputs().items():
        if file.resolve().is_relative_to(whole):
            raise UsageError(f"The output {out} holds an input ({name}).", "Choose another --out.")
    if not out.is_dir() or not any(out.iterdir()):
        return
    with suppress(DataError):
        if run_record.read(out).stage == "convert":
            return
    raise UsageError(
        f"{out} holds files that no conversion has written.", "Choose another folder with --out."
    )


def _exchange(part: Path, out: Path) -> None:
    if not out.exists():
        part.rename(out)
        return
    # A folder can't be replaced in one step; the old one steps aside and comes back on failure.
    old = out.with_name(f".{out.name}.{os.getpid()}.{_OLD}")
    out.rename(old)
    try:
        part.rename(out)
    except BaseException:
        old.rename(out)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _sync(file: Path) -> None:
    with file.open("rb") as written:
        os.fsync(written.fileno())


@contextmanager
def _storage_errors(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"{out} can't be written: {error.strerror or error}.",
            "Free some space or choose another place with --out.",
        ) from error


def need_room(out: Path, size: int) -> None:
    """Raises StorageError where the disk would run full.

    Args:
        size: bytes that are written.
    """
    free = shutil.disk_usage(out.parent).free
    if free < size:
        raise StorageError(
            f"{out.parent} has {free / 1e6:.0f} MB free, about {size / 1e6:.0f} MB are needed.",
            "Free some space or choose another place with --out.",
        )


def hashes(source: Source) -> dict[str, str]:
    """SHA-256 of every input."""
    return {name: files.sha256(file) for name, file in source.inputs().items()}


def record(
    source: Source,
    out: Path,
    options: Options,
    *,
    settings: Mapping[str, Any],
    inputs: dict[str, str],
    written: Mapping[str, Path],
    seconds: Mapping[str, float],
    verify: dict[str, Any],
    packages: tuple[str, ...],
) -> RunRecord:
    """The record of an export, not written yet.

    Args:
        source: what was exported.
        out: where it will be.
        settings: beside name and precision.
        inputs: see `hashes`.
        written: the files, by their name in the record.
        seconds: what each part took.
        verify: outcome of the checks.
        packages: whose versions matter.
    """
    trained = source.record
    made = RunRecord(
        stage="convert",
        recipe=trained.recipe if trained else "",
        settings={
            "name": options.name or source.name,
            "precision": options.precision,
            "merge_into": options.four_bit or "original",
            **settings,
        },
        inputs=inputs,
        outputs={name: files.sha256(file) for name, file in written.items()},
        seed=trained.seed if trained else 0,
        base=os.path.relpath(source.base, out.parent),
        adapter=os.path.relpath(source.adapter, out.parent) if source.adapter else "",
        chat_family=trained.chat_family if trained else "",
        versions=run_record.versions("medical-llm", "torch", "transformers", *packages),
        metrics={
            "bytes_written": sum(file.stat().st_size for file in written.values()),
            "seconds": dict(seconds),
        },
        verify=verify,
    )
    if trained:
        made.prompt_version = trained.prompt_version
    made.finished = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    made.seconds = round(sum(seconds.values()), 1)
    made.peak_memory_mb = round(run_record.peak_memory_mb(), 1)
    return made
