"""What several commands take, and the packages that they need."""

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer
from medllm.errors import MissingExtraError

Recipe = Annotated[str, typer.Argument(help="A recipe's name, or a YAML file.")]
Settings = Annotated[
    list[str] | None, typer.Option("--set", help="Overrides, like train.epochs=3.")
]
Data = Annotated[
    Path | None,
    typer.Option(help="A prepared folder or a JSONL file; by default what the recipe names."),
]


def need_training_packages() -> None:
    """Refuses to begin what training's packages are needed for.

    Raises:
        MissingExtraError: one is not installed; the install line is told.
    """
    for package in ("torch", "transformers", "peft", "trl", "datasets", "matplotlib"):
        if find_spec(package) is None:
            raise MissingExtraError("train", package)
