"""A preparation that was stopped, killed or out of disk goes on; another one is left alone."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from medllm.errors import InterruptedRunError, UsageError
from medtrain.prepare import preparation, prepare, shards

from tests.trainer.prepare import abstracts
from tests.trainer.prepare.test_preparation import bytes_of, pairs, recipe


def test_another_preparation_is_not_overwritten(tmp_path: Path) -> None:
    file = abstracts.write(tmp_path / "a.jsonl", 50)
    first = prepare(recipe(file), tmp_path / "out")
    assert prepare(recipe(file), tmp_path / "out") == first
    with pytest.raises(UsageError, match="prepared with other settings or other data"):
        prepare(recipe(file, validation=0.5), tmp_path / "out")


@pytest.mark.parametrize("most", [1000, 1])
def test_files_of_one_name_are_told_apart(
    most: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preparation, "_MOST_LISTED", most)
    for number, name in enumerate(("a", "b")):
        (tmp_path / "data" / name).mkdir(parents=True)
        row = (f"What is number {number}?", f"Number {number}.")
        pairs(tmp_path / "data" / name / "x.jsonl", row)
    record = prepare(recipe(tmp_path / "data", validation=0), tmp_path / "out")
    listed = [name for name in record.inputs if name.startswith("jsonl-0/")]
    assert listed == (
        ["jsonl-0/a/x.jsonl", "jsonl-0/b/x.jsonl"] if most > 1 else ["jsonl-0/2 files"]
    )
    pairs(tmp_path / "data" / "a" / "x.jsonl", ("What is number 7?", "Number 7."))
    with pytest.raises(UsageError, match="other settings or other data"):
        prepare(recipe(tmp_path / "data", validation=0), tmp_path / "out")


def command(file: Path, out: Path, *more: str) -> list[str]:
    settings = [f"data.path={file}", "data.reader=jsonl", "data.validation=0.2"]
    words = [sys.executable, "-m", "medtrain", "prepare", "clinical-llama2", "--out", str(out)]
    return [*words, *(part for s in settings for part in ("--set", s)), *more]


def test_killed_half_way_it_goes_on_to_the_same_bytes(tmp_path: Path) -> None:
    file = abstracts.write(tmp_path / "a.jsonl", 6_000, copies=300)  # two shards
    out = tmp_path / "killed"
    running = subprocess.Popen(command(file, out, "--workers", "1"), stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not list((out / "work").glob("0*.json")) and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(running.pid, signal.SIGKILL)
    running.wait()
    assert list((out / "work").glob("0*.json")) and not (out / "train.jsonl").exists()
    done = subprocess.run(
        command(file, out, "--workers", "2"), capture_output=True, text=True, check=True
    )
    following = f"medtrain run clinical-llama2 --data {out} --set data.path={file}"
    assert "examples to learn" in done.stdout and following in done.stdout
    subprocess.run(command(file, tmp_path / "unbroken", "--workers", "1"), check=True,
                   capture_output=True)  # fmt: skip
    assert bytes_of(out) == bytes_of(tmp_path / "unbroken")


def test_whole_shards_are_not_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "MOST_ROWS", 20)
    file = abstracts.write(tmp_path / "a.jsonl", 100)
    made: list[int] = []
    make = shards.make

    def counting(plan: shards.Plan, chunk: shards.Chunk) -> int:
        made.append(chunk.number)
        if len(made) == 3:
            raise KeyboardInterrupt
        return make(plan, chunk)

    monkeypatch.setattr(shards, "make", counting)
    with pytest.raises(InterruptedRunError, match="what is done is kept in"):
        prepare(recipe(file), tmp_path / "out")
    prepare(recipe(file), tmp_path / "out")
    assert made == [0, 1, 2, 2, 3, 4]


@pytest.mark.skipif(sys.platform != "linux", reason="/dev/full is Linux's")
def test_a_full_disk_is_told_in_one_line(tmp_path: Path) -> None:
    file = abstracts.write(tmp_path / "a.jsonl", 2_000)
    limit = "import resource,sys,os; resource.setrlimit(resource.RLIMIT_FSIZE, (200000, 200000)); "
    limit += "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
    limit += "from medtrain.cli import main; main()"
    words = command(file, tmp_path / "out", "--workers", "1")
    done = subprocess.run([words[0], "-c", limit, *words[3:]], capture_output=True, text=True,
                          check=False)  # fmt: skip
    assert done.returncode == 5, done.stderr
    assert "can't be written" in done.stderr.splitlines()[-1]
    assert not (tmp_path / "out" / "train.jsonl").exists()
