"""Which names look like a text: an inverted index of character trigrams, weighted by TF-IDF."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

COMMON = 0.05
"""Trigrams in more than this share of the names tell too little to be looked up."""


class GramIndex:
    """Trigrams of names -> names, with the cosine of their TF-IDF vectors as likeness."""

    def __init__(self, names: Sequence[str]) -> None:
        """Indexes `names` (folded, each once); about 200 bytes a name."""
        self.names = names
        grams, owners = _grams(names)
        pairs = np.unique(grams.astype(np.uint64) << np.uint64(32) | owners)
        grams, self._owners = (pairs >> np.uint64(32)).astype(np.uint32), pairs.astype(np.uint32)
        self._grams, starts = np.unique(grams, return_index=True)
        self._bounds = np.append(starts, len(grams))
        counts = np.diff(self._bounds)
        self._idf = np.log((1 + len(names)) / (1 + counts)).astype(np.float32) + 1
        weights = np.repeat(self._idf, counts)
        norms = np.sqrt(np.bincount(self._owners, weights**2, minlength=len(names)))
        self._weights = (weights / np.maximum(norms, 1e-9)[self._owners]).astype(np.float32)
        self._rare = counts <= max(50, COMMON * len(names))

    def nearest(self, text: str, count: int, floor: float = 0.3) -> list[tuple[str, float]]:
        """Up to `count` names with a cosine of at least `floor`, the nearest first."""
        grams = np.unique(_grams([text])[0])
        places = np.searchsorted(self._grams, grams)
        known = places < len(self._grams)
        known[known] = self._grams[places[known]] == grams[known]
        places = places[known]
        if not len(places):
            return []
        missing = np.float32(np.log(1 + len(self.names)) + 1)
        norm = float(np.sqrt((self._idf[places] ** 2).sum() + missing**2 * (~known).sum()))
        looked = places[self._rare[places]]
        if not len(looked):
            return []
        spans = [slice(self._bounds[p], self._bounds[p + 1]) for p in looked]
        owners = np.concatenate([self._owners[span] for span in spans])
        weights = np.concatenate(
            [self._weights[span] * self._idf[p] for span, p in zip(spans, looked, strict=True)]
        )
        scores = np.bincount(owners, weights, minlength=len(self.names)) / norm
        likely = np.flatnonzero(scores >= floor)
        if len(likely) > count:
            likely = likely[np.argpartition(-scores[likely], count)[:count]]
        likely = likely[np.argsort(-scores[likely], kind="stable")]
        return [(self.names[i], float(scores[i])) for i in likely]


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
