"""The base: found, its template honoured, shown beside the adapter with what was trained with."""

import json
from pathlib import Path

import pytest
from medllm.chat_families import FAMILIES
from medllm.errors import DataError, UsageError
from medtrain import bases

from tests.trainer import tiny_runs


def test_what_is_no_base_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match=r"holds no config\.json"):
        bases.locate(str(tmp_path))
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(UsageError, match="no weights as safetensors"):
        bases.locate(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for name in ("no/such-model", "not a name", "../nothing"):
        with pytest.raises(UsageError) as caught:
            bases.locate(name)
        assert "--set base=FOLDER" in caught.value.hint


def test_a_base_without_template_gets_that_of_the_family(tmp_path: Path) -> None:
    recipe = tiny_runs.load("pubmedqa-llama2", tiny_runs.base(tmp_path / "b", "llama2", None))
    template, family = bases.template_of(recipe, bases.tokenizer_of(tmp_path / "b"))
    assert (template, family) == (FAMILIES["llama2"].jinja, "llama2")
    bases.show(tmp_path / "b", tmp_path / "shown", template)
    shown = bases.tokenizer_of(tmp_path / "shown")
    assert shown.chat_template == template
    assert (tmp_path / "shown" / "model.safetensors").is_symlink()
    assert "chat_template" not in json.loads((tmp_path / "b" / "tokenizer_config.json").read_text())
    nameless = recipe.model_copy(update={"chat_family": ""})
    with pytest.raises(DataError, match="has no chat template, and the recipe names none"):
        bases.template_of(nameless, bases.tokenizer_of(tmp_path / "b"))


def test_the_bases_own_template_is_honoured(tmp_path: Path) -> None:
    own = FAMILIES["chatml"].jinja
    folder = tiny_runs.base(tmp_path / "b", "qwen3", own)
    tokenizer = bases.tokenizer_of(folder)
    recipe = tiny_runs.load("pubmedqa-llama2", folder)
    with pytest.raises(DataError, match="speaks chatml, the recipe says llama2"):
        bases.template_of(recipe, tokenizer)
    named = recipe.model_copy(update={"chat_family": ""})
    assert bases.template_of(named, tokenizer) == (None, "chatml")
    other = recipe.model_copy(update={"template": "family"})
    assert bases.template_of(other, tokenizer) == (FAMILIES["llama2"].jinja, "llama2")


def test_an_unknown_template_is_kept_and_no_family_claimed(tmp_path: Path) -> None:
    folder = tiny_runs.base(
        tmp_path, "llama3", "{% for m in messages %}{{ m.content }}{% endfor %}"
    )
    recipe = tiny_runs.load("pubmedqa-llama2", folder)
    assert bases.template_of(recipe, bases.tokenizer_of(folder)) == (None, "")


@pytest.mark.parametrize(("maker", "pad"), [("llama2", "<unk>"), ("flan-t5", "<pad>")])
def test_padding_is_not_the_end_where_another_token_is_there(
    tmp_path: Path, maker: str, pad: str
) -> None:
    assert bases.tokenizer_of(tiny_runs.base(tmp_path, maker, None)).pad_token == pad


def test_a_pad_that_is_the_end_is_replaced(tmp_path: Path) -> None:
    folder = tiny_runs.base(tmp_path, "llama2", None)
    file = folder / "tokenizer_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"pad_token": "</s>"}))
    assert bases.tokenizer_of(folder).pad_token == "<unk>"


def test_a_broken_tokenizer_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(UsageError, match="can't be read") as caught:
        bases.tokenizer_of(tmp_path)
    assert "\n" not in caught.value.line()
