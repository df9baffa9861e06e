"""Where a training's figures are sent besides: TensorBoard and others, off unless asked for.

`extra.report_to` names them, as transformers does. TensorBoard writes files into RUN/tensorboard
and sends nothing; others, such as wandb, send figures and settings to their servers.
"""

import os
from pathlib import Path

from medllm.errors import DataError, MissingExtraError, UsageError
from rapidfuzz import process

from medtrain.settings import TuningRecipe

_FOLDER = "tensorboard"


def check(recipe: TuningRecipe, out: Path | None = None) -> None:
    """Refuses what is unknown or not installed, and says to TensorBoard where to write.

    Args:
        recipe: names whom to report to, or nobody.
        out: folder of the run, where there is one.

    Raises:
        DataError: there is no such place; the nearest is named.
        MissingExtraError: TensorBoard is not installed.
        UsageError: another one is not installed.
    """
    asked = recipe.extra.get("report_to") or []
    names = [asked] if isinstance(asked, str) else list(asked)
    names = [name for name in names if name != "none"]
    if not names:
        return
    from transformers.integrations import get_available_reporting_integrations
    from transformers.integrations.integration_utils import INTEGRATION_TO_CALLBACK

    for name in names:
        if name not in INTEGRATION_TO_CALLBACK:
            nearest = process.extractOne(str(name), list(INTEGRATION_TO_CALLBACK))[0]
            raise DataError(
                f"Recipe {recipe.name}: extra.report_to can't be {name}; did you mean {nearest}?"
            )
        if name not in get_available_reporting_integrations():
            if name == _FOLDER:
                raise MissingExtraError("watch", "tensorboard")
            raise UsageError(f"{name} is not installed.", f"Install it with: pip install {name}")
    if out is not None:
        # Beside the checkpoints, where transformers would write, it is gone at the end.
        os.environ.setdefault("TENSORBOARD_LOGGING_DIR", str(out / _FOLDER))
