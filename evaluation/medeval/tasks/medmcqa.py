"""MedMCQA: questions of Indian medical entrance exams with four options.

Pal, Umapathi and Sankarasubbu 2022, CHIL. Data: JSON lines with question, opa to opd
and cop, which counts from 1 in the authors' files and from 0 on the Hub.
"""

from pathlib import Path
from typing import Any

from medllm.errors import DataError

from medeval.choice import LETTERS, ChoiceTask, lettered
from medeval.reading import field, needed, one_file, read_lines, unlabelled
from medeval.sample import Sample

_OPTIONS = ("opa", "opb", "opc", "opd")
_WHAT = "a JSON lines file such as dev.json"


class MedMCQA(ChoiceTask):
    """Asked by the likeliest letter."""

    name = "medmcqa"
    about = "MedMCQA, four options, by log-probability of the letters"
    takes = _WHAT
    needs_data = True

    def samples(self, data: Path | None) -> list[Sample]:
        """All questions with a label."""
        file = one_file(
            needed(data, self.name, _WHAT), "medmcqa_dev.json", "dev.json", "validation.jsonl"
        )
        rows = list(read_lines(file))
        labels = [_label(row.get("cop"), file, number) for number, row in rows]
        first = 0 if 0 in labels else 1
        found = []
        for (number, row), label in zip(rows, labels, strict=True):
            if label is None or label < first:
                continue
            if label - first >= len(_OPTIONS):
                raise DataError(f"{file}, line {number}: cop is {label}.", "Mend the line.")
            options = [str(field(row, name, file, number)) for name in _OPTIONS]
            question = str(field(row, "question", file, number))
            found.append(
                self.sample(
                    str(row.get("id") or number),
                    lettered(question, options),
                    LETTERS[:4],
                    LETTERS[label - first],
                )
            )
        if not found:
            raise unlabelled(file)
        return found


class MedMCQAWritten(MedMCQA):
    """Asked by generation."""

    name = "medmcqa-written"
    about = "MedMCQA, four options, letter read out of the written answer"
    written = True


def _label(value: Any, file: Path, number: int) -> int | None:
    """The number of the right option; None where there is none (-1 on the Hub)."""
    if value is None or value == "":
        return None
    try:
        label = int(value)
    except (TypeError, ValueError) as error:
        raise DataError(f"{file}, line {number}: cop is {value!r}.", "Mend the line.") from error
    return None if label < 0 else label


TASKS = (MedMCQA(), MedMCQAWritten())
