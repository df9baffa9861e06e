"""The first stage: rows become clean examples, a few thousand in a shard.

A shard is work/NUMBER.jsonl with its examples, NUMBER.rows.npy with a record each, NUMBER.keys.npy
with the keys by which duplicates are found, and NUMBER.json, written last: a shard that has it
is whole. What is in a shard depends on the data alone, not on who makes it.
"""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from medllm import files, prompts

from medtrain import readers
from medtrain.examples import Example, with_system
from medtrain.prepare import decontamination, signatures, splits
from medtrain.prepare.cleaning import clean
from medtrain.prepare.words import comparable, mix, words
from medtrain.readers.rows import Row
from medtrain.settings import DataSettings, SourceSettings

MOST_ROWS = 4096
MOST_CHARACTERS = 4 << 20
_BATCH = 64
"""Texts that are hashed at once: few enough for the processor's cache."""
RECORD = np.dtype(
    [
        ("document", "<u8"),
        ("words", "<u4"),
        ("held", "?"),
        ("marks", "<u2", (signatures.BINS,)),
    ]
)


@dataclass(frozen=True, slots=True)
class Plan:
    """What all stages know."""

    work: Path
    """Folder of the shards."""
    data: DataSettings
    seed: int

    def sources(self) -> list[SourceSettings]:
        """The data sets, in the order in which they are read."""
        return [self.data, *self.data.also]

    def file(self, shard: int, kind: str) -> Path:
        """A file of a shard."""
        return self.work / f"{shard:06d}.{kind}"


@dataclass(frozen=True, slots=True)
class Chunk:
    """The rows of a shard."""

    number: int
    source: int
    """Which of the plan's sources they are of."""
    rows: Sequence[Row]


def chunks(plan: Plan) -> Iterator[Chunk]:
    """All rows, cut into chunks by their number and size."""
    number = 0
    for place, source in enumerate(plan.sources()):
        rows: list[Row] = []
        size = 0
        for row in readers.open_reader(source).rows():
            rows.append(row)
            size += _size(row.content)
            if len(rows) == MOST_ROWS or size > MOST_CHARACTERS:
                yield Chunk(number, place, rows)
                number, rows, size = number + 1, [], 0
        if rows:
            yield Chunk(number, place, rows)
            number += 1


def is_whole(plan: Plan, shard: int) -> bool:
    """Whether a shard was finished before."""
    return plan.file(shard, "json").is_file()


def counts(plan: Plan, shard: int) -> dict[str, Any]:
    """What was counted while a shard was made: source, kept, removed, mended."""
    found: dict[str, Any] = json.loads(plan.file(shard, "json").read_text("utf-8"))
    return found


def make(plan: Plan, chunk: Chunk) -> int:
    """Makes the shard of a chunk; gives its number.

    Raises:
        DataError: a row is not as its reader needs it; file and line are named.
        StorageError: it can't be written.
    """
    source = plan.sources()[chunk.source]
    reader = readers.open_reader(source)
    shard = _Shard(plan, reader.near and plan.data.near > 0)
    for row in chunk.rows:
        shard.read_rows += 1
        for example in reader.examples(row):
            shard.take(example, source.share)
    shard.write(chunk)
    return chunk.number


