"""The project's own questions and short answers: data/pairs.jsonl.

A line has id, topic, speciality, question, answer and reviewed.
"""

from collections.abc import Iterator
from pathlib import Path

from medllm import paths

from medtrain.examples import Example
from medtrain.readers import rows
from medtrain.readers.reader import Reader
from medtrain.readers.rows import Row


class Pairs(Reader):
    """Pairs; one that nobody read a second time is passed over."""

    name = "pairs"
    about = "the project's common questions with short answers"
    licence = "Apache-2.0"
    url = "data/pairs.jsonl"
    files = ("pairs.jsonl",)

    def inputs(self) -> list[Path]:
        """The built-in file, or the one that is named."""
        return rows.find(self.source.path or str(paths.pairs_file()), self.files)

    def examples(self, row: Row) -> Iterator[Example]:
        """The question and its answer."""
        content = row.read()
        question, answer = row.field(content, "question"), row.field(content, "answer")
        if content.get("reviewed", True) and self.is_wanted(content.get("speciality", "")):
            yield self.example(question, answer, str(row.field(content, "id")), "question")


READER = Pairs
