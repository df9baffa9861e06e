"""Chats of tiny models: transformers, GGUF and Ollama give the same tokens, or it is said where not."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from medconvert.verify import chats
from medllm.chat_families import FAMILIES
from medllm.errors import ConversionError

from tests.converter import models, zoo
from tests.converter.conftest import convert

MAKERS: dict[str, Callable[[Path], Any]] = {
    "llama2": zoo.llama2,
    "llama3": zoo.llama3,
    "llama3.1": zoo.llama3,
    "mistral": zoo.mistral3,
    "mistral-v1": zoo.llama2,
    "alpaca": zoo.llama2,
    "medical-answer": zoo.llama3,
    "chatml": zoo.qwen3,
    "qwen2.5": zoo.qwen2,
    "gemma": zoo.gemma3,
    "phi3": zoo.phi3,
    "mini": models.mini,
}
ENDS = {
    "medical-answer": "<|eot_id|>", "llama3": "<|eot_id|>", "llama3.1": "<|eot_id|>", "chatml": "<|im_end|>",
    "qwen2.5": "<|im_end|>", "gemma": "<end_of_turn>", "phi3": "<|end|>",
}  # fmt: skip
# llama.cpp knows by its name that this model drops white space.
FOLDERS = {"phi3": "Phi-3-mini"}
# How many chats llama.cpp renders alike by itself: it puts no space before the answers of
# Llama 2, Mistral's system text into the first question, and knows no text that a template
# brings along. What has the words of another template it takes for that.
BUILT_IN: dict[str, int | None] = dict.fromkeys(FAMILIES, len(chats.CHATS))
BUILT_IN |= {"llama2": 4, "llama3.1": 0, "mistral": 5, "qwen2.5": 4, "mini": 0, "alpaca": None}
BUILT_IN |= {"medical-answer": None}
FIRST_BOS = "{{- (bos_token if loop.first else '') + '[INST] '"
Converted = tuple[Path, Path]
"""Model folder and GGUF."""


def make(folder: Path, maker: Callable[[Path], Any], template: str | None) -> Converted:
    """A model with that chat template, converted."""
    maker(folder)
    file = folder / "tokenizer_config.json"
    settings = json.loads(file.read_text(encoding="utf-8"))
    (folder / "chat_template.jinja").unlink(missing_ok=True)
    file.write_text(json.dumps(settings | {"chat_template": template}))
    out = folder.parent / f"{folder.name}.gguf"
    convert(folder, out, quants="f16")
    return folder, out


@pytest.mark.parametrize("name", FAMILIES)
def test_the_chats_of_a_family_are_the_same_everywhere(name: str, tmp_path: Path) -> None:
    family = FAMILIES[name]
    folder, file = make(tmp_path / FOLDERS.get(name, "model"), MAKERS[name], family.jinja)
    found = chats.measure(folder, file, None)
    assert found.failure == ""
    assert (found.chats, found.family) == (len(chats.CHATS), name)
    assert found.tokens > 250
    assert (found.bos, found.bos_added) == (family.writes_bos, False)
    assert found.end == ENDS.get(name, "</s>")
    assert found.built_in == BUILT_IN[name]


def test_models_of_one_shape_but_no_family_are_compared_without_ollama(tmp_path: Path) -> None:
    template = (
        "{{ bos_token }}{% for m in messages %}<{{ m.role }}>{{ m.content }}{{ eos_token }}"
        "{% endfor %}<assistant>"
    )
    found = chats.measure(*make(tmp_path / "model", zoo.llama2, template), None)
    assert (found.chats, found.family, found.failure) == (len(chats.CHATS), "", "")
    assert "no Ollama template known" in found.said()


def test_a_model_without_a_template_has_no_chats(tmp_path: Path) -> None:
    found = chats.measure(*make(tmp_path / "model", zoo.llama2, None), None)
    assert found == chats.Chats()
    assert found.said() == "the model has no chat template"


def test_a_family_that_is_named_wrongly_is_said(tmp_path: Path) -> None:
    folder, file = make(tmp_path / "model", zoo.llama2, FAMILIES["llama2"].jinja)
    found = chats.measure(folder, file, "alpaca")
    assert found.failure.startswith("In a question, the Ollama template of alpaca differs")
    assert "from token 2: '<0x23>'" in found.failure  # of "### Instruction:"
    assert "\n" not in found.failure


def test_another_template_in_the_gguf_is_said(tmp_path: Path) -> None:
    _, file = make(tmp_path / "model", zoo.llama2, FAMILIES["llama2"].jinja)
    other, _ = make(tmp_path / "other", zoo.llama2, FAMILIES["alpaca"].jinja)
    found = chats.measure(other, file, None)
    assert found.failure.startswith("In a question, the template in the GGUF differs")


def test_a_difference_in_follow_ups_alone_is_found(tmp_path: Path) -> None:
    # Without BOS in the history, as some models tuned on Llama 2 have it.
    template = FAMILIES["llama2"].jinja.replace("{{- bos_token + '[INST] '", FIRST_BOS)
    assert template != FAMILIES["llama2"].jinja
    found = chats.measure(*make(tmp_path / "model", zoo.llama2, template), "llama2")
    assert found.failure.startswith("In a follow-up, the Ollama template of llama2 differs")
    assert "'<s>'" in found.failure


def test_two_bos_are_said(tmp_path: Path) -> None:
    template = "{{ bos_token }}" + FAMILIES["llama3"].jinja
    found = chats.measure(*make(tmp_path / "model", zoo.llama3, template), None)
    assert found.failure == "In a question, the prompt begins with 2 BOS."


def test_a_bos_that_the_gguf_adds_of_itself_is_said(tmp_path: Path) -> None:
    template = FAMILIES["llama3"].jinja.replace("{{- bos_token }}", "")
    found = chats.measure(*make(tmp_path / "model", zoo.llama3, template), None)
    assert (found.failure, found.family, found.bos, found.bos_added) == ("", "llama3", 1, True)
    assert "1 BOS, which the template leaves out" in found.said()


def test_an_answer_that_nothing_ends_is_said(tmp_path: Path) -> None:
    template = "{% for m in messages %}{{ m.role }}: {{ m.content }}<|im_start|>{% endfor %}"
    found = chats.measure(*make(tmp_path / "model", zoo.qwen3, template), None)
    assert found.failure == (
        "The chat template ends an answer with '<|im_start|>user: An', which is neither an end "
        "token of the GGUF nor a stop: the model would not stop."
    )


def test_the_check_runs_in_a_process_of_its_own(tmp_path: Path) -> None:
    folder, file = make(tmp_path / "model", models.mini, FAMILIES["mini"].jinja)
    # A name of the user's own says nothing here; the template does.
    found = chats.check(folder, file, "our-own")
    assert found.failure == ""
    assert found.said().startswith(
        "6 chats alike in transformers, GGUF and Ollama (mini), 1 BOS, answers end with </s>"
    )


def test_what_can_not_be_read_is_one_line(tmp_path: Path) -> None:
    folder, file = make(tmp_path / "model", models.mini, FAMILIES["mini"].jinja)
    file.write_bytes(b"GGUF")
    with pytest.raises(ConversionError, match="can't load the vocabulary"):
        chats.check(folder, file)
