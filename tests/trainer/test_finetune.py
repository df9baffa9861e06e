"""The recipes on tiny bases of their architectures: trained, resumed, in two processes, converted."""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from medllm import run_record
from medllm.errors import InterruptedRunError, StorageError, TrainingError, UsageError
from medtrain import preflight, training
from medtrain import recipe as recipes
from medtrain import run as runs
from medtrain.settings import TuningRecipe

from tests.trainer import tiny_runs
from tests.trainer.tiny_runs import Finished

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("training")]


def recipe_of(place: Path, name: str, *settings: str) -> TuningRecipe:
    return tiny_runs.load(name, place / name, *settings)


def command(place: Path, name: str, out: Path, *settings: str) -> list[str]:
    chosen = [f"base={place / name}", *tiny_runs.SMALL, *settings]
    data = ["--data", str(place / "records.jsonl"), "--out", str(out)]
    return ["-m", "medtrain", "run", name, *data, *(w for s in chosen for w in ("--set", s))]


OWN_DATA = {
    "terminology-mistral": ["data.share=0.02"],
    "pubmedqa-llama2": ["data.path=ori_pqal.json"],
    "flashcards-llama3": ["data.path=flashcards.json", "data.share=1"],
    "qa-flan-t5": ["data.share=0.05"],
}
"""What is scaled down of a recipe's own data; paths lie in the folder of published formats."""


@pytest.mark.parametrize("name", OWN_DATA)
def test_a_recipe_goes_from_its_own_data_to_an_answer(
    name: str, place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(place / "published")
    settings = ["train.max_steps=2", "train.max_length=2048", *OWN_DATA[name]]
    recipe, out = recipe_of(place, name, *settings), tmp_path / name
    runs.run(recipe, out)
    look_at(Finished(recipe, out, out / "data" / "train.jsonl", capsys.readouterr().err))
    answer(out, recipe)


def test_clinical_llama2_leaves_what_the_others_do(finished: Finished) -> None:
    look_at(finished)  # its architecture is converted and asked as pubmedqa-llama2


def look_at(run: Finished) -> None:
    """What each run says, and leaves in its folder."""
    recipe, out, steps = run.recipe, run.out, run.recipe.train.max_steps
    assert "Masked:" in run.said and "Learned:" in run.said and f"step {steps}/{steps}" in run.said
    record = run_record.read(out)
    figures = record.metrics["tuning"]
    assert figures["loss"] > 0
    lines = run.data.read_text("utf-8").splitlines()
    assert figures["examples"] + figures["left_out"] == len(lines) > 0
    assert (figures["trained_parameters"] == figures["parameters"]) == (recipe.lora is None)
    assert record.machine["device"] and record.machine["processes"] == "1"
    assert 0 <= figures["mean_token_accuracy"] <= 1
    assert (out / "curve.png").is_file() and not (out / "work").exists()
    assert not list(out.glob("**/training_args.bin"))
    own = str(Path(recipe.base).parent)
    assert own not in (out / "run.json").read_text().replace(recipe.base, "")
    assert record.chat_family == recipe.chat_family
    if recipe.lora:
        config = json.loads((out / "adapter" / "adapter_config.json").read_text())
        wanted = {"r": recipe.lora.r, "lora_alpha": recipe.lora.alpha}
        wanted |= {"use_rslora": recipe.lora.rslora, "base_model_name_or_path": "../base"}
        assert {key: config[key] for key in wanted} == wanted


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
    ("name", "settings"),
    [
        ("clinical-llama2", ["lora.dora=true", "lora.targets=[q_proj, v_proj]"]),
        ("clinical-llama2", ["lora.init=pissa"]),
        ("clinical-llama2", ["train.batching=packed", "train.checkpointing=always"]),
        ("qa-flan-t5", ["lora.r=4", "train.checkpointing=always"]),
    ],
)
def test_a_variant_trains(name: str, settings: list[str], place: Path, tmp_path: Path) -> None:
    recipe = recipe_of(place, name, "train.max_steps=1", "train.warmup=0", *settings)
    assert tiny_runs.train(recipe, tmp_path / "run", place / "records.jsonl")
    assert first_step(tmp_path / "run")["grad_norm"] > 0


def first_step(run: Path) -> dict[str, float]:
    """The first line of the trainer's log with a loss."""
    (file,) = run.glob("*/log.json")
    line: dict[str, float] = next(x for x in json.loads(file.read_text()) if "loss" in x)
    return line


