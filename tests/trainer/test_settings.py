"""What a device can't do is refused, `auto` is settled, and `extra` is checked."""

from pathlib import Path

import pytest
from medllm.errors import DataError, TrainingError
from medtrain import arguments
from medtrain import device as devices
from medtrain import recipe as recipes
from medtrain.device import Device
from medtrain.settings import TuningRecipe

GIGABYTE = 10**9
CPU = Device("cpu", "2 cores", 16 * GIGABYTE, has_fast_bf16=False)
T4 = Device("cuda", "T4", 15 * GIGABYTE, has_fast_bf16=False)
A100 = Device("cuda", "A100", 79 * GIGABYTE, has_fast_bf16=True)
MAC = Device("mps", "Apple GPU", 16 * GIGABYTE, has_fast_bf16=False)


def load(*settings: str, name: str = "terminology-mistral") -> TuningRecipe:
    found = recipes.load(name, list(settings))
    assert isinstance(found, TuningRecipe)
    return found


@pytest.mark.parametrize(
    ("device", "settings", "told"),
    [
        (CPU, ["train.precision=fp16"], "can't train in fp16"),
        (T4, ["train.precision=bf16"], "T4 has no bf16"),
        (MAC, ["lora.bits=4"], "can't train in 4 bits"),
        (CPU, ["extra.fsdp=full_shard"], "fsdp shards a model over GPUs"),
        (CPU, ["extra.deepspeed=ds.json"], "deepspeed shards"),
        (Device("cpu", "", 1, False, 2, "FSDP"), [], "FSDP shards"),
    ],
)
def test_what_a_device_cannot_do_is_refused(device: Device, settings: list[str], told: str) -> None:
    with pytest.raises(TrainingError) as caught:
        devices.refuse_what_cannot_be(load(*settings), device)
    assert told in caught.value.line()
    assert caught.value.hint


def test_auto_is_settled_by_the_device() -> None:
    recipe = load()
    found = [devices.precision(recipe.train, d) for d in (CPU, T4, A100)]
    assert found == ["fp32", "fp16", "bf16"]
    assert [devices.batching(recipe.train, "causal", d) for d in (CPU, T4)] == ["grouped", "packed"]
    assert devices.batching(recipe.train, "seq2seq", T4) == "grouped"
    assert devices.optimizer(recipe.train, A100) == "adamw_8bit"
    assert devices.optimizer(recipe.train, CPU) == "adamw_torch_fused"


def test_activations_are_computed_twice_only_if_memory_asks_for_it() -> None:
    class Model:
        class config:  # noqa: N801
            hidden_size, num_hidden_layers = 4096, 32

    train = load().train
    weights = 5 * GIGABYTE
    assert devices.needs_checkpointing(train, T4, Model, weights)
    assert not devices.needs_checkpointing(train, A100, Model, weights)
    off = train.model_copy(update={"checkpointing": "never"})
    assert not devices.needs_checkpointing(off, T4, Model, weights)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (
            ["extra.learning_rat=1"],
            "no setting extra.learning_rat; did you mean train.learning_rate?",
        ),
        (["extra.learning_rate=1"], "Set train.learning_rate instead"),
        (["extra.push_to_hub=true"], "is not free"),
        (["extra.save_only_model=true"], "is not free"),
        (["extra.ignore_data_skip=true"], "is not free"),
        (["extra.neftune_noise_alph=5"], "did you mean extra.neftune_noise_alpha?"),
    ],
)
def test_extra_takes_what_the_trainers_have_and_nothing_of_ours(
    settings: list[str], told: str
) -> None:
    for name in ("terminology-mistral", "qa-flan-t5"):
        if "extra.neftune_noise_alph" in settings[0] and name == "qa-flan-t5":
            continue
        with pytest.raises(DataError) as caught:
            arguments.check_extra(load(*settings, name=name))
        assert told in caught.value.line()
    arguments.check_extra(load("extra.max_grad_norm=0.5", "extra.report_to=tensorboard"))


def test_the_arguments_are_the_recipe_s(tmp_path: Path) -> None:
    recipe = load("extra.max_grad_norm=0.5", "train.save_steps=50")
    made = arguments.build(
        recipe,
        CPU,
        tmp_path,
        batches="grouped",
        steps=(2, 4),
        total=90,
        validates=True,
        checkpointing=False,
    )
    assert (made.learning_rate, made.num_train_epochs, made.warmup_steps) == (3e-4, 5, 0.05)
    assert (made.per_device_train_batch_size, made.gradient_accumulation_steps) == (2, 4)
    assert (made.bf16, made.gradient_checkpointing, made.max_grad_norm) == (False, False, 0.5)
    assert made.logging_steps == 4
    assert (made.save_steps, made.eval_steps, made.load_best_model_at_end) == (50, 50, True)
    with pytest.raises(DataError, match=r"never is not a valid .*strategy|IntervalStrategy"):
        arguments.build(
            load("extra.logging_strategy=never"), CPU, tmp_path, batches="grouped", steps=(2, 4),
            total=90, validates=False, checkpointing=False,
        )  # fmt: skip


@pytest.mark.parametrize(("warmup", "wanted"), [("0.1", [0.25, 0.5, 1.0, 1.0]), ("0", [1.0] * 4)])
def test_a_constant_learning_rate_has_its_warm_up(
    warmup: str, wanted: list[float], tmp_path: Path
) -> None:
    import torch
    from transformers import get_scheduler

    recipe = load("train.schedule=constant", f"train.warmup={warmup}")
    made = arguments.build(
        recipe, CPU, tmp_path, batches="grouped", steps=(2, 4), total=40, validates=False,
        checkpointing=False,
    )  # fmt: skip
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = get_scheduler(made.lr_scheduler_type, optimizer, made.get_warmup_steps(40), 40)
    rates = []
    for _ in range(40):
        optimizer.step()
        schedule.step()
        rates.append(schedule.get_last_lr()[0])
    assert [rates[step] for step in (0, 1, 3, 39)] == wanted


def test_one_process_takes_one_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from trl import SFTConfig

    # As transformers counts GPUs on a machine with four; it would split each batch over them.
    count = property(lambda self: self.__dict__.get("_n_gpu") or 4)
    monkeypatch.setattr(SFTConfig, "n_gpu", count)
    made = arguments.build(
        load(), CPU, tmp_path, batches="grouped", steps=(2, 4), total=40, validates=False,
        checkpointing=False,
    )  # fmt: skip
    assert made.train_batch_size == 2


@pytest.mark.parametrize(
    ("fill", "wanted"), [(1.0, (2, 4)), (3.3, (2, 1)), (4.0, (2, 1)), (20.0, (1, 1))]
)
def test_a_step_of_packs_has_as_many_examples(fill: float, wanted: tuple[int, int]) -> None:
    assert arguments.packed_steps(2, 4, fill) == wanted
