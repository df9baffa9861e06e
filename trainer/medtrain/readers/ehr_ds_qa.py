"""EHR-DS-QA: questions on discharge summaries of MIMIC-IV.

An array of notes, as JSON or CSV (mimic_iv_note_qa and, read by a physician,
mimic_iv_note_qa_verified), with original_id, note, qa_pairs, extended_context, note_id,
subject_id, hadm_id, note_type and human_verified. A pair has question, answer and, where a
physician judged it, correct. The CSV form has the pairs as a Python literal.

Columns: as its author described them
(https://github.com/kkotsche1/EHR-DS-QA-Code-for-QA-Generation-over-EHR-Discharge-Summaries,
README.md of 594a7a5). File names: as code of a user names them. The files were not seen.
"""

import ast
import json
from collections.abc import Iterator
from pathlib import Path
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
    licence = "PhysioNet Credentialed Health Data License (as MIMIC-IV-Note)"
    access = (
        "PhysioNet: a credentialed account, the required training and a signed data use "
        "agreement; it may not be passed on (so it is with MIMIC-IV-Note, of which it is made; "
        "its own page was not seen)"
    )
    url = "https://physionet.org/content/ehr-ds-qa/1.0.0/"
    files = ("*.json", "*.jsonl", "*.csv")

    def inputs(self) -> list[Path]:
        """Its files; of a table that is there as JSON and as CSV, the JSON."""
        found = super().inputs()
        return [f for f in found if f.suffix != ".csv" or f.with_suffix(".json") not in found]

    def examples(self, row: Row) -> Iterator[Example]:
        """The pairs of a note, without those that were judged wrong."""
        content = row.read()
        note = row.field(content, "note")
        if not isinstance(note, str):
            raise DataError(f"{row.where}: the note is not a text.")
        patient = content.get("subject_id") or content.get("note_id") or text_id(note)
        for question, answer in _pairs(row, row.field(content, "qa_pairs")):
            asked = prompts.on_text("Discharge summary", note, question)
            yield self.example(asked, answer, str(patient), "question")


def _pairs(row: Row, value: Any) -> Iterator[tuple[str, str]]:
    pairs = _literal(row, value) if isinstance(value, str) else value
    if not isinstance(pairs, list):
        raise DataError(f"{row.where}: the pairs are not a list.")
    for pair in pairs:
        if isinstance(pair, dict) and pair.get("correct") is False:
            continue
        found = (pair.get("question"), pair.get("answer")) if isinstance(pair, dict) else pair
        match found:
            case (str() as question, str() as answer) | [str() as question, str() as answer]:
                yield question, answer
            case _:
                raise DataError(f"{row.where}: a pair is not a question and an answer.")


def _literal(row: Row, text: str) -> Any:
    """A cell of the CSV form: JSON, as its author shows it, or Python, as his code writes it."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError) as error:
        raise DataError(f"{row.where}: the pairs can't be read.") from error


READER = EhrDsQA
