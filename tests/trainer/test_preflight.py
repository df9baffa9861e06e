"""What would spoil a training is refused before its first step."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from medllm.chat_families import FAMILIES
from medllm.errors import TrainingError
from medtrain import bases, preflight
from medtrain.encoding import MASKED, ChatEncoder, Tally
from medtrain.examples import Example

from tests.trainer import tiny_runs


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("base")
    return bases.tokenizer_of(tiny_runs.base(folder, "llama2", FAMILIES["llama2"].jinja))


@pytest.mark.parametrize(
    ("ids", "labels", "told"),
    [
        ([1, 5, 6, 2], [MASKED, MASKED, 6, 2], ""),
        ([1, 5, 6, 2], [MASKED] * 4, "no token to learn"),
        ([1, 5, 6, 2], [MASKED, MASKED, MASKED, 2], "An answer is empty"),
        ([1, 5, 6, 7], [MASKED, MASKED, 6, 7], "lacks its EOS"),
        ([1, 1, 6, 2], [MASKED, MASKED, 6, 2], "two BOS"),
        ([5, 5, 6, 2], [MASKED, MASKED, 6, 2], "does not begin with a BOS"),
    ],
)
def test_rows(tokenizer: Any, ids: list[int], labels: list[int], told: str) -> None:
    assert (tokenizer.bos_token_id, tokenizer.eos_token_id) == (1, 2)
    if not told:
        preflight.check_row(ids, labels, tokenizer, frozenset({2}))
        return
    with pytest.raises(TrainingError, match=told):
        preflight.check_row(ids, labels, tokenizer, frozenset({2}))


@pytest.mark.parametrize(
    ("kept", "refused", "told"),
    [
        (0, 0, "no example to train on"),
        (0, 3, "Every example is longer than 512 tokens. Try --set train.max_length=704"),
        (2, 3, "3 of 5 examples are longer"),
    ],
)
def test_counts(kept: int, refused: int, told: str) -> None:
    recipe = tiny_runs.load("terminology-mistral", Path("base"))
    tally = Tally(examples=kept, too_long=refused, longest_refused=700 if refused else 0)
    with pytest.raises(TrainingError) as caught:
        preflight.check_counts(recipe, tally)
    assert told in caught.value.line()


def test_a_sample_is_shown_with_its_masked_and_its_learned_part(
    tokenizer: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = tiny_runs.load("terminology-mistral", Path("base"))
    tally = Tally(too_long=2)
    made = ChatEncoder(tokenizer, frozenset({2}), 2048)
    row = made.encode(Example(**tiny_runs.sample()), tally)
    assert row is not None
    preflight.show(recipe, tokenizer, (tally, Tally()), row, {"Device": "2 cores"})
    shown = capsys.readouterr().err
    masked, learned = shown.split("Masked:\n")[1].split("Learned:\n")
    assert "<s>" in masked and "What is flu?" in masked and "An infection." not in masked
    assert learned.split() == ["An", "infection.", "</s>"]
    assert "1 to learn" in shown and "Left out: 2 longer than 512 tokens" in shown
    assert "\x1b" not in shown


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("pairs")
    return bases.tokenizer_of(tiny_runs.base(folder, "flan-t5", None))


def trainer(tokenizer: Any, rows: list[dict[str, list[int]]], collator: Any) -> Any:
    return SimpleNamespace(
        train_dataset=rows, processing_class=tokenizer, data_collator=collator(tokenizer)
    )


def test_padding_of_a_question_is_not_taken_for_that_of_an_answer(pairs: Any) -> None:
    from transformers import DataCollatorForSeq2Seq

    # Both sides are padded to eight, at other places.
    rows = [
        {"input_ids": [10] * 7 + [1], "labels": [11] * 4 + [1]},
        {"input_ids": [10] * 3 + [1], "labels": [11] * 7 + [1]},
    ]
    preflight.check_batch(trainer(pairs, rows, DataCollatorForSeq2Seq))


def test_a_batch_that_learns_more_or_less_than_its_answers_is_refused(tokenizer: Any) -> None:
    from transformers import DataCollatorForLanguageModeling, DataCollatorForSeq2Seq

    rows = [{"input_ids": [1, 5, 6, 2], "labels": [MASKED, MASKED, 6, 2]}]

    def whole(tokenizer: Any) -> Any:
        collate = DataCollatorForLanguageModeling(tokenizer, mlm=False)
        return lambda some: collate([{"input_ids": row["input_ids"]} for row in some])

    def without_its_end(tokenizer: Any) -> Any:
        collate = DataCollatorForSeq2Seq(tokenizer)
        return lambda some: collate(
            [{**row, "labels": [*row["labels"][:-1], -100]} for row in some]
        )

    preflight.check_batch(trainer(tokenizer, rows, DataCollatorForSeq2Seq))
    with pytest.raises(TrainingError, match="4 tokens of a batch would be learned and only 2"):
        preflight.check_batch(trainer(tokenizer, rows, whole))
    with pytest.raises(TrainingError, match="Only 1 of the 2 tokens"):
        preflight.check_batch(trainer(tokenizer, rows, without_its_end))


def test_an_end_that_fills_batches_up_is_learned_where_it_is_the_end_alone(tokenizer: Any) -> None:
    from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

    rows = [
        {"input_ids": [1, 5, *[6] * n, 2], "labels": [MASKED] * 2 + [6] * n + [2]} for n in (1, 9)
    ]
    collator = DataCollatorForLanguageModeling(pad_token_id=2)
    preflight.check_batch(trainer(tokenizer, rows, lambda _: collator))
    assert collator(rows)["labels"].eq(2).sum(dim=-1).tolist() == [1, 1]


def test_a_question_as_long_as_its_answer_is_shown_and_counted(
    pairs: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    question, answer = pairs("What is flu?")["input_ids"], pairs("What is flu?")["input_ids"]
    recipe = tiny_runs.load("qa-flan-t5", Path("base"))
    row = {"input_ids": question, "labels": answer}
    preflight.show(recipe, pairs, (Tally(), Tally()), row, {})
    masked, learned = capsys.readouterr().err.split("Masked:\n")[1].split("Learned:\n")
    assert "What is flu?" in masked and "What is flu?" in learned
