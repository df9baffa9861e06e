"""What engines behind a server have in common: one request at a time, cancel, scores."""

import math
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from medllm.engines.protocol import Done, Event, ModelInfo, Progress, Request, Token
from medllm.engines.server import Exchange, Server
from medllm.errors import EngineError
from medllm.prompts import Message

LISTED = 20
"""How many of the likeliest first tokens a server is asked to list."""


@dataclass(frozen=True, slots=True)
class Piece:
    """What one line of a server's answer says."""

    text: str = ""
    logprob: float | None = None
    listed: tuple[tuple[str, float], ...] = ()
    """The likeliest tokens in its place, with their log-probabilities."""
    end: Literal["", "stop", "length"] = ""
    prompt_tokens: int = 0
    tokens: int = 0


class RemoteEngine(ABC):
    """An engine behind HTTP on this machine. `cancel` and `close` from any thread."""

    holds_grammar = False

    def __init__(self, server: Server) -> None:
        self._server = server
        self._info: ModelInfo | None = None
        self._busy = threading.Lock()
        self._running: Exchange | None = None
        self._cancelled = False

    @abstractmethod
    def _describe(self) -> ModelInfo:
        """Asks the server what it runs."""

    @abstractmethod
    def _ask(self, request: Request, listed: int) -> Exchange:
        """Sends a request; `listed` asks for so many alternatives to each token."""

    @abstractmethod
    def _piece(self, line: bytes) -> Piece | None:
        """Reads one line of the answer; None for one that says nothing."""

    def load(self, progress: Progress | None = None) -> ModelInfo:
        """Asks the server for its model; does nothing when that is known.

        Raises:
            ModelError: the server has no such model.
            EngineError: there is no such server.
        """
        if self._info is None:
            self._info = self._describe()
        if progress:
            progress(1.0)
        return self._info

    def info(self) -> ModelInfo:
        """The model. Raises EngineError before `load`."""
        if self._info is None:
            raise EngineError("No model is loaded yet.", "Load it first.")
        return self._info

    def stream(self, request: Request) -> Iterator[Event]:
        """Yields tokens, then one `Done`; a grammar is not kept to.

        Raises:
            EngineError: the server is gone, silent, or answers what is not its protocol.
        """
        self.load()
        started, first, count = time.monotonic(), 0.0, 0
        last = Piece()
        for piece in self._pieces(request, 0):
            if piece.text:
                first, count = first or time.monotonic(), count + 1
                yield Token(piece.text, piece.logprob)
            if piece.end or piece.tokens:
                last = Piece(
                    end=piece.end or last.end,
                    prompt_tokens=piece.prompt_tokens or last.prompt_tokens,
                    tokens=piece.tokens or last.tokens,
                )
        if not last.end and not self._cancelled:
            raise EngineError(f"{self._server.name} ended its answer too early.", "Ask again.")
        total = (time.monotonic() - started) * 1e3
        yield Done(
            "cancelled" if self._cancelled else last.end or "stop",
            last.prompt_tokens,
            0,
            last.tokens or count,
            (first - started) * 1e3 if first else total,
            total,
        )

    def score(
        self, messages: tuple[Message, ...], continuations: tuple[str, ...]
    ) -> tuple[float | None, ...]:
        """Log-probability of each continuation's first token, None for one not listed.

        Raises:
            EngineError: the server is gone, or gives no log-probabilities.
        """
        self.load()
        for piece in self._pieces(Request(messages, max_tokens=1), LISTED):
            if piece.listed:
                return first_tokens(piece.listed, continuations)
        raise EngineError(
            f"{self._server.name} gives no log-probabilities.",
            "Score by generation, or take a server that has logprobs.",
        )

    def cancel(self) -> None:
        """Stops the running request; its stream ends with `Done("cancelled")`."""
        if self._busy.locked():
            self._cancelled = True
            if self._running:
                self._running.close()

    def close(self) -> None:
        """Leaves the server alone."""
        self.cancel()
        self._info = None

    def _pieces(self, request: Request, listed: int) -> Iterator[Piece]:
        if not self._busy.acquire(blocking=False):
            raise EngineError("The engine is busy with another request.", "Wait for it or stop it.")
        try:
            self._cancelled = False
            self._running = self._ask(request, listed)
            if self._cancelled:
                self._running.close()
            for line in self._running.lines():
                if (piece := self._piece(line)) is not None:
                    yield piece
        finally:
            if self._running:
                self._running.close()
            self._running = None
            self._busy.release()


def first_tokens(
    listed: Sequence[tuple[str, float]], continuations: Sequence[str]
) -> tuple[float | None, ...]:
    """Log-probability that an answer begins as each continuation does, by its first token.

    A token counts for a continuation that begins with its text, white space before it
    forgiven; one that fits several counts for none.
    """
    shares: dict[str, float] = {}
    for token, logprob in listed:
        text = token.strip()
        fitting = {c for c in continuations if text and c.startswith(text)}
        if len(fitting) == 1:
            chosen = fitting.pop()
            shares[chosen] = shares.get(chosen, 0.0) + math.exp(logprob)
    return tuple(math.log(shares[c]) if shares.get(c) else None for c in continuations)


def options(request: Request) -> dict[str, Any]:
    """The sampling settings that all servers call by the same names."""
    return {"temperature": request.temperature, "top_p": request.top_p, "seed": request.seed}
