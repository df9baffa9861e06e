"""The examples of a run: a prepared folder, a JSONL file, or what the recipe prepares."""

from itertools import islice
from pathlib import Path
from random import Random

from medllm import files
from medllm.errors import UsageError

from medtrain import examples
from medtrain.examples import Example, Prepared
from medtrain.settings import TuningRecipe


def of_run(recipe: TuningRecipe, named: Path | None, out: Path) -> Prepared:
    """The examples to train on.

    Args:
        recipe: says where data comes from, where nothing is named.
        named: a prepared folder, or a JSONL file of chats or of prompts and completions.
        out: where preparation writes.

    Raises:
        UsageError: what is named is not there.
        DataError: it is broken; file and line are named.
    """
    if named is not None and named.is_dir():
        return examples.read_prepared(named)
    if named is not None and named.is_file():
        return _split(recipe, named)
    if named is not None:
        raise UsageError(f"There is no data at {named}.", "Name a prepared folder or a JSONL file.")
    from medtrain.prepare import prepare

    prepare(recipe, out)
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
    if named is not None:
        return of_run(recipe, named, named)
    from medtrain.readers import open_reader

    read: list[Example] = []
    for source in (recipe.data, *recipe.data.also):
        reader = open_reader(source)
        found = (example for row in reader.rows() for example in reader.examples(row))
        read += islice(found, most)
    return Prepared(read, [], {})


def _split(recipe: TuningRecipe, file: Path) -> Prepared:
    """The examples of a file, parted by document."""
    read = list(examples.read_lines(file))
    documents = sorted({example.document for example in read})
    Random(recipe.seed).shuffle(documents)
    kept = set(documents[: round(len(documents) * recipe.data.validation)])
    return Prepared(
        [example for example in read if example.document not in kept],
        [example for example in read if example.document in kept],
        {file.name: files.sha256(file)},
    )
