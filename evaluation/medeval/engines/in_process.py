"""Engines that run in this process, for evaluation."""

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

from medllm.engines.protocol import Done, Event, ModelInfo, Progress, Request, Token
from medllm.engines.sampling import Logits, Sampler
from medllm.engines.template import ChatTemplate
from medllm.errors import EngineError, ModelError, UsageError
from medllm.prompts import Message

_ROOM = 16  # tokens that must be left for an answer


class LocalEngine(ABC):
    """A model in this process: loading and stopping. `cancel` from any thread."""

    holds_grammar = False

    def __init__(self) -> None:
        self._info: ModelInfo | None = None
        self._cancelled = threading.Event()
        self.tokenizer: Any = None
        """A Hugging Face tokenizer; there after `open_model`."""

    @abstractmethod
    def open_model(self) -> ModelInfo:
        """Loads tokenizer and weights."""

    def load(self, progress: Progress | None = None) -> ModelInfo:
        """Loads the model; does nothing when it is.

        Raises:
            ModelError: it can't be loaded.
        """
        if self._info is None:
            self._info = self.open_model()
        if progress:
            progress(1.0)
        return self._info

    def info(self) -> ModelInfo:
        """The model. Raises EngineError before `load`."""
        if self._info is None:
            raise EngineError("No model is loaded yet.", "Load it first.")
        return self._info

    def cancel(self) -> None:
        """Stops the running request before its next token."""
        self._cancelled.set()

    def close(self) -> None:
        """Stops; the weights go with the object."""
        self.cancel()


class InProcessEngine(LocalEngine):
    """The loop over tokens that decoders share."""

    @abstractmethod
    def begin(self, prompt: list[int]) -> Logits:
        """Starts anew; the logits of the first token of the answer. Shape: (vocabulary,)."""

    @abstractmethod
    def extend(self, token: int) -> Logits:
        """Appends a token of the answer; the logits of the next."""

    def stream(self, request: Request) -> Iterator[Event]:
        """Yields tokens, then one `Done`; a grammar is not kept to.

        Raises:
            UsageError: the prompt is longer than the context.
        """
        info = self.load()
        self._cancelled.clear()
        started, first = time.perf_counter(), 0.0
        prompt = self._prompt(request.messages, info, _ROOM)
        room = min(request.max_tokens, info.context - len(prompt))
        logits, written = self.begin(prompt), Written(self.tokenizer)
        sampler = Sampler(request.temperature, request.top_p, request.seed, len(logits))
        ends = self.ends()
        reason: Literal["stop", "length", "cancelled"] = "length"
        while written.count < room:
            if self._cancelled.is_set():
                reason = "cancelled"
                break
            token = sampler.pick(logits)
            if token in ends:
                reason = "stop"
                break
            first = first or time.perf_counter()
            yield from written.add(token, sampler.logprob(logits, token))
            if written.count < room:
                logits = self.extend(token)
        yield done(reason, len(prompt), written.count, started, first)

    def score(
        self, messages: tuple[Message, ...], continuations: tuple[str, ...]
    ) -> tuple[float | None, ...]:
        """Log-probability of each continuation, all its tokens counted.

        Raises:
            UsageError: the prompt is longer than the context.
        """
        info = self.load()
        prompt = self._prompt(messages, info, 1)
        first = self.begin(prompt).copy()
        sampler = Sampler(0.0, 1.0, 0, len(first))
        scores = []
        for text in continuations:
            tail = self.continuation(messages, prompt, text)
            total = sampler.logprob(first, tail[0])
            if len(tail) > 1:
                self.begin(prompt)
            for token, following in pairwise(tail):
                total += sampler.logprob(self.extend(token), following)
            scores.append(total)
        return tuple(scores)

    def continuation(
        self, messages: tuple[Message, ...], prompt: list[int], text: str
    ) -> list[int]:
        """Tokens of `text` right after the prompt, tokenized together with it."""
        whole = self.prompt(messages, text)
        if whole[: len(prompt)] == prompt and len(whole) > len(prompt):
            return whole[len(prompt) :]
        return self.tokens(text)

    def prompt(self, messages: tuple[Message, ...], answer: str = "") -> list[int]:
        """Tokens of the chat, with the beginning of an answer.

        A model without a chat template gets the texts, a blank line between them.
        """
        tokenizer = self.tokenizer
        if tokenizer.chat_template:
            names = (tokenizer.bos_token or "", tokenizer.eos_token or "")
            text = ChatTemplate(tokenizer.chat_template, *names).render(messages)
            return self.tokens(text + answer)
        text = "\n\n".join(message["content"] for message in messages)
        found: list[int] = tokenizer(f"{text} {answer}".rstrip())["input_ids"]
        return found

    def tokens(self, text: str) -> list[int]:
        """Tokens of `text` with no mark at its ends."""
        found: list[int] = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        return found

    def ends(self) -> frozenset[int]:
        """Tokens that end an answer."""
        return frozenset({self.tokenizer.eos_token_id} - {None})

    def _prompt(self, messages: tuple[Message, ...], info: ModelInfo, room: int) -> list[int]:
        prompt = self.prompt(messages)
        if len(prompt) + room > info.context:
            raise UsageError(
                f"The question is too long: {len(prompt)} tokens of the {info.context} that the "
                "model has room for.",
                "Shorten it.",
            )
        return prompt


class Written:
    """The answer so far; gives out characters only when they are whole."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._tokens: list[int] = []
        self._shown, self._pending = "", 0.0

    @property
    def count(self) -> int:
        """Tokens so far."""
        return len(self._tokens)

    def add(self, token: int, logprob: float) -> Iterator[Token]:
        """The text that is whole with this token, if there is any."""
        self._tokens.append(token)
        self._pending += logprob
        text = self._tokenizer.decode(self._tokens, skip_special_tokens=True)
        if text != self._shown and not text.endswith("\ufffd"):
            yield Token(text[len(self._shown) :], self._pending)
            self._shown, self._pending = text, 0.0


def done(
    reason: Literal["stop", "length", "cancelled"],
    prompt_tokens: int,
    tokens: int,
    started: float,
    first: float,
) -> Done:
    """The end of an answer that is over now; times by time.perf_counter, 0 for no token."""
    total = time.perf_counter()
    first_ms = ((first or total) - started) * 1e3
    return Done(reason, prompt_tokens, 0, tokens, first_ms, (total - started) * 1e3)


def open_tokenizer(folder: Path) -> Any:
    """The tokenizer in a model's folder.

    Raises:
        ModelError: there is none that can be read.
    """
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        raise unreadable(folder, error) from error


def unreadable(folder: Path, error: Exception) -> ModelError:
    """The error for a folder that can't be loaded."""
    reason = " ".join(str(error).split())[:160].rstrip(".")
    return ModelError(f"The model in {folder} can't be loaded: {reason}.", "Name another folder.")
