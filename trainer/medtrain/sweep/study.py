"""A sweep: trials in turn, each with settings that Optuna chooses from those before.

The trials stand in OUT/sweep.sqlite3, which is written before and after each. So a sweep that
was stopped, or killed, goes on by the same command: the trial that was under way is taken up
again, from its checkpoint.
"""

import fcntl
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from medllm import paths
from medllm.errors import StorageError, TrainingError, UsageError
from pydantic import ValidationError

from medtrain import data as datasets
from medtrain.settings import TuningRecipe
from medtrain.sweep import report, space, trial
from medtrain.sweep.space import Knob, Value

_FILE, _LOCK, _TRIALS = "sweep.sqlite3", "sweep.lock", "trials"
_FIRST = 4
"""Trials that are chosen at random and never ended early: what later ones are held against."""
_MOST_RETRIES = 3
_LEAST = 3
"""Trials after which a sweep ends if all of them failed."""


def run(
    recipe: TuningRecipe, knobs: list[Knob], out: Path, named: Path | None, trials: int
) -> Path:
    """Runs trials until there are so many, and writes the report.

    Args:
        recipe: what all trials have in common.
        knobs: the settings that are tried.
        out: folder of the sweep.
        named: the data, where it is not the recipe's own.
        trials: how many there are in the end, those of an earlier call included.

    Returns:
        The recipe with the best settings, best.yaml.

    Raises:
        UsageError: another sweep lies in `out`, or runs there.
        TrainingError: there is nothing to validate on, or every trial failed.
        InterruptedRunError: Ctrl-C; the same command goes on.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    paths.ensure_dir(out)
    with _alone(out):
        prepared = datasets.of_run(recipe, named, out / "data")
        if not prepared.validation:
            raise TrainingError(
                "A sweep needs examples to validate on, and there are none.",
                "Set data.validation above 0.",
            )
        own = out / "data"
        data = own if named is None or own.is_dir() else named
        study = _open(recipe, knobs, out, prepared.inputs)
        _take_up(study)
        while (done := _count(study)) < trials:
            study.sampler = _sampler(recipe.seed + len(study.trials))
            _one(study, recipe, knobs, out, data, f"{done + 1}/{trials}")
            if _count(study) >= _LEAST or _has_result(study):
                report.write(study, recipe, knobs, out, named)
        return report.write(study, recipe, knobs, out, named)


@contextmanager
def _alone(out: Path) -> Iterator[None]:
    """One sweep at a time in a folder; what a killed one has left is waited for."""
    with open(out / _LOCK, "w") as lock:
        for _ in range(50):
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                time.sleep(0.1)
        else:
            raise UsageError(f"Another sweep runs in {out}.", "Name another folder with --out.")
        yield


def _open(recipe: TuningRecipe, knobs: list[Knob], out: Path, inputs: dict[str, str]) -> Any:
    import optuna
    from sqlalchemy.exc import SQLAlchemyError

    about = {"settings": recipe.in_force(), "space": space.plain(knobs), "inputs": inputs}
    try:
        study = optuna.create_study(
            storage=f"sqlite:///{out / _FILE}",
            study_name="sweep",
            direction="minimize",
            load_if_exists=True,
            sampler=_sampler(recipe.seed),
            pruner=optuna.pruners.MedianPruner(n_startup_trials=_FIRST),
        )
        if study.user_attrs and any(study.user_attrs.get(k) != v for k, v in about.items()):
            raise UsageError(
                f"{out} holds a sweep of other settings, another space or other data.",
                "Name another folder with --out, or remove that one.",
            )
        for key, value in about.items():
            study.set_user_attr(key, value)
    except (SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
        raise StorageError(
            f"{out / _FILE} can't be used: {str(error).splitlines()[0]}", "Name another folder."
        ) from error
    return study


def _sampler(seed: int) -> Any:
    import optuna

    return optuna.samplers.TPESampler(seed=seed, n_startup_trials=_FIRST)


def _take_up(study: Any) -> None:
    """Puts the trial that was under way when a sweep was killed at the head of the queue."""
    import optuna

    states = optuna.trial.TrialState
    waiting = [t.user_attrs.get("folder") for t in study.get_trials(states=(states.WAITING,))]
    for stopped in study.get_trials(states=(states.RUNNING,)):
        retries = stopped.user_attrs.get("retries", 0) + 1
        # A trial without a folder was stopped before it was trained, and is simply left.
        folder = stopped.user_attrs.get("folder")
        if folder and folder not in waiting and retries <= _MOST_RETRIES:
            attributes = {"folder": folder, "retries": retries}
            study.enqueue_trial(stopped.params, user_attrs=attributes)
        study.tell(stopped.number, state=states.FAIL)


def _count(study: Any) -> int:
    """Trials that ended; those that were taken up again count once, and those that wait not yet."""
    import optuna

    states = optuna.trial.TrialState
    ended = study.get_trials(states=(states.COMPLETE, states.PRUNED, states.FAIL))
    waiting = study.get_trials(states=(states.WAITING,))
    folders = [{t.user_attrs.get("folder") for t in some} for some in (ended, waiting)]
    return len(folders[0] - folders[1] - {None})


def _has_result(study: Any) -> bool:
    import optuna

    return bool(study.get_trials(states=(optuna.trial.TrialState.COMPLETE,)))


def _one(
    study: Any, recipe: TuningRecipe, knobs: list[Knob], out: Path, data: Path, place: str
) -> None:
    """One trial, from its settings to its result."""
    import optuna

    states = optuna.trial.TrialState
    asked = study.ask()
    values: dict[str, Value] = {knob.name: knob.suggest(asked) for knob in knobs}
    told = ", ".join(f"{name}={report.short(value)}" for name, value in values.items())
    if "folder" not in asked.user_attrs:
        asked.set_user_attr("folder", _next_name(study))
    folder = out / _TRIALS / asked.user_attrs["folder"]
    if (known := _known(study, asked)) is not None:
        _say(f"trial {place}: {told}: the same as before, {known.value:.4f}")
        asked.set_user_attr("run", report.run_of(known))
        study.tell(asked, known.value)
        return
    _say(f"trial {place}: {told}")

    def hopeless(number: int, loss: float) -> bool:
        asked.report(loss, number)
        _say(f"trial {place}: validation {number}, loss {loss:.4f}")
        return bool(asked.should_prune())

    try:
        outcome = trial.train(recipe.changed(values), folder, data, hopeless)
    except ValidationError as error:
        problem = str(error.errors()[0]["msg"]).removeprefix("Value error, ")
        outcome = trial.Outcome("failed", told=problem)
    if outcome.state == "complete":
        study.tell(asked, outcome.loss)
        _say(f"trial {place}: validation loss {outcome.loss:.4f}, best {study.best_value:.4f}")
    else:
        asked.set_user_attr("told", outcome.told)
        study.tell(asked, state=states.PRUNED if outcome.state == "pruned" else states.FAIL)
        ended = f"ended early after {outcome.validations} validations"
        _say(f"trial {place}: {ended if outcome.state == 'pruned' else outcome.told}")
    _tidy(study, out)


def _known(study: Any, asked: Any) -> Any:
    """A trial that had the same settings: the same seed would give the same loss."""
    import optuna

    complete = study.get_trials(states=(optuna.trial.TrialState.COMPLETE,))
    return next((t for t in complete if t.params == asked.params), None)


def _tidy(study: Any, out: Path) -> None:
    """Removes the weights of all trials but the best; records, logs and curves stay."""
    best = report.run_of(study.best_trial) if _has_result(study) else ""
    for folder in (out / _TRIALS).iterdir():
        if folder.name != best:
            for name in ("adapter", "model", "work", "base"):
                shutil.rmtree(folder / name, ignore_errors=True)


def _next_name(study: Any) -> str:
    """Name of a new trial; one that was taken up again has kept its own."""
    known = {t.user_attrs.get("folder") for t in study.get_trials(deepcopy=False)} - {None}
    return f"{len(known) + 1:03d}"


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
