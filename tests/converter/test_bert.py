"""BERT: an encoder whose vectors, not its words, must be those of the original."""

import json
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from medconvert import checkpoint, conversion, parity, pooling
from medconvert.families import family_of
from medconvert.plan import Options
from medconvert.quants import quants
from medconvert.source import Source, read_json
from medconvert.verify import table
from medconvert.verify.vectors import cosines, pooled
from medllm import gguf_header
from medllm.errors import ConversionError

from tests.converter import weights, zoo
from tests.converter.conftest import convert


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> zoo.Model:
    return zoo.bert(tmp_path_factory.mktemp("bert") / "tiny-encoder")


def _changed(model: zoo.Model, file: str, **changes: Any) -> dict[str, Any]:
    return {**read_json(model.folder / file), **changes}


def test_it_is_checked_by_its_vectors(model: zoo.Model, tmp_path: Path) -> None:
    kinds = quants("f32,f16,q8_0,q4_k_m")
    targets = conversion.Targets({kind: tmp_path / f"{kind.name}.gguf" for kind in kinds})
    adapter = model.adapter(tmp_path / "adapter")
    source = Source(adapter, model.folder, adapter, None)
    records = conversion.convert(source, targets, Options(kinds, threads=2))
    f32, f16, q8, q4 = (record.verify["vectors"]["least"] for record in records)
    assert min(f32, f16) >= 0.9999
    assert q4 < q8 < 1 and q8 > 0.99
    for record in records:
        assert record.metrics["merged_tensors"] == 6
        assert record.verify["tokens"]["passed"] and record.verify["vectors"]["passed"]
        assert "does not chat" in record.verify["answers"]["skipped"]
        assert "cosine with the original's at least" in table.text(record.verify)


def test_vectors_of_another_pooling_are_refused(
    model: zoo.Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(pooling._TYPES, "mean", 2)  # the first token's is written for the mean
    with pytest.raises(ConversionError, match="vectors are unlike"):
        convert(model.folder, tmp_path / "x.gguf", quants="f16", verify=True)
    assert list(tmp_path.iterdir()) == []


def test_capitals_and_accents_are_kept_where_the_tokenizer_keeps_them(tmp_path: Path) -> None:
    folder = zoo.bert(tmp_path / "cased", lowercase=False).folder
    convert(folder, tmp_path / "x.gguf", quants="f16")
    metadata = gguf_header.read(tmp_path / "x.gguf").metadata
    assert metadata["tokenizer.ggml.normalizer.lowercase"] is False
    found = parity.measure(folder, tmp_path / "x.gguf")
    assert found.get("error") is None and found["disputed"] == 0


def test_marks_that_llama_cpp_drops_are_counted(tmp_path: Path) -> None:
    """It takes the vowels of Devanagari and Hangul for accents."""
    letters = unicodedata.normalize("NFD", "उच्चरक्तचाप고혈압이란")
    folder = zoo.bert(tmp_path / "scripts", letters=letters).folder
    convert(folder, tmp_path / "x.gguf", quants="f16")
    found = parity.measure(folder, tmp_path / "x.gguf")
    assert found.get("error") is None and found["disputed"] == 4  # with and without the marks


@pytest.mark.parametrize(
    ("config", "mode"),
    [
        ({"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False}, "mean"),
        ({"pooling_mode_cls_token": True}, "cls"),
        ({"pooling_mode_lasttoken": True}, "lasttoken"),
        ({"pooling_mode": "cls", "embedding_dimension": 256}, "cls"),
    ],
)
def test_how_vectors_are_pooled(tmp_path: Path, config: dict[str, Any], mode: str) -> None:
    assert pooling.mode_of(tmp_path) == "mean"  # an encoder alone
    _steps(tmp_path, "Transformer", "Pooling", "Normalize")
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "config.json").write_text(json.dumps(config))
    assert pooling.mode_of(tmp_path) == mode


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"pooling_mode_max_tokens": True}, "max_tokens"),
        ({"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": True}, "mean_tokens, cls"),
        ({"pooling_mode_mean_tokens": True, "pooling_mode_max_tokens": True}, "max_tokens"),
        ({"pooling_mode": "weightedmean"}, "weightedmean"),
        ({}, "none"),
    ],
)
def test_other_ways_of_pooling_are_refused(
    tmp_path: Path, config: dict[str, Any], said: str
) -> None:
    _steps(tmp_path, "Transformer", "Pooling")
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "config.json").write_text(json.dumps(config))
    with pytest.raises(ConversionError, match=said):
        pooling.mode_of(tmp_path)


