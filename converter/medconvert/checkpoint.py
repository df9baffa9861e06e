"""Reading safetensors by mmap: one tensor, or some of its rows, at a time.

Format: https://huggingface.co/docs/safetensors, eight bytes with the header's
length, a JSON header, then the data.
"""

import json
import math
import mmap
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from medllm.errors import ConversionError

from medconvert import ggml
from medconvert.source import read_json

INDEX = "model.safetensors.index.json"
_SINGLE = "model.safetensors"
_MAX_HEADER = 100_000_000
# A buffer that counts 0, 1, 2, ...; old versions of transformers saved it with the weights.
_NO_WEIGHT = "position_ids"
_ITEM_BYTES = {"F32": 4, "F16": 2, "BF16": 2}

Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
Rows = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor that lies in a file. Vectors are read as a matrix of one row."""

    name: str
    dtype: str
    """`F32`, `F16` or `BF16`."""
    shape: tuple[int, ...]
    data: Bytes
    """Its bytes in the mapped file."""

    @property
    def columns(self) -> int:
        """Length of a row."""
        return self.shape[-1]

    @property
    def rows(self) -> int:
        """Number of rows; 1 for a vector."""
        return math.prod(self.shape[:-1])

    def read(self, start: int, stop: int) -> Floats:
        """Rows `start` to `stop` as a fresh float32 matrix."""
        row = self.columns * _ITEM_BYTES[self.dtype]
        return ggml.to_float32(self.dtype, self.data[start * row : stop * row], self.columns)

    def gather(self, rows: Rows) -> Floats:
        """The rows with these numbers, in this order, as a fresh float32 matrix."""
        row = self.columns * _ITEM_BYTES[self.dtype]
        return ggml.to_float32(self.dtype, self.data.reshape(-1, row)[rows], self.columns)


def read_model(folder: Path) -> dict[str, Tensor]:
    """All tensors of a model folder, one file or shards with an index.

    Raises:
        ConversionError: no safetensors, a missing shard, a truncated file, a
            tensor of a type that is not a 16- or 32-bit float.
    """
    if not (folder / INDEX).is_file():
        if not (folder / _SINGLE).is_file():
            raise _no_weights(folder)
        return read_file(folder / _SINGLE)
    weight_map = read_json(folder / INDEX).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise ConversionError(f"{folder / INDEX} has no weight_map.", "Fetch the model again.")
    weight_map = {n: file for n, file in weight_map.items() if not n.endswith(_NO_WEIGHT)}
    shards = sorted(set(weight_map.values()))
    absent = [name for name in shards if not (folder / name).is_file()]
    if absent:
        raise ConversionError(
            f"{folder} lacks {len(absent)} of {len(shards)} shards: {', '.join(absent)}.",
            "Fetch the missing files.",
        )
    tensors: dict[str, Tensor] = {}
    for name in shards:
        tensors |= read_file(folder / name)
    if odd := sorted(set(weight_map) ^ set(tensors)):
        raise ConversionError(
            f"The index and the shards of {folder} disagree on {len(odd)} tensors, {odd[0]} first.",
            "Fetch the model again.",
        )
    return tensors


def read_file(file: Path) -> dict[str, Tensor]:
    """The tensors of one safetensors file.

    Raises:
        ConversionError: the file is missing, truncated or not safetensors.
    """
    try:
        with file.open("rb") as stream:
            size = file.stat().st_size
            if size < 8:
                raise _broken(file, "it is too short")
            mapped = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError as error:
        raise ConversionError(f"{file} can't be read: {error.strerror or error}.") from error
    (length,) = struct.unpack("<Q", mapped[:8])
    if length > min(_MAX_HEADER, size - 8):
        raise _broken(file, "its header is longer than the file")
    try:
        header = json.loads(mapped[8 : 8 + length])
        header.pop("__metadata__", None)
        whole = np.frombuffer(mapped, np.uint8)[8 + length :]
        return {
            name: _tensor(file, name, entry, whole)
            for name, entry in header.items()
            if not name.endswith(_NO_WEIGHT)
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _broken(file, "its header is not that of a safetensors file") from error


def _tensor(file: Path, name: str, entry: dict[str, Any], data: Bytes) -> Tensor:
    start, stop = entry["data_offsets"]
    shape = tuple(int(n) for n in entry["shape"])
    if stop > data.size:
        raise _broken(file, f"the tensor {name} ends {stop - data.size} bytes after its end")
    if (item := _ITEM_BYTES.get(entry["dtype"])) is None:
        raise ConversionError(
            f"{file}: the tensor {name} is of type {entry['dtype']}.",
            "Only F32, F16 and BF16 can be converted; a quantized model can't.",
        )
    if not shape or math.prod(shape) * item != stop - start:
        raise _broken(file, f"shape and size of the tensor {name} don't fit")
    return Tensor(name, entry["dtype"], shape, data[start:stop])


def _no_weights(folder: Path) -> ConversionError:
    pickles = [f for pattern in ("*.bin", "*.pt", "*.pth") for f in sorted(folder.glob(pattern))]
    if pickles:
        return ConversionError(
            f"{folder} holds its weights as a pickle only ({pickles[0].name}), which could run "
            "code when it is read.",
            "Fetch the model's safetensors, or save it with safe_serialization=True.",
        )
    return ConversionError(
        f"{folder} holds neither {_SINGLE} nor {INDEX}.", "Fetch the model's safetensors."
    )


def _broken(file: Path, why: str) -> ConversionError:
    return ConversionError(f"{file} is truncated or broken: {why}.", "Fetch or save it again.")
