"""The commands `medtrain data` and `medtrain prepare`.

medtrain data
medtrain prepare pubmedqa-llama2 --workers 4
"""

import os
import shlex
from pathlib import Path
from typing import Annotated

import typer
from medllm import paths

from medtrain import network, options
from medtrain.prepare import prepare as prepare_examples
from medtrain.prepare.engines import Name


def list_data() -> None:
    """Lists the data sets that can be read: what they are, licence, and how to get them."""
    from medtrain import readers

    for reader in readers.readers().values():
        typer.echo(f"{reader.name}: {reader.about}")
        typer.echo(f"  licence   {reader.licence}")
        typer.echo(f"  access    {reader.access}")
        typer.echo(f"  from      {reader.url}")


def prepare(
    recipe: options.Recipe,
    out: Annotated[
        Path | None, typer.Option(help="Folder; by default data/processed/RECIPE.")
    ] = None,
    workers: Annotated[
        int, typer.Option(min=1, help="Processes; by default one a core.")
    ] = os.cpu_count() or 1,
    engine: Annotated[
        Name, typer.Option(help="Who works; auto: processes, where there are several workers.")
    ] = "auto",
    settings: options.Settings = None,
) -> None:
    """Prepares a recipe's data: clean, without duplicates and evaluation's items, split."""
    from medtrain import recipe as recipes

    chosen = recipes.load(recipe, settings)
    network.close_for_preparation(chosen, on_cluster=engine == "ray")
    folder = out or paths.processed_dir() / chosen.name
    augmented = None if out else paths.augmented_dir() / chosen.name
    record = prepare_examples(chosen, folder, workers=workers, engine=engine, augmented=augmented)
    count = record.metrics["examples"]
    typer.echo(
        f"{count['train']:,} examples to learn, {count['validation']:,} to validate on, in "
        f"{record.seconds:.0f} s; {folder / 'README.md'} tells what was removed."
    )
    changed = [word for setting in settings or () for word in ("--set", setting)]
    following = ["medtrain", "run", recipe, "--data", str(folder), *changed]
    typer.echo(f"Next: {shlex.join(following)}")
