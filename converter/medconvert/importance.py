"""An importance matrix: how strongly each column of a matrix is used on real text.

Per matrix, the mean square of its inputs, column by column; quantizers weigh their
rounding errors by it. Files are those of llama.cpp's imatrix tool: a GGUF of type
`imatrix` with the sums of squares `NAME.in_sum2` and `NAME.counts`
(tools/imatrix/README.md of llama.cpp).
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from medllm.errors import ConversionError

if TYPE_CHECKING:
    from medconvert.layout import Shape

_SUMS, _COUNTS = ".in_sum2", ".counts"
_DATASETS, _CHUNKS, _CHUNK_SIZE = (
    "imatrix.datasets",
    "imatrix.chunk_count",
    "imatrix.chunk_size",
)

Vector = npt.NDArray[np.float32]


@dataclass(slots=True)
class Importance:
    """Sums over the tokens that were read, by the name of the matrix in the GGUF."""

    sums: dict[str, Vector] = field(default_factory=dict)
    """Sum of squares of each column's input."""
    counts: dict[str, int] = field(default_factory=dict)
    """Tokens that were summed."""
    texts: tuple[str, ...] = ()
    """Names of the text files, without their folders."""
    chunks: int = 0
    chunk_size: int = 0

    def add(self, name: str, inputs: Vector) -> None:
        """Adds the inputs of a matrix product, (tokens, columns)."""
        squares = np.einsum("ij,ij->j", inputs, inputs)
        if name in self.sums:
            self.sums[name] += squares
            self.counts[name] += len(inputs)
        else:
            self.sums[name], self.counts[name] = squares, len(inputs)

    def weights(self, name: str) -> Vector | None:
        """One weight a column, as the quantizers take it; None for a matrix not seen."""
        if name not in self.sums:
            return None
        count = self.counts[name]
        if count == 0:
            return np.ones_like(self.sums[name])
        return (self.sums[name] / np.float32(count)).astype(np.float32)

    def check(self, shapes: Iterable["Shape"]) -> None:
        """Refuses a matrix that belongs to another model.

        Raises:
            ConversionError: a name is unknown to the model, or a length differs.
        """
        columns = {shape.name: shape.dims[-1] for shape in shapes}
        for name, sums in self.sums.items():
            if columns.get(name) != sums.size:
                raise ConversionError(
                    f"The importance matrix belongs to another model: {name} has {sums.size} "
                    f"columns in it, and {columns.get(name, 'no place')} here.",
                    "Compute it anew with --imatrix TEXT.",
                )

    def as_llama(self) -> Any:
        """A ctypes array for `llama_model_quantize`; it keeps its data alive."""
        from llama_cpp import llama_cpp

        table = (llama_cpp.llama_model_imatrix_data * (len(self.sums) + 1))()
        table.kept = []
        for entry, name in zip(table, self.sums, strict=False):
            weights = self.weights(name)
            assert weights is not None
            table.kept.append(weights)
            entry.name, entry.size = name.encode(), weights.size
            entry.data = weights.ctypes.data_as(type(entry.data))
        table[len(self.sums)].name = None
        return table

    def write(self, file: Path) -> None:
        """Writes it, atomically, so that llama.cpp's own tools can read it too."""
        import gguf
        from medllm import files

        with files.atomic(file) as part:
            writer = gguf.GGUFWriter(part, arch="")
            writer.kv_data[0].pop("general.architecture", None)
            writer.add_string("general.type", "imatrix")
            writer.add_array(_DATASETS, list(self.texts))
            writer.add_uint32(_CHUNKS, self.chunks)
            writer.add_uint32(_CHUNK_SIZE, self.chunk_size)
            for name, sums in self.sums.items():
                writer.add_tensor(name + _SUMS, sums.reshape(1, -1))
                count = np.array([[self.counts[name]]], np.float32)
                writer.add_tensor(name + _COUNTS, count)
            writer.write_header_to_file()
            writer.write_kv_data_to_file()
            writer.write_tensors_to_file()
            writer.close()

    @classmethod
    def read(cls, file: Path) -> "Importance":
        """Reads one that was saved.

        Raises:
            ConversionError: it is no importance matrix, or holds NaN or infinity.
        """
        import gguf

        try:
            reader = gguf.GGUFReader(file)
        except (OSError, ValueError, IndexError, KeyError) as error:
            raise ConversionError(f"{file} is not a GGUF: {str(error).splitlines()[0]}") from error
        found = cls(
            texts=tuple(_contents(reader, _DATASETS) or ()),
            chunks=int(_contents(reader, _CHUNKS) or 0),
            chunk_size=int(_contents(reader, _CHUNK_SIZE) or 0),
        )
        for tensor in reader.tensors:
            values = np.array(tensor.data, np.float32).reshape(-1)
            if tensor.name.endswith(_SUMS):
                found.sums[tensor.name.removesuffix(_SUMS)] = values
            elif tensor.name.endswith(_COUNTS) and values.size == 1:
                found.counts[tensor.name.removesuffix(_COUNTS)] = int(values[0])
        if _contents(reader, "general.type") != "imatrix" or set(found.sums) != set(found.counts):
            raise ConversionError(
                f"{file} is not an importance matrix of a dense model.",
                "Name a text file, or what --imatrix or llama-imatrix saved.",
            )
        if not all(np.isfinite(sums).all() for sums in found.sums.values()):
            raise ConversionError(f"The importance matrix {file} holds NaN or infinity.")
        return found


def _contents(reader: Any, key: str) -> Any:
    field_ = reader.get_field(key)
    return field_.contents() if field_ else None
