"""CTranslate2 folders of T5 and Flan-T5: the same greedy tokens, beams and scores."""

import json
from pathlib import Path

import pytest
from medconvert import formats
from medconvert.formats import Options
from medconvert.source import Source
from medllm import run_record
from medllm.errors import ConversionError
from medllm.run_record import RunRecord

from tests.converter import models, weights, zoo

pytest.importorskip("ctranslate2", reason="the extra ct2 is not installed")


def export(base: Path, out: Path, adapter: Path | None = None, precision: str = "") -> RunRecord:
    """An export in this process."""
    source = Source(adapter or base, base, adapter, None)
    return formats.export("ct2", source, out, Options(precision))[1]


def alike(run: RunRecord) -> None:
    """Greedy tokens, four beams and scores are the original's."""
    greedy, beams = run.verify["generation"], run.verify["beams"]
    assert greedy["equal"] == greedy["tokens"] > 100
    assert beams["equal"] == beams["texts"] == 12
    assert run.verify["scores"]["worst"] < 1e-3


@pytest.mark.slow
def test_flan_t5_with_an_adapter(tmp_path: Path) -> None:
    """Its logits are not scaled, which beams show and greedy tokens don't."""
    model = zoo.t5(tmp_path / "base", flan=True)
    adapter = weights.write_adapter(
        tmp_path / "adapter", model.folder, model.shapes, model.targets, task_type="SEQ_2_SEQ_LM"
    )
    out = tmp_path / "out"
    run = export(model.folder, out, adapter)
    alike(run)
    assert (out / "spiece.model").is_file() and (out / "tokenizer.json").is_file()
    stored = run_record.read(out)
    assert set(stored.outputs) | {"run.json"} == {file.name for file in out.iterdir()}


@pytest.mark.slow
def test_t5_with_tied_embeddings(tmp_path: Path) -> None:
    base = zoo.t5(tmp_path / "base").folder
    alike(export(base, tmp_path / "out"))
    names = json.loads((tmp_path / "out" / "shared_vocabulary.json").read_text())
    assert (
        len(names)
        == len(set(names))
        == json.loads((base / "config.json").read_text())["vocab_size"]
    )
    assert names[-1] == f"<unused_{len(names) - 1}>"
    assert "<extra_id_0>" in names


@pytest.mark.slow
def test_eight_bits_run_and_say_how_many_tokens_are_equal(tmp_path: Path) -> None:
    base = zoo.t5(tmp_path / "base").folder
    run = export(base, tmp_path / "out", precision="int8")
    found = run.verify["generation"]
    assert 0 < found["equal"] <= found["tokens"]
    whole = (base / "model.safetensors").stat().st_size
    assert (tmp_path / "out" / "model.bin").stat().st_size < whole / 3


def test_a_decoder_is_refused(tmp_path: Path) -> None:
    base = models.mini(tmp_path / "base")
    with pytest.raises(ConversionError, match="'LlamaForCausalLM' can't be exported"):
        export(base, tmp_path / "out")
    assert [one.name for one in tmp_path.iterdir()] == ["base"]
