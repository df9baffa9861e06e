"""What is being converted: the run of a training, an adapter folder or a plain model folder."""

import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medllm import run_record
from medllm.errors import ConversionError, DataError, UsageError
from medllm.run_record import RunRecord

ADAPTER_CONFIG = "adapter_config.json"
ADAPTER_WEIGHTS = "adapter_model.safetensors"


@dataclass(frozen=True, slots=True)
class Source:
    """A base model, with or without an adapter."""

    folder: Path
    """What the user named, or the run that it belongs to."""
    base: Path
    adapter: Path | None
    record: RunRecord | None
    """The training's record, where there is one."""

    @property
    def name(self) -> str:
        """The folder's name; `-base` is added where a run's adapter is left out."""
        bare = self.record is not None and self.record.adapter and self.adapter is None
        return self.folder.resolve().name + ("-base" if bare else "")

    def inputs(self) -> dict[str, Path]:
        """Every file that the conversion may read, by the name that run.json gives it."""
        found = {f"base/{file.name}": file for file in _model_files(self.base)}
        if self.adapter:
            for name in (ADAPTER_CONFIG, ADAPTER_WEIGHTS):
                found[f"adapter/{name}"] = self.adapter / name
        return found


def newest_run() -> Path:
    """The training run that ended last, of those in the folder `runs` here.

    Raises:
        UsageError: there is none.
    """
    ended = []
    for file in Path("runs").glob(f"*/{run_record.NAME}"):
        with suppress(DataError):
            record = run_record.read(file.parent)
            if record.stage == "train" and record.finished and record.base:
                ended.append((record.finished, file.parent))
    if not ended:
        raise UsageError(
            "There is no finished run in the folder runs here.",
            "Name a run, an adapter folder or a model folder.",
        )
    return max(ended)[1]


def open_source(folder: Path, *, with_adapter: bool = True, base: Path | None = None) -> Source:
    """Finds out what `folder` is.

    Args:
        folder: a run of medtrain, an adapter that PEFT saved, or a model.
        with_adapter: whether an adapter that belongs to it is merged.
        base: the adapter's base, where it is not what run.json or adapter_config.json says.

    Raises:
        UsageError: it is none of these.
        ConversionError: its base can't be found.
    """
    if not folder.is_dir():
        raise UsageError(
            f"{folder} is not a folder.", "Name a run, an adapter folder or a model folder."
        )
    if base is not None and not (base / "config.json").is_file():
        raise UsageError(f"The base {base} holds no config.json.", "Name a model folder.")
    if (folder / run_record.NAME).is_file():
        return _from_run(folder, with_adapter, base)
    if (folder / ADAPTER_CONFIG).is_file():
        return _from_adapter(folder, with_adapter, base)
    if base is not None:
        raise UsageError(f"{folder} is no adapter, so it has no base.", "Leave --base out.")
    if (folder / "config.json").is_file():
        return Source(folder, folder, None, None)
    raise UsageError(
        f"{folder} holds neither {run_record.NAME} nor {ADAPTER_CONFIG} nor config.json.",
        "Name a run, an adapter folder or a model folder.",
    )


def read_json(file: Path) -> dict[str, Any]:
    """A JSON object.

    Raises:
        ConversionError: the file is missing or holds something else.
    """
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConversionError(f"{file} is missing.") from error
    except (OSError, ValueError) as error:
        raise ConversionError(f"{file} can't be read: {str(error).splitlines()[0]}") from error
    if not isinstance(content, dict):
        raise ConversionError(f"{file} is not a JSON object.")
    return content


def _from_run(folder: Path, with_adapter: bool, named: Path | None) -> Source:
    record = run_record.read(folder)
    if record.stage != "train" or not record.base:
        raise UsageError(
            f"{folder} is the output of the stage {record.stage!r}, which made no model.",
            "Name the folder that medtrain wrote.",
        )
    if not record.finished:
        raise ConversionError(
            f"The training in {folder} has not come to its end.",
            "Run the same medtrain command again; it goes on where it stopped.",
        )
    base = named or _existing(folder / record.base, f"The base {record.base!r} of {folder}")
    adapter = folder / record.adapter if record.adapter and with_adapter else None
    if adapter:
        _existing(adapter, f"The adapter {record.adapter!r} of {folder}")
    return Source(folder, base, adapter, record)


def _from_adapter(folder: Path, with_adapter: bool, base: Path | None) -> Source:
    run = folder.resolve().parent
    if (run / run_record.NAME).is_file():
        record = run_record.read(run)
        if record.adapter and (run / record.adapter).resolve() == folder.resolve():
            return _from_run(run, with_adapter, base)
    if base is not None:
        return Source(folder, base, folder if with_adapter else None, None)
    named = str(read_json(folder / ADAPTER_CONFIG).get("base_model_name_or_path") or "")
    for found in (folder / named, Path(named)):
        if named and (found / "config.json").is_file():
            return Source(folder, found, folder if with_adapter else None, None)
    raise ConversionError(
        f"The base of the adapter {folder} is {named or 'not named'!r}, which is no folder here.",
        "Fetch it, and name its folder with --base.",
    )


def _existing(folder: Path, what: str) -> Path:
    if not folder.is_dir():
        raise ConversionError(f"{what} is not a folder.", "Run the training to its end first.")
    return folder


def _model_files(base: Path) -> list[Path]:
    wanted = (".safetensors", ".json", ".jinja", ".model")
    return sorted(f for f in base.iterdir() if f.suffix in wanted and f.name != run_record.NAME)
