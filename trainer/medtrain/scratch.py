"""A small model from nothing, on the built-in cards: pre-training, then an adapter."""

from pathlib import Path
from typing import Any

from medllm import files, paths
from medllm.reference import builtin_cards

from medtrain.settings import ScratchRecipe

Log = list[dict[str, Any]]


def inputs() -> dict[str, str]:
    """SHA-256 of the cards, by file."""
    return {
        f"data/cards/{file.name}": files.sha256(file)
        for file in sorted(paths.cards_dir().glob("*.jsonl"))
    }


def run(recipe: ScratchRecipe, out: Path) -> dict[str, Log]:
    """Trains into `out`: base/ and adapter/; stages that are done are not done again.

    Returns:
        The trainer's log of each stage.
    """
    from medtrain import pretrain, tune

    cards = builtin_cards()
    base, adapter, work = out / "base", out / "adapter", out / "work"
    if not base.is_dir():
        pretrain.run(recipe, cards, work / "base", base)
    if not adapter.is_dir():
        tune.run(recipe, cards, base, work / "adapter", adapter)
    return {"pre-training": pretrain.read_log(base), "tuning": pretrain.read_log(adapter)}
