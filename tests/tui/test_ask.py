"""`medtui ask` through the real command and llama.cpp: output, exit codes, every bad input."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from medllm.history import History
from medllm.reference import builtin_cards

from tests.tiny import write_tiny
from tests.tui.conftest import Run

HYPERTENSION = next(card for card in builtin_cards() if card.id == "hypertension")
KEYS = """question term concept source card text adherent nearest provenance timings network
    warnings""".split()


def entries(home: Path) -> list[tuple[str, str, str]]:
    """(question, text, state) of each entry."""
    history = History(home / "history.sqlite3")
    found = [(entry.question, entry.text, entry.state) for entry in history.latest()]
    history.close()
    return found


def test_text_is_the_card_alone_and_warnings_go_aside(
    medtui: Run, tiny_mini: Path, home: Path
) -> None:
    done = medtui("ask", "What is hypertension?", "--model", str(tiny_mini))
    assert done.returncode == 0
    assert done.stdout == HYPERTENSION.text + "\n"
    assert "strayed from the reference" in done.stderr
    assert entries(home) == [("What is hypertension?", HYPERTENSION.text, "done")]


def test_json_is_one_object_with_these_keys(medtui: Run, tiny_mini: Path) -> None:
    done = medtui("ask", "--json", "--seed", "7", "--model", str(tiny_mini), "high blood pressure")
    assert done.returncode == 0
    answer = json.loads(done.stdout)
    assert list(answer) == KEYS
    assert list(answer["card"]) == [
        "definition",
        "explanation",
        "clinical_relevance",
        "safety_note",
    ]
    assert list(answer["timings"]) == ["load_ms", "first_token_ms", "tokens", "tokens_per_second"]
    assert answer["source"] == "reference"
    assert answer["term"] == "Hypertension"
    assert answer["concept"] == "DOID:10763"
    assert answer["text"] == HYPERTENSION.text
    assert answer["adherent"] is True
    assert answer["network"] == {"refused": 0}
    assert answer["provenance"]["seed"] == 7
    assert answer["provenance"]["card"] == "hypertension"
    assert answer["timings"]["load_ms"] > 0 < answer["timings"]["tokens"]


def test_an_unknown_term_gets_no_answer_and_its_own_exit_code(medtui: Run, tiny_mini: Path) -> None:
    done = medtui("ask", "What is portal hypertension?", "--model", str(tiny_mini))
    assert done.returncode == 20
    assert "not in the built-in reference" in done.stdout
    assert "medtui pull" in done.stdout
    assert "Nearest terms: Hypertension" in done.stderr


def test_the_question_is_read_from_a_pipe(medtui: Run, tiny_mini: Path, home: Path) -> None:
    done = medtui("ask", "--model", str(tiny_mini), stdin=b"What is\nhypertension?\n\xff")
    assert done.returncode == 0
    assert entries(home)[0][0] == "What is hypertension? \ufffd"


def test_no_history(medtui: Run, tiny_mini: Path, home: Path) -> None:
    done = medtui("ask", "hypertension", "--no-history", "--model", str(tiny_mini))
    assert done.returncode == 0
    assert not (home / "history.sqlite3").exists()


def test_without_terminal_and_term(medtui: Run, tiny_mini: Path) -> None:
    done = medtui("ask", "hypertension", "--model", str(tiny_mini), TERM="", NO_COLOR="1")
    assert done.returncode == 0
    assert "\x1b" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("question", "says"),
    [
        ("", "The question is empty."),
        ("  \t ", "The question is empty."),
        ("?!\x07", "The question is empty."),
        ("a" * 100_000, "The question has 100,000 characters, the most is 2,000."),
    ],
)
def test_questions_that_cannot_be_asked(
    medtui: Run, tiny_mini: Path, home: Path, question: str, says: str
) -> None:
    done = medtui("ask", question, "--model", str(tiny_mini))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: {says}")
    assert done.stderr.count("\n") == 1
    assert not (home / "history.sqlite3").exists() or entries(home) == []


def test_a_huge_pipe_is_not_read_to_its_end(medtui: Run, tiny_mini: Path) -> None:
    done = medtui("ask", "--model", str(tiny_mini), stdin=b"word " * 1_000_000)
    assert done.returncode == 2
    assert "the most is 2,000" in done.stderr


@pytest.mark.parametrize(
    ("question", "kept"),
    [
        ("What is \x1b[31mhyper\x00tension?", "What is [31mhyper tension?"),
        ("ما هو ارتفاع ضغط الدم؟", "ما هو ارتفاع ضغط الدم؟"),
        ("高血圧とは何ですか", "高血圧とは何ですか"),
        ("\u202eWhat is hypertension?", "What is hypertension?"),
    ],
)
def test_every_script_and_no_control(
    medtui: Run, tiny_mini: Path, question: str, kept: str
) -> None:
    stdin = question.encode()
    done = medtui("ask", "--json", "--model", str(tiny_mini), stdin=stdin, LC_ALL="C")
    assert done.returncode in (0, 20)
    assert json.loads(done.stdout)["question"] == kept


def broken_models(tmp_path: Path, whole: Path) -> dict[str, tuple[Path, str]]:
    """Files that are no models, with what is said of them."""
    data = whole.read_bytes()
    made = {
        "empty": (b"", "is empty"),
        "text": (b"Hello, this is no model.\n" * 99, "not a GGUF file"),
        "header cut": (data[:2000], "truncated"),
        "tensors cut": (data[: len(data) // 2], "truncated"),
        "pointer": (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        "garbled": (data[:4] + b"\x03\0\0\0" + b"\xff" * 400, "garbled"),
    }
    found = {
        "missing": (tmp_path / "no.gguf", "There is no model no.gguf"),
        "folder": (tmp_path, "is a folder"),
    }
    for name, (content, says) in made.items():
        file = tmp_path / f"{name}.gguf"
        file.write_bytes(content)
        found[name] = (file, says)
    return found


def test_models_that_are_none(medtui: Run, tiny_mini: Path, tmp_path: Path, home: Path) -> None:
    for file, says in broken_models(tmp_path, tiny_mini).values():
        done = medtui("ask", "hypertension", "--model", str(file))
        assert (done.returncode, done.stdout) == (3, ""), file
        assert says in done.stderr
        assert done.stderr.count("\n") == 1
    assert {state for _, _, state in entries(home)} == {"failed"}


def test_a_model_too_large_for_the_memory(medtui: Run, tiny_mini: Path, tmp_path: Path) -> None:
    file = tmp_path / "huge.gguf"
    data = bytearray(tiny_mini.read_bytes())
    # The embedding is told to have 2^38 rows; the file is sparse, so that it is not truncated.
    at = data.index(b"token_embd.weight") + len("token_embd.weight")
    data[at + 12 : at + 20] = (1 << 30).to_bytes(8, "little")
    file.write_bytes(data)
    os.truncate(file, 1 << 40)
    done = medtui("ask", "hypertension", "--model", str(file))
    assert done.returncode == 3
    assert "needs about" in done.stderr
    assert "are free" in done.stderr


def test_a_damaged_history_is_left_alone(medtui: Run, tiny_mini: Path, home: Path) -> None:
    home.mkdir()
    file = home / "history.sqlite3"
    file.write_bytes(b"SQLite format 3\0" + b"\xa5" * 5000)
    before = file.read_bytes()
    done = medtui("ask", "hypertension", "--model", str(tiny_mini))
    assert (done.returncode, done.stdout) == (5, "")
    assert done.stderr.startswith(f"error: The history {file} can't be read")
    assert done.stderr.count("\n") == 1
    assert file.read_bytes() == before
    without = medtui("ask", "hypertension", "--no-history", "--model", str(tiny_mini))
    assert without.returncode == 0


def test_another_programs_database_is_left_alone(medtui: Run, tiny_mini: Path, home: Path) -> None:
    home.mkdir()
    with sqlite3.connect(home / "history.sqlite3") as other:
        other.execute("CREATE TABLE theirs (x)")
    done = medtui("ask", "hypertension", "--model", str(tiny_mini))
    assert done.returncode == 5
    assert "another program" in done.stderr


def test_a_home_that_cannot_be_made(medtui: Run, tiny_mini: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    blocked = str(tmp_path / "file" / "home")
    done = medtui("ask", "hypertension", "--model", str(tiny_mini), MEDLLM_HOME=blocked)
    assert (done.returncode, done.stdout) == (5, "")
    assert "MEDLLM_HOME" in done.stderr
    without = medtui(
        "ask", "hypertension", "--no-history", "--model", str(tiny_mini), MEDLLM_HOME=blocked
    )
    assert without.returncode == 0


def in_a_small_home(folder: Path, script: str) -> subprocess.CompletedProcess[str]:
    """Runs a shell script with a file system of 256 kB of its own at `folder`."""
    folder.mkdir()
    done = subprocess.run(
        [
            "unshare",
            "--mount",
            "--map-root-user",
            "sh",
            "-c",
            f"mount -t tmpfs -o size=256k tmpfs {folder} && {script}",
        ],
        capture_output=True,
        text=True,
        env={**os.environ, "MEDLLM_HOME": str(folder)},
        check=False,
    )
    if "unshare" in done.stderr or "mount:" in done.stderr:
        pytest.skip("no mount namespaces here")
    return done


needs_unshare = pytest.mark.skipif(shutil.which("unshare") is None, reason="needs unshare")


@needs_unshare
def test_a_full_home(tiny_mini: Path, tmp_path: Path) -> None:
    folder = tmp_path / "full"
    ask = f"{sys.executable} -m medtui ask hypertension --model {tiny_mini}"
    fill = f"dd if=/dev/zero of={folder}/fill bs=1k 2>/dev/null"
    done = in_a_small_home(folder, f"{fill}; exec {ask}")
    assert done.returncode == 5, done.stderr
    assert done.stderr.count("\n") == 1
    assert "can't be written" in done.stderr


@needs_unshare
def test_a_read_only_home_keeps_its_history(tiny_mini: Path, tmp_path: Path) -> None:
    folder = tmp_path / "fixed"
    ask = f"{sys.executable} -m medtui ask hypertension --model {tiny_mini}"
    count = f"{sys.executable} -c \"import sqlite3; print(sqlite3.connect('file:{folder}/history.sqlite3?immutable=1', uri=True).execute('select count(*) from entry').fetchone())\""
    script = f"{ask} >/dev/null 2>&1; mount -o remount,ro {folder}; {ask}; echo code $?; {count}"
    done = in_a_small_home(folder, script)
    assert done.stdout.split("\n")[-3:-1] == ["code 5", "(1,)"]
    assert done.stderr.count("\n") == 1
    assert "can't be written" in done.stderr


class Running:
    """`medtui ask` that is under way with an answer of several seconds."""

    def __init__(self, model: Path, *options: str) -> None:
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "medtui",
                "ask",
                "hypertension",
                "--model",
                str(model),
                *options,
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def wait_for_text(self, home: Path) -> None:
        """Until a part of the answer is saved."""
        for _ in range(600):
            file = home / "history.sqlite3"
            if file.exists():
                try:
                    with sqlite3.connect(f"file:{file}?mode=ro", uri=True) as db:
                        if db.execute("SELECT text FROM entry").fetchone()[0]:
                            return
                except (sqlite3.Error, TypeError):
                    pass
            time.sleep(0.02)
        raise AssertionError("nothing was saved")

    def host(self) -> int:
        """Process id of the engine host."""
        children = Path(f"/proc/{self.process.pid}/task")
        found = [
            int(pid)
            for task in children.iterdir()
            for pid in (task / "children").read_text().split()
        ]
        return found[0]


needs_proc = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs /proc")


@needs_proc
def test_a_killed_engine_leaves_what_had_arrived(slow_mini: Path, home: Path) -> None:
    running = Running(slow_mini)
    running.wait_for_text(home)
    os.kill(running.host(), signal.SIGKILL)
    output, errors = running.process.communicate(timeout=20)
    assert running.process.returncode == 4
    assert errors.startswith("error: The engine was killed")
    assert errors.count("\n") == 1
    ((_, text, state),) = entries(home)
    assert state == "failed"
    assert text
    assert output.startswith("**Definition**:")


def test_ctrl_c_keeps_what_had_arrived(slow_mini: Path, home: Path) -> None:
    running = Running(slow_mini)
    running.wait_for_text(home)
    started = time.monotonic()
    running.process.send_signal(signal.SIGINT)
    _, errors = running.process.communicate(timeout=20)
    assert time.monotonic() - started < 3
    assert running.process.returncode == 130
    assert errors.startswith("Stopped.")
    ((_, text, state),) = entries(home)
    assert (state, text.startswith("**Definition**:")) == ("stopped", True)


def test_kill_9_loses_nothing(slow_mini: Path, home: Path) -> None:
    running = Running(slow_mini)
    running.wait_for_text(home)
    running.process.kill()
    running.process.communicate(timeout=20)
    ((question, text, state),) = entries(home)
    assert (question, state) == ("hypertension", "open")
    assert text.startswith("**Definition**:")


def test_a_timeout_keeps_what_had_arrived(medtui: Run, slow_mini: Path, home: Path) -> None:
    done = medtui("ask", "hypertension", "--timeout", "1.5", "--model", str(slow_mini))
    assert done.returncode == 124
    assert "Stopped after 1.5 seconds" in done.stderr
    ((_, text, state),) = entries(home)
    assert state == "stopped"
    assert done.stdout.strip() == text.strip()


def test_a_reader_that_leaves_is_no_error(tiny_mini: Path) -> None:
    command = f"{sys.executable} -m medtui ask hypertension --model {tiny_mini} | true"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr


def test_a_model_without_the_cards_limit_says_what_it_is(medtui: Run, tmp_path: Path) -> None:
    file = write_tiny(tmp_path / "other.gguf", eos_bias=8.0)
    done = medtui("ask", "--json", "What is zorbitis?", "--model", str(file))
    answer = json.loads(done.stdout)
    assert (done.returncode, answer["source"]) == (0, "model")
    assert "unchecked" in answer["warnings"][0]
