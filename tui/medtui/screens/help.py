"""The help screen."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

WIDE = 64
"""Columns from which on the meanings stand in a column of their own."""
KEYS = (
    ("Enter", "asks the question"),
    ("Esc", "stops the answer; what has arrived is kept"),
    ("Up, Down", "recall earlier questions"),
    ("1, 2, 3", "ask for an offered term"),
    ("PgUp, PgDn", "scroll; older answers come at the top"),
    ("Ctrl+Y", "copies the last answer, or the selected text"),
    ("Ctrl+T", "light or dark"),
    ("Ctrl+P", "all commands"),
    ("F1 or ?", "this help"),
    ("Ctrl+Q, Ctrl+C", "quits at once"),
)
ABOUT = (
    ("reference", "the text of a curated card"),
    ("model", "a language model wrote it; check what matters"),
    ("no answer", "not in the reference, and no guess instead"),
)


class Help(ModalScreen[None]):
    """Keys, and what the badges mean."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,f1,question_mark,enter", "dismiss", "Close", show=False)
    ]

    def compose(self) -> ComposeResult:
        box = Static(_content(15 if self.app.size.width >= WIDE else 0), id="help")
        box.border_title = "Help"
        box.border_subtitle = "Esc closes"
        yield box


def _content(column: int) -> Content:
    """All lines; keys are padded to `column` cells."""
    lines = [_line(*pair, "$primary bold", column) for pair in KEYS]
    lines += [Content(""), *(_line(*pair, "bold", column) for pair in ABOUT), Content("")]
    lines.append(
        Content.styled(
            "General information, no diagnosis and no advice for one person. Nothing you "
            "type leaves this machine: connections are refused and counted in the status line.",
            "$foreground 60%",
        )
    )
    return Content("\n").join(lines)


def _line(key: str, meaning: str, style: str, column: int) -> Content:
    return Content.assemble((f"{key:<{column}} ", style), meaning)
