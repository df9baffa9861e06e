"""Which tensor gets which type, by asking llama.cpp itself.

`llama_model_quantize` with `dry_run` is run on a GGUF of full size whose data are
never written (it takes under 1 MB on disk), and the types are read from its log.
So no rule of a mixture is repeated here. It runs in a process of its own, since
native code can crash:

    python -m medconvert.mixture FILE.gguf FILE_TYPE
"""

import ctypes
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from medllm.errors import ConversionError, UsageError

from medconvert import child
from medconvert.layout import Describe, Shape, write_layout

F32, F16 = 0, 1
_LINE = re.compile(
    r"\[\s*\d+/\s*\d+\]\s+(?P<name>\S+)\s+- \[[^\]]*\], type =\s*(?P<old>\w+), size =\s*"
    r"[\d.]+ MiB(?: -> +[\d.]+ MiB \((?P<new>\w+)\))?"
)


@dataclass(frozen=True, slots=True)
class Quant:
    """A mixture that a model can be written in."""

    name: str
    file_type: int
    """llama_ftype, `general.file_type`."""


QUANTS = {quant.name: quant for quant in (Quant("q4_k_m", 15),)}


def quant(name: str) -> Quant:
    """The mixture of that name.

    Raises:
        UsageError: there is none.
    """
    if (found := QUANTS.get(name.lower())) is None:
        raise UsageError(
            f"There is no quantization {name!r}.", f"Those that there are: {', '.join(QUANTS)}."
        )
    return found


def source_kind(dims: Sequence[int], name: str) -> int:
    """The type a tensor has in an f16 GGUF: vectors and norms stay float32."""
    return F32 if len(dims) <= 1 or name.endswith("_norm.weight") else F16


def ask_types(
    scratch: Path, arch: str, shapes: Sequence[Shape], describe: Describe, mixture: Quant
) -> dict[str, int]:
    """The ggml type of each tensor in a mixture, by name.

    Args:
        scratch: a file that may be written; it is removed again.

    Raises:
        ConversionError: llama.cpp refuses the model.
    """
    kinds = {shape.name: source_kind(shape.dims, shape.name) for shape in shapes}
    try:
        write_layout(scratch, arch, shapes, kinds, describe)
        arguments = [str(scratch), str(mixture.file_type)]
        answer = child.run("medconvert.mixture", arguments, "choosing the types")
    finally:
        scratch.unlink(missing_ok=True)
    if error := answer.get("error"):
        raise ConversionError(f"llama.cpp refuses this model: {error}")
    types: dict[str, int] = answer["types"]
    if missing := [shape.name for shape in shapes if shape.name not in types]:
        raise ConversionError(f"llama.cpp named no type for {missing[0]}.")
    return types


def types_in_log(log: str) -> dict[str, int]:
    """Tensor types from the log of a dry run."""
    import gguf

    kinds = gguf.GGMLQuantizationType
    return {
        match["name"]: int(kinds[(match["new"] or match["old"]).upper()])
        for match in _LINE.finditer(log)
    }


def _dry_run(file: str, file_type: int) -> dict[str, object]:
    from llama_cpp import llama_cpp

    log: list[str] = []

    @llama_cpp.llama_log_callback  # type: ignore[untyped-decorator]
    def keep(_level: int, text: bytes, _data: object) -> None:
        log.append(text.decode("utf-8", "replace"))

    llama_cpp.llama_log_set(keep, ctypes.c_void_p(0))
    settings = llama_cpp.llama_model_quantize_default_params()
    settings.ftype, settings.dry_run, settings.nthread = file_type, True, 1
    code = llama_cpp.llama_model_quantize(file.encode(), b"", ctypes.byref(settings))
    text = "".join(log)
    if code:
        return {"error": (text.strip().splitlines() or ["no reason given"])[-1]}
    return {"types": types_in_log(text)}


if __name__ == "__main__":
    child.answer(_dry_run(sys.argv[1], int(sys.argv[2])))
