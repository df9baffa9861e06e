"""Every command that the READMEs show is run, in the form in which it is shown.

Where a command would take an hour or needs a person, the row says what is run in its place.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from medllm import paths

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
MANUAL = "".join(
    (ROOT / part / "README.md").read_text(encoding="utf-8") for part in ("converter", "trainer")
)
BIN = Path(sys.executable).parent

SMALL_RUN = (
    " --set model.layers=1 --set model.vocabulary=600 --set pretrain.max_steps=2"
    " --set pretrain.batch=2 --set tune.max_steps=2 --set tune.batch=2"
)
INDEX = "python -m medllm.retrieval index {root}/converter"
PLACES = {
    # The dry run shows that the target is there and what it would do: make test is what
    # runs this test, and make run opens a program that waits for a person (tests/tui).
    "make run": "make -n run",
    "make test": "make -n test",
    'make ask Q="What is hypertension?"': 'make -o {venv}/base.done VENV={venv} ask Q="What is hypertension?"',
    # An hour's training in two steps, and the whole table in four questions.
    "medtrain run mini": "medtrain run mini" + SMALL_RUN,
    "medeval tuning": "medeval tuning --limit 4",
    # Folders of documents that every checkout has.
    "python -m medllm.retrieval index ~/documents": INDEX,
    'python -m medllm.retrieval search "How is gout treated?"': (
        INDEX + ' && python -m medllm.retrieval search "How is gout treated?"'
    ),
    "python -m medllm.retrieval remove ~/documents": (
        INDEX + " && python -m medllm.retrieval remove {root}/converter"
    ),
}


def commands() -> list[str]:
    blocks = re.findall(r"^```sh\n(.*?)^```", README + MANUAL, re.M | re.S)
    lines = [line for block in blocks for line in block.splitlines() if line.strip()]
    return list(dict.fromkeys(lines))


def environment() -> dict[str, str]:
    return {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "NO_COLOR": "1"}


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the README's commands leave their runs."""
    return tmp_path_factory.mktemp("readme")


@pytest.mark.slow
@pytest.mark.xdist_group("training")
@pytest.mark.parametrize("command", commands())
def test_command(command: str, workplace: Path) -> None:
    shown = PLACES.get(command, command)
    run = shown.format(venv=BIN.parent, root=ROOT)
    folder = ROOT if run.startswith("make") else workplace
    if run.startswith("make") and shutil.which("make") is None:
        pytest.skip("there is no make")
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", run],
        cwd=folder, env=environment(), capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{run}\n{done.stdout}\n{done.stderr}"
    assert done.stdout.strip(), f"{run} printed nothing"
    assert "Traceback" not in done.stderr


def test_there_are_commands() -> None:
    assert {"make run", "make test", "medtui doctor"} <= set(commands())


def test_every_path_in_the_readme_is_there() -> None:
    named = re.findall(r"\]\(([^)#:]+)\)", README)
    named += re.findall(
        r"`((?:data|docs|core|trainer|converter|evaluation|tui|tests|benchmarks|modelfiles)[\w./-]*)`",
        README,
    )
    assert [name for name in named if not (ROOT / name).exists()] == []
    assert paths.builtin_model().stat().st_size + paths.builtin_base_model().stat().st_size <= 16e6
