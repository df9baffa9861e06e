"""The importance matrix: what transformers sees, saved and used as llama.cpp does."""

import ctypes
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from medconvert.importance import Importance
from medllm.errors import ConversionError, UsageError

from tests.converter import models, reference
from tests.converter.conftest import convert, medconvert

TEXT = "\n".join(models.SENTENCES * 12)
KIND = "iq2_xs"


@pytest.fixture(scope="module")
def weighed(run_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a text, the matrix that it gives, and the GGUF made with it."""
    folder = tmp_path_factory.mktemp("weighed")
    (folder / "text.txt").write_text(TEXT, encoding="utf-8")
    done = medconvert(
        run_folder, "--no-adapter", "--quant", KIND, "--imatrix", folder / "text.txt",
        "--out", folder / "tiny.gguf", "--name", "tiny",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder


def inputs_of(base: Path) -> dict[str, Any]:
    """Mean square of each column's input, by transformers."""
    import torch
    from medconvert.collect import CHUNK
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokens = AutoTokenizer.from_pretrained(base)(TEXT, add_special_tokens=False)["input_ids"]
    step = CHUNK - 1
    chunks = [[0, *tokens[start : start + step]] for start in range(0, len(tokens), step)]
    chunks = chunks[:1] + [chunk for chunk in chunks[1:] if len(chunk) > 64]
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32).eval()
    seen: dict[str, list[Any]] = {}

    def watch(name: str) -> Any:
        return lambda _m, args: seen.setdefault(name, []).append(args[0][0].pow(2))

    for layer, block in enumerate(model.model.layers):
        attention, mlp = block.self_attn, block.mlp
        for name, module in (
            ("attn_q", attention.q_proj), ("attn_output", attention.o_proj),
            ("ffn_gate", mlp.gate_proj), ("ffn_down", mlp.down_proj),
        ):  # fmt: skip
            module.register_forward_pre_hook(watch(f"blk.{layer}.{name}.weight"))
    with torch.no_grad():
        for chunk in chunks:
            model(torch.tensor([chunk]))
    return {name: torch.cat(rows).mean(0).numpy() for name, rows in seen.items()}


def test_it_is_what_transformers_sees(weighed: Path, run_folder: Path) -> None:
    found = Importance.read(weighed / "tiny.imatrix.gguf")
    assert (found.texts, found.chunk_size) == (("text.txt",), 512)
    assert found.chunks == max(found.counts.values()) // 512 + 1
    for name, expected in inputs_of(run_folder / "base").items():
        weights = found.weights(name)
        assert weights is not None
        # The text was read in q8_0.
        assert np.abs(weights - expected).max() < 0.05 * expected.max(), name


def test_it_is_used_as_llama_cpp_uses_it(weighed: Path, run_folder: Path, tmp_path: Path) -> None:
    from llama_cpp import llama_cpp

    whole, theirs = tmp_path / "f16.gguf", tmp_path / "theirs.gguf"
    convert(run_folder / "base", whole, quants="f16", match_peft=True, name="tiny")
    ours = tmp_path / "ours.gguf"
    saved = weighed / "tiny.imatrix.gguf"
    convert(run_folder / "base", ours, quants=KIND, match_peft=True, imatrix=saved, name="tiny")
    settings = llama_cpp.llama_model_quantize_default_params()
    table = Importance.read(saved).as_llama()
    settings.ftype, settings.nthread = 20, 2
    settings.imatrix = ctypes.cast(table, type(settings.imatrix))
    silent = llama_cpp.llama_log_callback(lambda _level, _text, _data: None)
    llama_cpp.llama_log_set(silent, ctypes.c_void_p(0))
    code = llama_cpp.llama_model_quantize(str(whole).encode(), str(theirs).encode(), settings)
    llama_cpp.llama_log_set(llama_cpp.llama_log_callback(0), ctypes.c_void_p(0))
    assert code == 0
    assert reference.tensors(ours) == reference.tensors(theirs)
    assert "IQ2_XS" in {kind for kind, _dims, _data in reference.tensors(ours).values()}


def test_it_is_needed_for_the_smallest_types(run_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="importance matrix") as refused:
        convert(run_folder / "base", tmp_path / "x.gguf", quants=KIND)
    assert "--imatrix" in refused.value.hint
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"too short", "tokens only"), (b"\xff\xfe\x00", "can't be read"), (b"GGUF", "not a GGUF")],
)
def test_what_is_no_text_and_no_matrix(
    content: bytes, said: str, run_folder: Path, tmp_path: Path
) -> None:
    file = tmp_path / "text"
    file.write_bytes(content)
    with pytest.raises(ConversionError, match=said):
        convert(run_folder / "base", tmp_path / "out" / "x.gguf", quants=KIND, imatrix=file)
    assert list((tmp_path / "out").iterdir()) == []


def test_a_matrix_of_another_model(weighed: Path, tmp_path: Path) -> None:
    other = models.mini(tmp_path / "other", num_hidden_layers=1)
    saved = weighed / "tiny.imatrix.gguf"
    with pytest.raises(ConversionError, match="another model"):
        convert(other, tmp_path / "x.gguf", quants="q4_k_m", imatrix=saved)
