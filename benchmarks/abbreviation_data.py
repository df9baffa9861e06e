"""What the abbreviation benchmarks read: GLADIS, Vanderbilt's frequencies, running texts."""

import json
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from medllm.reference import builtin_cards
from medllm.terminology.abbreviations import card_text
from medllm.terminology.background import Background
from medllm.terminology.lexicon import Lexicon, Sense
from medllm.terminology.readers.lines import Lines, Problems
from medllm.terminology.readers.tables import read_frequencies
from medllm.terminology.sense_shares import Frequency


@dataclass(frozen=True)
class Row:
    """A sentence with an abbreviation whose sense was annotated."""

    short: str
    gold: str
    """In small letters."""
    text: str
    at: int
    """Where the abbreviation stands in `text`."""


def read_gladis(file: Path) -> list[Row]:
    """Rows of train.json, dev.json or test.json."""
    found = []
    for line in file.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        tokens, index = row["tokens"], row["index"]
        at = len(" ".join(tokens[:index])) + (index > 0)
        found.append(Row(row["short_term"], row["long_term"].lower(), " ".join(tokens), at))
    return found


def candidates(folder: Path, rows: list[Row]) -> tuple[dict[str, list[str]], int]:
    """Senses of each abbreviation of `rows`, and how many rows find theirs in the dictionary.

    The dictionary is senses.json, in small letters and each once. It lists no abbreviation
    of train.json and dev.json; the senses of those are all long forms that these files give.
    """
    listed = json.loads((folder / "senses.json").read_text(encoding="utf-8"))
    found = {short: {long.lower() for long, _ in senses} for short, senses in listed.items()}
    held = sum(row.gold in found.get(row.short, ()) for row in rows)
    known = set(found)
    for row in [*rows, *read_gladis(folder / "train.json")]:
        if row.short not in known:
            found.setdefault(row.short, set()).add(row.gold)
    return {row.short: sorted(found[row.short]) for row in rows}, held


def as_lexicon(senses: dict[str, list[str]]) -> Lexicon:
    """A lexicon of bare long forms: no concepts, no cues, no order."""
    listed = (
        Sense(short, f"MED:{number}", long)
        for short, longs in senses.items()
        for number, long in enumerate(longs)
    )
    return Lexicon((), listed, ordered=False)


def running_texts(data: Path, train: bool = True) -> Iterator[str]:
    """The cards, and the texts of the data sets that lie in `data`; never a test set's."""
    yield from map(card_text, builtin_cards())
    if train:
        yield from (row.text for row in read_gladis(data / "gladis" / "train.json"))
    for reader, file in (
        (_pubmedqa, data / "pubmedqa" / "ori_pqal.json"),
        (_medalpaca, data / "medalpaca" / "medical_meadow_small.json"),
        (_medmcqa, data / "mirage" / "medmcqa_dev.json"),
        (_ncbi, data / "ncbi-disease" / "train.txt"),
    ):
        if file.is_file():
            yield from reader(file)
    for archive in sorted((data / "medquad").glob("*.tar.gz")):
        yield from _medquad(archive)


def background(data: Path, train: bool = True) -> Background:
    """`running_texts`, indexed."""
    return Background(running_texts(data, train))


def read_vanderbilt(file: Path) -> list[Frequency]:
    """Senses met in notes, with their share among those of the abbreviation."""
    return list(read_frequencies(Lines(file, Problems(file)), "\t"))


def _pubmedqa(file: Path) -> Iterator[str]:
    for row in json.loads(file.read_text(encoding="utf-8")).values():
        yield " ".join((*row["CONTEXTS"], row["LONG_ANSWER"]))


def _medalpaca(file: Path) -> Iterator[str]:
    for row in json.loads(file.read_text(encoding="utf-8")):
        yield f"{row['input']} {row['output']}"


def _medmcqa(file: Path) -> Iterator[str]:
    for line in file.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        yield f"{row['question']} {row.get('exp') or ''}"


def _ncbi(file: Path) -> Iterator[str]:
    for line in file.read_text(encoding="utf-8").splitlines():
        if match := re.match(r"\d+\|a\|(.*)", line):
            yield match[1]


def _medquad(file: Path) -> Iterator[str]:
    with tarfile.open(file) as archive:
        for member in archive:
            stream = archive.extractfile(member) if member.name.endswith(".xml") else None
            if stream:
                text = stream.read().decode("utf-8", "replace")
                yield from re.findall(r"<Answer>(.*?)</Answer>", text, re.DOTALL)
