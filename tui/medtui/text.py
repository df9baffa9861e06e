"""From what a model wrote to what a terminal may show."""

import unicodedata

from medllm.card import HEADINGS, READ_AS_LAST, TITLES

SAFETY = TITLES[3]
# Bidirectional marks, embeddings, overrides and isolates, and the byte order mark.
_REORDERING = frozenset(
    "\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff"
)


def visible(text: str) -> str:
    """`text` without control characters, so that no text can drive the terminal.

    Line breaks stay. Marks that reorder a line go as well; right-to-left scripts
    themselves stay, with the joiners that they need.
    """
    return "".join(c for c in text if c == "\n" or not _hidden(c))


def _hidden(character: str) -> bool:
    return character in _REORDERING or unicodedata.category(character) in ("Cc", "Cs")


def sections(text: str) -> list[tuple[str | None, str]]:
    """The parts of a card, finished or not, as (title, body).

    Text before the first heading, or all of a text without any, has no title.
    A heading that is only half there is left out.
    """
    shown = _without_half_heading(visible(text))
    found: list[tuple[str | None, list[str]]] = [(None, [])]
    for line in shown.split("\n"):
        title = _title(line)
        if title is None:
            found[-1][1].append(line)
        else:
            found.append((title, [line[line.index("**:") + 3 :]]))
    parts = [(title, "\n".join(lines).strip()) for title, lines in found]
    return [(title, body) for title, body in parts if title or body]


def _title(line: str) -> str | None:
    for title, heading in zip(TITLES, HEADINGS, strict=True):
        if line.startswith(heading):
            return title
    return SAFETY if line.startswith(READ_AS_LAST) else None


def _without_half_heading(text: str) -> str:
    start = text.rfind("\n") + 1
    last = text[start:]
    half = last and any(h != last and h.startswith(last) for h in (*HEADINGS, READ_AS_LAST))
    return text[:start] if half else text


class HeadingStyler:
    """Rewrites headings of a text that arrives in pieces; all else passes as it comes.

    Args:
        before: put before the words of a heading, such as an escape sequence.
        after: put behind it.
    """

    def __init__(self, before: str, after: str) -> None:
        self._before, self._after = before, after
        self._held = ""
        self._line_start = True

    def feed(self, piece: str) -> str:
        """What can be shown now."""
        shown = ""
        for character in visible(piece):
            if self._line_start or self._held:
                shown += self._at_line_start(character)
            else:
                shown += character
                self._line_start = character == "\n"
        return shown

    def rest(self) -> str:
        """What was held back at the end."""
        held, self._held = self._held, ""
        return held

    def _at_line_start(self, character: str) -> str:
        self._held += character
        for heading in (*HEADINGS, READ_AS_LAST):
            if self._held == heading:
                self._held, self._line_start = "", False
                return f"{self._before}{heading.strip('*:')}{self._after}"
            if heading.startswith(self._held):
                return ""
        self._line_start = character == "\n"
        return self.rest()
