"""The stand-ins, the mini model as what is published, and no waiting between tries."""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from medllm import paths

from tests.converter.publish.hub import TOKEN, Hub
from tests.converter.publish.ollama import Ollama


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    from huggingface_hub import constants

    with Hub() as stand_in:
        monkeypatch.setenv("HF_ENDPOINT", stand_in.url)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
        # What was read from the environment when the library was imported.
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        yield stand_in


@pytest.fixture
def ollama(monkeypatch: pytest.MonkeyPatch) -> Iterator[Ollama]:
    with Ollama() as stand_in:
        monkeypatch.setenv("OLLAMA_HOST", stand_in.url)
        yield stand_in


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds that were to be waited between tries; nobody waits them."""
    waited: list[float] = []
    monkeypatch.setattr(time, "sleep", waited.append)
    return waited


@pytest.fixture
def gguf(tmp_path: Path) -> Path:
    """The mini model with its records, in a folder of its own."""
    folder = tmp_path / "out"
    folder.mkdir()
    model = paths.builtin_model()
    for name in (model.name, "medical-llm-mini.q4_k_m.run.json", "medical-llm-mini.train.json"):
        shutil.copy(model.with_name(name), folder / name)
    return folder / model.name
