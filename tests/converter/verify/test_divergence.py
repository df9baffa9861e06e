"""How far apart two models are, and that a merge gone wrong does not get its name."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from medconvert.update import Update
from medconvert.verify.divergence import divergence, held_texts
from medllm.errors import ConversionError
from medllm.reference import builtin_cards

from tests.converter.conftest import convert


def test_the_divergence_is_torch_s() -> None:
    import torch

    draw = np.random.default_rng(0)
    p, q = (draw.normal(size=(7, 50)).astype(np.float32) for _ in range(2))
    found = divergence(p, np.hstack([q, draw.normal(size=(7, 3)).astype(np.float32)]))
    ours, theirs = (torch.from_numpy(x).double().log_softmax(1) for x in (q, p))
    each = torch.nn.functional.kl_div(ours, theirs, log_target=True, reduction="none").sum(1)
    assert found["mean_kl"] == pytest.approx(float(each.mean()))
    assert found["worst_kl"] == pytest.approx(float(each.max()))
    assert (found["tokens"], divergence(p, p)["same_top"], divergence(p, p)["mean_kl"]) == (7, 1, 0)


def test_what_is_read_was_not_tuned_on() -> None:
    tuned = {card.text for card in builtin_cards() if card.split == "train"}
    assert len(held_texts()) == 4 and not tuned & set(held_texts())


def test_a_merge_gone_wrong_is_refused_and_nothing_is_left(
    run_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forgets(_self: Update, weights: Any, _rows: Any) -> Any:
        return weights

    monkeypatch.setattr(Update, "merge", forgets)
    with pytest.raises(ConversionError, match=r"predicts unlike .*nats") as refused:
        convert(
            run_folder / "base", tmp_path / "x.gguf", run_folder / "adapter",
            quants="f32", verify=True,
        )  # fmt: skip
    assert "--no-verify" in refused.value.hint
    assert list(tmp_path.iterdir()) == []


def test_what_is_rounded_more_is_further_away(run_folder: Path, tmp_path: Path) -> None:
    found = []
    for kind in ("f16", "q8_0", "q4_k_m"):
        out = tmp_path / f"{kind}.gguf"
        record = convert(run_folder / "base", out, run_folder / "adapter", quants=kind, verify=True)
        found.append(record.verify["divergence"]["mean_kl"])
    assert 0 <= found[0] < found[1] < found[2] < 0.5
