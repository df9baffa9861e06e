"""Outputs beside whole GGUFs: adapter GGUFs, ONNX and CTranslate2 folders.

Each is made under a temporary name beside its place, held against the source model by
the tokens that both choose, and only then gets its name.
"""

from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from medllm.errors import MissingExtraError, UsageError
from medllm.run_record import RunRecord

from medconvert.formats.options import Options, Progress
from medconvert.source import Source


@dataclass(frozen=True, slots=True)
class Format:
    """What can be asked for with `--format`."""

    name: str
    module: str
    """That holds `export(source, out, options, progress)`."""
    precisions: tuple[str, ...]
    """The default first."""
    ending: str
    """Of the default output's name: `.gguf` for a file, empty for a folder."""
    extra: str
    """Those that must be installed, separated by commas."""
    packages: tuple[str, ...]
    """Of the extra, as they are imported."""

    def check(self, precision: str) -> str:
        """The precision meant by `precision`; empty: the default.

        Raises:
            UsageError: this format has no such precision.
            MissingExtraError: a package is not installed.
        """
        chosen = precision or self.precisions[0]
        if chosen not in self.precisions:
            raise UsageError(
                f"There is no precision {precision!r} for --format {self.name}.",
                f"There are: {', '.join(self.precisions)}.",
            )
        for package in self.packages:
            if find_spec(package) is None:
                raise MissingExtraError(self.extra, package)
        return chosen

    def default_out(self, source: Source, options: Options) -> Path:
        """Where the output goes if no place is named: a folder of the format in the source."""
        stem = (options.name or source.name).replace("/", "-").replace("\0", "")
        middle = ".adapter" if self.ending else ""
        return source.folder / self.name / f"{stem}{middle}.{options.precision}{self.ending}"


_MODEL = ("torch", "transformers", "peft")
FORMATS = {
    one.name: one
    for one in (
        Format(
            "adapter",
            "medconvert.formats.adapter",
            ("f32", "f16"),
            ".gguf",
            "train,convert",
            ("gguf", *_MODEL),
        ),
        Format(
            "onnx",
            "medconvert.formats.onnx",
            ("fp32", "int4"),
            "",
            "train,convert,onnx",
            ("onnxruntime_genai", "onnx_ir", *_MODEL),
        ),
        Format(
            "ct2",
            "medconvert.formats.ctranslate2",
            ("float32", "int8"),
            "",
            "train,convert,ct2",
            ("ctranslate2", *_MODEL),
        ),
    )
}


def export(
    name: str, source: Source, out: Path | None, options: Options, progress: Progress | None = None
) -> tuple[Path, RunRecord]:
    """Writes `source` in the format `name`, checked.

    Args:
        name: a key of `FORMATS`.
        out: the file or folder; None: `Format.default_out`.
        options: how; an empty precision means the format's default.

    Returns:
        Where the output is, and its record.

    Raises:
        MedLLMError: what stood in the output's place is still there.
    """
    if (chosen := FORMATS.get(name)) is None:
        raise UsageError(f"There is no format {name!r}.", f"There are: gguf, {', '.join(FORMATS)}.")
    options = options.at(chosen.check(options.precision))
    place = out or chosen.default_out(source, options)
    record = import_module(chosen.module).export(source, place, options, progress or _silent)
    return place, record


def _silent(_phase: str, _done: int, _total: int) -> None:
    """No progress shown."""


__all__ = ["FORMATS", "Format", "Options", "export"]
