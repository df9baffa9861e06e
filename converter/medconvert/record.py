"""The record of an output: `<stem>.run.json` beside it."""

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from medllm import files, run_record
from medllm.run_record import RunRecord

from medconvert import ggml
from medconvert.plan import Plan
from medconvert.quants import Quant

if TYPE_CHECKING:
    from medconvert.outputs import Made


def file_of(out: Path) -> Path:
    """Where the record of an output lies."""
    return out.with_name(f"{out.name.removesuffix('.gguf')}.run.json")


def write(
    todo: Plan, kind: Quant, out: Path, inputs: dict[str, str], made: "Made", started: float
) -> RunRecord:
    """Writes and returns the record of one output.

    Args:
        todo: what was converted.
        kind: the output's quantization.
        out: the output, in its place.
        inputs: SHA-256 of all that was read.
        made: how it was made.
        started: time.monotonic at the beginning.
    """
    source, options, trained = todo.source, todo.options, todo.source.record
    record = RunRecord(
        stage="convert",
        recipe=trained.recipe if trained else "",
        settings={
            "name": todo.name,
            "quant": kind.name,
            "match_peft": options.match_peft,
            "merge_into": options.four_bit or "original",
            "imatrix": options.imatrix.name if options.imatrix else "",
            "threads": options.threads,
            "quantizers": ggml.quantizers(),
        },
        inputs=inputs,
        outputs={out.name: files.sha256(out)},
        seed=trained.seed if trained else 0,
        base=os.path.relpath(source.base, out.parent),
        adapter=os.path.relpath(source.adapter, out.parent) if source.adapter else "",
        chat_family=trained.chat_family if trained else "",
        versions=run_record.versions(
            "medical-llm", "gguf", "llama-cpp-python", "torch", "transformers"
        ),
        metrics=_metrics(todo, made),
        verify=made.verify,
    )
    if trained:
        record.prompt_version = trained.prompt_version
    record.finished = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    record.seconds = round(time.monotonic() - started, 1)
    record.peak_memory_mb = round(run_record.peak_memory_mb(), 1)
    files.write_json(file_of(out), record.model_dump(mode="json"))
    return record


def _metrics(todo: Plan, made: "Made") -> dict[str, object]:
    return {
        "parameters": todo.parameters,
        "bytes_read": todo.bytes_read,
        "bytes_written": made.size,
        "bits_per_weight": round(8 * made.size / todo.parameters, 2),
        "tensors": made.tensors,
        "merged_tensors": sum(task.update is not None for task in todo.tasks),
        "seconds": made.seconds,
        "peak_anonymous_mb": made.peak_mb,
    }
