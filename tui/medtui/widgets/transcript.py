"""The transcript: the latest turns; older ones come from the history when they are wanted."""

from textual.containers import VerticalScroll
from textual.message import Message
from textual.widgets import Static

from medtui.shown import Shown
from medtui.widgets.answer import Turn

WINDOW = 50
"""Turns that stay mounted when a new one comes."""
PAGE = 20
"""Turns that are fetched at a time."""

INTRO = """\
Ask for a medical term, an abbreviation, a disease, a part of the body or a test.

  What is hypertension?
  What does MI stand for?
  Explain the term: tachycardia

Every answer has four parts. Nothing you type leaves this machine.
General information, no diagnosis. In an emergency call your local emergency number."""


class Transcript(VerticalScroll, can_focus=False):
    """Turns, the newest at the bottom."""

    class OlderWanted(Message):
        """The top was reached."""

    def __init__(self) -> None:
        super().__init__(Static(INTRO, id="intro", markup=False))

    @property
    def turns(self) -> list[Turn]:
        """The mounted turns, the oldest first."""
        return list(self.query_children(Turn))

    def show(self, turn: Turn, shown: Shown) -> None:
        """Shows more of a turn; stays at the end, unless the reader has scrolled away."""
        follow = self.scroll_target_y >= self.max_scroll_y - 1
        turn.show(shown)
        if follow:
            self._go_to_end()

    def _go_to_end(self) -> None:
        # The new height is known after the next refresh.
        self.call_after_refresh(self.scroll_end, animate=False)

    async def add(self, shown: Shown) -> Turn:
        """Adds a new turn at the bottom and goes there."""
        self.query_one("#intro").display = False
        turn = Turn(shown)
        await self.mount(turn)
        self._go_to_end()
        surplus = self.turns[:-WINDOW]
        if surplus:
            await self.remove_children(surplus)
        return turn

    async def show_earlier(self, turns: list[Turn]) -> None:
        """Puts older turns on top; what was in sight stays there."""
        if not turns:
            return
        self.query_one("#intro").display = False
        first = not self.turns
        bottom = self.max_scroll_y - self.scroll_y
        await self.mount(*turns, before=1 if self.turns else None)
        if first:
            self._go_to_end()
        else:
            self.call_after_refresh(
                lambda: self.scroll_to(y=self.max_scroll_y - bottom, animate=False)
            )

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Asks for older turns at the top."""
        super().watch_scroll_y(old_value, new_value)
        if new_value <= 0 < old_value and self.turns:
            self.post_message(self.OlderWanted())
