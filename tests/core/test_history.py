"""The history: nothing is lost, nothing that was deleted is left."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from medllm.errors import StorageError
from medllm.history import History


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "user" / "history.sqlite3"


def test_an_answer_grows_and_ends(file: Path) -> None:
    history = History(file)
    entry = history.start("What is asthma?")
    history.grow(entry, "**Defin")
    assert [(e.question, e.text, e.state) for e in history.latest()] == [
        ("What is asthma?", "**Defin", "open")
    ]
    history.finish(entry, "whole", "done", {"term": "Asthma"})
    history.close()
    (kept,) = History(file).latest()
    assert (kept.text, kept.state, kept.answer) == ("whole", "done", {"term": "Asthma"})


def test_pages_go_back_in_time(file: Path) -> None:
    history = History(file)
    ids = [history.start(f"question {n}") for n in range(5)]
    assert [e.question for e in history.latest(2)] == ["question 3", "question 4"]
    assert [e.question for e in history.latest(2, before=ids[3])] == ["question 1", "question 2"]


def test_kill_minus_nine_keeps_question_and_partial_answer(file: Path) -> None:
    program = (
        "import os, sys, time\n"
        "from pathlib import Path\n"
        "from medllm.history import History\n"
        "history = History(Path(sys.argv[1]))\n"
        "entry = history.start('What is gout?')\n"
        "history.grow(entry, 'Gout is')\n"
        "print('ready', flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(file)], stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        os.kill(child.pid, signal.SIGKILL)
    (kept,) = History(file).latest()
    assert (kept.question, kept.text, kept.state) == ("What is gout?", "Gout is", "open")


def test_deleted_text_is_gone_from_the_disk(file: Path) -> None:
    history = History(file)
    secret = "a very private question about nothing"
    entry = history.start(secret)
    history.finish(entry, secret, "done")
    history.delete(entry)
    assert history.latest() == []
    left = b"".join(path.read_bytes() for path in file.parent.iterdir())
    assert secret.encode() not in left


def test_clear_empties_everything(file: Path) -> None:
    history = History(file)
    for n in range(3):
        history.start(f"secret {n}")
    history.clear()
    assert history.latest() == []
    assert b"secret" not in b"".join(path.read_bytes() for path in file.parent.iterdir())


def test_a_damaged_file_is_named_and_left_as_it_is(file: Path) -> None:
    file.parent.mkdir(parents=True)
    damaged = b"this is no database" * 100
    file.write_bytes(damaged)
    with pytest.raises(StorageError, match="can't be read") as caught:
        History(file)
    assert str(file) in caught.value.hint
    assert file.read_bytes() == damaged


def test_another_programs_database_is_not_touched(file: Path) -> None:
    import sqlite3

    file.parent.mkdir(parents=True)
    other = sqlite3.connect(file)
    other.execute("CREATE TABLE theirs (x)")
    other.commit()
    other.close()
    with pytest.raises(StorageError, match="another program"):
        History(file)


def test_the_folder_can_be_a_file(tmp_path: Path) -> None:
    (tmp_path / "user").write_text("in the way")
    with pytest.raises(StorageError) as caught:
        History(tmp_path / "user" / "history.sqlite3")
    assert caught.value.hint


def test_only_the_user_can_read_it(file: Path) -> None:
    History(file).start("private")
    assert file.stat().st_mode & 0o077 == 0
    assert file.parent.stat().st_mode & 0o077 == 0


def test_in_memory_leaves_no_file(tmp_path: Path) -> None:
    history = History(None)
    history.start("What is gout?")
    assert len(history.latest()) == 1
    assert list(tmp_path.iterdir()) == []
