"""A merged model folder in safetensors, written tensor by tensor, for converters that need one."""

import json
import shutil
from pathlib import Path

from medconvert import checkpoint, ggml
from medconvert.adapter import read_adapter
from medconvert.checkpoint import Tensor
from medconvert.four_bit import FourBit
from medconvert.onepass import pieces_of
from medconvert.plan import Options
from medconvert.quants import BF16, F16, F32
from medconvert.source import Source
from medconvert.update import Update

WEIGHTS = "model.safetensors"
_KINDS = {"F32": F32, "F16": F16, "BF16": BF16}
# Everything beside the weights; no code.
_BESIDE = ("*.json", "*.model", "*.txt", "*.jinja", "LICENSE*")


def write(source: Source, options: Options, folder: Path) -> Path:
    """Writes the base with the adapter merged in, each tensor in the base's type.

    Args:
        source: base and adapter.
        options: how the adapter is merged.
        folder: is created.

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
    with (folder / WEIGHTS).open("wb") as stream:
        stream.write(_header(base))
        for name, tensor in base.items():
            for start, rows in pieces_of(tensor.rows, tensor.columns):
                stream.write(_piece(tensor, updates.get(name), start, start + rows))
    return folder


def _header(tensors: dict[str, Tensor]) -> bytes:
    entries: dict[str, object] = {"__metadata__": {"format": "pt"}}
    at = 0
    for name, tensor in tensors.items():
        end = at + tensor.data.nbytes
        entries[name] = {
            "dtype": tensor.dtype,
            "shape": list(tensor.shape),
            "data_offsets": [at, end],
        }
        at = end
    text = json.dumps(entries).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def _piece(tensor: Tensor, update: Update | None, start: int, stop: int) -> memoryview:
    import numpy as np

    values = tensor.read(start, stop)
    if update is not None:
        values = update.merge(values, np.arange(start, stop))
    packed: memoryview = ggml.quantize(_KINDS[tensor.dtype], values).data
    return packed
