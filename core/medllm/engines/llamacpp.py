"""The default engine: llama.cpp in a host process of its own.

The host can crash, be killed or run out of memory without taking the program
along; the next `load` or `stream` starts it again.
"""

import json
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from medllm import models
from medllm.engines.host_process import HostProcess
from medllm.engines.protocol import Done, Event, ModelInfo, Progress, Request, Token
from medllm.errors import EngineError, MedLLMError, ModelError, UsageError
from medllm.prompts import Message

_AGAIN = "Ask again; the engine starts anew."
_CANCEL_S = 1.0  # a host that does not stop by itself in this time is killed
_POLL_S = 0.2
_SMALL = 32 << 20  # bytes of tensors, all of which are read for each token
_MOST_THREADS = 16  # decoding is bound by memory long before


class LlamaCppEngine:
    """Runs one GGUF file. One request at a time; `cancel` and `close` from any thread.

    Args:
        model: the file.
        context: tokens that prompt and answer may take together; 0 takes as many as
            is sensible: the model's own, at most 4096, fewer where memory is short.
        threads: of the computation; 0 takes what suits machine and model.
        patience: seconds of silence after which the host counts as lost.
    """

    holds_grammar = True

    def __init__(
        self, model: Path, context: int = 0, threads: int = 0, patience: float = 120.0
    ) -> None:
        self._model, self._context = model, context
        self._threads, self._patience = threads, patience
        self._host: HostProcess | None = None
        self._info: ModelInfo | None = None
        self._busy = threading.Lock()
        self._numbers = 0
        self._cancelled_at = 0.0
        self._closed = False
        self.refused = 0
        """Connections that the host's offline guard refused."""

    @property
    def host_pid(self) -> int | None:
        """Process id of the running host."""
        host = self._host
        return host.pid if host and host.alive else None

    def load(self, progress: Progress | None = None) -> ModelInfo:
        """Makes the model ready; does nothing when it is.

        Raises:
            ModelError: there is no such file, it is damaged, or llama.cpp can't load it.
            ModelTooLargeError: it would not fit into memory.
            EngineError: the host died on the way, or another call is under way.
        """
        with self._turn():
            return self._load(progress or (lambda _share: None))

    def info(self) -> ModelInfo:
        """The loaded model. Raises EngineError before `load`."""
        if self._info is None:
            raise EngineError("No model is loaded yet.", "Load it first.")
        return self._info

    def stream(self, request: Request) -> Iterator[Event]:
        """Yields tokens, then one `Done`; loads the model first where need be.

        Raises:
            EngineError: the host died or fell silent; the next call starts it again.
            UsageError: the prompt is longer than the context.
            ModelError: as `load`.
        """
        with self._turn():
            self._load(lambda _share: None)
            host = self._host
            assert host is not None
            self._numbers += 1
            ended = False
            try:
                host.send({"ask": asdict(request), "id": self._numbers})
                for event in self._events(host):
                    ended = isinstance(event, Done)
                    yield event
            except (UsageError, ModelError):
                ended = True
                raise
            except EngineError:
                ended = True
                self._drop()
                raise
            finally:
                if not ended:  # the caller left early
                    self._abandon(host)

    def score(
        self, messages: tuple[Message, ...], continuations: tuple[str, ...]
    ) -> tuple[float | None, ...]:
        """Log-probability of each continuation, all its tokens counted; loads first.

        Raises:
            EngineError: the host died, fell silent or was cancelled.
            UsageError: the prompt is longer than the context.
            ModelError: as `load`.
        """
        with self._turn():
            self._load(lambda _share: None)
            host = self._host
            assert host is not None
            self._numbers += 1
            message: list[Any] | None = None
            try:
                host.send(
                    {
                        "score": {"messages": messages, "continuations": continuations},
                        "id": self._numbers,
                    }
                )
                message = self._receive(host)
            finally:
                if message is None:  # it died, was stopped, or the caller left
                    self._drop()
            if message is None:
                raise EngineError("The scoring was stopped.", _AGAIN)
            if message[0] != "scores":
                raise error_of(message)
            return tuple(message[1])

    def cancel(self) -> None:
        """Stops the running request soon; its stream ends with `Done("cancelled")`."""
        host = self._host
        if host is None or not self._busy.locked() or self._cancelled_at:
            return
        self._cancelled_at = time.monotonic()
        try:
            host.send({"cancel": self._numbers}, patience=_CANCEL_S)
        except (EngineError, ValueError, OSError):
            return  # it is gone, or about to be killed; the stream tells

    def close(self) -> None:
        """Ends the host at once, a running request included, whose stream is then cancelled."""
        self._closed = True
        host = self._host
        if host is not None:
            host.kill()
            if self._busy.acquire(blocking=False):  # else the running call tidies up
                try:
                    self._drop()
                finally:
                    self._busy.release()

    def _turn(self) -> "_Turn":
        return _Turn(self)

    def _load(self, progress: Progress) -> ModelInfo:
        if self._info is not None and self._host is not None and self._host.alive:
            return self._info
        self._drop()
        facts = models.check(self._model)
        context = models.fitting_context(facts, self._context)
        self._host = HostProcess()  # it imports its libraries while the file is hashed
        try:
            digest = models.sha256(self._model, lambda share: self._loading(progress, share / 2))
            self._host.send(
                {
                    "load": {
                        "path": str(self._model.resolve()),
                        "context": context,
                        "threads": self._threads or default_threads(facts.tensor_bytes),
                    }
                }
            )
            loaded = self._await_loaded(self._host, progress)
        except BaseException:
            self._drop()
            raise
        self.refused = loaded["refused"]
        self._info = ModelInfo(
            name=facts.name,
            path=str(self._model),
            sha256=digest,
            size_bytes=facts.size_bytes,
            architecture=facts.architecture,
            quantization=facts.quantization,
            parameters=facts.parameters,
            context=loaded["context"],
            template_has_system=loaded["template_has_system"],
            metadata=facts.metadata,
        )
        return self._info

    def _loading(self, progress: Progress, share: float) -> None:
        if self._closed:
            raise EngineError("The engine was closed.", "Start it again.")
        progress(share)

    def _await_loaded(self, host: HostProcess, progress: Progress) -> dict[str, Any]:
        while True:
            message = self._receive(host)
            if message is None:
                raise EngineError("The engine was closed.", "Start it again.")
            kind, *rest = message
            if kind == "progress":
                self._loading(progress, 0.5 + rest[0] / 2)
            elif kind == "loaded":
                self._loading(progress, 1.0)
                facts: dict[str, Any] = rest[0]
                return facts
            else:
                raise error_of(message)

    def _events(self, host: HostProcess) -> Iterator[Event]:
        started, first, tokens = time.monotonic(), 0.0, 0
        while True:
            message = self._receive(host)
            now = time.monotonic()
            if message is None:
                self._drop()
                total = (now - started) * 1e3
                first_ms = (first - started) * 1e3 if first else total
                yield Done("cancelled", 0, 0, tokens, first_ms, total)
                return
            kind, *rest = message
            if kind == "t":
                tokens, first = tokens + 1, first or now
                yield Token(rest[0], rest[1])
            elif kind == "done":
                facts = rest[0]
                self.refused = facts.pop("refused")
                yield Done(**facts)
                return
            else:
                raise error_of(message)

    def _receive(self, host: HostProcess) -> list[Any] | None:
        """The next message of the host; None where it had to be killed, or was, to stop it."""
        silent_until = time.monotonic() + self._patience
        while True:
            try:
                message = host.receive(_POLL_S)
            except EngineError:
                if self._closed or self._cancelled_at:
                    return None
                raise
            if message is not None:
                return message
            now = time.monotonic()
            if self._cancelled_at and now > self._cancelled_at + _CANCEL_S:
                host.kill()
                return None
            if now > silent_until:
                host.kill()
                raise EngineError(
                    f"The engine gave no sign of life for {self._patience:.0f} seconds "
                    "and was stopped.",
                    _AGAIN,
                )

    def _abandon(self, host: HostProcess) -> None:
        """Stops a request whose stream nobody reads any more."""
        self.cancel()
        try:
            while (message := self._receive(host)) is not None:
                if message[0] in ("done", "error"):
                    return
        except EngineError:
            pass
        self._drop()

    def _drop(self) -> None:
        """Forgets the host, which must not be in use."""
        host, self._host = self._host, None
        if host is not None:
            host.dispose()


