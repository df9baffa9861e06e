"""`medtrain estimate`: parameters, memory by part, what would fit; on true shapes without weights."""

import json
from pathlib import Path

import pytest
from medllm.errors import TrainingError, UsageError
from medtrain import recipe as recipes
from medtrain.device import Device
from medtrain.estimate import Texts, estimate, fitting, machines, memory, shapes, trace
from medtrain.estimate.machines import Machine
from medtrain.estimate.trace import Batch
from medtrain.settings import TuningRecipe
from typer.testing import CliRunner

from tests.trainer import tiny_runs

T4 = machines.named("T4")


def load(name: str, *settings: str) -> TuningRecipe:
    found = recipes.load(name, list(settings))
    assert isinstance(found, TuningRecipe)
    return found


@pytest.mark.parametrize(
    ("name", "total", "trained"),
    [
        # As published: 7,248,023,552 of Mistral 7B v0.3 and 83.9 million of the adapter, 1.14%.
        ("terminology-mistral", 7_248_023_552 + 83_886_080, 83_886_080),
        ("pubmedqa-llama2", 6_738_415_616 + 39_976_960, 39_976_960),
        ("flashcards-llama3", 3_212_749_824 + 97_255_424, 97_255_424),
        ("qa-flan-t5", 247_577_856, 247_577_856),
    ],
)
def test_parameters_of_the_true_shapes(name: str, total: int, trained: int) -> None:
    recipe = load(name)
    counts = trace.counts(recipe, shapes.config_of(recipe))
    assert (counts.total, counts.trained) == (total, trained)
    if name == "terminology-mistral":
        assert round(100 * counts.trained / counts.total, 2) == 1.14


def test_activations_of_a_decoder_grow_with_the_batch_and_less_when_computed_twice() -> None:
    recipe = load("clinical-llama2")
    config = shapes.config_of(recipe)
    config.num_hidden_layers, config.hidden_size, config.intermediate_size = 4, 256, 512
    config.num_attention_heads = config.num_key_value_heads = 4
    config.head_dim, config.vocab_size = 64, 1024

    def activations(rows: int, twice: bool = False) -> int:
        return trace.step(recipe, config, Batch(rows, 128), "fp32", twice).activations

    one, two = activations(1), activations(2)
    assert 1.9 < two / one < 2.1
    # Korthikanti et al. count 34 bytes a token, layer and width in 16 bits, dropout's masks
    # included; an adapter on every layer adds to what is kept in 32.
    rule = 2 * 34 * config.hidden_size * config.num_hidden_layers * 128
    assert 0.5 < one / rule < 2
    assert activations(2, twice=True) < 0.6 * two


def test_operations_are_those_of_the_rule_for_a_frozen_base() -> None:
    recipe = load("clinical-llama2", "lora.r=1")
    config = shapes.config_of(recipe)
    config.num_hidden_layers, config.hidden_size, config.intermediate_size = 2, 512, 1024
    config.num_attention_heads = config.num_key_value_heads = 4
    config.vocab_size = 512
    counts = trace.counts(recipe, config)
    found = trace.step(recipe, config, Batch(1, 64), "fp32", False).flops
    multiplied = counts.frozen_linear + 512 * 512
    # Forward 2, backward 2 a weight and token, without gradients of frozen weights
    # (arXiv:2001.08361, table 1); the head in tiles is computed again going back.
    assert 0.9 < found / (4 * multiplied * 64) < 1.35


