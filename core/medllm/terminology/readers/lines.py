"""Lines of a file of any size and any brokenness, and what was wrong with them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from medllm.errors import DataError, StorageError

LONGEST_LINE = 1 << 20
"""Bytes. The longest line of UMLS is a definition of some 30,000."""
KEPT = 20
"""How many problems are kept word for word; the rest is counted."""


@dataclass
class Problems:
    """What a reader skipped, with file and line."""

    file: Path
    count: int = 0
    first: list[str] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    """What was taken, but may not be meant."""

    def add(self, line: int, what: str) -> None:
        """Notes that line number `line` was skipped, and why."""
        self.count += 1
        if len(self.first) < KEPT:
            self.first.append(f"{self.file.name}, line {line}: {what}")

    def notice(self, line: int, what: str) -> None:
        """Tells of something in a line that was taken all the same."""
        self.notices.append(f"{self.file.name}, line {line}: {what}")

    def opening(self) -> str:
        """The first of them as a sentence that goes on after another; "" where there is none."""
        return f" The first problem: {self.first[0]}." if self.first else ""


class Lines:
    """Iterates over (number, text) of a file in UTF-8, in bounded memory.

    A line that is too long or not UTF-8 is reported and skipped; a file in UTF-16, or
    with NUL bytes in its first lines, is refused.
    """

    def __init__(
        self, file: Path, problems: Problems, progress: Callable[[int], None] | None = None
    ) -> None:
        """`progress` is told the bytes read so far, now and then."""
        self.file, self.problems, self.progress = file, problems, progress
        self.read_bytes = 0
        self.number = 0
        """Of the line that was given last, counted from 1."""

    def __iter__(self) -> Iterator[tuple[int, str]]:
        try:
            with open(self.file, "rb") as stream:
                number = 0
                while raw := stream.readline(LONGEST_LINE + 1):
                    number += 1
                    self._count(len(raw), number)
                    if len(raw) > LONGEST_LINE and not raw.endswith(b"\n"):
                        self._skip_rest(stream.readline, number)
                        continue
                    text = self._decoded(raw, number)
                    if text is not None:
                        self.number = number
                        yield number, text
        except OSError as error:
            raise StorageError(
                f"{self.file} can't be read: {error.strerror or error}.", "Check its name."
            ) from error

    def _count(self, size: int, number: int) -> None:
        self.read_bytes += size
        if self.progress and number % 4096 == 0:
            self.progress(self.read_bytes)

    def _skip_rest(self, readline: Callable[[int], bytes], number: int) -> None:
        size = LONGEST_LINE
        while rest := readline(LONGEST_LINE):
            size += len(rest)
            self._count(len(rest), 4096)
            if rest.endswith(b"\n"):
                break
        self.problems.add(number, f"longer than {LONGEST_LINE:,} bytes ({size:,}), skipped")

    def _decoded(self, raw: bytes, number: int) -> str | None:
        if number == 1:
            utf16 = raw.startswith((b"\xff\xfe", b"\xfe\xff"))
            if utf16 or b"\0" in raw[:4096]:
                raise DataError(
                    f"{self.file}, line 1: this is not text in UTF-8.",
                    f"Convert it: iconv -f UTF-16 -t UTF-8 {self.file.name} > new.txt"
                    if utf16
                    else "Name a text file.",
                )
            raw = raw.removeprefix(b"\xef\xbb\xbf")
        if b"\0" in raw:
            self.problems.add(number, "holds NUL bytes, skipped")
            return None
        try:
            return raw.decode("utf-8").rstrip("\r\n")
        except UnicodeDecodeError as error:
            self.problems.add(number, f"not UTF-8 at byte {error.start + 1}, skipped")
            return None
