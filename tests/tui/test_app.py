"""The app's behaviour, through Textual's pilot; what needs llama.cpp is in test_terminal.py."""

import threading
import time
from pathlib import Path

import pytest
from medllm.errors import EngineError, StorageError
from medllm.history import History
from medtui.screens.help import Help
from medtui.widgets.transcript import PAGE, WINDOW
from textual.widgets import Static

from tests.tui.cards import HYPERTENSION
from tests.tui.scripted import ScriptedEngine, in_pieces
from tests.tui.stage import answered, ask, ready, staged, until

TEXT = HYPERTENSION.text


def shown(app, part: str, turn: int = -1) -> str:  # type: ignore[no-untyped-def]
    """Text of a part of a turn, empty where it is hidden."""
    widget = app.chat.transcript.turns[turn].query_one(f".{part}", Static)
    return str(widget.visual) if widget.display else ""


async def test_an_answer_grows_and_is_finished(home: Path) -> None:
    engine = ScriptedEngine(in_pieces(TEXT), hold_at=30)
    app = staged(engine, home / "history.sqlite3")
    async with app.run_test() as pilot:
        await ready(pilot)
        await ask(pilot, "What is hypertension?")
        await until(pilot, lambda: "small arteries" in shown(app, "body"))
        assert app.chat.status.state == "answering"
        assert shown(app, "safety") == ""
        engine.go.set()
        await until(pilot, lambda: not app.answering)
        assert shown(app, "body").startswith("Hypertension   reference ")
        assert "emergency care" in shown(app, "safety")
        assert "sha256 1a2b3c4d" in shown(app, "foot")
        assert app.chat.status.state == "ready"
        assert app.chat.status.refused == 0
        assert app.chat.question.value == ""


async def test_an_answer_that_strays_is_replaced_and_says_so() -> None:
    app = staged(ScriptedEngine(in_pieces(TEXT.replace("above", "below"))))
    async with app.run_test() as pilot:
        await ready(pilot)
        await answered(pilot, "hypertension")
        assert "stays above the usual range" in shown(app, "body")
        assert "strayed from the reference" in shown(app, "foot")


async def test_esc_keeps_what_had_arrived(home: Path) -> None:
    engine = ScriptedEngine(in_pieces(TEXT), hold_at=30)
    app = staged(engine, home / "history.sqlite3")
    async with app.run_test() as pilot:
        await ready(pilot)
        await ask(pilot, "hypertension")
        await until(pilot, engine.held.is_set)
        await until(pilot, lambda: "Definition" in shown(app, "body"))
        await pilot.press("escape")
        await until(pilot, lambda: not app.answering)
        assert "Stopped; what had arrived is kept." in shown(app, "foot")
        assert "Definition" in shown(app, "body")
        engine.hold_at = None
        assert (await answered(pilot, "hypotension")).chat.status.state == "ready"
        first, second = app._session.earlier(9)
        assert (first.state, first.text) == ("stopped", "".join(engine.pieces[:30]).strip())
        assert second.state == "done"


async def test_a_question_may_be_asked_and_stopped_while_the_model_loads(home: Path) -> None:
    engine = ScriptedEngine(in_pieces(TEXT), hold_load=True)
    app = staged(engine, home / "history.sqlite3")
    async with app.run_test() as pilot:
        await until(pilot, lambda: app.chat.status.state == "loading 40%")
        await ask(pilot, "hypertension")
        # It is saved before anything is loaded for it.
        assert [entry.state for entry in app._session.earlier(9)] == ["open"]
        await pilot.press("escape")
        assert "Stopped" in shown(app, "foot")
        await ask(pilot, "hypotension")
        engine.go.set()
        await until(pilot, lambda: not app.answering)
        assert [entry.state for entry in app._session.earlier(9)] == ["stopped", "done"]


async def test_an_engine_that_dies_is_told_and_started_again() -> None:
    dead = EngineError("The engine was killed.", "Ask again; the engine starts anew.")
    engine = ScriptedEngine(in_pieces(TEXT), hold_at=20, error=dead)
    app = staged(engine)
    async with app.run_test() as pilot:
        await ready(pilot)
        await answered(pilot, "hypertension")
        assert "! The engine was killed. Ask again" in shown(app, "foot")
        assert "Definition" in shown(app, "body")
        engine.hold_at = None
        await answered(pilot, "hypertension")
        assert "reference" in shown(app, "body")
        assert engine.loads == 2


