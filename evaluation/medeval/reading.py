"""Reading data files: each error names the file and the line or the entry."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from medllm import paths
from medllm.errors import DataError


def needed(data: Path | None, task: str, what: str) -> Path:
    """The path that `--data` gave.

    Raises:
        DataError: none was given, or there is nothing.
    """
    if data is None:
        raise DataError(f"The task {task} needs data.", f"Name them with --data: {what}.")
    if not data.exists():
        raise DataError(f"There is no {data}.", f"Name with --data: {what}.")
    return data


def read_object(file: Path) -> dict[str, Any]:
    """A JSON object.

    Raises:
        DataError: the file can't be read, or is none.
    """
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise DataError(f"{file} can't be read: {reason}.", "Fetch it again.") from error
    if not isinstance(found, dict):
        raise DataError(f"{file} is no JSON object.", "Fetch it again.")
    return found


def read_lines(file: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The JSON objects of a file, one a line, with their line numbers.

    Raises:
        DataError: the file can't be read, or a line is none.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{file} can't be read: {error}.", "Fetch it again.") from error
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            found = json.loads(line)
        except ValueError as error:
            raise DataError(f"{file}, line {number}: no JSON ({error}).", "Mend it.") from error
        if not isinstance(found, dict):
            raise DataError(f"{file}, line {number}: no JSON object.", "Mend or remove it.")
        yield number, found


def field(row: dict[str, Any], name: str, file: Path, number: int) -> Any:
    """One field of a row.

    Raises:
        DataError: it is missing; names file and line.
    """
    if name not in row:
        raise DataError(
            f"{file}, line {number}: the field {name} is missing.",
            f"The line has: {', '.join(row)}.",
        )
    return row[name]


def unlabelled(file: Path) -> DataError:
    """The error for data in which no row says what is right."""
    return DataError(
        f"{file} has no labels, so there is nothing to score against.",
        "Take a split that has them: the test splits of some sets are published without.",
    )


def one_file(data: Path, *names: str) -> Path:
    """`data` itself, or the first of `names` in it where it is a folder.

    Raises:
        DataError: the folder has none of them.
    """
    if not data.is_dir():
        return data
    for name in names:
        if (data / name).is_file():
            return data / name
    raise DataError(f"{data} holds none of {', '.join(names)}.", "Name the file itself.")


def own_data(name: str) -> Path:
    """A file of the project's own evaluation data."""
    return paths.data_dir() / "evaluation" / name
