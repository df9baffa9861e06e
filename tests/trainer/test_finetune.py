"""The recipes on tiny bases of their architectures: trained, resumed, in two processes, converted."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from medllm import run_record
from medllm.errors import StorageError, TrainingError, UsageError
from medtrain import recipe as recipes
from medtrain import run as runs
from medtrain import training, weights
from medtrain.settings import TuningRecipe

from tests.trainer import tiny_runs

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("training")]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with records, and with a base for each recipe."""
    folder = tmp_path_factory.mktemp("training")
    tiny_runs.records(folder / "records.jsonl", system="Be brief.")
    tiny_runs.records(folder / "pairs.jsonl")
    for name, (maker, template) in tiny_runs.BASES.items():
        tiny_runs.base(folder / name, maker, template)
    return folder


def recipe_of(place: Path, name: str, *settings: str) -> TuningRecipe:
    return tiny_runs.load(name, place / name, *settings)


def command(place: Path, name: str, out: Path, *settings: str) -> list[str]:
    chosen = [f"base={place / name}", *tiny_runs.SMALL, *settings]
    data = ["--data", str(place / "records.jsonl"), "--out", str(out)]
    return ["-m", "medtrain", "run", name, *data, *(w for s in chosen for w in ("--set", s))]


@pytest.mark.parametrize("name", tiny_runs.BASES)
def test_a_recipe_goes_from_records_to_an_answer(
    name: str, place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = recipe_of(place, name, "train.max_steps=2")
    out = tmp_path / name
    tiny_runs.train(recipe, out, place / ("pairs.jsonl" if recipe.prefix else "records.jsonl"))
    said = capsys.readouterr().err
    assert "Masked:" in said and "Learned:" in said and "step 2/2" in said
    record = run_record.read(out)
    figures = record.metrics["tuning"]
    assert figures["loss"] > 0
    if not recipe.data.terminology.augment:  # which adds copies
        assert figures["examples"] == 12
    assert (figures["trained_parameters"] == figures["parameters"]) == (recipe.lora is None)
    assert record.machine["device"] and record.machine["processes"] == "1"
    assert 0 <= figures["mean_token_accuracy"] <= 1
    assert (out / "curve.png").is_file() and not (out / "work").exists()
    assert not list(out.glob("**/training_args.bin"))
    assert str(place) not in (out / "run.json").read_text().replace(recipe.base, "")
    assert record.chat_family == recipe.chat_family
    if recipe.lora:
        config = json.loads((out / "adapter" / "adapter_config.json").read_text())
        wanted = {"r": recipe.lora.r, "lora_alpha": recipe.lora.alpha}
        wanted |= {"use_rslora": recipe.lora.rslora, "base_model_name_or_path": "../base"}
        assert {key: config[key] for key in wanted} == wanted
    if name != "clinical-llama2":  # as the other Llama 2
        answer(out, recipe)


def answer(out: Path, recipe: TuningRecipe) -> None:
    """Converts the run without any flag but the type, and asks the result something."""
    from medconvert import cli

    cli.app([str(out), "--quant", "q8_0"], standalone_mode=False)
    (gguf,) = (out / "gguf").glob("*.gguf")
    if recipe.kind == "seq2seq":
        from tests.converter.encoder_decoder import EncoderDecoder

        with EncoderDecoder(gguf) as model:
            assert model.greedy(model.tokenize(f"{recipe.prefix}What is flu?"), 4)
        return
    from medllm.engines.llamacpp import LlamaCppEngine
    from medllm.engines.protocol import Done, Request

    engine = LlamaCppEngine(gguf, threads=1)
    try:
        question: Any = ({"role": "user", "content": "What is flu?"},)
        events = list(engine.stream(Request(messages=question, max_tokens=4)))
    finally:
        engine.close()
    assert isinstance(events[-1], Done) and len(events) > 1


@pytest.mark.parametrize(
    ("name", "setting"),
    [
        ("clinical-llama2", "lora.dora=true"),
        ("clinical-llama2", "lora.init=pissa"),
        ("clinical-llama2", "train.batching=packed"),
        ("clinical-llama2", "train.checkpointing=always"),
        ("clinical-llama2", "lora.targets=[q_proj, v_proj]"),
        ("qa-flan-t5", "lora.r=4"),
    ],
)
def test_a_variant_trains(name: str, setting: str, place: Path, tmp_path: Path) -> None:
    recipe = recipe_of(place, name, "train.max_steps=1", "train.patience=0", setting)
    assert tiny_runs.train(recipe, tmp_path / "run", place / "records.jsonl")


def test_the_same_seed_gives_the_same_bytes(place: Path, tmp_path: Path) -> None:
    made = [
        tiny_runs.train(
            recipe_of(place, "clinical-llama2", "train.max_steps=3", "lora.bits=4", f"seed={seed}"),
            tmp_path / name, place / "records.jsonl",
        )
        for name, seed in (("one", 5), ("two", 5), ("three", 6))
    ]  # fmt: skip
    assert made[0] == made[1] != made[2]


def test_a_killed_run_goes_on_to_the_same_bytes_in_a_later_epoch(
    place: Path, tmp_path: Path
) -> None:
    settings = [
        "train.max_steps=14",
        "train.save_steps=3",
        "data.validation=0.2",
        "lora.bits=4",
        "lora.dropout=0.1",
    ]
    name = "clinical-llama2"
    recipe = recipe_of(place, name, *settings)
    whole = tiny_runs.train(recipe, tmp_path / "whole", place / "records.jsonl")
    out = tmp_path / "killed"
    words = [sys.executable, *command(place, name, out, *settings)]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as child:
        # An epoch has five steps; this checkpoint may be whole or half-written.
        while child.poll() is None and not (out / "work" / "checkpoint-6").is_dir():
            time.sleep(0.02)
        os.kill(child.pid, signal.SIGKILL)
        child.wait(timeout=60)
        assert child.stderr is not None
        said = child.stderr.read()
    assert child.returncode == -signal.SIGKILL, said
    assert not (out / "adapter").exists()
    assert tiny_runs.train(recipe, out, place / "records.jsonl") == whole
    record = run_record.read(out)
    assert record.metrics["tuning"]["eval_loss"] > 0


def test_two_processes_do_what_one_does_with_twice_the_batch(place: Path, tmp_path: Path) -> None:
    name = "clinical-llama2"
    settings = ["train.max_steps=5", "train.patience=0", "train.precision=fp32", "lora.dropout=0"]
    tiny_runs.train(recipe_of(place, name, *settings), tmp_path / "one", place / "records.jsonl")
    words = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    split = command(place, name, tmp_path / "two", *settings, "train.batch=1")
    done = subprocess.run(
        [sys.executable, *words, *split], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Done in") == 1
    assert done.stderr.count("Masked:") == 1
    one, two = (adapter(tmp_path / run) for run in ("one", "two"))
    assert set(one) == set(two)
    moved = max(np.abs(value).max() for key, value in one.items() if "lora_B" in key)
    apart = max(np.abs(one[key] - two[key]).max() for key in one)
    assert moved > 1e-4
    assert apart < moved / 50, (apart, moved)


def adapter(run: Path) -> dict[str, Any]:
    from safetensors.numpy import load_file

    return load_file(run / "adapter" / "adapter_model.safetensors")


def test_training_ends_early_and_keeps_the_best(place: Path, tmp_path: Path) -> None:
    settings = [
        "train.learning_rate=0.1", "train.save_steps=1", "train.patience=1", "data.validation=0.3",
        "train.warmup=0", "train.max_steps=50", "train.schedule=constant",
    ]  # fmt: skip
    recipe = recipe_of(place, "clinical-llama2", *settings)
    out = tmp_path / "run"
    tiny_runs.train(recipe, out, place / "records.jsonl")
    log = json.loads((out / "adapter" / "log.json").read_text())
    losses = [line["eval_loss"] for line in log if "eval_loss" in line]
    assert 2 <= len(losses) < 50
    assert losses[-1] > losses[-2] == min(losses), "one validation without a better loss"
    lacks = recipe.model_copy(update={"data": recipe.data.model_copy(update={"validation": 0})})
    with pytest.raises(TrainingError, match="needs examples to validate on"):
        runs.run(lacks, tmp_path / "other", place / "records.jsonl")


def test_a_loss_that_is_no_number_ends_the_training(place: Path, tmp_path: Path) -> None:
    settings = ["train.learning_rate=1e30", "train.warmup=0", "train.max_steps=20"]
    recipe = recipe_of(place, "clinical-llama2", *settings)
    with pytest.raises(TrainingError, match="The loss is no number any more, at step"):
        runs.run(recipe, tmp_path / "run", place / "records.jsonl")


def test_a_full_disk_is_told_in_one_line(place: Path, tmp_path: Path) -> None:
    settings = ["train.max_steps=2", "train.save_steps=1", "lora.r=32"]
    recipe = recipe_of(place, "clinical-llama2", *settings)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(StorageError, match="checkpoint can't be written") as caught:
            runs.run(recipe, tmp_path / "run", place / "records.jsonl")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "\n" not in caught.value.line()
    assert "goes on from the last one" in caught.value.hint


@pytest.mark.parametrize(
    "error", [MemoryError("memory"), RuntimeError("CUDA out of memory. Tried to allocate 2 GiB.")]
)
def test_out_of_memory_names_settings_that_take_less(error: Exception, tmp_path: Path) -> None:
    found = training._foreseen(error, tmp_path, lambda: "try train.batch=1")
    assert found and found.line() == "Memory ran out in training. try train.batch=1"
    assert training._foreseen(RuntimeError("shapes differ"), tmp_path, str) is None


def test_the_data_must_be_there(place: Path, tmp_path: Path) -> None:
    recipe = recipe_of(place, "terminology-mistral")
    with pytest.raises(UsageError, match="There is no data at"):
        runs.run(recipe, tmp_path / "run", place / "nothing.jsonl")
    assert not (tmp_path / "run" / "run.json").exists()


def test_a_base_of_the_hub_is_refused_where_it_is_not_here(place: Path, tmp_path: Path) -> None:
    recipe = recipes.load("terminology-mistral")
    with pytest.raises(UsageError, match="is not here and can't be fetched"):
        runs.run(recipe, tmp_path / "run", place / "records.jsonl")


def test_system_a_trains_83_9_million_parameters() -> None:
    import torch
    from peft import get_peft_model
    from transformers import MistralConfig, MistralForCausalLM

    shape = MistralConfig(  # of Mistral-7B-Instruct-v0.3
        vocab_size=32768, hidden_size=4096, intermediate_size=14336, num_hidden_layers=32,
        num_attention_heads=32, num_key_value_heads=8,
    )  # fmt: skip
    recipe = recipes.load("terminology-mistral")
    assert isinstance(recipe, TuningRecipe) and recipe.lora
    with torch.device("meta"):
        model = get_peft_model(
            MistralForCausalLM(shape), weights.adapter_config(recipe.lora, recipe.kind)
        )
    share = weights.share_of(model)
    assert share.trained == 83_886_080
    assert round(100 * share.trained / share.total, 2) == 1.14
