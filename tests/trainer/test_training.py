"""What a crash or a full disk leaves of a checkpoint is not taken for a whole one."""

from pathlib import Path

import pytest
from medtrain import training


@pytest.mark.parametrize("state", [None, "", '{"global_step": 10, "log_history": [\n'])
def test_a_training_goes_on_from_the_last_whole_checkpoint(
    state: str | None, tmp_path: Path
) -> None:
    for step, told in ((5, '{"global_step": 5}'), (10, state)):
        folder = tmp_path / f"checkpoint-{step}"
        folder.mkdir()
        if told is not None:
            (folder / "trainer_state.json").write_text(told)
    assert training.last_checkpoint(tmp_path) == tmp_path / "checkpoint-5"
    assert not (tmp_path / "checkpoint-10").exists(), "what is broken makes room"


def test_a_training_without_a_checkpoint_begins_anew(tmp_path: Path) -> None:
    assert training.last_checkpoint(tmp_path / "nothing") is None
    (tmp_path / "checkpoint-3").mkdir()
    assert training.last_checkpoint(tmp_path) is None
