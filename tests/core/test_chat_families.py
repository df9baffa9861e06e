"""Chat families: what their templates render, and which family a template belongs to."""

import pytest
from medllm import chat_families
from medllm.chat_families import FAMILIES, recognise
from medllm.engines.template import ChatTemplate
from medllm.errors import UsageError
from medllm.prompts import EXPERT, MINI_TEMPLATE, Message

BOS, EOS = "<s>", "</s>"
CHAT: tuple[Message, ...] = (
    {"role": "system", "content": "S"},
    {"role": "user", "content": "Q1"},
    {"role": "assistant", "content": "A1"},
    {"role": "user", "content": "Q2"},
)
PROMPTS = {
    "llama2": "<s>[INST] <<SYS>>\nS\n<</SYS>>\n\nQ1 [/INST] A1 </s><s>[INST] Q2 [/INST]",
    "llama3": "<s><|start_header_id|>system<|end_header_id|>\n\nS<|eot_id|>"
    "<|start_header_id|>user<|end_header_id|>\n\nQ1<|eot_id|>"
    "<|start_header_id|>assistant<|end_header_id|>\n\nA1<|eot_id|>"
    "<|start_header_id|>user<|end_header_id|>\n\nQ2<|eot_id|>"
    "<|start_header_id|>assistant<|end_header_id|>\n\n",
    "llama3.1": "<s><|start_header_id|>system<|end_header_id|>\n\n"
    "Cutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\nS<|eot_id|>"
    "<|start_header_id|>user<|end_header_id|>\n\nQ1<|eot_id|>"
    "<|start_header_id|>assistant<|end_header_id|>\n\nA1<|eot_id|>"
    "<|start_header_id|>user<|end_header_id|>\n\nQ2<|eot_id|>"
    "<|start_header_id|>assistant<|end_header_id|>\n\n",
    "mistral": "<s>[INST] Q1[/INST] A1</s>[INST] S\n\nQ2[/INST]",
    "mistral-v1": "<s> [INST] S\n\nQ1 [/INST] A1</s> [INST] Q2 [/INST]",
    "alpaca": "<s>S\n\n### Instruction:\nQ1\n\n### Response:\nA1</s>\n\n"
    "### Instruction:\nQ2\n\n### Response:\n",
    "medical-answer": f"<s>{EXPERT}\n\n### Question:\nQ1\n\n### Medical Answer:\nA1</s>\n\n"
    "### Question:\nQ2\n\n### Medical Answer:\n",
    "chatml": "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nQ1<|im_end|>\n"
    "<|im_start|>assistant\nA1<|im_end|>\n<|im_start|>user\nQ2<|im_end|>\n"
    "<|im_start|>assistant\n",
    "qwen2.5": "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nQ1<|im_end|>\n"
    "<|im_start|>assistant\nA1<|im_end|>\n<|im_start|>user\nQ2<|im_end|>\n"
    "<|im_start|>assistant\n",
    "gemma": "<s><start_of_turn>user\nS\n\nQ1<end_of_turn>\n<start_of_turn>model\nA1<end_of_turn>\n"
    "<start_of_turn>user\nQ2<end_of_turn>\n<start_of_turn>model\n",
    "phi3": "<|system|>\nS<|end|>\n<|user|>\nQ1<|end|>\n<|assistant|>\nA1<|end|>\n"
    "<|user|>\nQ2<|end|>\n<|assistant|>\n",
    "mini": "<s><|user|>Q1<|assistant|>A1</s><|user|>Q2<|assistant|>",
}


def test_each_family_is_here() -> None:
    assert set(PROMPTS) == set(FAMILIES)


@pytest.mark.parametrize("name", FAMILIES)
def test_the_prompt_is_the_published_one(name: str) -> None:
    family = FAMILIES[name]
    template = ChatTemplate(family.jinja, BOS, EOS)
    text = template.render(CHAT)
    assert text == PROMPTS[name]
    assert text.startswith(BOS) == family.writes_bos
    assert template.has_system == family.takes_system


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_is_recognised_by_its_own_template(name: str) -> None:
    found = recognise(FAMILIES[name].jinja, BOS, EOS)
    assert found
    assert found.name == name


