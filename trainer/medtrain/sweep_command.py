"""The command `medtrain sweep`.

medtrain sweep flashcards-llama3 --space space.yaml --trials 30
"""

from pathlib import Path
from typing import Annotated

import typer
from medllm.errors import MissingExtraError, UsageError

from medtrain import options


def sweep(
    recipe: options.Recipe,
    space: Annotated[Path, typer.Option(help="YAML of settings with their choices or ranges.")],
    trials: Annotated[
        int, typer.Option(min=1, help="How many in the end, those of earlier calls included.")
    ] = 20,
    out: Annotated[Path | None, typer.Option(help="Folder; by default runs/RECIPE-sweep.")] = None,
    data: options.Data = None,
    settings: options.Settings = None,
) -> None:
    """Searches for the settings that validate best; a sweep that was stopped goes on."""
    from importlib.util import find_spec

    from medllm import paths

    from medtrain import network
    from medtrain import recipe as recipes
    from medtrain.settings import TuningRecipe

    chosen = recipes.load(recipe, settings)
    if not isinstance(chosen, TuningRecipe):
        raise UsageError(f"The recipe {chosen.name} has no sweep: it tunes no base model.")
    network.close_for_preparation(chosen, data)  # each trial fetches the base for itself
    options.need_training_packages()
    if find_spec("optuna") is None:
        raise MissingExtraError("sweep", "optuna")
    from medtrain import silence
    from medtrain.sweep import space as spaces
    from medtrain.sweep import study

    silence.libraries()
    folder = out or paths.runs_dir() / f"{chosen.name}-sweep"
    best = study.run(chosen, spaces.read(space, chosen), folder, data, trials)
    on = f" --data {data}" if data else ""
    typer.echo(f"{folder / 'README.md'} tells what was tried. Next: medtrain run {best}{on}")
