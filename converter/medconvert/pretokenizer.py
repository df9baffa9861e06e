"""Which of llama.cpp's pre-tokenizers a tokenizer.json asks for.

A GGUF names the way that text is cut before byte-pair merging
(`tokenizer.ggml.pre`), and a wrong name tokenizes wrongly without a word. The
name is found from the tokenizer's own structure; what is not in the tables here
is refused.
"""

from collections.abc import Mapping
from typing import Any

from medllm.errors import ConversionError

_GPT2 = "gpt-2"
_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|%s|"
    r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_LLAMA3 = _WORDS % r"\p{N}{1,3}"
_QWEN2 = _WORDS % r"\p{N}"
_TEKKEN = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
    r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
# By regular expression, and whether a word that is a token is taken whole without merging:
# each name stands for both in llama.cpp.
_BY_REGEX = {
    (_LLAMA3, True): "llama-bpe",
    (_LLAMA3, False): "smaug-bpe",
    (_QWEN2, False): "qwen2",
    (_TEKKEN, True): "tekken",
}


def name_of(tokenizer: Mapping[str, Any]) -> str:
    """llama.cpp's name for the pre-tokenizer of a byte-level BPE tokenizer.json.

    Raises:
        ConversionError: it has no name there, or the text is changed beforehand.
    """
    # llama.cpp does not compose characters; the token gate counts the texts where it matters.
    if _kind(tokenizer.get("normalizer") or {}) not in ("None", "NFC"):
        raise _unknown(f"the normalizer {_kind(tokenizer['normalizer'])}")
    steps = _steps(tokenizer.get("pre_tokenizer"))
    whole = bool(tokenizer["model"].get("ignore_merges", False))
    last = steps[-1] if steps else {}
    if _kind(last) != "ByteLevel" or last.get("add_prefix_space"):
        raise _unknown("steps " + (", ".join(map(_kind, steps)) or "that are none"))
    own_regex = bool(last.get("use_regex", True))
    match steps[:-1]:
        case [] if own_regex and not whole:
            return _GPT2
        case [{"type": "Digits", "individual_digits": True}] if own_regex and not whole:
            return "smollm"
        case [{"type": "Split", "pattern": {"Regex": str(regex)}, "behavior": "Isolated"} as step]:
            name = _BY_REGEX.get((regex, whole))
            if name and not own_regex and not step.get("invert"):
                return name
            raise _unknown(f"the regular expression {regex!r}, ignore_merges={whole}")
    raise _unknown(f"steps {', '.join(map(_kind, steps))}, ignore_merges={whole}")


def _steps(pre_tokenizer: Mapping[str, Any] | None) -> list[Mapping[str, Any]]:
    if pre_tokenizer is None:
        return []
    if _kind(pre_tokenizer) == "Sequence":
        return list(pre_tokenizer["pretokenizers"])
    return [pre_tokenizer]


def _kind(part: Mapping[str, Any]) -> str:
    return str(part.get("type"))


def _unknown(what: str) -> ConversionError:
    return ConversionError(
        f"The tokenizer cuts text in a way that has no name in llama.cpp: {what}.",
        f"Known: {', '.join([_GPT2, 'smollm', *_BY_REGEX.values()])}.",
    )
