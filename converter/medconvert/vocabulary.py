"""The vocabulary as GGUF metadata: tokens, scores, types, merges, special tokens, template.

Keys and their order are those of llama.cpp's own converter, so that a file can be
compared with its output byte for byte.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from medllm.errors import ConversionError

from medconvert import pretokenizer
from medconvert.sentencepiece import read_pieces
from medconvert.source import read_json
from medconvert.specials import read_specials

NORMAL, CONTROL, USER_DEFINED, UNUSED = 1, 3, 4, 5
_UNUSED_SCORE, _ADDED_SCORE = -10000.0, -1000.0
_LOOK_SPECIAL = ("<pad>", "<mask>", "<2mass>", "[@BOS@]")
_SPECIAL_ENDS = (("<|", "|>"), ("<｜", "｜>"), ("<unused", ">"))


def write_vocabulary(folder: Path, size: int, writer: Any) -> None:
    """Adds the vocabulary of a model folder to a `gguf.GGUFWriter`.

    Args:
        folder: holds tokenizer.model (SentencePiece) or tokenizer.json (byte-level
            BPE), and tokenizer_config.json.
        size: number of rows of the embedding; ids without a token become unused ones.

    Raises:
        ConversionError: the tokenizer is missing or of another kind.
    """
    settings = _optional(folder / "tokenizer_config.json")
    prefix = settings.get("add_prefix_space")
    if prefix is not None:
        writer.add_add_space_prefix(prefix)
    if (folder / "tokenizer.model").is_file():
        _write_sentencepiece(folder, size, settings, writer)
    elif (folder / "tokenizer.json").is_file():
        _write_bpe(folder, size, writer)
    else:
        raise ConversionError(
            f"{folder} has no tokenizer: neither tokenizer.model nor tokenizer.json.",
            "Copy it from the base model.",
        )
    read_specials(folder, size).write(writer)


def _write_sentencepiece(folder: Path, size: int, settings: Mapping[str, Any], writer: Any) -> None:
    pieces = read_pieces(folder / "tokenizer.model")
    if len(pieces) > size:
        raise _too_many(len(pieces), size)
    tokens = [f"[PAD{i}]".encode() for i in range(size)]
    scores, types = [_UNUSED_SCORE] * size, [UNUSED] * size
    for i, piece in enumerate(pieces):
        # A user-defined piece is an ordinary token there too; only its merging differs.
        kind = NORMAL if piece.kind == USER_DEFINED else piece.kind
        tokens[i], scores[i], types[i] = piece.text, piece.score, kind
    added = {int(i): text for text, i in _optional(folder / "added_tokens.json").items()}
    kinds = dict.fromkeys(added, USER_DEFINED)
    for key, token in settings.get("added_tokens_decoder", {}).items():
        added[int(key)], kinds[int(key)] = _added(token)
    for i, text in added.items():
        if i >= size:
            raise _too_many(i + 1, size)
        tokens[i], scores[i], types[i] = text.encode(), _ADDED_SCORE, kinds[i]
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(tokens)
    writer.add_token_scores(scores)
    writer.add_token_types(types)


def _write_bpe(folder: Path, size: int, writer: Any) -> None:
    tokenizer = read_json(folder / "tokenizer.json")
    model = tokenizer.get("model") or {}
    if model.get("type") != "BPE" or model.get("byte_fallback"):
        raise ConversionError(
            f"{folder / 'tokenizer.json'} was made from a SentencePiece model "
            f"({model.get('type')}), and the SentencePiece file is not there.",
            "Copy tokenizer.model from the base model; without its scores the text would be "
            "cut wrongly.",
        )
    name = pretokenizer.name_of(tokenizer)
    tokens = [f"[PAD{i}]" for i in range(size)]
    types = [UNUSED] * size
    entries = {int(i): (text, NORMAL) for text, i in model["vocab"].items()}
    entries |= {int(token["id"]): _added(token) for token in tokenizer.get("added_tokens") or ()}
    if max(entries) >= size:
        raise _too_many(max(entries) + 1, size)
    for i, (text, kind) in entries.items():
        tokens[i], types[i] = text, kind
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(name)
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_token_merges(_merges(model["merges"]))


def _added(token: Mapping[str, Any]) -> tuple[str, int]:
    """Text and type of an added token. Some are markers in all but name."""
    text = str(token["content"])
    marker = text in _LOOK_SPECIAL or any(
        text.startswith(start) and text.endswith(end) for start, end in _SPECIAL_ENDS
    )
    if token.get("special") or marker:
        return text, CONTROL
    return text.replace("▁", " "), USER_DEFINED


def _merges(merges: list[Any]) -> list[str]:
    """Merges as `left right`; a space inside a part is written as its byte-level letter."""
    return [
        merge
        if isinstance(merge, str)
        else " ".join(part.replace(" ", chr(ord(" ") + 256)) for part in merge)
        for merge in merges
    ]


def _optional(file: Path) -> dict[str, Any]:
    return read_json(file) if file.is_file() else {}


def _too_many(tokens: int, size: int) -> ConversionError:
    return ConversionError(
        f"The tokenizer has {tokens} tokens, the embedding {size} rows.",
        "Tokenizer and model don't belong together.",
    )
