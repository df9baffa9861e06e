"""`medtrain check` and `medtrain recipes`: what is known before a run, without a GPU."""

import subprocess
import sys
from pathlib import Path

import pytest
from medtrain import recipe as recipes
from medtrain.check import check

from tests.trainer import tiny_runs


@pytest.mark.parametrize("name", tiny_runs.BASES)
def test_a_recipe_that_can_be_run_is_found_well(name: str, tmp_path: Path) -> None:
    folder = tiny_runs.base(tmp_path / "base", *tiny_runs.BASES[name])
    data = tiny_runs.records(tmp_path / "records.jsonl")
    found = list(check(tiny_runs.load(name, folder, "train.max_length=2048"), data))
    assert [finding.name for finding in found] == [
        "settings", "base", "model", "data", "examples",
    ]  # fmt: skip
    assert not [finding.line() for finding in found if finding.problem]
    assert "million are trained" in found[2].told
    assert "12 examples" in found[3].told
    assert "one BOS, and the end of the answer is learned" in found[4].told
    assert sorted(file.name for file in tmp_path.iterdir()) == ["base", "records.jsonl"]


@pytest.mark.parametrize(
    ("settings", "which", "told"),
    [
        (["base=no/model"], "base", "is not here"),
        (["extra.optimiser=x"], "settings", "did you mean"),
        (["train.precision=fp16"], "settings", "can't train in fp16"),
        (["extra.logging_strategy=never"], "settings", "never is not a valid"),
        (["extra.report_to=tensorbord"], "settings", "did you mean tensorboard"),
        (["kind=seq2seq", "chat_family="], "model", "(mistral) can't be trained as seq2seq"),
        (["lora.targets=[q_proj, v_prj]"], "model", "no linear layer v_prj; did you mean v_proj"),
        (["train.patience=2"], "data", "needs examples to validate on"),
        (["chat_family=chatml"], "base", "speaks mistral, the recipe says chatml"),
        (["train.max_length=16"], "examples", "longer than 16 tokens"),
    ],
)
def test_what_is_wrong_is_named(settings: list[str], which: str, told: str, tmp_path: Path) -> None:
    name = "terminology-mistral"
    folder = tiny_runs.base(tmp_path / "base", *tiny_runs.BASES[name])
    data = tiny_runs.records(tmp_path / "records.jsonl")
    found = {f.name: f for f in check(tiny_runs.load(name, folder, *settings), data)}
    assert found[which].problem is not None
    assert told in found[which].line()


def test_broken_data_is_named_by_file_and_line(tmp_path: Path) -> None:
    folder = tiny_runs.base(tmp_path / "base", *tiny_runs.BASES["pubmedqa-llama2"])
    file = tmp_path / "records.jsonl"
    file.write_text('{"question": "a", "answer": "b"}\n')
    found = {f.name: f for f in check(tiny_runs.load("pubmedqa-llama2", folder), file)}
    assert "records.jsonl, line 1: there is no 'prompt', only question, answer" in (
        found["data"].line()
    )
    assert "examples" not in found


def test_the_recipe_s_own_data_is_read_where_none_is_named(tmp_path: Path) -> None:
    folder = tiny_runs.base(tmp_path / "base", *tiny_runs.BASES["terminology-mistral"])
    own = {f.name: f for f in check(tiny_runs.load("terminology-mistral", folder))}
    assert own["data"].told == "the first 200 examples of cards were read"
    lacking = {f.name: f for f in check(tiny_runs.load("clinical-llama2", folder))}
    assert "There is no data at data/raw/ehr-ds-qa" in lacking["data"].line()


def test_the_command_leaves_with_an_error_and_lists_recipes() -> None:
    words = [sys.executable, "-m", "medtrain"]
    done = subprocess.run(
        [*words, "check", "terminology-mistral", "--set", "train.epoch=3"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (7, "")
    assert done.stderr.endswith("there is no setting train.epoch; did you mean epochs?\n")
    listed = subprocess.run([*words, "recipes"], capture_output=True, text=True, check=True).stdout
    for name in recipes.names():
        chosen = recipes.load(name)
        assert f"{name}: {chosen.summary}" in listed and chosen.cost
        assert chosen.cost.hardware in listed and chosen.cost.time in listed
        assert getattr(chosen, "base", "none") in listed
