"""Calls of `medeval`, and a server with the mini model."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from medeval.cli import app
from medllm import command, guard, paths

from tests.model_server import ModelServer


@dataclass(frozen=True, slots=True)
class Ended:
    """What a command printed and how it ended."""

    returncode: int
    stdout: str
    stderr: str


Run = Callable[..., Ended]


@pytest.fixture
def medeval(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Calls the command in this process, where the guard is on already (tests/conftest.py)."""
    monkeypatch.setattr(guard, "install", lambda allow_loopback=False: None)

    def call(*arguments: object, **environment: str) -> Ended:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        capsys.readouterr()
        code = 0
        try:
            command.run(lambda: app([str(a) for a in arguments], standalone_mode=False))
        except SystemExit as ended:
            code = int(ended.code or 0)
        printed = capsys.readouterr()
        return Ended(code, printed.out, printed.err)

    return call


@pytest.fixture(scope="session")
def running_server() -> Iterator[ModelServer]:
    with ModelServer(paths.builtin_model()) as server:
        yield server


@pytest.fixture
def server(running_server: ModelServer) -> Iterator[ModelServer]:
    running_server.requests.clear()
    yield running_server
    running_server.before_answer = lambda: None
    running_server.break_after, running_server.text = 0, None
