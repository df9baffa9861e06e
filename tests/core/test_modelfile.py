"""The checked-in Modelfiles are what core renders."""

from pathlib import Path

import pytest
from medllm import modelfile, paths
from medllm.errors import UsageError

FOLDER = Path(__file__).parents[2] / "modelfiles"


def test_the_mini_models_file_is_up_to_date() -> None:
    assert (FOLDER / "medical-llm-mini.Modelfile").read_text() == modelfile.render("mini")


def test_it_names_the_model_that_is_there() -> None:
    line = next(li for li in modelfile.render("mini").splitlines() if li.startswith("FROM "))
    assert (FOLDER / line[5:]).resolve() == paths.builtin_model().resolve()


def test_an_unknown_family_is_refused() -> None:
    with pytest.raises(UsageError, match="no Modelfile"):
        modelfile.render("llama9")
