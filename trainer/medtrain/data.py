"""The examples of a run: a prepared folder, a JSONL file, or what the recipe prepares."""

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from random import Random

from medllm import files
from medllm.errors import UsageError

from medtrain import examples
from medtrain.examples import Prepared
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
    if named is None and recipe.data.reader == "jsonl" and recipe.data.path:
        named = Path(recipe.data.path)
    if named is not None and named.is_dir():
        return examples.read_prepared(named)
    if named is not None and named.is_file():
        return _split(recipe, named)
    if named is not None:
        raise UsageError(f"There is no data at {named}.", "Name a prepared folder or a JSONL file.")
    if find_spec("medtrain.prepare") is None:
        raise UsageError(
            f"The recipe {recipe.name} needs data.", "Name a prepared folder with --data."
        )
    if not (out / examples.TRAIN).is_file():
        import_module("medtrain.prepare").prepare(recipe, out)
    return examples.read_prepared(out)


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
