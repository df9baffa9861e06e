"""The token-parity gate: the GGUF must cut text into the same tokens as the model's own tokenizer.

A wrong pre-tokenizer, a missing score or a lost special token changes what a
model reads without any error, so every conversion ends here. Compared are
medical text, numbers, white space, Unicode, each added token, and rendered
chats. A tokenizer has two readings: that of the class which transformers makes
of it, and that of its own tokenizer.json. Where they differ (transformers 5 adds
no space before a Llama 2 text that begins with one), either will do. Of plain
text there may be a third, for what llama.cpp can't do as they do: composing
characters (NFC), a space before the whole text only, see `space_prefix`, or taking an
accent for no more than an accent, see `wordpiece`. A chat
must be read as one of the first two has it. The number of texts that were not read
as transformers does is reported. It runs in a process of its own:

    python -m medconvert.parity MODEL_FOLDER FILE.gguf
"""

import ctypes
import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medllm import prompts
from medllm.errors import ConversionError

from medconvert import child, space_prefix, wordpiece

Encode = Callable[[str, bool], list[int]]
"""Token ids of a text; the flag says whether BOS and EOS are added as the model wants it."""

TEXTS = (
    "Hypertension",
    "What is hypertension?",
    "Explain the medical term: Myocardial infarction (MI)",
    "**Definition**: High blood pressure.\n\n**Explanation**: The force of blood on the "
    "artery walls is too high.\n\n**Clinical Relevance**: It strains the heart.\n\n"
    "**Safety Note**: See a doctor; this is general information.",
    "Pseudopseudohypoparathyroidism, otorhinolaryngology, cholecystojejunostomy.",
    "HbA1c, TNF-α, IL-1β, CD4+/CD8+, SpO₂, pCO2, Na⁺/K⁺-ATPase, 5-HT₃, T½",
    "BP 130/80 mmHg, temp 38.5°C, 10⁻³ mol/L, 5 µg, 1,000,000 cells/mm³, pH 7.35-7.45",
    "0 1 12 123 1234 12345 3.14159 1/2 50% ±3.8 <0.05 ≥90 2024-01-31 12:30",
    "It's the patient's; they're, we've, I'm, you'll, he'd, DON'T, O'Brien",
    " leading", "  two", "trailing ", "a  b   c    d", "tab\there", "\ttab first", "   ",
    "line\nline", "two\n\nlines", "three\n\n\nlines", "\n", " \n \n", "end\n", "a\r\nb",
    "\u00a0nbsp",
    "naïve café Ångström Sjögren's Ménière's Guillain–Barré “quoted” ‘single’ … —",
    "e\u0301 decomposed, ﬁ ligature, soft\u00adhyphen, zero\u200bwidth, \ufeffmark",
    "日本語の医療用語 高血圧 糖尿病。", "고혈압이란 무엇입니까?", "гипертония и диабет",
    "ارتفاع ضغط الدم", "יתר לחץ דם", "उच्च रक्तचाप", "ความดันโลหิตสูง",
    "😀 👩‍⚕️ 🩺🫀 🧬", "𝛼𝛽 𐍈", "x^2 + y_1 = {a|b} [c] <d> \\n #tag @user $5 ~/path",
    "ALLCAPS CamelCase snake_case kebab-case", "!!! ??? ... ,,, ;;; ---- ____ ====",
    "a", "I", "é", "中", "",
)  # fmt: skip
_CHATS: tuple[tuple[prompts.Message, ...], ...] = (
    prompts.messages("What is hypertension?", None),
    prompts.messages("What is hypertension?"),
    (
        {"role": "user", "content": "Define stroke."},
        {"role": "assistant", "content": "**Definition**: Loss of blood flow to the brain."},
        {"role": "user", "content": "  And a TIA?\n"},
    ),
)


@dataclass(frozen=True, slots=True)
class Parity:
    """The result of the gate."""

    texts: int
    tokens: int
    """Tokens that were compared."""
    chats: int
    """Of the texts, those that were rendered by the chat template."""
    disputed: int
    """Texts that transformers reads otherwise than the GGUF does, where that is known to be so."""


def check(folder: Path, file: Path) -> Parity:
    """Holds a GGUF against the tokenizer of `folder`.

    Raises:
        ConversionError: a text is cut differently, or one of the two can't be loaded.
    """
    arguments = [str(folder.resolve()), str(file.resolve())]
    answer = child.run("medconvert.parity", arguments, "comparing the tokens")
    if error := answer.get("error"):
        raise ConversionError(error, answer.get("hint", ""))
    return Parity(*(answer[key] for key in ("texts", "tokens", "chats", "disputed")))


def compare(
    ours: Encode, theirs: Sequence[Encode], cases: Iterable[tuple[str, bool]]
) -> dict[str, Any]:
    """Compares texts; `cases` says of each whether BOS and EOS are to be added.

    Args:
        ours: the GGUF.
        theirs: the readings of the model's own tokenizer, that of transformers first.

    Returns:
        Counts, or the first difference as `error`.
    """
    texts = tokens = disputed = 0
    for text, whole in cases:
        got = ours(text, whole)
        expected = theirs[0](text, whole)
        if expected != got and any(other(text, whole) == got for other in theirs[1:]):
            disputed += 1
        elif expected != got:
            at = next(
                (i for i, (a, b) in enumerate(zip(expected, got, strict=False)) if a != b),
                min(len(expected), len(got)),
            )
            return {
                "error": f"The GGUF cuts {text[:60]!r} unlike the model's own tokenizer: from "
                f"token {at} {got[at : at + 4]} instead of {expected[at : at + 4]}.",
                "hint": "The model would read nonsense, so nothing was written.",
            }
        texts, tokens = texts + 1, tokens + len(got)
    return {"texts": texts, "tokens": tokens, "disputed": disputed}


