"""What can be known of a recipe before it is run, on a machine without a GPU too."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

from medllm.errors import MedLLMError

from medtrain import arguments, assembly, bases, data, encoding, preflight, reporting
from medtrain import device as devices
from medtrain.encoding import Tally
from medtrain.examples import Prepared
from medtrain.settings import Recipe, TuningRecipe

_MOST_ENCODED = 200


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    name: str
    told: str
    problem: MedLLMError | None = None

    def line(self) -> str:
        """The finding as one line."""
        if self.problem is not None:
            return f"{self.name}: WRONG. {self.problem.line()}"
        return f"{self.name}: {self.told}"


def check(recipe: Recipe, named: Path | None = None) -> Iterator[Finding]:
    """Looks at settings, base, model, data and examples, one after the other.

    Args:
        recipe: what would be run.
        named: the data, where it is not the recipe's own.
    """
    if not isinstance(recipe, TuningRecipe):
        yield _try("settings", lambda: _of_scratch(recipe, named))
        return
    with TemporaryDirectory() as folder:
        look = _Look(recipe, named, Path(folder))
        yield _try("settings", look.settings)
        yield _try("base", look.base)
        yield _try("model", look.model)
        yield _try("data", look.data)
        if look.prepared is not None and look.shown is not None:
            yield _try("examples", look.examples)


def _try(name: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(name, look())
    except MedLLMError as error:
        return Finding(name, "", error)


def _of_scratch(recipe: Recipe, named: Path | None) -> str:
    data.refuse_named(recipe, named)
    return "valid; nothing but the built-in cards is needed"


@dataclass
class _Look:
    """The looks at a recipe, and what a later one needs of an earlier one."""

    recipe: TuningRecipe
    named: Path | None
    folder: Path
    """For what is only needed meanwhile."""
    shown: Path | None = None
    """The base with the template to train with."""
    family: str = ""
    prepared: Prepared | None = None

    def settings(self) -> str:
        """Whether they fit together, the device at hand, and what is installed."""
        recipe, train, device = self.recipe, self.recipe.train, devices.here()
        arguments.check_extra(recipe)
        reporting.check(recipe)
        devices.refuse_what_cannot_be(recipe, device)
        batches = devices.batching(train, recipe.kind, device)
        # The trainer's arguments know which values can't be.
        arguments.build(
            recipe, device, self.folder, batches=batches, steps=(train.batch, train.accumulation),
            total=1, validates=recipe.data.validation > 0, checkpointing=False,
        )  # fmt: skip
        precision = devices.precision(train, device)
        return f"valid; here: {device.name}, {precision}, examples {batches}"

    def base(self) -> str:
        """Whether it is there, and how it is talked to."""
        recipe = self.recipe
        found = bases.locate(recipe.base, recipe.revision, weights=False)
        template, self.family = bases.template_of(recipe, bases.tokenizer_of(found))
        bases.show(found, self.folder / "base", template)
        self.shown = self.folder / "base"
        whose = "its own chat template" if template is None else "the recipe's chat template"
        return f"{recipe.base}, {whose}" + (f" ({self.family})" if self.family else "")

    def model(self) -> str:
        """Its shape, and how much of it is trained; no weights are read."""
        from medtrain.estimate import shapes, trace

        counts = trace.counts(self.recipe, shapes.config_of(self.recipe))
        return (
            f"{counts.total / 1e6:,.1f} million parameters, {counts.trained / 1e6:,.1f} million "
            f"are trained ({counts.trained / counts.total:.2%})"
        )

    def data(self) -> str:
        """Whether it is there and can be read."""
        recipe = self.recipe
        prepared = data.glance(recipe, self.named, _MOST_ENCODED)
        is_whole = bool(prepared.inputs)
        validates = bool(prepared.validation) if is_whole else recipe.data.validation > 0
        assembly.check_patience(recipe, validates)
        self.prepared = prepared
        learned = len(prepared.train)
        if is_whole:
            return f"{learned:,} examples to learn, {len(prepared.validation):,} to validate"
        source = recipe.data.reader if self.named is None else self.named.name
        return f"the first {learned} examples of {source} were read"

    def examples(self) -> str:
        """The first ones go through the tokenizer as in training."""
        assert self.shown is not None and self.prepared is not None
        tokenizer = bases.tokenizer_of(self.shown)
        ends = bases.ends_of(tokenizer, self.shown, self.family)
        tally = Tally()
        encoder = encoding.encoder_for(self.recipe, tokenizer, ends)
        few = islice(self.prepared.train, _MOST_ENCODED)
        for row in encoding.encode_all(few, encoder, tally):
            preflight.check_row(row["input_ids"], row["labels"], tokenizer, ends)
        preflight.check_counts(self.recipe, tally)
        told = f"{tally.examples} looked at, {tally.tokens / tally.examples:.0f} tokens on average"
        left_out = f", {tally.too_long} too long" if tally.too_long else ""
        return f"{told}{left_out}; one BOS, and the end of the answer is learned"
