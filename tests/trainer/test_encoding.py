"""Tokens and labels: one BOS, the answer alone learned, its end learned, for every chat family."""

from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from medllm.chat_families import FAMILIES
from medllm.errors import DataError, TrainingError
from medtrain import bases, encoding
from medtrain.encoding import MASKED, ChatEncoder, PairEncoder, Tally
from medtrain.examples import Example

from tests.trainer import tiny_runs

MAKERS = {
    "llama2": "llama2", "llama3": "llama3", "llama3.1": "llama3", "mistral": "mistral3",
    "mistral-v1": "llama2", "alpaca": "llama2", "medical-answer": "llama3", "chatml": "qwen3",
    "qwen2.5": "qwen2", "gemma": "gemma3", "phi3": "phi3",
}  # fmt: skip
ANSWER = "**Definition**: A disease of the joints."
DATED = (
    "{{ bos_token }}{% if not date_string is defined %}"
    "{% set date_string = strftime_now('%d %b %Y') %}{% endif %}Today: {{ date_string }}\n"
    "{% for m in messages %}<|start_header_id|>{{ m.role }}<|end_header_id|>\n\n"
    "{{ m.content }}<|eot_id|>{% endfor %}{% if add_generation_prompt %}"
    "<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
)


def example(**changes: Any) -> Example:
    return Example(**tiny_runs.sample(completion=ANSWER, **changes))


def encoder(folder: Path, maker: str, template: str | None, family: str = "") -> Any:
    tiny_runs.base(folder, maker, template)
    tokenizer = bases.tokenizer_of(folder)
    return tokenizer, ChatEncoder(tokenizer, bases.ends_of(tokenizer, folder, family), 2048)


@pytest.mark.parametrize("name", MAKERS)
def test_each_family_learns_the_answer_and_its_end_alone(name: str, tmp_path: Path) -> None:
    tokenizer, made = encoder(tmp_path, MAKERS[name], FAMILIES[name].jinja, name)
    tally = Tally()
    row = made.encode(example(), tally)
    assert row is not None
    ids, labels = row["input_ids"], row["labels"]
    learned = [label for label in labels if label != MASKED]
    assert len(ids) == len(labels)
    assert ids[-len(learned) :] == learned, "the learned part is the end"
    assert tokenizer.decode(learned[:-1]).strip() == ANSWER
    spelled = FAMILIES[name].spelled(tokenizer.bos_token or "", tokenizer.eos_token)
    assert tokenizer.decode(learned[-1:]) in (*spelled.stops, tokenizer.eos_token)
    if tokenizer.bos_token:
        begins = tokenizer("x")["input_ids"][0] == tokenizer.bos_token_id
        assert ids.count(tokenizer.bos_token_id) == (begins or FAMILIES[name].writes_bos)
    assert (tally.examples, tally.too_long, tally.merged) == (1, 0, 0)
    assert tally.without_system == (not FAMILIES[name].takes_system)
    # What is learned follows what the model will be asked with.
    asked = made._ids(made.render(example().prompt, "", asks=True))
    assert ids[: len(asked)] == asked
    assert all(label == MASKED for label in labels[: len(asked)])


def test_every_turn_but_the_last_is_masked(tmp_path: Path) -> None:
    tokenizer, made = encoder(tmp_path, "mistral3", FAMILIES["mistral"].jinja, "mistral")
    first = [{"role": "user", "content": "Q1"}, {"role": "assistant", "content": "A1"}]
    row = made.encode(example(prompt=[*first, {"role": "user", "content": "Q2"}]), Tally())
    learned = [label for label in row["labels"] if label != MASKED]
    assert tokenizer.decode(learned).strip() == f"{ANSWER}</s>"


def test_mistral_keeps_the_system_text_behind_which_an_answer_stands(tmp_path: Path) -> None:
    tokenizer, made = encoder(tmp_path, "mistral3", FAMILIES["mistral"].jinja, "mistral")
    system = example().prompt[0]["content"]
    chat = [*example().prompt, {"role": "assistant", "content": ANSWER}]
    assert system not in tokenizer.apply_chat_template(chat, tokenize=False), "the template's way"
    before, whole = made.texts(example())
    assert system in before and whole == f"{before} {ANSWER}</s>"


