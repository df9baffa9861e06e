"""The chat screen: transcript above, question below, status line at the bottom."""

from typing import ClassVar

from medllm.errors import StorageError
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import Screen
from textual.widgets import Static

from medtui import shown as turns
from medtui.session import Session
from medtui.widgets.answer import Turn
from medtui.widgets.question import Question
from medtui.widgets.status import Status
from medtui.widgets.transcript import PAGE, Transcript


class Chat(Screen[None]):
    """Where questions are asked and answers appear."""

    AUTO_FOCUS = "#question"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "app.stop", "Stop the answer"),
        Binding("pageup", "scroll(-1)", "Scroll up", show=False),
        Binding("pagedown", "scroll(1)", "Scroll down", show=False),
        Binding("ctrl+home", "older", "Older answers", show=False),
        Binding("ctrl+y", "copy", "Copy the last answer"),
    ]

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._oldest: int | None = None

    def compose(self) -> ComposeResult:
        yield Static("Medical terms, explained · private, on this machine", id="title")
        yield Transcript()
        with Vertical(id="dock"):
            yield Question()
        yield Status()

    @property
    def transcript(self) -> Transcript:
        """The turns."""
        return self.query_one(Transcript)

    @property
    def question(self) -> Question:
        """The input line."""
        return self.query_one(Question)

    @property
    def status(self) -> Status:
        """The status line."""
        return self.query_one(Status)

    def offer(self, count: int) -> None:
        """Lets the keys from 1 to `count` ask for the last turn's nearest terms."""
        self.question.offers = count

    async def load_earlier(self) -> None:
        """Fetches a page of older turns from the history."""
        try:
            entries = self._session.earlier(PAGE, self._oldest)
        except StorageError as error:
            self.notify(error.line(), severity="error", timeout=10)
            return
        if not entries:
            return
        self._oldest = entries[0].id
        self.question.remember_older([entry.question for entry in entries])
        await self.transcript.show_earlier(
            [Turn(turns.of_entry(entry), entry.id) for entry in entries]
        )

    @on(Transcript.OlderWanted)
    async def action_older(self) -> None:
        """Loads older turns, and goes to the top of what is there."""
        await self.load_earlier()

    def action_scroll(self, pages: int) -> None:
        """Scrolls the transcript by a page."""
        if pages < 0:
            if self.transcript.scroll_y <= 0 and self.transcript.turns:
                self.transcript.post_message(Transcript.OlderWanted())
            self.transcript.scroll_page_up()
        else:
            self.transcript.scroll_page_down()

    def action_copy(self) -> None:
        """Copies the selected text, or the last answer."""
        text = self.get_selected_text()
        if not text:
            answered = [turn for turn in self.transcript.turns if turn.shown.text]
            text = answered[-1].shown.text if answered else ""
        if text:
            self.app.copy_to_clipboard(text)
            self.notify("Copied, where the terminal allows it.", timeout=3)
        else:
            self.notify("There is no answer to copy yet.", timeout=3)

    @on(Question.ShortKey)
    def take_short_key(self, event: Question.ShortKey) -> None:
        """Opens the help, or asks for an offered term."""
        if event.key == "?":
            self.app.call_later(self.app.run_action, "help")
        elif self.transcript.turns:
            nearest = self.transcript.turns[-1].shown.nearest
            self.app.post_message(Turn.NearestChosen(nearest[int(event.key) - 1]))
