"""A comparison as Markdown."""

from medeval.comparison import SIGNIFICANT, Comparison, Difference, TaskComparison
from medeval.results import shown


def render(found: Comparison) -> str:
    """The tables."""
    lines = [
        "# Base against tuned",
        "",
        f"- base: {title(found.base)}",
        f"- tuned: {title(found.tuned)}",
        "",
        "Intervals are 95%. p: McNemar's exact test for shares, else the paired bootstrap; "
        "corrected after Holm, over the tasks for the first measure of each, within the task "
        "for its others.",
        "",
    ]
    lines += [f"> {warning}" for warning in found.warnings]
    lines += [""] * bool(found.warnings)
    for task in found.tasks.values():
        lines += _task(task)
    return "\n".join(lines)


def title(model: dict[str, str]) -> str:
    """Name, quantization and hash of a model."""
    name = model.get("name", model["identity"][:40])
    parts = [name, model["engine"], model.get("quantization", ""), model.get("sha256", "")[:12]]
    return ", ".join(part for part in parts if part)


def difference(item: Difference) -> str:
    """The difference with its interval, and a mark where it is significant."""
    share = item.base.share
    unit = 100 if share else 1
    digits = 1 if share else 3
    text = (
        f"{item.difference * unit:+.{digits}f} "
        f"({item.low * unit:+.{digits}f} to {item.high * unit:+.{digits}f})"
    )
    return text + (" *" if item.p_corrected < SIGNIFICANT else "")


def _task(task: TaskComparison) -> list[str]:
    lines = [f"## {task.name}", "", f"{task.about}; {task.shared} questions", ""]
    lines += ["| | base | tuned | difference | p | corrected |", "|---|---|---|---|---|---|"]
    lines += [
        f"| {d.base.name} | {d.base} | {d.tuned} | {difference(d)} | {d.p:.3g} ({d.test}) "
        f"| {d.p_corrected:.3g} |"
        for d in task.differences
    ]
    if task.kinds:
        lines += ["", "| errors | base | tuned |", "|---|---|---|"]
        lines += [f"| {kind} | {one} | {other} |" for kind, (one, other) in task.kinds.items()]
    for run, curve in task.curves.items():
        lines += ["", f"Confidence of {run}: mean, share right, answers", ""]
        lines += [
            f"- {shown(sure, True)}, {shown(right, True)}, {count}"
            for sure, right, count in curve.reliability
        ]
    return [*lines, ""]
