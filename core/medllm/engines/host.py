"""The engine's own process: loads one model, answers one request at a time.

Started by `medllm.engines.llamacpp` as `python -P -m medllm.engines.host`.
Reads one JSON object a line from standard input and writes one JSON array a line:

    {"load": {"path", "context", "threads"}}    -> ["progress", share] ..., ["loaded", facts]
    {"ask": {request}, "id": number}            -> ["t", text, logprob] ..., ["done", facts]
    {"score": {messages, continuations}, "id"}  -> ["scores", [log-probability, ...]]
    {"cancel": number}                          -> the request ends soon, with "done"
    {"load_encoder": {"path", "threads", "pooled"}}  -> ["loaded", facts]
    {"embed": [text, ...]}                      -> ["vectors", base64, marks]

Anything may be answered by ["error", kind, message, hint]. The process ends when
its standard input does, whatever it is doing.
"""

import base64
import ctypes
import json
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medllm import guard
from medllm.engines.protocol import Done, Event, Request
from medllm.errors import EngineError, MedLLMError, ModelError, UsageError

if TYPE_CHECKING:
    from medllm.engines.decoder import Decoder
    from medllm.engines.encoder import Encoder

# Tokens that come closer together than this leave in one write: each write wakes
# the reader, which takes a core from the decoding threads.
_COALESCE_S = 0.012
_PR_SET_PDEATHSIG = 1


class Channel:
    """Standard output, for the protocol alone.

    The descriptor is moved away and 1 is pointed at standard error, so that
    nothing that native code prints can come between the lines.
    """

    def __init__(self) -> None:
        self._output = os.dup(1)
        os.dup2(2, 1)
        self._waiting: list[str] = []
        self._flushed = 0.0

    def send(self, *message: Any) -> None:
        """Writes a message and all that waited before it."""
        self._waiting.append(json.dumps(message))
        self.flush()

    def token(self, text: str, logprob: float | None) -> None:
        """Writes a token, at once unless one was written a moment ago."""
        shown = "null" if logprob is None else f"{logprob:.7g}"
        self._waiting.append(f'["t",{json.dumps(text)},{shown}]')
        if time.perf_counter() - self._flushed >= _COALESCE_S:
            self.flush()

    def flush(self) -> None:
        """Writes what waits."""
        data = memoryview(("\n".join(self._waiting) + "\n").encode())
        self._waiting.clear()
        while data:
            data = data[os.write(self._output, data) :]
        self._flushed = time.perf_counter()


class Host:
    """Holds the model and serves the messages that a thread of its own reads."""

    def __init__(self) -> None:
        self._channel = Channel()
        self._messages: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._decoder: Decoder | None = None
        self._encoder: Encoder | None = None
        self._cancelled_id = -1
        self._running_id = -1

    def serve(self) -> None:
        """Answers messages until standard input ends; then the whole process does."""
        threading.Thread(target=self._read, daemon=True).start()
        while True:
            message = self._messages.get()
            try:
                if "load" in message:
                    self._load(**message["load"])
                elif "ask" in message:
                    self._ask(int(message["id"]), message["ask"])
                elif "score" in message:
                    self._score(int(message["id"]), **message["score"])
                elif "load_encoder" in message:
                    self._load_encoder(**message["load_encoder"])
                elif "embed" in message:
                    self._embed(message["embed"])
                else:
                    raise EngineError(f"unknown message {sorted(message)}")
            except MedLLMError as error:
                self._channel.send("error", _kind(error), error.message, error.hint)
            except MemoryError:
                self._channel.send(
                    "error", "engine", "The engine ran out of memory.", "Close other programs."
                )

    def _read(self) -> None:
        """Reads standard input; a cancel takes effect here, past the queue."""
        try:
            for line in sys.stdin.buffer:
                message = json.loads(line)
                if "cancel" in message:
                    self._cancelled_id = max(self._cancelled_id, int(message["cancel"]))
                else:
                    self._messages.put(message)
        finally:
            os._exit(0)

    def _is_cancelled(self) -> bool:
        return self._cancelled_id >= self._running_id

    def _load(self, path: str, context: int, threads: int) -> None:
        from medllm.engines.decoder import Decoder

        if self._decoder:
            self._decoder.close()
            self._decoder = None
        decoder = Decoder(Path(path), context, threads, self._progress, self._is_cancelled)
        self._decoder = decoder
        self._channel.send(
            "loaded",
            {
                "context": decoder.context,
                "template_has_system": decoder.template.has_system,
                "refused": guard.refused(),
            },
        )

    def _progress(self, share: float) -> None:
        if share == 1 or time.perf_counter() - self._channel._flushed > 0.05:
            self._channel.send("progress", round(share, 4))

    def _ask(self, number: int, request: dict[str, Any]) -> None:
        from medllm.engines.answer import write

        started = time.perf_counter()
        decoder = self._begin(number)
        request["messages"] = tuple(request["messages"])
        request["openings"] = tuple(request["openings"])
        self._send(write(decoder, Request(**request), self._is_cancelled, started))

    def _score(self, number: int, messages: list[Any], continuations: list[str]) -> None:
        from medllm.engines.decoder import Cancelled
        from medllm.engines.scoring import score

        decoder = self._begin(number)
        try:
            scores = score(decoder, tuple(messages), tuple(continuations))
        except Cancelled as error:
            raise EngineError("The scoring was stopped.") from error
        self._channel.send("scores", scores)

    def _load_encoder(self, path: str, threads: int, pooled: bool) -> None:
        from medllm.engines.encoder import Encoder

        self._encoder = Encoder(Path(path), threads, pooled=pooled)
        self._channel.send("loaded", {"refused": guard.refused()})

    def _embed(self, texts: list[str]) -> None:
        if self._encoder is None:
            raise EngineError("No embedding model is loaded.", "Load one first.")
        vectors, marks = self._encoder.encode(texts)
        self._channel.send("vectors", base64.b64encode(vectors.tobytes()).decode(), marks)

    def _begin(self, number: int) -> "Decoder":
        self._running_id = number
        if self._decoder is None:
            raise EngineError("No model is loaded.", "Load one first.")
        return self._decoder

    def _send(self, events: Iterable[Event]) -> None:
        token = self._channel.token
        for event in events:
            if isinstance(event, Done):
                facts = asdict(event)
                self._channel.send("done", {**facts, "refused": guard.refused()})
            else:
                token(event.text, event.logprob)


def _kind(error: MedLLMError) -> str:
    if isinstance(error, UsageError):
        return "usage"
    return "model" if isinstance(error, ModelError) else "engine"


def _die_with_parent() -> None:
    """Asks Linux for SIGKILL when the parent's starting thread ends; elsewhere stdin tells."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def main() -> None:
    """Runs the host."""
    _die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    guard.install()
    Host().serve()


if __name__ == "__main__":
    main()
