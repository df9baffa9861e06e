"""An adapter alone: it does with llama.cpp what it does with PEFT."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from medconvert import formats, record
from medconvert.formats import Options, adapter, adapter_check
from medconvert.source import Source
from medllm.errors import ConversionError, MedLLMError, UsageError
from medllm.run_record import RunRecord

from tests.converter import models, zoo

HARD = {"use_rslora": True, "alpha_pattern": {"q_proj": 4}, "rank_pattern": {"k_proj": 4}}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Llama, whose rows of Q and K change places in a GGUF."""
    return models.mini(tmp_path_factory.mktemp("base") / "mini")


def export(base: Path, adapter: Path, out: Path, precision: str = "") -> RunRecord:
    """An export in this process."""
    source = Source(adapter, base, adapter, None)
    return formats.export("adapter", source, out, Options(precision))[1]


def metadata(file: Path) -> tuple[dict[str, Any], dict[str, tuple[int, ...]]]:
    """Keys with their values, and tensors with their shapes, rows first."""
    import gguf

    reader = gguf.GGUFReader(file)
    keys = {name: field.contents() for name, field in reader.fields.items()}
    return keys, {t.name: tuple(int(n) for n in reversed(t.shape)) for t in reader.tensors}


@pytest.mark.slow
def test_scales_and_ranks_of_all_kinds_come_out_as_in_peft(base: Path, tmp_path: Path) -> None:
    folder = models.make_adapter(tmp_path / "adapter", base, **HARD)
    out = tmp_path / "out" / "a.gguf"
    run = export(base, folder, out)
    assert run.verify["generation"]["equal"] == run.verify["generation"]["tokens"] == 128
    assert run.verify["divergence"]["missed"] < 1e-4
    keys, shapes = metadata(out)
    assert keys["general.type"] == "adapter"
    assert keys["general.architecture"] == "llama"
    assert keys["adapter.type"] == "lora"
    assert keys["adapter.lora.alpha"] == 0
    assert len(shapes) == 2 * 2 * len(models.LINEAR)
    assert shapes["blk.1.attn_q.weight.lora_a"] == (8, 256)
    assert shapes["blk.1.attn_k.weight.lora_b"] == (128, 4)
    stored = json.loads(record.file_of(out).read_text())
    assert stored["outputs"].keys() == {"a.gguf"}
    assert stored["verify"] == run.verify
    assert sorted(file.name for file in out.parent.iterdir()) == ["a.gguf", "a.run.json"]


@pytest.mark.slow
def test_a_scale_that_is_left_out_is_noticed(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Were it written as it is, llama.cpp would add s times too little, without a word."""
    folder = models.make_adapter(tmp_path / "adapter", base, **HARD)
    right = adapter._pairs

    def unscaled(*arguments: Any) -> Iterator[tuple[str, Any, Any]]:
        for name, a, b in right(*arguments):
            yield name, a, b / np.float32(2)

    monkeypatch.setattr(adapter, "_pairs", unscaled)
    out = tmp_path / "out" / "a.gguf"
    with pytest.raises(ConversionError, match=r"predicts unlike PEFT: [345]\d\.\d%"):
        export(base, folder, out)
    assert list(out.parent.iterdir()) == []


@pytest.mark.slow
def test_what_pissa_took_out_of_the_base_is_taken_out_of_the_adapter(
    base: Path, tmp_path: Path
) -> None:
    folder = models.make_adapter(tmp_path / "adapter", base, init_lora_weights="pissa")
    out = tmp_path / "a.gguf"
    assert export(base, folder, out).verify["divergence"]["missed"] < 1e-2
    assert metadata(out)[1]["blk.0.attn_q.weight.lora_a"] == (16, 256)


def test_the_share_that_is_missed() -> None:
    bare = np.zeros((1, 2), np.float32)
    wanted = np.array([[1.0, -1.0]], np.float32)
    assert adapter_check.missed(wanted, wanted, bare) == 0
    assert adapter_check.missed(wanted, wanted / 2, bare) == pytest.approx(0.5)
    # An adapter that does nothing yet: rounding is not held against it.
    assert adapter_check.missed(wanted, wanted + np.float32(1e-7), wanted) < 0.01


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"use_dora": True}, "use_dora"),
        ({"modules_to_save": ["lm_head"]}, "modules_to_save"),
        ({"lora_bias": True}, "lora_bias"),
        ({"bias": "all"}, "bias"),
    ],
)
def test_what_is_no_mere_sum_is_refused_by_name(
    base: Path, tmp_path: Path, settings: dict[str, Any], said: str
) -> None:
    folder = models.make_adapter(tmp_path / "adapter", base, **settings)
    with pytest.raises(MedLLMError, match=said):
        export(base, folder, tmp_path / "a.gguf")
    assert not (tmp_path / "a.gguf").exists()


def test_values_beyond_f16_are_refused(base: Path, tmp_path: Path) -> None:
    folder = models.make_adapter(tmp_path / "adapter", base, lora_alpha=10**8)
    with pytest.raises(ConversionError, match="beyond the range of f16"):
        export(base, folder, tmp_path / "a.gguf", "f16")
    assert list(tmp_path.iterdir()) == [folder]


def test_an_encoder_decoder_is_refused(tmp_path: Path) -> None:
    model = zoo.t5(tmp_path / "t5")
    folder = model.adapter(tmp_path / "adapter")
    with pytest.raises(ConversionError, match="encoder-decoder") as told:
        export(model.folder, folder, tmp_path / "a.gguf")
    assert "--format ct2" in told.value.hint


def test_a_model_without_an_adapter_has_none_to_export(base: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has no adapter"):
        formats.export("adapter", Source(base, base, None, None), tmp_path / "a.gguf", Options())


def test_a_rounded_base_is_no_base_for_it(base: Path, tmp_path: Path) -> None:
    source = Source(base, base, base, None)
    with pytest.raises(UsageError, match="original weights"):
        formats.export("adapter", source, tmp_path / "a.gguf", Options(four_bit="nf4"))
