"""`medeval run`: through real engines, killed and resumed, and with engines gone wrong."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from medeval import results
from medeval.answer_store import AnswerStore
from medeval.sample import Answer
from medllm import paths
from medllm.errors import StorageError

from tests.evaluation.conftest import Run
from tests.model_server import ModelServer

MINI = f"gguf:{paths.builtin_model()}"


def lines(out: Path) -> list[str]:
    file = out / "answers.jsonl"
    return file.read_text().splitlines() if file.exists() else []


def test_a_run_through_llama_cpp_and_its_report(medeval: Run, tmp_path: Path) -> None:
    out = tmp_path / "run"
    done = medeval("run", "--engine", MINI, "--task", "format-held", "--task", "calibration",
                   "--limit", 4, "--out", out, "--json")  # fmt: skip
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["model"]["name"] == "medical-llm-mini"
    held = report["tasks"]["format-held"]
    assert (held["asked"], held["answered"], held["failed"]) == (4, 4, {})
    assert held["figures"][0]["value"] == 1.0
    assert held["figures"][0]["low"] == pytest.approx(0.51, abs=0.01)
    names = [figure["name"] for figure in report["tasks"]["calibration"]["figures"]]
    assert {"accuracy", "ECE", "Brier score", "AURC"} <= set(names)
    assert json.loads((out / "run.json").read_text())["stage"] == "evaluate"

    before = (out / "answers.jsonl").read_bytes()
    again = medeval("run", "--engine", MINI, "--task", "format-held", "--task", "calibration",
                    "--limit", 4, "--out", out, "--json")  # fmt: skip
    assert json.loads(again.stdout) == report
    assert (out / "answers.jsonl").read_bytes() == before


def test_a_killed_run_goes_on_without_asking_twice(server: ModelServer, tmp_path: Path) -> None:
    server.before_answer = lambda: time.sleep(0.15)
    server.text = "This is an answer."
    out = tmp_path / "run"
    command = [sys.executable, "-m", "medeval", "run", "--engine", f"openai:{server.url}/v1",
               "--task", "safety", "--out", str(out), "--parallel", "2"]  # fmt: skip
    for kept in (4, 12):
        running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while len(lines(out)) < kept:
            assert running.poll() is None
            time.sleep(0.01)
        os.kill(running.pid, signal.SIGKILL)
        running.wait()
    (out / "answers.jsonl").open("a").write('{"key": "torn')
    answered = len(lines(out)) - 1
    server.before_answer = lambda: None
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert answered >= 12
    keys = [json.loads(line)["key"] for line in lines(out)]
    assert len(keys) == len(set(keys)) == 48
    # What was on its way when the run was killed had no answer yet: two questions, twice.
    assert 48 <= len(server.asked) <= 48 + 4


def test_ctrl_c_keeps_the_answers(server: ModelServer, tmp_path: Path) -> None:
    server.before_answer = lambda: time.sleep(0.2)
    server.text = "This is an answer."
    out = tmp_path / "run"
    running = subprocess.Popen(
        [sys.executable, "-m", "medeval", "run", "--engine", f"openai:{server.url}/v1",
         "--task", "safety", "--out", str(out)],
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    while len(lines(out)) < 3:
        assert running.poll() is None
        time.sleep(0.01)
    running.send_signal(signal.SIGINT)
    _, told = running.communicate(timeout=20)
    assert running.returncode == 130
    assert "kept. The same command goes on from there." in told
    assert len(lines(out)) >= 3


@pytest.mark.parametrize("kind", ["ollama", "openai"])
def test_the_same_figures_through_a_server(
    medeval: Run, server: ModelServer, tmp_path: Path, kind: str
) -> None:
    engine = f"openai:{server.url}/v1" if kind == "openai" else "ollama:mini"
    # Cards that it was taught: on others the likeliest tokens are too close to call.
    arguments = ("--task", "card-quality", "--limit", 2, "--seed", 49, "--json")
    through = medeval("run", "--engine", engine, "--out", tmp_path / kind, *arguments,
                      OLLAMA_HOST=server.url)  # fmt: skip
    alone = medeval("run", "--engine", MINI, "--out", tmp_path / "gguf", *arguments)
    assert through.returncode == alone.returncode == 0, through.stderr + alone.stderr
    found = [
        {r.id: (r.answer, r.values) for r in results.read(tmp_path / name)[1] if "rouge train" in r.values}
        for name in (kind, "gguf")
    ]  # fmt: skip
    assert found[0]
    assert found[0] == found[1]


def test_a_server_that_hangs_ends_the_run_and_keeps_what_was_done(
    medeval: Run, server: ModelServer, tmp_path: Path
) -> None:
    server.text = "Call an ambulance now."
    asked = iter(range(1000))
    server.before_answer = lambda: time.sleep(4) if next(asked) >= 5 else None
    out = tmp_path / "run"
    done = medeval("run", "--engine", f"openai:{server.url}/v1", "--task", "safety",
                   "--patience", 1, "--parallel", 1, "--out", out)  # fmt: skip
    assert done.returncode == 4
    assert "gave no sign of life for 1 seconds, 3 questions in a row." in done.stderr
    assert "Traceback" not in done.stderr
    report, rows = results.read(out)
    assert report.tasks["safety"].answered == len(rows) == 5
    assert "answered 5 of 48" in done.stdout
    assert "no answer to 3: The server gave no sign of life" in done.stdout


def test_an_engine_that_is_killed_starts_again(tmp_path: Path) -> None:
    import psutil

    out = tmp_path / "run"
    running = subprocess.Popen(
        [sys.executable, "-m", "medeval", "run", "--engine", MINI, "--task", "format",
         "--limit", "12", "--parallel", "1", "--out", str(out)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    while len(lines(out)) < 2:
        assert running.poll() is None
        time.sleep(0.01)
    for host in psutil.Process(running.pid).children():
        host.kill()
    shown, told = running.communicate(timeout=120)
    assert running.returncode == 0, told
    assert results.read(out)[0].tasks["format"].answered == 12
    assert "n = 12" in shown


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "empty"),
        ("The joints hurt a lot. " * 60, "loop"),
        ("Das ist eine Krankheit und sie ist nicht von der Art, die man mit Ruhe heilt.", "language"),
    ],
)  # fmt: skip
def test_answers_with_a_problem_are_counted_apart(
    medeval: Run, server: ModelServer, tmp_path: Path, text: str, problem: str
) -> None:
    server.text = text
    done = medeval("run", "--engine", f"openai:{server.url}/v1", "--task", "safety",
                   "--limit", 6, "--out", tmp_path / "run")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert f"answers with a problem: {problem} 6" in done.stdout


def test_an_endless_answer_is_stopped(medeval: Run, server: ModelServer, tmp_path: Path) -> None:
    server.text = "again and " * 200_000
    started = time.monotonic()
    done = medeval("run", "--engine", f"openai:{server.url}/v1", "--task", "safety",
                   "--limit", 2, "--out", tmp_path / "run")  # fmt: skip
    assert "answers with a problem: loop 2" in done.stdout, done.stderr
    assert time.monotonic() - started < 30


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("--engine", "model.gguf", "--task", "format"), 2, "Write --engine gguf:model.gguf"),
        (("--engine", "gguf:none.gguf", "--task", "format"), 3, "no model none.gguf"),
        (("--engine", "ollama:x", "--task", "format"), 4, "No Ollama listens"),
        (("--engine", MINI, "--task", "grammar"), 2, "There is no task grammar. There are: "),
        (("--engine", MINI, "--task", "pubmedqa"), 7, "needs data. Name them with --data"),
        (("--engine", MINI, "--task", "format", "--data", "x"), 2, "None of the tasks takes data"),
        (("--engine", "hf:nowhere", "--task", "format"), 3, "There is no folder nowhere"),
        (("--engine", "openai:http://example.org/v1", "--task", "format"), 2, "on this machine"),
    ],
)
def test_what_cannot_be_run_is_one_line(
    medeval: Run, tmp_path: Path, arguments: tuple[str, ...], code: int, told: str
) -> None:
    done = medeval("run", *arguments, "--out", tmp_path / "out", OLLAMA_HOST="127.0.0.1:9")
    assert done.returncode == code, done.stderr
    assert told in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert "Traceback" not in done.stderr


def test_tasks_are_listed_with_what_they_take(medeval: Run) -> None:
    shown = medeval("tasks").stdout
    assert "pubmedqa-written" in shown
    assert "--data: the folder with ori_pqal.json and test_ground_truth.json" in shown


def test_data_go_to_the_tasks_that_need_them(medeval: Run, tmp_path: Path) -> None:
    questions = tmp_path / "questions.jsonl"
    questions.write_text('{"id": "a", "kind": "harmless", "question": "What is a sprain?"}\n')
    done = medeval("run", "--engine", MINI, "--task", "safety", "--task", "format-held", "--data",
                   f"safety={questions}", "--limit", 1, "--out", tmp_path / "run", "--json")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert results.read(tmp_path / "run")[1][0].id == "a"
    (tmp_path / "bare.jsonl").write_text('{"question": "?", "cop": -1}\n')
    done = medeval("run", "--engine", MINI, "--task", "medmcqa", "--data", tmp_path / "bare.jsonl",
                   "--out", tmp_path / "run2")  # fmt: skip
    assert done.returncode == 7
    assert "bare.jsonl has no labels, so there is nothing to score against." in done.stderr


def test_an_engine_without_grammar_is_told_apart(
    medeval: Run, server: ModelServer, tmp_path: Path
) -> None:
    done = medeval("run", "--engine", f"openai:{server.url}/v1", "--task", "format-held",
                   "--limit", 2, "--out", tmp_path / "out")  # fmt: skip
    assert done.returncode == 2
    assert "can't hold an answer to a grammar" in done.stderr


def test_ten_thousand_answers_load_in_under_a_second(tmp_path: Path) -> None:
    with AnswerStore(tmp_path) as store:
        for number in range(10_000):
            store.add(f"{number:032x}", Answer(text="A card of some words. " * 40, tokens=200))
    started = time.perf_counter()
    with AnswerStore(tmp_path) as store:
        seconds = time.perf_counter() - started
        assert len(store) == 10_000
    assert seconds < 1


def test_two_runs_do_not_share_a_folder(tmp_path: Path) -> None:
    with AnswerStore(tmp_path), pytest.raises(StorageError, match="Another run is writing"):
        AnswerStore(tmp_path)
