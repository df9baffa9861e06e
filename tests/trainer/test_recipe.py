"""Recipes: defaults, file, command line; errors that name the setting."""

from pathlib import Path

import pytest
from medllm.errors import DataError, UsageError
from medtrain import recipe


def test_mini_is_a_recipe_of_the_size_that_it_says() -> None:
    mini = recipe.load("mini")
    assert "mini" in recipe.names()
    shape = mini.model
    layer = 4 * shape.hidden**2 + 3 * shape.hidden * shape.ffn + 2 * shape.hidden
    total = shape.layers * layer + shape.vocabulary * shape.hidden + shape.hidden
    assert 7e6 <= total <= 16e6


def test_the_command_line_wins_over_the_file_and_that_over_the_defaults(tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    file.write_text("name: own\nchat_family: mini\ntune: {epochs: 7}\n")
    assert recipe.load(str(file)).tune.epochs == 7
    assert recipe.load(str(file)).tune.batch == 16
    assert recipe.load(str(file), ["tune.epochs=3", "lora.r=8"]).tune.epochs == 3
    assert recipe.load(str(file), ["tune.epochs=3", "lora.r=8"]).lora.r == 8


@pytest.mark.parametrize(
    ("overrides", "error", "told"),
    [
        (["tune.epoch=3"], DataError, "did you mean epochs"),
        (["tun.epochs=3"], DataError, "did you mean tune"),
        (["tune.epochs=-1"], DataError, "tune.epochs"),
        (["model.hidden=300"], DataError, "multiple of 256"),
        (["tune.epochs"], UsageError, "KEY=VALUE"),
        (["name.x=1"], UsageError, "no group"),
    ],
)
def test_a_wrong_setting_is_named(overrides: list[str], error: type, told: str) -> None:
    with pytest.raises(error) as caught:
        recipe.load("mini", overrides)
    assert told in caught.value.line()


def test_an_unknown_recipe_lists_those_that_exist() -> None:
    with pytest.raises(UsageError, match="no recipe") as caught:
        recipe.load("mega")
    assert "mini" in caught.value.hint


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    file = tmp_path / "broken.yaml"
    file.write_text("name: [")
    with pytest.raises(DataError, match=r"broken\.yaml is not YAML"):
        recipe.load(str(file))
