"""The second stage: which examples are there already, word for word or nearly so.

Of what is equal the first example stays. An example is a near duplicate if an earlier one of
another document is as like it as the recipe says; those of one document share their text by
design (the questions on one note, the ways to ask for one card) and are not compared. The keys
are worked on a column at a time, in parts of bounded size.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from medllm import files

from medtrain.prepare import signatures
from medtrain.prepare.shards import Plan

MOST_KEYS = 1 << 21
"""Keys that are held in memory at once, about."""
_PAIRS = 8192

Rows = npt.NDArray[np.int64]
"""Numbers of examples, counted through all shards."""


@dataclass(frozen=True, slots=True)
class Part:
    """A column of keys, and those of its keys whose remainder by `parts` is `part`."""

    column: int
    """0: whole texts; others: bands."""
    part: int
    parts: int
    sizes: tuple[int, ...]
    """Examples of each shard."""

    @property
    def name(self) -> str:
        """Name of its result."""
        return f"same-{self.column:03d}-{self.part:03d}-of-{self.parts:03d}.npy"


def parts(columns: int, sizes: Sequence[int]) -> list[Part]:
    """All that must be looked through."""
    split = max(1, -(-sum(sizes) // MOST_KEYS))
    return [
        Part(column, part, split, tuple(sizes))
        for column in range(columns)
        for part in range(split)
    ]


def look_through(plan: Plan, part: Part) -> str:
    """Writes the numbers of the examples that this part finds to be too many; gives its name."""
    target = plan.work / part.name
    if not target.is_file():
        keys, rows = _keys(plan, part)
        found = _whole(keys, rows) if part.column == 0 else _near(plan, part, keys, rows)
        with files.atomic(target) as temporary, open(temporary, "wb") as stream:
            np.save(stream, found, allow_pickle=False)
    return part.name


def marked(plan: Plan, of: Sequence[Part], count: int) -> npt.NDArray[np.uint8]:
    """For each example 0: it stays, 1: it is there already, 2: it is nearly there already."""
    found = np.zeros(count, dtype=np.uint8)
    for part in sorted(of, key=lambda part: -part.column):
        found[np.load(plan.work / part.name)] = 1 if part.column == 0 else 2
    return found


def _keys(plan: Plan, part: Part) -> tuple[npt.NDArray[np.uint64], Rows]:
    keys, rows, begin = [], [], 0
    for shard, size in enumerate(part.sizes):
        column = np.load(plan.file(shard, "keys.npy"), mmap_mode="r")[part.column]
        chosen = np.flatnonzero((column >> np.uint64(40)) % np.uint64(part.parts) == part.part)
        keys.append(np.asarray(column[chosen]))
        rows.append(chosen + begin)
        begin += size
    return np.concatenate(keys), np.concatenate(rows)


def _groups(
    keys: npt.NDArray[np.uint64], rows: Rows
) -> tuple[Rows, npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Rows by key and number; of each, the place of its group's first, and its own place."""
    order = np.argsort(keys, kind="stable")
    keys, rows = keys[order], rows[order]
    is_first = np.concatenate(([True], keys[1:] != keys[:-1])) if len(keys) else np.zeros(0, bool)
    first = np.maximum.accumulate(np.where(is_first, np.arange(len(keys)), 0))
    return rows, first, np.arange(len(keys))


def _whole(keys: npt.NDArray[np.uint64], rows: Rows) -> Rows:
    rows, first, own = _groups(keys, rows)
    return np.sort(rows[first != own])


def _near(plan: Plan, part: Part, keys: npt.NDArray[np.uint64], rows: Rows) -> Rows:
    """Compares each row with the first of its group, and, if need be, with the one before it."""
    rows, first, own = _groups(keys, rows)
    later = np.flatnonzero(first != own)
    records = _Records(plan, part.sizes)
    found: list[Rows] = []
    for begin in range(0, len(later), _PAIRS):
        places = later[begin : begin + _PAIRS]
        one, leader, before = rows[places], rows[first[places]], rows[places - 1]
        documents, marks = records.of(one)
        leading, leading_marks = records.of(leader)
        others = documents != leading
        same = others & (signatures.likeness(marks, leading_marks) >= plan.data.near)
        previous, previous_marks = records.of(before)
        apart = others & (documents != previous)
        same |= apart & (signatures.likeness(marks, previous_marks) >= plan.data.near)
        found.append(one[same])
    return np.sort(np.concatenate(found)) if found else np.zeros(0, dtype=np.int64)


class _Records:
    """Documents and signatures, read from the shards as they are asked for."""

    def __init__(self, plan: Plan, sizes: Sequence[int]) -> None:
        self._plan = plan
        self._begins = np.cumsum([0, *sizes])

    def of(self, rows: Rows) -> tuple[npt.NDArray[np.uint64], signatures.Marks]:
        documents = np.empty(len(rows), dtype=np.uint64)
        marks = np.empty((len(rows), signatures.BINS), dtype=np.uint16)
        shards = np.searchsorted(self._begins, rows, side="right") - 1
        for shard in np.unique(shards):
            records = np.load(self._plan.file(int(shard), "rows.npy"), mmap_mode="r")
            here = np.flatnonzero(shards == shard)
            read = records[rows[here] - self._begins[shard]]
            documents[here], marks[here] = read["document"], read["marks"]
        return documents, marks
