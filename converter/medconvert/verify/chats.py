"""Chats as the model's own tokenizer, the GGUF and Ollama render them: the same tokens?

A chat goes through the chat template of the model folder in transformers, through the one
in the GGUF as our engine and llama.cpp do it, and through the Ollama template of its chat
family. Then BOS is counted, and the token that ends an answer must be one that stops.

llama.cpp also has a reading of its own (`llama_chat_apply_template`), which guesses the
template by words in it and is known to differ from some in follow-ups. How often it
agrees is reported, and not held against the file. It runs in a process of its own:

    python -m medconvert.verify.chats MODEL_FOLDER FILE.gguf [FAMILY]
"""

import ctypes
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from medllm import chat_families, prompts
from medllm.chat_families import ChatFamily
from medllm.errors import ConversionError, MedLLMError

from medconvert import child
from medconvert.verify.renderers import Chat, Converted, Own, Render

_ANSWER = "**Definition**: Loss of blood flow to the brain.\n\n**Explanation**: See a doctor."
_QUESTION = prompts.messages("What is hypertension?", None)
_FOLLOW_UP: Chat = (
    {"role": "user", "content": "Define stroke."},
    {"role": "assistant", "content": _ANSWER},
    {"role": "user", "content": "And a TIA?"},
)
_SYSTEM = prompts.messages("", prompts.SYSTEM)[:1]
_UNICODE = "SpO₂ 98%, T½, Sjögren’s, naïve, 高血圧, гипертония, ضغط, 🩺👩‍⚕️\u00a0and\ttabs?"
_LOOKS_SPECIAL = 'Is "{{ .System }}" {% if x %} <|none|> [X] <<Y>> </b> ### Z: or $5 & \\n a token?'
CHATS: dict[str, Chat] = {
    "a question": _QUESTION,
    "a system text and a question": _SYSTEM + _QUESTION,
    "a follow-up": _FOLLOW_UP,
    "a system text and a follow-up": _SYSTEM + _FOLLOW_UP,
    "Unicode": _SYSTEM + prompts.messages(_UNICODE, None),
    "text that looks special": _SYSTEM + prompts.messages(_LOOKS_SPECIAL, None),
}
"""By what they try. No turn begins or ends with white space, which only some templates trim."""
_MARK = "ANSWER-MARK"


@dataclass(frozen=True, slots=True)
class Chats:
    """The result."""

    chats: int = 0
    """Chats that were rendered in each way; none where the model has no template."""
    tokens: int = 0
    """Of the chats as the model's own tokenizer has them."""
    family: str = ""
    """Empty where it is not known; the Ollama template is then not compared."""
    bos: int = 0
    """BOS tokens that a prompt begins with in llama.cpp and Ollama."""
    bos_added: bool = False
    """Whether that BOS comes from the GGUF's settings, and transformers has none in a chat.

    Many ChatML models are so, and every converter leaves them so: it is said, and no failure.
    """
    end: str = ""
    """The token that ends an answer in the template."""
    built_in: int | None = None
    """Chats that llama.cpp's own reading renders alike; None where it knows no such template."""
    failure: str = ""
    """Which of them differs, and where; empty if none does."""

    def said(self) -> str:
        """The result as one line."""
        if self.failure:
            return self.failure
        if not self.chats:
            return "the model has no chat template"
        ollama = f"and Ollama ({self.family})" if self.family else "(no Ollama template known)"
        line = f"{self.chats} chats alike in transformers, GGUF {ollama}, {self.bos} BOS, "
        line += "which the template leaves out, " if self.bos_added else ""
        line += f"answers end with {self.end}"
        if self.built_in is not None and self.built_in < self.chats:
            line += f"; llama.cpp without Jinja: {self.built_in} of {self.chats}"
        return line


def check(folder: Path, file: Path, family: str | None = None) -> Chats:
    """Compares the renderings.

    Args:
        folder: the model's own tokenizer, in the format of Hugging Face.
        file: the GGUF.
        family: recorded name of the chat family; where it is none that is known here,
            the family is recognised by the template.

    Returns:
        Counts, with `failure` set where something differs.

    Raises:
        ConversionError: the tokenizer or the GGUF can't be used.
    """
    arguments = [str(folder.resolve()), str(file.resolve()), *([family] if family else [])]
    answer = child.run("medconvert.verify.chats", arguments, "comparing the chat templates")
    if error := answer.get("error"):
        raise ConversionError(error)
    return Chats(**answer)


