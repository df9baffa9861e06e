"""run.json: what a stage did, written beside its output and read by the next stage."""

import json
import os
import platform
import resource
import sys
import time
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from medllm import files, prompts
from medllm.errors import DataError

NAME = "run.json"
Stage = Literal["prepare", "train", "convert", "evaluate"]


class RunRecord(BaseModel):
    """The content of run.json."""

    model_config = ConfigDict(extra="forbid")

    stage: Stage
    recipe: str
    """Name of the recipe, empty where there was none."""
    settings: dict[str, Any] = Field(default_factory=dict)
    """Every setting that was in force."""
    inputs: dict[str, str] = Field(default_factory=dict)
    """SHA-256 of each input file, by its name relative to the project or the run."""
    outputs: dict[str, str] = Field(default_factory=dict)
    """SHA-256 of each output file, by its name relative to the run."""
    seed: int = 0
    base: str = ""
    """Folder of the base model relative to the run, or its Hub id."""
    adapter: str = ""
    """Folder of the adapter relative to the run, empty where there is none."""
    chat_family: str = ""
    prompt_version: str = prompts.VERSION
    versions: dict[str, str] = Field(default_factory=dict)
    machine: dict[str, str] = Field(default_factory=dict)
    metrics: dict[str, Any] = Field(default_factory=dict)
    verify: dict[str, Any] = Field(default_factory=dict)
    """Of a conversion: what was checked on the output, and how it came out."""
    seconds: float = 0.0
    peak_memory_mb: float = 0.0
    finished: str = ""
    """UTC time of the end, ISO 8601; empty while the stage is under way."""

    def write(self, folder: Path) -> None:
        """Writes run.json into `folder`, atomically."""
        files.write_json(folder / NAME, self.model_dump(mode="json"))

    def finish(self, folder: Path, started: float) -> None:
        """Fills in the end, the time since `started` (time.monotonic) and the peak; writes."""
        self.finished = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        self.seconds = round(time.monotonic() - started, 1)
        self.peak_memory_mb = round(peak_memory_mb(), 1)
        self.write(folder)


def read(folder: Path) -> RunRecord:
    """Reads run.json of `folder`.

    Raises:
        DataError: it is missing or broken.
    """
    file = folder / NAME
    try:
        return RunRecord.model_validate(json.loads(file.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise DataError(
            f"{folder} holds no {NAME}, so it is not the output of a run.",
            "Name the folder that a run wrote.",
        ) from error
    except (OSError, ValueError, ValidationError) as error:
        raise DataError(f"{file} can't be read: {str(error).splitlines()[0]}") from error


def versions(*packages: str) -> dict[str, str]:
    """Installed versions of Python and of `packages`; absent ones are left out."""
    found = {"python": platform.python_version()}
    for package in packages:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def machine() -> dict[str, str]:
    """What kind of machine this is: no name and no path of it."""
    return {
        "processor": f"{os.cpu_count()} cores, {platform.machine()}",
        "system": platform.system(),
    }


def peak_memory_mb() -> float:
    """Largest resident memory of this process so far, in MB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak / 1e3
