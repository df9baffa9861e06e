"""The small parts: pieces of a matrix, pre-tokenizer names, the log of a dry run, the gate."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from medconvert import ggml, parity
from medconvert.adapter import scale_of
from medconvert.layout import Shape, in_file_order
from medconvert.mixture import types_in_log
from medconvert.onepass import PIECE, pieces_of
from medconvert.pretokenizer import name_of
from medconvert.progress import ProgressView
from medconvert.sentencepiece import read_sentencepiece
from medllm.errors import ConversionError

from tests.converter import models


@pytest.mark.parametrize("columns", [1, 256, 4096, 2 * PIECE])
@pytest.mark.parametrize("rows", [1, 31, 32, 33, 63, 4097, 32000])
def test_pieces_cover_all_rows_and_none_is_small(rows: int, columns: int) -> None:
    pieces = list(pieces_of(rows, columns))
    assert [row for start, count in pieces[:50] for row in range(start, start + count)] == list(
        range(sum(count for _, count in pieces[:50]))
    )
    assert sum(count for _, count in pieces) == rows
    # A product of few rows takes another path in the library, with another last bit.
    assert len(pieces) == 1 or min(count for _, count in pieces) >= 32


def _split(regex: str) -> dict[str, Any]:
    return {"type": "Split", "pattern": {"Regex": regex}, "behavior": "Isolated", "invert": False}


def _tokenizer(*steps: dict[str, Any], whole: bool = False) -> dict[str, Any]:
    pre = steps[0] if len(steps) == 1 else {"type": "Sequence", "pretokenizers": list(steps)}
    return {"model": {"type": "BPE", "ignore_merges": whole}, "pre_tokenizer": pre}


_GPT2 = {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True}
_BYTES = {**_GPT2, "use_regex": False}
_QWEN2 = models.LLAMA3_REGEX.replace(r"\p{N}{1,3}", r"\p{N}")


@pytest.mark.parametrize(
    ("tokenizer", "name"),
    [
        (_tokenizer(_GPT2), "gpt-2"),
        (_tokenizer(_split(models.LLAMA3_REGEX), _BYTES, whole=True), "llama-bpe"),
        # Same words, but merged step by step: not llama-bpe, which takes known words whole.
        (_tokenizer(_split(models.LLAMA3_REGEX), _BYTES), "smaug-bpe"),
        (_tokenizer(_split(_QWEN2), _BYTES), "qwen2"),
        (_tokenizer({"type": "Digits", "individual_digits": True}, _GPT2), "smollm"),
    ],
)
def test_a_pre_tokenizer_is_known_by_its_structure(tokenizer: dict[str, Any], name: str) -> None:
    assert name_of(tokenizer) == name


@pytest.mark.parametrize(
    "tokenizer",
    [
        _tokenizer(_GPT2, whole=True),
        _tokenizer({**_GPT2, "add_prefix_space": True}),
        _tokenizer(_split(models.LLAMA3_REGEX), _GPT2, whole=True),
        _tokenizer({**_split(models.LLAMA3_REGEX), "invert": True}, _BYTES, whole=True),
        _tokenizer(_split(r"\w+"), _BYTES),
        _tokenizer({"type": "Whitespace"}),
        {**_tokenizer(_GPT2), "normalizer": {"type": "NFKC"}},
        {"model": {"type": "BPE"}, "pre_tokenizer": None},
    ],
)
def test_an_unknown_pre_tokenizer_is_refused(tokenizer: dict[str, Any]) -> None:
    with pytest.raises(ConversionError, match="has no name in llama"):
        name_of(tokenizer)


def test_types_are_read_from_the_log() -> None:
    log = (
        "llama_model_quantize_impl: a line\n"
        "[   1/  3] output_norm.weight  - [   256,     1,     1,     1], type =    f32, "
        "size =    0.001 MiB\n"
        "[   2/  3] blk.0.ffn_down.weight - [ 512, 256, 1, 1], type =    f16, "
        "size =     0.25 MiB ->     0.10 MiB (q6_K)\n"
        "[   3/  3] blk.0.odd.weight - [ 40, 256, 1, 1], type =    f16, size =     0.020 MiB\n"
    )
    assert types_in_log(log) == {
        "output_norm.weight": 0,
        "blk.0.ffn_down.weight": 14,
        "blk.0.odd.weight": 1,
    }


def test_the_order_of_the_file() -> None:
    names = ["blk.10.b", "token_embd.weight", "blk.2.b", "blk.2.a", "output.weight"]
    ordered = [shape.name for shape in in_file_order([Shape(name, (1,)) for name in names])]
    assert ordered == ["output.weight", "token_embd.weight", "blk.2.a", "blk.2.b", "blk.10.b"]


def test_the_scale_of_an_adapter() -> None:
    config = {"lora_alpha": 128, "use_rslora": True, "alpha_pattern": {"layers.1.mlp.up_proj": 8}}
    assert scale_of(config, "model.layers.0.mlp.up_proj", 64) == 16
    assert scale_of(config, "model.layers.1.mlp.up_proj", 64) == 1
    # The pattern is of layer 1, not of layer 11.
    assert scale_of(config, "model.layers.11.mlp.up_proj", 64) == 16
    assert scale_of({"lora_alpha": 128}, "model.layers.0.mlp.up_proj", 64) == 2


def test_rounding_is_that_of_torch() -> None:
    import torch

    values = torch.randn(64, 64, generator=torch.Generator().manual_seed(0)) * 1e-3
    for name, dtype in (("BF16", torch.bfloat16), ("F16", torch.float16)):
        ours = values.clone().numpy()
        ggml.round_to(name, ours)
        assert np.array_equal(ours, values.to(dtype).float().numpy())


def test_a_sentencepiece_file_is_read(tmp_path: Path) -> None:
    models.sentencepiece_tokenizer(tmp_path)
    pieces = read_sentencepiece(tmp_path / "tokenizer.model").pieces
    assert [(p.text, p.kind) for p in pieces[:4]] == [
        (b"<unk>", 2),
        (b"<s>", 3),
        (b"</s>", 3),
        (b"<0x00>", 6),
    ]
    assert pieces[260].score == -1.0
    broken = tmp_path / "broken.model"
    broken.write_bytes((tmp_path / "tokenizer.model").read_bytes()[:-3])
    with pytest.raises(ConversionError, match="not a SentencePiece model"):
        read_sentencepiece(broken)


def _reading(shift: int) -> Callable[[str, bool], list[int]]:
    return lambda text, whole: [0] * whole + [ord(c) + shift for c in text]


def test_the_gate_names_the_first_difference() -> None:
    same, other = _reading(0), _reading(1)
    cases = [("ab", False), ("ab", True)]
    assert parity.compare(same, [same], cases) == {"texts": 2, "tokens": 5, "disputed": 0}
    # One of two readings is enough, and it is counted.
    assert parity.compare(same, [other, same], cases)["disputed"] == 2
    found = parity.compare(same, [lambda text, whole: [*same(text, whole), 9]], cases)
    assert "'ab'" in found["error"] and "token 2 [] instead of [9]" in found["error"]


def test_progress_on_a_terminal_is_a_bar() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    screen = Terminal()
    with ProgressView(screen) as show:
        show("Choosing types", 0, 0)
        show("Quantizing", 0, 2_000_000)
        show("Quantizing", 2_000_000, 2_000_000)
    assert "Quantizing" in screen.getvalue() and "2.0 of 2.0 MB" in screen.getvalue()
