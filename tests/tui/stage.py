"""Puts the app on a stage: a scripted engine, the tests' own cards, and waiting without sleeps."""

from collections.abc import Callable
from pathlib import Path

from medtui.app import MedTui
from medtui.session import Session
from textual.pilot import Pilot

from tests.tui.cards import CARDS
from tests.tui.scripted import ScriptedEngine


def staged(
    engine: ScriptedEngine, history: Path | None = None, theme: str = "medical-dark"
) -> MedTui:
    """The app with a scripted engine."""
    app = MedTui(Session(lambda: engine, history, reference=CARDS), theme)
    app.chat.call_later(lambda: setattr(app.chat.question, "cursor_blink", False))
    return app


async def until(pilot: Pilot[None], condition: Callable[[], object]) -> None:
    """Waits until `condition` holds."""
    for _ in range(1000):
        if condition():
            await pilot.pause()
            return
        await pilot.pause(0.01)
    raise AssertionError("it never came to that")


async def ready(pilot: Pilot[None]) -> MedTui:
    """Waits until the model is there."""
    app = pilot.app
    assert isinstance(app, MedTui)
    await until(pilot, lambda: app.chat.status.state == "ready")
    return app


async def ask(pilot: Pilot[None], question: str) -> MedTui:
    """Types a question and presses Enter."""
    app = pilot.app
    assert isinstance(app, MedTui)
    before = app.chat.transcript.turns[-1:]
    app.chat.question.value = question
    await pilot.press("enter")
    await until(pilot, lambda: app.chat.transcript.turns[-1:] != before)
    return app


async def answered(pilot: Pilot[None], question: str) -> MedTui:
    """Asks and waits for the end of the answer."""
    app = await ask(pilot, question)
    await until(pilot, lambda: not app.answering)
    return app
