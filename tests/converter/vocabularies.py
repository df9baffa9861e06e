"""Tokenizer files made by rule, so that they are the same on every machine.

Merges are learned in a few lines here; scores and files follow from them.
"""

import base64
import json
import re
import struct
from collections import Counter
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any

from tests.converter.models import LLAMA3_REGEX, SENTENCES, sentencepiece_model

Piece = tuple[str, float, int]
"""Text, score and kind of a SentencePiece token."""
NORMAL, UNKNOWN, CONTROL, USER_DEFINED, BYTE = 1, 2, 3, 4, 6
QWEN2_REGEX = LLAMA3_REGEX.replace(r"\p{N}{1,3}", r"\p{N}")


def learn(words: Iterable[str], count: int) -> list[tuple[str, str]]:
    """Byte-pair merges: the most frequent pair first, equals in alphabetical order."""
    spelled = [list(word) for word in words]
    merges: list[tuple[str, str]] = []
    while len(merges) < count:
        pairs = Counter(pair for word in spelled for pair in pairwise(word))
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        if pairs[best] < 2:
            break
        merges.append(best)
        spelled = [_merge(word, best) for word in spelled]
    return merges


def _merge(word: list[str], pair: tuple[str, str]) -> list[str]:
    out: list[str] = []
    for part in word:
        # A part that was just made is longer than the first half, so it is not merged twice.
        if out and (out[-1], part) == pair:
            out[-1] += part
        else:
            out.append(part)
    return out


def byte_level(
    folder: Path,
    special: list[str],
    settings: dict[str, Any],
    *,
    regex: str,
    whole: bool = False,
    normalizer: str = "",
    begin: str = "",
) -> int:
    """Saves a byte-level BPE tokenizer; its size. The special tokens come last.

    Args:
        whole: words that are tokens are not merged step by step.
        begin: the token that stands before every text.
    """
    from tests.tiny import byte_letters

    letters = byte_letters()
    words = [
        "".join(letters[byte] for byte in f" {word}".encode())
        for word in " ".join(SENTENCES).split(" ")
    ]
    merges = learn(words, 180)
    tokens = [*sorted(letters), *dict.fromkeys(a + b for a, b in merges)]
    added = [_added(len(tokens) + i, text) for i, text in enumerate(special)]
    split = {"type": "Split", "pattern": {"Regex": regex}, "behavior": "Isolated", "invert": False}
    byte = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False}
    model = {
        "type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": "",
        "end_of_word_suffix": "", "fuse_unk": False, "byte_fallback": False,
        "ignore_merges": whole, "vocab": {text: i for i, text in enumerate(tokens)},
        "merges": [list(pair) for pair in merges],
    }  # fmt: skip
    ids = {token["content"]: token["id"] for token in added}
    _save(
        folder,
        settings,
        added,
        model,
        normalizer={"type": normalizer} if normalizer else None,
        pre_tokenizer={"type": "Sequence", "pretokenizers": [split, {**byte, "use_regex": False}]},
        post_processor=_template((begin,), (), ids) if begin else {**byte, "use_regex": True},
        decoder={**byte, "use_regex": True},
    )
    return len(tokens) + len(special)


def pieces(first: list[Piece], count: int = 120, *, in_bytes: bool = True) -> list[Piece]:
    """The tokens of a byte-pair SentencePiece model: those given, bytes, words, characters."""
    words = [f"▁{word}" for word in " ".join(SENTENCES).split(" ")]
    learned = list(dict.fromkeys(a + b for a, b in learn(words, count)))
    taken = {text for text, _score, _kind in first}
    # The longest way to a piece must be open: its parts are pieces, too.
    rest = [*learned, *sorted({character for word in words for character in word})]
    table = [*first, *((f"<0x{byte:02X}>", 0.0, BYTE) for byte in range(256) if in_bytes)]
    return [*table, *((t, -float(i), NORMAL) for i, t in enumerate(rest) if t not in taken)]


