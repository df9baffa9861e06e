"""The space of a sweep: which settings of a recipe are tried, and within which bounds.

A YAML file names settings as `--set` does, each with its choices or its range:

    train.learning_rate: {low: 1.0e-5, high: 1.0e-3, log: true}
    lora.r: [8, 16, 32]
    train.batch: {low: 2, high: 8, step: 2}
    train.schedule: [cosine, linear]
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from medllm.errors import DataError
from pydantic import ValidationError
from rapidfuzz import process

from medtrain import settings_text
from medtrain.settings import AdapterSettings, Settings, TrainSettings, TuningRecipe

Value = bool | int | float | str
_GROUPS: dict[str, type[Settings]] = {"lora": AdapterSettings, "train": TrainSettings}
"""What may be tried: the data must be the same in all trials."""
_BOUNDS = ("low", "high", "step", "log")


@dataclass(frozen=True, slots=True)
class Choices:
    """A setting that takes one of several values."""

    name: str
    values: tuple[Value, ...]

    def suggest(self, trial: Any) -> Value:
        """A value for an Optuna trial."""
        chosen: Value = trial.suggest_categorical(self.name, list(self.values))
        return chosen

    def samples(self) -> tuple[Value, ...]:
        """Values that must be valid."""
        return self.values


@dataclass(frozen=True, slots=True)
class Range:
    """A setting that takes any number between two bounds."""

    name: str
    low: float
    high: float
    step: float | None = None
    log: bool = False
    """Whether orders of magnitude are alike, as for a learning rate."""

    @property
    def is_whole(self) -> bool:
        """Whether its values are whole numbers."""
        return all(isinstance(bound, int) for bound in (self.low, self.high, self.step or 0))

    def suggest(self, trial: Any) -> Value:
        """A value for an Optuna trial."""
        if self.is_whole:
            step = int(self.step or 1)
            number: int = trial.suggest_int(
                self.name, int(self.low), int(self.high), step=step, log=self.log
            )
            return number
        found: float = trial.suggest_float(
            self.name, self.low, self.high, step=self.step, log=self.log
        )
        return found

    def samples(self) -> tuple[Value, ...]:
        """Values that must be valid; the one between is no whole number, if these are none."""
        if self.is_whole:
            return (self.low, self.high)
        return (self.low, self.low + (self.step or (self.high - self.low) / math.pi), self.high)


Knob = Choices | Range


def read(file: Path, recipe: TuningRecipe) -> list[Knob]:
    """Reads a space and holds it against the recipe.

    Raises:
        DataError: a setting or a value is not one of the recipe's; the nearest is named.
    """
    import yaml

    try:
        content = settings_text.read(file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{file} can't be read: {reason}.") from error
    except yaml.YAMLError as error:
        raise DataError(f"{file} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict) or not content:
        raise DataError(f"{file} names no setting to try.", "A line is like: lora.r: [8, 16, 32]")
    knobs = [_knob(file, str(name), value) for name, value in content.items()]
    for knob in knobs:
        for value in knob.samples():
            _check(file, recipe, knob.name, value)
    return knobs


def plain(knobs: list[Knob]) -> dict[str, Any]:
    """The space as JSON holds it, to tell whether a sweep goes on with the same one."""
    return {
        knob.name: list(knob.values)
        if isinstance(knob, Choices)
        else [knob.low, knob.high, knob.step, knob.log]
        for knob in knobs
    }


def _names() -> Iterator[str]:
    for group, settings in _GROUPS.items():
        for name in settings.model_fields:
            yield f"{group}.{name}"


def _knob(file: Path, name: str, value: Any) -> Knob:
    names = list(_names())
    if name not in names:
        nearest = process.extractOne(name, names)[0]
        raise DataError(f"{file}: there is no setting {name} to try; did you mean {nearest}?")
    if isinstance(value, list):
        if not value or not all(isinstance(one, get_args(Value)) for one in value):
            raise DataError(f"{file}: {name} needs choices that are numbers or words.")
        return Choices(name, tuple(value))
    if not isinstance(value, dict):
        raise DataError(
            f"{file}: {name} has neither choices nor a range.",
            f"Write {name}: [A, B], or {name}: {{low: A, high: B}}.",
        )
    return _range(file, name, value)


def _range(file: Path, name: str, value: dict[str, Any]) -> Range:
    for key in value:
        if key not in _BOUNDS:
            nearest = process.extractOne(str(key), _BOUNDS)[0]
            raise DataError(f"{file}: {name} has no {key}; did you mean {nearest}?")
    low, high = (_number(file, name, key, value.get(key)) for key in ("low", "high"))
    step = value.get("step")
    log = bool(value.get("log", False))
    if not low < high or (log and low <= 0):
        raise DataError(f"{file}: {name} needs low below high{', both above 0' if log else ''}.")
    if step is not None and (log or not isinstance(step, int | float) or step <= 0):
        raise DataError(f"{file}: {name} needs a step above 0, and none with log.")
    return Range(name, low, high, step, log)


def _number(file: Path, name: str, key: str, number: Any) -> float:
    if not isinstance(number, int | float) or isinstance(number, bool):
        raise DataError(f"{file}: {name} needs a number as {key}.")
    return number


def _check(file: Path, recipe: TuningRecipe, name: str, value: Value) -> None:
    if name.startswith("lora.") and recipe.lora is None:
        raise DataError(
            f"{file}: {name} can't be tried, since the recipe trains all weights.",
            "Give the recipe an adapter: --set lora.r=16",
        )
    try:
        recipe.changed({name: value})
    except ValidationError as error:
        told = str(error.errors()[0]["msg"]).removeprefix("Value error, ")
        raise DataError(f"{file}: {name} can't be {value}: {told}.") from error
