"""What a family knows: where its tensors go, its hyper-parameters, how its vocabulary is kept."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from medllm.errors import ConversionError

from medconvert import ggml
from medconvert.checkpoint import Floats, Rows


@dataclass(frozen=True, slots=True)
class Place:
    """Where a tensor of the checkpoint goes."""

    name: str
    """Its name in the GGUF."""
    heads: int = 0
    """Heads whose rows are reordered; 0: the rows stay in order."""
    shift: float = 0.0
    """Added to every value: Gemma stores its norms less one."""

    def order(self, rows: int) -> Rows | None:
        """The checkpoint's row for each row of the GGUF; None where the order stays."""
        return rope_order(rows, self.heads) if self.heads else None

    def add_shift(self, values: Floats, dtype: str) -> None:
        """Adds the shift to `values` in place, in the precision that torch has for `dtype`.

        Args:
            values: of the tensor, float32.
            dtype: of the checkpoint; F32 where nothing need be rounded.
        """
        if not self.shift:
            return
        values += np.float32(self.shift)
        if dtype == "F16":  # the standard route widens bf16 before it adds, but not f16
            ggml.round_to("F16", values)


@dataclass(frozen=True, slots=True)
class VocabularyStyle:
    """What differs between families in how the same tokenizer files are written."""

    prefix_setting: bool = False
    """`add_prefix_space` of tokenizer_config.json is written, before all else."""
    no_prefix: bool = False
    """No space is put before a text; written after all else."""
    markers: bool = True
    """Added tokens that look like markers count as such, whatever the files say."""
    added_in_json: bool = False
    """Added tokens are taken from tokenizer.json, too."""
    unigram: bool = False
    """The SentencePiece file, which may be called spiece.model, may be of the kind unigram."""
    word_pieces: bool = False
    """The tokenizer.json holds BERT's WordPiece."""
    attributes_by_name: tuple[str, ...] = ()
    """llama.cpp strips the white space behind special tokens where the model's name holds one."""


class Family(Protocol):
    """One architecture family."""

    arch: str
    """As GGUF names it."""
    vocabulary: VocabularyStyle

    def __init__(self, architecture: str, config: Mapping[str, Any]) -> None: ...

    def place(self, tensor: str) -> Place | None:
        """Where a tensor goes; None for one that is not needed.

        Raises:
            ConversionError: its name is unknown.
        """
        ...

    def extra_tensors(self) -> dict[str, Floats]:
        """Tensors that the GGUF has and the checkpoint has not, by their GGUF name."""
        ...

    def write_parameters(self, writer: Any) -> None:
        """Adds the hyper-parameters to a `gguf.GGUFWriter`."""
        ...


def settings_of(
    config: Mapping[str, Any], defaults: Mapping[str, Any], needed: tuple[str, ...]
) -> dict[str, Any]:
    """The content of config.json, filled up with what transformers takes where it is silent.

    Raises:
        ConversionError: a number that is needed is missing, or the base is quantized already.
    """
    given = {key: value for key, value in config.items() if value is not None}
    if missing := [key for key in needed if not isinstance(given.get(key), int)]:
        raise ConversionError(f"config.json lacks {', '.join(missing)}.")
    if "quantization_config" in given:
        raise ConversionError(
            "The base is quantized already (quantization_config in config.json).",
            "Convert the 16-bit model that it was made from.",
        )
    return {**defaults, **given}


def rope_order(rows: int, heads: int) -> Rows:
    """The row order that llama.cpp's rotary embedding expects of Q and K.

    Hugging Face keeps the two halves of a head's rotated pairs apart, llama.cpp
    has the partners side by side: of a head's rows 0..d, row 2i is old row i and
    row 2i+1 is old row i + d/2.
    """
    numbers = np.arange(rows).reshape(heads, 2, rows // heads // 2)
    return np.ascontiguousarray(numbers.swapaxes(1, 2).reshape(-1))
