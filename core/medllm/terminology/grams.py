"""Which names look like a text: an inverted index of character trigrams, weighted by TF-IDF.

The rarest trigrams of a text choose the names that are compared; their likeness is then
the exact cosine of the TF-IDF vectors. The work of a look-up grows with the entries that it
reads, which are limited, and not with the number of names.
"""

import math
from collections.abc import Sequence
from functools import lru_cache
from threading import Lock
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

LOOKED_THROUGH = 10_000
"""Entries of the index that one look-up reads, those of the rarest trigrams first."""
SHARED = 0.3
"""Least share of the weight of those trigrams that a name must have to be compared."""
COMPARED = 64
"""Names whose exact likeness is computed."""


class Gram(NamedTuple):
    """A trigram of the index. In their order the rarest comes first."""

    names: int
    """How many have it."""
    place: int
    """Its number, in the order of the trigrams."""
    start: int
    """Where its names begin among the entries."""
    square: float
    """Its weight in a name, times that in the text: the square of its IDF."""


class GramIndex:
    """Trigrams of names -> names, with the cosine of their TF-IDF vectors as likeness."""

    def __init__(self, names: Sequence[str]) -> None:
        """Indexes `names` (folded, each once); about 250 bytes a name."""
        self.names = names
        grams, owners = _grams(names)
        pairs = np.unique(grams.astype(np.uint64) << np.uint64(32) | owners)
        self._owners = pairs.astype(np.uint32)
        known, starts, which, counts = np.unique(
            (pairs >> np.uint64(32)).astype(np.uint32),
            return_index=True, return_inverse=True, return_counts=True,
        )  # fmt: skip
        idf = np.log((1 + len(names)) / (1 + counts)) + 1
        self._squares = (idf**2).astype(np.float32)
        norms = np.sqrt(np.bincount(self._owners, self._squares[which], minlength=len(names)))
        self._norms = np.maximum(norms, 1e-9).astype(np.float32)
        small = np.uint16 if len(known) <= 1 << 16 else np.uint32
        self._of_name = which.astype(small)[np.argsort(self._owners, kind="stable")]
        sizes = np.bincount(self._owners, minlength=len(names))
        self._name_bounds = np.append(0, np.cumsum(sizes))
        rows = zip(counts.tolist(), range(len(known)), starts.tolist(), self._squares.tolist(),
                   strict=True)  # fmt: skip
        texts = (gram.to_bytes(3, "big") for gram in known.tolist())
        self._grams = {text: Gram(*row) for text, row in zip(texts, rows, strict=True)}
        self._unknown_square = (float(np.log(1 + len(names))) + 1) ** 2
        self._sums = np.zeros(len(names), np.float32)
        self._sums_are_free = Lock()

    def nearest(self, text: str, count: int, floor: float = 0.3) -> list[tuple[str, float]]:
        """Up to `count` names with a cosine of at least `floor`, the nearest first."""
        asked = _of_text(text)
        grams = sorted(gram for three in asked if (gram := self._grams.get(three)))
        if not grams:
            return []
        likely = self._likely(grams)
        if not len(likely):
            return []
        unknown = self._unknown_square * (len(asked) - len(grams))
        norm = (sum(gram.square for gram in grams) + unknown) ** 0.5
        cosines = self._products(grams, likely) / (norm * self._norms[likely])
        best = np.argsort(-cosines, kind="stable")[:count]
        found = zip(likely[best].tolist(), cosines[best].tolist(), strict=True)
        return [(self.names[owner], cosine) for owner, cosine in found if cosine >= floor]

    def _likely(self, grams: Sequence[Gram]) -> NDArray[np.intp]:
        """The names that share most of the rarest trigrams."""
        read, looked = 0, list[Gram]()
        for gram in grams:
            read += gram.names
            if looked and read >= LOOKED_THROUGH:
                break
            looked.append(gram)
        spans = [self._owners[gram.start : gram.start + gram.names] for gram in looked]
        owners = np.concatenate(spans).astype(np.intp)
        squares = np.array([gram.square for gram in looked], np.float32)
        shares = np.repeat(squares, [gram.names for gram in looked])
        least = SHARED * float(squares.sum())
        with self._sums_are_free:
            try:
                np.add.at(self._sums, owners, shares)
                likely = np.sort(owners[self._sums[owners] >= least])
                sums = self._sums[likely]
            finally:
                self._sums[owners] = 0
        once = np.ones(len(likely), bool)
        np.not_equal(likely[1:], likely[:-1], out=once[1:])
        likely = likely[once]
        if len(likely) > COMPARED:
            scores = sums[once] / self._norms[likely]
            likely = likely[np.argpartition(-scores, COMPARED)[:COMPARED]]
        return likely

    def _products(self, grams: Sequence[Gram], owners: NDArray[np.intp]) -> NDArray[np.float32]:
        """Sum over the shared trigrams, for each of `owners`."""
        asked = np.zeros(len(self._squares), np.float32)
        for gram in grams:
            asked[gram.place] = gram.square
        starts = self._name_bounds[owners]
        sizes = self._name_bounds[owners + 1] - starts
        ends = np.cumsum(sizes)
        offsets = ends - sizes
        entries = np.arange(ends[-1]) + np.repeat(starts - offsets, sizes)
        return np.add.reduceat(asked[self._of_name[entries]], offsets)


