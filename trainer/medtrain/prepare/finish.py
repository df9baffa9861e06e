"""The last stage: what stays of a shard goes into its splits, with its terms worked on.

A finished shard is work/NUMBER.train.jsonl, NUMBER.validation.jsonl, NUMBER.augmented.jsonl and
NUMBER.done.json, written last.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from medllm import files

from medtrain import examples
from medtrain.examples import Example
from medtrain.prepare import terminology
from medtrain.prepare.shards import Plan

LONGEST = 10_000
"""Words; longer examples are counted as this long."""
KINDS = ("train", "validation", "augmented")


@dataclass(frozen=True, slots=True)
class Finish:
    """What finishing a shard needs to know."""

    plan: Plan
    marks: Path
    """One byte an example: 0 where it stays."""
    begins: tuple[int, ...]
    """Number of the first example of each shard."""
    vocabulary: Path | None
    """Where terms are worked on."""
    rare: frozenset[str] = frozenset()


def mentions(finish: Finish, shard: int) -> dict[str, int]:
    """In how many training examples of a shard each concept is mentioned; kept on disk."""
    target = finish.plan.file(shard, "concepts.json")
    if not target.is_file():
        assert finish.vocabulary
        learned = (example for example, held in _staying(finish, shard) if not held)
        files.write_json(target, terminology.mentioned(learned, finish.vocabulary))
    found: dict[str, int] = json.loads(target.read_text("utf-8"))
    return found


def finish_shard(finish: Finish, shard: int) -> int:
    """Writes the splits of a shard; gives its number.

    Raises:
        StorageError: they can't be written.
    """
    if finish.plan.file(shard, "done.json").is_file():
        return shard
    told = _with_terms(finish, shard) if finish.vocabulary else _as_they_are(finish, shard)
    files.write_json(finish.plan.file(shard, "done.json"), told)
    return shard


def _as_they_are(finish: Finish, shard: int) -> dict[str, Any]:
    """Copies the lines that stay, without reading what they hold."""
    stays, held = _flags(finish, shard)
    lines: dict[str, list[bytes]] = {kind: [] for kind in KINDS}
    with open(finish.plan.file(shard, "jsonl"), "rb") as stream:
        for line, is_kept, is_held in zip(stream, stays, held, strict=True):
            if is_kept:
                lines["validation" if is_held else "train"].append(line)
    for kind, found in lines.items():
        _write(finish.plan.file(shard, f"{kind}.jsonl"), found)
    records = np.load(finish.plan.file(shard, "rows.npy"), mmap_mode="r")
    words = np.minimum(np.asarray(records["words"])[stays], LONGEST)
    return _told(lines, Counter(words.tolist()))


def _with_terms(finish: Finish, shard: int) -> dict[str, Any]:
    assert finish.vocabulary
    settings, seed = finish.plan.data.terminology, finish.plan.seed
    lines: dict[str, list[bytes]] = {kind: [] for kind in KINDS}
    words: Counter[int] = Counter()
    for example, held in _staying(finish, shard):
        made = terminology.normalised(example, finish.vocabulary) if settings.normalise else example
        found = [made]
        if not held:
            changed = terminology.copies(made, settings, finish.rare, seed, finish.vocabulary)
            for copy, told in changed:
                found.append(copy)
                listed = {"document": copy.document, **told}
                lines["augmented"].append(_line(json.dumps(listed, ensure_ascii=False)))
        lines["validation" if held else "train"] += [_line(one.line()) for one in found]
        words.update(min(LONGEST, _words(one)) for one in found)
    for kind, written in lines.items():
        _write(finish.plan.file(shard, f"{kind}.jsonl"), written)
    return _told(lines, words)


def _told(lines: dict[str, list[bytes]], words: Counter[int]) -> dict[str, Any]:
    return {
        "examples": {kind: len(found) for kind, found in lines.items()},
        "words": {str(length): count for length, count in sorted(words.items())},
    }


def _flags(finish: Finish, shard: int) -> tuple[Any, Any]:
    """Which examples of a shard stay, and which are for validation."""
    held = np.asarray(np.load(finish.plan.file(shard, "rows.npy"), mmap_mode="r")["held"])
    marks = np.load(finish.marks, mmap_mode="r")
    begin = finish.begins[shard]
    return np.asarray(marks[begin : begin + len(held)]) == 0, held


def _staying(finish: Finish, shard: int) -> Iterator[tuple[Example, bool]]:
    stays, held = _flags(finish, shard)
    file = finish.plan.file(shard, "jsonl")
    every = zip(examples.read_lines(file), stays, held, strict=True)
    return ((example, bool(is_held)) for example, is_kept, is_held in every if is_kept)


def _words(example: Example) -> int:
    said = [turn["content"] for turn in example.prompt if turn["role"] != "system"]
    return sum(len(text.split()) for text in (*said, example.completion))


def _line(text: str) -> bytes:
    return text.encode("utf-8", "replace") + b"\n"


def _write(target: Path, lines: Iterable[bytes]) -> None:
    with files.atomic(target) as temporary, open(temporary, "wb") as stream:
        stream.writelines(lines)
