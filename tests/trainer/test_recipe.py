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


SYSTEMS = {
    "terminology-mistral": {
        "base": "mistralai/Mistral-7B-Instruct-v0.3", "lora.r": 32, "lora.alpha": 32,
        "lora.targets": "all-linear", "train.learning_rate": 3e-4, "train.schedule": "cosine",
        "train.optimizer": "adamw-8bit", "train.batch": 2, "train.accumulation": 4,
        "train.epochs": 5, "data.system": "card",
    },
    "pubmedqa-llama2": {"lora.bits": 4, "chat_family": "llama2", "data.reader": "pubmedqa"},
    "clinical-llama2": {"chat_family": "llama2", "lora.bits": 16},
    "qa-flan-t5": {
        "base": "google/flan-t5-base", "kind": "seq2seq", "prefix": "Medical question: ",
        "train.max_length": 128, "train.learning_rate": 1e-4, "train.batch": 4,
        "train.accumulation": 2, "train.weight_decay": 0.01, "train.epochs": 10,
        "train.precision": "fp32", "train.save_steps": 0, "lora": None,
    },
    "flashcards-llama3": {
        "base": "meta-llama/Llama-3.2-3B-Instruct", "lora.bits": 4, "lora.r": 64,
        "lora.alpha": 128, "lora.dropout": 0, "lora.rslora": True, "train.learning_rate": 5e-5,
        "train.warmup": 0.05, "train.batch": 6, "train.accumulation": 2, "train.epochs": 1,
        "train.max_length": 1024, "data.share": 0.1, "template": "family",
    },
}  # fmt: skip


@pytest.mark.parametrize("name", SYSTEMS)
def test_the_recipes_have_the_values_of_their_systems(name: str) -> None:
    content = recipe.load(name).in_force()
    for key, wanted in SYSTEMS[name].items():
        found = content
        for part in key.split("."):
            found = found[part]
        assert found == wanted, key


def test_each_recipe_opens_with_the_command_that_runs_it() -> None:
    for name in recipe.names():
        text = recipe._text(name)
        assert text.startswith(f"# medtrain run {name}")
        assert "# Cost" in text


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (["kind=causl"], "there is no kind 'causl'. There are: scratch, causal, seq2seq"),
        (["lora.rang=1"], "no setting lora.rang; did you mean"),
        (["lora=null"], "lora can't be null"),
        (["lora.dora=true", "lora.init=pissa", "lora.bits=16"], "choose one"),
        (["lora.init=pissa"], "set lora.bits=16"),
        (["prefix=Q"], "prefix is for seq2seq"),
        (["template=family", "chat_family="], "chat_family"),
        (["base="], "base"),
        (["lora.targets=[]"], "lora.targets names no layer"),
        (["data.columns={prompt: question}"], "data.columns is for data.reader=jsonl"),
        (["train.precision=int8"], "'bf16', 'fp16' or 'fp32'"),
        (["data.specialities=[cardiolgy]"], "'cardiology'"),
        (["data.reader=pubmedqa", "data.specialities=[cardiology]"], "cards, pairs and dialogues"),
        (["data.reader=pairs", "data.ways=1"], "data.ways is for data.reader=cards"),
    ],
)
def test_settings_that_do_not_fit_together_are_named(overrides: list[str], told: str) -> None:
    with pytest.raises(DataError) as caught:
        recipe.load("terminology-mistral", overrides)
    assert told in caught.value.line()
    assert "\n" not in caught.value.line()


def test_a_number_needs_no_point_before_its_exponent() -> None:
    found = recipe.load("qa-flan-t5", ["extra.max_grad_norm=1e-1", "train.learning_rate=+2E-4"])
    assert (found.extra["max_grad_norm"], found.train.learning_rate) == (0.1, 2e-4)


def test_a_text_is_emptied_by_giving_it_nothing() -> None:
    assert recipe.load("qa-flan-t5", ["prefix="]).prefix == ""


def test_a_base_without_a_kind_is_asked_for_it(tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    file.write_text("name: own\nbase: google/flan-t5-base\n")
    with pytest.raises(DataError, match="kind is missing") as caught:
        recipe.load(str(file))
    assert "causal" in caught.value.hint and "seq2seq" in caught.value.hint


def test_a_group_that_is_null_can_be_set() -> None:
    assert recipe.load("qa-flan-t5", ["lora.r=8"]).lora.r == 8
