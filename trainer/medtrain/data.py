"""The examples of a run: a prepared folder, a JSONL file, or what the recipe prepares."""

from dataclasses import replace
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

from medllm import files
from medllm.errors import DataError, UsageError

from medtrain import examples
from medtrain.examples import Example, Prepared
from medtrain.settings import DataSettings, Recipe, TuningRecipe

_A_LINE = "A line has prompt and completion, or messages."


def of_run(recipe: TuningRecipe, named: Path | None, out: Path) -> Prepared:
    """The examples to train on.

    Args:
        recipe: says where data comes from, where nothing is named.
        named: a prepared folder, or a JSONL file of chats or of prompts and completions, which
            is prepared where the recipe asks for something that preparation does.
        out: where preparation writes.

    Raises:
        UsageError: what is named is not there.
        DataError: it is broken; file and line are named.
    """
    if (ready := _ready(recipe, named)) is not None:
        return ready
    from medtrain.prepare import prepare

    prepare(_on_file(recipe, named), out)
    return examples.read_prepared(out)


def glance(recipe: TuningRecipe, named: Path | None, most: int) -> Prepared:
    """The first examples of the recipe's data, as they are read, before preparation.

    Args:
        recipe: says where data comes from, where nothing is named.
        named: see `of_run`.
        most: of each data set.

    Raises:
        UsageError: the data is not there; the terms of access are told.
        DataError: it is broken; file and line are named.
    """
    if (ready := _ready(recipe, named)) is not None:
        return ready
    from medtrain.readers import open_reader

    settings = _on_file(recipe, named).data
    read: list[Example] = []
    for source in (settings, *settings.also):
        reader = open_reader(source)
        found = (example for row in reader.rows() for example in reader.examples(row))
        read += [
            replace(example, prompt=examples.with_system(example.prompt, settings.system))
            for example in islice(found, most)
        ]
    if not read:
        place = settings.path or "its data"
        raise DataError(
            f"The reader {settings.reader} finds nothing to learn in {place}.",
            "Is it another data set's file, or one without answers?",
        )
    return Prepared(read, [], {})


def refuse_named(recipe: Recipe, named: Path | None) -> None:
    """Refuses data for a recipe that would not look at it.

    Raises:
        UsageError: it learns from the built-in cards alone.
    """
    if named is not None and not isinstance(recipe, TuningRecipe):
        raise UsageError(
            f"The recipe {recipe.name} learns from the built-in cards alone.", "Leave out --data."
        )


def _ready(recipe: TuningRecipe, named: Path | None) -> Prepared | None:
    """The examples of what is named, where it can be read as it is; None: it is to be prepared."""
    if named is None:
        return None
    if named.is_dir():
        return examples.read_prepared(named)
    if not named.is_file():
        raise UsageError(f"There is no data at {named}.", "Name a prepared folder or a JSONL file.")
    return None if _asks_for_preparation(recipe.data) else _split(recipe, named)


def _asks_for_preparation(settings: DataSettings) -> bool:
    """Whether more is asked for than that lines are read and parted."""
    from medtrain.prepare import terminology

    asked = settings.system or settings.columns or settings.decontaminate
    return bool(asked) or terminology.is_asked(settings.terminology)


def _on_file(recipe: TuningRecipe, file: Path | None) -> TuningRecipe:
    """The recipe on a file, if one is named, in place of its own data sets; on all of it."""
    if file is None:
        return recipe
    own: dict[str, Any] = {"also": [], "share": 1.0, "specialities": [], "ways": 0}
    change = {"reader": "jsonl", "path": str(file), **own}
    return recipe.model_copy(update={"data": recipe.data.model_copy(update=change)})


def _split(recipe: TuningRecipe, file: Path) -> Prepared:
    """The examples of a file, parted by document."""
    read = list(examples.read_lines(file))
    if not read:
        raise DataError(f"{file} holds no example.", _A_LINE)
    documents = sorted({example.document for example in read})
    Random(recipe.seed).shuffle(documents)
    kept = set(documents[: round(len(documents) * recipe.data.validation)])
    return Prepared(
        [example for example in read if example.document not in kept],
        [example for example in read if example.document in kept],
        {file.name: files.sha256(file)},
    )
