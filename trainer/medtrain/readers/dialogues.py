"""The project's own dialogues: data/dialogues.jsonl.

A line has id, kind, speciality, turns (role, content) and reviewed.
"""

from collections.abc import Iterator
from pathlib import Path

from medllm import paths

from medtrain.examples import Example, messages
from medtrain.readers import rows, turns
from medtrain.readers.reader import Reader
from medtrain.readers.rows import Row


class Dialogues(Reader):
    """Dialogues; one that nobody read a second time is passed over."""

    name = "dialogues"
    about = "the project's dialogues of several turns"
    licence = "Apache-2.0"
    url = "data/dialogues.jsonl"
    files = ("dialogues.jsonl",)

    def inputs(self) -> list[Path]:
        """The built-in file, or the one that is named."""
        return rows.find(self.source.path or str(paths.dialogues_file()), self.files)

    def examples(self, row: Row) -> Iterator[Example]:
        """An example for each answer."""
        content = row.read()
        name = str(row.field(content, "id"))
        spoken = messages(row.field(content, "turns"), row.where)
        if content.get("reviewed", True) and self.is_wanted(content.get("speciality", "")):
            for prompt, answer in turns.answers(spoken):
                yield self.example(prompt, answer, name, "dialogue")


READER = Dialogues
