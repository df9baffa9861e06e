"""An estimate: what a recipe takes on a machine, and the settings with which it would fit."""

import statistics
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from medllm.errors import UsageError

from medtrain import arguments, bases, data
from medtrain import device as devices
from medtrain.device import Batching, Precision
from medtrain.estimate import machines, memory, shapes, trace
from medtrain.estimate.machines import Machine
from medtrain.estimate.memory import Memory
from medtrain.estimate.trace import Batch, Counts
from medtrain.examples import Example
from medtrain.settings import Recipe, TuningRecipe

_GLANCED = 400
"""Examples that lengths are taken from."""
_CHARACTERS = 4
"""Of English text to a token, about, where there is no tokenizer to count with."""
_GGUF = 4.85 / 8
"""Bytes a weight of a q4_k_m file: 4.4 GB for the 7.2 billion of Mistral."""
_KEPT = 2
"""Checkpoints."""


@dataclass(frozen=True, slots=True)
class Texts:
    """The examples that are trained on."""

    examples: int
    mean: float
    """Tokens, question and answer together."""
    longest: int
    """Tokens; of an encoder-decoder, of the longest question."""
    answer: int = 0
    """Of an encoder-decoder: tokens of the longest answer."""
    known: bool = True
    """Whether they were counted, and not assumed."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a recipe takes on a machine."""

    recipe: TuningRecipe
    machine: Machine
    counts: Counts
    memory: Memory
    precision: Precision
    batching: Batching
    checkpointing: bool
    texts: Texts
    work: float
    """Operations of the whole training."""
    disk: dict[str, int]
    """Bytes by what takes them."""

    @property
    def seconds(self) -> float:
        """Time of the training; 0: the machine's speed is not known."""
        return self.work / self.machine.flops if self.machine.flops else 0.0

    @property
    def fits(self) -> bool:
        """Whether the machine has the memory, with a little to spare."""
        return self.memory.total <= 0.97 * self.machine.device.memory

    def as_json(self) -> dict[str, Any]:
        """All figures: bytes, seconds, counts."""
        return {
            "recipe": self.recipe.name,
            "base": self.recipe.base,
            "machine": self.machine.name,
            "device": self.machine.device.name,
            "precision": self.precision,
            "batching": self.batching,
            "checkpointing": self.checkpointing,
            "parameters": {"total": self.counts.total, "trained": self.counts.trained},
            "memory": {**asdict(self.memory), "total": self.memory.total},
            "free": self.machine.device.memory,
            "fits": self.fits,
            "texts": asdict(self.texts),
            "seconds": round(self.seconds),
            "disk": {**self.disk, "total": sum(self.disk.values())},
            "free_disk": self.machine.disk or None,
        }


def of_recipe(recipe: TuningRecipe, machine: Machine, texts: Texts | None = None) -> Estimate:
    """Estimates a recipe.

    Args:
        recipe: what would be run.
        machine: where; its speed is taken as it is.
        texts: the examples; without them, 1,000 of the greatest length are assumed.

    Raises:
        UsageError: the base's shape is not known.
        TrainingError: the machine can't do what the recipe asks for.
    """
    devices.refuse_what_cannot_be(recipe, machine.device)
    train, device = recipe.train, machine.device
    texts = texts or _assumed(recipe)
    config = shapes.config_of(recipe)
    counts = trace.counts(recipe, config)
    precision = devices.precision(train, device)
    batches = devices.batching(train, recipe.kind, device)
    optimizer = devices.optimizer(train, device)
    batch = _batch(recipe, batches, texts, device.kind)

    def with_activations(twice: bool) -> tuple[Memory, trace.Step]:
        step = trace.step(recipe, config, batch, precision, twice)
        return memory.of(recipe, device, precision, counts, step, optimizer), step

    twice = train.checkpointing == "always"
    found, step = with_activations(twice)
    # As the training decides it: by a rule of its own, on what is known before the model is there.
    fixed = found.weights + found.adapter + found.gradients + found.optimizer
    model = _Shaped(config)
    if not twice and devices.needs_checkpointing(train, device, model, fixed):
        twice = True
        found, step = with_activations(twice)
    tokens = train.epochs * texts.examples * texts.mean
    if train.max_steps > 0:
        tokens = train.max_steps * train.batch * train.accumulation * texts.mean
    work = step.flops / batch.all_tokens * tokens
    return Estimate(
        recipe, machine, counts, found, precision, batches, twice, texts, work,
        _disk(recipe, config, counts, found.optimizer),
    )  # fmt: skip


