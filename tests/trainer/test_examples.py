"""Examples: what is read, what is refused and how it is told, and that writing keeps them."""

import json
from pathlib import Path
from typing import Any

import pytest
from medllm.errors import DataError, UsageError
from medtrain import examples
from medtrain.examples import Example

from tests.trainer.tiny_runs import sample

USER = {"role": "user", "content": "What is flu?"}
ANSWER = {"role": "assistant", "content": "An infection."}


def lines(file: Path, *content: Any) -> Path:
    file.write_text("".join(f"{json.dumps(c)}\n" for c in content), encoding="utf-8")
    return file


@pytest.mark.parametrize(
    "content",
    [
        {"messages": [USER, ANSWER]},
        {"prompt": [USER], "completion": [ANSWER]},
        {"prompt": "What is flu?", "completion": "An infection."},
        sample(prompt=[USER]),
    ],
    ids=["chat", "messages", "texts", "prepared"],
)
def test_each_form_gives_the_same_example(content: dict[str, Any]) -> None:
    found = examples.parse(content, "here", "data")
    assert (found.prompt, found.completion) == ([USER], "An infection.")


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    made = [Example(**sample(document=f"d{i}", completion=f"É\n{i}")) for i in range(3)]
    assert examples.write_lines(tmp_path / examples.TRAIN, made) == 3
    prepared = examples.read_prepared(tmp_path)
    assert (prepared.train, prepared.validation) == (made, [])
    assert set(prepared.inputs) == {examples.TRAIN}


def test_a_line_of_a_megabyte_is_read(tmp_path: Path) -> None:
    file = lines(tmp_path / "x.jsonl", {"prompt": "Q " * 500_000, "completion": "A"})
    (found,) = examples.read_lines(file)
    assert len(found.prompt[0]["content"]) == 1_000_000


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ({"question": "a", "answer": "b"}, "there is no 'prompt', only question, answer"),
        ({"prompt": "", "completion": "b"}, "the prompt is empty"),
        ({"prompt": "a", "completion": " \n"}, "nothing to learn"),
        ({"prompt": [ANSWER], "completion": "b"}, "is not the user's"),
        ({"messages": [USER]}, "does not end with an answer"),
        ({"messages": [{"role": "human", "content": "a"}, ANSWER]}, "needs a role"),
        ({"messages": "a"}, "'messages' is no list of messages"),
        ({"prompt": 5, "completion": "a"}, "'prompt' is neither a text nor a list"),
        ({"prompt": "a", "completion": None}, "'completion' is neither a text"),
        (sample(kind=3), "kind is not a text"),
        ([1], "not a JSON object"),
    ],
)
def test_file_and_line_of_what_is_wrong_are_named(tmp_path: Path, content: Any, told: str) -> None:
    file = lines(tmp_path / "x.jsonl", sample(), content)
    with pytest.raises(DataError, match=r"x\.jsonl, line 2") as caught:
        list(examples.read_lines(file))
    assert told in caught.value.line()


def test_broken_json_is_named_by_its_line(tmp_path: Path) -> None:
    file = tmp_path / "x.jsonl"
    file.write_text(f"{json.dumps(sample())}\n\n{{'prompt'\n")
    with pytest.raises(DataError, match=r"line 3: this is not JSON"):
        list(examples.read_lines(file))


def test_bytes_that_are_no_text_are_told(tmp_path: Path) -> None:
    file = tmp_path / "x.jsonl"
    file.write_bytes(json.dumps(sample()).encode() + b"\n\xff\xfe\x00")
    with pytest.raises(DataError, match=r"x\.jsonl, line 2 is not UTF-8"):
        list(examples.read_lines(file))


def test_a_mark_of_the_byte_order_is_passed_over(tmp_path: Path) -> None:
    file = tmp_path / "x.jsonl"
    file.write_bytes(b"\xef\xbb\xbf" + json.dumps(sample()).encode() + b"\r\n")
    assert len(list(examples.read_lines(file))) == 1


def test_a_folder_that_is_not_prepared_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"holds no train\.jsonl"):
        examples.read_prepared(tmp_path)
