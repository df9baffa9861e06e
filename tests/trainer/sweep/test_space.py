"""The space of a sweep: settings, choices and ranges, and what is wrong with them in one line."""

from pathlib import Path

import pytest
from medllm.errors import DataError
from medtrain import recipe as recipes
from medtrain.settings import TuningRecipe
from medtrain.sweep import space
from medtrain.sweep.space import Choices, Range


def recipe(*settings: str, name: str = "terminology-mistral") -> TuningRecipe:
    found = recipes.load(name, list(settings))
    assert isinstance(found, TuningRecipe)
    return found


def read(tmp_path: Path, text: str, chosen: TuningRecipe | None = None) -> list[space.Knob]:
    file = tmp_path / "space.yaml"
    file.write_text(text)
    return space.read(file, chosen or recipe())


def test_a_space_has_ranges_and_choices(tmp_path: Path) -> None:
    text = (
        "train.learning_rate: {low: 1.0e-5, high: 1.0e-3, log: true}\n"
        "lora.r: [8, 16]\n"
        "train.batch: {low: 2, high: 8, step: 2}\n"
        "train.schedule: [cosine, linear]\n"
    )
    rate, rank, batch, schedule = read(tmp_path, text)
    assert rate == Range("train.learning_rate", 1e-5, 1e-3, None, True)
    assert rank == Choices("lora.r", (8, 16))
    assert isinstance(batch, Range) and batch.is_whole and batch.step == 2
    assert schedule == Choices("train.schedule", ("cosine", "linear"))
    changed = recipe().changed({"lora.r": 16, "train.batch": 4, "train.schedule": "linear"})
    assert changed.lora and (changed.lora.r, changed.train.batch) == (16, 4)
    assert changed.train.schedule == "linear"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("train.learning_rat: [1, 2]", "no setting train.learning_rat to try; did you mean train.learning_rate"),
        ("learning_rate: [1, 2]", "did you mean train.learning_rate"),
        ("data.share: [0.1, 0.2]", "no setting data.share to try"),
        ("train.batch: {low: 1, hihg: 4}", "has no hihg; did you mean high?"),
        ("train.batch: {low: 1}", "needs a number as high"),
        ("train.batch: {low: 4, high: 2}", "needs low below high"),
        ("train.learning_rate: {low: 0, high: 1, log: true}", "both above 0"),
        ("train.batch: {low: 1, high: 8, log: true, step: 2}", "none with log"),
        ("train.batch: [0, 4]", "train.batch can't be 0"),
        ("train.batch: {low: 2, high: 8.0}", "train.batch can't be 3.9"),
        ("train.schedule: [cosine, triangle]", "train.schedule can't be triangle"),
        ("lora.r: 8", "has neither choices nor a range"),
        ("lora.r: []", "needs choices"),
        ("lora.r: [[1]]", "needs choices"),
        ("- lora.r", "names no setting"),
        ("", "names no setting"),
        ("a: [", "is not YAML"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(text: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        read(tmp_path, text)
    assert told in caught.value.line()
    assert "\n" not in caught.value.line()


def test_a_number_needs_no_point_before_its_exponent(tmp_path: Path) -> None:
    (rate,) = read(tmp_path, "train.learning_rate: {low: 1e-5, high: 1E-3, log: true}\n")
    assert rate == Range("train.learning_rate", 1e-5, 1e-3, None, True)


def test_a_recipe_without_an_adapter_has_none_to_try(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="trains all weights"):
        read(tmp_path, "lora.r: [8, 16]", recipe(name="qa-flan-t5"))


def test_a_space_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="can't be read"):
        space.read(tmp_path / "none.yaml", recipe())