async def test_nearest_terms_are_asked_by_key_and_by_click() -> None:
    app = staged(ScriptedEngine(in_pieces(TEXT)))
    async with app.run_test() as pilot:
        await ready(pilot)
        await answered(pilot, "What is portal hypertension?")
        assert "1 Hypertension" in shown(app, "foot")
        assert "no answer" in shown(app, "body")
        await pilot.press("1")
        await until(pilot, lambda: len(app.chat.transcript.turns) == 2 and not app.answering)
        assert shown(app, "question") == "What is Hypertension?"
        await pilot.press("1")  # nothing is offered any more: it is typed
        assert app.chat.question.value == "1"
        app.chat.question.value = ""
        await answered(pilot, "What is portal hypotension?")
        foot = app.chat.transcript.turns[-1].query_one(".foot", Static)
        await pilot.click(foot, offset=(6, 1))
        await until(pilot, lambda: len(app.chat.transcript.turns) == 4)


async def test_up_and_down_recall_questions_those_of_the_history_too(home: Path) -> None:
    history = History(home / "history.sqlite3")
    for question in ("older?", "old?"):
        history.finish(history.start(question), "text", "done")
    history.close()
    app = staged(ScriptedEngine(in_pieces(TEXT)), home / "history.sqlite3")
    async with app.run_test() as pilot:
        await ready(pilot)
        await answered(pilot, "hypertension")
        await pilot.press(*"new")
        seen = []
        for key in ("up", "up", "up", "up", "down", "down", "down", "down"):
            await pilot.press(key)
            seen.append(app.chat.question.value)
        assert seen == [
            *("hypertension", "old?", "older?", "older?"),
            *("old?", "hypertension", "new", "new"),
        ]


async def test_the_transcript_is_a_window_that_grows_upwards(home: Path) -> None:
    history = History(home / "history.sqlite3")
    for number in range(70):
        history.finish(history.start(f"question {number}"), f"text {number}", "done")
    history.close()
    app = staged(ScriptedEngine(in_pieces(TEXT)), home / "history.sqlite3")
    async with app.run_test() as pilot:
        transcript = app.chat.transcript

        def questions() -> list[str]:
            return [turn.shown.question for turn in transcript.turns]

        await ready(pilot)
        assert questions() == [f"question {n}" for n in range(70 - PAGE, 70)]
        await until(pilot, lambda: transcript.scroll_y == transcript.max_scroll_y > 0)
        transcript.scroll_home(animate=False)
        await until(pilot, lambda: len(questions()) == 2 * PAGE)
        # What was in sight still is: the reader is not thrown to the new top.
        await until(pilot, lambda: transcript.scroll_y > 0)
        await pilot.press("ctrl+home")
        await until(pilot, lambda: len(questions()) == 3 * PAGE)
        assert questions() == [f"question {n}" for n in range(70 - 3 * PAGE, 70)]
        await answered(pilot, "hypertension")
        assert len(questions()) == WINDOW
        assert questions()[-2:] == ["question 69", "hypertension"]


async def test_empty_and_long_questions_are_refused_in_a_line(home: Path) -> None:
    app = staged(ScriptedEngine(in_pieces(TEXT)), home / "history.sqlite3")
    async with app.run_test() as pilot:
        await ready(pilot)
        for question, says in (("  ", "empty"), ("a" * 100_000, "100,000 characters")):
            app.chat.question.value = question
            await pilot.press("enter")
            await until(pilot, lambda says=says: any(says in n.message for n in app._notifications))
        assert app.chat.transcript.turns == []
        assert app._session.earlier(9) == []


async def test_a_pasted_document_is_cut_and_its_lines_are_joined() -> None:
    from textual.events import Paste

    app = staged(ScriptedEngine())
    async with app.run_test() as pilot:
        await ready(pilot)
        app.chat.question.post_message(Paste("What is\r\nhypertension?\n"))
        await until(pilot, lambda: app.chat.question.value == "What is hypertension?")
        app.chat.question.value = ""
        app.chat.question.post_message(Paste("word " * 20_000))
        await until(pilot, lambda: any("100,000" in n.message for n in app._notifications))
        assert len(app.chat.question.value) < 5000


