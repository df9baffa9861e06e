"""CliCR: gaps in what is learned from a case report, filled from the report.

Šuster and Daelemans 2018, NAACL. train1.0.json, dev1.0.json and test1.0.json: {"version", "data":
[{"source", "document": {"title", "context", "qas": [{"id", "query", "answers": [{"text", "cui",
"sem_type", "origin"}]}]}}]}. Entities stand between BEG__ and __END; the gap is @placeholder; the
answer of origin "dataset" is the one that the report has, those of "UMLS" are its synonyms.

So its authors' code writes it (https://github.com/clips/clicr, dataset-code/
build_json_dataset.py), and their page tells the terms. The files were not seen.
"""

from collections.abc import Iterator
from pathlib import Path

from medllm import prompts
from medllm.errors import DataError

from medtrain.examples import Example
from medtrain.readers import rows
from medtrain.readers.reader import Reader, text_id
from medtrain.readers.rows import Row

_GAP = "@placeholder"


class CliCR(Reader):
    """An example a gap; a case report is a document."""

    name = "clicr"
    about = "CliCR: about 100,000 gaps to fill from clinical case reports"
    licence = "free for research, by agreement with BMJ Case Reports (see its page)"
    access = "asked for by e-mail from its authors; the address is on its page"
    url = "https://github.com/clips/clicr"
    files = ("train*.json",)

    def rows_of(self, file: Path) -> Iterator[Row]:
        """The case reports of a file."""
        yield from rows.of_file(file, inside=("data",))

    def examples(self, row: Row) -> Iterator[Example]:
        """The gaps of a report."""
        content = row.read()
        report = row.field(content, "document")
        if not isinstance(report, dict):
            raise DataError(f"{row.where}: the document is not an object.")
        context, title = str(row.field(report, "context")), str(report.get("title") or "")
        text = _plain(f"{title}\n\n{context}".strip())
        document = str(content.get("source") or text_id(text))
        for gap in row.field(report, "qas"):
            answer = _answer(row, row.field(gap, "answers"))
            query = _plain(str(row.field(gap, "query")))
            question = f"{query}\n{prompts.FILL_GAP.format(gap=_GAP)}"
            yield self.example(
                prompts.on_text("Case report", text, question), answer, document, "cloze"
            )


def _answer(row: Row, answers: object) -> str:
    if isinstance(answers, list):
        for answer in answers:
            if isinstance(answer, dict) and answer.get("origin") == "dataset":
                return _plain(str(answer.get("text") or ""))
    raise DataError(f"{row.where}: a query has no answer of origin 'dataset'.")


def _plain(text: str) -> str:
    return text.replace("BEG__", "").replace("__END", "")


READER = CliCR
