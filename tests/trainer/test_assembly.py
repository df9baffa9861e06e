"""Model and data put together: packs whose examples keep apart, and bases that are not whole."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from medllm.errors import DataError, UsageError
from medtrain import assembly, bases, encoding, examples
from medtrain import device as devices
from medtrain.encoding import Tally

from tests.trainer import tiny_runs

NAME = "clinical-llama2"


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_runs.base(tmp_path_factory.mktemp("base"), *tiny_runs.BASES[NAME])


def packed_trainer(base: Path, tmp_path: Path) -> Any:
    from datasets import Dataset

    settings = ["train.batching=packed", "train.precision=fp32", "lora.dropout=0"]
    recipe, device = tiny_runs.load(NAME, base, *settings), devices.here()
    tokenizer = bases.tokenizer_of(base)
    encoder = encoding.encoder_for(recipe, tokenizer, bases.ends_of(tokenizer, base, "llama2"))
    tally = Tally()
    read = examples.read_lines(tiny_runs.records(tmp_path / "records.jsonl", 6))
    rows = list(encoding.encode_all(read, encoder, tally))
    model = assembly.model_of(base, recipe, device)
    settled = assembly.settle(recipe, device, model, tally)
    data = {"train": Dataset.from_list(rows)}
    return assembly.trainer_of(
        recipe, device, settled, model, tokenizer, data, tmp_path / "work", tally.lengths
    )


def test_examples_of_a_pack_do_not_see_each_other(base: Path, tmp_path: Path) -> None:
    import torch

    trainer = packed_trainer(base, tmp_path)
    pack = max(trainer.train_dataset, key=lambda row: len(row["seq_lengths"]))
    assert len(pack["seq_lengths"]) > 1
    batch = trainer.data_collator([pack])
    batch.pop("labels")
    model = trainer.model.eval()
    begin = 0
    with torch.no_grad():
        together = model(**batch).logits[0]
        for length in pack["seq_lengths"]:
            ids = torch.tensor([pack["input_ids"][begin : begin + length]])
            assert torch.allclose(together[begin : begin + length], model(ids).logits[0], atol=1e-4)
            begin += length


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:5000])


def rob(file: Path) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(file)
    del weights[next(name for name in weights if "up_proj" in name)]
    save_file(weights, file, {"format": "pt"})


@pytest.mark.parametrize(
    ("spoil", "told"),
    [(cut, "can't be read: "), (rob, r"lacks 1 of its weights, model\.layers\.0\.mlp\.up_proj")],
)
def test_a_base_that_is_not_whole_is_refused(
    spoil: Callable[[Path], None], told: str, base: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(base, tmp_path / "base")
    spoil(next(folder.glob("*.safetensors")))
    with pytest.raises(UsageError, match=told) as caught:
        assembly.model_of(folder, tiny_runs.load(NAME, folder), devices.here())
    assert "\n" not in caught.value.line()


def test_a_layer_that_the_base_lacks_is_named_with_its_neighbour(base: Path) -> None:
    recipe = tiny_runs.load(NAME, base, "lora.targets=[q_proj, up_prj]")
    with pytest.raises(DataError, match="no linear layer up_prj; did you mean up_proj"):
        assembly.model_of(base, recipe, devices.here())
