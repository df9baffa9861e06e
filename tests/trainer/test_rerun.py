"""A run repeated from its run.json: the same bytes, and what differs is named."""

import io
import json
import shutil
from contextlib import redirect_stdout
from pathlib import Path

import pytest
from medllm import run_record
from medllm.errors import DataError, TrainingError, UsageError
from medtrain import rerun as reruns
from medtrain.rerun_command import rerun

from tests.trainer.tiny_runs import Finished

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("training")]


Repeated = tuple[Path, str]


@pytest.fixture(scope="module")
def repeated(finished: Finished, tmp_path_factory: pytest.TempPathFactory) -> Repeated:
    """The finished run, done again by the command; and what the command said."""
    out = tmp_path_factory.mktemp("rerun") / "again"
    with redirect_stdout(io.StringIO()) as said:
        rerun(finished.out, out, finished.data)
    return out, said.getvalue()


def test_a_run_is_repeated_to_the_same_bytes(finished: Finished, repeated: Repeated) -> None:
    out, said = repeated
    assert "Identical: all 1 output files" in said
    before, now = run_record.read(finished.out), run_record.read(out)
    assert before.outputs == now.outputs and before.settings == now.settings


def test_what_differs_is_named(
    finished: Finished, repeated: Repeated, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # The default folder holds the repeated run already, so that only the comparison is left to do.
    shutil.copytree(repeated[0], tmp_path / "run-again", symlinks=True)
    other = tmp_path / "run"
    other.mkdir()
    record = run_record.read(finished.out)
    record.versions["torch"] = "0.0.1"
    record.machine["processor"] = "96 cores, other"
    record.outputs["adapter/adapter_model.safetensors"] = "0" * 64
    record.write(other)
    with pytest.raises(TrainingError, match="1 of 1 output files are not the same") as caught:
        rerun(other, None, finished.data)
    assert "what differs above" in caught.value.hint
    said = capsys.readouterr().out
    assert "version torch: 0.0.1 then" in said
    assert "machine processor: 96 cores, other then" in said
    assert f"output adapter/adapter_model.safetensors: {'0' * 64} then" in said


def test_other_data_is_refused_before_it_is_trained_on(finished: Finished, tmp_path: Path) -> None:
    changed = tmp_path / "records.jsonl"
    changed.write_text(finished.data.read_text() + "\n")
    with pytest.raises(DataError, match=r"not that of the run: records.jsonl differ"):
        rerun(finished.out, tmp_path / "again", changed)
    assert not (tmp_path / "again" / "run.json").exists()


def test_what_is_no_finished_training_is_refused(finished: Finished, tmp_path: Path) -> None:
    record = run_record.read(finished.out)
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
        rerun(finished.out, finished.out, finished.data)
