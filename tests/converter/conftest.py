"""One tiny run, converted once, that most tests look at."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from medconvert import conversion
from medconvert.conversion import Targets
from medconvert.plan import Options
from medconvert.quants import quant
from medconvert.source import Source
from medllm.run_record import RunRecord

from tests.converter import models

Run = tuple[Path, subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session", autouse=True)
def offline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No home folder and no network for these tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MEDLLM_HOME", str(tmp_path_factory.mktemp("home")))
        patch.setenv("HF_HUB_OFFLINE", "1")
        yield


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run as medtrain leaves it: base, rank-stabilised adapter, run.json."""
    folder = tmp_path_factory.mktemp("runs") / "tiny-run"
    base = models.mini(folder / "base")
    models.make_adapter(folder / "adapter", base, use_rslora=True)
    record = RunRecord(
        stage="train",
        recipe="mini",
        base="base",
        adapter="adapter",
        chat_family="mini",
        prompt_version="7",
        seed=3,
        finished="2026-01-01T00:00:00Z",
        outputs={"base/model.safetensors": "ab" * 32},
    )
    record.write(folder)
    return folder


def medconvert(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Runs the command."""
    command = [sys.executable, "-m", "medconvert.cli", *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, "NO_COLOR": "1"}
    )


@pytest.fixture(scope="session")
def converted(run_folder: Path) -> Run:
    """The run, converted by the command: its GGUF, and what the command said."""
    done = medconvert(run_folder)
    return run_folder / "gguf" / "tiny-run.q4_k_m.gguf", done


def convert(base: Path, out: Path, adapter: Path | None = None, **options: Any) -> RunRecord:
    """A conversion in this process, without the checks but where a test asks for them."""
    kinds = (quant(options.pop("quants", "q4_k_m")),)
    settings = Options(kinds, **{"threads": 2, "verify": False, **options})
    (record,) = conversion.convert(
        Source(adapter or base, base, adapter, None), Targets({settings.quants[0]: out}), settings
    )
    return record
