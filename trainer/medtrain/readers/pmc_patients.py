"""PMC-Patients: summaries of patients from case reports, with relations to patients and articles.

Zhao, Jin, Chen, Peng and Yu 2023, Scientific Data, arXiv:2202.13876. PMC-Patients.json (an
array) or .csv with patient_uid, PMID, title (of the article), patient (the summary),
similar_patients and relevant_articles. The last two give a score to each uid or PMID, or list
them; in the CSV file they are Python literals. Articles other than the patients' own are given
by PMID alone, so relations to them can't be put into words and are passed over.
"""

import ast
import sqlite3
import zlib
from collections import deque
from collections.abc import Iterator
from contextlib import closing
from typing import Any

from medeval.choice import LETTERS
from medllm import prompts
from medllm.errors import DataError

from medtrain.examples import Example
from medtrain.readers import choices
from medtrain.readers.reader import Reader
from medtrain.readers.rows import Row

_OPTIONS = 4


class PmcPatients(Reader):
    """Title, one alike and one other patient, and the article that matters, for each patient."""

    name = "pmc-patients"
    about = "PMC-Patients: 167,000 patients of case reports, which are alike, which articles matter"
    licence = "CC BY-NC-SA 4.0"
    url = "https://huggingface.co/datasets/zhengyun21/PMC-Patients"
    files = ("PMC-Patients*.json", "PMC-Patients*.csv", "*.parquet")
    near = False

    def rows(self) -> Iterator[Row]:
        """Each patient with what its relations name, looked up in a table on disk."""
        with closing(sqlite3.connect("")) as base:
            base.execute("CREATE TABLE patient(uid TEXT PRIMARY KEY, pmid, title, text)")
            base.execute("CREATE INDEX article ON patient(pmid)")
            base.executemany(
                "INSERT OR IGNORE INTO patient VALUES(?, ?, ?, ?)",
                (_columns(row) for row in super().rows()),
            )
            before: deque[tuple[str, str, str, str]] = deque(maxlen=8)
            for row in super().rows():
                own = _columns(row)
                yield Row(row.where, _related(base, row, own, list(before)), own[0])
                before.append(own)

    def examples(self, row: Row) -> Iterator[Example]:
        """What is known of a patient."""
        content = row.read()
        text = content["text"]
        if content["title"]:
            asked = prompts.on_text("Patient", text, prompts.TITLE)
            yield self.example(asked, content["title"], row.key, "title")
        for other, said in ((content["alike"], "yes"), (content["other"], "no")):
            if other:
                both = f"{text}\n\nAnother patient:\n{other}"
                asked = prompts.on_text("Patient", both, prompts.ALIKE)
                yield self.example(asked, said, row.key, "relation")
        if len(content["articles"]) == _OPTIONS:
            asked = choices.listed(prompts.RELEVANT, content["articles"])
            said = f"{LETTERS[content['right']]}. {content['articles'][content['right']]}"
            yield self.example(prompts.on_text("Patient", text, asked), said, row.key, "relation")


def _columns(row: Row) -> tuple[str, str, str, str]:
    """Uid, PMID, title and summary."""
    content = row.read()
    text = row.field(content, "patient")
    if not isinstance(text, str):
        raise DataError(f"{row.where}: the patient is not a text.")
    title = str(content.get("title") or "")
    return str(row.field(content, "patient_uid")), str(content.get("PMID") or ""), title, text


def _related(
    base: sqlite3.Connection,
    row: Row,
    own: tuple[str, str, str, str],
    before: list[tuple[str, str, str, str]],
) -> dict[str, Any]:
    content, (uid, pmid, title, text) = row.read(), own
    alike = _scored(row, content.get("similar_patients"))
    articles = _scored(row, content.get("relevant_articles"))
    strangers = [one for one in before if one[0] not in alike and one[1] not in (pmid, *articles)]
    found = next(filter(None, (_patient(base, name) for name in alike)), None)
    wrong = list(dict.fromkeys(one[2] for one in reversed(strangers) if one[2]))[: _OPTIONS - 1]
    right = next(filter(None, (_title(base, name) for name in articles if name != pmid)), None)
    place = zlib.crc32(uid.encode()) % _OPTIONS
    if right and right not in wrong:
        wrong.insert(place, right)
    return {
        "text": text,
        "title": title,
        "alike": found,
        "other": strangers[-1][3] if found and strangers else None,
        "articles": wrong if right else [],
        "right": place,
    }


def _scored(row: Row, value: Any) -> list[str]:
    """Names by falling score, or in their order where there are no scores."""
    if isinstance(value, str):
        try:
            value = ast.literal_eval(value or "[]")
        except (ValueError, SyntaxError, RecursionError) as error:
            raise DataError(f"{row.where}: the relations can't be read.") from error
    if isinstance(value, dict):
        kept = {str(k): v for k, v in value.items() if isinstance(v, int | float) and v > 0}
        return sorted(kept, key=lambda name: -kept[name])
    return [str(name) for name in value or []]


def _patient(base: sqlite3.Connection, uid: str) -> str | None:
    found = base.execute("SELECT text FROM patient WHERE uid = ?", (uid,)).fetchone()
    return found[0] if found else None


def _title(base: sqlite3.Connection, pmid: str) -> str | None:
    found = base.execute("SELECT title FROM patient WHERE pmid = ? LIMIT 1", (pmid,)).fetchone()
    return found[0] if found and found[0] else None


READER = PmcPatients
