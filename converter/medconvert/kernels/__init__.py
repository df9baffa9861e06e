"""Own quantizers for Q4_K and Q6_K: the bytes of ggml's, several times as fast.

The library beside this file is compiled with the package where there is a C compiler
(hatch_build.py). Nothing is taken on trust: the instruction set is asked of the processor,
and the bytes are compared with ggml's once a process, since a ggml that was compiled with
fused multiply-add rounds otherwise. Where anything is amiss, ggml's own quantizers serve.
"""

import ctypes
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

LIBRARY = Path(__file__).with_name("quantizers.so")
SUPER_BLOCK = 256
BYTES = {12: 144, 14: 210}
"""Bytes of a super-block of 256 numbers, by ggml type: Q4_K and Q6_K."""
_CHECKED = 512 * SUPER_BLOCK
"""Numbers that are compared: a ggml with fused multiply-add differs in a hundred bytes or more."""


@cache
def _library() -> Any | None:
    try:
        library = ctypes.CDLL(str(LIBRARY))
        name, quantize = library.medconvert_instruction_set, library.medconvert_quantize
    except (OSError, AttributeError):  # not compiled, or for another kind of machine
        return None
    name.restype, name.argtypes = ctypes.c_char_p, [ctypes.c_int]
    pointer = ctypes.c_void_p
    quantize.restype = ctypes.c_int64
    quantize.argtypes = [
        *(ctypes.c_int, ctypes.c_int, pointer, pointer),
        *(ctypes.c_int64, pointer),
    ]
    return library


@cache
def instruction_sets() -> tuple[str, ...]:
    """Those that the library and this processor have, the fastest first; empty without it."""
    found: list[str] = []
    library = _library()
    while library and (name := library.medconvert_instruction_set(len(found))):
        found.append(name.decode())
    return tuple(found)


def quantize(instruction_set: str, kind: int, values: Floats, ggml_quantizer: int) -> Bytes:
    """Finite numbers as ggml type `kind`, one of BYTES. The GIL is free meanwhile.

    Args:
        instruction_set: one of `instruction_sets()`.
        values: contiguous rows of whole super-blocks.
        ggml_quantizer: address of ggml_quantize_chunk, which is given the few super-blocks
            whose arithmetic overflows.
    """
    library = _library()
    assert library is not None
    blocks, rest = divmod(values.size, SUPER_BLOCK)
    packed = np.empty(blocks * BYTES[kind], np.uint8)
    done = library.medconvert_quantize(
        instruction_sets().index(instruction_set),
        kind,
        values.ctypes.data,
        packed.ctypes.data,
        blocks,
        ggml_quantizer,
    )
    if rest or done < 0:
        raise AssertionError(f"{values.size} numbers can't be quantized to {kind}")
    return packed


@cache
def agrees(instruction_set: str, kind: int, ggml_quantizer: int) -> bool:
    """Whether the bytes are those of this ggml, seen on numbers like a model's weights."""
    numbers = np.random.default_rng(0).standard_normal(_CHECKED, np.float32)
    numbers *= np.float32(0.02)
    expected = np.empty(_CHECKED // SUPER_BLOCK * BYTES[kind], np.uint8)
    signature = ctypes.CFUNCTYPE(
        ctypes.c_size_t,
        *(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p),
        *(ctypes.c_int64, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p),
    )
    signature(ggml_quantizer)(
        kind, numbers.ctypes.data, expected.ctypes.data, 0, 1, numbers.size, None
    )
    return np.array_equal(quantize(instruction_set, kind, numbers, ggml_quantizer), expected)
