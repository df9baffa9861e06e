"""A merged model folder in safetensors, written tensor by tensor, for converters that need one."""

import json
import shutil
from pathlib import Path

from medconvert import checkpoint, ggml
from medconvert.adapter import read_adapter
from medconvert.checkpoint import Floats, Tensor
from medconvert.four_bit import FourBit
from medconvert.onepass import pieces_of
from medconvert.plan import Options
from medconvert.quants import BF16, F16, F32
from medconvert.source import Source, read_json
from medconvert.update import Update

WEIGHTS = "model.safetensors"
_KINDS = {"F32": F32, "F16": F16, "BF16": BF16}
# Everything beside the weights; no code.
_BESIDE = ("*.json", "*.model", "*.txt", "*.jinja", "LICENSE*")


def write(source: Source, options: Options, folder: Path, *, widen: bool = False) -> Path:
    """Writes the base with the adapter merged in, each tensor in the base's type.

    Args:
        source: base and adapter.
        options: how the adapter is merged.
        folder: is created.
        widen: write float32 throughout, so that no merged weight is rounded.

    Returns:
        The folder.

    Raises:
        ConversionError: the adapter can't be merged.
        OSError: the disk is full.
    """
    base = checkpoint.read_model(source.base)
    if options.four_bit:
        rounding = FourBit(options.four_bit)
        base = {name: rounding.tensor(tensor) for name, tensor in base.items()}
    updates = read_adapter(source.adapter, base, options.match_peft) if source.adapter else {}
    folder.mkdir(parents=True)
    for pattern in _BESIDE:
        for file in source.base.glob(pattern):
            if file.name != checkpoint.INDEX:
                shutil.copy2(file, folder / file.name)
    if widen:
        _say_float32(folder / "config.json")
    kinds = {name: "F32" if widen else tensor.dtype for name, tensor in base.items()}
    with (folder / WEIGHTS).open("wb") as stream:
        stream.write(_header(base, kinds))
        for name, tensor in base.items():
            for start, rows in pieces_of(tensor.rows, tensor.columns):
                values = _merged(tensor, updates.get(name), start, start + rows)
                stream.write(ggml.quantize(_KINDS[kinds[name]], values).data)
    return folder


def _say_float32(file: Path) -> None:
    """Names the type in config.json, by which transformers would narrow the weights again."""
    config = read_json(file)
    config.pop("torch_dtype", None)
    file.write_text(json.dumps({**config, "dtype": "float32"}), encoding="utf-8")


def _header(tensors: dict[str, Tensor], kinds: dict[str, str]) -> bytes:
    entries: dict[str, object] = {"__metadata__": {"format": "pt"}}
    at = 0
    for name, tensor in tensors.items():
        end = at + tensor.rows * ggml.row_size(_KINDS[kinds[name]], tensor.columns)
        entries[name] = {
            "dtype": kinds[name],
            "shape": list(tensor.shape),
            "data_offsets": [at, end],
        }
        at = end
    text = json.dumps(entries).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def _merged(tensor: Tensor, update: Update | None, start: int, stop: int) -> Floats:
    import numpy as np

    values = tensor.read(start, stop)
    return values if update is None else update.merge(values, np.arange(start, stop))