def _grams(names: Sequence[str]) -> tuple[NDArray[np.uint32], NDArray[np.uint64]]:
    """Trigrams of bytes of each name with a space at both ends, and whose they are."""
    padded = [f" {name} ".encode() for name in names]
    text = np.frombuffer(b"".join(padded), np.uint8).astype(np.uint32)
    lengths = np.fromiter(map(len, padded), np.int64, len(padded))
    owners = np.repeat(np.arange(len(padded), dtype=np.uint64), lengths)
    if len(text) < 3:
        return np.empty(0, np.uint32), np.empty(0, np.uint64)
    grams = text[:-2] << 16 | text[1:-1] << 8 | text[2:]
    inside = owners[:-2] == owners[2:]
    return grams[inside], owners[:-2][inside]


class GramWeights:
    """Weights of the trigrams of names, and the cosine of two texts by them."""

    def __init__(self, names: Sequence[str]) -> None:
        """Counts the trigrams of `names` (folded, each once); some bytes a name."""
        grams, owners = _grams(names)
        pairs = np.sort(grams.astype(np.uint64) << np.uint64(32) | owners)
        once = np.ones(len(pairs), bool)
        np.not_equal(pairs[1:], pairs[:-1], out=once[1:])
        known, counts = np.unique(pairs[once] >> np.uint64(32), return_counts=True)
        squares = (np.log((1 + len(names)) / (1 + counts)) + 1) ** 2
        texts = (gram.to_bytes(3, "big") for gram in known.tolist())
        self._squares = _Squares(zip(texts, squares.tolist(), strict=True))
        self._squares.unknown = (math.log(1 + len(names)) + 1) ** 2
        self._vector = lru_cache(1 << 9)(self._vector_of)

    def cosine(self, one: str, other: str) -> float:
        """Cosine of the TF-IDF vectors, 0 to 1."""
        (mine, my_norm), (theirs, their_norm) = self._vector(one), self._vector(other)
        return sum(map(self._squares.__getitem__, mine & theirs)) / (my_norm * their_norm)

    def _vector_of(self, text: str) -> tuple[set[bytes], float]:
        """Its trigrams and its length."""
        grams = _of_text(text)
        return grams, math.sqrt(sum(map(self._squares.__getitem__, grams)) or 1.0)


class _Squares(dict[bytes, float]):
    """Squared IDF of trigrams."""

    unknown: float

    def __missing__(self, gram: bytes) -> float:
        return self.unknown


def _of_text(text: str) -> set[bytes]:
    """Trigrams of bytes of a text with a space at both ends."""
    padded = f" {text} ".encode()
    return {padded[i : i + 3] for i in range(len(padded) - 2)}
