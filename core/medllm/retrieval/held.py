"""What a search holds in memory of one state of the index, made when it is first needed."""

import sqlite3

import numpy as np
from numpy.typing import NDArray

from medllm.retrieval import store
from medllm.retrieval.letters import Spellings
from medllm.retrieval.update import CARDS
from medllm.retrieval.vectors import STATE, Signs
from medllm.terminology import tokens


class Held:
    """Follows the index: what was made of an earlier state is dropped."""

    def __init__(self, base: sqlite3.Connection) -> None:
        """Holds nothing yet; `follow` comes first."""
        self._base = base
        self._state, self._of_vectors = "", ("", "")
        self._spellings: Spellings | None = None
        self._signs: Signs | None = None
        self._cards: dict[str, tuple[str, ...]] | None = None
        self._firsts: NDArray[np.int64] | None = None
        self.total = 0
        """Passages of the index."""
        self.embedder = ""
        """Digest of the embedder whose vectors the index has."""

    def follow(self) -> None:
        """Looks whether the index has changed."""
        state = store.meta(self._base, "state")
        of_vectors = (state, store.meta(self._base, STATE))
        if of_vectors != self._of_vectors:
            self._of_vectors, self._signs = of_vectors, None
            self.embedder = store.meta(self._base, "embedder")
        if state != self._state:
            self._state = state
            self._spellings = self._cards = self._firsts = None
            self.total = store.size(self._base)

    def spellings(self) -> Spellings:
        """Names and words by their letters."""
        self._spellings = self._spellings or Spellings(self._base)
        return self._spellings

    def signs(self) -> Signs:
        """The signs of the vectors."""
        self._signs = self._signs or Signs(self._base)
        return self._signs

    def card_names(self, form: str) -> tuple[str, ...]:
        """Names of the cards that bear this one, abbreviations left out."""
        if self._cards is None:
            rows = self._base.execute(
                "SELECT form, title, names FROM file JOIN name ON name.file = file.id "
                "JOIN passage ON passage.id = name.first WHERE root = ? ORDER BY name.first",
                (CARDS,),
            )
            self._cards = {}
            for called, title, others in rows:
                kept = [text for text in (title, *others.split("\n")) if _long(text)]
                self._cards[called] = (*self._cards.get(called, ()), *kept)
        return self._cards.get(form, ())

    def files(self, passages: list[int]) -> list[int]:
        """For each passage a number that those of the same file have in common."""
        if self._firsts is None:
            rows = self._base.execute("SELECT first FROM file WHERE last >= first ORDER BY first")
            self._firsts = np.array(rows.fetchall(), np.int64).ravel()
        places = np.searchsorted(self._firsts, np.array(passages, np.int64), side="right")
        return [int(place) for place in places]


def _long(text: str) -> bool:
    return bool(text) and not tokens.is_acronym(text)
