"""Readers of the user's files: text, Markdown, HTML and PDF."""

from pathlib import Path

from medllm.errors import UsageError
from medllm.retrieval.extract import Extract

KINDS = {
    ".txt": "text", ".text": "text", ".md": "text", ".markdown": "text",
    ".html": "html", ".htm": "html", ".xhtml": "html", ".pdf": "pdf",
}  # fmt: skip


def read(file: Path) -> Extract:
    """The text of `file`, by its ending.

    Raises:
        UsageError: the ending is none of `KINDS`.
        DataError: nothing in it can be read as what its ending says.
        StorageError: the file can't be opened.
        MissingExtraError: it is a PDF and pypdf is not installed.
    """
    from medllm.retrieval.readers import html, pdf, text

    kind = KINDS.get(file.suffix.lower())
    if kind is None:
        raise UsageError(
            f"{file.name} is of no kind that can be read.", f"These can: {', '.join(KINDS)}."
        )
    if kind == "pdf":
        return pdf.read(file)
    if kind == "html":
        return html.read(file)
    return text.read(file, markdown=file.suffix.lower() in (".md", ".markdown"))
