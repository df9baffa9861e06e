"""Reading a LoRA adapter that PEFT saved.

Its scale is alpha / r, or alpha / sqrt(r) with rank stabilisation (arXiv:2312.03732).
What is not understood is refused by name, before any byte is written.
"""

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from medllm.errors import ConversionError

from medconvert import restart
from medconvert.checkpoint import Floats, Tensor, read_file
from medconvert.source import ADAPTER_CONFIG, ADAPTER_WEIGHTS, read_json
from medconvert.update import Update

_PART = re.compile(
    r"base_model\.model\.(?P<module>.+)\."
    r"(?P<part>lora_A|lora_B|lora_magnitude_vector)(?:\.default)?(?:\.weight)?"
)
# Settings that say how it was trained or are read below; none changes what a merge must do.
_UNDERSTOOD = frozenset(
    """
    alpha_pattern auto_mapping base_model_name_or_path exclude_modules inference_mode
    layers_pattern layers_to_transform lora_alpha lora_dropout megatron_core peft_type
    peft_version qalora_group_size r rank_pattern revision target_modules task_type use_dora
    use_rslora
    """.split()
)
_TASKS = (None, "CAUSAL_LM", "SEQ_2_SEQ_LM")
# Those that leave the base as it is; others take a part out of it, see medconvert.restart.
_HARMLESS_STARTS = (None, True, False, "gaussian", "orthogonal", "eva")


def read_adapter(
    folder: Path, base: Mapping[str, Tensor], match_peft: bool = False
) -> dict[str, Update]:
    """The updates of an adapter, by the name of the base's tensor.

    Args:
        folder: what PEFT saved.
        base: the tensors that it is merged into.
        match_peft: whether identical bytes are asked for, which some adapters can't promise.

    Raises:
        ConversionError: it is not understood, broken, or does not fit the base.
    """
    config = read_json(folder / ADAPTER_CONFIG)
    _refuse_what_is_not_understood(folder, config)
    start = restart.start_of(folder, config, match_peft)
    parts: dict[str, dict[str, Tensor]] = {}
    for name, tensor in read_file(_weights(folder)).items():
        match = _PART.fullmatch(name)
        if match is None:
            raise ConversionError(
                f"The adapter {folder} holds the tensor {name}, which can't be merged.",
                "Only LoRA and DoRA on linear layers can.",
            )
        parts.setdefault(match["module"], {})[match["part"]] = tensor
    if not parts:
        raise ConversionError(f"The adapter {folder} is empty.")
    updates = {
        f"{module}.weight": _update(folder, config, module, found, base)
        for module, found in parts.items()
    }
    if start is None:
        return updates
    return {name: restart.Restarted.of(u, base[name], start) for name, u in updates.items()}


def scale_of(config: Mapping[str, Any], module: str, rank: int) -> float:
    """The factor s of a module, patterns and rank stabilisation included."""
    alpha = float(_by_pattern(config.get("alpha_pattern"), module, config["lora_alpha"]))
    return alpha / (math.sqrt(rank) if config.get("use_rslora") else rank)


def _by_pattern(patterns: Mapping[str, Any] | None, module: str, otherwise: Any) -> Any:
    for pattern, value in (patterns or {}).items():
        if re.match(rf"(.*\.)?({pattern})$", module):
            return value
    return otherwise


def _refuse_what_is_not_understood(folder: Path, config: Mapping[str, Any]) -> None:
    kind = config.get("peft_type")
    if kind != "LORA":
        raise ConversionError(
            f"The adapter {folder} is of type {kind}, which can't be merged.", "Only LORA can."
        )
    if config.get("task_type") not in _TASKS:
        raise ConversionError(
            f"The adapter {folder} is for the task {config['task_type']}.",
            "Only CAUSAL_LM and SEQ_2_SEQ_LM can be converted.",
        )
    if not isinstance(config.get("r"), int) or "lora_alpha" not in config:
        raise ConversionError(f"{folder / ADAPTER_CONFIG} lacks r or lora_alpha.")
    for key, value in config.items():
        harmless = key in _UNDERSTOOD or not value or (key == "bias" and value == "none")
        if key == "init_lora_weights":
            harmless = value in (*_HARMLESS_STARTS, *restart.STARTS)
        if not harmless:
            raise ConversionError(
                f"The adapter {folder} was trained with {key}={value!r}, which can't be merged "
                "faithfully.",
                "Train it without, or merge it with PEFT and convert the merged model.",
            )


def _weights(folder: Path) -> Path:
    file = folder / ADAPTER_WEIGHTS
    if not file.is_file():
        pickle = (folder / "adapter_model.bin").is_file()
        raise ConversionError(
            f"{folder} lacks {ADAPTER_WEIGHTS}" + (", it has a pickle only." if pickle else "."),
            "Save the adapter as safetensors.",
        )
    return file


def _update(
    folder: Path,
    config: Mapping[str, Any],
    module: str,
    found: Mapping[str, Tensor],
    base: Mapping[str, Tensor],
) -> Update:
    needed = {"lora_A", "lora_B"} | ({"lora_magnitude_vector"} if config.get("use_dora") else set())
    if missing := needed ^ set(found):
        raise ConversionError(f"The adapter {folder}: {sorted(missing)[0]} of {module} is odd.")
    a, b = found["lora_A"], found["lora_B"]
    weight = base.get(f"{module}.weight")
    if weight is None:
        raise _misfit(folder, f"the base has no {module}.weight")
    rank = int(_by_pattern(config.get("rank_pattern"), module, config["r"]))
    if a.shape != (rank, weight.columns) or b.shape != (weight.rows, rank):
        raise _misfit(
            folder, f"{module} is {weight.shape}, its A and B are {a.shape} and {b.shape}"
        )
    magnitude = found.get("lora_magnitude_vector")
    lengths = _values(folder, magnitude).reshape(-1) if magnitude else None
    if lengths is not None and lengths.size != weight.rows:
        raise _misfit(folder, f"{module} has {weight.rows} rows, not {lengths.size}")
    return Update(_values(folder, a), _values(folder, b), scale_of(config, module, rank), lengths)


def _values(folder: Path, tensor: Tensor) -> Floats:
    values = tensor.read(0, tensor.rows)
    if not np.isfinite(values).all():
        raise ConversionError(
            f"The adapter {folder}: {tensor.name} holds NaN or infinity.", "The training failed."
        )
    return values


def _misfit(folder: Path, why: str) -> ConversionError:
    return ConversionError(
        f"The adapter {folder} doesn't fit the base: {why}.", "Name the base that it was made on."
    )
