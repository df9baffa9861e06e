"""`medtui doctor` through the real command."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from medllm import paths

from tests.tui.conftest import Run

no_builtin = pytest.mark.skipif(
    not paths.builtin_model().exists(), reason="the built-in model has not been made"
)


def findings(output: str) -> dict[str, dict[str, object]]:
    """The first finding of each check, by its name."""
    found: dict[str, dict[str, object]] = {}
    for finding in json.loads(output)["findings"]:
        found.setdefault(finding["check"], finding)
    return found


def test_the_guard_is_proved_and_the_model_is_loaded(medtui: Run, tiny_mini: Path) -> None:
    done = medtui("doctor", "--json", "--model", str(tiny_mini))
    found = findings(done.stdout)
    assert found["guard"]["ok"]
    assert found["guard"]["facts"] == {"here": "refused", "other_process": "refused", "counted": 2}
    assert found["engine"]["ok"]
    assert found["engine"]["facts"]["sockets"] in (0, None)  # type: ignore[index]
    assert found["model"]["facts"]["path"] == str(tiny_mini)  # type: ignore[index]
    assert found["history"]["facts"]["entries"] == 0  # type: ignore[index]
    assert {*found} >= {"reference", "folder", "packages", "compiler", "terminal", "environment"}


@no_builtin
def test_all_is_well(medtui: Run) -> None:
    done = medtui("doctor")
    assert done.returncode == 0, done.stdout
    assert done.stdout.endswith("Everything is in order.\n")


def test_a_missing_model_is_a_problem_with_what_to_do(medtui: Run, tmp_path: Path) -> None:
    done = medtui("doctor", "--model", str(tmp_path / "no.gguf"))
    assert done.returncode == 1
    assert "PROBLEM model        There is no model no.gguf" in done.stdout
    assert "-> Run `medtui pull`" in done.stdout


def test_a_damaged_history_is_a_problem(medtui: Run, tiny_mini: Path, home: Path) -> None:
    home.mkdir()
    (home / "history.sqlite3").write_bytes(b"no database" * 500)
    done = medtui("doctor", "--json", "--model", str(tiny_mini))
    assert done.returncode == 1
    assert not findings(done.stdout)["history"]["ok"]
    assert "Move it away" in str(findings(done.stdout)["history"]["do"])


def test_entries_are_counted(medtui: Run, tiny_mini: Path) -> None:
    assert medtui("ask", "hypertension", "--model", str(tiny_mini)).returncode == 0
    done = medtui("doctor", "--json", "--model", str(tiny_mini))
    assert findings(done.stdout)["history"]["facts"]["entries"] == 1  # type: ignore[index]


def test_a_home_that_cannot_be_made_and_broken_settings(
    medtui: Run, tiny_mini: Path, tmp_path: Path, home: Path
) -> None:
    (tmp_path / "file").write_text("")
    blocked = str(tmp_path / "file" / "home")
    done = medtui("doctor", "--json", "--model", str(tiny_mini), MEDLLM_HOME=blocked)
    assert done.returncode == 1
    assert not findings(done.stdout)["folder"]["ok"]
    home.mkdir()
    (home / "settings.toml").write_text("model = [")
    done = medtui("doctor", "--json")
    assert done.returncode == 1
    assert not findings(done.stdout)["settings"]["ok"]


def test_the_probe_tells_where_there_is_no_guard() -> None:
    """The proof can fail: without the guard the same probe says what happened instead."""
    script = "from medtui import checks; checks.ELSEWHERE = '127.0.0.1'; print(checks.probe())"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env=os.environ, check=True
    )
    assert done.stdout.startswith("a packet was sent to 127.0.0.1")


def test_a_proxys_password_is_not_printed(medtui: Run, tiny_mini: Path) -> None:
    secret = "http://me:secret@proxy:3128"
    done = medtui("doctor", "--model", str(tiny_mini), HTTPS_PROXY=secret)
    assert "HTTPS_PROXY set" in done.stdout
    assert "secret" not in done.stdout
