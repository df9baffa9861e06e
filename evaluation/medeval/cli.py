"""The command `medeval`.

medeval tuning
"""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from medllm import command
from medllm.errors import MissingExtraError

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def medeval() -> None:
    """Measures what models are worth."""


@app.command()
def tuning(
    base: Annotated[Path | None, typer.Option(help="GGUF before tuning.")] = None,
    tuned: Annotated[Path | None, typer.Option(help="GGUF after tuning.")] = None,
    limit: Annotated[int, typer.Option(help="Questions a split; 0 asks all.", min=0)] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Prints system A's table: what tuning does to form and content.

    Without files it compares the two built-in models.
    """
    from importlib.util import find_spec

    if find_spec("rouge_score") is None:
        raise MissingExtraError("eval", "rouge-score")
    from medllm import guard, paths
    from rich.console import Console
    from rich.progress import Progress

    from medeval import tuning_table

    guard.install()
    total = sum(
        count * len(tuning_table.questions(split, limit))
        for split, count in (("test", 4), ("train", 1))
    )
    with Progress(console=Console(stderr=True), disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("asking", total=total)
        table = tuning_table.measure(
            base or paths.builtin_base_model(),
            tuned or paths.builtin_model(),
            limit,
            lambda: progress.advance(task),
        )
    typer.echo(json.dumps(table.as_dict(), indent=2) if as_json else table.markdown())


def main() -> None:
    """Entry point."""
    command.run(app)
