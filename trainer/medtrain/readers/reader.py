"""What a reader is: a data set's published format, its licence and its terms of access."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from medllm import prompts
from medllm.errors import UsageError
from medllm.prompts import Message

from medtrain.examples import Example
from medtrain.readers import rows
from medtrain.readers.rows import Row
from medtrain.settings import SourceSettings

FREE = "free"
"""Access: anybody may fetch it."""


class Reader(ABC):
    """A reader. Subclasses stand in `medtrain.readers`, each module with one as READER."""

    name: ClassVar[str]
    about: ClassVar[str]
    """One line: what it is."""
    licence: ClassVar[str]
    access: ClassVar[str] = FREE
    """What must be done to get it."""
    url: ClassVar[str]
    files: ClassVar[tuple[str, ...]] = ("*.jsonl", "*.json", "*.parquet")
    """Patterns of its files in a folder."""
    subset: ClassVar[str] = ""
    """Configuration on the Hub, where the recipe names none."""
    keyed: ClassVar[bool] = False
    """Whether its JSON file is an object of rows by key."""
    near: ClassVar[bool] = True
    """Whether two examples that are nearly alike are one too many."""

    def __init__(self, source: SourceSettings) -> None:
        """Takes what the recipe says of the data set."""
        self.source = source

    def inputs(self) -> list[Path]:
        """The files that it will read; none where they come from the Hub.

        Raises:
            UsageError: there is no such data.
        """
        if not self.source.path:
            raise UsageError(
                f"The reader {self.name} needs data: {self.about}.",
                f"Set data.path; it can be had from {self.url} ({self.access}).",
            )
        if rows.is_on_hub(self.source.path):
            return []
        return rows.find(self.source.path, self.files)

    def rows(self) -> Iterator[Row]:
        """All rows, in the order of the files."""
        files = self.inputs()
        if not files:
            subset = self.source.subset or self.subset
            yield from rows.of_hub(self.source.path, subset, self.source.split)
        for file in files:
            yield from self.rows_of(file)

    def rows_of(self, file: Path) -> Iterator[Row]:
        """The rows of one file."""
        yield from rows.of_file(file, self.keyed)

    @abstractmethod
    def examples(self, row: Row) -> Iterator[Example]:
        """What is learned from one row; nothing where it has no answer.

        Raises:
            DataError: it is not as published; file and line are named.
        """

    def is_wanted(self, speciality: str) -> bool:
        """Whether the recipe uses that field of medicine."""
        return not self.source.specialities or speciality in self.source.specialities

    def example(
        self, prompt: str | list[Message], answer: str, document: str, kind: str
    ) -> Example:
        """An example of this data set."""
        if isinstance(prompt, str):
            prompt = list(prompts.messages(prompt, None))
        return Example(prompt, answer, self.name, self.licence, f"{self.name}:{document}", kind)


def text_id(text: str) -> str:
    """A document's name made of its text, for data sets that have none."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
