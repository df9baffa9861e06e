"""PDF, page by page, through pypdf."""

import logging
from pathlib import Path
from typing import Any

from medllm.errors import DataError, MissingExtraError, StorageError
from medllm.retrieval.extract import LARGEST, LONGEST_NAME, Extract, Section


def read(file: Path) -> Extract:
    """The text of a PDF's pages; pages that can't be read are left out and reported.

    Raises:
        DataError: it is no PDF, encrypted, or has no text.
        StorageError: it can't be opened.
        MissingExtraError: pypdf is not installed.
    """
    try:
        import pypdf
    except ImportError as error:
        raise MissingExtraError("documents", "pypdf") from error
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # what matters is in the problems
    try:
        with open(file, "rb") as stream:
            document = pypdf.PdfReader(stream)
            _unlock(document, file)
            return _pages(document, file)
    except DataError:
        raise
    except OSError as error:
        raise StorageError(
            f"{file} can't be read: {error.strerror or error}.", "Check its name and rights."
        ) from error
    except Exception as error:  # a broken PDF fails in any place of pypdf
        told = " ".join(str(error).split())[:200] or type(error).__name__
        raise DataError(f"{file}: this is no PDF that can be read ({told}).", "Mend it.") from error


def _unlock(document: Any, file: Path) -> None:
    """Opens it with the empty password: many are only locked against changes."""
    if not document.is_encrypted:
        return
    try:
        opened = bool(document.decrypt(""))
    except Exception:  # the package for its cipher is missing, or the cipher is unknown
        opened = False
    if not opened:
        raise DataError(f"{file}: encrypted.", "Save a copy without a password.")


def _pages(document: Any, file: Path) -> Extract:
    extract = Extract(_title(document) or file.stem)
    pieces, length, empty = [], 0, []
    for number, page in enumerate(document.pages, 1):
        try:
            text = page.extract_text()
        except Exception as error:
            told = " ".join(str(error).split())[:100] or type(error).__name__
            extract.problems.append(f"page {number}: can't be read ({told})")
            continue
        if not text.strip():
            empty.append(number)
            continue
        text = text.encode("utf-8", "replace").decode() + "\n\n"  # lone surrogates
        if length + len(text) > LARGEST:
            extract.problems.append(f"page {number}: more than {LARGEST:,} characters, left out")
            break
        extract.sections.append(Section(length, length + len(text), page=number))
        pieces.append(text)
        length += len(text)
    if not pieces:
        raise DataError(f"{file}: has no text; its pages may be pictures.", "Recognise its text.")
    extract.problems += [f"page {number}: has no text" for number in empty[:20]]
    if len(empty) > 20:
        extract.problems.append(f"and {len(empty) - 20:,} pages more without text")
    extract.text = "".join(pieces)
    return extract


def _title(document: Any) -> str:
    try:
        title = (document.metadata or {}).get("/Title") or ""
    except Exception:  # broken metadata are none
        return ""
    return " ".join(str(title).split())[:LONGEST_NAME]
