"""One answer: chooses token after token, free or held to a grammar. Host process only."""

import codecs
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, cast

from medllm.engines.constraint import Constraint
from medllm.engines.decoder import Cancelled, Decoder
from medllm.engines.outline import Outline
from medllm.engines.protocol import Done, Event, Request, Token
from medllm.engines.sampling import Logits, Mask, Sampler
from medllm.errors import UsageError

_ROOM = 16  # tokens that must be left for an answer


@dataclass(frozen=True, slots=True)
class Step:
    """What comes next: tokens that the model chose or that were written for it, or the end."""

    tokens: list[int]
    logprob: float | None = None
    end: str = ""
    """`stop`, `length` or `cancelled`, where it is the end."""
    dropped: bool = False
    """Whether the bytes of an unfinished character before it are taken back."""


class Free:
    """Follows the model wherever it goes."""

    def __init__(self, decoder: Decoder, sampler: Sampler, max_tokens: int) -> None:
        self._ends = decoder.vocabulary.ends
        self._sampler, self._left = sampler, max_tokens

    def opening(self) -> list[int]:
        """Tokens that stand at the start of every answer."""
        return []

    def next(self, logits: Logits) -> Step:
        """The next step after `logits`."""
        if self._left <= 0:
            return Step([], end="length")
        self._left -= 1
        token = self._sampler.pick(logits)
        if token in self._ends:
            return Step([], end="stop")
        return Step([token], self._sampler.logprob(logits, token))

    def close(self) -> None:
        """Frees what it holds."""


class Held:
    """Holds the model to a grammar and, where openings are given, leads it to the end."""

    def __init__(
        self, decoder: Decoder, sampler: Sampler, request: Request, max_tokens: int
    ) -> None:
        self._vocabulary, self._ends = decoder.vocabulary, decoder.vocabulary.ends
        self._sampler, self._openings = sampler, request.openings
        self._constraint = Constraint(self._vocabulary, request.grammar or "")
        spelled = [self._vocabulary.spell(opening) or [] for opening in request.openings]
        self._costs = tuple(map(len, spelled))
        self._outline = Outline(request.openings, self._costs, request.part_tokens, max_tokens)

    def opening(self) -> list[int]:
        """Tokens of the first opening, which stands at the start of every answer."""
        return self._write_opening() if self._openings else []

    def least_tokens(self) -> int:
        """Tokens that the answer must be able to take."""
        return Outline.least_tokens(self._costs) if self._openings else 0

    def next(self, logits: Logits) -> Step:
        """The next step after `logits`."""
        if self._openings and (step := self._moved_on(logits)):
            return step
        if self._outline.left <= 0:
            return Step([], end="length")
        token = self._sampler.pick(logits)
        if token not in self._ends and not self._constraint.allows(token):
            chosen = self._pick_allowed(logits, self._constraint.mask())
            if chosen is None:
                return Step([], end="length")
            token = chosen
        if token not in self._ends:
            return self._take(logits, token)
        wordless = bool(self._openings) and not self._outline.has_word
        if self._constraint.allows(token) and not wordless:
            return Step([], end="stop")
        return self._leave(logits)

    def close(self) -> None:
        """Frees the grammar."""
        self._constraint.close()

    def _moved_on(self, logits: Logits) -> Step | None:
        """A step to the next part, where the model has begun its heading or it is time."""
        if self._outline.left <= 0:
            return Step([], end="stop" if self._constraint.may_end() else "length")
        if self._outline.begun() and (written := self._write_opening()):
            return Step(written)
        return self._leave(logits) if self._outline.due() else None

    def _take(self, logits: Logits, token: int, dropped: bool = False) -> Step:
        logprob = self._sampler.logprob(logits, token)
        self._constraint.accept(token)
        self._outline.spend(1)
        self._outline.feed(self._vocabulary.piece(token).decode("utf-8", "ignore"))
        return Step([token], logprob, dropped=dropped)

    def _leave(self, logits: Logits) -> Step:
        """Goes on to the next part, or to the end; but first of all a part gets a word."""
        dropped = self._constraint.drop_partial()
        if self._outline.has_word:
            if written := self._write_opening():
                return Step(written, dropped=dropped)
            if self._constraint.may_end():
                return Step([], end="stop", dropped=dropped)
        mask = self._constraint.mask()
        mask[list(self._ends)] = False
        token = None
        if self._openings:
            token = self._pick_allowed(logits, mask & self._vocabulary.letters())
        if token is None:
            token = self._pick_allowed(logits, mask)
        if token is None:
            return Step([], end="length", dropped=dropped)
        return self._take(logits, token, dropped)

    def _pick_allowed(self, logits: Logits, mask: Mask) -> int | None:
        """A token of `mask` that the constraint allows in every respect; None for none."""
        while mask.any():
            token = self._sampler.pick(logits, mask)
            if self._constraint.allows(token):
                return token
            mask[token] = False
        return None

    def _write_opening(self) -> list[int]:
        for text in self._outline.next_openings():
            tokens = self._vocabulary.spell(text)
            if tokens and self._constraint.accept_all(tokens):
                self._outline.spend(len(tokens))
                self._outline.feed(text)
                return tokens
        return []


