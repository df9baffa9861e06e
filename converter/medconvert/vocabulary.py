"""The vocabulary as GGUF metadata: tokens, scores, types, merges, special tokens, template.

Keys and their order are those of llama.cpp's own converter, so that a file can be
compared with its output byte for byte.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from medllm.errors import ConversionError

from medconvert import pretokenizer, space_prefix, wordpiece
from medconvert.families import family_of
from medconvert.families.family import VocabularyStyle
from medconvert.sentencepiece import Piece, SentencePiece, read_sentencepiece
from medconvert.source import read_json
from medconvert.specials import read_specials

NORMAL, CONTROL, USER_DEFINED, UNUSED = 1, 3, 4, 5
_UNUSED_SCORE, _ADDED_SCORE = -10000.0, -1000.0
_LOOK_SPECIAL = ("<pad>", "<mask>", "<2mass>", "[@BOS@]")
_SPECIAL_ENDS = (("<|", "|>"), ("<｜", "｜>"), ("<unused", ">"))


def write_vocabulary(folder: Path, size: int, writer: Any) -> None:
    """Adds the vocabulary of a model folder to a `gguf.GGUFWriter`.

    Args:
        folder: holds config.json, a SentencePiece file or tokenizer.json (byte-level
            BPE), and tokenizer_config.json.
        size: number of rows of the embedding; ids without a token become unused ones.

    Raises:
        ConversionError: the tokenizer is missing or of another kind.
    """
    style = family_of(read_json(folder / "config.json")).vocabulary
    settings = _optional(folder / "tokenizer_config.json")
    tokenizer = _optional(folder / "tokenizer.json")
    _refuse_lost_attributes(tokenizer, style, writer)
    if style.prefix_setting:
        prefix = space_prefix.to_write(folder, tokenizer, settings)
        if prefix is not None:
            writer.add_add_space_prefix(prefix)
    if file := sentencepiece_file(folder, style):
        model = read_sentencepiece(file, ("bpe", "unigram") if style.unigram else ("bpe",))
        if model.kind == "unigram":
            _write_unigram(folder, size, model, writer)
        else:
            _write_sentencepiece(folder, size, model, style, writer)
    elif style.word_pieces:
        _write_word_pieces(folder, size, writer)
    elif tokenizer:
        _write_bpe(folder, size, writer)
    else:
        raise ConversionError(
            f"{folder} has no tokenizer: neither tokenizer.model nor tokenizer.json.",
            "Copy it from the base model.",
        )
    read_specials(folder, size).write(writer)
    if style.word_pieces:
        wordpiece.write_normalizer(tokenizer, writer)
    if style.no_prefix:
        writer.add_add_space_prefix(False)


def sentencepiece_file(folder: Path, style: VocabularyStyle) -> Path | None:
    """The SentencePiece file of a model folder, under one of its names; None: there is none."""
    names = ["tokenizer.model", *(["spiece.model"] if style.unigram else [])]
    # Mistral's later folders may have it under the version of its chat format only.
    versions = sorted(folder.glob("tokenizer.model.v*"))
    return next((f for f in [*(folder / name for name in names), *versions] if f.is_file()), None)


Table = tuple[list[bytes], list[float], list[int]]
"""Text, score and type of each token."""


def _pieces(pieces: list[Piece], size: int) -> Table:
    if len(pieces) > size:
        raise _too_many(len(pieces), size)
    tokens = [f"[PAD{i}]".encode() for i in range(size)]
    scores, types = [_UNUSED_SCORE] * size, [UNUSED] * size
    for i, piece in enumerate(pieces):
        # A user-defined piece is an ordinary token there too; only its merging differs.
        kind = NORMAL if piece.kind == USER_DEFINED else piece.kind
        tokens[i], scores[i], types[i] = piece.text, piece.score, kind
    return tokens, scores, types


def _add(table: Table, added: Mapping[int, tuple[str, int]]) -> None:
    """Puts added tokens, text and type by id, over the pieces."""
    tokens, scores, types = table
    for i, (text, kind) in added.items():
        if i >= len(tokens):
            raise _too_many(i + 1, len(tokens))
        tokens[i], scores[i], types[i] = text.encode(), _ADDED_SCORE, kind


def _write_table(writer: Any, kind: str, table: Table) -> None:
    writer.add_tokenizer_model(kind)
    writer.add_tokenizer_pre("default")
    writer.add_token_list(table[0])
    writer.add_token_scores(table[1])
    writer.add_token_types(table[2])


def _write_sentencepiece(
    folder: Path, size: int, model: SentencePiece, style: VocabularyStyle, writer: Any
) -> None:
    table = _pieces(model.pieces, size)
    added = _added_file(folder)
    settings = _optional(folder / "tokenizer_config.json")
    for key, token in settings.get("added_tokens_decoder", {}).items():
        added[int(key)] = _added(token, markers=style.markers)
    if style.added_in_json:
        for token in _optional(folder / "tokenizer.json").get("added_tokens") or ():
            added[int(token["id"])] = _added(token, markers=style.markers)
    _add(table, added)
    _write_table(writer, "llama", table)


def _write_unigram(folder: Path, size: int, model: SentencePiece, writer: Any) -> None:
    table = _pieces(model.pieces, size)
    _add(table, _added_file(folder))
    _write_table(writer, "t5", table)
    writer.add_add_space_prefix(model.dummy_prefix)
    writer.add_remove_extra_whitespaces(model.single_spaces)
    if model.characters:
        writer.add_precompiled_charsmap(model.characters)


def _added_file(folder: Path) -> dict[int, tuple[str, int]]:
    tokens = _optional(folder / "added_tokens.json")
    return {int(i): (text, USER_DEFINED) for text, i in tokens.items()}


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
    tokens, types = _entries(tokenizer, model["vocab"], size)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(name)
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_token_merges(_merges(model["merges"]))


def _write_word_pieces(folder: Path, size: int, writer: Any) -> None:
    tokenizer = read_json(folder / "tokenizer.json")
    tokens, types = _entries(tokenizer, wordpiece.pieces(tokenizer), size)
    tokens = [
        text if kind == CONTROL else wordpiece.spelled(text)
        for text, kind in zip(tokens, types, strict=True)
    ]
    # Only the first kind is ever used; llama.cpp wants to know how many rows there are.
    writer.add_token_type_count(read_json(folder / "config.json").get("type_vocab_size", 2))
    wordpiece.write_pre(writer)
    writer.add_token_list(tokens)
    writer.add_token_types(types)


def _entries(
    tokenizer: Mapping[str, Any], vocabulary: Mapping[str, int], size: int
) -> tuple[list[str], list[int]]:
    """Text and type of each token; ids without one become unused."""
    tokens = [f"[PAD{i}]" for i in range(size)]
    types = [UNUSED] * size
    entries = {int(i): (text, NORMAL) for text, i in vocabulary.items()}
    added = tokenizer.get("added_tokens") or ()
    entries |= {int(token["id"]): _added(token, markers=True) for token in added}
    if max(entries) >= size:
        raise _too_many(max(entries) + 1, size)
    for i, (text, kind) in entries.items():
        tokens[i], types[i] = text, kind
    return tokens, types


def _added(token: Mapping[str, Any], *, markers: bool) -> tuple[str, int]:
    """Text and type of an added token. Some are markers in all but name."""
    text = str(token["content"])
    marker = text in _LOOK_SPECIAL or any(
        text.startswith(start) and text.endswith(end) for start, end in _SPECIAL_ENDS
    )
    if token.get("special") or (marker and markers):
        return text, CONTROL
    return text.replace("▁", " ") if markers else text, USER_DEFINED


def _refuse_lost_attributes(
    tokenizer: Mapping[str, Any], style: VocabularyStyle, writer: Any
) -> None:
    """Refuses a name by which llama.cpp would not know how white space is treated."""
    stripping = any(token.get("rstrip") for token in tokenizer.get("added_tokens") or ())
    name = str(writer.kv_data[0]["general.name"].value).lower()
    if not stripping or not style.attributes_by_name:
        return
    if not any(part in name for part in style.attributes_by_name):
        raise ConversionError(
            f"llama.cpp knows by the name alone that this tokenizer drops the white space behind "
            f"its special tokens, and the name is {name!r}.",
            f"Give one that holds {' or '.join(style.attributes_by_name)}, with --name.",
        )


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
