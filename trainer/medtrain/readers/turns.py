"""Dialogues as examples: each answer is learned for what came before it."""

from collections.abc import Iterator

from medllm.prompts import Message


def answers(turns: list[Message]) -> Iterator[tuple[list[Message], str]]:
    """Each answer of the assistant to a user's turn, with all turns before it."""
    for place, turn in enumerate(turns):
        if turn["role"] == "assistant" and place and turns[place - 1]["role"] == "user":
            yield turns[:place], turn["content"]
