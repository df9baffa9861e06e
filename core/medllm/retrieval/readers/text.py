"""Plain text and Markdown, line by line, in bounded memory."""

import re
from pathlib import Path

from medllm.retrieval.extract import Extract, Outline
from medllm.terminology.readers.lines import Lines, Problems

_HEADING = re.compile(r"(#{1,6})\s+(.*?)[\s#]*")
_FENCE = re.compile(r"\s{0,3}(```|~~~)")


def read(file: Path, markdown: bool) -> Extract:
    """The lines of a file in UTF-8; lines that can't be read are left out and reported.

    Args:
        file: the file.
        markdown: whether lines that begin with `#` are headings.

    Raises:
        DataError: it is not text, or not in UTF-8.
        StorageError: it can't be opened.
    """
    problems, outline = Problems(file), Outline()
    fenced = False
    for _, line in Lines(file, problems):
        if markdown and _FENCE.match(line):
            fenced = not fenced
        heading = _HEADING.fullmatch(line[:1000]) if markdown and not fenced else None
        if heading:
            outline.head(len(heading[1]), heading[2])
        else:
            outline.add(line + "\n")
        if outline.full:
            break
    told = [problem.removeprefix(f"{file.name}, ") for problem in problems.first]
    if problems.count > len(told):
        told.append(f"and {problems.count - len(told):,} lines more")
    return outline.done(file.stem, told)
