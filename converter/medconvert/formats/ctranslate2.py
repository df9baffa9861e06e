"""A CTranslate2 folder for T5 and Flan-T5, with the tokenizer beside the weights."""

import time
from pathlib import Path
from typing import Any

from medllm.errors import ConversionError
from medllm.run_record import RunRecord

from medconvert import child
from medconvert.formats import output, trial
from medconvert.formats.options import Options, Progress
from medconvert.formats.whole import need_memory, parameters_of, refuse_quantized, whole_model
from medconvert.source import Source, read_json

_ARCHITECTURE = "T5ForConditionalGeneration"
_CHECK = "medconvert.formats.ctranslate2_check"
_BYTES = {"float32": 4, "int8": 1.1}
"""A weight takes in the output, about."""


def export(source: Source, out: Path, options: Options, progress: Progress) -> RunRecord:
    """Writes the folder `out`, with run.json inside.

    Raises:
        UsageError: `out` holds other files.
        ConversionError: it is no T5, the adapter can't be merged, or the model that came out
            chooses other tokens.
    """
    config = read_json(source.base / "config.json")
    _refuse(config)
    parameters = parameters_of(source.base)
    begun = time.monotonic()
    with output.new_folder(out, source) as part:
        output.need_room(out, int(parameters * _BYTES[options.precision]))
        need_memory(parameters)
        with whole_model(source, options, out, progress) as model:
            progress("Converting", 0, 0)
            _convert(model, part, options)
        made = time.monotonic()
        verify = trial.of_whole(
            _CHECK, "trying the CTranslate2 model", source, part, options, progress
        )
        seconds = {"convert": round(made - begun, 2), "verify": round(time.monotonic() - made, 2)}
        run = output.record(
            source,
            out,
            options,
            settings={"format": "ct2"},
            inputs=output.hashes(source),
            written={file.name: file for file in sorted(part.iterdir())},
            seconds=seconds,
            verify=verify,
            packages=("ctranslate2", "peft"),
        )
        run.write(part)
    return run


def _refuse(config: dict[str, Any]) -> None:
    architecture = str(next(iter(config.get("architectures") or ()), ""))
    if architecture != _ARCHITECTURE:
        raise ConversionError(
            f"The architecture {architecture!r} can't be exported to CTranslate2.",
            f"Only {_ARCHITECTURE} can; for a decoder make a GGUF.",
        )
    refuse_quantized(config)


def _convert(model: Path, part: Path, options: Options) -> None:
    answer = child.run(
        "medconvert.formats.ctranslate2_converter",
        [str(model), str(part), options.precision],
        "converting to CTranslate2",
    )
    if error := answer.get("error"):
        raise ConversionError(str(error), "Nothing was written.")
