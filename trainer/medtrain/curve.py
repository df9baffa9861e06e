"""The loss curve as a picture."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from medllm import files

Log = Sequence[Mapping[str, Any]]


def draw(logs: Mapping[str, Log], target: Path) -> None:
    """Draws loss and token accuracy of each stage, side by side, into a PNG; validation too.

    Args:
        logs: a trainer's log by stage name; lines without a loss are passed over.
        target: the PNG file.
    """
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, len(logs), figsize=(5 * len(logs), 3.4), squeeze=False)
    for axis, (stage, log) in zip(axes[0], logs.items(), strict=True):
        lines = [line for line in log if "loss" in line]
        steps = [line["step"] for line in lines]
        axis.plot(steps, [line["loss"] for line in lines], color="#0b6e99", label="loss")
        if validated := [line for line in log if "eval_loss" in line]:
            at = [line["step"] for line in validated]
            losses = [line["eval_loss"] for line in validated]
            axis.plot(at, losses, "o--", color="#0b6e99", alpha=0.6, label="validation loss")
        axis.set(title=stage, xlabel="step", ylabel="loss", ylim=(0, None))
        second = axis.twinx()
        second.plot(
            steps,
            [line.get("mean_token_accuracy", float("nan")) for line in lines],
            color="#c2571a",
            label="token accuracy",
        )
        second.set(ylim=(0, 1.02), ylabel="token accuracy")
        handles = [*axis.get_lines(), *second.get_lines()]
        axis.legend(handles, [str(line.get_label()) for line in handles], loc="center right")
    figure.tight_layout()
    with files.atomic(target) as temporary:
        figure.savefig(temporary, dpi=110, format="png")
    plt.close(figure)
