"""Indexes folders and searches them, from the command line.

python -m medllm.retrieval index FOLDER
python -m medllm.retrieval search "What helps against a heart attack?"
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from medllm import command, guard, paths
from medllm.embedding import open_embedder
from medllm.errors import UsageError
from medllm.retrieval.index import Index, Passage
from medllm.retrieval.readers import KINDS
from medllm.retrieval.update import Report
from medllm.terminology.store import Store

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
EmbedderFile = Annotated[
    Path | None, typer.Option("--embedder", help="A GGUF file: search by meaning as well.")
]
_FILL = "python -m medllm.retrieval index FOLDER"


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
        typer.echo(f"{_summary(report)}; {documents.size():,} passages in the index.")


@app.command()
def search(
    words: str,
    count: Annotated[int, typer.Option("--count", help="How many passages.")] = 5,
    embedder: EmbedderFile = None,
) -> None:
    """Finds the passages that answer WORDS."""
    if not any(c.isalnum() for c in words):
        raise UsageError("There is no word to search for.", "Ask in words, in quotation marks.")
    with _opened(embedder, with_vocabulary=True) as documents:
        if not documents.size():
            raise UsageError("The index is empty.", f"Fill it: {_FILL}")
        if missing := documents.without_vectors():
            typer.echo(
                f"{missing:,} of {documents.size():,} passages have no vector of this embedder. "
                f"Make them: {_FILL} --embedder {embedder}",
                err=True,
            )
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
        taken = documents.remove(folder)
        typer.echo(f"{taken} files taken out; {documents.size():,} passages left in the index.")


@contextmanager
def _opened(file: Path | None, with_vocabulary: bool = False) -> Iterator[Index]:
    guard.install()
    with ExitStack() as stack:
        embedder = vocabulary = None
        if file:
            embedder = open_embedder(file)
            stack.callback(embedder.close)
        if with_vocabulary and paths.vocabulary_file().exists():
            vocabulary = stack.enter_context(Store())
        yield stack.enter_context(Index.open(embedder=embedder, vocabulary=vocabulary))


def _summary(report: Report) -> str:
    """What an update did, in one line."""
    told = (
        f"{report.read} files read, {report.unchanged} unchanged, {report.removed} gone, "
        f"{len(report.problems)} problems"
    )
    if report.passed:
        kinds = [f"{count} {ending or 'without'}" for ending, count in report.passed.most_common(5)]
        told += (
            f"; {report.passed.total()} of other kinds left out ({', '.join(kinds)}), "
            f"these can be read: {' '.join(KINDS)}"
        )
    return told


def _place(passage: Passage) -> str:
    """Where a passage stands, in one line."""
    if passage.card:
        return f"Card: {passage.title}"
    page = f", page {passage.page}" if passage.page else ""
    return f"{passage.file}{page}, characters {passage.start} to {passage.end}"


if __name__ == "__main__":
    command.run(app)
