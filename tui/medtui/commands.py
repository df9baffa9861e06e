"""The commands and options of `medtui`. Each command imports what it needs when it runs."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from medllm import guard

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
ModelOption = Annotated[
    Path | None,
    typer.Option("--model", metavar="FILE", help="A GGUF model; the built-in one by default."),
]


@app.callback(invoke_without_command=True)
def medtui(context: typer.Context, model: ModelOption = None) -> None:
    """Explains medical terms in four parts, with nothing leaving this machine.

    Without a command it opens the terminal program.
    """
    context.obj = model
    if context.invoked_subcommand is not None:
        return
    guard.install()
    from medtui.launch import run

    sys.exit(run(model))


@app.command()
def ask(
    context: typer.Context,
    question: Annotated[
        str | None,
        typer.Argument(help="A term, or a question about it; read from standard input when piped."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    model: ModelOption = None,
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of the sampling.")] = 0,
    history: Annotated[
        bool, typer.Option("--history/--no-history", help="Keep the question and its answer.")
    ] = True,
    timeout: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", min=0.001, help="Stop after this long."),
    ] = None,
    samples: Annotated[
        int,
        typer.Option(
            metavar="N", min=0, max=8, help="Draw N more answers, for how sure the model is."
        ),
    ] = 0,
) -> None:
    """Answers one question.

    Exit codes: 0 answered, 20 not in the reference (no answer rather than a guess),
    124 stopped by --timeout, 130 stopped by Ctrl-C; else an error: 2 the question,
    3 the model, 4 the engine, 5 the history or another file.
    """
    guard.install()
    from medtui.ask import Options, run

    options = Options(question, as_json, model or context.obj, seed, history, timeout, samples)
    sys.exit(run(options))


@app.command()
def doctor(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    model: ModelOption = None,
) -> None:
    """Looks at everything that must work, and says what to do where it doesn't."""
    guard.install()
    from medtui.doctor import run

    sys.exit(run(model or context.obj, as_json))


@app.command()
def pull(
    repository: Annotated[
        str, typer.Argument(metavar="OWNER/NAME", help="A repository of the Hugging Face Hub.")
    ],
    file: Annotated[
        str | None, typer.Option(metavar="NAME.gguf", help="Which of its files.")
    ] = None,
    revision: Annotated[str, typer.Option(metavar="R", help="Branch, tag or commit.")] = "main",
) -> None:
    """Fetches a model from the Hugging Face Hub. The only command that goes online."""
    from medtui.pull import run

    run(repository, file, revision)
