"""What is known of the outputs that are published: their records and those of earlier stages."""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medllm import files, gguf_header, models, run_record
from medllm.errors import ConversionError, DataError, UsageError
from medllm.gguf_header import Header
from medllm.models import GgufFacts
from medllm.run_record import RunRecord
from pydantic import ValidationError

from medconvert import record
from medconvert.publish.bundle import Progress
from medconvert.publish.scores import Score, scores

LARGEST = 50_000_000_000
"""Bytes that the Hub takes in one file."""
_REPOSITORY = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Output:
    """One GGUF with its record."""

    file: Path
    facts: GgufFacts
    record: RunRecord
    sha256: str
    header: Header

    @property
    def texts(self) -> dict[str, str]:
        """All texts of its metadata, by key."""
        return {key: value for key, value in self.header.metadata.items() if isinstance(value, str)}

    @property
    def quantization(self) -> str:
        """As the Hub and Ollama write it: Q4_K_M."""
        return self.facts.quantization


@dataclass(frozen=True, slots=True)
class Material:
    """All that a publication is made from."""

    outputs: tuple[Output, ...]
    training: RunRecord | None
    """Of the run that the model comes from, where it lies beside."""
    base_folder: Path | None
    base: str
    """Hub id of the base, or its name; empty for a model trained from scratch."""
    scores: tuple[Score, ...]

    @property
    def first(self) -> Output:
        """The output that stands for all: they differ in quantization only."""
        return self.outputs[0]

    @property
    def base_id(self) -> str:
        """Hub id of the base, empty where it is not known."""
        return self.base if _REPOSITORY.fullmatch(self.base) else ""


def gather(outputs: Sequence[Path], base: str = "", progress: Progress | None = None) -> Material:
    """Reads the outputs and what lies beside them, and checks that they belong together.

    Args:
        outputs: GGUFs, each with its `<stem>.run.json`.
        base: Hub id of the base; found in the records where it is empty.
        progress: is told how far the reading of the files is.

    Raises:
        MedLLMError: a file is no whole model, has no record or changed since it was recorded,
            or two of them have the same quantization or come from different models.
    """
    if not outputs:
        raise UsageError("There is nothing to publish.", "Name a GGUF that medconvert wrote.")
    sizes = [models.check(file).size_bytes for file in outputs]
    found = []
    for place, file in enumerate(outputs):
        before, size = sum(sizes[:place]), sizes[place]
        found.append(_output(file, _part(progress, before, size, sum(sizes))))
    _belong_together(found)
    first = found[0]
    training = _training(first)
    folder = _base_folder(first)
    scratch = bool(training and training.settings.get("pretrain"))
    name = "" if scratch else base or _base_name(first, training, folder)
    return Material(
        tuple(found),
        training,
        folder,
        name,
        scores(first.file.parent, [output.sha256 for output in found]),
    )


def _part(
    progress: Progress | None, before: int, size: int, total: int
) -> Callable[[float], None] | None:
    if progress is None:
        return None
    return lambda share: progress("Hashing", before + int(share * size), total)


def _output(file: Path, progress: Callable[[float], None] | None) -> Output:
    facts, beside = models.check(file), record.file_of(file)
    if facts.size_bytes > LARGEST:
        raise ConversionError(
            f"{file.name} has {facts.size_bytes / 1e9:.0f} GB; one file may have 50 GB at most.",
            "Publish a smaller quantization.",
        )
    if facts.quantization == "unknown":
        raise ConversionError(
            f"{file.name} does not say its quantization.", "Convert it with medconvert."
        )
    if not beside.is_file():
        raise ConversionError(
            f"{file.name} has no record: {beside.name} is not beside it.",
            "Publish what medconvert wrote, and keep the two files together.",
        )
    found = _read(beside)
    digest = files.sha256(file, progress)
    if found.outputs.get(file.name) not in (digest, None) or digest not in found.outputs.values():
        raise ConversionError(
            f"{file.name} is not the file that {beside.name} tells of: its SHA-256 differs.",
            "Convert it again.",
        )
    return Output(file, facts, found, digest, gguf_header.read(file))


def _belong_together(outputs: Sequence[Output]) -> None:
    kinds = [output.quantization for output in outputs]
    if twice := next((kind for kind in kinds if kinds.count(kind) > 1), ""):
        raise UsageError(f"Two files are {twice}; one of each quantization can be published.")
    made_from = {tuple(sorted(output.record.inputs.items())) for output in outputs}
    if len(made_from) > 1:
        raise UsageError(
            "The files come from different models.", "Publish the outputs of one conversion."
        )


def _read(file: Path) -> RunRecord:
    try:
        return RunRecord.model_validate(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, ValidationError) as error:
        raise DataError(f"{file} can't be read: {str(error).splitlines()[0]}") from error


def _training(output: Output) -> RunRecord | None:
    """The record of the training: kept beside the output, or in the run's own folder."""
    named = output.record.settings.get("name") or output.file.name.split(".")[0]
    places = [output.file.with_name(f"{named}.train.json")]
    for part in (output.record.adapter, output.record.base):
        if part:
            places.append((output.file.parent / part).resolve().parent / run_record.NAME)
    for place in places:
        if place.is_file() and (found := _read(place)).stage == "train":
            return found
    return None


def _base_folder(output: Output) -> Path | None:
    folder = (output.file.parent / output.record.base).resolve()
    return folder if output.record.base and folder.is_dir() else None


def _base_name(output: Output, training: RunRecord | None, folder: Path | None) -> str:
    """What the base is called: its Hub id where a record or the files tell it."""
    settings = training.settings if training else {}
    config = _json(folder / "config.json") if folder else {}
    candidates = [
        training.base if training else "",
        *(settings.get(key) for key in ("base", "base_model", "model")),
        output.texts.get("general.base_model.0.repo_url", "").removeprefix(
            "https://huggingface.co/"
        ),
        config.get("_name_or_path"),
        output.record.base,
    ]
    for candidate in candidates:
        if isinstance(candidate, str) and _REPOSITORY.fullmatch(candidate):
            beside = output.file.parent / candidate
            if not beside.exists() and not Path(candidate).exists():
                return candidate
    return Path(output.record.base).name or "an unnamed model"


def _json(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
