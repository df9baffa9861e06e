"""Chats of one's own: `messages` a line, as OpenAI's and TRL's chat formats have it.

ShareGPT's `conversations` with from and value are read too.
"""

from collections.abc import Iterator
from typing import Any

from medtrain.examples import Example, messages
from medtrain.readers import turns
from medtrain.readers.reader import Reader, text_id
from medtrain.readers.rows import Row

_SPEAKERS = {"human": "user", "gpt": "assistant", "system": "system"}


class Chat(Reader):
    """Every answer of a chat is an example."""

    name = "chat"
    about = "one's own chats, each answer learned for what came before it"
    licence = "the user's own"
    url = "the recipe's data.path"

    def examples(self, row: Row) -> Iterator[Example]:
        """An example for each answer."""
        content = row.read()
        spoken = content.get("messages")
        column = "messages"
        if spoken is None and "conversations" in content:
            spoken, column = content["conversations"], "conversations"
            if isinstance(spoken, list):
                spoken = [self._turn(turn) for turn in spoken]
        elif spoken is None:
            row.field(content, "messages")
        found = messages(spoken, row.where, column)
        document = str(content.get("id") or text_id("\n".join(t["content"] for t in found)))
        for prompt, answer in turns.answers(found):
            yield self.example(prompt, answer, document, "dialogue")

    def _turn(self, turn: Any) -> Any:
        if not isinstance(turn, dict) or "from" not in turn:
            return turn
        speaker = str(turn["from"])
        return {"role": _SPEAKERS.get(speaker, speaker), "content": turn.get("value")}


READER = Chat
