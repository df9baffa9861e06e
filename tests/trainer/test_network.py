"""The offline guard in training, in processes of its own since it can't be switched off."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.trainer import tiny_runs

FUNCTIONS = """
import json, os, socket, sys
from pathlib import Path
from medllm.errors import NetworkRefusedError
from medtrain import network, recipe as recipes
from medtrain.prepare.engines import open_engine
def reach(_=0):
    try:
        socket.socket().close()
    except NetworkRefusedError:
        return "closed"
    return "open"
def main():
    for action, words, off in json.loads(sys.argv[1]):
        if not (child := os.fork()):
            os.environ["HF_HUB_OFFLINE"] = off
            chosen = recipes.load(words[0], words[1:])
            exec(action)
            sys.stdout.flush()
            os._exit(0)
        os.waitpid(child, 0)
if __name__ == "__main__":
    main()
"""
"""Runs each action in a process of its own, since what it switches on can't be switched off."""
COMMAND = """
import atexit
from medllm import guard
from medtrain import cli
atexit.register(lambda: print("guard", guard.installed(), guard.refused()))
cli.main()
"""
"""The command `medtrain`, which says at its end whether the guard was on, and what it refused."""
RUN = "network.close_unless_needed(chosen); print(reach())"
ON_FILE = "network.close_unless_needed(chosen, Path('records.jsonl')); print(reach())"
AFTER = "network.close_unless_needed(chosen); network.close(chosen); print(reach())"
PREPARE = "network.close_for_preparation(chosen); print(reach())"
CASES = [
    (RUN, ["mini"], "0", "closed"),
    (RUN, ["terminology-mistral"], "0", "open"),
    (RUN, ["terminology-mistral", "base=."], "0", "closed"),
    (RUN, ["pubmedqa-llama2", "base=."], "0", "open"),
    (RUN, ["pubmedqa-llama2"], "1", "closed"),
    (ON_FILE, ["pubmedqa-llama2", "base=."], "0", "closed"),
    (ON_FILE, ["pubmedqa-llama2"], "0", "open"),
    (AFTER, ["pubmedqa-llama2"], "0", "closed"),
    (AFTER, ["pubmedqa-llama2", "extra.report_to=wandb"], "0", "open"),
    (AFTER, ["pubmedqa-llama2", "extra.report_to=[tensorboard]"], "0", "closed"),
    (PREPARE, ["terminology-mistral"], "0", "closed"),
    (PREPARE, ["pubmedqa-llama2"], "0", "open"),
]
"""What is done, on which recipe, whether the Hub is switched off, and whether the net is open."""


def say(program: str, *words: str) -> subprocess.CompletedProcess[str]:
    place = {**os.environ, "HF_HUB_OFFLINE": "0"}
    return subprocess.run(
        [sys.executable, "-c", program, *words],
        capture_output=True, text=True, timeout=300, env=place, check=False,
    )  # fmt: skip


def test_the_guard_is_off_while_something_is_fetched_and_no_longer() -> None:
    done = say(FUNCTIONS, json.dumps([case[:3] for case in CASES]))
    said = done.stdout.splitlines()
    assert len(said) == len(CASES), done.stderr
    assert [(*case[:3], told) for case, told in zip(CASES, said, strict=True)] == CASES


def test_workers_of_a_preparation_reach_nothing(tmp_path: Path) -> None:
    action = (
        "with open_engine('processes', 2) as engine: print(*engine.map(reach, range(3)), reach())"
    )
    program = tmp_path / "program.py"  # which the workers import
    program.write_text(FUNCTIONS)
    cases = json.dumps([(action, ["mini"], "0")])
    done = subprocess.run(
        [sys.executable, str(program), cases], capture_output=True, text=True, timeout=300,
        check=False,
    )  # fmt: skip
    assert done.stdout == "closed closed closed open\n", done.stderr


def test_a_check_of_what_lies_here_tries_to_reach_nothing(tmp_path: Path) -> None:
    base = tiny_runs.base(tmp_path / "base", *tiny_runs.BASES["clinical-llama2"])
    data = tiny_runs.records(tmp_path / "records.jsonl")
    done = say(COMMAND, "check", "clinical-llama2", "--set", f"base={base}", "--data", str(data))
    assert done.stdout.endswith("guard True 0\n"), done.stderr


@pytest.mark.parametrize("command", ["recipes", "data"])
def test_lists_are_made_under_the_guard(command: str) -> None:
    assert say(COMMAND, command).stdout.endswith("guard True 0\n")


def test_on_a_cluster_this_machine_s_addresses_pass_and_others_do_not() -> None:
    action = (
        "network.close_for_preparation(chosen, on_cluster=True)\n"
        "place = socket.socket(); place.bind(('127.0.0.1', 0)); place.listen()\n"
        "socket.create_connection(place.getsockname()); print(reach())\n"
        "try: socket.create_connection(('192.0.2.1', 443), 1)\n"
        "except NetworkRefusedError as error: print(error)"
    )
    done = say(FUNCTIONS, json.dumps([(action, ["terminology-mistral"], "0")]))
    assert done.stdout.splitlines()[0] == "open", done.stderr
    assert "refused a connection to '192.0.2.1'" in done.stdout
