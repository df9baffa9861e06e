"""CheXpert: the findings of chest radiographs, as text.

Irvin and others 2019, AAAI. train.csv has Path, Sex, Age, Frontal/Lateral, AP/PA and a column
for each of fourteen findings: 1 is present, 0 absent, -1 uncertain, blank not mentioned. The
images themselves are not read: what is learned is how labels are put into words.
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
    """An example a radiograph; all studies of a patient are one document."""

    name = "chexpert"
    about = "CheXpert: fourteen findings of 224,316 chest radiographs, as text"
    licence = "Stanford University Dataset Research Use Agreement"
    access = "registration, and agreeing to its research use agreement; not to be passed on"
    url = "https://stanfordmlgroup.github.io/competitions/chexpert/"
    files = ("train.csv",)
    near = False

    def examples(self, row: Row) -> Iterator[Example]:
        """The labels, put into words."""
        content = row.read()
        labels = {name: _label(row, name, row.field(content, name)) for name in FINDINGS}
        path = str(row.field(content, "Path"))
        patient = next((p for p in path.split("/") if p.startswith("patient")), path)
        listed = "\n".join(
            f"{name}: {'' if label is None else label}".strip() for name, label in labels.items()
        )
        view = f"{content.get('Frontal/Lateral') or ''} {content.get('AP/PA') or ''}".strip()
        who = f"{content.get('Sex') or 'Unknown'}, {content.get('Age') or 'unknown'} years"
        text = f"{view}, {who}\n{listed}"
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