def test_a_step_that_would_be_lost_is_refused(tmp_path: Path) -> None:
    _steps(tmp_path, "Transformer", "Pooling", "Dense")
    with pytest.raises(ConversionError, match="step Dense"):
        pooling.mode_of(tmp_path)
    (tmp_path / "modules.json").write_text("{}")
    with pytest.raises(ConversionError, match="not a list of steps"):
        pooling.mode_of(tmp_path)


def _steps(folder: Path, *kinds: str) -> None:
    steps = [
        {"path": str(i), "type": f"sentence_transformers.models.{kind}"}
        for i, kind in enumerate(kinds)
    ]
    (folder / "modules.json").write_text(json.dumps(steps))


def test_pooling_of_tokens() -> None:
    states = np.array([[1.0, 2.0], [3.0, 6.0]], np.float32)
    assert pooled(states, "mean").tolist() == [2, 4]
    assert pooled(states, "cls").tolist() == [1, 2]
    assert pooled(states, "lasttoken").tolist() == [3, 6]
    assert cosines(states, 7 * states)["least"] == pytest.approx(1)
    assert cosines(states, states[:, ::-1])["least"] == pytest.approx(0.8)


@pytest.mark.parametrize(
    ("tensor", "place"),
    [
        ("embeddings.LayerNorm.weight", "token_embd_norm.weight"),
        ("bert.embeddings.LayerNorm.gamma", "token_embd_norm.weight"),
        ("bert.encoder.layer.1.output.LayerNorm.beta", "blk.1.layer_output_norm.bias"),
        ("encoder.layer.0.attention.self.query.bias", "blk.0.attn_q.bias"),
        ("pooler.dense.weight", ""),
        ("bert.pooler.dense.bias", ""),
        ("cls.predictions.transform.LayerNorm.gamma", ""),
        ("cls.seq_relationship.weight", ""),
    ],
)
def test_where_a_tensor_goes(model: zoo.Model, tensor: str, place: str) -> None:
    found = family_of(read_json(model.folder / "config.json")).place(tensor)
    assert (found.name if found else "") == place


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"hidden_act": "relu"}, "hidden_act='relu'"),
        ({"position_embedding_type": "relative_key"}, "relative_key"),
        ({"is_decoder": True}, "is_decoder=True"),
        ({"intermediate_size": None}, "lacks intermediate_size"),
        ({"architectures": ["BertForSequenceClassification"]}, "can't be converted"),
    ],
)
def test_what_llama_cpp_would_compute_otherwise_is_refused(
    model: zoo.Model, changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConversionError, match=said):
        family_of(_changed(model, "config.json", **changes))


def test_an_unknown_tensor_is_refused(model: zoo.Model) -> None:
    family = family_of(read_json(model.folder / "config.json"))
    with pytest.raises(ConversionError, match=r"holds the tensor encoder.layer.0.odd"):
        family.place("encoder.layer.0.odd.weight")


def test_a_tokenizer_of_another_kind_is_refused(tmp_path: Path) -> None:
    folder = zoo.bert(tmp_path / "odd").folder
    whole = read_json(folder / "tokenizer.json")
    for change, said in (
        ({"model": {"type": "BPE"}}, "holds BPE"),
        ({"normalizer": {"type": "NFKC"}}, "NFKC"),
        ({"pre_tokenizer": {"type": "Whitespace"}}, "Whitespace"),
    ):
        (folder / "tokenizer.json").write_text(json.dumps({**whole, **change}))
        with pytest.raises(ConversionError, match=said):
            convert(folder, tmp_path / "x.gguf", quants="f16")
    (folder / "tokenizer.json").unlink()
    with pytest.raises(ConversionError, match=r"tokenizer.json is missing"):
        convert(folder, tmp_path / "x.gguf", quants="f16")


def test_positions_that_were_saved_with_the_weights_are_left_out(tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    weights.save(file, {"embeddings.position_ids": np.zeros((1, 4), np.float32)})
    header = file.read_bytes().replace(b'"F32"', b'"I32"')
    file.write_bytes(header)
    assert checkpoint.read_file(file) == {}
    file.write_bytes(header.replace(b"position_ids", b"positions_id"))
    with pytest.raises(ConversionError, match="of type I32"):
        checkpoint.read_file(file)
