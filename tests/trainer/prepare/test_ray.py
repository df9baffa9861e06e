"""The same bytes by a Ray cluster of two nodes as by one process."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from medllm.errors import MissingExtraError
from medtrain.prepare import prepare, shards

from tests.trainer.prepare import abstracts
from tests.trainer.prepare.test_preparation import bytes_of, recipe

HAS_RAY = find_spec("ray") is not None
needs_ray = pytest.mark.skipif(not HAS_RAY, reason="Ray is not installed (extra `ray`)")


def on_two_nodes(file: Path, out: Path) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "tests.trainer.prepare.ray_trial", str(file), str(out)]
    return subprocess.run(
        words, cwd=Path(__file__).parents[3], capture_output=True, text=True, timeout=150,
        check=False,
    )  # fmt: skip


@needs_ray
@pytest.mark.slow
def test_two_nodes_give_the_same_bytes_as_one_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards, "MOST_CHARACTERS", 60_000)
    file = abstracts.write(tmp_path / "a.jsonl", 300, copies=30)
    prepare(recipe(file), tmp_path / "alone")
    done = on_two_nodes(file, tmp_path / "ray")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-1] == "2", "one node did all the work"
    assert bytes_of(tmp_path / "ray") == bytes_of(tmp_path / "alone")


@needs_ray
@pytest.mark.slow
def test_a_broken_row_is_told_as_elsewhere(tmp_path: Path) -> None:
    file = tmp_path / "x.jsonl"
    file.write_text('{"prompt": "a", "completion": "b"}\n{"prompt": \n')
    done = on_two_nodes(file, tmp_path / "out")
    assert done.returncode == 7
    told = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(told) == 1 and "x.jsonl, line 2: this is not JSON" in told[0]


@pytest.mark.skipif(HAS_RAY, reason="Ray is installed")
def test_without_ray_its_install_line_is_told(tmp_path: Path) -> None:
    file = abstracts.write(tmp_path / "a.jsonl", 5)
    with pytest.raises(MissingExtraError) as caught:
        prepare(recipe(file), tmp_path / "out", engine="ray")
    assert "medical-llm[ray]" in caught.value.line()
