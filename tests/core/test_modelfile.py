"""The checked-in Modelfiles are what core renders."""

from pathlib import Path

import pytest
from medllm import modelfile, paths, prompts
from medllm.chat_families import FAMILIES
from medllm.errors import UsageError

FOLDER = Path(__file__).parents[2] / "modelfiles"


def read(text: str) -> list[tuple[str, str]]:
    """Name and value of each instruction, read as Ollama's parser does."""
    found, rest = [], text
    while rest := rest.lstrip("\n"):
        if rest.startswith("#"):
            _, _, rest = rest.partition("\n")
            continue
        name, _, rest = rest.partition(" ")
        if name == "PARAMETER":
            key, _, rest = rest.partition(" ")
            name = f"{name} {key}"
        quote = next((q for q in ('"""', '"') if rest.startswith(q)), "")
        value, _, rest = rest.removeprefix(quote).partition(quote + "\n")
        found.append((name, value))
    return found


@pytest.mark.parametrize("name", modelfile.MODELS)
def test_the_file_is_up_to_date(name: str) -> None:
    file = FOLDER / f"{name}.Modelfile"
    assert file.read_text(encoding="utf-8") == modelfile.render(name), (
        "python -m medllm.modelfile modelfiles renders it"
    )


def test_there_are_no_others_and_each_family_has_one() -> None:
    assert {file.stem for file in FOLDER.glob("*.Modelfile")} == set(modelfile.MODELS)
    assert {model.family for model in modelfile.MODELS.values()} == set(FAMILIES)


@pytest.mark.parametrize("name", modelfile.MODELS)
def test_what_is_read_is_what_the_family_says(name: str) -> None:
    found = read(modelfile.render(name))
    family = FAMILIES[modelfile.MODELS[name].family]
    values = dict(found)
    assert found[0] == ("FROM", modelfile.MODELS[name].gguf)
    assert values["TEMPLATE"] == family.ollama_template
    assert values.get("SYSTEM") == (prompts.SYSTEM if family.takes_system else None)
    assert tuple(v for n, v in found if n == "PARAMETER stop") == family.stops
    assert {n[10:]: float(v) for n, v in found if n[:10] == "PARAMETER " and n[10:] != "stop"} == (
        family.parameters
    )
    assert modelfile.NOTICE in values["LICENSE"]


def test_the_mini_models_file_names_the_model_that_is_there() -> None:
    (gguf,) = (v for n, v in read(modelfile.render("medical-llm-mini")) if n == "FROM")
    assert (FOLDER / gguf).resolve() == paths.builtin_model().resolve()


def test_all_are_written_anew(tmp_path: Path) -> None:
    modelfile.main([str(tmp_path)])
    written = {file.name: file.read_text() for file in tmp_path.iterdir()}
    assert written == {file.name: file.read_text() for file in FOLDER.glob("*.Modelfile")}


def test_one_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    modelfile.main(["--show", "medical-llm"])
    assert capsys.readouterr().out == modelfile.render("medical-llm")


def test_an_unknown_model_is_refused() -> None:
    with pytest.raises(UsageError, match="no Modelfile") as caught:
        modelfile.render("llama9")
    assert "medical-llm-phi3" in caught.value.hint


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Name the folder"):
        modelfile.main([str(tmp_path / "none")])


def test_quotes_that_would_end_a_value_are_refused() -> None:
    with pytest.raises(UsageError, match='"""'):
        modelfile.instructions(FAMILIES["mini"], "x.gguf", 'a """ b')
