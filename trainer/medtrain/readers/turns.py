"""Dialogues as examples: each answer is learned for what came before it."""

from collections.abc import Iterator
from typing import Any, get_args, get_type_hints

from medllm.errors import DataError
from medllm.prompts import Message

_ROLES: tuple[str, ...] = get_args(get_type_hints(Message)["role"])


def read(turns: Any, where: str) -> list[Message]:
    """The turns of a dialogue.

    Raises:
        DataError: they are not turns with a role and a content.
    """
    if not isinstance(turns, list):
        raise DataError(f"{where}: the turns are not a list.")
    found: list[Message] = []
    for turn in turns:
        role = turn.get("role") if isinstance(turn, dict) else None
        text = turn.get("content") if isinstance(turn, dict) else None
        if role not in _ROLES or not isinstance(text, str):
            raise DataError(f"{where}: a turn needs a role ({', '.join(_ROLES)}) and a content.")
        found.append({"role": role, "content": text})
    return found


def answers(turns: list[Message]) -> Iterator[tuple[list[Message], str]]:
    """Each answer of the assistant to a user's turn, with all turns before it."""
    for place, turn in enumerate(turns):
        if turn["role"] == "assistant" and place and turns[place - 1]["role"] == "user":
            yield turns[:place], turn["content"]
