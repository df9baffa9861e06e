"""Architectures that are not built in: the converter in a checkout of llama.cpp reads them.

It writes an f16 GGUF into a temporary folder; that file is then quantized, checked and
recorded as every other. An adapter is merged before, tensor by tensor, since the
converter knows none. The checkout is the user's own and its code is run.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from medllm.errors import ConversionError, UsageError

from medconvert import general, merged
from medconvert.checkpoint import Tensor
from medconvert.families.family import Place
from medconvert.onepass import Task
from medconvert.plan import Options, Plan
from medconvert.quants import BF16, F16, F32
from medconvert.scratch import scratch_folder
from medconvert.source import Source

SCRIPT = "convert_hf_to_gguf.py"
_DTYPES = {F32: "F32", F16: "F16", BF16: "BF16"}
# Written anew: they say what the file is after quantization, or whose it is.
_OWN_KEYS = ("general.architecture", "general.file_type", "general.quantization_version")


@contextmanager
def planned(source: Source, options: Options, target: Path) -> Iterator[Plan]:
    """The plan for a base that only the checkout can read; its files last as long as it.

    Args:
        source: what is converted.
        options: with `llama_cpp` set.
        target: the output, beside which the temporary folder lies.

    Raises:
        UsageError: there is no converter in the checkout.
        ConversionError: the converter fails, or the adapter can't be merged.
    """
    assert options.llama_cpp
    script = options.llama_cpp / SCRIPT
    if not script.is_file():
        raise UsageError(f"{options.llama_cpp} holds no {SCRIPT}.", "Name a llama.cpp checkout.")
    with scratch_folder(target, "checkout") as folder:
        base = source.base
        if source.adapter:
            base = merged.write(source, options, folder / "merged")
        whole = folder / "whole.gguf"
        _run(script, base, whole)
        if base != source.base:
            shutil.rmtree(base)
        yield _plan(whole, source, options)


def _run(script: Path, model: Path, out: Path) -> None:
    search = os.pathsep.join(
        filter(None, (str(script.parent / "gguf-py"), os.environ.get("PYTHONPATH")))
    )
    done = subprocess.run(
        [sys.executable, str(script), str(model), "--outtype", "f16", "--outfile", str(out)],
        env={**os.environ, "PYTHONPATH": search, "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode or not out.is_file():
        said = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise ConversionError(f"The converter of {script.parent} fails: {said}")


def _plan(file: Path, source: Source, options: Options) -> Plan:
    import gguf

    reader = gguf.GGUFReader(file)
    tasks = [_task(tensor) for tensor in reader.tensors]
    arch = str(reader.fields["general.architecture"].contents())

    def metadata(writer: Any) -> None:
        for key, field in reader.fields.items():
            if key.startswith("GGUF.") or key in _OWN_KEYS:
                continue
            value = options.name or source.name if key == "general.name" else _value(field)
            kinds = field.types
            writer.add_key_value(key, value, kinds[0], kinds[1] if len(kinds) > 1 else None)
        general.write_own(writer, source)

    return Plan(source, options, arch, tasks, {}, metadata)


def _value(field: Any) -> Any:
    """The content of a key; texts as bytes, since tokens need not be UTF-8."""
    import gguf

    if field.types == [gguf.GGUFValueType.ARRAY, gguf.GGUFValueType.STRING]:
        return [bytes(field.parts[index]) for index in field.data]
    return field.contents()


def _task(tensor: Any) -> Task:
    kind = int(tensor.tensor_type)
    if kind not in _DTYPES:
        raise ConversionError(f"The converter made {tensor.name} of the type {tensor.tensor_type}.")
    shape = tuple(int(n) for n in reversed(tensor.shape))
    data = np.ascontiguousarray(tensor.data).view(np.uint8).reshape(-1)
    return Task(Place(tensor.name), Tensor(tensor.name, _DTYPES[kind], shape, data), None, kind)
