"""Ctrl-C leaves nothing; what a kill left, the next conversion removes."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from medconvert.scratch import remove_stale, scratch


def started(run: Path, out: Path) -> subprocess.Popen[str]:
    """A conversion whose temporary file is there."""
    command = [sys.executable, "-m", "medconvert.cli", str(run), "--out", str(out)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    until = time.monotonic() + 60
    while not list(out.parent.glob(f".{out.name}.*.part")):
        assert process.poll() is None and time.monotonic() < until, process.communicate()
        time.sleep(0.005)
    return process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_conversion_leaves_nothing(
    run_folder: Path, tmp_path: Path, number: int
) -> None:
    process = started(run_folder, tmp_path / "x.gguf")
    process.send_signal(number)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Stopped" in said and "Traceback" not in said
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_one_left_is_removed(run_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "x.gguf"
    process = started(run_folder, out)
    process.kill()
    process.communicate()
    assert list(tmp_path.iterdir()) and not out.exists()
    removed = remove_stale(out)
    assert f".x.gguf.{process.pid}.part" in [file.name for file in removed]
    assert list(tmp_path.iterdir()) == []


def test_a_temporary_file_in_use_is_not_removed(tmp_path: Path) -> None:
    out = tmp_path / "x.gguf"
    with scratch(out, "part") as mine:
        assert mine.name == f".x.gguf.{os.getpid()}.part"
        assert remove_stale(out) == []
        mine.write_bytes(b"whole")
        mine.rename(out)
    assert out.read_bytes() == b"whole"
    assert list(tmp_path.iterdir()) == [out]
