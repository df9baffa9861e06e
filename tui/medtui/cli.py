"""The command `medtui`.

medtui                                  the terminal program
medtui ask "What is hypertension?"      one answer, for scripts
medtui doctor                           what works, and what to do about the rest
medtui pull OWNER/NAME                  fetches a model; the only command that goes online
"""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from medllm import guard
from medllm.errors import MedLLMError

UNEXPECTED = 70
"""Exit code of a fault in the program itself (EX_SOFTWARE of sysexits.h)."""

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
) -> None:
    """Answers one question.

    Exit codes: 0 answered, 20 not in the reference (no answer rather than a guess),
    124 stopped by --timeout, 130 stopped by Ctrl-C; else an error: 2 the question,
    3 the model, 4 the engine, 5 the history or another file.
    """
    guard.install()
    from medtui.ask import Options, run

    options = Options(question, as_json, model or context.obj, seed, history, timeout)
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


def main() -> None:
    """Entry point: errors become one line and an exit code."""
    try:
        app()
    except MedLLMError as error:
        _fail(error.line(), error.exit_code)
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        # Whoever read our output has gone; Python must not try to flush it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.exit(141)
    except Exception as error:
        if os.environ.get("MEDLLM_DEBUG"):
            raise
        what = " ".join(f"{type(error).__name__}: {error}".split())
        _fail(f"Something unexpected happened ({what}). MEDLLM_DEBUG=1 shows where.", UNEXPECTED)


def _fail(line: str, code: int) -> None:
    print(f"error: {line}".encode("utf-8", "replace").decode(), file=sys.stderr)
    sys.exit(code)
