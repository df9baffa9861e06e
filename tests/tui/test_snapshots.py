"""Pictures of the screens. `pytest tests/tui/test_snapshots.py --snapshot-update` takes them anew."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from medllm.errors import EngineError
from medllm.history import History
from textual.app import App
from textual.pilot import Pilot

from tests.tui.cards import HYPERTENSION
from tests.tui.scripted import ScriptedEngine, in_pieces
from tests.tui.stage import answered, ask, ready, staged, until

TEXT = HYPERTENSION.text
Compare = Callable[..., bool]
Steps = Callable[[Pilot[None]], Awaitable[None]]


@pytest.fixture
def looks(snap_compare: Compare) -> Callable[..., None]:
    """Compares the app after some steps with its picture."""

    def compare(app: App[None], steps: Steps, size: tuple[int, int] = (100, 32)) -> None:
        async def run(pilot: Pilot[None]) -> None:
            chat = (await ready(pilot)).chat
            chat.question.cursor_blink = False
            await steps(pilot)
            chat.status.speed = 0.0  # a rate differs from run to run
            await pilot.pause()

        assert snap_compare(app, terminal_size=size, run_before=run)

    return compare


async def nothing(_: Pilot[None]) -> None:
    """The first screen."""


async def one_answer(pilot: Pilot[None]) -> None:
    await answered(pilot, "What is hypertension?")


def engine(**options: object) -> ScriptedEngine:
    return ScriptedEngine(in_pieces(TEXT), **options)  # type: ignore[arg-type]


def test_first_screen(looks: Callable[..., None]) -> None:
    looks(staged(engine()), nothing, (80, 24))


def test_first_screen_light(looks: Callable[..., None]) -> None:
    looks(staged(engine(), theme="medical-light"), nothing, (80, 24))


def test_answer(looks: Callable[..., None]) -> None:
    looks(staged(engine()), one_answer)


def test_answer_light(looks: Callable[..., None]) -> None:
    looks(staged(engine(), theme="medical-light"), one_answer)


def test_answer_narrow(looks: Callable[..., None]) -> None:
    looks(staged(engine()), one_answer, (40, 40))


def test_answer_wide(looks: Callable[..., None]) -> None:
    looks(staged(engine()), one_answer, (140, 30))


def test_replaced_answer(looks: Callable[..., None]) -> None:
    strays = ScriptedEngine(in_pieces(TEXT.replace("above", "below")))
    looks(staged(strays), one_answer)


def test_unknown_term(looks: Callable[..., None]) -> None:
    async def steps(pilot: Pilot[None]) -> None:
        await answered(pilot, "What is portal hypertension?")

    looks(staged(engine()), steps, (80, 24))


def test_live_answer(looks: Callable[..., None]) -> None:
    held = engine(hold_at=30)

    async def steps(pilot: Pilot[None]) -> None:
        app = await ask(pilot, "What is hypertension?")
        await until(pilot, held.held.is_set)
        arrived = "".join(held.pieces[:30])
        await until(pilot, lambda: app.chat.transcript.turns[-1].shown.text == arrived)

    looks(staged(held), steps, (80, 24))


def test_stopped_answer(looks: Callable[..., None]) -> None:
    held = engine(hold_at=30)

    async def steps(pilot: Pilot[None]) -> None:
        app = await ask(pilot, "What is hypertension?")
        await until(pilot, held.held.is_set)
        await pilot.press("escape")
        await until(pilot, lambda: not app.answering)

    looks(staged(held), steps, (80, 24))


def test_dead_engine(looks: Callable[..., None]) -> None:
    dead = EngineError("The engine was killed.", "Ask again; the engine starts anew.")
    looks(staged(engine(hold_at=30, error=dead)), one_answer, (80, 24))


def test_help(looks: Callable[..., None]) -> None:
    async def steps(pilot: Pilot[None]) -> None:
        await pilot.press("f1")

    looks(staged(engine()), steps, (80, 24))


def test_help_narrow(looks: Callable[..., None]) -> None:
    async def steps(pilot: Pilot[None]) -> None:
        await pilot.press("f1")

    looks(staged(engine()), steps, (40, 40))


def test_history(looks: Callable[..., None], home: Path) -> None:
    history = History(home / "history.sqlite3")
    history.finish(history.start("What is asthma?"), "**Definition**: A part of", "stopped")
    history.start("ما هو ارتفاع ضغط الدم؟ 高血圧")
    history.close()
    looks(staged(engine(), home / "history.sqlite3"), nothing, (80, 24))
