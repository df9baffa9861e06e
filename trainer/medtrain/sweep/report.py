"""What a sweep found: README.md with a table, a plot, and a recipe with the best settings."""

from pathlib import Path
from typing import Any

from medllm import files
from medllm.errors import TrainingError

from medtrain.settings import TuningRecipe
from medtrain.sweep.space import Choices, Knob

BEST, _README, _PLOT = "best.yaml", "README.md", "trials.png"
_STATES = {"COMPLETE": "", "PRUNED": "ended early", "FAIL": "failed"}


def write(
    study: Any, recipe: TuningRecipe, knobs: list[Knob], out: Path, named: Path | None = None
) -> Path:
    """Writes the report on what is finished so far; the path of best.yaml.

    Args:
        study: Optuna's.
        recipe: what all trials have in common.
        knobs: the settings that are tried.
        out: folder of the sweep.
        named: the data, where it is not the recipe's own.

    Raises:
        TrainingError: no trial came to an end.
    """
    trials = [t for t in study.trials if t.state.name in _STATES and "folder" in t.user_attrs]
    # A trial that was taken up again stands once, as it ended at last.
    rows = list({t.user_attrs["folder"]: t for t in trials}.values())
    complete = [t for t in rows if t.state.name == "COMPLETE"]
    if not complete:
        told = [t.user_attrs["told"] for t in rows if t.user_attrs.get("told")]
        raise TrainingError(f"No trial came to its end. The last one: {(told or ['stopped'])[-1]}")
    best = min(complete, key=lambda t: t.value)
    _plot(complete, knobs, out / _PLOT)
    _write_recipe(recipe, best, out / BEST)
    command = f"medtrain run {BEST}" + (f" --data {named}" if named else "")
    files.write_text(out / _README, _readme(recipe, knobs, rows, best, command))
    return out / BEST


def run_of(trial: Any) -> str:
    """Name of the folder with a trial's run: its own, or that of an earlier one like it."""
    return str(trial.user_attrs.get("run", trial.user_attrs["folder"]))


def _readme(
    recipe: TuningRecipe, knobs: list[Knob], rows: list[Any], best: Any, command: str
) -> str:
    names = [knob.name for knob in knobs]
    ended = [sum(t.state.name == state for t in rows) for state in _STATES]
    head = (
        f"# Sweep of {recipe.name}\n\n"
        f"{ended[0]} trials came to their end, {ended[1]} were ended early, {ended[2]} failed.\n"
        f"The best validation loss is {best.value:.4f}, of trial {best.user_attrs['folder']}, "
        f"whose run lies in trials/{run_of(best)}.\n"
        "One search with one seed: settings whose losses are close are not told apart by it.\n\n"
        f"    {command}\n\n"
        f"![Validation loss of the trials, and by setting]({_PLOT})\n\n"
    )
    lines = ["| trial | " + " | ".join(names) + " | validation loss | |"]
    lines.append("|---" * (len(names) + 3) + "|")
    for trial in sorted(rows, key=_order):
        values = [short(trial.params.get(name, "")) for name in names]
        seen = list(trial.intermediate_values.values())
        loss = trial.value if trial.value is not None else min(seen, default=None)
        cells = [trial.user_attrs["folder"], *values, "" if loss is None else f"{loss:.4f}"]
        told = trial.user_attrs.get("told") or ""
        how = _STATES[trial.state.name] + (f": {told}" if told else "")
        lines.append("| " + " | ".join([*cells, how.replace("|", "/")]) + " |")
    return head + "\n".join(lines) + "\n"


def _order(trial: Any) -> tuple[bool, float, str]:
    complete = trial.state.name == "COMPLETE"
    return not complete, trial.value if complete else 0.0, trial.user_attrs["folder"]


def _write_recipe(recipe: TuningRecipe, best: Any, target: Path) -> None:
    import yaml

    chosen = recipe.changed(best.params)
    content = chosen.model_dump(mode="json", exclude_defaults=True, exclude={"cost"})
    about = (
        f"# medtrain run {target.name}\n#\n"
        f"# The best of a sweep: validation loss {best.value:.4f}.\n\n"
    )
    files.write_text(target, about + yaml.safe_dump(content, sort_keys=False, allow_unicode=True))


def _plot(complete: list[Any], knobs: list[Knob], target: Path) -> None:
    """The trials in their order, and one panel a setting: loss over value."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    count = len(knobs) + 1
    figure, axes = plt.subplots(1, count, figsize=(3.6 * count, 3.2), squeeze=False, sharey=True)
    losses = [t.value for t in complete]
    bests = [min(losses[: i + 1]) for i in range(len(losses))]
    numbers = list(range(1, len(losses) + 1))
    first = axes[0][0]
    first.plot(numbers, losses, "o", color="#0b6e99", label="trial")
    first.step(numbers, bests, where="post", color="#c2571a", label="best so far")
    first.set(xlabel="trial", ylabel="validation loss")
    first.legend()
    for axis, knob in zip(axes[0][1:], knobs, strict=True):
        values = [t.params[knob.name] for t in complete]
        if isinstance(knob, Choices):
            order = [short(value) for value in knob.values]
            axis.plot([order.index(short(v)) for v in values], losses, "o", color="#0b6e99")
            axis.set_xticks(range(len(order)), order)
        else:
            axis.plot(values, losses, "o", color="#0b6e99")
            axis.set_xscale("log" if knob.log else "linear")
        axis.set(xlabel=knob.name)
    figure.tight_layout()
    with files.atomic(target) as temporary:
        figure.savefig(temporary, dpi=110, format="png")
    plt.close(figure)


def short(value: Any) -> str:
    """A setting's value, for people."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)
