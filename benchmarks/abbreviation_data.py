"""What the abbreviation benchmarks read: GLADIS, Vanderbilt's frequencies, running texts."""

import json
import random
import re
import tarfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from medllm.embedding import Embedder, TokenVectors
from medllm.reference import builtin_cards
from medllm.terminology.abbreviations import card_text
from medllm.terminology.background import Background, stems
from medllm.terminology.lexicon import Lexicon, Sense
from medllm.terminology.readers.lines import Lines, Problems
from medllm.terminology.readers.tables import read_frequencies
from medllm.terminology.schwartz_hearst import best_long_form
from medllm.terminology.sense_context import around
from medllm.terminology.sense_shares import Frequency
from medllm.terminology.tokens import bag, name_words
from numpy.typing import NDArray
from rapidfuzz import fuzz

BATCH = 256
"""Texts that an embedder is given at once."""


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


def with_lookalikes(
    folder: Path, senses: dict[str, list[str]], count: int = 12
) -> dict[str, list[str]]:
    """`senses`, and as many others of the dictionary as make `count` of each abbreviation.

    They begin with its first letter and hold the others in order; the dictionary's own
    abbreviations have 12 senses at the median of the test's rows.
    """
    listed = json.loads((folder / "senses.json").read_text(encoding="utf-8"))
    by_letter: dict[str, set[str]] = defaultdict(set)
    for longs in listed.values():
        for long, _ in longs:
            by_letter[long[:1].lower()].add(long.lower())
    found = {}
    for short, own in senses.items():
        known = {bag(name_words(long)) for long in own}
        fitting = [
            long
            for long in sorted(by_letter[short[0].lower()])
            if bag(name_words(long)) not in known and best_long_form(short, long) == 0
        ]
        random.Random(short).shuffle(fitting)
        found[short] = sorted({*own, *fitting[: max(0, count - len(own))]})
    return found


class Remembering:
    """An embedder that embeds each text once."""

    def __init__(self, embedder: Embedder) -> None:
        self.embedder, self.known = embedder, dict[str, NDArray[np.float32]]()
        self.name, self.sha256 = embedder.name, embedder.sha256
        self.dimension = embedder.dimension

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors of `texts`; what is new goes to the embedder at once."""
        new = [text for text in dict.fromkeys(texts) if text not in self.known]
        if new:
            self.known.update(zip(new, self.embedder.embed(new), strict=True))
        return np.stack([self.known[text] for text in texts])

    def embed_tokens(self, texts: Sequence[str]) -> list[TokenVectors]:
        """The embedder's own."""
        return self.embedder.embed_tokens(texts)

    def close(self) -> None:
        """Closes the embedder."""
        self.embedder.close()

    def prepare(self, rows: Sequence[Row], senses: dict[str, list[str]]) -> None:
        """Embeds all sentences and long forms that will be asked for, many at a time."""
        texts = {around(row.text, row.at, len(row.short)).sentence for row in rows}
        texts |= {long for row in rows for long in senses[row.short]}
        ordered = sorted(texts, key=len)
        for start in range(0, len(ordered), BATCH):
            self.embed(ordered[start : start + BATCH])


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


def means(row: Frequency, sense: Sense, lexicon: Lexicon) -> bool:
    """Whether a sense of the lexicon is that of the list: the same CUI, or much the same name."""
    if row.concept.startswith("UMLS:") and row.concept in lexicon.codes(sense):
        return True
    return any(_alike(row.expansion, name) for name in lexicon.names(sense))


def _alike(one: str, other: str) -> bool:
    """Whether two names have the same words but for their endings, or one has all of the other's.

    "bis in die (twice a day)" is read as two names.
    """
    for mine in _readings(one):
        for theirs in _readings(other):
            shared = mine & theirs
            if mine == theirs or (len(shared) > 1 and shared in (mine, theirs)):
                return True
            if fuzz.ratio(" ".join(sorted(mine)), " ".join(sorted(theirs))) >= 85:
                return True
    return False


@lru_cache(1 << 16)
def _readings(name: str) -> tuple[frozenset[str], ...]:
    parts = [re.sub(r"\([^()]*\)", " ", name), *re.findall(r"\(([^()]+)\)", name)]
    return tuple(frozenset(words) for part in parts if (words := stems(part)))


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
