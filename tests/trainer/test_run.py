"""A whole training of a very small model: output, Ctrl-C, resume, the same bytes again."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from medllm import files, run_record

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("training")]

SMALL = [
    "model.layers=1",
    "model.vocabulary=600",
    "model.context=768",
    "pretrain.max_steps=6",
    "pretrain.batch=2",
    "pretrain.save_steps=2",
    "tune.max_steps=4",
    "tune.batch=2",
    "tune.save_steps=2",
    "lora.r=4",
]
PROGRAM = """
import atexit
from medllm import guard
from medtrain import cli
atexit.register(lambda: print("guard", guard.installed(), guard.refused()))
cli.main()
"""
"""The command `medtrain`, which says at its end whether the guard was on, and what it refused."""
COMMAND = [sys.executable, "-c", PROGRAM, "run", "mini"]


def command(out: Path) -> list[str]:
    return [*COMMAND, "--out", str(out), *(word for s in SMALL for word in ("--set", s))]


def weights(out: Path) -> dict[str, str]:
    return {str(f.relative_to(out)): files.sha256(f) for f in sorted(out.glob("*/*.safetensors"))}


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("unbroken") / "run"
    done = subprocess.run(command(out), capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert "medconvert" in done.stdout
    assert done.stdout.endswith("guard True 0\n")
    return out


def test_a_run_leaves_what_the_next_stage_needs(unbroken: Path) -> None:
    record = run_record.read(unbroken)
    assert record.finished
    assert record.outputs == weights(unbroken)
    assert set(record.outputs) == {"base/model.safetensors", "adapter/adapter_model.safetensors"}
    assert set(record.metrics) == {"pre-training", "tuning"}
    assert (unbroken / "curve.png").read_bytes().startswith(b"\x89PNG")
    assert not (unbroken / "work").exists()
    assert str(unbroken) not in (unbroken / "run.json").read_text()


def test_an_interrupted_run_goes_on_to_the_same_bytes(unbroken: Path, tmp_path: Path) -> None:
    # kill -9 is in test_finetune: the same code, and less to do before the first step.
    out = tmp_path / "run"
    with subprocess.Popen(command(out), stderr=subprocess.PIPE, text=True) as child:
        while child.poll() is None:
            if list(out.glob("work/base/checkpoint-*/trainer_state.json")):
                break
            time.sleep(0.1)
        os.kill(child.pid, signal.SIGINT)
        child.wait(timeout=60)
        assert child.stderr is not None
        said = child.stderr.read()
    assert child.returncode == 130, said
    assert "The same command goes on." in said
    assert "Traceback" not in said
    assert not (out / "adapter").exists()
    done = subprocess.run(command(out), capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert weights(out) == weights(unbroken)


def test_other_settings_are_refused_where_a_run_lies(unbroken: Path) -> None:
    other = [*command(unbroken), "--set", "seed=1"]
    done = subprocess.run(other, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "other settings" in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_log_lies_beside_the_weights(unbroken: Path) -> None:
    log = json.loads((unbroken / "adapter" / "log.json").read_text())
    assert [line["train_loss"] > 0 for line in log if "train_loss" in line] == [True]