def timed(found: Estimate) -> Estimate:
    """The estimate with the speed of the machine at hand, measured for a few seconds."""
    if found.machine.flops:
        return found
    config = shapes.config_of(found.recipe)
    flops = machines.measured(found.recipe, config, found.machine.device)
    return replace(found, machine=replace(found.machine, flops=flops))


def texts_of(recipe: TuningRecipe, named: Path | None) -> Texts | None:
    """Counts the examples; None where there are none at hand without fetching.

    Args:
        recipe: names its data.
        named: a prepared folder or a JSONL file.
    """
    built_in = recipe.data.reader in ("cards", "pairs", "dialogues")
    if named is None and not built_in and not _is_here(recipe):
        return None
    read = data.glance(recipe, named, 1_000_000)
    examples, count = read.train, len(read.train)
    if named is None:
        count = round(count * recipe.data.share * (1 - recipe.data.validation))
    if not examples:
        return None
    some = examples[:: max(1, len(examples) // _GLANCED)]
    count_tokens = _counter(recipe)
    lengths = [_lengths(example, count_tokens) for example in some]
    pairs = recipe.kind == "seq2seq"
    most = recipe.train.max_length
    kept = [each for each in lengths if (max(each) if pairs else sum(each)) <= most]
    if not kept:
        return None
    return Texts(
        round(count * len(kept) / len(lengths)),
        statistics.fmean(sum(each) for each in kept),
        max(each[0] if pairs else sum(each) for each in kept),
        max(each[1] for each in kept) if pairs else 0,
    )


def _assumed(recipe: TuningRecipe) -> Texts:
    longest = recipe.train.max_length
    if recipe.kind == "seq2seq":
        return Texts(1000, 2 * longest, longest, longest, known=False)
    return Texts(1000, longest, longest, known=False)


def _is_here(recipe: TuningRecipe) -> bool:
    return bool(recipe.data.path) and Path(recipe.data.path).expanduser().exists()


def _counter(recipe: TuningRecipe) -> Callable[[str], int]:
    """Counts a text's tokens: by the base's tokenizer where it is here, else by its letters."""
    folder = Path(recipe.base).expanduser()
    if not (folder / "config.json").is_file():
        return lambda text: -(-len(text) // _CHARACTERS)
    tokenizer = bases.tokenizer_of(folder)
    return lambda text: len(tokenizer(text, add_special_tokens=False)["input_ids"])


def _lengths(example: Example, count: Callable[[str], int]) -> tuple[int, int]:
    """Tokens of question and answer, with a few for the markers of a chat template."""
    question = sum(count(message["content"]) + 4 for message in example.prompt)
    return question, count(example.completion) + 2


def _batch(recipe: TuningRecipe, batches: Batching, texts: Texts, kind: str) -> Batch:
    """The largest batch: the longest examples together, padded, or packs."""
    train = recipe.train
    if batches == "packed":
        steps = (train.batch, train.accumulation)
        rows, _ = arguments.packed_steps(*steps, train.max_length / texts.mean)
        return Batch(rows, train.max_length)
    multiple = 8 if recipe.kind == "seq2seq" or kind != "cpu" else 32
    sides = [min(side, train.max_length) for side in (texts.longest, texts.answer)]
    return Batch(train.batch, *(-(-side // multiple) * multiple for side in sides))


def _disk(recipe: TuningRecipe, config: Any, counts: Counts, moments: int) -> dict[str, int]:
    """What lies on disk when all is done, and at most on the way."""
    base = counts.total if recipe.lora is None else counts.total - counts.trained
    made = counts.trained * 4
    return {
        "base": shapes.bytes_published(recipe, config, base),
        "checkpoints": _KEPT * (made + moments),
        "model" if recipe.lora is None else "adapter": made,
        "merged, where it is asked for": 0 if recipe.lora is None else base * 2,
        "GGUF (q4_k_m)": int(base * _GGUF),
    }


class _Shaped:
    """What `needs_checkpointing` asks of a model."""

    def __init__(self, config: Any) -> None:
        self.config = config


def check_kind(recipe: Recipe) -> TuningRecipe:
    """Refuses recipes that tune no base.

    Raises:
        UsageError: it is one of them.
    """
    if not isinstance(recipe, TuningRecipe):
        raise UsageError(
            f"The recipe {recipe.name} tunes no base model, so there is nothing to estimate.",
            "`medtrain recipes` tells what it takes.",
        )
    return recipe
