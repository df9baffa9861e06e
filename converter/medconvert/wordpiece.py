"""A WordPiece vocabulary, BERT's, as GGUF metadata.

llama.cpp keeps it the other way round: a piece that begins a word has "▁" in front,
a piece that goes on has nothing where BERT has "##".
"""

from collections.abc import Mapping
from typing import Any

from medllm.errors import ConversionError

# The name that llama.cpp's converter finds for BERT's own tokenizer; its reader of
# WordPiece does not look at it.
_PRE = "jina-v2-en"
_LOWERCASE = "tokenizer.ggml.normalizer.lowercase"
_STRIP_ACCENTS = "tokenizer.ggml.normalizer.strip_accents"
_MARKS = r"[\p{M}\u1160-\u11FF]"
_SAVE = (
    "Save it anew with transformers: AutoTokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER)."
)


def pieces(tokenizer: Mapping[str, Any]) -> dict[str, int]:
    """The pieces of a tokenizer.json and their ids.

    Raises:
        ConversionError: it is another kind of tokenizer, or cuts text into words in another way.
    """
    model = tokenizer.get("model") or {}
    if model.get("type") != "WordPiece" or model.get("continuing_subword_prefix") != "##":
        raise ConversionError(
            f"The tokenizer.json holds {model.get('type')}, not the WordPiece of a BERT.", _SAVE
        )
    normalizer, words = tokenizer.get("normalizer") or {}, tokenizer.get("pre_tokenizer") or {}
    if normalizer.get("type") != "BertNormalizer" or words.get("type") != "BertPreTokenizer":
        raise ConversionError(
            f"The tokenizer cuts words with {normalizer.get('type')} and {words.get('type')}; "
            "llama.cpp does it with BertNormalizer and BertPreTokenizer.",
            "Another tokenizer can't be converted under this name.",
        )
    found: dict[str, int] = model["vocab"]
    return found


def strip_as_llama_cpp(tokenizer: Mapping[str, Any]) -> dict[str, Any]:
    """The normalizer with which llama.cpp reads; empty where it reads as the tokenizer does.

    Where accents go, llama.cpp drops every mark, those that are a script's vowels
    (Devanagari) and the vowels and finals of Hangul as well; letters with accents come
    out alike.
    """
    settings = tokenizer.get("normalizer") or {}
    if settings.get("type") != "BertNormalizer" or not _strips(settings):
        return {}
    drop = {"type": "Replace", "pattern": {"Regex": _MARKS}, "content": ""}
    return {"normalizer": {"type": "Sequence", "normalizers": [settings, drop]}}


def spelled(piece: str) -> str:
    """A piece as llama.cpp spells it."""
    return piece.removeprefix("##") if piece.startswith("##") else "▁" + piece


def write_pre(writer: Any) -> None:
    """Adds the kind of tokenizer to a `gguf.GGUFWriter`."""
    writer.add_tokenizer_model("bert")
    writer.add_tokenizer_pre(_PRE)


def write_normalizer(tokenizer: Mapping[str, Any], writer: Any) -> None:
    """Adds whether letters become small and lose their accents, where the tokenizer says so."""
    settings = tokenizer["normalizer"]
    for key, name in ((_LOWERCASE, "lowercase"), (_STRIP_ACCENTS, "strip_accents")):
        if settings.get(name) is not None:
            writer.add_bool(key, bool(settings[name]))


def _strips(normalizer: Mapping[str, Any]) -> bool:
    """Whether accents are dropped; where nothing is said, they go with the capitals."""
    given = normalizer.get("strip_accents")
    return bool(normalizer.get("lowercase", True) if given is None else given)
