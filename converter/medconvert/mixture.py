"""Which tensor gets which type, by asking llama.cpp itself.

`llama_model_quantize` with `dry_run` is run on a GGUF of full size whose data are
never written (it takes under 1 MB on disk), and the types are read from its log.
So no rule of a mixture is repeated here. It runs in a process of its own, since
native code can crash:

    python -m medconvert.mixture FILE.gguf FILE_TYPE [IMATRIX.gguf]
"""

import ctypes
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from medllm.errors import ConversionError, UsageError

from medconvert import child
from medconvert.layout import Describe, Shape, write_layout
from medconvert.quants import F16, F32, Quant

_LINE = re.compile(
    r"\[\s*\d+/\s*\d+\]\s+(?P<name>\S+)\s+- \[[^\]]*\], type =\s*(?P<old>\w+), size =\s*"
    r"[\d.]+ MiB(?: -> +[\d.]+ MiB \((?P<new>\w+)\))?"
)
# Of a BERT, what says where a token stands and which of two texts it belongs to.
_PRECISE = ("_norm.weight", "position_embd.weight", "token_types.weight")


def source_kind(dims: Sequence[int], name: str) -> int:
    """The type a tensor has in an f16 GGUF: vectors, norms and positions stay float32."""
    return F32 if len(dims) <= 1 or name.endswith(_PRECISE) else F16


def kinds_of(
    scratch: Path,
    arch: str,
    shapes: Sequence[Shape],
    plain: dict[str, int],
    describe: Describe,
    quant: Quant,
    importance: Path | None = None,
) -> dict[str, int]:
    """The ggml type of each tensor in a mixture, by name.

    Args:
        scratch: a file that may be written; it is removed again.
        plain: the ggml type of each tensor in an f16 file, by name.
        importance: file of an importance matrix; some mixtures depend on whether there is one.

    Raises:
        UsageError: the mixture needs an importance matrix, and there is none.
        ConversionError: llama.cpp refuses the model.
    """
    if quant.plain is not None:
        return {name: quant.plain if kind == F16 else kind for name, kind in plain.items()}
    try:
        write_layout(scratch, arch, shapes, plain, describe)
        arguments = [str(scratch), str(quant.file_type)]
        arguments += [str(importance)] if importance else []
        answer = child.run("medconvert.mixture", arguments, "choosing the types")
    finally:
        scratch.unlink(missing_ok=True)
    if error := answer.get("error"):
        raise ConversionError(f"llama.cpp refuses this model as {quant.name}: {error}")
    if answer["needs_importance"]:
        raise UsageError(
            f"{quant.name} needs an importance matrix.",
            "Name a text to compute it from, or a saved one: --imatrix FILE.",
        )
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


def _dry_run(file: str, file_type: int, importance: str = "") -> dict[str, object]:
    from llama_cpp import llama_cpp

    from medconvert.importance import Importance

    log: list[str] = []

    @llama_cpp.llama_log_callback  # type: ignore[untyped-decorator]
    def keep(_level: int, text: bytes, _data: object) -> None:
        log.append(text.decode("utf-8", "replace"))

    llama_cpp.llama_log_set(keep, ctypes.c_void_p(0))
    settings = llama_cpp.llama_model_quantize_default_params()
    settings.ftype, settings.dry_run, settings.nthread = file_type, True, 1
    if importance:
        table = Importance.read(Path(importance)).as_llama()
        settings.imatrix = ctypes.cast(table, type(settings.imatrix))
    code = llama_cpp.llama_model_quantize(file.encode(), b"", ctypes.byref(settings))
    text = "".join(log)
    if code:
        return {"error": (text.strip().splitlines() or ["no reason given"])[-1]}
    return {
        "types": types_in_log(text),
        "needs_importance": "will require an imatrix" in text,
    }


if __name__ == "__main__":
    child.answer(_dry_run(sys.argv[1], int(sys.argv[2]), *sys.argv[3:]))
