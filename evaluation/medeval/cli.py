"""The command `medeval`.

medeval tuning
medeval tasks
medeval run --engine gguf:FILE --task pubmedqa --data FOLDER --limit 100 --out runs/base
medeval compare runs/base runs/tuned
"""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from medllm import command
from medllm.errors import InterruptedRunError, MissingExtraError

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def medeval() -> None:
    """Measures what models are worth."""


@app.command()
def tuning(
    base: Annotated[Path | None, typer.Option(help="GGUF before tuning.")] = None,
    tuned: Annotated[Path | None, typer.Option(help="GGUF after tuning.")] = None,
    limit: Annotated[int, typer.Option(help="Questions a split; 0 asks all.", min=0)] = 0,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the answers; else in the user's data folder.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Prints system A's table: what tuning does to form and content.

    Without files it compares the two built-in models. What was asked before is not asked again.
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
        for split, count in (("test", 4), ("train", 1), ("extra", 1))
    )
    with Progress(console=Console(stderr=True), disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("asking", total=total)
        try:
            table = tuning_table.measure(
                base or paths.builtin_base_model(),
                tuned or paths.builtin_model(),
                limit,
                out or paths.ensure_dir(paths.tuning_dir()),
                lambda: progress.advance(task),
            )
        except KeyboardInterrupt as error:
            raise InterruptedRunError(
                "Stopped; the answers until here are kept.", "The same command goes on from there."
            ) from error
    typer.echo(json.dumps(table.as_dict(), indent=2) if as_json else table.markdown())


@app.command()
def tasks() -> None:
    """Lists the tasks, and what data each takes."""
    from medeval.tasks import all_tasks

    for name, task in all_tasks().items():
        typer.echo(f"{name:18}{task.about}")
        if task.takes:
            typer.echo(f"{'':18}--data: {task.takes}")


@app.command()
def run(
    engine: Annotated[
        str, typer.Option(help="gguf:FILE, ollama:NAME, openai:URL, hf:DIR[+ADAPTER], ct2:, onnx:")
    ],
    task: Annotated[list[str], typer.Option(help="A task; may be given several times.")],
    out: Annotated[Path, typer.Option(help="Folder for answers and report.")],
    data: Annotated[
        list[str] | None, typer.Option(help="PATH, or TASK=PATH where tasks take different data.")
    ] = None,
    limit: Annotated[int, typer.Option(help="Samples a task, drawn by seed; 0: all.", min=0)] = 0,
    seed: Annotated[int, typer.Option(help="Of the samples' order.")] = 0,
    parallel: Annotated[int, typer.Option(help="Requests at once; 0: what suits.", min=0)] = 0,
    patience: Annotated[
        float, typer.Option(help="Seconds of silence after which an engine is lost.", min=1)
    ] = 120.0,
    embedder: Annotated[
        Path | None, typer.Option(help="GGUF or folder, for BERTScore and cosine.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Asks a model the tasks' questions and scores the answers.

    What was asked before is not asked again: after Ctrl-C or a crash the same command goes on.
    """
    from medeval import run_command

    run_command.run(
        engine, task, out, data or [], limit, seed, parallel, patience, embedder, as_json
    )


@app.command()
def compare(
    base: Annotated[Path, typer.Argument(help="Folder of the first run.")],
    tuned: Annotated[Path, typer.Argument(help="Folder of the second run.")],
    out: Annotated[
        Path | None, typer.Option(help="Folder for the comparison; else beside the second run.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the comparison as JSON.")] = False,
) -> None:
    """Compares two runs on the questions that both answered: JSON, Markdown and a page."""
    from medeval import compare_command

    compare_command.compare(base, tuned, out, as_json)


@app.command()
def calibrate(
    run_folder: Annotated[Path, typer.Argument(metavar="RUN", help="Run of the task confidence.")],
    model: Annotated[Path, typer.Option(help="The GGUF that was run; the curve goes beside it.")],
) -> None:
    """Fits the confidence that users are shown, on one half of a run; the other half judges it."""
    from importlib.util import find_spec

    if find_spec("sklearn") is None:
        raise MissingExtraError("eval", "scikit-learn")
    from medllm import confidence, files, models
    from medllm.errors import UsageError

    from medeval import results
    from medeval.confidence import NAME, fit

    report, rows = results.read(run_folder)
    models.check(model)
    if models.sha256(model) != report.model.get("sha256"):
        raise UsageError(
            f"{run_folder} is a run of another model than {model.name}.",
            "Name the file that medeval run was given.",
        )
    curve = fit(report, rows)
    target = confidence.file_of(model)
    for file in (target, run_folder / NAME):
        files.write_text(file, curve.model_dump_json(indent=2) + "\n")
    typer.echo(f"{curve.method} on {curve.answers} answers; on {curve.held_answers} others:")
    for name, value in curve.held.items():
        typer.echo(f"- {name}: {value:.3f}")
    typer.echo(f"Written to {target}; medeval compare shows the curve of this run.")


def main() -> None:
    """Entry point."""
    command.run(app)
