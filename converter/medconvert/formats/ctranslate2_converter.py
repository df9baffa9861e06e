"""Runs CTranslate2's converter for T5, with two things put right.

- The logits of a T5 whose embeddings are tied are scaled, those of Flan-T5 are not.
  transformers 5 ties both and keeps what config.json said as `scale_decoder_outputs`;
  CTranslate2 asks for the tie and scales both: the same greedy tokens, other beams.
- Rows of the embedding without a token were given the names of the sentinels, which
  exist already; a text with a sentinel could then mean either.

It runs in a process of its own, as it holds the whole model:

    python -m medconvert.formats.ctranslate2_converter MODEL OUT PRECISION
"""

import sys
from pathlib import Path
from typing import Any

from medconvert import child, original

# What a caller needs beside the weights.
_BESIDE = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "spiece.model",
    "generation_config.json",
)


def _convert(model: Path, out: Path, precision: str) -> None:
    from ctranslate2.converters import TransformersConverter
    from ctranslate2.converters.transformers import T5Loader, register_loader
    from ctranslate2.specs.model_spec import OPTIONAL

    @register_loader("T5Config")
    class _Loader(T5Loader):  # type: ignore[misc]
        """T5 as transformers 5 has it."""

        def get_model_spec(self, model: Any) -> Any:
            spec = super().get_model_spec(model)
            scaled = model.config.scale_decoder_outputs
            spec.decoder.scale_outputs = model.config.d_model**-0.5 if scaled else OPTIONAL
            return spec

        def get_vocabulary(self, model: Any, tokenizer: Any) -> list[str]:
            known = tokenizer.get_vocab()
            tokens = list(super().get_vocabulary(model, tokenizer))
            return [
                token if known.get(token) == number else f"<unused_{number}>"
                for number, token in enumerate(tokens)
            ]

    beside = [name for name in _BESIDE if (model / name).is_file()]
    original.load_tokenizer(str(model))
    converter = TransformersConverter(str(model), copy_files=beside)
    converter.convert(str(out), quantization=precision, force=True)


def _main(model: Path, out: Path, precision: str) -> dict[str, Any]:
    try:
        _convert(model, out, precision)
    except Exception as error:  # whatever the converter raises, the user gets one line
        said = (str(error).strip().splitlines() or [type(error).__name__])[0]
        return {"error": f"CTranslate2 can't convert this model: {said}"}
    return {}


if __name__ == "__main__":
    from medllm import guard

    guard.install()
    child.answer(_main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]))