class _Turn:
    """Lets one call at a time use the host, and tidies up after a `close` meanwhile."""

    def __init__(self, engine: LlamaCppEngine) -> None:
        self._engine = engine

    def __enter__(self) -> None:
        if not self._engine._busy.acquire(blocking=False):
            raise EngineError("The engine is busy with another request.", "Wait for it or stop it.")
        self._engine._closed = False
        self._engine._cancelled_at = 0.0

    def __exit__(self, *_: object) -> None:
        if self._engine._closed:
            self._engine._drop()
        self._engine._busy.release()


def default_threads(tensor_bytes: int) -> int:
    """Threads for a model of that size: the physical cores that may be used, at most 16.

    One for the smallest models: their steps are so short that threads spend them
    waiting for each other, and any other program at work then slows them tenfold.
    """
    return 1 if tensor_bytes < _SMALL else cores()


def cores() -> int:
    """The physical cores that may be used, at most 16."""
    import psutil

    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
    physical = psutil.cpu_count(logical=False) or os.cpu_count() or 1
    return max(1, min(physical, allowed or physical, _MOST_THREADS))


def error_of(message: list[Any]) -> MedLLMError:
    """The error that a message of the host's tells, or is by being no part of the protocol."""
    kinds: dict[str, type[MedLLMError]] = {
        "usage": UsageError,
        "model": ModelError,
        "engine": EngineError,
    }
    if message[0] == "error" and len(message) == 4 and message[1] in kinds:
        return kinds[message[1]](message[2], message[3])
    return EngineError(
        f"The engine wrote something that is not its protocol: {json.dumps(message)[:60]}.",
        _AGAIN,
    )
