"""MedMCQA: questions of Indian medical entrance exams with four options.

Pal, Umapathi and Sankarasubbu 2022, CHIL. JSON lines or the Hub's rows with question, opa to
opd, exp (an explanation, or null) and cop, which counts from 1 in the authors' files and from
0 on the Hub; the Hub's test split has cop -1.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from medeval.choice import LETTERS, lettered
from medllm.errors import DataError

from medtrain.examples import Example
from medtrain.readers import choices, rows
from medtrain.readers.reader import Reader, text_id
from medtrain.readers.rows import Row

_OPTIONS = ("opa", "opb", "opc", "opd")


class MedMCQA(Reader):
    """The letter, asked as evaluation asks, and the letter with its explanation."""

    name = "medmcqa"
    about = "MedMCQA: questions of medical entrance exams, four options, explanations"
    licence = "Apache-2.0 on the Hub, MIT in the repository"
    url = "https://github.com/medmcqa/medmcqa"
    files = ("train.json", "dev.json", "*medmcqa*.json", "*.jsonl", "*.parquet")

    def rows_of(self, file: Path) -> Iterator[Row]:
        """Rows with the number of the first option as their key."""
        first = _first_option(file)
        for row in rows.of_file(file):
            yield replace(row, key=first)

    def examples(self, row: Row) -> Iterator[Example]:
        """Two examples, or one where nothing is explained."""
        content = row.read()
        number = _label(row, content.get("cop"))
        if number is None:
            return
        place = number - int(row.key or 0)
        options = [str(row.field(content, name)) for name in _OPTIONS]
        if not 0 <= place < len(options):
            raise DataError(f"{row.where}: cop is {number}, which is no option.")
        question = str(row.field(content, "question"))
        document = str(content.get("id") or text_id(question))
        letter = LETTERS[place]
        yield self.example(lettered(question, options), letter, document, "choice")
        if content.get("exp"):
            asked = choices.listed(question, options)
            answer = f"{letter}. {options[place]}\n\n{content['exp']}"
            yield self.example(asked, answer, document, "explained choice")


def _first_option(file: Path) -> str:
    """Whether `cop` counts from 0 or from 1: the first row with a 0 or a 4 tells.

    Files of a few rows may have neither; the authors count from 1.
    """
    for row in rows.of_file(file):
        number = _label(row, row.read().get("cop"))
        if number in (0, 4):
            return "0" if number == 0 else "1"
    return "1"


def _label(row: Row, value: Any) -> int | None:
    if value is None or value == "":
        return None
    try:
        number = int(value)
    except (TypeError, ValueError) as error:
        raise DataError(f"{row.where}: cop is {value!r}.") from error
    return None if number < 0 else number


READER = MedMCQA