def test_qwen_has_a_system_text_of_its_own() -> None:
    text = ChatTemplate(FAMILIES["qwen2.5"].jinja, "", "<|im_end|>").render(CHAT[1:2])
    assert text.startswith("<|im_start|>system\nYou are Qwen,")
    assert text.endswith("<|im_end|>\n<|im_start|>user\nQ1<|im_end|>\n<|im_start|>assistant\n")


@pytest.mark.parametrize("name", ["llama2", "mistral", "gemma", "alpaca"])
def test_turns_out_of_order_are_refused(name: str) -> None:
    template = ChatTemplate(FAMILIES[name].jinja, BOS, EOS)
    with pytest.raises(Exception, match="must take turns"):
        template.render((CHAT[1], CHAT[3]))


@pytest.mark.parametrize(
    ("family", "template"),
    [
        pytest.param(
            "chatml",
            "{% for m in messages %}{{ '<|im_start|>' ~ m.role ~ '\\n' ~ m.content | trim }}"
            "<|im_end|>\n{% endfor %}{{ '<|im_start|>assistant\n' }}",
            id="other words, trimmed, always with a prompt",
        ),
        pytest.param(
            "phi3",
            "{{ bos_token }}{% for m in messages %}<|{{ m.role }}|>\n{{ m.content }}<|end|>\n"
            "{% endfor %}<|assistant|>\n{{ '' }}",
            id="with a BOS",
        ),
        pytest.param(
            "gemma",
            "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('none') }}"
            "{% endif %}<start_of_turn>{{ 'model' if m.role == 'assistant' else m.role }}\n"
            "{{ m.content }}<end_of_turn>\n{% endfor %}<start_of_turn>model\n{{ '' }}",
            id="refuses a system text",
        ),
        pytest.param("mini", MINI_TEMPLATE, id="mini"),
        pytest.param(
            None,
            "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>"
            "{% endfor %}<|im_start|>assistant\n{{ '' }}",
            id="a line break is missing",
        ),
        pytest.param(
            None,
            "{{ bos_token }}{% for m in messages %}[INST] {{ m.content }} [/INST]{% endfor %}",
            id="no family",
        ),
        pytest.param(None, "{% for %}", id="no template"),
        pytest.param(None, "{{ raise_exception('never') }}", id="always refuses"),
        pytest.param(None, "", id="empty"),
        pytest.param(None, None, id="none"),
    ],
)
def test_a_template_is_known_by_what_it_renders(family: str | None, template: str | None) -> None:
    found = recognise(template, BOS, EOS)
    assert (found.name if found else None) == family


def test_the_models_own_spellings_are_taken() -> None:
    found = recognise(FAMILIES["alpaca"].jinja, "<|begin|>", "<|end_of_text|>")
    assert found
    assert "<|end_of_text|>" in found.ollama_template
    assert EOS not in found.ollama_template
    assert found.stops == ("<|end_of_text|>", "### Instruction:")
    later = FAMILIES["llama2"].spelled("<bos>", "<eos>").ollama_template
    assert "<bos>{{ end }}[INST]" in later
    assert "</s>" not in later


@pytest.mark.parametrize(
    ("recorded", "family"),
    [("llama2", "llama2"), ("our-own", "mistral"), ("", "mistral"), (None, "mistral")],
)
def test_the_recorded_name_goes_before_the_template(recorded: str | None, family: str) -> None:
    found = chat_families.of_model(recorded, FAMILIES["mistral"].jinja, "<b>", "<e>")
    assert found
    assert (found.name, found.stops[0]) == (family, "<e>")


def test_a_token_that_does_not_exist_is_no_stop() -> None:
    assert FAMILIES["mistral"].spelled("", "").stops == ("[INST]",)


def test_an_unknown_family_is_refused() -> None:
    with pytest.raises(UsageError, match="no chat family 'vicuna'") as caught:
        chat_families.family("vicuna")
    assert "mistral" in caught.value.hint
