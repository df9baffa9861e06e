"""What can be asked for, where it goes, and what is said where it can't be made."""

from pathlib import Path

import pytest
from medconvert import formats
from medconvert.formats import FORMATS, Options
from medconvert.source import Source
from medllm.errors import MissingExtraError, UsageError


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_has_its_function(name: str) -> None:
    from importlib import import_module

    assert callable(import_module(FORMATS[name].module).export)


def test_the_first_precision_is_the_default() -> None:
    pytest.importorskip("onnxruntime_genai")
    assert FORMATS["onnx"].check("") == "fp32"
    assert FORMATS["onnx"].check("int4") == "int4"


def test_an_unknown_precision_names_those_that_exist() -> None:
    with pytest.raises(UsageError, match="'q4' for --format onnx") as told:
        FORMATS["onnx"].check("q4")
    assert "fp32, int4" in told.value.hint


def test_an_unknown_format_names_those_that_exist(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as told:
        formats.export("tflite", Source(tmp_path, tmp_path, None, None), None, Options())
    assert "gguf, adapter, onnx, ct2" in told.value.hint


def test_a_missing_package_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("medconvert.formats.find_spec", lambda package: None)
    with pytest.raises(MissingExtraError, match="ctranslate2") as told:
        FORMATS["ct2"].check("")
    assert "medical-llm[train,convert,ct2]" in told.value.hint


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("adapter", "adapter/run.adapter.f32.gguf"),
        ("onnx", "onnx/run.fp32"),
        ("ct2", "ct2/run.float32"),
    ],
)
def test_without_out_it_goes_into_the_source(tmp_path: Path, name: str, place: str) -> None:
    source = Source(tmp_path / "run", tmp_path / "base", None, None)
    chosen = FORMATS[name]
    options = Options(chosen.precisions[0])
    assert chosen.default_out(source, options) == tmp_path / "run" / place