@dataclass(slots=True)
class _Shard:
    plan: Plan
    near: bool
    read_rows: int = 0
    removed: Counter[str] = field(default_factory=Counter)
    mended: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    licences: Counter[str] = field(default_factory=Counter)
    lines: list[str] = field(default_factory=list)
    records: list[Any] = field(default_factory=list)
    keys: list[Any] = field(default_factory=list)
    waiting: list[Example] = field(default_factory=list)

    def take(self, example: Example, share: float) -> None:
        """Cleans an example, and keeps or counts it."""
        data = self.plan.data
        forbidden = decontamination.forbidden(self.plan.work / "evaluation")
        if not splits.is_used(example.document, self.plan.seed, share):
            self.removed["not in the share that is used"] += 1
            return
        if example.document in forbidden.documents:
            self.removed["test documents"] += 1
            return
        example = self._cleaned(example)
        asked = example.prompt[-1]["content"] if example.prompt else ""
        length = len(example.completion) + sum(len(turn["content"]) for turn in example.prompt)
        if not asked or not example.completion:
            self.removed["empty"] += 1
        elif length > data.longest:
            self.removed[f"longer than {data.longest:,} characters"] += 1
        elif forbidden.asks(asked):
            self.removed["questions of evaluation"] += 1
        else:
            self.waiting.append(example)
            if len(self.waiting) == _BATCH:
                self._flush()

    def _cleaned(self, example: Example) -> Example:
        """The example with clean texts, and the recipe's system text where it has none."""
        done: set[str] = set()
        prompt: list[prompts.Message] = []
        for turn in example.prompt:
            text, mended = clean(turn["content"])
            done.update(mended)
            prompt.append({"role": turn["role"], "content": text})
        completion, mended = clean(example.completion)
        self.mended.update(done | set(mended))
        prompt = with_system(prompt, self.plan.data.system)
        return replace(example, prompt=prompt, completion=completion)

    def _flush(self) -> None:
        """Hashes what waits, and keeps what has no words of evaluation in it."""
        waiting, self.waiting = self.waiting, []
        texts = [_text(example) for example in waiting]
        found = words([comparable(text) for text in texts])
        forbidden = decontamination.forbidden(self.plan.work / "evaluation")
        touched = forbidden.touched(found)
        self.removed[f"{decontamination.RUN} words of evaluation"] += int(touched.sum())
        kept = np.flatnonzero(~touched)
        records = np.zeros(len(kept), dtype=RECORD)
        records["words"] = found.counts[kept]
        if self.near:
            records["marks"] = signatures.marks(found)[kept]
        for record, place in zip(records, kept, strict=True):
            example = waiting[place]
            record["document"] = splits.document_hash(example.document)
            share = self.plan.data.validation
            record["held"] = splits.is_held(example.document, self.plan.seed, share)
            self.lines.append(example.line() + "\n")
            self.kinds[example.kind] += 1
            self.licences[example.licence] += 1
        exact = np.array([_exact(texts[place]) for place in kept], dtype=np.uint64)
        self.records.append(records)
        self.keys.append(np.vstack([exact[np.newaxis], self._bands(records, exact)]))

    def _bands(self, records: Any, exact: Any) -> Any:
        if not self.plan.data.near:
            return np.zeros((0, len(records)), dtype=np.uint64)
        keys = signatures.bands(records["marks"], self.plan.data.near)
        # What is compared whole only shares no band with anything.
        alone = mix(exact + np.arange(1, len(keys) + 1, dtype=np.uint64)[:, np.newaxis])
        hashed = records["words"] > 0
        return keys if self.near and hashed.all() else np.where(self.near & hashed, keys, alone)

    def write(self, chunk: Chunk) -> None:
        if self.waiting:
            self._flush()
        self._save(chunk.number, "jsonl", "".join(self.lines).encode("utf-8", "replace"))
        records = np.concatenate(self.records) if self.records else np.zeros(0, dtype=RECORD)
        columns = 1 + (signatures.BINS // signatures.rows_of_band(self.plan.data.near)
                       if self.plan.data.near else 0)  # fmt: skip
        keys = np.hstack(self.keys) if self.keys else np.zeros((columns, 0), dtype=np.uint64)
        self._save(chunk.number, "rows.npy", records)
        self._save(chunk.number, "keys.npy", keys)
        told = {
            "source": chunk.source,
            "rows": self.read_rows,
            "clean": len(records),
            "removed": {k: v for k, v in sorted(self.removed.items()) if v},
            "mended": dict(sorted(self.mended.items())),
            "kinds": dict(sorted(self.kinds.items())),
            "licences": dict(sorted(self.licences.items())),
        }
        files.write_json(self.plan.file(chunk.number, "json"), told)

    def _save(self, number: int, kind: str, content: Any) -> None:
        target = self.plan.file(number, kind)
        with files.atomic(target) as temporary, open(temporary, "wb") as stream:
            if isinstance(content, bytes):
                stream.write(content)
            else:
                np.save(stream, content, allow_pickle=False)


def _text(example: Example) -> str:
    """What two examples are compared by: all that is said, but not the system's text."""
    said = [turn["content"] for turn in example.prompt if turn["role"] != "system"]
    return "\n".join([*said, example.completion])


def _exact(text: str) -> int:
    squeezed = " ".join(text.split()).encode("utf-8", "replace")
    return int.from_bytes(blake2b(squeezed, digest_size=8).digest(), "little")


def _size(content: Any) -> int:
    """About how many characters a row has."""
    if isinstance(content, str):
        return len(content)
    if isinstance(content, dict):
        return sum(map(_size, content.values())) + 8
    if isinstance(content, list | tuple):
        return sum(map(_size, content)) + 8
    return 8
