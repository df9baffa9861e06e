"""An ONNX folder with a KV cache for ONNX Runtime, by onnxruntime-genai's builder.

The adapter is merged first, tensor by tensor in float32. What the builder gets wrong is
refused before it runs (rotary embeddings that it leaves out without a word) or mended
behind it (the ids of BOS, EOS and padding).
"""

import time
from pathlib import Path
from typing import Any

from medllm.errors import ConversionError
from medllm.run_record import RunRecord

from medconvert import child, original
from medconvert.families.rope import read_rope
from medconvert.formats import output, trial
from medconvert.formats.options import Options, Progress
from medconvert.formats.trial import Trial
from medconvert.formats.whole import need_memory, parameters_of, refuse_quantized, whole_model
from medconvert.source import Source, read_json

# The rotary embeddings that come out right, by architecture.
_ROPES = {
    "LlamaForCausalLM": ("default", "llama3"),
    "MistralForCausalLM": ("default", "linear"),
    "Qwen2ForCausalLM": ("default", "linear"),
    "Qwen3ForCausalLM": ("default", "linear"),
}
_BYTES = {"fp32": 4.0, "int4": 0.75}
"""A weight takes in the output, about."""


def export(source: Source, out: Path, options: Options, progress: Progress) -> RunRecord:
    """Writes the folder `out`, with run.json inside.

    Raises:
        UsageError: `out` holds other files.
        ConversionError: the architecture or the adapter can't be exported, or the model that
            came out chooses other tokens.
    """
    config = read_json(source.base / "config.json")
    _refuse(config)
    parameters = parameters_of(source.base)
    begun = time.monotonic()
    with output.new_folder(out, source) as part:
        output.need_room(out, int(parameters * _BYTES[options.precision]))
        need_memory(parameters)
        with whole_model(source, options, out, progress) as model:
            progress("Building the graph", 0, 0)
            _build(model, part, source, options)
        made = time.monotonic()
        verify = _check(source, part, options, parameters, config, progress)
        seconds = {"build": round(made - begun, 2), "verify": round(time.monotonic() - made, 2)}
        run = output.record(
            source,
            out,
            options,
            settings={"format": "onnx", "execution_provider": "cpu"},
            inputs=output.hashes(source),
            written={file.name: file for file in sorted(part.iterdir())},
            seconds=seconds,
            verify=verify,
            packages=("onnx", "onnx-ir", "onnxruntime", "onnxruntime-genai", "peft"),
        )
        run.write(part)
    return run


def _refuse(config: dict[str, Any]) -> None:
    architecture = str(next(iter(config.get("architectures") or ()), ""))
    if architecture not in _ROPES:
        raise ConversionError(
            f"The architecture {architecture!r} can't be exported to ONNX.",
            f"Those that can: {', '.join(_ROPES)}.",
        )
    refuse_quantized(config)
    try:
        read_rope(config, _ROPES[architecture])
    except ConversionError as error:
        raise ConversionError(f"To ONNX: {error.message}", error.hint) from error


def _build(model: Path, part: Path, source: Source, options: Options) -> None:
    answer = child.run(
        "medconvert.formats.onnx_builder",
        [str(model), str(part), options.precision, str(source.base)],
        "building the ONNX graph",
    )
    if error := answer.get("error"):
        raise ConversionError(str(error), "Nothing was written.")


def _check(
    source: Source,
    part: Path,
    options: Options,
    parameters: int,
    config: dict[str, Any],
    progress: Progress,
) -> dict[str, Any]:
    dtype, reason = original.affordable(parameters, config)
    if not dtype:
        return {"generation": {"skipped": reason}}
    asked = Trial(
        base=str(source.base),
        adapter=str(source.adapter or ""),
        four_bit=options.four_bit or "",
        dtype=dtype,
        made=str(part),
        exact=options.precision == "fp32" and dtype == "float32",
    )
    return trial.run("medconvert.formats.onnx_check", asked, "trying the ONNX model", progress)
