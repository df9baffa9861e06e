"""Tiny models and an engine over one of them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from medllm.engines.llamacpp import LlamaCppEngine

from tests.tiny import write_tiny


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny(tmp_path_factory.mktemp("models") / "tiny.gguf")


@pytest.fixture(scope="session")
def big_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Wide enough that a prompt of its context takes seconds to process."""
    return write_tiny(
        tmp_path_factory.mktemp("models") / "big.gguf",
        hidden=1024,
        layers=6,
        heads=8,
        kv_heads=8,
        feed_forward=4096,
        context=4096,
    )


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDLLM_HOME", str(tmp_path / "home"))


@pytest.fixture
def engine(tiny_model: Path) -> Iterator[LlamaCppEngine]:
    engine = LlamaCppEngine(tiny_model)
    yield engine
    engine.close()
