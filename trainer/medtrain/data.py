"""The examples of a run: a prepared folder, a JSONL file, or what the recipe prepares."""

from dataclasses import replace
from itertools import islice
from pathlib import Path
from random import Random

from medllm import files
from medllm.errors import UsageError

from medtrain import examples
from medtrain.examples import Example, Prepared
from medtrain.settings import DataSettings, TuningRecipe


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
    if named is not None and named.is_dir():
        return examples.read_prepared(named)
    if named is not None and named.is_file():
        if not _asks_for_preparation(recipe.data):
            return _split(recipe, named)
        recipe = _on_file(recipe, named)
    elif named is not None:
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
        if not named.is_file() or not _asks_for_preparation(recipe.data):
            return of_run(recipe, named, named)
        recipe = _on_file(recipe, named)
    from medtrain.readers import open_reader

    read: list[Example] = []
    for source in (recipe.data, *recipe.data.also):
        reader = open_reader(source)
        found = (example for row in reader.rows() for example in reader.examples(row))
        system = recipe.data.system
        read += [
            replace(example, prompt=examples.with_system(example.prompt, system))
            for example in islice(found, most)
        ]
    return Prepared(read, [], {})


def _asks_for_preparation(settings: DataSettings) -> bool:
    """Whether more is asked for than that lines are read and parted."""
    from medtrain.prepare import terminology

    asked = settings.system or settings.columns or settings.decontaminate
    return bool(asked) or terminology.is_asked(settings.terminology)


def _on_file(recipe: TuningRecipe, file: Path) -> TuningRecipe:
    """The recipe on a file in place of its own data sets, all of it."""
    columns = recipe.data.columns if recipe.data.reader == "jsonl" else {}
    change = {"reader": "jsonl", "path": str(file), "also": [], "share": 1.0, "columns": columns}
    return recipe.model_copy(update={"data": recipe.data.model_copy(update=change)})


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
