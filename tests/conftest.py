"""No test touches the home folder or the network by accident."""

from pathlib import Path

import pytest
from medllm import guard

guard.install(allow_loopback=True)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options of the comparison with llama.cpp's own converter."""
    parser.addoption(
        "--reference",
        action="store_true",
        help="fetch llama.cpp's converter from the package registry and compare with it",
    )
    parser.addoption(
        "--record",
        action="store_true",
        help="with --reference: record anew what it makes, for the everyday run",
    )


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test has a user folder of its own."""
    monkeypatch.setenv("MEDLLM_HOME", str(tmp_path / "medllm-home"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