def sentencepiece(
    folder: Path,
    table: list[Piece],
    settings: dict[str, Any],
    *,
    prefix: str,
    added: list[dict[str, Any]],
    begin: tuple[str, ...] = ("<s>",),
    name: str = "tokenizer.model",
) -> int:
    """Saves a byte-pair SentencePiece tokenizer; its size.

    Args:
        prefix: where tokenizer.json puts a space: `each` piece of text, the `first`, `none`.
        added: added tokens; those that are no pieces must have the ids behind them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(sentencepiece_model(table, dummy_prefix=prefix != "none"))
    ranks = {text: -score for text, score, kind in table if kind in (NORMAL, USER_DEFINED)}
    merges = sorted(
        (rank, text[:i], text[i:])
        for text, rank in ranks.items()
        for i in range(1, len(text))
        if text[:i] in ranks and text[i:] in ranks
    )
    spaces = {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}
    normalizers: dict[str, Any] = {
        "each": {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "▁"}, spaces]},
        "first": None,
        "none": spaces,
    }
    metaspace = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first"}
    model = {
        "type": "BPE", "dropout": None, "unk_token": "<unk>", "continuing_subword_prefix": None,
        "end_of_word_suffix": None, "fuse_unk": True, "byte_fallback": True,
        "ignore_merges": False, "vocab": {text: i for i, (text, _s, _k) in enumerate(table)},
        "merges": [[left, right] for _rank, left, right in merges],
    }  # fmt: skip
    decoders = [
        {"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
        {"type": "ByteFallback"},
        {"type": "Fuse"},
    ]
    ids = {text: i for i, (text, _s, _k) in enumerate(table)}
    decoder = {str(token["id"]): {**token, "id": None} for token in added}
    for token in decoder.values():
        del token["id"]
    _save(
        folder,
        {**settings, "added_tokens_decoder": decoder},
        added,
        model,
        normalizer=normalizers[prefix],
        pre_tokenizer={**metaspace, "split": False} if prefix == "first" else None,
        post_processor=_template(begin, (), ids),
        decoder={"type": "Sequence", "decoders": decoders},
    )
    return max(len(table), *(token["id"] + 1 for token in added))


def word_pieces(folder: Path, settings: dict[str, Any], letters: str = "") -> int:
    """Saves a BERT tokenizer, whose alphabet has the `letters`, too; its size."""
    folder.mkdir(parents=True, exist_ok=True)
    words = re.findall(r"\w+|[^\w\s]", " ".join(SENTENCES).lower())
    words = words if settings["do_lower_case"] else [*words, *" ".join(SENTENCES).split()]
    learned = list(dict.fromkeys(a + b for a, b in learn(words, 150)))
    characters = sorted({character for word in words for character in word})
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    plain = list(dict.fromkeys([*characters, *learned, *letters]))
    tokens = [*special, "[unused0]", *plain, *(f"##{piece}" for piece in plain)]
    model = {
        "type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
        "max_input_chars_per_word": 100, "vocab": {text: i for i, text in enumerate(tokens)},
    }  # fmt: skip
    normalizer = {
        "type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True,
        "strip_accents": None, "lowercase": settings["do_lower_case"],
    }  # fmt: skip
    ends = _template(("[CLS]",), ("[SEP]",), {"[CLS]": 2, "[SEP]": 3})
    second = [
        {"Sequence": {"id": "B", "type_id": 1}},
        {"SpecialToken": {"id": "[SEP]", "type_id": 1}},
    ]
    _save(
        folder,
        settings,
        [_added(i, text) for i, text in enumerate(special)],
        model,
        normalizer=normalizer,
        pre_tokenizer={"type": "BertPreTokenizer"},
        post_processor={**ends, "pair": [*ends["single"], *second]},
        decoder={"type": "WordPiece", "prefix": "##", "cleanup": True},
    )
    return len(tokens)


def unigram(folder: Path, settings: dict[str, Any], sentinels: int) -> int:
    """Saves a T5 tokenizer with characters normalized as in a real one; its size."""
    folder.mkdir(parents=True, exist_ok=True)
    plain = [text for text, _score, _kind in pieces([], in_bytes=False)]
    # No two ways to cut a text may be equally likely.
    likely = [-(2 + i / 32 + i * i % 977 / 8192) for i in range(len(plain))]
    table = [("<pad>", 0.0, CONTROL), ("</s>", 0.0, CONTROL), ("<unk>", 0.0, UNKNOWN)]
    table += [(text, score, NORMAL) for text, score in zip(plain, likely, strict=True)]
    characters = charsmap({"\t": " ", "\n": " ", "\r": " ", "\u00a0": " ", "ﬁ": "fi", "½": "1⁄2"})
    (folder / "spiece.model").write_bytes(
        sentencepiece_model(table, kind=1, characters=characters, single_spaces=True)
    )
    extra = [f"<extra_id_{i}>" for i in reversed(range(sentinels))]
    model = {
        "type": "Unigram", "unk_id": 2, "byte_fallback": False,
        "vocab": [*([t, s] for t, s, _k in table), *([t, 0.0] for t in extra)],
    }  # fmt: skip
    added = [_added(i, text) for i, (text, _s, _k) in enumerate(table[:3])]
    added += [_added(len(table) + i, text) for i, text in enumerate(extra)]
    metaspace = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True}
    encoded = base64.b64encode(characters).decode()
    _save(
        folder,
        {**settings, "extra_ids": sentinels, "additional_special_tokens": extra[::-1]},
        added,
        model,
        normalizer={"type": "Precompiled", "precompiled_charsmap": encoded},
        pre_tokenizer={
            "type": "Sequence",
            "pretokenizers": [{"type": "WhitespaceSplit"}, metaspace],
        },
        post_processor=_template((), ("</s>",), {"</s>": 1}),
        decoder=metaspace,
    )
    return len(table) + sentinels


def charsmap(replaced: dict[str, str]) -> bytes:
    """SentencePiece's precompiled normalization: a double-array trie, and what it points at.

    Format: https://github.com/s-yata/darts-clone; each unit holds a label, the distance
    to its children, and whether it has a value, which is the place of the replacement.
    """
    texts, places = b"", {}
    for source, target in replaced.items():
        places[source.encode()] = len(texts)
        texts += target.encode() + b"\0"
    units, taken = {0: 0}, {0}
    todo = [(0, b"")]
    while todo:
        at, prefix = todo.pop(0)
        labels = {key[len(prefix)] for key in places if key.startswith(prefix) and key != prefix}
        labels |= {0} if prefix in places else set()
        base = next(b for b in range(1, 1 << 20) if not {b ^ label for label in labels} & taken)
        taken |= {base ^ label for label in labels}
        units[at] |= (base ^ at) << 10 | (0x100 if 0 in labels else 0)
        for label in sorted(labels):
            units[base ^ label] = label if label else 1 << 31 | places[prefix]
            if label:
                todo.append((base ^ label, prefix + bytes([label])))
    size = (max(units) // 256 + 1) * 256
    blob = struct.pack(f"<{size}I", *(units.get(i, 0) for i in range(size)))
    return struct.pack("<I", len(blob)) + blob + texts


def added(number: int, text: str, **changes: Any) -> dict[str, Any]:
    """An added token as tokenizer.json has it."""
    return {**_added(number, text), **changes}


def _added(number: int, text: str) -> dict[str, Any]:
    return {
        "id": number, "content": text, "single_word": False, "lstrip": False, "rstrip": False,
        "normalized": False, "special": True,
    }  # fmt: skip


def _template(
    before: tuple[str, ...], after: tuple[str, ...], ids: dict[str, int]
) -> dict[str, Any]:
    def one(sequence: str) -> list[dict[str, Any]]:
        kind = 0 if sequence == "A" else 1
        middle = {"Sequence": {"id": sequence, "type_id": kind}}
        special = [
            [{"SpecialToken": {"id": t, "type_id": kind}} for t in s] for s in (before, after)
        ]
        return [*special[0], middle, *special[1]]

    known = {t: {"id": t, "ids": [ids[t]], "tokens": [t]} for t in [*before, *after]}
    return {
        "type": "TemplateProcessing", "single": one("A"), "pair": [*one("A"), *one("B")],
        "special_tokens": known,
    }  # fmt: skip


def _save(
    folder: Path, settings: dict[str, Any], added: list[dict[str, Any]], model: dict[str, Any],
    **parts: Any,
) -> None:  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    content = {"version": "1.0", "truncation": None, "padding": None, "added_tokens": added}
    text = json.dumps({**content, **parts, "model": model}, ensure_ascii=False)
    (folder / "tokenizer.json").write_text(text, encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
