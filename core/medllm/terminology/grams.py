"""Which names look like a text: an inverted index of character trigrams, weighted by TF-IDF.

The rarest trigrams of a text choose the names that are compared; their likeness is then
the exact cosine of the TF-IDF vectors.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

LOOKED_THROUGH = 10_000
"""Entries of the index that one look-up reads, those of the rarest trigrams first."""
SHARED = 0.3
"""Least share of the weight of those trigrams that a name must have to be compared."""
COMPARED = 64
"""Names whose exact likeness is computed."""


class GramIndex:
    """Trigrams of names -> names, with the cosine of their TF-IDF vectors as likeness."""

    def __init__(self, names: Sequence[str]) -> None:
        """Indexes `names` (folded, each once); about 250 bytes a name."""
        self.names = names
        grams, owners = _grams(names)
        pairs = np.unique(grams.astype(np.uint64) << np.uint64(32) | owners)
        self._owners = pairs.astype(np.uint32)
        self._grams, starts, which, counts = np.unique(
            (pairs >> np.uint64(32)).astype(np.uint32),
            return_index=True, return_inverse=True, return_counts=True,
        )  # fmt: skip
        self._bounds = np.append(starts, len(pairs))
        idf = np.log((1 + len(names)) / (1 + counts)) + 1
        self._squares = (idf**2).astype(np.float32)
        norms = np.sqrt(np.bincount(self._owners, self._squares[which], minlength=len(names)))
        self._norms = np.maximum(norms, 1e-9).astype(np.float32)
        self._of_name = which[np.argsort(self._owners, kind="stable")].astype(np.uint32)
        sizes = np.bincount(self._owners, minlength=len(names))
        self._name_bounds = np.append(0, np.cumsum(sizes))
        self._asked = np.zeros(len(self._grams), np.float32)

    def nearest(self, text: str, count: int, floor: float = 0.3) -> list[tuple[str, float]]:
        """Up to `count` names with a cosine of at least `floor`, the nearest first."""
        grams = np.array(sorted(set(_grams([text])[0].tolist())), np.uint32)
        places = np.searchsorted(self._grams, grams)
        known = places < len(self._grams)
        known[known] = self._grams[places[known]] == grams[known]
        places = places[known]
        if not len(places):
            return []
        unknown = (np.log(1 + len(self.names)) + 1) ** 2 * (len(grams) - len(places))
        norm = float(np.sqrt(self._squares[places].sum() + unknown))
        likely = self._likely(places)
        if not len(likely):
            return []
        cosines = self._products(places, likely) / (norm * self._norms[likely])
        best = np.argsort(-cosines, kind="stable")[:count]
        return [(self.names[likely[i]], float(cosines[i])) for i in best if cosines[i] >= floor]

    def _likely(self, places: NDArray[np.int64]) -> NDArray[np.intp]:
        """The names that share most of the rarest trigrams."""
        sizes = self._bounds[places + 1] - self._bounds[places]
        order = np.argsort(sizes, kind="stable")
        enough = max(1, int(np.searchsorted(np.cumsum(sizes[order]), LOOKED_THROUGH)))
        looked = places[order[:enough]]
        spans = [self._owners[self._bounds[p] : self._bounds[p + 1]] for p in looked]
        owners = np.concatenate(spans).astype(np.intp)
        squares = self._squares[looked]
        sums = np.bincount(
            owners, np.repeat(squares, sizes[order[:enough]]), minlength=len(self.names)
        )
        likely = np.flatnonzero(sums >= SHARED * squares.sum())
        scores = sums[likely] / self._norms[likely]
        if len(likely) > COMPARED:
            likely = likely[np.argpartition(-scores, COMPARED)[:COMPARED]]
        return likely

    def _products(self, places: NDArray[np.int64], owners: NDArray[np.intp]) -> NDArray[np.float32]:
        """Sum over the shared trigrams, for each of `owners`."""
        self._asked[places] = self._squares[places]
        starts, ends = self._name_bounds[owners], self._name_bounds[owners + 1]
        shared = self._asked[
            np.concatenate([self._of_name[a:b] for a, b in zip(starts, ends, strict=True)])
        ]
        self._asked[places] = 0
        offsets = np.append(0, np.cumsum(ends - starts)[:-1])
        return np.add.reduceat(shared, offsets)


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
