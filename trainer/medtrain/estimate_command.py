"""The command `medtrain estimate`.

medtrain estimate terminology-mistral --device T4
"""

import json
import os
from typing import TYPE_CHECKING, Annotated

import typer

from medtrain import options

if TYPE_CHECKING:
    from medtrain.estimate import Estimate

_GB = 1e9


def estimate(
    recipe: options.Recipe,
    device: Annotated[
        str, typer.Option(help="T4, A100, H200, laptop, or here: the machine at hand.")
    ] = "here",
    data: options.Data = None,
    as_json: Annotated[bool, typer.Option("--json", help="Prints all figures as JSON.")] = False,
    settings: options.Settings = None,
) -> None:
    """Tells parameters, memory, time and disk of a recipe before it is run."""
    from medtrain import network
    from medtrain import recipe as recipes

    loaded = recipes.load(recipe, settings)
    network.close_unless_needed(loaded, data)
    options.need_training_packages()
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    from medtrain import silence
    from medtrain.estimate import estimate as estimates
    from medtrain.estimate import fitting, machines

    silence.libraries()
    chosen = estimates.check_kind(loaded)
    machine = machines.named(device)
    texts = estimates.texts_of(chosen, data)
    found = estimates.of_recipe(chosen, machine, texts)
    if found.fits:
        found = estimates.timed(found)
    fitting_settings = None if found.fits else fitting.settings_that_fit(chosen, machine, texts)
    if as_json:
        content = {**found.as_json(), "settings_that_fit": fitting_settings}
        typer.echo(json.dumps(content, indent=2))
        return
    typer.echo("\n".join(_lines(found)))
    if not found.fits:
        told = " ".join(f"--set {setting}" for setting in fitting_settings or [])
        typer.echo(
            f"It does not fit. With these settings it would: {told}"
            if told
            else "It does not fit, with no settings: take a smaller base or a larger machine."
        )


def _lines(found: "Estimate") -> list[str]:
    """The estimate, for people."""
    counts, memory, machine = found.counts, found.memory, found.machine
    twice = "computed twice" if found.checkpointing else "kept"
    lora = found.recipe.lora
    notes = {
        "weights": "in 4 bits" if lora and lora.bits == 4 else "",
        "optimizer": found.recipe.train.optimizer if machine.device.is_cuda else "AdamW, 32 bits",
        "activations": twice,
    }
    lines = [
        f"{found.recipe.name} on {machine.device.name}: {found.precision}, {found.batching}",
        f"  parameters  {counts.total / 1e6:,.1f} million, {counts.trained / 1e6:,.1f} million "
        f"are trained ({counts.trained / counts.total:.2%})",
        f"  memory      {memory.total / _GB:.1f} GB of {machine.device.memory / _GB:.1f} GB free",
    ]
    for name in memory.__slots__:
        size = getattr(memory, name)
        if size:
            note = f"  {notes[name]}" if notes.get(name) else ""
            lines.append(f"    {name:<12}{size / _GB:6.2f} GB{note}")
    lines.append(f"  time        {_time(found)}")
    free = f" of {machine.disk / _GB:.1f} GB free" if machine.disk else ""
    lines.append(f"  disk        {sum(found.disk.values()) / _GB:.1f} GB{free}")
    lines += [f"    {size / _GB:6.2f} GB  {name}" for name, size in found.disk.items() if size]
    return lines


def _time(found: "Estimate") -> str:
    texts = found.texts
    of = f"{texts.examples:,} examples of {texts.mean:.0f} tokens"
    if not texts.known:
        of = f"each {of} (name the data with --data)"
    if not found.seconds:
        return "not measured, since it does not fit"
    epochs = f", {found.recipe.train.epochs:g} epochs"
    return f"about {_span(found.seconds)}: {of}{epochs}"


def _span(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} minutes" if seconds < 7200 else f"{seconds / 3600:.1f} hours"
