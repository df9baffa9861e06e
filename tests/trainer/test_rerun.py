"""A run repeated from its run.json: the same bytes, and what differs is named."""

import json
from pathlib import Path

import pytest
from medllm import run_record
from medllm.errors import DataError, TrainingError, UsageError
from medtrain import rerun as reruns
from medtrain.rerun_command import rerun

from tests.trainer import tiny_runs

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("training")]

NAME = "clinical-llama2"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run, with its base and its data."""
    folder = tmp_path_factory.mktemp("rerun")
    data = tiny_runs.records(folder / "records.jsonl")
    base = tiny_runs.base(folder / "base", *tiny_runs.BASES[NAME])
    recipe = tiny_runs.load(NAME, base, "train.max_steps=2", "train.patience=0")
    tiny_runs.train(recipe, folder / "run", data)
    return folder


def test_a_run_is_repeated_to_the_same_bytes(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rerun(place / "run", tmp_path / "again", place / "records.jsonl")
    assert "Identical: all 1 output files" in capsys.readouterr().out
    before, now = run_record.read(place / "run"), run_record.read(tmp_path / "again")
    assert before.outputs == now.outputs and before.settings == now.settings


def test_what_differs_is_named(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "run"
    other.mkdir()
    record = run_record.read(place / "run")
    record.versions["torch"] = "0.0.1"
    record.machine["processor"] = "96 cores, other"
    record.outputs["adapter/adapter_model.safetensors"] = "0" * 64
    record.write(other)
    with pytest.raises(TrainingError, match="1 of 1 output files are not the same") as caught:
        rerun(other, None, place / "records.jsonl")
    assert "what differs above" in caught.value.hint
    said = capsys.readouterr().out
    assert "version torch: 0.0.1 then" in said
    assert "machine processor: 96 cores, other then" in said
    assert f"output adapter/adapter_model.safetensors: {'0' * 64} then" in said
    assert run_record.read(tmp_path / "run-again").finished


def test_other_data_is_refused_before_it_is_trained_on(place: Path, tmp_path: Path) -> None:
    changed = tmp_path / "records.jsonl"
    changed.write_text((place / "records.jsonl").read_text() + "\n")
    with pytest.raises(DataError, match=r"not that of the run: records.jsonl differ"):
        rerun(place / "run", tmp_path / "again", changed)
    assert not (tmp_path / "again" / "run.json").exists()


def test_what_is_no_finished_training_is_refused(place: Path, tmp_path: Path) -> None:
    record = run_record.read(place / "run")
    record.finished = ""
    record.write(tmp_path)
    with pytest.raises(UsageError, match="is not finished"):
        reruns.read(tmp_path)
    record.finished, record.settings = "now", {**record.settings, "colour": "red"}
    record.write(tmp_path)
    with pytest.raises(DataError, match="the setting colour is not known"):
        reruns.read(tmp_path)
    content = {**json.loads((tmp_path / "run.json").read_text()), "stage": "convert"}
    (tmp_path / "run.json").write_text(json.dumps(content))
    with pytest.raises(UsageError, match="no training but the stage 'convert'"):
        reruns.read(tmp_path)
    with pytest.raises(TrainingError, match="in its own folder"):
        rerun(place / "run", place / "run", place / "records.jsonl")
