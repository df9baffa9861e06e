"""What was read, removed, mended and kept, and how long the examples are."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from medtrain import examples
from medtrain.prepare import shards
from medtrain.prepare.shards import Plan
from medtrain.settings import Recipe

_SAMPLE = 1000
"""Examples whose tokens are counted."""


@dataclass(slots=True)
class SourceFigures:
    """Of one data set."""

    rows: int = 0
    clean: int = 0
    """Examples that came through the first stage."""
    same: int = 0
    near: int = 0
    removed: Counter[str] = field(default_factory=Counter)
    mended: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    licences: Counter[str] = field(default_factory=Counter)

    @property
    def kept(self) -> int:
        """Examples that stay."""
        return self.clean - self.same - self.near


@dataclass(slots=True)
class Figures:
    """Of a preparation."""

    sources: list[SourceFigures]
    examples: Counter[str] = field(default_factory=Counter)
    """By file: train, validation, augmented."""
    words: Counter[int] = field(default_factory=Counter)
    """Examples by their length."""
    tokens: dict[str, int] = field(default_factory=dict)
    """Percentiles of a sample; empty where no tokenizer is at hand."""

    def lengths(self) -> dict[str, int]:
        """Percentiles of the lengths in words."""
        return percentiles(self.words)

    def record(self) -> dict[str, Any]:
        """The figures as run.json keeps them."""
        return {
            "examples": dict(self.examples),
            "words": self.lengths(),
            **({"tokens": self.tokens} if self.tokens else {}),
            "removed": dict(sum((of.removed for of in self.sources), Counter())),
            "duplicates": {
                "equal": sum(of.same for of in self.sources),
                "near": sum(of.near for of in self.sources),
            },
        }


def gather(plan: Plan, sizes: Sequence[int], marks: Any) -> Figures:
    """Adds up what the shards counted."""
    figures = Figures([SourceFigures() for _ in plan.sources()])
    begin = 0
    for shard, size in enumerate(sizes):
        told = shards.counts(plan, shard)
        of = figures.sources[told["source"]]
        of.rows += told["rows"]
        of.clean += told["clean"]
        for name in ("removed", "mended", "kinds", "licences"):
            getattr(of, name).update(told[name])
        here = marks[begin : begin + size]
        of.same += int((here == 1).sum())
        of.near += int((here == 2).sum())
        begin += size
        done = json.loads(plan.file(shard, "done.json").read_text("utf-8"))
        figures.examples.update(done["examples"])
        figures.words.update({int(k): v for k, v in done["words"].items()})
    return figures


def percentiles(counts: Mapping[int, int]) -> dict[str, int]:
    """Median, 95th percentile, largest and sum of counted lengths."""
    total, seen, found = sum(counts.values()), 0, {}
    for length in sorted(counts):
        seen += counts[length]
        for name, share in (("median", 0.5), ("p95", 0.95)):
            if name not in found and seen >= share * total:
                found[name] = length
    found["longest"] = max(counts, default=0)
    found["all"] = sum(length * count for length, count in counts.items())
    return found


def tokens(file: Path, recipe: Recipe, count: int) -> dict[str, int]:
    """Lengths in tokens of examples spread over `file`, where the base's tokenizer is here."""
    tokenizer = _tokenizer(getattr(recipe, "base", ""))
    if tokenizer is None or not count:
        return {}
    lengths: Counter[int] = Counter()
    for place, example in enumerate(examples.read_lines(file)):
        if place % max(1, count // _SAMPLE) == 0:
            text = "\n".join([*(turn["content"] for turn in example.prompt), example.completion])
            lengths[len(tokenizer.encode(text).ids)] += 1
    return {**percentiles(lengths), "of": sum(lengths.values())}


def _tokenizer(base: str) -> Any:
    """The tokenizer of a base that lies here or was fetched before; else None."""
    file: Any = Path(base).expanduser() / "tokenizer.json"
    if base and not file.is_file():
        from huggingface_hub import try_to_load_from_cache
        from huggingface_hub.errors import HFValidationError

        try:
            file = try_to_load_from_cache(base, "tokenizer.json")
        except HFValidationError:
            return None
    if not base or not isinstance(file, str | Path):
        return None
    from tokenizers import Tokenizer

    return Tokenizer.from_file(str(file))
