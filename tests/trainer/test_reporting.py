"""Reporting to TensorBoard: off unless asked for, and what is misspelled or missing is told."""

from pathlib import Path

import pytest
from medllm.errors import DataError, UsageError
from medtrain import reporting

from tests.trainer import tiny_runs
from tests.trainer.tiny_runs import Finished

NAME = "clinical-llama2"


def test_a_name_that_is_unknown_or_not_installed_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="did you mean tensorboard"):
        reporting.check(tiny_runs.load(NAME, tmp_path, "extra.report_to=tensorbord"))
    with pytest.raises(UsageError, match="neptune is not installed"):
        reporting.check(tiny_runs.load(NAME, tmp_path, "extra.report_to=[neptune]"))
    reporting.check(tiny_runs.load(NAME, tmp_path))
    reporting.check(tiny_runs.load(NAME, tmp_path, "extra.report_to=none"))


@pytest.mark.slow
@pytest.mark.xdist_group("training")
def test_tensorboard_gets_loss_and_accuracy(
    finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("tensorboard", reason="the extra watch is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    monkeypatch.setenv("TENSORBOARD_LOGGING_DIR", "")  # so that it is put back in the end
    monkeypatch.delenv("TENSORBOARD_LOGGING_DIR")
    assert not list(finished.out.glob("**/events.*")), "without being asked"
    settings = ["train.max_steps=2", "extra.report_to=tensorboard"]
    loud = tiny_runs.load(NAME, Path(finished.recipe.base), *settings)
    tiny_runs.train(loud, tmp_path / "loud", finished.data)
    events = EventAccumulator(str(tmp_path / "loud" / "tensorboard"))
    events.Reload()
    tags = events.Tags()["scalars"]
    assert {"train/loss", "train/mean_token_accuracy"} <= set(tags)
    assert [event.step for event in events.Scalars("train/loss")][-1] == 2
