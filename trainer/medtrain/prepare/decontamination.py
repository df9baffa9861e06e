"""What evaluation asks must not be learned: runs of thirteen words, whole questions, documents.

Thirteen words are the length that Brown and others 2020 (arXiv:2005.14165, appendix C) took.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import Any, Literal

import numpy as np
from medllm import files, paths, prompts
from medllm.errors import UsageError
from medllm.reference import builtin_cards
from medllm.terminology.normalise import sentence_case

from medtrain.prepare.words import Hashes, Words, comparable, words
from medtrain.readers import rows
from medtrain.settings import SourceSettings

RUN = 13
SHORTEST = 3
"""Words of a question that is compared whole."""
_BATCH = 64
_SLOTS = 1 << 22
GROUND_TRUTH = "test_ground_truth.json"
"""PubMedQA's file of the labels of its test split, by PMID."""
Reason = Literal["", "13 words of evaluation", "a question of evaluation", "a test document"]


def inputs(named: Sequence[str]) -> list[Path]:
    """The files of evaluation data: the project's own, and those that the recipe names.

    Raises:
        UsageError: one is not there.
    """
    found = sorted(paths.evaluation_dir().glob("*.jsonl"))
    for name in named:
        file = Path(name).expanduser()
        if not file.is_file():
            raise UsageError(f"There is no evaluation data at {name}.", "Mend data.decontaminate.")
        found.append(file)
    return found


def unknown(sources: Iterable[SourceSettings], known: Iterable[str]) -> list[str]:
    """What evaluation asks and can't be kept out, since it is not known here; in lines.

    Args:
        sources: the data sets.
        known: names of the files with evaluation data.
    """
    if any(Path(name).name == GROUND_TRUTH for name in known):
        return []
    labelled = [s for s in sources if s.reader == "pubmedqa" and not _is_artificial(s)]
    return [
        "PubMedQA's test split is not known here, so that its questions are learned and scores on "
        f"them say nothing. Name its file: --set 'data.decontaminate=[{GROUND_TRUTH}]'."
    ] * bool(labelled)


def _is_artificial(source: SourceSettings) -> bool:
    """Whether it is PQA-A, which has no question of the test split."""
    return source.subset == "pqa_artificial" or Path(source.path).name == "ori_pqaa.json"


def compile_into(folder: Path, named: Sequence[str]) -> None:
    """Writes what must not be learned: hashes of runs and of questions, names of documents.

    A file that gives labels to PMIDs, like PubMedQA's test_ground_truth.json, names documents.
    """
    runs: list[Hashes] = []
    questions: set[int] = set()
    documents: set[str] = set()

    def take(texts: Iterable[str]) -> None:
        batch: list[bytes] = []
        for text in texts:
            plain = comparable(text)
            if len(plain.split()) >= SHORTEST:
                questions.add(_question(plain))
            batch.append(plain)
            if len(batch) == _BATCH:
                runs.append(_long_runs(words(batch)))
                batch.clear()
        runs.append(_long_runs(words(batch or [b""])))

    take(_card_texts())
    for file in inputs(named):
        for row in rows.of_file(file, keyed=file.suffix == ".json" and _is_object(file)):
            if row.key and isinstance(row.content, str) and row.content in ("yes", "no", "maybe"):
                documents.add(f"pubmedqa:{row.key}")
                continue
            take(_texts(_content(row)))
    every = np.unique(np.concatenate(runs))
    _save(folder / "runs.npy", every)
    _save(folder / "questions.npy", np.array(sorted(questions), dtype=np.uint64))
    files.write_json(folder / "documents.json", sorted(documents))


@dataclass(frozen=True)
class Forbidden:
    """What must not be learned, ready to be looked up."""

    runs: Hashes
    slots: Any
    """A mark for the low bits of each run: most look-ups end here."""
    questions: frozenset[int]
    documents: frozenset[str]

    def touched(self, found: Words) -> Any:
        """For each text whether it has a run of evaluation, as an array of booleans."""
        touched = np.zeros(len(found.counts), dtype=bool)
        runs, text = found.runs(RUN)
        likely = self.slots[runs & np.uint64(_SLOTS - 1)]
        runs, text = runs[likely], text[likely]
        place = np.minimum(np.searchsorted(self.runs, runs), max(0, len(self.runs) - 1))
        if len(self.runs) and len(runs):
            touched[text[self.runs[place] == runs]] = True
        return touched & (found.counts >= RUN)

    def asks(self, question: str) -> bool:
        """Whether a user's turn, or a line of it, is a question of evaluation."""
        lines = question.split("\n")
        for line in lines if len(lines) == 1 else [question, *lines]:
            plain = comparable(line.removeprefix("Question: "))
            if _question(plain) in self.questions:
                return True
        return False


@lru_cache(maxsize=2)
def forbidden(folder: Path) -> Forbidden:
    """What `compile_into` wrote."""
    runs = np.load(folder / "runs.npy")
    slots = np.zeros(_SLOTS, dtype=bool)
    slots[runs & np.uint64(_SLOTS - 1)] = True
    questions = frozenset(np.load(folder / "questions.npy").tolist())
    documents = frozenset(json.loads((folder / "documents.json").read_text("utf-8")))
    return Forbidden(runs, slots, questions, documents)


def _question(plain: bytes) -> int:
    joined = b" ".join(plain.split())
    return int.from_bytes(blake2b(joined, digest_size=8).digest(), "little")


def _long_runs(found: Words) -> Hashes:
    runs, text = found.runs(RUN)
    return runs[(found.counts >= RUN)[text]]


def _card_texts() -> Iterator[str]:
    """The cards of the test split, and the ways in which evaluation asks for them."""
    for card in builtin_cards():
        if card.split == "test":
            yield from card.card.parts()
            name = sentence_case(card.term)
            yield from (phrasing.format(name=name) for phrasing in prompts.PHRASINGS)


def _content(row: rows.Row) -> Any:
    return row.read() if isinstance(row.content, str) and row.content[:1] == "{" else row.content


def _texts(content: Any) -> Iterator[str]:
    """All texts of a row, however deep."""
    if isinstance(content, str):
        yield content
    elif isinstance(content, dict):
        for value in content.values():
            yield from _texts(value)
    elif isinstance(content, list):
        # Contexts of PubMedQA are one abstract in pieces.
        for value in content:
            yield from _texts(value)


def _is_object(file: Path) -> bool:
    with open(file, "rb") as stream:
        first = stream.read(4096).lstrip(b"\xef\xbb\xbf \t\r\n")
    return first[:1] == b"{" and not rows.is_lines(file)


def _save(target: Path, array: Hashes) -> None:
    with files.atomic(target) as temporary, open(temporary, "wb") as stream:
        np.save(stream, array, allow_pickle=False)
