"""The project's own cards: each way of asking for one, answered in its four parts."""

import zlib
from collections.abc import Iterator
from pathlib import Path

from medllm import paths
from medllm.errors import DataError
from medllm.reference import ReferenceCard
from pydantic import ValidationError

from medtrain.corpus import questions
from medtrain.examples import Example
from medtrain.readers import rows
from medtrain.readers.reader import Reader
from medtrain.readers.rows import Row


class Cards(Reader):
    """All cards but those of the test split, which are for evaluation alone."""

    name = "cards"
    about = "the project's cards: terms, abbreviations, diseases, anatomy and tests"
    licence = "Apache-2.0"
    url = "data/cards"
    files = ("*.jsonl",)

    def inputs(self) -> list[Path]:
        """The built-in cards, or those of a folder."""
        return rows.find(self.source.path or str(paths.cards_dir()), self.files)

    def examples(self, row: Row) -> Iterator[Example]:
        """A question and the card, once for each way of asking that is used."""
        try:
            card = ReferenceCard.model_validate(row.read())
        except ValidationError as error:
            problem = error.errors()[0]
            place = ".".join(map(str, problem["loc"]))
            raise DataError(f"{row.where}: {place}: {problem['msg']}.") from error
        if card.split != "test" and self.is_wanted(card.speciality):
            for question in _some(questions(card), self.source.ways, card.id):
                yield self.example(question, card.text, card.id, "card")


def _some(asked: list[str], ways: int, card: str) -> list[str]:
    """`ways` of the questions, others for each card, so that all ways occur among the cards."""
    if not 0 < ways < len(asked):
        return asked
    first = zlib.crc32(card.encode())
    return [asked[(first + way * len(asked) // ways) % len(asked)] for way in range(ways)]


READER = Cards
