"""The programs in a real terminal, with llama.cpp: nothing blanks the screen, quitting is quick."""

import os
import signal
import sys
import time
from pathlib import Path

import pytest
from medllm.history import History
from medllm.reference import builtin_cards

from tests.tui.terminal import Terminal

MEDTUI = [sys.executable, "-m", "medtui"]
HYPERTENSION = next(card for card in builtin_cards() if card.id == "hypertension")


def plain(card_text: str) -> str:
    return card_text.replace("**", "")


def test_a_model_that_loads_does_not_blank_the_screen(tiny_mini: Path) -> None:
    with Terminal([*MEDTUI, "--model", str(tiny_mini)]) as terminal:
        terminal.wait_for("Ask for a medical term", "ready")
        # From the first painted screen on, every frame has title and status line.
        first = next(n for n, f in enumerate(terminal.frames) if "refused connections: 0" in f)
        states = set()
        for frame in terminal.frames[first:]:
            assert "Medical terms, explained" in frame
            assert "refused connections: 0" in frame
            states.add(frame.split("\n")[-1].split(" ·")[0].strip())
        assert "starting" in states
        assert "ready" in states
        assert any(state.startswith("loading ") for state in states)
        terminal.send("What is hypertension?\r")
        terminal.wait_for("reference", "Safety Note", "strayed from the reference")
        terminal.send("\x11")
        assert terminal.ends() == 0


def test_it_draws_after_the_engine_has_loaded(tiny_mini: Path) -> None:
    with Terminal([*MEDTUI, "--model", str(tiny_mini)]) as terminal:
        terminal.wait_for("ready")
        terminal.send("zebra")
        terminal.wait_for("│  zebra ")


@pytest.mark.parametrize("key", ["\x11", "\x03"], ids=["ctrl+q", "ctrl+c"])
def test_quitting_while_it_answers_is_quick_and_keeps_the_part(
    slow_mini: Path, home: Path, key: str
) -> None:
    with Terminal([*MEDTUI, "--model", str(slow_mini)]) as terminal:
        terminal.wait_for("ready")
        terminal.send("hypertension\r")
        terminal.wait_for("answering", "Definition")
        started = time.monotonic()
        terminal.send(key)
        assert terminal.ends() == 0
        assert time.monotonic() - started < 2
    history = History(home / "history.sqlite3")
    (entry,) = history.latest()
    assert (entry.question, entry.state) == ("hypertension", "stopped")
    assert entry.text.startswith("**Definition**:")


def test_quitting_while_it_loads(slow_mini: Path) -> None:
    with Terminal([*MEDTUI, "--model", str(slow_mini)]) as terminal:
        terminal.wait_for("loading")
        started = time.monotonic()
        terminal.send("\x11")
        assert terminal.ends() == 0
        assert time.monotonic() - started < 2
        assert b"Traceback" not in terminal.written


def test_esc_keeps_what_had_arrived_and_the_next_question_is_answered(
    slow_mini: Path, home: Path
) -> None:
    with Terminal([*MEDTUI, "--model", str(slow_mini)]) as terminal:
        terminal.wait_for("ready")
        terminal.send("hypertension\r")
        terminal.wait_for("answering", "Definition")
        terminal.send("\x1b")
        terminal.wait_for("Stopped; what had arrived is kept.", "ready")
        terminal.send("What is zorbitis?\r")
        terminal.wait_for("no answer")
        terminal.send("\x11")
        terminal.ends()
    history = History(home / "history.sqlite3")
    assert [entry.state for entry in history.latest()] == ["stopped", "done"]


def engine_host(process: int) -> int:
    tasks = Path(f"/proc/{process}/task")
    return next(
        int(pid) for task in tasks.iterdir() for pid in (task / "children").read_text().split()
    )


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs /proc")
def test_a_killed_engine_is_told_and_starts_again(slow_mini: Path, home: Path) -> None:
    with Terminal([*MEDTUI, "--model", str(slow_mini)], lines=40) as terminal:
        terminal.wait_for("ready")
        terminal.send("hypertension\r")
        terminal.wait_for("answering", "Definition")
        os.kill(engine_host(terminal.process.pid), signal.SIGKILL)
        text = terminal.wait_for("The engine was killed", " error ·")
        assert "Definition" in text
        terminal.send("What is zorbitis?\r")
        terminal.wait_for("no answer", "ready")
        terminal.send("\x11")
        assert terminal.ends() == 0
    history = History(home / "history.sqlite3")
    failed, done = history.latest()
    assert (failed.state, done.state) == ("failed", "done")
    assert failed.text.startswith("**Definition**:")


