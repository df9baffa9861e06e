"""The standard route: peft's merge, llama.cpp's own converter, llama_model_quantize."""

import ctypes
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from tests.converter.registry import Converter

OWN = "medllm."
FILE_TYPES = {"f16": 1, "q4_k_m": 15}


def merge(base: Path, adapter: Path | None, out: Path) -> Path:
    """The merged folder, with the tokenizer's files; without an adapter a copy."""
    import shutil

    from peft import PeftModel
    from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, AutoModelForSeq2SeqLM

    out.mkdir(parents=True)
    if adapter is not None:
        config = AutoConfig.from_pretrained(base)
        kind = AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM
        kind = AutoModel if config.model_type == "bert" else kind
        model = kind.from_pretrained(base, dtype=config.dtype or "auto")
        PeftModel.from_pretrained(model, adapter).merge_and_unload().save_pretrained(out)
    for file in base.iterdir():
        weights = adapter is not None and ".safetensors" in file.name
        if file.is_dir():
            shutil.copytree(file, out / file.name)
        elif not weights and not (out / file.name).exists():
            shutil.copy(file, out / file.name)
    return out


# It finds the pre-tokenizer's name by a hash of what a known model's whole vocabulary makes of
# a text, so a tokenizer trained here has to be named to it.
_DRIVER = """
import sys
pre = sys.argv.pop(1)
from conversion import base
if pre:
    base.TextModel.get_vocab_base_pre = lambda self, tokenizer: pre
import convert_hf_to_gguf
convert_hf_to_gguf.main()
"""


def convert(converter: Converter, model: Path, name: str, out: Path, pre: str = "") -> Path:
    """llama.cpp's converter, to f16.

    Args:
        pre: the pre-tokenizer's name, for a byte-level BPE vocabulary.
    """
    command = [sys.executable, "-c", _DRIVER, pre, str(model)]
    command += ["--outtype", "f16", "--outfile", str(out), "--model-name", name]
    search = [*converter.search, os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, search))}
    environment |= {"HF_HUB_OFFLINE": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return out


@cache
def _silent() -> Any:
    from llama_cpp import llama_cpp

    return llama_cpp.llama_log_callback(lambda _level, _text, _data: None)


def silence() -> None:
    """Turns llama.cpp's log off, by a callback that outlives all that may call it."""
    from llama_cpp import llama_cpp

    llama_cpp.llama_log_set(_silent(), ctypes.c_void_p(0))


def quantize(f16: Path, out: Path, name: str = "q4_k_m") -> Path:
    """llama_model_quantize."""
    from llama_cpp import llama_cpp

    silence()
    settings = llama_cpp.llama_model_quantize_default_params()
    settings.ftype, settings.nthread = FILE_TYPES[name], 2
    code = llama_cpp.llama_model_quantize(str(f16).encode(), str(out).encode(), settings)
    assert code == 0
    return out


def tensors(file: Path) -> dict[str, tuple[str, tuple[int, ...], bytes]]:
    """Type, shape and bytes of each tensor, in the order of the file."""
    from gguf import GGUFReader

    return {
        t.name: (t.tensor_type.name, tuple(map(int, t.shape)), np.asarray(t.data).tobytes())
        for t in GGUFReader(file).tensors
    }


def metadata(file: Path) -> dict[str, tuple[tuple[int, ...], Any]]:
    """Types and value of each key, in the order of the file; ours and the counts left out."""
    from gguf import GGUFReader

    return {
        key: (tuple(int(kind) for kind in field.types), field.contents())
        for key, field in GGUFReader(file).fields.items()
        if not key.startswith((OWN, "GGUF."))
    }
