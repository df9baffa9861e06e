"""Computing an importance matrix: a GGUF reads a text, and llama.cpp shows each matrix's inputs.

`cb_eval` of a llama context is asked before each node of the graph and shown the
node afterwards; of a matrix product it sees the activations that go in. It runs in
a process of its own, since native code can crash:

    python -m medconvert.collect FILE.gguf TEXT OUT.gguf
"""

import ctypes
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from medllm.errors import ConversionError, UsageError

from medconvert import child
from medconvert.importance import Importance

CHUNK = 512
"""Tokens that are read in one go, BOS included."""
_MIN_TOKENS = 64
_F32 = 0


class _Tensor(ctypes.Structure):
    """struct ggml_tensor of ggml.h, as far as it is read here."""


_Tensor._fields_ = [
    ("type", ctypes.c_int),
    ("buffer", ctypes.c_void_p),
    ("ne", ctypes.c_int64 * 4),
    ("nb", ctypes.c_size_t * 4),
    ("op", ctypes.c_int),
    ("op_params", ctypes.c_int32 * 16),
    ("flags", ctypes.c_int32),
    ("src", ctypes.POINTER(_Tensor) * 10),
    ("view_src", ctypes.c_void_p),
    ("view_offs", ctypes.c_size_t),
    ("data", ctypes.c_void_p),
    ("name", ctypes.c_char * 64),
]


def is_saved(file: Path) -> bool:
    """Whether `file` is a GGUF, that is a saved matrix, rather than a text."""
    try:
        with file.open("rb") as stream:
            return stream.read(4) == b"GGUF"
    except OSError as error:
        raise UsageError(f"{file} can't be read: {error.strerror or error}.") from error


def collect(model: Path, text: Path, out: Path, progress: child.Progress | None = None) -> None:
    """Runs this module on `model` and `text`; the matrix lies in `out` afterwards.

    Raises:
        ConversionError: the text is too short or is not UTF-8, or llama.cpp fails.
    """
    arguments = [str(model), str(text), str(out)]
    answer = child.run("medconvert.collect", arguments, "reading the text", progress)
    if error := answer.get("error"):
        raise ConversionError(error, answer.get("hint", ""))


class Collector:
    """Sums the squares of the inputs of every matrix product of a layer."""

    def __init__(self, library: Any) -> None:
        self.found = Importance()
        library.ggml_op_name.restype, library.ggml_op_name.argtypes = (
            ctypes.c_char_p,
            [ctypes.c_int],
        )
        names = (library.ggml_op_name(number) for number in range(200))
        self._product = next(i for i, name in enumerate(names) if name == b"MUL_MAT")

    def __call__(self, address: int | None, asks: bool, _data: object) -> bool:
        """The callback: whether a node is wanted, then the node itself."""
        node = ctypes.cast(address, ctypes.POINTER(_Tensor)).contents  # type: ignore[arg-type]
        if node.op != self._product:
            return not asks
        weights, inputs = node.src[0].contents, node.src[1].contents
        if not weights.name.startswith(b"blk.") or inputs.type != _F32:
            return not asks
        if not asks:
            columns, *others = inputs.ne
            rows = int(np.prod(others))
            data = ctypes.cast(inputs.data, ctypes.POINTER(ctypes.c_float))
            self.found.add(weights.name.decode(), np.ctypeslib.as_array(data, (rows, columns)))
        return True


def _chunks(tokens: list[int], bos: list[int]) -> Iterator[list[int]]:
    step = CHUNK - len(bos)
    for start in range(0, len(tokens), step):
        piece = tokens[start : start + step]
        if start == 0 or len(piece) >= _MIN_TOKENS:
            yield bos + piece


def _collect(model_file: Path, text_file: Path, out: Path) -> dict[str, Any]:
    from llama_cpp import llama_cpp

    from medconvert.runtime import Runtime

    try:
        text = text_file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        return {"error": f"The text {text_file} can't be read: {error}"}
    collector = Collector(llama_cpp._lib)
    with Runtime(model_file, CHUNK, watch=collector) as runtime:
        tokens = runtime.tokenize(text, special=False)
        if len(tokens) < _MIN_TOKENS:
            return {
                "error": f"{text_file} gives {len(tokens)} tokens only.",
                "hint": "Some pages of text like that which the model will see are needed.",
            }
        chunks = list(_chunks(tokens, runtime.bos()))
        for number, chunk in enumerate(chunks, 1):
            runtime.read(chunk)
            child.report(number, len(chunks))
    found = collector.found
    found.texts, found.chunks, found.chunk_size = (text_file.name,), len(chunks), CHUNK
    found.write(out)
    return {"tokens": len(tokens), "chunks": len(chunks)}


if __name__ == "__main__":
    from medllm import guard

    guard.install()
    child.answer(_collect(*map(Path, sys.argv[1:4])))
