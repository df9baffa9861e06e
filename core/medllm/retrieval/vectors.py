"""Vectors of passages: kept as 8-bit numbers, looked through by their signs first.

A sign is one bit a dimension, so a million vectors of 384 dimensions are 48 MB in memory and
one look through them takes some ten milliseconds. The passages whose signs agree most with
the question's are then compared by the kept numbers.
"""

import sqlite3
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from medllm.embedding import Embedder
from medllm.errors import StorageError
from medllm.retrieval import store

STATE = "vectors"
"""Counts the changes of vectors alone."""
BATCH = 256
"""Passages that are embedded and written at once; an interruption loses no more."""
COMPARED = 400
"""Passages that are compared by the kept numbers, the likeliest by their signs."""
BLOCK = 1 << 16
"""Signs that are looked through at once."""
Progress = Callable[[int, int], None]
"""Told how many of how many are done."""


def embed(base: sqlite3.Connection, embedder: Embedder, progress: Progress | None = None) -> int:
    """Makes the vectors that are missing; gives their number.

    Vectors of another embedder are dropped first.

    Raises:
        StorageError: the index can't be written.
    """
    if store.meta(base, "embedder") != embedder.sha256:
        with store.writing(base, STATE):
            base.execute("DELETE FROM vector")
            base.execute("DELETE FROM sign")
            store.set_meta(base, "embedder", embedder.sha256)
            store.set_meta(base, "dimension", str(embedder.dimension))
    missing = "FROM passage WHERE id NOT IN (SELECT passage FROM vector)"
    total = base.execute(f"SELECT count(*) {missing}").fetchone()[0]
    done, last = 0, 0
    while True:
        rows = base.execute(
            "SELECT passage.id, title, headings, names, text FROM passage "
            "JOIN file ON file.id = passage.file LEFT JOIN vector ON vector.passage = passage.id "
            "WHERE passage.id > ? AND vector.passage IS NULL ORDER BY passage.id LIMIT ?",
            (last, BATCH),
        ).fetchall()
        if not rows:
            return done
        last = rows[-1][0]
        made = embedder.embed([_text(*row[1:]) for row in rows])
        with store.writing(base, STATE):
            done += _write(base, [row[0] for row in rows], made)
        if progress:
            progress(done, total)


def missing(base: sqlite3.Connection, embedder: Embedder) -> int:
    """Number of passages that have no vector of this embedder."""
    if store.meta(base, "embedder") != embedder.sha256:
        return store.size(base)
    return store.size(base) - int(base.execute("SELECT count(*) FROM vector").fetchone()[0])


def _text(title: str, headings: str, names: str, text: str) -> str:
    lines = dict.fromkeys([title, *headings.split("\n"), ", ".join(names.split("\n"))])
    return ". ".join(line for line in lines if line) + "\n" + text


def _write(base: sqlite3.Connection, passages: Sequence[int], made: NDArray[np.float32]) -> int:
    """Writes vectors of the passages that are still there; others have gone meanwhile."""
    marks = ", ".join("?" * len(passages))
    there = {
        row[0] for row in base.execute(f"SELECT id FROM passage WHERE id IN ({marks})", passages)
    }
    scales = np.maximum(np.abs(made).max(axis=1), 1e-9) / 127
    numbers = np.rint(made / scales[:, None]).astype(np.int8)
    bits = np.packbits(made > 0, axis=1)
    kept = [i for i, passage in enumerate(passages) if passage in there]
    base.executemany(
        "INSERT OR REPLACE INTO vector VALUES(?, ?, ?)",
        ((passages[i], float(scales[i]), numbers[i].tobytes()) for i in kept),
    )
    base.executemany(
        "INSERT OR REPLACE INTO sign VALUES(?, ?)",
        ((passages[i], bits[i].tobytes()) for i in kept),
    )
    return len(kept)


class Signs:
    """The signs of all vectors, in one state of the index."""

    def __init__(self, base: sqlite3.Connection) -> None:
        """Takes the signs into memory: 8 bytes and one bit a dimension for each passage."""
        dimension = int(store.meta(base, "dimension") or 0)
        self._width = -(-dimension // 64)
        passages, pieces = [], []
        cursor = base.execute("SELECT passage, bits FROM sign ORDER BY passage")
        while rows := cursor.fetchmany(BLOCK):
            passages.append(np.fromiter((row[0] for row in rows), np.int64, len(rows)))
            packed = np.zeros((len(rows), 8 * self._width), np.uint8)
            joined = b"".join(row[1] for row in rows)
            packed[:, : -(-dimension // 8)] = np.frombuffer(joined, np.uint8).reshape(len(rows), -1)
            pieces.append(np.ascontiguousarray(packed.view(np.uint64).T))
        self._passages = np.concatenate(passages) if passages else np.empty(0, np.int64)
        self._blocks = pieces

    def nearest(
        self, base: sqlite3.Connection, vector: NDArray[np.float32], depth: int
    ) -> list[tuple[int, float]]:
        """Up to `depth` passages and their cosines with `vector` (unit length), nearest first.

        Raises:
            StorageError: the vectors kept are not of this length.
        """
        if not len(self._passages):
            return []
        likely = self._likely(vector)
        marks = ", ".join(["?"] * len(likely))
        rows = base.execute(
            f"SELECT passage, scale, numbers FROM vector WHERE passage IN ({marks})", likely
        ).fetchall()
        numbers = np.frombuffer(b"".join(row[2] for row in rows), np.int8)
        if len(numbers) != len(rows) * len(vector):
            raise StorageError("The vectors of the index are of another length.", "Embed anew.")
        scales = np.array([row[1] for row in rows], np.float32)
        cosines = numbers.reshape(len(rows), -1).astype(np.float32) @ vector * scales
        best = np.argsort(-cosines, kind="stable")[:depth]
        return [(rows[i][0], float(cosines[i])) for i in best]

    def _likely(self, vector: NDArray[np.float32]) -> list[int]:
        asked = np.zeros(8 * self._width, np.uint8)
        packed = np.packbits(vector > 0)
        asked[: len(packed)] = packed
        bits = asked.view(np.uint64)
        apart = np.concatenate([_apart(block, bits) for block in self._blocks])
        if len(apart) > COMPARED:
            so_far = np.cumsum(np.bincount(apart))
            reach = int(np.searchsorted(so_far, COMPARED))
            return [int(passage) for passage in self._passages[apart <= reach][: 2 * COMPARED]]
        return [int(passage) for passage in self._passages]


def _apart(block: NDArray[np.uint64], bits: NDArray[np.uint64]) -> NDArray[np.uint16]:
    """In how many signs each vector of a block differs. Shape of the block: (words, vectors)."""
    apart = np.zeros(block.shape[1], np.uint16)
    for column, word in zip(block, bits, strict=True):
        apart += np.bitwise_count(column ^ word)
    return apart
