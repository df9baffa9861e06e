"""`medeval compare`: the three files, and the table on screen."""

from pathlib import Path

import typer
from medllm import files, guard
from medllm.errors import StorageError

from medeval import comparison, confidence, results
from medeval.report import markdown, page


def compare(base: Path, tuned: Path, out: Path | None, as_json: bool) -> None:
    """Writes compare.json, compare.md and compare.html.

    Raises:
        DataError: a folder holds no report.
        UsageError: the reports have nothing in common.
        StorageError: the files can't be written.
    """
    guard.install()
    one, other = results.read(base), results.read(tuned)
    fits = {
        "base": confidence.of_run(base, one[0]),
        "tuned": confidence.of_run(tuned, other[0]),
    }
    found = comparison.compare(one, other, fits)
    folder = out or tuned
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(
            f"The folder {folder} can't be made: {error.strerror or error}.",
            "Name another with --out.",
        ) from error
    files.write_text(folder / "compare.json", found.model_dump_json(indent=2) + "\n")
    files.write_text(folder / "compare.md", markdown.render(found))
    files.write_text(folder / "compare.html", page.render(found))
    typer.echo(found.model_dump_json(indent=2) if as_json else markdown.render(found))
    if not as_json:
        typer.echo(f"Side by side, with charts: {folder / 'compare.html'}")
