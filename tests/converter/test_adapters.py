"""Adapters that change more than a product: what PEFT makes of them is what the GGUF holds."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from medconvert import ggml
from medconvert.families.family import rope_order
from medllm.errors import UsageError

from tests.converter import models, reference
from tests.converter.conftest import convert, medconvert

F32 = ("model.layers.1.mlp.down_proj.weight", "blk.1.ffn_down.weight")
QUERY = ("model.layers.0.self_attn.q_proj.weight", "blk.0.attn_q.weight")


def trained(folder: Path, base: Path, start: str) -> Path:
    """An adapter with that start, moved away from it as a training would."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(2)
    config: dict[str, Any] = {"r": 4, "lora_alpha": 8, "target_modules": models.LINEAR}
    tuned = get_peft_model(
        AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32),
        LoraConfig(**config, init_lora_weights=start, task_type="CAUSAL_LM"),  # type: ignore[arg-type]
    )
    with torch.no_grad():
        for name, weight in tuned.named_parameters():
            if "lora_" in name:
                weight.add_(0.05 * torch.randn_like(weight))
    tuned.save_pretrained(folder)
    return folder


def merged(base: Path, adapter: Path) -> dict[str, Any]:
    """PEFT's own merge, by the names of the checkpoint."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    whole = PeftModel.from_pretrained(model, adapter).merge_and_unload()
    return {name: value.numpy() for name, value in whole.state_dict().items()}


@pytest.mark.parametrize("start", ["pissa", "olora"])
def test_what_started_from_the_base_is_merged_as_peft_does(start: str, tmp_path: Path) -> None:
    base = models.mini(tmp_path / "base")
    adapter = trained(tmp_path / "adapter", base, start)
    out = tmp_path / "x.gguf"
    convert(base, out, adapter, quants="f32")
    expected, got = merged(base, adapter), reference.tensors(out)
    down = np.frombuffer(got[F32[1]][2], np.float32).reshape(256, 512)
    np.testing.assert_allclose(down, expected[F32[0]], atol=2e-5)
    query = np.frombuffer(got[QUERY[1]][2], np.float32).reshape(256, 256)
    np.testing.assert_allclose(query, expected[QUERY[0]][rope_order(256, 8)], atol=2e-5)
    # Merged into the base as it lies there, it would be another model.
    assert np.abs(expected[F32[0]] - _plain(base)[F32[0]]).max() > 0.01
    with pytest.raises(UsageError, match="identical bytes"):
        convert(base, out, adapter, match_peft=True)


def _plain(base: Path) -> dict[str, Any]:
    from safetensors.numpy import load_file

    return dict(load_file(base / "model.safetensors"))


def test_a_qlora_adapter_is_merged_into_the_base_that_training_saw(tmp_path: Path) -> None:
    base = models.mini(tmp_path / "base")
    adapter = models.make_adapter(tmp_path / "adapter", base)
    out = tmp_path / "x.gguf"
    record = convert(base, out, adapter, quants="f32", four_bit="nf4-double", verify=True)
    # The original runs in four bits there, so only the same rounding comes this close.
    assert record.verify["divergence"]["mean_kl"] < 1e-4
    other = convert(base, tmp_path / "y.gguf", adapter, quants="f32")
    assert (record.settings["merge_into"], other.settings["merge_into"]) == (
        "nf4-double",
        "original",
    )
    got = reference.tensors(out)[F32[1]][2]
    assert got != reference.tensors(tmp_path / "y.gguf")[F32[1]][2]


def test_an_unknown_rounding_is_refused_before_anything_is_read(run_folder: Path) -> None:
    done = medconvert(run_folder, "--merge-into", "dequantized", "--four-bit", "int3")
    assert done.returncode == 2 and "nf4-double" in done.stderr


def test_several_types_in_one_reading_are_the_same_as_one_by_one(
    run_folder: Path, tmp_path: Path
) -> None:
    done = medconvert(
        run_folder, "--quant", "q4_k_m,Q8_0,f16", "--out", tmp_path / "all", "--no-verify"
    )
    assert done.returncode == 0, done.stderr
    assert "left out" in done.stdout
    for kind in ("q4_k_m", "q8_0", "f16"):
        alone = tmp_path / f"{kind}.gguf"
        record = convert(run_folder / "base", alone, run_folder / "adapter", quants=kind)
        together = tmp_path / "all" / f"tiny-run.{kind}.gguf"
        assert reference.tensors(together) == reference.tensors(alone)
        assert record.settings["quant"] == kind
        assert together.with_name(f"tiny-run.{kind}.run.json").is_file()


def test_f16_holds_the_merge_rounded_once(run_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "x.gguf"
    convert(run_folder / "base", out, run_folder / "adapter", quants="f16")
    values = merged(run_folder / "base", run_folder / "adapter")[F32[0]]
    kind, _dims, data = reference.tensors(out)[F32[1]]
    assert (kind, data) == ("F16", ggml.quantize(1, values).tobytes())