def test_another_seed_gives_other_bytes(place: Path, finished: Finished, tmp_path: Path) -> None:
    # That the same one gives the same bytes is in test_rerun and below, of 4 bits and dropout too.
    other = recipe_of(place, "clinical-llama2", *Finished.SETTINGS, "seed=6")
    made = tiny_runs.train(other, tmp_path / "run", finished.data)
    assert made.keys() == run_record.read(finished.out).outputs.keys()
    assert made != run_record.read(finished.out).outputs


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
    unbroken = run_record.read(tmp_path / "whole").metrics["tuning"]
    assert record.metrics["tuning"]["num_tokens"] == unbroken["num_tokens"] > 0


def test_two_processes_do_what_one_does_with_twice_the_batch(
    place: Path, finished: Finished, tmp_path: Path
) -> None:
    words = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    settings = [*Finished.SETTINGS, "train.batch=1"]
    split = command(place, "clinical-llama2", tmp_path / "two", *settings)
    done = subprocess.run(
        [sys.executable, *words, *split], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Done in") == 1
    assert done.stderr.count("Masked:") == 1
    assert_alike(finished.out, tmp_path / "two")


def test_two_batches_of_a_step_do_what_one_of_twice_the_size_does(
    place: Path, finished: Finished, tmp_path: Path
) -> None:
    settings = [*Finished.SETTINGS, "train.batch=1", "train.accumulation=2"]
    recipe = recipe_of(place, "clinical-llama2", *settings)
    tiny_runs.train(recipe, tmp_path / "run", finished.data)
    assert_alike(finished.out, tmp_path / "run")


def test_so_they_do_where_an_encoder_decoder_has_answers_of_unlike_length(
    place: Path, tmp_path: Path
) -> None:
    base = shutil.copytree(place / "qa-flan-t5", tmp_path / "base")
    config = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(json.dumps({**config, "dropout_rate": 0.0}))
    steps = []
    for batch, accumulation in ((4, 1), (1, 4)):
        settings = [f"train.batch={batch}", f"train.accumulation={accumulation}"]
        recipe = tiny_runs.load("qa-flan-t5", base, "train.max_steps=1", *settings)
        tiny_runs.train(recipe, tmp_path / f"run{batch}", place / "pairs.jsonl")
        steps.append(first_step(tmp_path / f"run{batch}"))
    for figure in ("loss", "grad_norm", "mean_token_accuracy"):
        assert steps[1][figure] == pytest.approx(steps[0][figure], rel=1e-3), figure


def assert_alike(first: Path, second: Path) -> None:
    """Two adapters are the same within rounding."""
    one, two = adapter(first), adapter(second)
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
    "error", [MemoryError(), RuntimeError("CUDA out of memory. Tried to allocate 2 GiB.")]
)
def test_out_of_memory_names_settings_that_take_less(error: Exception, tmp_path: Path) -> None:
    found = training.foresee(error, tmp_path, lambda: "try train.batch=1")
    assert found and found.line() == "Memory ran out in training. try train.batch=1"
    assert training.foresee(RuntimeError("shapes differ"), tmp_path, str) is None


def test_what_was_refused_before_its_first_step_can_be_mended(place: Path, tmp_path: Path) -> None:
    out, data = tmp_path / "run", place / "records.jsonl"
    with pytest.raises(TrainingError, match="longer than 16 tokens"):
        runs.run(recipe_of(place, "clinical-llama2", "train.max_length=16"), out, data)
    tiny_runs.train(recipe_of(place, "clinical-llama2", "train.max_steps=1"), out, data)
    other = recipe_of(place, "clinical-llama2", "train.max_steps=2")
    with pytest.raises(UsageError, match="holds a run with other settings"):
        runs.run(other, out, data)


def test_an_interruption_before_the_first_step_is_told(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = recipe_of(place, "clinical-llama2", "train.max_steps=1")
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    monkeypatch.setattr(preflight, "show", lambda *args: signal.raise_signal(signal.SIGINT))
    try:
        with pytest.raises(InterruptedRunError, match="Stopped") as caught:
            runs.run(recipe, tmp_path / "run", place / "records.jsonl")
    finally:
        signal.signal(signal.SIGINT, before)
    assert caught.value.hint == "The same command goes on."
    monkeypatch.undo()
    tiny_runs.train(recipe, tmp_path / "run", place / "records.jsonl")


def test_the_data_must_be_there(place: Path, tmp_path: Path) -> None:
    recipe = recipe_of(place, "terminology-mistral")
    with pytest.raises(UsageError, match="There is no data at"):
        runs.run(recipe, tmp_path / "run", place / "nothing.jsonl")
    assert not (tmp_path / "run" / "run.json").exists()


def test_a_base_of_the_hub_is_refused_where_it_is_not_here(place: Path, tmp_path: Path) -> None:
    recipe = recipes.load("terminology-mistral")
    with pytest.raises(UsageError, match="is not here and can't be fetched"):
        runs.run(recipe, tmp_path / "run", place / "records.jsonl")
