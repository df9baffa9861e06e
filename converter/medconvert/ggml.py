"""The few functions of ggml that a conversion needs, from the library that llama-cpp-python has.

Loading libggml a second time would give a second copy of its tables, so the
symbols are taken through the loaded libllama. Q4_K and Q6_K are quantized by own
kernels where there are any, byte for byte alike; MEDCONVERT_KERNELS=ggml turns them off.
"""

import ctypes
import os
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from medllm.errors import ConversionError, MissingExtraError, UsageError

from medconvert import kernels

Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

SWITCH = "MEDCONVERT_KERNELS"
"""Environment: `ggml` or one of `kernels.instruction_sets()`; unset, the fastest there is."""

_POINTER, _COUNT, _TYPE = ctypes.c_void_p, ctypes.c_int64, ctypes.c_int
_SIGNATURES: dict[str, tuple[Any, list[Any]]] = {
    "ggml_row_size": (ctypes.c_size_t, [_TYPE, _COUNT]),
    "ggml_quantize_chunk": (
        ctypes.c_size_t,
        [_TYPE, _POINTER, _POINTER, _COUNT, _COUNT, _COUNT, _POINTER],
    ),
    "ggml_quantize_requires_imatrix": (ctypes.c_bool, [_TYPE]),
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


def quantizers() -> str:
    """Which quantizers serve Q4_K and Q6_K: `own (avx2)`, or `ggml`. For run.json.

    Raises:
        UsageError: the environment asks for what is not there.
    """
    own = [_instruction_set(kind) for kind in kernels.BYTES]
    return f"own ({own[0]})" if all(own) else "ggml"


def _instruction_set(kind: int) -> str:
    """The instruction set in which an own kernel makes ggml's bytes of a type; empty for ggml."""
    there, wanted = kernels.instruction_sets(), os.environ.get(SWITCH, "")
    if wanted and wanted not in (*there, "ggml"):
        raise UsageError(
            f"{SWITCH} asks for {wanted}, which is not there.",
            f"There are: {', '.join((*there, 'ggml'))}.",
        )
    chosen = wanted or next(iter(there), "ggml")
    if chosen == "ggml" or kind not in kernels.BYTES:
        return ""
    return chosen if kernels.agrees(chosen, kind, _quantizer_address()) else ""


@cache
def _quantizer_address() -> int:
    return ctypes.cast(_library().ggml_quantize_chunk, ctypes.c_void_p).value or 0


def quantize(kind: int, values: Floats, importance: Floats | None = None) -> Bytes:
    """A finite float32 matrix as ggml type `kind`, row after row. The GIL is free meanwhile.

    Any number of threads may call it: ggml fills the tables that some types need under a
    lock of its own, at the first use.

    Args:
        importance: one weight a column, for types that can use it.

    Raises:
        ConversionError: the type can't do without importance.
    """
    rows, columns = values.shape
    values = np.ascontiguousarray(values, np.float32)
    if importance is None:
        own = _instruction_set(kind) if columns % kernels.SUPER_BLOCK == 0 else ""
        if own:
            return kernels.quantize(own, kind, values, _quantizer_address())
        if _library().ggml_quantize_requires_imatrix(kind):  # ggml would end the process
            raise ConversionError(
                f"ggml's type {kind} can't do without an importance matrix.",
                "Compute one with --imatrix TEXT.",
            )
    else:
        importance = np.ascontiguousarray(importance, np.float32)
        if importance.shape != (columns,):
            raise AssertionError(f"{importance.shape} weights for {columns} columns")
    packed = np.empty(rows * row_size(kind, columns), np.uint8)
    written = _library().ggml_quantize_chunk(
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
