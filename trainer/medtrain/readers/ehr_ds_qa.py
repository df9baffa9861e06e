"""EHR-DS-QA: questions on discharge summaries of MIMIC-IV.

The columns are those that its authors' code writes
(https://github.com/kkotsche1/EHR-DS-QA-Code-for-QA-Generation-over-EHR-Discharge-Summaries):
a JSON array of notes with note, note_id, subject_id, hadm_id and qa_pairs, a list of question
and answer; its CSV form has the pairs as a Python literal. The published file itself was not
seen.
"""

import ast
from collections.abc import Iterator
from typing import Any

from medllm import prompts
from medllm.errors import DataError

from medtrain.examples import Example
from medtrain.readers.reader import Reader, text_id
from medtrain.readers.rows import Row


class EhrDsQA(Reader):
    """An example a pair; all notes of a patient are one document."""

    name = "ehr-ds-qa"
    about = "EHR-DS-QA: 156,599 questions on 21,466 discharge summaries"
    licence = "PhysioNet Credentialed Health Data License (see its page)"
    access = (
        "PhysioNet: a credentialed account, the required training and a signed data use "
        "agreement; it may not be passed on"
    )
    url = "https://physionet.org/content/ehr-ds-qa/"
    files = ("*.json", "*.jsonl", "*.csv")

    def examples(self, row: Row) -> Iterator[Example]:
        """The pairs of a note."""
        content = row.read()
        note = row.field(content, "note")
        if not isinstance(note, str):
            raise DataError(f"{row.where}: the note is not a text.")
        patient = content.get("subject_id") or content.get("note_id") or text_id(note)
        for question, answer in _pairs(row, row.field(content, "qa_pairs")):
            asked = prompts.on_text("Discharge summary", note, question)
            yield self.example(asked, answer, str(patient), "question")


def _pairs(row: Row, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        try:
            value = ast.literal_eval(value)
        except (ValueError, SyntaxError, RecursionError) as error:
            raise DataError(f"{row.where}: the pairs can't be read.") from error
    if not isinstance(value, list):
        raise DataError(f"{row.where}: the pairs are not a list.")
    for pair in value:
        found = (pair.get("question"), pair.get("answer")) if isinstance(pair, dict) else pair
        match found:
            case (str() as question, str() as answer) | [str() as question, str() as answer]:
                yield question, answer
            case _:
                raise DataError(f"{row.where}: a pair is not a question and an answer.")


READER = EhrDsQA
