"""What must not have happened before the first screen, and that no socket is ever opened."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tui.terminal import Terminal

HEAVY = {"torch", "transformers", "llama_cpp", "numpy"}
# Notes the loaded modules when the first frame with content goes to the terminal.
AT_FIRST_PAINT = """
import json, sys
from textual.drivers.linux_driver import LinuxDriver
write = LinuxDriver.write

def noting(self, data):
    if "refused" in data:
        LinuxDriver.write = write
        with open({file!r}, "w") as stream:
            json.dump(sorted({{name.split(".")[0] for name in sys.modules}}), stream)
    write(self, data)

LinuxDriver.write = noting
sys.argv = ["medtui"]
from medtui.cli import main
main()
"""


def test_nothing_heavy_is_imported_before_the_first_screen(
    tiny_mini: Path, tmp_path: Path, home: Path
) -> None:
    home.mkdir()
    (home / "settings.toml").write_text(f'model = "{tiny_mini}"')
    file = tmp_path / "modules.json"
    with Terminal([sys.executable, "-c", AT_FIRST_PAINT.format(file=str(file))]) as terminal:
        terminal.wait_for("ready")
    loaded = set(json.loads(file.read_text()))
    assert "textual" in loaded
    assert not loaded & HEAVY
    assert not loaded & {"pydantic", "typer", "sqlite3", "rapidfuzz", "psutil"}


def test_the_command_line_itself_is_light() -> None:
    script = "import sys, medtui.cli; print(*sorted({n.split('.')[0] for n in sys.modules}))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert not loaded & (HEAVY | {"textual", "pydantic", "huggingface_hub", "sqlite3", "asyncio"})


strace = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")


def traced(log: Path, *command: str) -> list[str]:
    return ["strace", "-f", "-qq", "-e", "trace=socket,connect", "-o", str(log), *command]


def network_calls(log: Path) -> list[str]:
    return [line for line in log.read_text().splitlines() if "AF_INET" in line]


@strace
def test_ask_opens_no_socket(tiny_mini: Path, tmp_path: Path) -> None:
    log = tmp_path / "trace"
    command = [sys.executable, "-m", "medtui", "ask", "hypertension", "--model", str(tiny_mini)]
    done = subprocess.run(traced(log, *command), capture_output=True, text=True, check=False)
    if "ptrace" in done.stderr or "PTRACE" in done.stderr:
        pytest.skip("tracing is not allowed here")
    assert done.returncode == 0, done.stderr
    assert network_calls(log) == []


@strace
def test_a_whole_session_opens_no_socket(tiny_mini: Path, tmp_path: Path) -> None:
    """Start, ask, stop, quit."""
    log = tmp_path / "trace"
    command = [sys.executable, "-m", "medtui", "--model", str(tiny_mini)]
    with Terminal(traced(log, *command)) as terminal:
        terminal.wait_for("ready", seconds=60)
        terminal.send("hypertension\r")
        terminal.wait_for("Safety Note", seconds=60)
        terminal.send("hypertension\r\x1b")
        terminal.send("\x11")
        assert terminal.ends(30) == 0
    assert network_calls(log) == []


@strace
def test_the_trace_would_show_a_socket(tmp_path: Path) -> None:
    log = tmp_path / "trace"
    script = "import socket; socket.socket().close()"
    done = subprocess.run(
        traced(log, sys.executable, "-c", script), capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip("tracing is not allowed here")
    assert len(network_calls(log)) == 1
