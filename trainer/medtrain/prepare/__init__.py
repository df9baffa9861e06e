"""Preparation: data sets become clean examples, without duplicates and without evaluation's items.

`prepare` is imported late: it needs numpy, and a command's help does not.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from medllm.run_record import RunRecord

    from medtrain.settings import Recipe


def prepare(recipe: "Recipe", out: Path, **how: Any) -> "RunRecord":
    """Prepares what `recipe` trains on: see `medtrain.prepare.preparation.prepare`."""
    from medtrain.prepare import preparation

    return preparation.prepare(recipe, out, **how)
