"""A sweep of very small trainings: killed, gone on with, reported; and what it refuses."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from medllm import run_record
from medllm.errors import TrainingError, UsageError
from medtrain import recipe as recipes
from medtrain.settings import TuningRecipe
from medtrain.sweep import report, space, study, trial

from tests.trainer import tiny_runs

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("training")]

NAME = "clinical-llama2"
SETTINGS = [
    "train.max_steps=6", "train.save_steps=2", "data.validation=0.3", "train.patience=0",
    "lora.dropout=0",
]  # fmt: skip
SPACE = "train.learning_rate: [1.0e-4, 1.0e-2]\nlora.r: [2, 4]\n"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sweep")
    tiny_runs.records(folder / "records.jsonl")
    tiny_runs.base(folder / "base", *tiny_runs.BASES[NAME])
    (folder / "space.yaml").write_text(SPACE)
    return folder


def command(place: Path, out: Path, trials: int) -> list[str]:
    chosen = [f"base={place / 'base'}", *tiny_runs.SMALL, *SETTINGS]
    return [
        sys.executable, "-m", "medtrain", "sweep", NAME, "--space", str(place / "space.yaml"),
        "--trials", str(trials), "--out", str(out), "--data", str(place / "records.jsonl"),
        *(word for setting in chosen for word in ("--set", setting)),
    ]  # fmt: skip


def test_a_killed_sweep_goes_on_with_the_trial_that_was_under_way(
    place: Path, tmp_path: Path
) -> None:
    out = tmp_path / "sweep"
    with subprocess.Popen(command(place, out, 1), stderr=subprocess.PIPE, text=True) as child:
        trial = out / "trials" / "001" / "work"
        while child.poll() is None and not list(trial.glob("checkpoint-*/trainer_state.json")):
            time.sleep(0.05)
        os.kill(child.pid, signal.SIGKILL)
        child.wait(timeout=60)
        assert child.stderr is not None
        said = child.stderr.read()
    assert child.returncode == -signal.SIGKILL, said
    began = said.splitlines()[0]
    assert not (out / "best.yaml").exists()
    done = subprocess.run(
        command(place, out, 1), capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    assert began in done.stderr.splitlines()[0], "the same settings are tried first"
    assert [folder.name for folder in (out / "trials").iterdir()] == ["001"]
    told = (out / "README.md").read_text()
    assert told.count("| 001 |") == 1
    best = recipes.load(str(out / "best.yaml"))
    assert isinstance(best, TuningRecipe) and best.lora
    assert best.train.learning_rate in (1e-4, 1e-2) and best.lora.r in (2, 4)
    assert best.base == str(place / "base")
    made = out / "trials" / "001"
    assert run_record.read(made).settings["lora"]["r"] == best.lora.r
    log = json.loads((made / "adapter" / "log.json").read_text())
    lowest = min(line["eval_loss"] for line in log if "eval_loss" in line)
    assert f"The best validation loss is {lowest:.4f}" in told


def test_nothing_is_trained_where_nothing_can_be_found(place: Path, tmp_path: Path) -> None:
    recipe = tiny_runs.load(NAME, place / "base", *SETTINGS)
    knobs = space.read(place / "space.yaml", recipe)
    data = place / "records.jsonl"
    lacks = recipe.model_copy(update={"data": recipe.data.model_copy(update={"validation": 0})})
    with pytest.raises(TrainingError, match="needs examples to validate on"):
        study.run(lacks, knobs, tmp_path / "a", data, 1)
    with study._alone(tmp_path / "a"), pytest.raises(UsageError, match="Another sweep runs"):
        study.run(recipe, knobs, tmp_path / "a", data, 1)


def test_a_trial_that_fails_says_why(place: Path, tmp_path: Path) -> None:
    recipe = tiny_runs.load(NAME, tmp_path / "no-base", *SETTINGS)
    outcome = trial.train(recipe, tmp_path / "trial", place / "records.jsonl", lambda *_: False)
    assert outcome.state == "failed"
    assert "There is no base" in outcome.told


def test_a_hopeless_trial_is_ended_early(place: Path, tmp_path: Path) -> None:
    recipe = tiny_runs.load(NAME, place / "base", *SETTINGS, "train.max_steps=500")
    told: list[tuple[int, float]] = []

    def hopeless(number: int, loss: float) -> bool:
        told.append((number, loss))
        return number >= 2

    outcome = trial.train(recipe, tmp_path / "trial", place / "records.jsonl", hopeless)
    assert outcome.state == "pruned"
    assert [number for number, _ in told] == [1, 2]
    assert not (tmp_path / "trial" / "adapter").exists()


def test_the_report_tells_all_trials_and_keeps_the_weights_of_the_best(
    place: Path, tmp_path: Path
) -> None:
    import optuna

    recipe = tiny_runs.load(NAME, place / "base", *SETTINGS)
    knobs = space.read(place / "space.yaml", recipe)
    found = optuna.create_study()
    ends = [("COMPLETE", 1.5, {}), ("COMPLETE", 1.25, {}), ("PRUNED", None, {1: 2.5}),
            ("FAIL", None, {}), ("COMPLETE", 1.25, {})]  # fmt: skip
    for number, (state, value, seen) in enumerate(ends, 1):
        params = {"train.learning_rate": 1e-4, "lora.r": 2 if value == 1.5 else 4}
        attributes = {"folder": f"{number:03d}", "told": "no memory" if state == "FAIL" else ""}
        if number == 5:
            attributes["run"] = "002"
        kinds = optuna.distributions.CategoricalDistribution
        choices = {knob.name: kinds(knob.samples()) for knob in knobs}
        trial_state = optuna.trial.TrialState[state]
        found.add_trial(
            optuna.trial.create_trial(
                state=trial_state, value=value, params=params, distributions=choices,
                user_attrs=attributes, intermediate_values=seen,
            )
        )  # fmt: skip
        (tmp_path / "trials" / f"{number:03d}" / "adapter").mkdir(parents=True)
    study._tidy(found, tmp_path)
    assert [f.parent.name for f in tmp_path.glob("trials/*/adapter")] == ["002"]
    best = recipes.load(str(report.write(found, recipe, knobs, tmp_path)))
    assert isinstance(best, TuningRecipe) and best.lora and best.lora.r == 4
    told = (tmp_path / "README.md").read_text()
    assert "3 trials came to their end, 1 were ended early, 1 failed." in told
    assert "The best validation loss is 1.2500, of trial 002" in told
    assert "    medtrain run best.yaml\n" in told
    report.write(found, recipe, knobs, tmp_path, place / "records.jsonl")
    named = f"    medtrain run best.yaml --data {place / 'records.jsonl'}\n"
    assert named in (tmp_path / "README.md").read_text()
    rows = [line for line in told.splitlines() if line.startswith("| 0")]
    assert [row[2:5] for row in rows] == ["002", "005", "001", "003", "004"]
    assert "| 2.5000 | ended early |" in rows[3] and "failed: no memory" in rows[4]
    assert (tmp_path / "trials.png").read_bytes().startswith(b"\x89PNG")
