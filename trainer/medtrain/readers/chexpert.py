"""CheXpert: the findings of chest radiographs, as text, and the reports of CheXpert Plus.

Irvin and others 2019, AAAI. train.csv (CheXpert-v1.0 and -small) has Path, Sex, Age,
Frontal/Lateral, AP/PA and a column for each of fourteen findings: 1 is present, 0 absent, -1
uncertain, blank not mentioned. train_cheXbert.csv has the same columns and is read where it is
named itself. The images are not read: what is learned is how labels are put into words.

CheXpert Plus: Chambon and others 2024, arXiv:2405.19538. df_chexpert_plus_240401.csv has a row an
image, with path_to_image, split and the sections of its report, among them section_findings and
section_impression: the impression is learned from the findings, where a report has both. Images
of one study have the same report; preparation keeps one. Its label files (JSON lines with
path_to_image and the findings, like chexbert_labels/findings_fixed.json) are read where they are
named themselves. Rows of its validation are passed over.

Columns: as users of the files quote them, and for Plus as its authors' page does
(https://github.com/Stanford-AIMI/chexpert-plus). The files were not seen.
"""

from collections.abc import Iterator
from typing import Any

from medllm import prompts
from medllm.errors import DataError
from medllm.terminology.normalise import sentence_case

from medtrain.examples import Example
from medtrain.readers.reader import Reader
from medtrain.readers.rows import Row

FINDINGS = (
    "No Finding", "Enlarged Cardiomediastinum", "Cardiomegaly", "Lung Opacity", "Lung Lesion",
    "Edema", "Consolidation", "Pneumonia", "Atelectasis", "Pneumothorax", "Pleural Effusion",
    "Pleural Other", "Fracture", "Support Devices",
)  # fmt: skip
"""Columns, in the order of the file."""
_SAID = {1: "Present", -1: "Uncertain", 0: "Absent"}
_WORDS = {"Pleural Other": "other pleural disease", "Support Devices": "support devices"}


class CheXpert(Reader):
    """An example a radiograph or report; all studies of a patient are one document."""

    name = "chexpert"
    about = "CheXpert: fourteen findings of 224,316 chest radiographs, as text; reports of its Plus"
    licence = "Stanford University Dataset Research Use Agreement"
    access = (
        "registration with Stanford AIMI, and agreeing to its research use agreement; no "
        "commercial use, not to be passed on (as users quote the agreement)"
    )
    url = "https://stanfordmlgroup.github.io/competitions/chexpert/"
    files = ("train.csv", "df_chexpert_plus_*.csv", "df_chexpert_plus_*.parquet")
    near = False

    def examples(self, row: Row) -> Iterator[Example]:
        """The labels put into words, or the impression of a report."""
        content = row.read()
        plus = "path_to_image" in content
        path = str(row.field(content, "path_to_image" if plus else "Path"))
        if plus and (content.get("split") == "valid" or path.startswith("valid/")):
            return
        patient = next((part for part in path.split("/") if part.startswith("patient")), path)
        if "section_findings" in content:
            findings, impression = (
                _section(row, content, name) for name in ("section_findings", "section_impression")
            )
            if findings and impression:
                asked = prompts.on_text("Findings", findings, prompts.IMPRESSION)
                yield self.example(asked, impression, patient, "impression")
            return
        labels = {name: _label(row, name, row.field(content, name)) for name in FINDINGS}
        text = "\n".join([*_head(content), *map(_listed, labels.items())])
        asked = prompts.on_text("Chest radiograph", text, prompts.FINDINGS)
        yield self.example(asked, in_words(labels), patient, "findings")


def in_words(labels: dict[str, int | None]) -> str:
    """The labels as sentences: what is present, uncertain and absent; the rest is not named."""
    said = []
    for value, verb in _SAID.items():
        names = [
            _WORDS.get(name, sentence_case(name).lower())
            for name, label in labels.items()
            if label == value and name != "No Finding"
        ]
        if names:
            said.append(f"{verb}: {', '.join(names)}.")
    if labels.get("No Finding") == 1:
        said.insert(0, "No finding of disease.")
    return "\n".join(said) or "None of the fourteen findings is mentioned."


def _head(content: dict[str, Any]) -> list[str]:
    """View and patient; nothing where the file does not tell them."""
    if "Sex" not in content:
        return []
    view = f"{content.get('Frontal/Lateral') or ''} {content.get('AP/PA') or ''}".strip()
    return [f"{view}, {content['Sex'] or 'Unknown'}, {content.get('Age') or 'unknown'} years"]


def _listed(finding: tuple[str, int | None]) -> str:
    name, label = finding
    return f"{name}: {'' if label is None else label}".strip()


def _section(row: Row, content: dict[str, Any], name: str) -> str:
    """A section of a report; empty where it has none."""
    section = row.field(content, name)
    if not isinstance(section, str | None):
        raise DataError(f"{row.where}: {name} is not a text.")
    return (section or "").strip()


def _label(row: Row, name: str, value: Any) -> int | None:
    if value in (None, ""):
        return None
    try:
        number = int(float(value))
    except ValueError as error:
        raise DataError(f"{row.where}: {name} is {value!r}, not 1, 0, -1 or blank.") from error
    if number not in _SAID:
        raise DataError(f"{row.where}: {name} is {value!r}, not 1, 0, -1 or blank.")
    return number


READER = CheXpert
