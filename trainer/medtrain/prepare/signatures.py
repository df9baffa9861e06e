"""Signatures whose likeness is that of the texts: MinHash by one permutation, and its bands.

One hash a run of three words; the smallest in each of 128 bins makes the signature (Li, Owen
and Zhang 2012). An empty bin borrows from another that is drawn for it (Shrivastava 2017,
"Optimal densification"), so that the share of equal bins estimates the Jaccard index of the
sets of runs, with a standard error of sqrt(J (1 - J) / 128). Bands of bins are the keys of
locality-sensitive hashing: texts that are alike share the key of at least one band.
"""

from typing import cast

import numpy as np
import numpy.typing as npt

from medtrain.prepare.words import Hashes, Words, mix

BINS = 128
RUN = 3
"""Words in a run."""
_FOUND = 0.95
"""Least chance that a pair at the threshold shares a band."""
_EMPTY = np.uint32(0xFFFFFFFF)

Marks = npt.NDArray[np.uint16]
"""Signatures, shape (texts, BINS): 16 bits of each smallest hash."""


def _lenders() -> npt.NDArray[np.int64]:
    """For each bin all bins in an order of its own, shape (BINS, BINS)."""
    cells = np.arange(BINS * BINS, dtype=np.uint64).reshape(BINS, BINS)
    return np.argsort(mix(cells + np.uint64(1)), axis=1)


_LENDERS = _lenders()


def marks(found: Words) -> Marks:
    """The signature of each text; one without words is all zeros."""
    runs, text = found.runs(RUN)
    texts = len(found.counts)
    smallest = np.full(texts * BINS, _EMPTY, dtype=np.uint32)
    bins = (runs >> np.uint64(64 - 7)).astype(np.int64)
    np.minimum.at(smallest, text * BINS + bins, runs.astype(np.uint32))
    table = smallest.reshape(texts, BINS)
    table[found.counts == 0] = 0
    _fill(table)
    return (table & np.uint32(0xFFFF)).astype(np.uint16)


def _fill(table: npt.NDArray[np.uint32]) -> None:
    own = table.copy()
    waiting = np.flatnonzero((table == _EMPTY).any(axis=1))
    for turn in range(BINS):
        if not len(waiting):
            return
        rows = table[waiting]
        lent = own[waiting][:, _LENDERS[:, turn]]
        table[waiting] = np.where(rows == _EMPTY, lent, rows)
        waiting = waiting[(table[waiting] == _EMPTY).any(axis=1)]


def rows_of_band(near: float) -> int:
    """Bins in a band: as many as still find a pair of likeness `near` surely enough."""
    for rows in (16, 8, 4, 2):
        if 1 - (1 - near**rows) ** (BINS // rows) >= _FOUND:
            return rows
    return 1


def bands(signatures: Marks, near: float) -> Hashes:
    """Keys of the bands, shape (bands, texts)."""
    rows = rows_of_band(near)
    grouped = signatures.reshape(len(signatures), BINS // rows, rows)
    keys = np.zeros(grouped.shape[:2], dtype=np.uint64)
    for row in range(rows):
        keys = mix(keys + grouped[:, :, row].astype(np.uint64) + np.uint64(1))
    return np.ascontiguousarray(keys.T)


def likeness(one: Marks, other: Marks) -> npt.NDArray[np.float64]:
    """Estimated Jaccard index of pairs of signatures, shape (pairs,)."""
    return cast(npt.NDArray[np.float64], (one == other).mean(axis=1))
