"""Where a space is put before text: SentencePiece, tokenizer.json and GGUF differ.

SentencePiece puts a space before each text that it is given, and a chat is given to it
piece by piece, between the special tokens. Of tokenizer.json there are two kinds:

- older ones (Llama 2, Mistral 0.1 and 0.2) put it before every piece, as llama.cpp does;
- newer ones (Mistral 0.3, `"legacy": false`) put it before the whole text only, and the
  chat template writes the other spaces itself: `<s>[INST] Hello[/INST]` is `[INST]` and
  `▁Hello`, as in Mistral's own tokenizer. llama.cpp would add a second space there, and
  every turn would begin with a token that no training ever saw.

llama.cpp can put a space before every piece or none. With a chat template, none is
right; what is lost is the space before a text without any special token. Without a
template, plain text is what the model is for, and llama.cpp's way is SentencePiece's.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from medconvert.specials import read_template

EACH: dict[str, Any] = {
    "type": "Sequence",
    "normalizers": [
        {"type": "Prepend", "prepend": "▁"},
        {"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
    ],
}
"""The normalizer by which a tokenizer.json puts a space before every piece, as SentencePiece."""


def first_only(tokenizer: Mapping[str, Any]) -> bool:
    """Whether a tokenizer.json puts a space before the whole text only."""
    pre = tokenizer.get("pre_tokenizer") or {}
    return any(
        step.get("type") == "Metaspace" and step.get("prepend_scheme") == "first"
        for step in pre.get("pretokenizers", [pre])
    )


def to_write(
    folder: Path, tokenizer: Mapping[str, Any], settings: Mapping[str, Any]
) -> bool | None:
    """`tokenizer.ggml.add_space_prefix` of a SentencePiece tokenizer; None: not written.

    Args:
        folder: the model folder.
        tokenizer: the content of its tokenizer.json.
        settings: the content of its tokenizer_config.json.
    """
    if first_only(tokenizer) and read_template(folder, settings) is not None:
        return False
    stated = settings.get("add_prefix_space")
    return stated if isinstance(stated, bool) else None
