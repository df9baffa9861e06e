"""Indexes folders and searches them, from the command line.

python -m medllm.retrieval index FOLDER
python -m medllm.retrieval search "What helps against a heart attack?"
"""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from medllm import command, guard, paths
from medllm.embedding import Embedder, open_embedder
from medllm.retrieval.index import Index, Passage
from medllm.terminology.store import Store

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
EmbedderFile = Annotated[
    Path | None, typer.Option("--embedder", help="A GGUF file: search by meaning as well.")
]


@app.command()
def index(folder: Path, embedder: EmbedderFile = None) -> None:
    """Brings the index in step with FOLDER: text, Markdown, HTML and PDF."""
    with _opened(embedder) as documents:
        documents.add_cards()
        screen = Console(stderr=True)
        with Progress(console=screen, transient=True, disable=not screen.is_terminal) as bar:
            task = bar.add_task("Reading", total=None)
            report = documents.update(
                folder, lambda done, total, _: bar.update(task, completed=done, total=total)
            )
            if embedder:
                task = bar.add_task("Embedding", total=None)
                documents.embed(lambda done, total: bar.update(task, completed=done, total=total))
        for problem in report.problems:
            typer.echo(problem, err=True)
        typer.echo(
            f"{report.read} files read, {report.unchanged} unchanged, {report.removed} gone, "
            f"{len(report.problems)} problems; {documents.size():,} passages in the index."
        )


@app.command()
def search(
    words: str,
    count: Annotated[int, typer.Option("--count", help="How many passages.")] = 5,
    embedder: EmbedderFile = None,
) -> None:
    """Finds the passages that answer WORDS."""
    with _opened(embedder) as documents:
        found = documents.search(words, count)
    if not found.confident:
        typer.echo(
            "Nothing in the index is surely about this." + " Near it:" * bool(found.passages)
        )
    for passage in found.passages:
        typer.echo(f"\n{_place(passage)}\n{' '.join(passage.text.split())}")


@app.command()
def remove(folder: Path) -> None:
    """Takes FOLDER out of the index."""
    with _opened(None) as documents:
        typer.echo(f"{documents.remove(folder)} files taken out.")


def _opened(file: Path | None) -> Index:
    guard.install()
    embedder: Embedder | None = open_embedder(file) if file else None
    vocabulary = Store() if paths.vocabulary_file().exists() else None
    return Index.open(embedder=embedder, vocabulary=vocabulary)


def _place(passage: Passage) -> str:
    """Where a passage stands, in one line."""
    if passage.card:
        return f"Card: {passage.title}"
    page = f", page {passage.page}" if passage.page else ""
    return f"{passage.file}{page}, characters {passage.start} to {passage.end}"


if __name__ == "__main__":
    command.run(app)
