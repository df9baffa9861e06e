"""Tiny bases of all recipes, and one finished run on one of them, that many tests look at."""

import io
from collections.abc import Iterator
from contextlib import redirect_stderr
from pathlib import Path

import pytest

from tests.trainer import tiny_runs
from tests.trainer.readers import published
from tests.trainer.tiny_runs import Finished


@pytest.fixture(scope="session")
def away(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What is made for all tests touches no home folder and no network either."""
    with pytest.MonkeyPatch.context() as patch:
        home = tmp_path_factory.mktemp("home")
        for name in ("HOME", "MEDLLM_HOME", "XDG_DATA_HOME"):
            patch.setenv(name, str(home))
        patch.setenv("HF_HUB_OFFLINE", "1")
        yield


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Records, data sets in their published formats, and a base for each recipe by its name."""
    folder = tmp_path_factory.mktemp("training")
    tiny_runs.records(folder / "records.jsonl", system="Be brief.")
    tiny_runs.records(folder / "pairs.jsonl")
    for name, (maker, template) in tiny_runs.BASES.items():
        tiny_runs.base(folder / name, maker, template)
    published.write(folder / "published")
    return folder


@pytest.fixture(scope="session")
def finished(place: Path, away: None, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """A run of clinical-llama2, seed 0, without dropout."""
    name = "clinical-llama2"
    recipe = tiny_runs.load(name, place / name, *Finished.SETTINGS)
    out = tmp_path_factory.mktemp("finished") / "run"
    with redirect_stderr(io.StringIO()) as said:
        tiny_runs.train(recipe, out, place / "records.jsonl")
    return Finished(recipe, out, place / "records.jsonl", said.getvalue())
