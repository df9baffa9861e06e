"""The command `medtrain`.

medtrain recipes
medtrain check terminology-mistral
medtrain data
medtrain prepare terminology-mistral
medtrain estimate terminology-mistral --device T4
medtrain run mini
medtrain sweep flashcards-llama3 --space space.yaml
medtrain rerun runs/mini
medtrain vocab add doid.obo
"""

from pathlib import Path
from typing import Annotated

import typer
from medllm import command

from medtrain import (
    data_commands,
    estimate_command,
    network,
    options,
    rerun_command,
    sweep_command,
    vocab,
)

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
app.add_typer(vocab.app, name="vocab")
app.command("data")(data_commands.list_data)
app.command()(data_commands.prepare)
app.command()(estimate_command.estimate)
app.command()(sweep_command.sweep)
app.command()(rerun_command.rerun)


_MAY_FETCH = ("run", "check", "prepare", "estimate", "sweep", "rerun")
"""Commands that decide by the recipe; the others never reach the network."""


@app.callback()
def medtrain(context: typer.Context) -> None:
    """Trains models that explain medical terms."""
    if context.invoked_subcommand not in _MAY_FETCH:
        network.close()


@app.command()
def run(
    recipe: options.Recipe,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the run; by default runs/RECIPE.")
    ] = None,
    data: options.Data = None,
    settings: options.Settings = None,
) -> None:
    """Trains a recipe; a run that was stopped goes on where it was."""
    from medllm import paths

    from medtrain import recipe as recipes

    chosen = recipes.load(recipe, settings)
    network.close_unless_needed(chosen, data)
    folder = out or paths.runs_dir() / chosen.name
    options.need_training_packages()
    from medtrain import run as runs

    record = runs.run(chosen, folder, data)
    if not runs.is_first():
        return
    for stage, figures in record.metrics.items():
        typer.echo(f"{stage}: " + ", ".join(f"{k} {v:,}" for k, v in figures.items()))
    typer.echo(f"Done in {record.seconds / 60:.1f} minutes. Next: medconvert {folder}")


@app.command()
def check(
    recipe: options.Recipe, data: options.Data = None, settings: options.Settings = None
) -> None:
    """Looks for what would make a recipe fail or spoil its training, without training."""
    from medtrain import recipe as recipes

    chosen = recipes.load(recipe, settings)
    network.close_unless_needed(chosen, data)
    options.need_training_packages()
    from medtrain import check as checks
    from medtrain import silence

    silence.libraries()
    wrong = 0
    for finding in checks.check(chosen, data):
        wrong += finding.problem is not None
        typer.echo(finding.line())
    if wrong:
        from medllm.errors import TrainingError

        raise TrainingError(
            f"Recipe {chosen.name} can't be run as it is.", "Mend what is WRONG above."
        )


@app.command("recipes")
def list_recipes() -> None:
    """Lists the recipes: base, data, hardware, time and memory."""
    from medtrain import recipe as recipes

    for name in recipes.names():
        typer.echo(recipes.describe(recipes.load(name)))


def main() -> None:
    """Entry point."""
    command.run(app)
