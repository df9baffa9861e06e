"""An adapter alone as a GGUF: for `llama-cli --lora` and `Llama(lora_path=...)`.

llama.cpp scales every pair by alpha / r of that pair, with one alpha for the whole file,
which is not what rank stabilisation or an alpha_pattern mean. So the scale is multiplied
into each B, and alpha is 0, by which llama.cpp adds B·A as it is.
"""

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from medllm import files
from medllm.errors import ConversionError, UsageError
from medllm.run_record import RunRecord

from medconvert import checkpoint, general, original, record
from medconvert.adapter import read_adapter
from medconvert.checkpoint import Floats
from medconvert.families import Family, family_of
from medconvert.formats import output, trial
from medconvert.formats.options import Options, Progress
from medconvert.formats.trial import Trial
from medconvert.outputs import Making
from medconvert.plan import Options as GgufOptions
from medconvert.plan import plan
from medconvert.quants import quant
from medconvert.scratch import scratch
from medconvert.source import Source, read_json
from medconvert.update import Update

_TYPES: dict[str, npt.DTypeLike] = {"f32": np.float32, "f16": np.float16}
_WHOLE = quant("f32")


def export(source: Source, out: Path, options: Options, progress: Progress) -> RunRecord:
    """Writes the adapter of `source`; the record goes beside it, as `<stem>.run.json`.

    Raises:
        UsageError: there is no adapter, or the output is an input.
        ConversionError: it can't be kept apart from its base, or llama.cpp with it predicts
            unlike transformers and PEFT.
    """
    if source.adapter is None:
        raise UsageError(
            f"{source.folder} has no adapter.", "Leave --format out to convert the model."
        )
    if options.four_bit:
        raise UsageError(
            "An adapter GGUF is applied to a base in its original weights.",
            "Leave --merge-into out.",
        )
    begun = time.monotonic()
    progress("Reading the adapter", 0, 0)
    family, pairs = _read(source)
    with output.new_file(out, source) as part:
        _write(part, source, options, family, pairs)
        made = time.monotonic()
        verify = _check(source, options, part, out, progress)
        seconds = {"write": round(made - begun, 2), "verify": round(time.monotonic() - made, 2)}
        run = output.record(
            source,
            out,
            options,
            settings={"format": "adapter"},
            inputs=output.hashes(source),
            written={out.name: part},
            seconds=seconds,
            verify=verify,
            packages=("gguf", "llama-cpp-python", "peft"),
        )
        # An older record must not stand beside a newer file.
        record.file_of(out).unlink(missing_ok=True)
    files.write_json(record.file_of(out), run.model_dump(mode="json"))
    return run


def _read(source: Source) -> tuple[Family, list[tuple[str, Floats, Floats]]]:
    """The family, and name, A (r, columns) and scaled B (rows, r) of each pair."""
    assert source.adapter
    config = read_json(source.base / "config.json")
    if config.get("is_encoder_decoder"):
        raise ConversionError(
            "An adapter for an encoder-decoder model can't be a GGUF of its own.",
            "Convert it merged: leave --format out, or take --format ct2.",
        )
    family = family_of(config)
    updates = read_adapter(source.adapter, checkpoint.read_model(source.base))
    if stretched := [name for name, update in updates.items() if update.magnitude is not None]:
        raise ConversionError(
            f"The adapter {source.adapter} was trained with use_dora, which scales the rows of "
            f"{stretched[0]}; llama.cpp can only add to them.",
            "Convert it merged: leave --format out.",
        )
    return family, list(_pairs(family, updates))


def _pairs(family: Family, updates: Mapping[str, Update]) -> Iterator[tuple[str, Floats, Floats]]:
    for name, update in updates.items():
        place = family.place(name)
        if place is None:
            raise ConversionError(
                f"The adapter changes {name}, which the GGUF of its base does not have.",
                "Convert it merged: leave --format out.",
            )
        a, b = update.factors()
        b = b * np.float32(update.scale)
        order = place.order(len(b))
        yield place.name, a, b if order is None else b[order]


def _write(
    part: Path,
    source: Source,
    options: Options,
    family: Family,
    pairs: list[tuple[str, Floats, Floats]],
) -> None:
    """Format: llama.cpp, src/llama-adapter.cpp; tensors `<tensor>.lora_a` and `.lora_b`."""
    import gguf

    dtype = _TYPES[options.precision]
    writer = gguf.GGUFWriter(path=part, arch=family.arch)
    writer.add_type(gguf.GGUFType.ADAPTER)
    writer.add_name(options.name or source.name)
    writer.add_string(gguf.Keys.Adapter.TYPE, "lora")
    writer.add_float32(gguf.Keys.Adapter.LORA_ALPHA, 0.0)
    general.write_own(writer, source)
    for name, a, b in pairs:
        for suffix, values in (("lora_a", a), ("lora_b", b)):
            with np.errstate(over="ignore"):
                stored = np.ascontiguousarray(values.astype(dtype))
            if not np.isfinite(stored).all():
                raise ConversionError(
                    f"{name}.{suffix} has values beyond the range of {options.precision}.",
                    "Take --precision f32.",
                )
            writer.add_tensor(f"{name}.{suffix}", stored)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _check(
    source: Source, options: Options, part: Path, out: Path, progress: Progress
) -> dict[str, Any]:
    """Base and adapter in llama.cpp against transformers and PEFT; the base is made for it."""
    bare = Source(source.folder, source.base, None, None)
    todo = plan(bare, GgufOptions((_WHOLE,), verify=False))
    dtype, reason = original.affordable(todo.parameters, read_json(source.base / "config.json"))
    if not dtype:
        return {"generation": {"skipped": reason}}
    with scratch(out, "base") as base:
        Making(todo, None).run({_WHOLE: base}, progress)
        asked = Trial(
            base=str(source.base),
            adapter=str(source.adapter),
            four_bit="",
            dtype=dtype,
            made=str(part),
            exact=options.precision == "f32" and dtype == "float32",
            base_made=str(base),
        )
        return trial.run("medconvert.formats.adapter_check", asked, "trying the adapter", progress)