async def test_one_question_at_a_time() -> None:
    engine = ScriptedEngine(in_pieces(TEXT), hold_at=3)
    app = staged(engine)
    async with app.run_test() as pilot:
        await ready(pilot)
        await ask(pilot, "hypertension")
        app.chat.question.value = "hypotension"
        await pilot.press("enter")
        await until(pilot, lambda: any("One question" in n.message for n in app._notifications))
        assert app.chat.question.value == "hypotension"
        assert len(app.chat.transcript.turns) == 1


async def test_a_history_that_fills_up_in_mid_answer_loses_no_answer(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = ScriptedEngine(in_pieces(TEXT), hold_at=30)
    app = staged(engine, home / "history.sqlite3")
    async with app.run_test() as pilot:
        await ready(pilot)
        await ask(pilot, "hypertension")
        await until(pilot, engine.held.is_set)

        def full(*_: object) -> None:
            raise StorageError("The history can't be written: disk full.", "Make room.")

        monkeypatch.setattr(History, "finish", full)
        engine.go.set()
        await until(pilot, lambda: not app.answering)
        assert "emergency care" in shown(app, "safety")
        assert any("disk full" in n.message for n in app._notifications)
        monkeypatch.undo()
        engine.hold_at = None
        await answered(pilot, "hypotension")
        assert [entry.question for entry in app._session.earlier(9)] == ["hypotension"]


async def test_copy_takes_the_last_answer() -> None:
    app = staged(ScriptedEngine(in_pieces(TEXT)))
    async with app.run_test() as pilot:
        await ready(pilot)
        await answered(pilot, "hypertension")
        await pilot.press("ctrl+y")
        await until(pilot, lambda: app.clipboard == TEXT)


@pytest.mark.parametrize("key", ["f1", "question_mark"])
async def test_help_opens_and_closes(key: str) -> None:
    app = staged(ScriptedEngine())
    async with app.run_test() as pilot:
        await ready(pilot)
        await pilot.press(key)
        await until(pilot, lambda: isinstance(app.screen, Help))
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(app.screen, Help))
        await pilot.press("a", "question_mark")
        assert app.chat.question.value == "a?"


async def test_markup_and_escapes_are_shown_as_text() -> None:
    wild = "**Definition**: [red]x[/red] [@click=app.quit]y[/] \x1b[31mz `q` [unclosed"
    app = staged(ScriptedEngine([wild]))
    async with app.run_test() as pilot:
        await ready(pilot)
        app._session.stop()
        await ask(pilot, "hypertension [b] [/x]")
        await until(pilot, lambda: not app.answering)
        assert shown(app, "question") == "hypertension [b] [/x]"
        app.chat.transcript.turns[-1].show(app.chat.transcript.turns[-1].shown.grown(wild))
        await pilot.pause()
        assert "[red]x[/red] [@click=app.quit]y[/] [31mz `q` [unclosed" in shown(app, "body")


async def test_quitting_does_not_wait_for_an_answer(home: Path) -> None:
    engine = ScriptedEngine(in_pieces(TEXT), hold_at=30)
    app = staged(engine, home / "history.sqlite3")
    async with app.run_test() as pilot:
        await ready(pilot)
        await ask(pilot, "hypertension")
        await until(pilot, engine.held.is_set)
        started = time.monotonic()
        await pilot.press("ctrl+q")
        await until(pilot, lambda: not app.is_running)
        assert time.monotonic() - started < 1
    history = History(home / "history.sqlite3")
    (entry,) = history.latest()
    assert (entry.state, entry.text) == ("stopped", "".join(engine.pieces[:30]))


async def test_an_unexpected_fault_of_the_engine_is_a_line() -> None:
    threads = threading.active_count()
    app = staged(ScriptedEngine(in_pieces(TEXT), load_error=RuntimeError("odd")))  # type: ignore[arg-type]
    async with app.run_test() as pilot:
        await until(pilot, lambda: app.chat.status.state == "no model")
        await answered(pilot, "hypertension")
        assert "! Something unexpected happened (RuntimeError: odd)." in shown(app, "foot")
        assert threading.active_count() <= threads + 3
