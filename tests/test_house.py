"""The house: who imports whom, and a wheel that works away from the checkout."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def test_imports_keep_their_direction() -> None:
    done = subprocess.run(
        [Path(sys.executable).parent / "lint-imports"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT, check=True, capture_output=True,
    )  # fmt: skip
    return next(folder.glob("*.whl"))


def test_the_wheel_holds_the_packages_and_the_data_and_nothing_generic(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names if ".dist-info" not in name}
    assert tops == {"medllm", "medtrain", "medeval", "medconvert", "medtui"}
    assert "medllm/data/models/medical-llm-mini.q4_k_m.gguf" in names
    assert sum(name.startswith("medllm/data/cards/") for name in names) == 5
    assert {"medllm/data/lexicon.tsv", "medllm/data/abbreviations.tsv"} <= set(names)
    assert "medtrain/recipes/mini.yaml" in names
    assert "medtui/medtui.tcss" in names


def test_the_installed_wheel_answers(wheel: Path, tmp_path: Path) -> None:
    target = tmp_path / "site"
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index",
         "--disable-pip-version-check", "--target", str(target), str(wheel)],
        check=True,
    )  # fmt: skip
    place = {**os.environ, "PYTHONPATH": str(target)}
    where = subprocess.run(
        [sys.executable, "-c", "from medllm import paths; print(paths.data_dir())"],
        env=place, cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert where.stdout.strip() == str(target / "medllm" / "data")
    done = subprocess.run(
        [sys.executable, "-m", "medtui", "ask", "What is hypertension?"],
        env=place, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("**Definition**: Hypertension")


@pytest.mark.skipif(shutil.which("make") is None, reason="there is no make")
@pytest.mark.parametrize(
    ("place", "told"),
    [
        ({"CC": "no-such-compiler"}, "A C and C++ compiler is needed"),
        ({"CXX": "no-such-compiler"}, "A C and C++ compiler is needed"),
        ({"PYTHON": "false"}, "Python 3.11 or newer is needed"),
    ],
)
def test_what_is_missing_is_said_before_pip_begins(
    tmp_path: Path, place: dict[str, str], told: str
) -> None:
    done = subprocess.run(
        ["make", f"VENV={tmp_path / 'venv'}", *(f"{k}={v}" for k, v in place.items()), "ask"],
        cwd=ROOT, env={**os.environ, **place}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert told in done.stderr
    assert not (tmp_path / "venv").exists()
