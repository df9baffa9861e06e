"""Where the question is typed."""

from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import Input

LONGEST_PASTE = 4000
"""Characters; more than a question can have, so that its error can still say so."""


class Question(Input):
    """One line of input that recalls earlier questions with Up and Down."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "recall(-1)", "Earlier question", show=False),
        Binding("down", "recall(1)", "Later question", show=False),
    ]

    class ShortKey(Message):
        """A key that means something else while nothing is typed: 1, 2, 3 or ?."""

        def __init__(self, key: str) -> None:
            super().__init__()
            self.key = key

    def __init__(self) -> None:
        super().__init__(placeholder="What is hypertension?", id="question")
        self.border_title = "Ask"
        self.border_subtitle = "Enter · Esc stops · F1 help"
        self.offers = 0
        """How many terms are offered at the moment."""
        self._earlier: list[str] = []
        self._at = 0
        self._draft = ""

    def remember(self, *questions: str) -> None:
        """Adds questions to those that Up recalls."""
        for question in questions:
            if not self._earlier or self._earlier[-1] != question:
                self._earlier.append(question)
        self._at = len(self._earlier)

    def remember_older(self, questions: list[str]) -> None:
        """Adds questions before those that are known."""
        self._earlier[:0] = questions
        self._at += len(questions)

    def action_recall(self, step: int) -> None:
        """Puts an earlier question, or what was being typed, into the line."""
        if self._at == len(self._earlier):
            self._draft = self.value
        target = self._at + step
        if not 0 <= target <= len(self._earlier):
            return
        self._at = target
        self.value = self._earlier[target] if target < len(self._earlier) else self._draft
        self.cursor_position = len(self.value)

    def on_key(self, event: events.Key) -> None:
        """Takes 1 to 3 and ? while the line is empty."""
        key = event.character or ""
        if self.value or not key:
            return
        if key == "?" or (key.isdecimal() and key.isascii() and 0 < int(key) <= self.offers):
            event.prevent_default()
            event.stop()
            self.post_message(self.ShortKey(key))

    def on_paste(self, event: events.Paste) -> None:
        """Pastes several lines as one; of a whole document only the beginning."""
        event.prevent_default()
        event.stop()
        text = " ".join(event.text[:LONGEST_PASTE].split())
        if len(event.text) > LONGEST_PASTE:
            self.notify(
                f"The pasted text has {len(event.text):,} characters; only its beginning was "
                "taken. Ask for one term or abbreviation.",
                severity="warning",
            )
        if text:
            self.replace(text, *self.selection)
