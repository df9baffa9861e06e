"""ONNX folders: the same tokens as the source, and the special tokens of its own files."""

import json
from pathlib import Path
from typing import Any

import pytest
from medconvert import formats, original
from medconvert.formats import Options
from medconvert.formats.onnx import context_of
from medconvert.formats.onnx_builder import special_tokens
from medconvert.source import Source
from medllm import run_record
from medllm.errors import ConversionError
from medllm.run_record import RunRecord

from tests.converter import models, zoo

pytest.importorskip("onnxruntime_genai", reason="the extra onnx is not installed")


def export(base: Path, out: Path, adapter: Path | None = None, precision: str = "") -> RunRecord:
    """An export in this process."""
    source = Source(adapter or base, base, adapter, None)
    return formats.export("onnx", source, out, Options(precision))[1]


@pytest.mark.slow
def test_a_merged_model_chooses_the_tokens_of_the_original(tmp_path: Path) -> None:
    """In bf16, so that a merge that rounds would be seen; BOS and EOS have unusual numbers."""
    model = zoo.llama3(tmp_path / "base")
    adapter = model.adapter(tmp_path / "adapter")
    out = tmp_path / "out" / "model"
    run = export(model.folder, out, adapter)
    assert run.verify["generation"]["equal"] == run.verify["generation"]["tokens"] == 128
    assert run.verify["divergence"]["error"] < 1e-4
    assert run.verify["tokenizer"]["alike"] == run.verify["tokenizer"]["texts"]
    assert [file.name for file in out.parent.iterdir()] == ["model"]
    config = json.loads((out / "genai_config.json").read_text())["model"]
    tokenizer = original.load_tokenizer(str(model.folder))
    assert config["bos_token_id"] == tokenizer.bos_token_id
    assert config["eos_token_id"] == tokenizer.eos_token_id
    assert config["context_length"] == 512
    stored = run_record.read(out)
    assert set(stored.outputs) | {"run.json"} == {file.name for file in out.iterdir()}
    assert stored.verify == run.verify


@pytest.mark.slow
def test_four_bits_run_and_say_how_many_tokens_are_equal(tmp_path: Path) -> None:
    base = models.mini(tmp_path / "base")
    run = export(base, tmp_path / "out", precision="int4")
    found = run.verify["generation"]
    assert found["tokens"] == 128 and 0 < found["equal"] <= 128
    assert found["said"].startswith(f"{found['equal']} of 128")
    whole = sum(file.stat().st_size for file in (tmp_path / "base").glob("*.safetensors"))
    assert run.metrics["bytes_written"] < whole / 3


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, {"bos_token_id": 436, "eos_token_id": 440, "pad_token_id": 440}),
        (
            {"generation_config.json": {"eos_token_id": [437, 440], "pad_token_id": 5}},
            {"bos_token_id": 436, "eos_token_id": [440, 437], "pad_token_id": 5},
        ),
    ],
)
def test_special_tokens_are_those_that_the_files_name(
    tmp_path: Path, files: dict[str, Any], expected: dict[str, Any]
) -> None:
    base = zoo.llama3(tmp_path / "base").folder
    for name, content in files.items():
        (base / name).write_text(json.dumps(content))
    tokenizer = original.load_tokenizer(str(base))
    assert (tokenizer.bos_token_id, tokenizer.eos_token_id) == (436, 440)
    assert special_tokens(base, tokenizer) == expected


@pytest.mark.parametrize(
    ("maker", "changes", "said"),
    [
        ("gemma2", {}, "'Gemma2ForCausalLM' can't be exported to ONNX"),
        ("flan-t5", {}, "'T5ForConditionalGeneration' can't be exported to ONNX"),
        # The builder leaves the scaling out without a word.
        ("llama2", {}, "rotary embedding 'linear'"),
        ("qwen2", {}, "rotary embedding 'yarn'"),
        ("mistral3", {"sliding_window": 16}, "sliding window of 16"),
        ("qwen3", {"quantization_config": {"bits": 4}}, "quantized already"),
    ],
)
def test_what_would_come_out_wrong_is_refused(
    tmp_path: Path, maker: str, changes: dict[str, Any], said: str
) -> None:
    base = zoo.MAKERS[maker](tmp_path / "base").folder
    file = base / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))
    with pytest.raises(ConversionError, match=said):
        export(base, tmp_path / "out")
    assert [one.name for one in tmp_path.iterdir()] == ["base"]


@pytest.mark.parametrize(
    ("config", "context"),
    [
        ({"model_type": "llama", "sliding_window": 512}, 32768),
        ({"model_type": "mistral", "sliding_window": None}, 32768),
        ({"model_type": "mistral", "sliding_window": 512}, 512),
        ({"model_type": "mistral"}, 4096),
        ({"model_type": "qwen2", "sliding_window": 512, "use_sliding_window": False}, 32768),
        ({"model_type": "qwen2", "sliding_window": 512, "use_sliding_window": True}, 512),
    ],
)
def test_texts_may_be_as_long_as_a_sliding_window(config: dict[str, Any], context: int) -> None:
    assert context_of({"max_position_embeddings": 32768, **config}) == context
