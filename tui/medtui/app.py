"""The Textual app: a screen in front, a thread with the session behind."""

import signal
import threading
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, ClassVar

from medllm.errors import MedLLMError, StorageError
from textual import on
from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.notifications import SeverityLevel
from textual.screen import Screen

from medtui import settings, shown
from medtui.screens.chat import Chat
from medtui.session import Exchange, Session, StoppedError
from medtui.text import visible
from medtui.themes import DARK, LIGHT, THEMES
from medtui.widgets.answer import Turn
from medtui.widgets.question import Question
from medtui.worker import Ended, HistoryOpened, Loading, Ready, Worker

FLUSH_S = 1 / 15
"""Seconds between two redraws of an answer that grows."""


class MedTui(App[None]):
    """The terminal program.

    Args:
        session: what answers.
        theme: name of the colour theme.
        trouble: an error of the settings, to be told once the screen is there.
    """

    TITLE = "medtui"
    CSS_PATH = "medtui.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+q,ctrl+c", "quit", "Quit", priority=True),
        Binding("f1", "help", "Help"),
        Binding("ctrl+t", "switch_theme", "Light or dark", priority=True),
    ]

    def __init__(
        self, session: Session, theme: str | None = None, trouble: StorageError | None = None
    ) -> None:
        super().__init__()
        self._session, self._trouble = session, trouble
        for known in THEMES:
            self.register_theme(known)
        self.theme = theme if theme in self.available_themes else DARK
        self._remembered = self.theme
        self.chat = Chat(session)
        """The screen that is there all the time."""
        self._worker = Worker(session, self.post_message)
        self._live: tuple[Exchange, Turn] | None = None

    @property
    def answering(self) -> bool:
        """Whether a question is under way."""
        return self._live is not None

    def get_default_screen(self) -> Screen[Any]:
        """The chat screen is the first and stays."""
        return self.chat

    def on_mount(self) -> None:
        self._watch_signals()

    def on_ready(self) -> None:
        """Begins all that is slow, now that the first screen is painted."""
        if self._worker.ident is not None:  # Textual may say so twice
            return
        if self._trouble:
            self.notify(self._trouble.line(), severity="warning", timeout=10)
        self.set_interval(FLUSH_S, self._show_growth)
        self._worker.start()

    def _watch_signals(self) -> None:
        import asyncio

        for name in (signal.SIGTERM, signal.SIGHUP):
            with suppress(ValueError, RuntimeError, NotImplementedError):
                asyncio.get_running_loop().add_signal_handler(name, self._quit)

    @on(HistoryOpened)
    async def show_history(self, event: HistoryOpened) -> None:
        """Shows the latest turns."""
        if event.error:
            self._lose_history(event.error)
        else:
            await self.chat.load_earlier()

    @on(Loading)
    def show_loading(self, event: Loading) -> None:
        """Tells how far the model is loaded."""
        begins = event.share >= 1 and self._live
        self.chat.status.state = "answering" if begins else f"loading {event.share:.0%}"

    @on(Ready)
    def show_ready(self, event: Ready) -> None:
        """Tells the model, or why there is none."""
        status = self.chat.status
        if event.info:
            status.model = f"{event.info.name} {event.info.quantization}"
            status.state = "answering" if self._live else "ready"
        elif event.error:
            status.state = "no model"
            self.notify(event.error.line(), severity="error", timeout=30)

    @on(Question.Submitted)
    async def take_question(self, event: Question.Submitted) -> None:
        """Asks what was typed."""
        if await self.ask(event.value):
            self.chat.question.clear()

    @on(Turn.NearestChosen)
    async def take_nearest(self, event: Turn.NearestChosen) -> None:
        """Asks for an offered term."""
        await self.ask(f"What is {event.term}?")

    async def ask(self, text: str) -> bool:
        """Saves a question and has it answered; False where it can't be asked now."""
        if self._live:
            self.notify("One question at a time. Esc stops the running one.", timeout=4)
            return False
        try:
            exchange = self._begin(text)
        except MedLLMError as error:
            self.notify(error.line(), severity="warning", timeout=8)
            return False
        self.chat.question.remember(exchange.question)
        self.chat.offer(0)
        turn = await self.chat.transcript.add(shown.Shown(exchange.question))
        self._live = exchange, turn
        if self.chat.status.state in ("ready", "no model"):
            self.chat.status.state = "answering"
        self._worker.put(exchange)
        return True

    def _begin(self, text: str) -> Exchange:
        try:
            return self._session.begin(text)
        except StorageError as error:
            self._lose_history(error)
            return self._session.begin(text)

    def _show_growth(self) -> None:
        """Shows what has come; called at a steady pace, however fast the tokens are."""
        if self._live is None:
            return
        exchange, turn = self._live
        if exchange.text != turn.shown.text:
            self.chat.status.state = "answering"
            self.chat.status.speed = exchange.tokens_per_second
            self.chat.transcript.show(turn, turn.shown.grown(exchange.text))

    @on(Ended)
    def show_end(self, event: Ended) -> None:
        """Shows the whole answer, or what there is of it and why."""
        self.chat.status.refused = self._session.refused
        if self._session.storage_error:
            self._lose_history(self._session.storage_error)
            self._session.storage_error = None
        turn = self._turn_of(event.exchange)
        if turn is None:
            return
        self._live = None
        self.chat.status.state = "ready"
        if event.answer:
            self.chat.status.speed = event.answer.timings.tokens_per_second
            self.chat.transcript.show(turn, shown.of_answer(event.answer))
            self.chat.offer(len(event.answer.nearest))
            return
        assert event.error is not None
        arrived = turn.shown.grown(event.exchange.text)
        if isinstance(event.error, StoppedError):
            self.chat.transcript.show(turn, arrived.ended("stopped"))
        else:
            self.chat.status.state = "error"
            self.chat.transcript.show(turn, arrived.ended("failed", event.error.line()))

    def _turn_of(self, exchange: Exchange) -> Turn | None:
        if self._live and self._live[0] is exchange:
            return self._live[1]
        return None

    def action_stop(self) -> None:
        """Stops the running answer. Telling the engine may take a moment, so a thread does."""
        if not self._live:
            return
        exchange, turn = self._live
        exchange.stopped = True
        threading.Thread(target=self._session.stop, args=(exchange,), daemon=True).start()
        if not exchange.text:  # it waits for the model or its first token: no need to wait too
            self.chat.transcript.show(turn, turn.shown.ended("stopped"))
            self._live = None
            if self.chat.status.state == "answering":
                self.chat.status.state = "ready"

    def action_help(self) -> None:
        """Shows the keys."""
        from medtui.screens.help import Help

        if not isinstance(self.screen, Help):
            self.push_screen(Help())

    def action_switch_theme(self) -> None:
        """Goes from light to dark and back."""
        self.theme = LIGHT if self.current_theme.dark else DARK

    def watch_theme(self, theme: str) -> None:
        """Remembers the theme that the user chose."""
        if not self.is_running or theme == getattr(self, "_remembered", theme):
            return
        self._remembered = theme
        try:
            settings.remember_theme(theme)
        except (StorageError, OSError) as error:
            line = error.line() if isinstance(error, MedLLMError) else str(error)
            self.notify(f"The theme is not remembered. {line}", severity="warning")

    def notify(
        self,
        message: str,
        *,
        title: str = "",
        severity: SeverityLevel = "information",
        timeout: float | None = None,
        markup: bool = False,
    ) -> None:
        """Shows a message for a moment; never as markup, since it may hold any file's name."""
        super().notify(
            visible(message), title=title, severity=severity, timeout=timeout, markup=False
        )

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """The command palette's entries."""
        yield SystemCommand("Light or dark", "Switch the colours", self.action_switch_theme)
        yield SystemCommand("Theme", "Choose from all colours", self.action_change_theme)
        yield SystemCommand("Copy", "Copy the last answer", self.chat.action_copy)
        yield SystemCommand("Help", "Keys and badges", self.action_help)
        yield SystemCommand("Quit", "Leave at once", self._quit)

    async def action_quit(self) -> None:
        """Leaves at once, whatever is under way."""
        self._quit()

    def _quit(self) -> None:
        self._session.close()
        self.exit()

    def _print_error_renderables(self) -> None:
        """Keeps Textual's traceback from the user; `run` raises the error again."""
        self._exit_renderables.clear()

    def _lose_history(self, error: StorageError) -> None:
        """Goes on without the history file, and says so."""
        self._session.keep_in_memory()
        self.notify(
            f"{error.line()} Until then questions are kept in memory only.",
            severity="error",
            timeout=15,
        )
