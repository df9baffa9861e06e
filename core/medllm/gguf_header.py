"""Reads the header of a GGUF file, without native code.

Format: ggml, docs/gguf.md. Versions 2 and 3, little-endian: magic, version,
counts, metadata, tensor descriptions; the tensors' bytes follow, aligned.
"""

import math
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from medllm.errors import ModelError

MAGIC = b"GGUF"
# Type number: elements a block, bytes a block (ggml.h, ggml-common.h).
BLOCKS: dict[int, tuple[int, int]] = {
    **{0: (1, 4), 1: (1, 2), 30: (1, 2)},  # F32, F16, BF16
    **{2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34)},  # Q4_0 to Q8_0
    **{10: (256, 84), 11: (256, 110), 12: (256, 144), 13: (256, 176)},  # Q2_K to Q5_K
    **{14: (256, 210), 15: (256, 292)},  # Q6_K, Q8_K
    **{16: (256, 66), 17: (256, 74), 18: (256, 98), 19: (256, 50), 20: (32, 18)},  # IQ
    **{21: (256, 110), 22: (256, 82), 23: (256, 136), 29: (256, 56)},  # IQ
    **{24: (1, 1), 25: (1, 2), 26: (1, 4), 27: (1, 8), 28: (1, 8)},  # integers, F64
    **{34: (256, 54), 35: (256, 66), 39: (32, 17), 40: (64, 36)},  # TQ, MXFP4, NVFP4
    **{41: (128, 18), 42: (64, 18)},  # Q1_0, Q2_0
}
TYPES: dict[int, str] = {
    **{0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 6: "Q5_0", 7: "Q5_1", 8: "Q8_0", 9: "Q8_1"},
    **{10: "Q2_K", 11: "Q3_K", 12: "Q4_K", 13: "Q5_K", 14: "Q6_K", 15: "Q8_K", 16: "IQ2_XXS"},
    **{17: "IQ2_XS", 18: "IQ3_XXS", 19: "IQ1_S", 20: "IQ4_NL", 21: "IQ3_S", 22: "IQ2_S"},
    **{23: "IQ4_XS", 24: "I8", 25: "I16", 26: "I32", 27: "I64", 28: "F64", 29: "IQ1_M"},
    **{30: "BF16", 34: "TQ1_0", 35: "TQ2_0", 39: "MXFP4", 40: "NVFP4", 41: "Q1_0", 42: "Q2_0"},
}
"""Names of the tensor types, by number (ggml.h)."""
_NUMBERS = {
    **{0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?"},
    **{10: "Q", 11: "q", 12: "d"},
}
_STRING, _ARRAY = 8, 9
_MOST_ITEMS = 1 << 24  # far above any real model; a garbled count must not loop for ever
_FIRST_READ = 8 << 20
_SHOWN_ITEMS = 8
_KEPT_NUMBERS = 4096  # a value a layer, for far more layers than any model has


@dataclass(frozen=True, slots=True)
class Tensor:
    """What the header says of one tensor."""

    name: str
    shape: tuple[int, ...]
    """Fastest dimension first, as ggml counts: (columns, rows)."""
    kind: int
    """Number of its type; see TYPES."""
    size: int
    """In bytes; 0 where the type is not known here."""

    @property
    def type_name(self) -> str:
        """Name of its type."""
        return TYPES.get(self.kind, f"type {self.kind}")

    @property
    def elements(self) -> int:
        """How many numbers it holds."""
        return math.prod(self.shape)


@dataclass(frozen=True, slots=True)
class Array:
    """What is kept of an array in the metadata."""

    count: int
    items: tuple[Any, ...]
    """All of a short array of numbers; of any other the first ones."""
    offset: int = 0
    """Where its items begin in the file."""


@dataclass(frozen=True, slots=True)
class Header:
    """What stands before the tensors."""

    metadata: dict[str, Any]
    """Scalars and strings by key; of an array only its length (`int`)."""
    parameters: int
    """Elements of all tensors."""
    tensor_bytes: int
    expected_bytes: int
    """Size of the whole file, up to the end of the last tensor."""
    version: int = 3
    tensors: tuple[Tensor, ...] = ()
    arrays: dict[str, Array] = field(default_factory=dict)
    """The beginning of each array, by key."""


class _ShortError(Exception):
    """The bytes at hand end before the header does."""


def read(file: Path) -> Header:
    """Reads the header of `file`, which must exist.

    Raises:
        ModelError: not GGUF, a version that is not read, garbled, or it ends within its header.
        OSError: it can't be read.
    """
    size, wanted = file.stat().st_size, _FIRST_READ
    with open(file, "rb") as stream:
        data = stream.read(wanted)
        _check_magic(file, data)
        while True:
            try:
                return _Parser(data, size, file).header()
            except _ShortError:
                if len(data) >= size:
                    raise truncated(file, size, None) from None
                data += stream.read(wanted)
                wanted *= 2


def text_item(file: Path, array: Array, index: int) -> str:
    """One item of an array of texts, such as a token; empty where there is no such item.

    Raises:
        OSError: the file can't be read.
    """
    if not (0 <= index < array.count and isinstance(array.items[0], str)):
        return ""
    with open(file, "rb") as stream:
        stream.seek(array.offset)
        for _ in range(index):
            stream.seek(struct.unpack("<Q", stream.read(8))[0], 1)
        return stream.read(struct.unpack("<Q", stream.read(8))[0]).decode("utf-8", "replace")


def truncated(file: Path, found: int, expected: int | None) -> ModelError:
    """The error for a file that ends too early; `expected` bytes where that is known."""
    of = f" of {expected:,}" if expected else ""
    where = "" if expected else ", within its header"
    return ModelError(
        f"The model {file} is truncated: {found:,}{of} bytes are there{where}.",
        "Fetch or copy it again.",
    )


def _check_magic(file: Path, data: bytes) -> None:
    if data[:4] == MAGIC:
        return
    if data.startswith(b"version https://git-lfs"):
        raise ModelError(
            f"{file} is only a Git LFS pointer, not the model itself.", "Run: git lfs pull"
        )
    what = "empty" if not data else "not a GGUF file"
    raise ModelError(f"The model {file} is {what}.", "Name a file that ends in .gguf.")


class _Parser:
    """A cursor over the bytes of a header."""

    def __init__(self, data: bytes, size: int, file: Path) -> None:
        self.data, self.size, self.file, self.at = data, size, file, 4
        self.arrays: dict[str, Array] = {}

    def header(self) -> Header:
        version = self._number("I")
        if version not in (2, 3):
            raise ModelError(
                f"The model {self.file} has GGUF version {version}; 2 and 3 are read.",
                "Fetch a newer build of the model (little-endian).",
            )
        tensors, keys = self._count(), self._count()
        metadata = dict(self._pair() for _ in range(keys))
        described, end = [], 0
        for _ in range(tensors):
            tensor, offset = self._tensor()
            described.append(tensor)
            end = max(end, offset + tensor.size)
        alignment = metadata.get("general.alignment", 32)
        if not isinstance(alignment, int) or alignment <= 0:
            raise self._garbled()
        start = -(-self.at // alignment) * alignment
        return Header(
            metadata,
            sum(tensor.elements for tensor in described),
            sum(tensor.size for tensor in described),
            start + end if tensors else self.at,
            version,
            tuple(described),
            {key: value for key, value in self.arrays.items() if key in metadata},
        )

    def _pair(self) -> tuple[str, Any]:
        key = self._string()
        return key, self._value(self._number("I"), key)

    def _value(self, kind: int, key: str) -> Any:
        if kind in _NUMBERS:
            return self._number(_NUMBERS[kind])
        if kind == _STRING:
            return self._string()
        if kind != _ARRAY:
            raise self._garbled()
        inner, count = self._number("I"), self._count()
        begin = self.at
        self._skip_array(inner, count)
        self.arrays[key] = Array(count, self._first_items(inner, count, begin), begin)
        return count

    def _first_items(self, kind: int, count: int, begin: int) -> tuple[Any, ...]:
        short = kind in _NUMBERS and count <= _KEPT_NUMBERS
        shown = count if short else min(count, _SHOWN_ITEMS)
        end, self.at = self.at, begin
        items = tuple(
            self._string() if kind == _STRING else self._number(_NUMBERS[kind])
            for _ in range(shown)
        )
        self.at = end
        return items

    def _skip_array(self, kind: int, count: int) -> None:
        if kind in _NUMBERS:
            self._forward(struct.calcsize("<" + _NUMBERS[kind]) * count)
        elif kind == _STRING:
            unpack, data, at = struct.Struct("<Q").unpack_from, self.data, self.at
            try:
                for _ in range(count):
                    at += 8 + unpack(data, at)[0]
            except (struct.error, OverflowError) as error:
                if at > self.size:
                    raise self._garbled() from error
                raise _ShortError from error
            self._forward(at - self.at)
        else:
            raise self._garbled()

    def _tensor(self) -> tuple[Tensor, int]:
        """The next tensor and its offset."""
        name, dimensions = self._string(), self._number("I")
        if dimensions > 8:
            raise self._garbled()
        shape = tuple(self._number("Q") for _ in range(dimensions))
        kind = self._number("I")
        per_block, block_bytes = BLOCKS.get(kind, (1, 0))
        size = math.prod(shape) // per_block * block_bytes
        return Tensor(name, shape, kind, size), self._number("Q")

    def _number(self, letter: str) -> Any:
        begin = self.at
        self._forward(struct.calcsize("<" + letter))
        return struct.unpack_from("<" + letter, self.data, begin)[0]

    def _count(self) -> int:
        count: int = self._number("Q")
        if count > _MOST_ITEMS:
            raise self._garbled()
        return count

    def _string(self) -> str:
        length = self._number("Q")
        begin = self.at
        if length > self.size:
            raise self._garbled()
        self._forward(length)
        return self.data[begin : self.at].decode("utf-8", "replace")

    def _forward(self, length: int) -> None:
        if self.at + length > len(self.data):
            raise _ShortError
        self.at += length

    def _garbled(self) -> ModelError:
        return ModelError(
            f"The model {self.file} has a garbled GGUF header.", "Fetch or copy it again."
        )
