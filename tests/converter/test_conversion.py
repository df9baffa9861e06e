"""A run becomes a GGUF that holds PEFT's merge, says what it is, loads and answers."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from medconvert import ggml
from medconvert.families.family import rope_order
from medconvert.quants import quant
from medllm import files
from medllm.errors import ConversionError
from medllm.run_record import RunRecord

from tests.converter import models, reference
from tests.converter.conftest import Run, convert, medconvert

Q4_K, Q6_K, F32 = 12, 14, 0


def test_the_command_names_the_output_and_shows_progress(converted: Run) -> None:
    out, done = converted
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{out}: ")
    assert "tokens alike" in done.stdout
    phases = [line.split(" ")[0] for line in done.stderr.splitlines()]
    assert phases[0] == "Choosing" and phases[-1] == "Asking" and "Quantizing" in phases
    assert re.search(r"Quantizing (\S+) of \1 MB", done.stderr)
    assert "\x1b" not in done.stderr


def test_nothing_else_is_left_in_the_folder(converted: Run) -> None:
    out, _ = converted
    here = {"tiny-run.q4_k_m.gguf", "tiny-run.q4_k_m.run.json"}
    assert {file.name for file in out.parent.iterdir()} >= here
    assert not [file for file in out.parent.iterdir() if file.name.startswith(".")]


def test_the_record_tells_what_was_done(converted: Run, run_folder: Path) -> None:
    out, _ = converted
    text = (out.parent / "tiny-run.q4_k_m.run.json").read_text()
    record = RunRecord.model_validate(json.loads(text))
    assert (record.stage, record.recipe, record.chat_family) == ("convert", "mini", "mini")
    assert (record.prompt_version, record.seed) == ("7", 3)
    assert record.outputs == {out.name: files.sha256(out)}
    weights = run_folder / "adapter" / "adapter_model.safetensors"
    assert record.inputs["adapter/adapter_model.safetensors"] == files.sha256(weights)
    assert {"base/model.safetensors", "base/config.json", "base/tokenizer.json"} <= set(
        record.inputs
    )
    assert (out.parent / record.base / "config.json").is_file()
    assert record.metrics["bytes_written"] == out.stat().st_size
    assert record.verify["tokens"]["passed"] and record.verify["tokens"]["chats"] == 3
    assert record.verify["tokens"]["disputed"] == 0
    assert record.metrics["merged_tensors"] == 2 * len(models.LINEAR)
    assert record.finished and record.peak_memory_mb > 0 and record.seconds > 0


def test_tensors_are_peft_s_merge_quantized_by_ggml(
    converted: Run, run_folder: Path, tmp_path: Path
) -> None:
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    base = AutoModelForCausalLM.from_pretrained(run_folder / "base", dtype=torch.float32)
    merged = PeftModel.from_pretrained(base, run_folder / "adapter").merge_and_unload()
    weights = {name: value.numpy() for name, value in merged.state_dict().items()}
    got = reference.tensors(converted[0])
    down = weights["model.layers.1.mlp.down_proj.weight"]
    assert got["blk.1.ffn_down.weight"] == ("Q6_K", (512, 256), ggml.quantize(Q6_K, down).tobytes())
    gate = weights["model.layers.0.mlp.gate_proj.weight"]
    assert got["blk.0.ffn_gate.weight"][2] == ggml.quantize(Q4_K, gate).tobytes()
    query = weights["model.layers.0.self_attn.q_proj.weight"][rope_order(256, 8)]
    assert got["blk.0.attn_q.weight"][2] == ggml.quantize(Q4_K, query).tobytes()
    key = weights["model.layers.0.self_attn.k_proj.weight"][rope_order(128, 4)]
    assert got["blk.0.attn_k.weight"][2] == ggml.quantize(Q4_K, key).tobytes()
    assert got["output_norm.weight"] == ("F32", (256,), weights["model.norm.weight"].tobytes())
    assert "output.weight" not in got  # tied
    assert got["token_embd.weight"][0] == "Q6_K"


def test_rope_order_puts_partners_side_by_side() -> None:
    # Two heads of four rows: the halves (0 1 | 2 3) become pairs (0 2, 1 3).
    assert rope_order(8, 2).tolist() == [0, 2, 1, 3, 4, 6, 5, 7]


def test_metadata(converted: Run) -> None:
    found = {key: value for key, (_kinds, value) in reference.metadata(converted[0]).items()}
    assert found["general.architecture"] == "llama"
    assert found["general.name"] == "tiny-run"
    assert found["general.file_type"] == quant("Q4_K_M").file_type == 15
    assert found["llama.block_count"] == 2
    assert found["llama.attention.head_count_kv"] == 4
    assert found["tokenizer.ggml.model"] == "gpt2"
    assert found["tokenizer.ggml.pre"] == "gpt-2"
    assert found["tokenizer.ggml.add_bos_token"] is True
    ids = [found[f"tokenizer.ggml.{role}_token_id"] for role in ("bos", "eos", "padding")]
    assert ids == [0, 1, 2]
    assert found["tokenizer.ggml.token_type"][:6] == [3, 3, 3, 3, 3, 1]
    assert found["tokenizer.chat_template"] == models.MINI_TEMPLATE


def test_our_own_metadata(converted: Run) -> None:
    from gguf import GGUFReader

    fields = GGUFReader(converted[0]).fields
    own = {key: field.contents() for key, field in fields.items() if key.startswith("medllm.")}
    assert own == {
        "medllm.recipe": "mini",
        "medllm.prompt_version": "7",
        "medllm.chat_family": "mini",
        "medllm.base_sha256": "ab" * 32,
    }


def test_it_thinks_as_the_merged_model_does(converted: Run, run_folder: Path) -> None:
    import torch
    from llama_cpp import Llama
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    base = AutoModelForCausalLM.from_pretrained(run_folder / "base", dtype=torch.float32)
    merged = PeftModel.from_pretrained(base, run_folder / "adapter").merge_and_unload().eval()
    llama = Llama(str(converted[0]), n_ctx=64, n_threads=2, logits_all=True, verbose=False)
    prompt = llama.tokenize(b"<|user|>What is hypertension?<|assistant|>", special=True)
    llama.eval(prompt)
    ours = np.array(llama.scores[: len(prompt)])
    with torch.no_grad():
        theirs = merged(torch.tensor([prompt])).logits[0].numpy()
        untuned = AutoModelForCausalLM.from_pretrained(run_folder / "base")(
            torch.tensor([prompt])
        ).logits[0].numpy()  # fmt: skip
    # What is lost to four bits on random weights is a little over a hundredth.
    assert np.corrcoef(ours.ravel(), theirs.ravel())[0, 1] > 0.98
    assert np.corrcoef(ours.ravel(), untuned.ravel())[0, 1] < 0.9
    answer = llama.create_completion(prompt, max_tokens=8, temperature=0)
    assert answer["usage"]["completion_tokens"] > 0


def test_without_the_adapter(run_folder: Path) -> None:
    done = medconvert(run_folder, "--no-adapter", "--name", "Tiny base", "--threads", "1")
    assert done.returncode == 0, done.stderr
    out = run_folder / "gguf" / "Tiny base.q4_k_m.gguf"
    assert reference.metadata(out)["general.name"][1] == "Tiny base"
    record = json.loads((out.parent / "Tiny base.q4_k_m.run.json").read_text())
    assert record["adapter"] == "" and record["metrics"]["merged_tensors"] == 0
    assert not any(name.startswith("adapter/") for name in record["inputs"])


def test_sentencepiece_dora_and_shards_at_once(tmp_path: Path) -> None:
    base = tmp_path / "model"
    size = models.sentencepiece_tokenizer(base)
    models.make_model(
        base, vocabulary=size, dtype="bfloat16", shard="1MB",
        bos_token_id=1, eos_token_id=2, head_dim=64,
    )  # fmt: skip
    adapter = models.make_adapter(
        tmp_path / "adapter", base, use_dora=True, rank_pattern={"v_proj": 4},
        alpha_pattern={"layers.0.mlp.up_proj": 2},
    )  # fmt: skip
    out = tmp_path / "model.gguf"
    record = convert(base, out, adapter, match_peft=True, verify=True)
    # transformers 5 adds no space before a Llama 2 text that begins with one; the file does.
    assert 0 < record.verify["tokens"]["disputed"] < 20
    merged = reference.merge(base, adapter, tmp_path / "merged")
    from medconvert.checkpoint import read_model

    values = read_model(merged)["model.layers.0.self_attn.v_proj.weight"].read(0, 256)
    ggml.round_to("F16", values)
    got = reference.tensors(out)["blk.0.attn_v.weight"]
    kind = {"Q4_K": Q4_K, "Q6_K": Q6_K}[got[0]]
    assert got[2] == ggml.quantize(kind, values).tobytes()
    found = reference.metadata(out)
    assert found["tokenizer.ggml.model"][1] == "llama"
    assert found["tokenizer.ggml.token_type"][1][:5] == [3, 3, 3, 6, 6]


def test_a_wrong_pre_tokenizer_is_caught_and_nothing_is_left(
    run_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("medconvert.pretokenizer.name_of", lambda _tokenizer: "qwen2")
    with pytest.raises(ConversionError, match=r"unlike the model's own tokenizer"):
        convert(run_folder / "base", tmp_path / "wrong.gguf", verify=True)
    assert list(tmp_path.iterdir()) == []


def test_the_command_starts_without_heavy_imports() -> None:
    code = (
        "import sys, medconvert.cli as c; c.app; heavy = {'torch', 'transformers', 'llama_cpp', "
        "'gguf', 'numpy'} & set(sys.modules); sys.exit(repr(heavy) if heavy else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
