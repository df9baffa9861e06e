"""MedQA: questions in the manner of the US medical licensing exam, four or five options.

Jin, Pan, Oufattole, Weng, Fang and Szolovits 2021, Applied Sciences 11. Data: JSON lines
with question, options (by letter) and answer_idx, as its authors published them.
"""

from pathlib import Path
from typing import Any

from medllm.errors import DataError

from medeval.choice import LETTERS, ChoiceTask, lettered
from medeval.reading import field, needed, one_file, read_lines, unlabelled
from medeval.sample import Sample

_WHAT = "a JSON lines file such as test.jsonl"


class MedQA(ChoiceTask):
    """Asked by the likeliest letter."""

    name = "medqa"
    about = "MedQA, by log-probability of the letters"
    takes = _WHAT
    needs_data = True

    def samples(self, data: Path | None) -> list[Sample]:
        """All questions with a label."""
        file = one_file(
            needed(data, self.name, _WHAT), "test.jsonl", "phrases_no_exclude_test.jsonl"
        )
        found = []
        for number, row in read_lines(file):
            options = _options(field(row, "options", file, number), file, number)
            gold = _gold(row, options)
            if not gold:
                continue
            if gold not in options:
                raise DataError(f"{file}, line {number}: no option {gold}.", "Mend the line.")
            letters = LETTERS[: len(options)]
            found.append(
                self.sample(
                    str(row.get("id") or number),
                    lettered(str(field(row, "question", file, number)), list(options.values())),
                    letters,
                    letters[list(options).index(gold)],
                )
            )
        if not found:
            raise unlabelled(file)
        return found


class MedQAWritten(MedQA):
    """Asked by generation."""

    name = "medqa-written"
    about = "MedQA, letter read out of the written answer"
    written = True


def _options(value: Any, file: Path, number: int) -> dict[str, str]:
    """Options by letter; some copies list them as key and value."""
    if isinstance(value, list) and all(isinstance(v, dict) for v in value):
        value = {str(v.get("key")): v.get("value") for v in value}
    if not isinstance(value, dict) or not 2 <= len(value) <= len(LETTERS):
        raise DataError(f"{file}, line {number}: options are not a table.", "Mend the line.")
    return {str(key): str(text) for key, text in sorted(value.items())}


def _gold(row: dict[str, Any], options: dict[str, str]) -> str:
    if row.get("answer_idx") not in (None, ""):
        return str(row["answer_idx"])
    named = [key for key, text in options.items() if text == row.get("answer")]
    return named[0] if named else ""


TASKS = (MedQA(), MedQAWritten())
