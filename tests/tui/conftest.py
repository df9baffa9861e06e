"""What the terminal program's tests share: a home of their own, a tiny real model, a runner."""

import asyncio
import inspect
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.tiny import write_tiny

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Runs `async def` tests, which Textual's pilot needs."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = pyfuncitem._fixtureinfo.argnames
    asyncio.run(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names}))
    return True


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's folder, moved out of the way for every test."""
    folder = tmp_path / "home"
    monkeypatch.setenv("MEDLLM_HOME", str(folder))
    for variable in ("NO_COLOR", "HF_TOKEN", "HF_HUB_OFFLINE", "MEDLLM_DEBUG"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    return folder


@pytest.fixture(scope="session")
def tiny_mini(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random model that says it is the mini model: every known term falls back on its card."""
    return write_tiny(tmp_path_factory.mktemp("models") / "tiny.gguf", recipe="mini")


@pytest.fixture(scope="session")
def slow_mini(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with more to compute, so that its answer takes a few seconds."""
    file = tmp_path_factory.mktemp("models") / "slow.gguf"
    return write_tiny(file, recipe="mini", layers=12, feed_forward=2048)


@pytest.fixture
def medtui() -> Run:
    """Runs `medtui ...` as a user would, without a terminal."""

    def run(
        *arguments: str, stdin: bytes = b"", timeout: float = 60, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "medtui", *arguments],
            input=stdin,
            capture_output=True,
            timeout=timeout,
            env={**os.environ, **environment},
            check=False,
        )
        output, errors = done.stdout.decode(), done.stderr.decode()
        assert "Traceback" not in errors, errors
        return subprocess.CompletedProcess(done.args, done.returncode, output, errors)

    return run