def gguf_encoder(file: Path) -> Encode:
    """The tokenizer in a GGUF."""
    from llama_cpp import llama_cpp

    settings = llama_cpp.llama_model_default_params()
    settings.vocab_only = True
    model = llama_cpp.llama_model_load_from_file(str(file).encode(), settings)
    if not model:
        raise ConversionError("llama.cpp can't load the vocabulary of the file just written.")
    vocabulary = llama_cpp.llama_model_get_vocab(model)

    def encode(text: str, whole: bool) -> list[int]:
        data = text.encode()
        room = len(data) + 8
        ids = (llama_cpp.llama_token * room)()
        count = llama_cpp.llama_tokenize(vocabulary, data, len(data), ids, room, whole, True)
        return list(ids[:count])

    return encode


def _plain(tokenizer: Any) -> Encode:
    tokenizer.no_padding()
    tokenizer.no_truncation()

    def encode(text: str, whole: bool) -> list[int]:
        return list(tokenizer.encode(text, add_special_tokens=whole).ids)

    return encode


def _readings(tokenizer: Any, file: Path) -> tuple[list[Encode], list[Encode]]:
    """The tokenizer as transformers has it and as its file has it; and how llama.cpp must differ.

    The second list is for plain text only.
    """

    def encode(text: str, whole: bool) -> list[int]:
        return list(tokenizer.encode(text, add_special_tokens=whole))

    if not file.is_file():
        return [encode], []
    from tokenizers import Tokenizer

    content = json.loads(file.read_text(encoding="utf-8"))
    plain = Tokenizer.from_file(str(file))
    others: list[Encode] = []
    if (content.get("normalizer") or {}).get("type") == "NFC":
        others.append(_plain(Tokenizer.from_str(json.dumps({**content, "normalizer": None}))))
    if stripping := wordpiece.strip_as_llama_cpp(content):
        others.append(_plain(Tokenizer.from_str(json.dumps({**content, **stripping}))))
    if space_prefix.first_only(content):
        if tokenizer.chat_template:
            others.append(_behind_a_token(plain, tokenizer.bos_token))
        else:
            pieces = {**content, "normalizer": space_prefix.EACH, "pre_tokenizer": None}
            others.append(_plain(Tokenizer.from_str(json.dumps(pieces))))
    return [encode, _plain(plain)], others


def _behind_a_token(plain: Any, token: str) -> Encode:
    """Text as it is read behind a special token, where no space is put before it."""

    def encode(text: str, whole: bool) -> list[int]:
        ends = plain.encode("", add_special_tokens=whole).ids
        return [*ends, *plain.encode(token + text, add_special_tokens=False).ids[1:]]

    return encode


def _texts(tokenizer: Any) -> Iterator[tuple[str, bool]]:
    for text in TEXTS:
        yield text, False
        yield text, True
    for token in tokenizer.get_added_vocab():
        # The sentinels of T5's pre-training stand in no text, and its GGUFs don't have them.
        if not re.fullmatch(r"<extra_id_\d+>", token):
            # Gemma has tokens for runs of spaces, spelled as SentencePiece spells a space.
            written = token.replace("▁", " ")
            yield f"a{written}b {written} c", False


def rendered(tokenizer: Any) -> list[str]:
    """The chats that the tokenizer's template can render; none where there is no template."""
    if not tokenizer.chat_template:
        return []
    texts = []
    for chat in _CHATS:
        # Some templates refuse a system turn.
        try:
            text = tokenizer.apply_chat_template(
                list(chat), tokenize=False, add_generation_prompt=True
            )
        except Exception:
            if chat[0]["role"] != "system":
                raise
            continue
        texts.append(str(text))
    return texts


def measure(folder: Path, file: Path) -> dict[str, Any]:
    """The comparison: counts as in `Parity`, or an `error`."""
    from transformers import AutoTokenizer
    from transformers.utils import logging

    logging.set_verbosity_error()
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        chats = [(text, False) for text in rendered(tokenizer)]
    except Exception as error:  # whatever a broken tokenizer raises, the user gets one line
        said = (str(error).strip().splitlines() or [type(error).__name__])[0]
        return {"error": f"The tokenizer of {folder} can't be used: {said}"}
    ours = gguf_encoder(file)
    readings, others = _readings(tokenizer, folder / "tokenizer.json")
    found = {"chats": len(chats), "texts": 0, "tokens": 0, "disputed": 0}
    for theirs, cases in (([*readings, *others], _texts(tokenizer)), (readings, iter(chats))):
        part = compare(ours, theirs, cases)
        if "error" in part:
            return part
        found |= {key: found[key] + count for key, count in part.items()}
    return found


def _answer(folder: Path, file: Path) -> dict[str, Any]:
    # Tokenizers need nothing of torch, and importing it takes seconds.
    sys.modules["torch"] = None  # type: ignore[assignment]
    from llama_cpp import llama_cpp

    silent = llama_cpp.llama_log_callback(lambda _level, _text, _data: None)
    llama_cpp.llama_log_set(silent, ctypes.c_void_p(0))
    try:
        return measure(folder, file)
    except ConversionError as error:
        return {"error": error.message}


if __name__ == "__main__":
    from medllm import guard

    guard.install()
    child.answer(_answer(Path(sys.argv[1]), Path(sys.argv[2])))
