"""The rows of a data set, read one after the other from files or from the Hub."""

import csv
import json
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medllm.errors import DataError, MissingExtraError, UsageError

from medtrain.readers import json_stream

LONGEST_LINE = 1 << 24
"""Bytes; a longer line is no row but a broken file."""
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


@dataclass(frozen=True, slots=True)
class Row:
    """A row as it was read, with its place."""

    where: str
    """File and line."""
    content: Any
    """What the row holds; a line of JSON that was not read yet is a text."""
    key: str = ""
    """Its key, where the rows of a file have one."""

    def read(self) -> dict[str, Any]:
        """The columns of the row.

        Raises:
            DataError: it is not a JSON object.
        """
        content = self.content
        if isinstance(content, str):
            content = parse(content, self.where)
        if not isinstance(content, dict):
            raise DataError(f"{self.where}: this is not a JSON object.")
        return content

    def field(self, content: dict[str, Any], name: str, default: Any = None) -> Any:
        """One column.

        Raises:
            DataError: it is missing and there is no default; what there is, is named.
        """
        if name in content:
            return content[name]
        if default is not None:
            return default
        there = ", ".join(map(str, list(content)[:8])) or "nothing"
        raise DataError(f"{self.where}: there is no {name!r}, only {there}.")


def parse(line: str, where: str) -> Any:
    """What a line of JSON holds.

    Args:
        line: the line.
        where: file and number of the line, for messages.

    Raises:
        DataError: it is not JSON.
    """
    try:
        return json.loads(line)
    except json.JSONDecodeError as error:
        told = f"{error.msg.removesuffix(' at')} at column {error.colno}"
        raise DataError(f"{where}: this is not JSON ({told}).") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where}: this JSON can't be read ({error}).") from error


def is_on_hub(path: str) -> bool:
    """Whether a path is no file or folder here, and looks like the Hub's OWNER/NAME."""
    return not Path(path).expanduser().exists() and bool(_HUB_ID.fullmatch(path))


def find(path: str, patterns: tuple[str, ...]) -> list[Path]:
    """The files that `path` means: itself, or those of a folder that fit a pattern.

    Raises:
        UsageError: there are none.
    """
    place = Path(path).expanduser()
    if place.is_file():
        return [place]
    if not place.is_dir():
        raise UsageError(f"There is no data at {path}.", "Set data.path to a file or folder.")
    found = {file for pattern in patterns for file in place.rglob(pattern) if file.is_file()}
    if not found:
        raise UsageError(f"{path} holds none of {', '.join(patterns)}.", "Name the file itself.")
    return sorted(found)


def of_file(file: Path, keyed: bool = False, inside: tuple[str, ...] = ()) -> Iterator[Row]:
    """The rows of a file: JSON, JSON lines, CSV, TSV or parquet, by its name and its beginning.

    Args:
        file: where they are.
        keyed: whether an outer JSON object maps keys to rows.
        inside: keys that lead from the outer object to the rows.

    Raises:
        DataError: it is broken; file and line are named.
    """
    kind = file.suffix.lower()
    if kind in (".csv", ".tsv"):
        yield from _of_table(file, "," if kind == ".csv" else "\t")
    elif kind == ".parquet":
        yield from _of_parquet(file)
    elif kind == ".json" and (keyed or inside or not is_lines(file)):
        for line, key, value in json_stream.items(file, *inside):
            yield Row(f"{file}, line {line}", value, key)
    else:
        yield from _of_lines(file)


def of_hub(name: str, subset: str, split: str) -> Iterator[Row]:
    """The rows of a data set of the Hub, fetched as they are needed.

    Raises:
        UsageError: there is none, or it can't be reached.
    """
    try:
        from datasets import load_dataset
    except ImportError as error:
        raise MissingExtraError("train", "datasets") from error
    # It tells of each try by itself; what comes of them is told below.
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
    try:
        stream = load_dataset(name, subset or None, split=split, streaming=True)
        for number, content in enumerate(stream, 1):
            yield Row(f"{name}, row {number}", content)
    except (OSError, ValueError, RuntimeError) as error:
        told = " ".join(str(error).split())[:160]
        raise UsageError(
            f"The data set {name} is neither here nor to be had from the Hub ({told}).",
            "Name a file or folder with --set data.path=..., or see to the network.",
        ) from error


def is_lines(file: Path) -> bool:
    """Whether the first line of a file is a JSON object by itself."""
    try:
        with open(file, "rb") as stream:
            first = stream.readline(LONGEST_LINE).strip()
        return first[:1] == b"{" and isinstance(json.loads(first), dict)
    except (ValueError, RecursionError):
        return False
    except OSError as error:
        raise DataError(f"{file} can't be read: {error.strerror or error}.") from error


def _of_lines(file: Path) -> Iterator[Row]:
    for number, line in text_lines(file):
        if line.strip():
            yield Row(f"{file}, line {number}", line)


def text_lines(file: Path) -> Iterator[tuple[int, str]]:
    """Number and text of each line of a file in UTF-8.

    Raises:
        DataError: it can't be read, is not UTF-8, or has a line without end.
    """
    try:
        with open(file, "rb") as stream:
            number = 0
            while raw := stream.readline(LONGEST_LINE):
                number += 1
                if len(raw) == LONGEST_LINE:
                    raise DataError(
                        f"{file}, line {number} is longer than {LONGEST_LINE >> 20} MiB.",
                        "Mend or remove it.",
                    )
                yield number, raw.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"{file}, line {number} is not UTF-8: {error.reason}.") from error
    except OSError as error:
        raise DataError(f"{file} can't be read: {error.strerror or error}.") from error


def _of_table(file: Path, separator: str) -> Iterator[Row]:
    csv.field_size_limit(LONGEST_LINE)
    try:
        with open(file, encoding="utf-8-sig", newline="") as stream:
            table = csv.DictReader(stream, delimiter=separator)
            for content in table:
                where = f"{file}, line {table.line_num}"
                if None in content or None in content.values():
                    raise DataError(f"{where}: there are more or fewer columns than in line 1.")
                yield Row(where, content)
    except UnicodeDecodeError as error:
        raise DataError(f"{file} is not UTF-8 text: {error.reason}.") from error
    except (csv.Error, OSError) as error:
        raise DataError(f"{file} can't be read: {error}.") from error


def _of_parquet(file: Path) -> Iterator[Row]:
    import pyarrow as arrow
    from pyarrow import parquet

    try:
        number = 0
        with parquet.ParquetFile(file) as table:
            for batch in table.iter_batches(batch_size=512):
                for content in batch.to_pylist():
                    number += 1
                    yield Row(f"{file}, row {number}", content)
    except (arrow.ArrowException, OSError) as error:
        raise DataError(f"{file} can't be read: {str(error).splitlines()[0]}.") from error
