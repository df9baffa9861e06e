"""An ONNX folder with a KV cache for ONNX Runtime, by onnxruntime-genai's builder.

The adapter is merged first, tensor by tensor in float32. What the builder gets wrong is
refused before it runs (rotary embeddings that it leaves out without a word) or mended
behind it (the ids of BOS, EOS and padding).
"""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from medllm.errors import ConversionError
from medllm.run_record import RunRecord

from medconvert import child
from medconvert.families.rope import read_rope
from medconvert.formats import choices, output, trial
from medconvert.formats.options import Options, Progress
from medconvert.formats.whole import need_memory, parameters_of, refuse_quantized, whole_model
from medconvert.source import Source, read_json
from medconvert.verify.divergence import MOST_TOKENS

# The rotary embeddings that come out right, by architecture.
_ROPES = {
    "LlamaForCausalLM": ("default", "llama3"),
    "MistralForCausalLM": ("default", "linear"),
    "Qwen2ForCausalLM": ("default", "linear"),
    "Qwen3ForCausalLM": ("default", "linear"),
}
_CHECK = "medconvert.formats.onnx_check"
_BYTES = {"fp32": 4.0, "int4": 0.75}
"""A weight takes in the output, about."""
_SHORTEST = MOST_TOKENS + choices.CONTINUE


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
            _build(model, part, source, options, context_of(config))
        made = time.monotonic()
        verify = trial.of_whole(_CHECK, "trying the ONNX model", source, part, options, progress)
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
    context_of(config)
    try:
        read_rope(config, _ROPES[architecture])
    except ConversionError as error:
        raise ConversionError(f"To ONNX: {error.message}", error.hint) from error


def context_of(config: Mapping[str, Any]) -> int:
    """Tokens up to which the graph attends as the model does.

    Where the model attends to a sliding window of the last tokens, the graph attends to
    all; up to the window's length that is the same.

    Args:
        config: the content of config.json.

    Raises:
        ConversionError: it does not say, or the window is shorter than a question with its
            answer.
    """
    context = config.get("max_position_embeddings")
    if not isinstance(context, int):
        raise ConversionError("config.json lacks max_position_embeddings.")
    mistral = config.get("model_type") == "mistral"
    # transformers takes 4096 for a Mistral whose config.json is silent.
    window = config.get("sliding_window", 4096 if mistral else None)
    if window is None or not (mistral or config.get("use_sliding_window")):
        return context
    if window < _SHORTEST:
        raise ConversionError(
            f"A sliding window of {window} tokens can't be exported to ONNX.",
            f"The graph would be good for texts of that length only; {_SHORTEST} are needed.",
        )
    return min(context, int(window))


def _build(model: Path, part: Path, source: Source, options: Options, context: int) -> None:
    answer = child.run(
        "medconvert.formats.onnx_builder",
        [str(model), str(part), options.precision, str(source.base), str(context)],
        "building the ONNX graph",
    )
    if error := answer.get("error"):
        raise ConversionError(str(error), "Nothing was written.")
