"""MedQA: questions in the manner of the US medical licensing exam, four or five options.

Jin, Pan, Oufattole, Weng, Fang and Szolovits 2021, Applied Sciences 11. JSON lines as the
authors published them (question, options by letter, answer, answer_idx), and the object
`medqa` of MIRAGE's benchmark.json (question, options by letter, answer: the letter), by
Xiong, Jin, Lu and Zhang 2024. MIRAGE holds the test split: for training take the authors'.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from medeval.choice import LETTERS, lettered
from medllm.errors import DataError

from medtrain.examples import Example
from medtrain.readers import choices, rows
from medtrain.readers.reader import Reader, text_id
from medtrain.readers.rows import Row


class MedQA(Reader):
    """The letter, asked as evaluation asks, and the letter with the option's text."""

    name = "medqa"
    about = "MedQA: questions of the US licensing exam, four or five options"
    licence = "MIT"
    url = "https://github.com/jind11/MedQA"
    files = ("train.jsonl", "*train*.jsonl", "benchmark.json", "*.parquet")

    def rows_of(self, file: Path) -> Iterator[Row]:
        """The rows of the authors' files or of MIRAGE's."""
        mirage = file.suffix == ".json" and file.name.startswith("benchmark")
        yield from rows.of_file(file, inside=("medqa",) if mirage else ())

    def examples(self, row: Row) -> Iterator[Example]:
        """Two examples; none where no answer is given."""
        content = row.read()
        options = _options(row.field(content, "options"), row.where)
        gold = _gold(content, options)
        if not gold:
            return
        if gold not in options:
            raise DataError(f"{row.where}: there is no option {gold!r}.")
        question = str(row.field(content, "question"))
        texts, letter = list(options.values()), LETTERS[list(options).index(gold)]
        document = text_id(question)
        yield self.example(lettered(question, texts), letter, document, "choice")
        asked = choices.listed(question, texts)
        yield self.example(asked, f"{letter}. {options[gold]}", document, "explained choice")


def _options(value: Any, where: str) -> dict[str, str]:
    """Options by letter; some copies list them as key and value."""
    if isinstance(value, list) and all(isinstance(option, dict) for option in value):
        value = {str(option.get("key")): option.get("value") for option in value}
    if not isinstance(value, dict) or not 2 <= len(value) <= len(LETTERS):
        raise DataError(f"{where}: the options are not a table.")
    return {str(key): str(text) for key, text in sorted(value.items())}


def _gold(content: dict[str, Any], options: dict[str, str]) -> str:
    if content.get("answer_idx"):
        return str(content["answer_idx"])
    answer = str(content.get("answer") or "")
    return next((key for key, text in options.items() if answer in (key, text)), answer)


READER = MedQA
