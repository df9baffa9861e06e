"""The index of passages: what a program uses.

with Index.open() as index:
    index.add_cards()
    index.update(Path("~/documents"))
    found = index.search("What helps against a heart attack?")
"""

import sqlite3
from dataclasses import dataclass
from pathlib import Path

from medllm.closing import Closing
from medllm.embedding import Embedder
from medllm.errors import UsageError
from medllm.retrieval import store, update, vectors
from medllm.retrieval.search import Searcher, Way
from medllm.terminology.store import Store

LONGEST_QUESTION = 2_000
"""Characters of a question that are looked at."""


@dataclass(frozen=True, slots=True)
class Passage:
    """A passage that was found: `[start:end]` of its file's text, as its reader gives it."""

    text: str
    title: str
    headings: tuple[str, ...]
    """From the outermost to its own."""
    file: Path | None
    """None for a card."""
    page: int | None
    """Counted from 1, where the file has pages."""
    start: int
    end: int
    card: str | None
    """Id of the built-in card that it is."""
    score: float
    """The sum of weighted reciprocal ranks; it orders the passages of one search."""
    ways: tuple[Way, ...]
    """How it was found."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a search gives."""

    passages: tuple[Passage, ...]
    """The best first."""
    confident: bool
    """Whether they are about what was asked; where not, better say that nothing is known."""
    words: float
    """Share of the question's topic, weighted by rarity, in one of the first passages, 0 to 1."""
    meaning: float
    """Cosine of the nearest passage; 0 without an embedder."""


class Index(Closing):
    """Cards and documents, to be searched; `open` makes one. One search at a time."""

    def __init__(
        self, base: sqlite3.Connection, embedder: Embedder | None, vocabulary: Store | None
    ) -> None:
        """See `open`."""
        self._base, self._embedder = base, embedder
        self._searcher = Searcher(base, embedder, vocabulary)

    @classmethod
    def open(
        cls,
        file: Path | None = None,
        embedder: Embedder | None = None,
        vocabulary: Store | None = None,
    ) -> "Index":
        """Opens an index, or makes an empty one.

        Args:
            file: by default the user's.
            embedder: adds the search by meaning, once `embed` has made the vectors.
            vocabulary: adds what a vocabulary calls the same to the names of a question.

        Raises:
            StorageError: it can't be opened, or is no index of this version.
        """
        return cls(store.open_base(file), embedder, vocabulary)

    def add_cards(self) -> int:
        """Takes the built-in cards in, or renews them; gives their number."""
        return update.add_cards(self._base)

    def update(self, folder: Path, progress: update.Progress | None = None) -> update.Report:
        """Brings the index in step with a folder.

        Raises:
            UsageError: there is no such folder.
            StorageError: the index can't be written; it is as it was.
        """
        return update.update(self._base, folder, progress)

    def remove(self, folder: Path) -> int:
        """Takes a folder out of the index; gives the number of its files.

        Raises:
            UsageError: the index has nothing of it.
        """
        return update.remove(self._base, folder)

    def embed(self, progress: vectors.Progress | None = None) -> int:
        """Makes the vectors that are missing; an interrupted run goes on where it was.

        Raises:
            UsageError: the index was opened without an embedder.
        """
        if self._embedder is None:
            raise UsageError("There is no embedder.", "Name an embedding model: --embedder FILE")
        return vectors.embed(self._base, self._embedder, progress)

    def without_vectors(self) -> int:
        """Number of passages that a search by meaning can't find; 0 without an embedder."""
        if self._embedder is None:
            return 0
        with store.reading(self._base):
            return vectors.missing(self._base, self._embedder)

    def prepare(self) -> None:
        """Makes what a search holds in memory; without it the first one waits for it."""
        self._searcher.prepare()

    def search(self, query: str, k: int = 10) -> Found:
        """The `k` best passages for a question or some words.

        Raises:
            UsageError: `k` is below 1.
        """
        if k < 1:
            raise UsageError(f"{k} passages can't be found.", "Ask for 1 or more.")
        with store.reading(self._base):
            ranking = self._searcher.search(query[:LONGEST_QUESTION], k)
            rows = {hit.passage: self._row(hit.passage) for hit in ranking.hits}
        passages = tuple(
            Passage(*rows[hit.passage], score=hit.score, ways=hit.ways) for hit in ranking.hits
        )
        return Found(passages, ranking.confident, ranking.words, ranking.meaning)

    def size(self) -> int:
        """Number of passages."""
        with store.reading(self._base):
            return store.size(self._base)

    def close(self) -> None:
        """Closes the file."""
        self._base.close()

    def _row(
        self, passage: int
    ) -> tuple[str, str, tuple[str, ...], Path | None, int | None, int, int, str | None]:
        text, title, headings, root, path, page, start, end, card = self._base.execute(
            "SELECT text, title, headings, root, path, page, start, end, card "
            "FROM passage JOIN file ON file.id = passage.file WHERE passage.id = ?",
            (passage,),
        ).fetchone()
        return (
            text, title, tuple(headings.split("\n")) if headings else (),
            None if card else Path(root) / path, page, start, end, card,
        )  # fmt: skip
