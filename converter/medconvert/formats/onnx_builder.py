"""Runs onnxruntime-genai's builder, and mends what it writes about special tokens.

Where config.json does not name BOS, EOS and padding, transformers fills in the numbers
of another model's vocabulary, and the builder passes them on: generation would end at
any token that has such a number. It runs in a process of its own, as it holds the whole
model:

    python -m medconvert.formats.onnx_builder MODEL OUT PRECISION BASE CONTEXT
"""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from medllm.errors import ConversionError

from medconvert import child, original
from medconvert.source import read_json

CONFIG = "genai_config.json"
# The reduced cache of sliding windows fails on a text longer than the window.
_EXTRA = ["windowed_kv_cache=false"]


def _build(model: Path, out: Path, precision: str) -> None:
    from onnxruntime_genai.models import builder

    with tempfile.TemporaryDirectory() as cache:
        named = ("", str(model), str(out), precision, "cpu", cache)
        builder.create_model(*named, **builder.parse_extra_options(*named, _EXTRA))


def special_tokens(base: Path, tokenizer: Any) -> dict[str, Any]:
    """`bos_token_id`, `eos_token_id` and `pad_token_id` as the model's own files have them.

    An answer ends at the tokenizer's EOS and at every one that the files name.

    Raises:
        ConversionError: there is no EOS.
    """
    said: dict[str, Any] = {}
    for name in ("config.json", "generation_config.json"):
        if (base / name).is_file():
            found = read_json(base / name)
            said |= {key: value for key, value in found.items() if value is not None}
    ends = said.get("eos_token_id", [])
    known = [tokenizer.eos_token_id, *(ends if isinstance(ends, list) else [ends])]
    eos = list(dict.fromkeys(number for number in known if number is not None))
    if not eos:
        raise ConversionError("The model names no EOS, so its answers would not end.")
    bos = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else said.get("bos_token_id")
    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else said.get("pad_token_id")
    return {
        # A model without a BOS never gets one; the runtime only wants a number here.
        "bos_token_id": eos[0] if bos is None else bos,
        "eos_token_id": eos[0] if len(eos) == 1 else eos,
        "pad_token_id": eos[0] if pad is None else pad,
    }


def _mend(out: Path, base: Path, context: int) -> None:
    file = out / CONFIG
    config = read_json(file)
    config["model"]["context_length"] = context
    config["search"]["max_length"] = context
    config["model"] |= special_tokens(base, original.load_tokenizer(str(base)))
    file.write_text(json.dumps(config, indent=4), encoding="utf-8")


def _main(model: Path, out: Path, precision: str, base: Path, context: int) -> dict[str, Any]:
    try:
        _build(model, out, precision)
        _mend(out, base, context)
    except ConversionError as error:
        return {"error": error.message}
    except Exception as error:  # whatever the builder raises, the user gets one line
        said = (str(error).strip().splitlines() or [type(error).__name__])[0]
        return {"error": f"onnxruntime-genai can't build this model: {said}"}
    return {}


if __name__ == "__main__":
    from medllm import guard

    guard.install()
    model, out, precision, base, context = sys.argv[1:]
    child.answer(_main(Path(model), Path(out), precision, Path(base), int(context)))
