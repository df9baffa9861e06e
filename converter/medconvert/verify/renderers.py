"""The renderers of chats: transformers, our engine, llama.cpp by itself, and Ollama.

Child processes only: native code can abort the process that it runs in.
"""

import ctypes
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from medllm.chat_families import ChatFamily
from medllm.errors import ConversionError
from medllm.prompts import Message

from medconvert.go_template import ollama

Chat = tuple[Message, ...]
Render = Callable[[Chat], list[int]]
"""Token ids of the prompt for a chat."""


class Own:
    """The chat template and tokenizer of the model folder, as transformers has them."""

    def __init__(self, folder: Path) -> None:
        from tokenizers import Tokenizer
        from transformers import AutoTokenizer
        from transformers.utils import logging

        logging.set_verbosity_error()
        self._tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        file = folder / "tokenizer.json"
        self._plain: Any = Tokenizer.from_file(str(file)) if file.is_file() else None
        self.has_template = bool(self._tokenizer.chat_template)

    def text(self, chat: Chat) -> str:
        """The prompt; where the template refuses a system text, with that in the first question."""
        from medllm.engines.template import folded

        try:
            return self._apply(chat)
        except Exception:
            if chat[0]["role"] != "system":
                raise
            return self._apply(folded(chat))

    def _apply(self, chat: Chat) -> str:
        return str(
            self._tokenizer.apply_chat_template(
                list(chat), tokenize=False, add_generation_prompt=True
            )
        )

    def readings(self, text: str) -> Iterator[list[int]]:
        """The tokens as transformers has them and as tokenizer.json has them; see `parity`."""
        yield list(self._tokenizer.encode(text, add_special_tokens=False))
        if self._plain:
            yield list(self._plain.encode(text, add_special_tokens=False).ids)


class Converted:
    """The vocabulary and chat template of the GGUF."""

    def __init__(self, file: Path) -> None:
        from llama_cpp import llama_cpp as native
        from medllm.engines.template import ChatTemplate
        from medllm.engines.vocabulary import Vocabulary

        self._native = native
        settings = native.llama_model_default_params()
        settings.vocab_only = True
        self._model = native.llama_model_load_from_file(str(file).encode(), settings)
        if not self._model:
            raise ConversionError("llama.cpp can't load the vocabulary of the file just written.")
        self.vocabulary = Vocabulary(self._model)
        self.bos = self.vocabulary.text(self.vocabulary.bos)
        self.eos = self.vocabulary.text(self.vocabulary.eos)
        source = native.llama_model_chat_template(self._model, None)
        self.source = source.decode() if source else ""
        self._template = ChatTemplate(self.source, self.bos, self.eos)

    def by_engine(self, chat: Chat) -> list[int]:
        """As `medllm.engines` prompts the model: one BOS where the model wants one."""
        tokens = self.vocabulary.tokenize(self._template.render(chat), special=True)
        rest = tokens
        while rest[:1] == [self.vocabulary.bos]:
            rest = rest[1:]
        return [self.vocabulary.bos] * (self.vocabulary.wants_bos or rest != tokens) + rest

    def by_ollama(self, family: ChatFamily) -> Render:
        """As Ollama does: BOS is added to the template's text, whatever that begins with."""
        return lambda chat: self._with_bos(ollama.render(family.ollama_template, chat))

    def built_in(self, chat: Chat) -> list[int] | None:
        """By llama.cpp's own reading of the template; None where it knows no such template."""
        native = self._native
        turns = (native.llama_chat_message * len(chat))(
            *((m["role"].encode(), m["content"].encode()) for m in chat)
        )
        room = 2 * sum(len(m["content"].encode()) + 64 for m in chat)
        buffer = ctypes.create_string_buffer(room)
        source = self.source.encode()
        length = native.llama_chat_apply_template(source, turns, len(chat), True, buffer, room)
        return self._with_bos(buffer.raw[:length].decode()) if 0 <= length <= room else None

    def _with_bos(self, text: str) -> list[int]:
        before = [self.vocabulary.bos] * self.vocabulary.wants_bos
        return before + self.vocabulary.tokenize(text, special=True)
