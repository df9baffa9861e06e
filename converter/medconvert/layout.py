"""Laying out a GGUF: header, metadata and tensor infos written, the data's place left free.

Format: https://github.com/ggml-org/ggml, docs/gguf.md.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medconvert import ggml

Describe = Callable[[Any], None]
"""Adds metadata to a `gguf.GGUFWriter`."""


@dataclass(frozen=True, slots=True)
class Shape:
    """A tensor that the GGUF will have."""

    name: str
    dims: tuple[int, ...]
    """Rows first, as in the checkpoint."""

    def nbytes(self, kind: int) -> int:
        """Its size as ggml type `kind`."""
        return ggml.row_size(kind, self.dims[-1]) * math.prod(self.dims[:-1])


@dataclass(frozen=True, slots=True)
class Layout:
    """Where each tensor lies in the file."""

    offsets: dict[str, int]
    """From the start of the file, by name."""
    size: int
    """Of the whole file, in bytes."""


def write_layout(
    file: Path,
    arch: str,
    shapes: Sequence[Shape],
    kinds: Mapping[str, int],
    describe: Describe,
) -> Layout:
    """Writes everything but the data, and stretches the file to its full size.

    Args:
        file: is created; its data stay unwritten, which takes no room on most disks.
        arch: architecture as GGUF names it.
        shapes: the tensors, in the order of the file.
        kinds: ggml type of each tensor, by name.
        describe: adds the metadata; it sees a writer that knows all tensors.
    """
    import gguf
    import numpy as np

    writer = gguf.GGUFWriter(path=None, arch=arch)
    for shape in shapes:
        kind = gguf.GGMLQuantizationType(kinds[shape.name])
        # A dtype other than uint8 makes the writer take the dimensions as they are.
        writer.add_tensor_info(
            shape.name, shape.dims, np.dtype(np.float32), shape.nbytes(kind), raw_dtype=kind
        )
    describe(writer)
    writer.write_header_to_file(path=file)
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    (stream,) = writer.fout
    at = writer.ggml_pad(stream.tell(), writer.data_alignment)
    offsets: dict[str, int] = {}
    for shape in shapes:
        offsets[shape.name] = at
        at += writer.ggml_pad(shape.nbytes(kinds[shape.name]), writer.data_alignment)
    stream.truncate(at)
    writer.close()
    return Layout(offsets, at)


def in_file_order(shapes: Sequence[Shape]) -> list[Shape]:
    """The order of llama.cpp's quantizer: what belongs to no layer, then layer by layer."""

    def key(shape: Shape) -> tuple[int, bytes]:
        head, _, rest = shape.name.partition(".")
        layer = rest.partition(".")[0]
        numbered = head == "blk" and layer.isdecimal()
        return int(layer) if numbered else -1, shape.name.encode()

    return sorted(shapes, key=key)