def write(
    decoder: Decoder, request: Request, cancelled: Callable[[], bool], started: float
) -> Iterator[Event]:
    """Yields an answer's tokens, then one `Done`.

    Args:
        decoder: the loaded model.
        request: what is asked.
        cancelled: asked before every step; True ends the answer.
        started: when the request arrived, by `time.perf_counter`.

    Raises:
        UsageError: the prompt leaves no room for an answer.
        EngineError: llama.cpp failed.
    """
    prompt = decoder.prompt(request.messages)
    room = decoder.context - len(prompt)
    sampler = Sampler(request.temperature, request.top_p, request.seed, decoder.vocabulary.size)
    limit = min(request.max_tokens, max(0, room))
    guide: Free | Held = Free(decoder, sampler, limit)
    needed = min(_ROOM, request.max_tokens)
    if request.grammar:
        guide = Held(decoder, sampler, request, limit)
        needed = max(needed, min(guide.least_tokens(), request.max_tokens))
    try:
        if room < needed:
            raise UsageError(
                f"The question is too long: {len(prompt)} tokens of the {decoder.context} "
                f"that the model has room for, an answer of at least {needed} included.",
                "Shorten it.",
            )
        yield from _run(decoder, guide, prompt, cancelled, started)
    finally:
        guide.close()


def _run(
    decoder: Decoder,
    guide: Free | Held,
    prompt: list[int],
    cancelled: Callable[[], bool],
    started: float,
) -> Iterator[Event]:
    text = _Text(decoder)
    count, reused, first = 0, 0, 0.0

    def done(reason: str) -> Done:
        total = (time.perf_counter() - started) * 1e3
        how = cast(Literal["stop", "length", "cancelled"], reason)
        return Done(how, len(prompt), reused, count, first or total, total)

    opening = guide.opening()
    try:
        logits, reused = decoder.begin(prompt + opening)
    except Cancelled:
        yield done("cancelled")
        return
    step, fed = Step(opening), True
    while not step.end:
        if step.tokens:
            first = first or (time.perf_counter() - started) * 1e3
            count += len(step.tokens)
            yield from text.add(step)
        if cancelled():
            step = Step([], end="cancelled")
            continue
        if not fed:
            logits = decoder.extend(step.tokens)
        fed = False
        step = guide.next(logits)
    yield done(step.end)


class _Text:
    """Puts the pieces of tokens together to whole characters; shows no unfinished one."""

    def __init__(self, decoder: Decoder) -> None:
        self._piece = decoder.vocabulary.piece
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._logprob: float | None = None

    def add(self, step: Step) -> Iterator[Token]:
        """Text that is whole with this step, with the log-probability of all its tokens."""
        if step.dropped:
            self._drop()
        if step.logprob is not None:
            self._logprob = step.logprob + (self._logprob or 0.0)
        text = self._decoder.decode(b"".join(map(self._piece, step.tokens)))
        if text:
            yield Token(text, self._logprob)
        if not self._decoder.getstate()[0]:
            self._logprob = None

    def _drop(self) -> None:
        self._decoder.reset()
        self._logprob = None
