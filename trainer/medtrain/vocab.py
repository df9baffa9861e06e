"""The commands `medtrain vocab add`, `list` and `remove`: the vocabularies of the linker.

medtrain vocab add MRCONSO.RRF --name umls
"""

import sys
from pathlib import Path
from typing import Annotated

import typer
from medllm import paths

app = typer.Typer(no_args_is_help=True, help="Adds, lists and removes vocabularies.")


@app.command()
def add(
    files: Annotated[
        list[Path],
        typer.Argument(help="RRF, OBO, SSSOM, TSV or CSV files; frequencies of senses too."),
    ],
    name: Annotated[
        str, typer.Option(help="Name of the vocabulary; by default the file's name.")
    ] = "",
) -> None:
    """Adds vocabularies, or replaces those of the same name; the old index stays on failure."""
    from medllm.errors import UsageError
    from medllm.terminology import compiler

    if name and len(files) > 1:
        raise UsageError("One name can't be given to several files.", "Add them one by one.")
    for file in files:
        view = _Progress(file.name)
        try:
            report = compiler.add(file, name, view.show)
        finally:
            view.close()
        typer.echo(
            f"{report.name} {'replaced' if report.replaced else 'added'}: "
            f"{report.names:,} names, {report.links:,} links, "
            f"{report.notes:,} notes, {report.skipped:,} skipped"
        )
        for problem in report.problems:
            typer.echo(f"  {problem}", err=True)
        if report.untold:
            typer.echo(f"  and {report.untold:,} more", err=True)


@app.command("list")
def list_vocabularies() -> None:
    """Lists the vocabularies."""
    from medllm.terminology import compiler
    from medllm.terminology.store import Store

    if not paths.vocabulary_file().exists():
        compiler.build()
    with Store() as store:
        for source in store.sources():
            typer.echo(
                f"{source.name}\t{source.kind}\t{source.names:,} names\t{source.links:,} links\t"
                f"{source.notes:,} notes\t{source.skipped:,} skipped\t{source.added}"
            )
        if len(store.sources()) == 1:
            typer.echo("Add your own: medtrain vocab add FILE", err=True)


@app.command()
def remove(name: Annotated[str, typer.Argument(help="Name of the vocabulary.")]) -> None:
    """Removes a vocabulary."""
    from medllm.terminology import compiler

    compiler.remove(name)
    typer.echo(f"{name} is removed.")


class _Progress:
    """A bar in a terminal, nothing in a log: the closing line tells all."""

    def __init__(self, title: str) -> None:
        self.bar = self.task = None
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

            self.bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                TextColumn("{task.fields[facts]:,} facts"),
                TimeRemainingColumn(),
                console=Console(stderr=True),
            )
            self.task = self.bar.add_task(title, total=1.0, facts=0)
            self.bar.start()

    def show(self, share: float, facts: int) -> None:
        """Moves the bar."""
        if self.bar is not None and self.task is not None:
            self.bar.update(self.task, completed=share, facts=facts)

    def close(self) -> None:
        """Closes the bar."""
        if self.bar is not None:
            self.bar.stop()