def test_an_end_that_the_template_forgets_is_added(tmp_path: Path) -> None:
    template = (
        "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
        "{% if add_generation_prompt %}assistant: {% endif %}"
    )
    tokenizer, made = encoder(tmp_path, "llama2", template)
    row = made.encode(example(), Tally())
    assert row["labels"][-1] == tokenizer.eos_token_id
    assert row["input_ids"][:2].count(tokenizer.bos_token_id) == 1


def test_a_template_that_writes_the_day_writes_the_same_day_always(tmp_path: Path) -> None:
    _, made = encoder(tmp_path, "llama3", DATED)
    text = made.render(example().prompt, "", asks=True)
    assert "Today: 26 Jul 2024" in text
    assert datetime.now().strftime("%d %b %Y") not in text


def test_a_refused_system_text_goes_into_the_question(tmp_path: Path) -> None:
    template = "{% if messages[0].role == 'system' %}{{ raise_exception('no') }}{% endif %}"
    _, made = encoder(tmp_path, "llama2", template + FAMILIES["llama2"].jinja)
    tally = Tally()
    text = made.render(example().prompt, "", asks=True)
    assert example().prompt[0]["content"] in text
    made.encode(example(), tally)
    assert tally.without_system == 0


def test_what_is_too_long_is_counted_and_never_cut(tmp_path: Path) -> None:
    tokenizer, _ = encoder(tmp_path, "llama2", FAMILIES["llama2"].jinja)
    made = ChatEncoder(tokenizer, frozenset({tokenizer.eos_token_id}), 16)
    tally = Tally()
    assert list(encoding.encode_all([example(), example()], made, tally)) == []
    assert (tally.too_long, tally.examples) == (2, 0)
    assert tally.longest_refused > 16


def test_a_template_that_hides_the_answer_is_refused(tmp_path: Path) -> None:
    template = "{{ 'Prompt that goes away' if add_generation_prompt }}{{ messages[-1].content }}"
    _, made = encoder(tmp_path, "llama3", template)
    with pytest.raises(TrainingError, match="behind the prompt"):
        made.encode(example(), Tally())


def test_a_template_that_fails_names_the_example(tmp_path: Path) -> None:
    _, made = encoder(tmp_path, "llama2", "{{ raise_exception('never') }}")
    with pytest.raises(DataError, match=r"d1: the chat template refuses this chat: never"):
        made.encode(example(), Tally())


def test_a_pair_has_prefix_and_end_on_both_sides(tmp_path: Path) -> None:
    recipe = tiny_runs.load("qa-flan-t5", tiny_runs.base(tmp_path / "base", "flan-t5", None))
    template, _ = bases.template_of(recipe, bases.tokenizer_of(tmp_path / "base"))
    bases.show(tmp_path / "base", tmp_path / "shown", template)
    tokenizer = bases.tokenizer_of(tmp_path / "shown")
    tally = Tally()
    question = [{"role": "user", "content": "What is hypertension?"}]
    row = PairEncoder(tokenizer, 256).encode(example(prompt=question), tally)
    assert row is not None
    assert row["input_ids"] == tokenizer("Medical question: What is hypertension?")["input_ids"]
    assert row["labels"][-1] == tokenizer.eos_token_id
    assert MASKED not in row["labels"]
    alike = "Medical question: What is hypertension?"
    again = PairEncoder(tokenizer, 256).encode(
        replace(example(prompt=question), completion=alike), tally
    )
    assert again and len(again["labels"]) == len(again["input_ids"]), "as long as its question"
    assert tally.lengths == [len(r["input_ids"]) + len(r["labels"]) for r in (row, again)]
    assert PairEncoder(tokenizer, 8).encode(example(prompt=question), tally) is None
    assert tally.too_long == 1


def test_rows_are_written_as_datasets_reads_them(tmp_path: Path) -> None:
    from datasets import Dataset

    rows = [{"input_ids": [i, i + 1], "labels": [MASKED, i + 1]} for i in range(2500)]
    encoding.write(iter(rows), tmp_path / "x.arrow")
    assert Dataset.from_file(str(tmp_path / "x.arrow")).to_list() == rows
