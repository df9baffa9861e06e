"""What can't be converted faithfully is refused by name, and nothing is written."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from medconvert.plan import Options, plan
from medconvert.quants import quant
from medconvert.source import Source, open_source
from medllm.errors import ConversionError, MedLLMError, UsageError

from tests.converter import models
from tests.converter.conftest import convert, medconvert

Change = Callable[[Path], None]


def settings(name: str, **values: Any) -> Change:
    """Changes a JSON file."""

    def change(folder: Path) -> None:
        file = folder / name
        file.write_text(json.dumps(json.loads(file.read_text()) | values))

    return change


def tensors(name: str, edit: Callable[[dict[str, Any]], object]) -> Change:
    """Changes a safetensors file."""

    def change(folder: Path) -> None:
        from safetensors.torch import load_file, save_file

        content = load_file(folder / name)
        edit(content)
        save_file(content, folder / name)

    return change


def spoil(number: float) -> Callable[[dict[str, Any]], None]:
    def edit(content: dict[str, Any]) -> None:
        next(iter(content.values())).view(-1)[7] = number

    return edit


def add_tensor(name: str) -> Callable[[dict[str, Any]], None]:
    def edit(content: dict[str, Any]) -> None:
        import torch

        content[name] = torch.zeros(256, 256)

    return edit


def cut(folder: Path) -> None:
    file = folder / "model.safetensors"
    with file.open("r+b") as stream:
        stream.truncate(file.stat().st_size - 1000)


def pickle_only(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def lose_shard(folder: Path) -> None:
    weight_map = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    (folder / "model.safetensors").rename(folder / "model-00001-of-00002.safetensors")
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))


def odd_regex(folder: Path) -> None:
    models.bpe_tokenizer(folder, "odd")


def no_sentencepiece_file(folder: Path) -> None:
    models.sentencepiece_tokenizer(folder)
    (folder / "tokenizer.model").unlink()


def unigram(folder: Path) -> None:
    (folder / "tokenizer.model").write_bytes(models.sentencepiece_model([("a", 0.0, 1)], kind=1))


def no_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()


ADAPTER, BASE = "adapter_config.json", "config.json"
WEIGHTS = "adapter_model.safetensors"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (settings(BASE, architectures=["FalconForCausalLM"]), "'FalconForCausalLM'"),
        (settings(BASE, quantization_config={"bits": 4}), "quantization_config"),
        (settings(BASE, rope_parameters={"rope_type": "dynamic", "factor": 2}), "'dynamic'"),
        (tensors("model.safetensors", add_tensor("model.layers.0.gate.weight")), "layers.0.gate"),
        (tensors("model.safetensors", spoil(float("nan"))), "NaN or infinity"),
        (tensors("model.safetensors", spoil(float("inf"))), "NaN or infinity"),
        (cut, "truncated"),
        (pickle_only, "pickle"),
        (lose_shard, "model-00002-of-00002.safetensors"),
        (odd_regex, "regular expression"),
        (no_sentencepiece_file, "SentencePiece file is not there"),
        (unigram, "unigram"),
        (no_tokenizer, "no tokenizer"),
        (settings(BASE, vocab_size=400), "400 rows"),
    ],
)
def test_a_base_is_refused(run_folder: Path, tmp_path: Path, change: Change, said: str) -> None:
    base = shutil.copytree(run_folder / "base", tmp_path / "base")
    change(base)
    out = tmp_path / "out" / "x.gguf"
    with pytest.raises(ConversionError) as refused:
        convert(base, out)
    assert said in refused.value.message
    assert "\n" not in refused.value.line()
    assert list(out.parent.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (settings(ADAPTER, peft_type="LOHA"), "LOHA"),
        (settings(ADAPTER, task_type="SEQ_CLS"), "SEQ_CLS"),
        (settings(ADAPTER, modules_to_save=["lm_head"]), "modules_to_save"),
        (settings(ADAPTER, lora_bias=True), "lora_bias"),
        (settings(ADAPTER, bias="all"), "bias='all'"),
        (settings(ADAPTER, fan_in_fan_out=True), "fan_in_fan_out"),
        (settings(ADAPTER, init_lora_weights="pissa_niter_4"), "init_lora_weights='pissa_niter_4'"),
        (settings(ADAPTER, init_lora_weights="pissa", use_dora=True), "DoRA"),
        (settings(ADAPTER, something_new={"a": 1}), "something_new"),
        (settings(ADAPTER, r=9), "doesn't fit the base"),
        (settings(ADAPTER, use_dora=True), "lora_magnitude_vector"),
        (tensors(WEIGHTS, add_tensor("base_model.model.lm_head.weight")), "lm_head.weight"),
        (
            tensors(WEIGHTS, add_tensor("base_model.model.model.embed_tokens.lora_embedding_A")),
            "lora_embedding_A",
        ),
        (tensors(WEIGHTS, spoil(float("nan"))), "NaN"),
        (lambda folder: (folder / WEIGHTS).unlink(), WEIGHTS),
    ],
)
def test_an_adapter_is_refused(run_folder: Path, tmp_path: Path, change: Change, said: str) -> None:
    adapter = shutil.copytree(run_folder / "adapter", tmp_path / "adapter")
    change(adapter)
    source = Source(adapter, run_folder / "base", adapter, None)
    with pytest.raises(ConversionError) as refused:
        plan(source, Options((quant("q4_k_m"),)))
    assert said in refused.value.message


def test_an_adapter_of_another_base(run_folder: Path, tmp_path: Path) -> None:
    other = models.make_model(tmp_path / "other", vocabulary=500, num_key_value_heads=8)
    source = Source(other, other, run_folder / "adapter", None)
    with pytest.raises(ConversionError, match=r"doesn't fit the base: .*k_proj"):
        plan(source, Options((quant("q4_k_m"),)))


def test_an_output_that_is_an_input(run_folder: Path, tmp_path: Path) -> None:
    weights = run_folder / "base" / "model.safetensors"
    before = weights.read_bytes()
    link = tmp_path / "link.gguf"
    link.hardlink_to(weights)
    for out in (weights, link):
        with pytest.raises(UsageError, match="is an input"):
            convert(run_folder / "base", out)
    with pytest.raises(UsageError, match="is a folder"):
        convert(run_folder / "base", tmp_path)
    assert weights.read_bytes() == before


def test_sources(run_folder: Path, tmp_path: Path) -> None:
    found = open_source(run_folder)
    assert (found.name, found.adapter) == ("tiny-run", run_folder / "adapter")
    assert open_source(run_folder, with_adapter=False).name == "tiny-run-base"
    # An adapter inside a run is that run.
    assert open_source(run_folder / "adapter").record == found.record
    assert open_source(run_folder / "base").adapter is None
    alone = shutil.copytree(run_folder / "adapter", tmp_path / "alone")
    assert open_source(alone).base == run_folder / "base"
    settings(ADAPTER, base_model_name_or_path="someone/some-model")(alone)
    with pytest.raises(ConversionError, match="someone/some-model"):
        open_source(alone)
    unfinished = tmp_path / "unfinished"
    unfinished.mkdir()
    assert found.record
    found.record.model_copy(update={"finished": ""}).write(unfinished)
    with pytest.raises(ConversionError, match="not come to its end"):
        open_source(unfinished)
    for wrong in (tmp_path, tmp_path / "absent"):
        with pytest.raises(UsageError):
            open_source(wrong)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["nowhere"], 2, "nowhere is not a folder"),
        ([".", "--quant", "q3_k"], 2, "q3_k_s"),
        (["--threads", "-1", "."], 2, "threads"),
    ],
)
def test_the_command_says_it_in_one_line(arguments: list[str], code: int, said: str) -> None:
    done = medconvert(*arguments)
    assert (done.returncode, done.stdout) == (code, "")
    assert said in done.stderr and "Traceback" not in done.stderr


def test_no_error_is_without_hint_where_there_is_something_to_do() -> None:
    with pytest.raises(MedLLMError) as refused:
        quant("q9")
    assert refused.value.hint