def test_four_bits_take_a_quarter_and_trained_weights_four_bytes() -> None:
    parts = {}
    for bits in (4, 16):
        recipe = load("terminology-mistral", f"lora.bits={bits}")
        counts = trace.counts(recipe, shapes.config_of(recipe))
        step = trace.Step(0, 0, 0.0)
        parts[bits] = memory.of(recipe, T4.device, "fp16", counts, step, "adamw_8bit")
    assert parts[16].weights == 2 * 7_248_023_552
    assert 0.26 < parts[4].weights / parts[16].weights < 0.29
    assert parts[4].gradients == parts[4].adapter == 4 * 83_886_080
    assert parts[4].optimizer == pytest.approx(2 * 83_886_080, rel=0.02)
    whole = load("qa-flan-t5")
    counts = trace.counts(whole, shapes.config_of(whole))
    cpu = Device("cpu", "2 cores", 10**10, has_fast_bf16=False)
    found = memory.of(whole, cpu, "fp32", counts, trace.Step(0, 0, 0.0), "adamw_torch_fused")
    assert (found.weights, found.adapter) == (4 * counts.total, 0)
    assert found.optimizer == 2 * found.gradients == 8 * counts.total


def small(tmp_path: Path, *settings: str) -> TuningRecipe:
    folder = tiny_runs.base(tmp_path / "base", *tiny_runs.BASES["clinical-llama2"])
    return tiny_runs.load("clinical-llama2", folder, *settings)


def test_what_a_device_cannot_hold_is_said_with_settings_that_fit(tmp_path: Path) -> None:
    recipe = small(tmp_path, "train.batch=16")
    texts = Texts(100, 400, 512)
    gpu = Device("cuda", "small", 10**10, has_fast_bf16=True)
    whole = estimate.of_recipe(recipe, Machine("small", gpu, 1e12), texts)
    assert whole.fits and whole.seconds > 0
    tight = Machine("small", Device("cuda", "small", int(0.9 * whole.memory.total), True), 1e12)
    assert not estimate.of_recipe(recipe, tight, texts).fits
    found = fitting.settings_that_fit(recipe, tight, texts)
    assert found and found[0] == "train.checkpointing=always"
    changed = small(tmp_path / "again", "train.batch=16", *found)
    assert estimate.of_recipe(changed, tight, texts).fits
    nothing = Machine("none", Device("cuda", "none", 10**6, True), 1e12)
    least = small(tmp_path / "least", "train.max_length=128", "lora.r=8", "lora.bits=4")
    assert fitting.settings_that_fit(least, nothing, Texts(100, 100, 128)) is None
    told = fitting.remedy(recipe, tight.device, [400, 512])
    assert told.startswith("In a new folder, try: --set train.checkpointing=always")


def test_the_command_tells_it_all_as_text_and_as_json(tmp_path: Path) -> None:
    from medtrain.cli import app

    recipe = small(tmp_path)
    data = tiny_runs.records(tmp_path / "records.jsonl")
    words = ["estimate", "clinical-llama2", "--data", str(data)]
    words += [w for s in (f"base={recipe.base}", *tiny_runs.SMALL) for w in ("--set", s)]
    done = CliRunner().invoke(app, [*words, "--json"], catch_exceptions=False)
    told = json.loads(done.stdout)
    assert told["fits"] and told["settings_that_fit"] is None and told["free_disk"] > 0
    assert told["texts"]["examples"] == 12 and told["texts"]["known"]
    assert (
        told["machine"] == "here" and told["disk"]["adapter"] == 4 * told["parameters"]["trained"]
    )
    parts = [size for name, size in told["memory"].items() if name != "total"]
    assert sum(parts) == told["memory"]["total"] and told["memory"]["framework"] > 10**8
    text = CliRunner().invoke(app, [*words, "--device", "T4"], catch_exceptions=False).stdout
    for part in ("parameters", "weights", "activations", "framework", "time", "disk"):
        assert part in text


def test_what_cannot_be_estimated_is_told() -> None:
    with pytest.raises(UsageError, match="no machine 'B300'") as caught:
        machines.named("B300")
    assert caught.value.hint == "There are: T4, A100, H200, laptop, here."
    with pytest.raises(UsageError, match="tunes no base model"):
        estimate.check_kind(recipes.load("mini"))
    with pytest.raises(UsageError, match="is not here and can't be fetched"):
        shapes.config_of(load("clinical-llama2", "base=nobody/nothing"))
    with pytest.raises(TrainingError, match="can't train in fp16"):
        estimate.of_recipe(load("qa-flan-t5", "train.precision=fp16"), machines.named("laptop"))
