"""What a reader makes of a file: its text, the parts of it, and what could not be read."""

from dataclasses import dataclass, field
from io import StringIO

LARGEST = 1 << 26
"""Characters of a file that are taken; the rest of a larger one is reported and left out."""
LONGEST_NAME = 200
"""Characters of a title or heading that are kept."""


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a text that no passage reaches across: `text[start:end]`."""

    start: int
    end: int
    headings: tuple[str, ...] = ()
    """From the outermost to its own."""
    page: int | None = None
    """Counted from 1, where the file has pages."""


@dataclass
class Extract:
    """The text of a file, in the order in which it is read."""

    title: str
    text: str = ""
    sections: list[Section] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    """What was skipped, each as `line 3: ...` or `page 2: ...`."""


class Outline:
    """Gathers pieces of text under headings, and keeps count of where they stand."""

    def __init__(self) -> None:
        self.title = ""
        self.sections: list[Section] = []
        self.full = False
        """Whether the text has reached `LARGEST`."""
        self._text = StringIO()  # a list of short lines takes ten times as much
        self._length = self._opened = 0
        self._headings: list[tuple[int, str]] = []

    def add(self, piece: str) -> None:
        """Appends text to the section that is open."""
        room = LARGEST - self._length
        if len(piece) > room:
            piece, self.full = piece[:room], True
        self._text.write(piece)
        self._length += len(piece)

    def head(self, level: int, text: str) -> None:
        """Opens a section under a heading; those of the same or a deeper level end."""
        self._close()
        text = " ".join(text.split())[:LONGEST_NAME]
        self._headings = [(depth, name) for depth, name in self._headings if depth < level]
        if text:
            self._headings.append((level, text))
            self.title = self.title or text

    def done(self, title: str, problems: list[str]) -> Extract:
        """The whole; `title` stands where no heading gave one."""
        self._close()
        if self.full:
            problems = [*problems, f"longer than {LARGEST:,} characters, the rest is left out"]
        name = self.title or " ".join(title.split())[:LONGEST_NAME]
        return Extract(name, self._text.getvalue(), self.sections, problems)

    def _close(self) -> None:
        if self._length > self._opened:
            names = tuple(name for _, name in self._headings)
            self.sections.append(Section(self._opened, self._length, names))
        self._opened = self._length
