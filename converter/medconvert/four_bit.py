"""The base as a QLoRA training saw it: rounded to four bits and back (arXiv:2305.14314).

An adapter that was trained on a four-bit base has learned to make up for its rounding;
merged into the original weights it gives a slightly different model.
"""

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Literal

import numpy as np
from medllm.errors import MissingExtraError, UsageError

from medconvert.checkpoint import Floats, Rows, Tensor

Code = Literal["nf4", "nf4-double", "fp4", "fp4-double"]
CODES: tuple[Code, ...] = ("nf4", "nf4-double", "fp4", "fp4-double")
_BLOCK = 64
# bitsandbytes leaves embeddings and the output alone, and everything that is no linear layer.
_WHOLE = ("embed_tokens", "lm_head", "norm", "wte", "shared")


def code(merge_into: str, four_bit: str) -> Code | None:
    """The rounding that the options name; None where the original base is meant.

    Raises:
        UsageError: one of them does not exist.
    """
    if merge_into == "original":
        return None
    for known in CODES:
        if merge_into == "dequantized" and four_bit == known:
            return known
    raise UsageError(
        f"--merge-into {merge_into} --four-bit {four_bit} is not known.",
        f"Try --merge-into dequantized with --four-bit {', '.join(CODES)}, or original.",
    )


class FourBit:
    """Rounds matrices with bitsandbytes, one at a time.

    Args:
        code: the four-bit code; `-double` where the scales are quantized too.

    Raises:
        MissingExtraError: bitsandbytes is not installed.
    """

    def __init__(self, code: Code) -> None:
        from importlib.util import find_spec

        if find_spec("bitsandbytes") is None:
            raise MissingExtraError("train", "bitsandbytes")
        kind, _, double = code.partition("-")
        self._kind, self._double = kind, bool(double)
        # The threads of a pass are at work on one matrix, or on the end of one and the next.
        self._kept: OrderedDict[str, Floats] = OrderedDict()
        self._lock = threading.Lock()

    def tensor(self, tensor: Tensor) -> Tensor:
        """The rounded tensor, where training had it rounded."""
        linear = len(tensor.shape) == 2 and tensor.name.endswith(".weight")
        if not linear or any(part in tensor.name for part in _WHOLE):
            return tensor
        return Rounded(tensor.name, tensor.dtype, tensor.shape, tensor.data, self)

    def matrix(self, tensor: Tensor) -> Floats:
        """All of a tensor, (rows, columns), rounded."""
        import bitsandbytes.functional as bnb
        import torch

        with self._lock:
            if tensor.name not in self._kept:
                exact = torch.from_numpy(Tensor.read(tensor, 0, tensor.rows))
                packed, state = bnb.quantize_4bit(
                    exact, blocksize=_BLOCK, quant_type=self._kind, compress_statistics=self._double
                )
                self._kept[tensor.name] = bnb.dequantize_4bit(packed, state).numpy()
                if len(self._kept) > 2:
                    self._kept.popitem(last=False)
            return self._kept[tensor.name]


@dataclass(frozen=True, slots=True)
class Rounded(Tensor):
    """A tensor of the base, read as its four-bit rounding."""

    four_bit: FourBit

    def read(self, start: int, stop: int) -> Floats:
        """Rows `start` to `stop` as a fresh float32 matrix."""
        return self.four_bit.matrix(self)[start:stop].copy()

    def gather(self, rows: Rows) -> Floats:
        """The rows with these numbers, in this order, as a fresh float32 matrix."""
        return np.ascontiguousarray(self.four_bit.matrix(self)[rows])