def test_a_kill_9_loses_nothing(slow_mini: Path) -> None:
    with Terminal([*MEDTUI, "--model", str(slow_mini)]) as terminal:
        terminal.wait_for("ready")
        terminal.send("hypertension\r")
        terminal.wait_for("answering", "Definition")
        time.sleep(0.7)  # an answer is saved every half second
        terminal.process.kill()
        terminal.ends()
    with Terminal([*MEDTUI, "--model", str(slow_mini)]) as terminal:
        terminal.wait_for("hypertension", "Definition", "Never finished")


def test_a_damaged_history_is_told_and_left(tiny_mini: Path, home: Path) -> None:
    home.mkdir()
    (home / "history.sqlite3").write_bytes(b"no database" * 500)
    with Terminal([*MEDTUI, "--model", str(tiny_mini)], columns=120, lines=40) as terminal:
        terminal.wait_for("damaged)", "memory", "ready")
        terminal.send("hypertension\r")
        terminal.wait_for("Safety Note")
        terminal.send("\x11")
        assert terminal.ends() == 0
    assert (home / "history.sqlite3").read_bytes() == b"no database" * 500


def test_a_named_model_that_is_none_is_told_before_the_screen(tmp_path: Path) -> None:
    with Terminal([*MEDTUI, "--model", str(tmp_path / "no.gguf")], columns=160) as terminal:
        assert terminal.ends() == 3
        assert "error: There is no model no.gguf" in terminal.text


def test_the_settings_model_that_is_none_is_told_on_the_screen(home: Path) -> None:
    home.mkdir()
    (home / "settings.toml").write_text('model = "/nowhere/no.gguf"\n')
    with Terminal(MEDTUI, columns=120) as terminal:
        terminal.wait_for("There is no model no.gguf", "medtui pull", "no model")
        terminal.send("hypertension\r")
        terminal.wait_for("! There is no model no.gguf")


def test_broken_settings_are_told_and_left(tiny_mini: Path, home: Path) -> None:
    home.mkdir()
    (home / "settings.toml").write_text("theme = \n")
    with Terminal([*MEDTUI, "--model", str(tiny_mini)], columns=120) as terminal:
        terminal.wait_for("settings.toml can't be used", "ready")
        terminal.send("\x14")  # switching the colours would write the file
        terminal.wait_for("not remembered")
    assert (home / "settings.toml").read_text() == "theme = \n"


def test_the_theme_is_remembered(tiny_mini: Path, home: Path) -> None:
    with Terminal([*MEDTUI, "--model", str(tiny_mini)]) as terminal:
        terminal.wait_for("ready")
        terminal.send("\x14")
        settings = home / "settings.toml"
        for _ in range(200):
            if settings.exists():
                break
            time.sleep(0.02)
    assert settings.read_text() == 'theme = "medical-light"\n'


def test_a_terminal_that_hangs_up_saves_the_part(slow_mini: Path, home: Path) -> None:
    with Terminal([*MEDTUI, "--model", str(slow_mini)]) as terminal:
        terminal.wait_for("ready")
        terminal.send("hypertension\r")
        terminal.wait_for("answering", "Definition")
        terminal.process.send_signal(signal.SIGHUP)
        terminal.ends()
    history = History(home / "history.sqlite3")
    assert history.latest()[0].state == "stopped"


def test_without_a_terminal_it_says_what_to_use(medtui) -> None:  # type: ignore[no-untyped-def]
    done = medtui()
    assert done.returncode == 2
    assert "medtui ask" in done.stderr


def ask(model: Path, *options: str, **environment: str) -> Terminal:
    return Terminal(
        [*MEDTUI, "ask", "hypertension", "--model", str(model), *options], 100, 30, **environment
    )


def test_ask_streams_and_leaves_the_final_text_standing(tiny_mini: Path) -> None:
    with ask(tiny_mini) as terminal:
        assert terminal.ends() == 0
        seen = terminal.written.decode()
        assert seen.count("Definition\x1b[0m") == 2  # the model's own, and the card's
        lines = terminal.text.split("\n")
        assert lines[0].startswith("Definition Hypertension is a condition")
        assert terminal.text.count("Definition ") == 1
        assert "strayed from the reference" in terminal.text
        assert "\x1b[1;36m" in seen


def test_ask_without_colours(tiny_mini: Path) -> None:
    with ask(tiny_mini, NO_COLOR="1") as terminal:
        assert terminal.ends() == 0
        assert b"\x1b[1;36m" not in terminal.written
        assert terminal.text.startswith("Definition: Hypertension is a condition")


def test_ask_on_a_dumb_terminal_prints_the_final_text_alone(tiny_mini: Path) -> None:
    with ask(tiny_mini, TERM="dumb") as terminal:
        assert terminal.ends() == 0
        assert b"\x1b" not in terminal.written
        assert terminal.text.count("**Definition**:") == 1
