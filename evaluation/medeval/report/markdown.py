"""A comparison as Markdown."""

from medeval.comparison import SIGNIFICANT, Comparison, Difference, TaskComparison
from medeval.results import Figure, shown


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


def figure(item: Figure) -> tuple[str, str]:
    """The value and, where it has one, its interval."""
    value = shown(item.value, item.share)
    if item.low is None or item.high is None:
        return value, ""
    return value, f"{shown(item.low, item.share)} to {shown(item.high, item.share)}"


def difference(item: Difference) -> tuple[str, str]:
    """The difference, with a mark where it is significant, and its interval."""
    share = item.base.share
    unit = 100 if share else 1
    digits = 1 if share else 3
    star = " *" if item.p_corrected < SIGNIFICANT else ""
    return (
        f"{item.difference * unit:+.{digits}f}{star}",
        f"{item.low * unit:+.{digits}f} to {item.high * unit:+.{digits}f}",
    )


def _task(task: TaskComparison) -> list[str]:
    lines = [f"## {task.name}", "", f"{task.about}; {task.shared} questions", ""]
    lines += ["| | base | tuned | difference | p | corrected |", "|---|---|---|---|---|---|"]
    lines += [
        f"| {d.base.name} | {d.base} | {d.tuned} | {change} ({span}) | {d.p:.3g} ({d.test}) "
        f"| {d.p_corrected:.3g} |"
        for d in task.differences
        for change, span in [difference(d)]
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