def measure(folder: Path, file: Path, name: str | None) -> Chats:
    """The comparison, in this process; `name` is that of the family, as in `check`.

    Raises:
        MedLLMError: the GGUF or its template can't be used.
    """
    own = Own(folder)
    if not own.has_template:
        return Chats()
    converted = Converted(file)
    family = chat_families.of_model(name, converted.source, converted.bos, converted.eos)
    compared = _compare(own, converted, family)
    return compared if compared.failure else _ended(compared, own, converted, family)


def _compare(own: Own, converted: Converted, family: ChatFamily | None) -> Chats:
    renderers: dict[str, Render] = {"the template in the GGUF": converted.by_engine}
    if family:
        renderers[f"the Ollama template of {family.name}"] = converted.by_ollama(family)
    begun = Chats(len(CHATS), family=family.name if family else "")
    tokens, alike, bos = 0, [], converted.vocabulary.bos
    for what, chat in CHATS.items():
        readings = list(own.readings(own.text(chat)))
        tokens += len(readings[0])
        count = _leading(readings[0], bos)
        if count > 1:
            return replace(begun, failure=f"In {what}, the prompt begins with {count} BOS.")
        added = converted.vocabulary.wants_bos and not count
        if added:
            readings = [[bos, *reading] for reading in readings]
        begun = replace(begun, bos=count + added, bos_added=added)
        for renderer, render in renderers.items():
            if (got := render(chat)) not in readings:
                failure = _difference(renderer, what, got, readings[0], converted.vocabulary)
                return replace(begun, failure=failure)
        if (built_in := converted.built_in(chat)) is not None:
            alike.append(built_in in readings)
    return replace(begun, tokens=tokens, built_in=sum(alike) if alike else None)


def _leading(tokens: list[int], token: int) -> int:
    return next((i for i, other in enumerate(tokens) if other != token), len(tokens))


def _difference(
    renderer: str, what: str, got: list[int], wanted: list[int], vocabulary: Any
) -> str:
    pairs = zip(got, wanted, strict=False)
    at = next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(got), len(wanted)))
    ours, theirs = (
        " ".join(repr(vocabulary.text(token)) for token in tokens[at : at + 3]) or "nothing"
        for tokens in (got, wanted)
    )
    return (
        f"In {what}, {renderer} differs from the model's own from token {at}: "
        f"{ours} instead of {theirs}."
    )


def _ended(compared: Chats, own: Own, converted: Converted, family: ChatFamily | None) -> Chats:
    """Adds what ends an answer; a failure if nothing would stop there."""
    question, _, next_question = _FOLLOW_UP
    chat: Chat = (question, {"role": "assistant", "content": _MARK}, next_question)
    behind = own.text(chat).partition(_MARK)[2].lstrip(" ")
    first = converted.vocabulary.tokenize(behind, special=True)[:1]
    if first and first[0] in converted.vocabulary.ends:
        return replace(compared, end=converted.vocabulary.text(first[0]))
    for stop in family.stops if family else ():
        if behind.startswith(stop):
            return replace(compared, end=stop)
    failure = (
        f"The chat template ends an answer with {behind[:20]!r}, which is neither an end token "
        "of the GGUF nor a stop: the model would not stop."
    )
    return replace(compared, failure=failure)


def _answer(arguments: list[str]) -> dict[str, Any]:
    # Tokenizers need nothing of torch, and importing it takes seconds.
    sys.modules["torch"] = None  # type: ignore[assignment]
    from llama_cpp import llama_cpp

    silent = llama_cpp.llama_log_callback(lambda _level, _text, _data: None)
    llama_cpp.llama_log_set(silent, ctypes.c_void_p(0))
    folder, file, *family = arguments
    try:
        return asdict(measure(Path(folder), Path(file), family[0] if family else None))
    except MedLLMError as error:
        return {"error": error.message}
    except Exception as error:  # whatever a broken tokenizer raises, the user gets one line
        said = (str(error).strip().splitlines() or [type(error).__name__])[0]
        return {"error": f"The chat template of {folder} can't be used: {said}"}


if __name__ == "__main__":
    from medllm import guard

    guard.install()
    child.answer(_answer(sys.argv[1:]))
