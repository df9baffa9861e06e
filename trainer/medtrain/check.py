"""What can be known of a recipe before it is run, on a machine without a GPU too."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

from medllm.errors import MedLLMError

from medtrain import arguments, bases, data, encoding, preflight
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
    """Looks at settings, base, template and data, one after the other.

    Args:
        recipe: what would be run.
        named: the data, where it is not the recipe's own.
    """
    if not isinstance(recipe, TuningRecipe):
        yield Finding("settings", "valid; nothing but the built-in cards is needed")
        return
    yield _try("settings", lambda: _settings(recipe))
    yield _try("base", lambda: _base(recipe))
    found: list[Prepared] = []
    with TemporaryDirectory() as folder:
        yield _try("data", lambda: _data(recipe, named, found))
        if found:
            yield _try("examples", lambda: _examples(recipe, found[0], Path(folder)))


def _try(name: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(name, look())
    except MedLLMError as error:
        return Finding(name, "", error)


def _settings(recipe: TuningRecipe) -> str:
    arguments.check_extra(recipe)
    device = devices.here()
    devices.refuse_what_cannot_be(recipe, device)
    precision = devices.precision(recipe.train, device)
    batches = devices.batching(recipe.train, recipe.kind, device)
    return f"valid; here: {device.name}, {precision}, examples {batches}"


def _base(recipe: TuningRecipe) -> str:
    folder = bases.locate(recipe.base, recipe.revision, weights=False)
    tokenizer = bases.tokenizer_of(folder)
    template, family = bases.template_of(recipe, tokenizer)
    whose = "its own chat template" if template is None else "the recipe's chat template"
    return f"{recipe.base}, {whose}" + (f" ({family})" if family else "")


def _data(recipe: TuningRecipe, named: Path | None, found: list[Prepared]) -> str:
    prepared = data.glance(recipe, named, _MOST_ENCODED)
    found.append(prepared)
    if not prepared.inputs:
        source = recipe.data.reader if named is None else named.name
        return f"the first {len(prepared.train)} examples of {source} were read"
    return f"{len(prepared.train):,} examples to learn, {len(prepared.validation):,} to validate"


def _examples(recipe: TuningRecipe, prepared: Prepared, folder: Path) -> str:
    """The first examples go through the tokenizer as in training."""
    found = bases.locate(recipe.base, recipe.revision, weights=False)
    template, family = bases.template_of(recipe, bases.tokenizer_of(found))
    bases.show(found, folder / "base", template)
    tokenizer = bases.tokenizer_of(folder / "base")
    ends = bases.ends_of(tokenizer, found, family)
    tally = Tally()
    encoder = encoding.encoder_for(recipe, tokenizer, ends)
    few = islice(prepared.train, _MOST_ENCODED)
    for row in encoding.encode_all(few, encoder, tally):
        preflight.check_row(row["input_ids"], row["labels"], tokenizer, ends)
    preflight.check_counts(recipe, tally)
    told = f"{tally.examples} looked at, {tally.tokens / tally.examples:.0f} tokens on average"
    left_out = f", {tally.too_long} too long" if tally.too_long else ""
    return f"{told}{left_out}; one BOS, and the end of the answer is learned"
