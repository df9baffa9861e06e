"""The command `medtrain rerun`.

medtrain rerun runs/terminology-mistral
"""

from pathlib import Path
from typing import Annotated

import typer
from medllm.errors import TrainingError

from medtrain import options


def rerun(
    run: Annotated[Path, typer.Argument(help="Folder of a finished training.")],
    out: Annotated[
        Path | None, typer.Option(help="Folder of the new run; by default RUN-again.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="The run's data, where it was named with --data.")
    ] = None,
    base: Annotated[
        Path | None, typer.Option(help="The base model, where it lies elsewhere by now.")
    ] = None,
) -> None:
    """Repeats a training from its run.json and compares what comes out, byte by byte."""
    from medtrain import network
    from medtrain import rerun as reruns
    from medtrain import run as runs
    from medtrain.settings import TuningRecipe

    options.need_training_packages()
    record, recipe = reruns.read(run)
    folder = out or run.resolve().with_name(f"{run.resolve().name}-again")
    if folder.resolve() == run.resolve():
        raise TrainingError("A run can't be repeated in its own folder.", "Name another: --out.")
    if base is not None and isinstance(recipe, TuningRecipe):
        recipe = recipe.model_copy(update={"base": str(base)})
    differences = reruns.environment(record)
    for difference in differences:
        typer.echo(difference.line())
    named = reruns.data_of(run, data)
    network.close_unless_needed(recipe, named)
    reruns.check_inputs(record, recipe, named, folder)
    typer.echo("Settings, seed, data and base are those of the run.")
    again = runs.run(recipe, folder, named)
    changed = reruns.outputs(record, again)
    if not changed:
        typer.echo(f"Identical: all {len(again.outputs)} output files have the same SHA-256.")
        return
    for difference in changed:
        typer.echo(difference.line())
    why = "It can be what differs above." if differences else "The data, seed and versions agree."
    raise TrainingError(
        f"{len(changed)} of {len(again.outputs)} output files are not the same bytes.", why
    )
