"""Examples: what every reader gives, what preparation writes, and what training reads.

A prepared folder holds train.jsonl and validation.jsonl, one example a line as JSON,
README.md (the data card) and run.json with the stage "prepare".
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

from medllm import files
from medllm.errors import DataError, UsageError
from medllm.prompts import SYSTEM, Message

TRAIN, VALIDATION = "train.jsonl", "validation.jsonl"
"""The files of a prepared folder."""
_ROLES: tuple[str, ...] = get_args(get_type_hints(Message)["role"])
_TEXTS = ("source", "licence", "document", "kind")


@dataclass(frozen=True, slots=True)
class Example:
    """One prompt and the completion that is learned for it."""

    prompt: list[Message]
    """The chat up to the answer; the last turn is the user's."""
    completion: str
    """The answer; the loss is on it alone."""
    source: str
    """The data set that it comes from."""
    licence: str
    document: str
    """Id of what it was made from; examples of one document never part in a split."""
    kind: str
    """What is asked: card, question, choice, cloze, dialogue, ..."""

    def line(self) -> str:
        """The example as one line of JSON, without the line's end."""
        # dataclasses.asdict would copy every message.
        content = {name: getattr(self, name) for name in self.__slots__}
        return json.dumps(content, ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class Prepared:
    """The examples of a run, and the files that they came from."""

    train: list[Example]
    validation: list[Example]
    inputs: dict[str, str]
    """SHA-256 of each file, by its name."""


def with_system(prompt: list[Message], system: str) -> list[Message]:
    """The prompt with the recipe's system text, where it has none of its own.

    Args:
        prompt: the turns.
        system: the text, `card` for the one that asks for the four parts, or empty.
    """
    if not system or not prompt or prompt[0]["role"] == "system":
        return prompt
    return [{"role": "system", "content": SYSTEM if system == "card" else system}, *prompt]


def read_prepared(folder: Path) -> Prepared:
    """Reads what preparation wrote.

    Raises:
        UsageError: the folder holds no train.jsonl.
        DataError: a line is no example; file and line are named.
    """
    if not (folder / TRAIN).is_file():
        raise UsageError(
            f"{folder} holds no {TRAIN}, so it is no prepared folder.",
            "Make one with: medtrain prepare RECIPE",
        )
    there = [name for name in (TRAIN, VALIDATION) if (folder / name).is_file()]
    read = {name: list(read_lines(folder / name)) for name in there}
    inputs = {name: files.sha256(folder / name) for name in there}
    return Prepared(read[TRAIN], read.get(VALIDATION, []), inputs)


def read_lines(file: Path) -> Iterator[Example]:
    """The examples of a JSONL file, read line by line; empty lines are passed over.

    A line holds an example, a chat (`messages`, the last one the assistant's), or `prompt`
    and `completion`, each a text or a list of messages.

    Raises:
        DataError: a line is none of these; file and line are named.
    """
    from medtrain.readers import rows  # which know what an example is

    for number, line in rows.text_lines(file):
        if not line.strip():
            continue
        where = f"{file}, line {number}"
        yield parse(rows.parse(line, where), where, file.stem)


def parse(content: Any, where: str, source: str = "") -> Example:
    """An example from what a line of JSON holds.

    Args:
        content: the line, read.
        where: file and line, for messages.
        source: name of the data set where the line has none.

    Raises:
        DataError: it is no example.
    """
    if not isinstance(content, dict):
        raise DataError(f"{where}: this is not a JSON object.")
    prompt, completion = _turns(content, where)
    if not prompt or prompt[-1]["role"] != "user":
        raise DataError(f"{where}: the last turn of the prompt is not the user's.")
    if not any(message["content"].strip() for message in prompt if message["role"] == "user"):
        raise DataError(f"{where}: the prompt is empty.")
    if not completion.strip():
        raise DataError(f"{where}: the completion is empty, so there is nothing to learn.")
    facts = {"source": source, "document": where, "kind": "question"}
    texts = {name: content.get(name) or facts.get(name, "") for name in _TEXTS}
    if wrong := [name for name, text in texts.items() if not isinstance(text, str)]:
        raise DataError(f"{where}: {wrong[0]} is not a text.")
    return Example(prompt, completion, **texts)


def write_lines(file: Path, examples: Iterable[Example]) -> int:
    """Writes a JSONL file, atomically; how many examples it holds.

    Raises:
        StorageError: it can't be written.
    """
    count = 0
    with files.atomic(file) as temporary, open(temporary, "w", encoding="utf-8") as stream:
        for example in examples:
            stream.write(example.line() + "\n")
            count += 1
    return count


def _turns(content: dict[str, Any], where: str) -> tuple[list[Message], str]:
    """Prompt and completion of a line, in each of the three forms."""
    if "messages" in content:
        turns = messages(content["messages"], where)
        if len(turns) < 2 or turns[-1]["role"] != "assistant":
            raise DataError(f"{where}: the chat does not end with an answer of the assistant.")
        return turns[:-1], turns[-1]["content"]
    if missing := [key for key in ("prompt", "completion") if key not in content]:
        found = ", ".join(map(str, list(content)[:8])) or "nothing"
        raise DataError(
            f"{where}: there is no {missing[0]!r}, only {found}.",
            "A line has prompt and completion, or messages.",
        )
    completion = content["completion"]
    if not isinstance(completion, str):
        answer = messages(completion, where, "completion")
        if len(answer) != 1 or answer[0]["role"] != "assistant":
            raise DataError(f"{where}: the completion is not one answer of the assistant.")
        completion = answer[0]["content"]
    prompt = content["prompt"]
    if isinstance(prompt, str):
        return [{"role": "user", "content": prompt}], completion
    return messages(prompt, where, "prompt"), completion


def messages(content: Any, where: str, column: str = "messages") -> list[Message]:
    """The turns of a chat.

    Args:
        content: what stands where they should.
        where: file and line, for messages.
        column: in which they stand.

    Raises:
        DataError: they are not turns with a role and a content.
    """
    if not isinstance(content, list):
        is_chat = column in ("messages", "conversations")
        wanted = "no list of messages" if is_chat else "neither a text nor a list of messages"
        raise DataError(f"{where}: {column!r} is {wanted}.")
    read: list[Message] = []
    for message in content:
        role = message.get("role") if isinstance(message, dict) else None
        text = message.get("content") if isinstance(message, dict) else None
        if role not in _ROLES or not isinstance(text, str):
            raise DataError(
                f"{where}: a message needs a role ({', '.join(_ROLES)}) and a content of text."
            )
        read.append({"role": role, "content": text})
    return read
