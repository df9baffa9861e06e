"""Tiny bases of the recipes' architectures, and a few records to train them on."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from medllm import files
from medllm.chat_families import FAMILIES
from medllm.prompts import SYSTEM
from medllm.reference import builtin_cards
from medtrain import recipe as recipes
from medtrain import run as runs
from medtrain.settings import TuningRecipe

from tests.converter import zoo

BASES: dict[str, tuple[str, str | None]] = {
    "terminology-mistral": ("mistral3", FAMILIES["mistral"].jinja),
    "pubmedqa-llama2": ("llama2", None),
    "clinical-llama2": ("llama2", FAMILIES["llama2"].jinja),
    "flashcards-llama3": ("llama3", zoo.LLAMA3_TEMPLATE),
    "qa-flan-t5": ("flan-t5", None),
}
"""Of each recipe: a maker of tests.converter.zoo, and the chat template that the base has."""
SMALL = ["train.max_length=512", "train.batch=2", "train.accumulation=1"]
SMALL += ["data.validation=0", "train.patience=0"]


@dataclass(frozen=True)
class Finished:
    """A run that is done; nothing may be changed in it."""

    SETTINGS: ClassVar[tuple[str, ...]] = (
        "train.max_steps=5",
        "train.precision=fp32",
        "lora.dropout=0",
    )

    recipe: TuningRecipe
    out: Path
    data: Path
    said: str
    """What was printed on the way."""


def base(folder: Path, maker: str, template: str | None) -> Path:
    """A tiny base with that chat template."""
    zoo.MAKERS[maker](folder)
    file = folder / "tokenizer_config.json"
    settings = json.loads(file.read_text("utf-8"))
    settings.pop("chat_template", None)
    if template:
        settings["chat_template"] = template
    file.write_text(json.dumps(settings))
    return folder


def records(file: Path, count: int = 12, *, system: str = "") -> Path:
    """Questions and the definitions of cards, as a chat a line."""
    turns = [{"role": "system", "content": system}] if system else []
    with open(file, "w", encoding="utf-8") as stream:
        for card in builtin_cards()[:count]:
            chat = [
                *turns,
                {"role": "user", "content": f"What is {card.term}?"},
                {"role": "assistant", "content": card.definition[:60]},
            ]
            stream.write(json.dumps({"messages": chat, "document": card.id}) + "\n")
    return file


def load(name: str, folder: Path, *more: str) -> TuningRecipe:
    """A recipe with its own settings but for the size, on a tiny base."""
    chosen = recipes.load(name, [f"base={folder}", *SMALL, *more])
    assert isinstance(chosen, TuningRecipe)
    return chosen


def train(recipe: TuningRecipe, out: Path, data: Path) -> dict[str, str]:
    """Trains, and gives the hashes of what came out."""
    record = runs.run(recipe, out, data)
    assert record.finished
    return {name: files.sha256(out / name) for name in record.outputs}


def sample(**changes: Any) -> dict[str, Any]:
    """A line of JSON, as preparation writes it."""
    return {
        "prompt": [
            {"role": "system", "content": SYSTEM},
            {"role": "user", "content": "What is flu?"},
        ],
        "completion": "An infection.",
        "source": "own",
        "licence": "Apache-2.0",
        "document": "d1",
        "kind": "question",
        **changes,
    }
