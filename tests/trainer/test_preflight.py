"""What would spoil a training is refused before its first step."""

from pathlib import Path
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
