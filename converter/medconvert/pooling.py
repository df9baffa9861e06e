"""How an embedding model makes one vector of a text's tokens, as sentence-transformers saves it.

Format: modules.json lists the steps; the step whose type ends in `Pooling` names a
folder, `1_Pooling`, with a config.json. https://www.sbert.net, "Creating custom models".
"""

import json
from pathlib import Path
from typing import Any

from medllm.errors import ConversionError

from medconvert.source import read_json

ENCODERS = ("bert",)
"""Architectures that are converted for their vectors alone."""
_MODES = {"mean": "mean_tokens", "cls": "cls_token", "lasttoken": "lasttoken"}
_TYPES = {"mean": 1, "cls": 2, "lasttoken": 3}  # llama.h, enum llama_pooling_type
_HARMLESS = ("Transformer", "Pooling", "Normalize")


def mode_of(folder: Path) -> str:
    """`mean`, `cls` or `lasttoken`.

    A folder without modules.json is an encoder alone; its mean is taken, as
    sentence-transformers does.

    Raises:
        ConversionError: it is another way, or another step changes the vector.
    """
    file = folder / "modules.json"
    if not file.is_file():
        return "mean"
    path = None
    for step in _steps(file):
        kind = str(step.get("type")).rpartition(".")[2]
        if kind not in _HARMLESS:
            raise ConversionError(
                f"{file} has the step {kind}, which changes the vectors and which llama.cpp lacks.",
                f"Known steps: {', '.join(_HARMLESS)}.",
            )
        if kind == "Pooling":
            path = str(step.get("path", ""))
    return "mean" if path is None else _mode(folder / path / "config.json")


def write_pooling(folder: Path, writer: Any) -> None:
    """Adds it to a `gguf.GGUFWriter`. Raises as `mode_of`."""
    import gguf

    writer.add_pooling_type(gguf.PoolingType(_TYPES[mode_of(folder)]))


def _mode(file: Path) -> str:
    config = read_json(file)
    on = [name for name, key in _MODES.items() if config.get(f"pooling_mode_{key}")]
    others = [
        key.removeprefix("pooling_mode_")
        for key, value in config.items()
        if key.startswith("pooling_mode_") and value is True
    ]
    named = str(config.get("pooling_mode", ""))
    if len(on) == len(others) == 1:
        return on[0]
    if not others and named in _TYPES:
        return named
    raise ConversionError(
        f"{file} asks for the pooling {', '.join(others) or named or 'none'}, which llama.cpp "
        "lacks.",
        f"Known: {', '.join(_TYPES)}, one of them.",
    )


def _steps(file: Path) -> list[dict[str, Any]]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConversionError(f"{file} can't be read: {str(error).splitlines()[0]}") from error
    if not isinstance(content, list) or not all(isinstance(step, dict) for step in content):
        raise ConversionError(f"{file} is not a list of steps.")
    return content
