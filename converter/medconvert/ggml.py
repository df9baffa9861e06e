"""The few functions of ggml that a conversion needs, from the library that llama-cpp-python has.

Loading libggml a second time would give a second copy of its tables, so the
symbols are taken through the loaded libllama.
"""

import ctypes
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from medllm.errors import MissingExtraError

Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

_POINTER, _COUNT, _TYPE = ctypes.c_void_p, ctypes.c_int64, ctypes.c_int
_SIGNATURES: dict[str, tuple[Any, list[Any]]] = {
    "ggml_row_size": (ctypes.c_size_t, [_TYPE, _COUNT]),
    "ggml_quantize_chunk": (
        ctypes.c_size_t,
        [_TYPE, _POINTER, _POINTER, _COUNT, _COUNT, _COUNT, _POINTER],
    ),
    "ggml_bf16_to_fp32_row": (None, [_POINTER, _POINTER, _COUNT]),
    "ggml_fp16_to_fp32_row": (None, [_POINTER, _POINTER, _COUNT]),
    "ggml_fp32_to_fp16_row": (None, [_POINTER, _POINTER, _COUNT]),
    "ggml_fp32_to_bf16_row_ref": (None, [_POINTER, _POINTER, _COUNT]),
}
_WIDEN = {"BF16": "ggml_bf16_to_fp32_row", "F16": "ggml_fp16_to_fp32_row"}
_NARROW = {"BF16": "ggml_fp32_to_bf16_row_ref", "F16": "ggml_fp32_to_fp16_row"}


@cache
def _library() -> Any:
    try:
        from llama_cpp import llama_cpp
    except ImportError as error:
        raise MissingExtraError("convert", "llama-cpp-python") from error
    library = llama_cpp._lib
    for name, (result, arguments) in _SIGNATURES.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


def row_size(kind: int, columns: int) -> int:
    """Bytes that a row of `columns` numbers takes as ggml type `kind`."""
    return int(_library().ggml_row_size(kind, columns))


def to_float32(dtype: str, data: Bytes, columns: int) -> Floats:
    """Numbers of a safetensors dtype as a fresh float32 matrix with rows of `columns`."""
    if dtype == "F32":
        return data.copy().view(np.float32).reshape(-1, columns)
    data = np.ascontiguousarray(data)
    wide = np.empty((data.size // 2 // columns, columns), np.float32)
    convert = getattr(_library(), _WIDEN[dtype])
    convert(data.ctypes.data, wide.ctypes.data, wide.size)
    return wide


def round_to(dtype: str, values: Floats) -> None:
    """Rounds `values` in place to what `dtype` can hold."""
    if dtype == "F32":
        return
    narrow = np.empty(values.shape, np.uint16)
    library = _library()
    getattr(library, _NARROW[dtype])(values.ctypes.data, narrow.ctypes.data, values.size)
    getattr(library, _WIDEN[dtype])(narrow.ctypes.data, values.ctypes.data, values.size)


def quantize(kind: int, values: Floats, importance: Floats | None = None) -> Bytes:
    """A float32 matrix as ggml type `kind`, row after row. The GIL is free meanwhile.

    Args:
        importance: one weight a column, for types that can use it.
    """
    rows, columns = values.shape
    values = np.ascontiguousarray(values)
    packed = np.empty(rows * row_size(kind, columns), np.uint8)
    library = _library()
    written = library.ggml_quantize_chunk(
        kind,
        values.ctypes.data,
        packed.ctypes.data,
        0,
        rows,
        columns,
        importance.ctypes.data if importance is not None else None,
    )
    if written != packed.nbytes:
        raise AssertionError(f"ggml wrote {written} bytes where {packed.nbytes} were due")
    return packed
