"""Readers of the public vocabularies that confirm the cards' codes.

The folder is named by MEDLLM_PUBLIC_DATA. It holds MONDO's exact matches
(mondo/*.sssom.tsv) and rare diseases (mondo/new-rare-diseases.tsv), subsets of the Disease Ontology (doid/*.obo), HPO's layperson
synonyms (hp/layperson-synonyms.tsv), each as published by its project.
"""

import csv
import os
import re
from collections import defaultdict
from pathlib import Path

import pytest
from medllm.terminology.normalise import key

Names = dict[str, set[str]]
"""Normalised names by code."""


def folder() -> Path:
    """The folder of the public data; skips the test where it isn't named."""
    named = os.environ.get("MEDLLM_PUBLIC_DATA")
    if not named:
        pytest.skip("MEDLLM_PUBLIC_DATA names no folder with the public vocabularies")
    return Path(named)


def confirmed_names(data: Path) -> Names:
    """Every code with the names that the public files give it."""
    names: Names = defaultdict(set)
    for file in sorted((data / "mondo").glob("*exactmatch*.tsv")):
        _read_sssom(file, names)
    _read_rare(data / "mondo" / "new-rare-diseases.tsv", names)
    for file in sorted((data / "doid").glob("*.obo")):
        _read_obo(file, names)
    _read_layperson(data / "hp" / "layperson-synonyms.tsv", names)
    return names


def _read_sssom(file: Path, names: Names) -> None:
    with file.open(encoding="utf-8", newline="") as lines:
        rows = csv.DictReader((line for line in lines if line[0] != "#"), delimiter="\t")
        for row in rows:
            labels = {key(row["subject_label"]), key(row.get("object_label") or "")} - {""}
            names[row["subject_id"]] |= labels
            names[row["object_id"].replace("Orphanet", "ORPHA")] |= labels


def _read_rare(file: Path, names: Names) -> None:
    with file.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines, delimiter="\t"):
            synonyms = (row["SYNONYMS"] or "").split("|")
            names[row["ID"]] |= {key(name) for name in (row["LABEL"], *synonyms)} - {""}


def _read_obo(file: Path, names: Names) -> None:
    code = ""
    for line in file.read_text(encoding="utf-8").splitlines():
        if line.startswith("id: DOID:"):
            code = line[4:]
        elif line.startswith("["):
            code = ""
        elif code and line.startswith("name: "):
            names[code].add(key(line[6:]))
        elif code and (exact := re.match(r'synonym: "(.+?)" EXACT', line)):
            names[code].add(key(exact[1]))


def _read_layperson(file: Path, names: Names) -> None:
    with file.open(encoding="utf-8", newline="") as lines:
        for term, label, layperson in list(csv.reader(lines, delimiter="\t"))[1:]:
            code = term.strip("<>").rsplit("/", 1)[1].replace("_", ":")
            names[code] |= {key(label), key(layperson)}
