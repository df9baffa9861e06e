"""What stands behind both fronts: the engine, the assistant and the history."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from medllm import guard
from medllm.errors import EngineError, MedLLMError, StorageError

if TYPE_CHECKING:
    from medllm.assistant import Assistant, Delta, Finished
    from medllm.engines.protocol import Engine, ModelInfo, Progress
    from medllm.history import Entry, History, State
    from medllm.reference import ReferenceCard

GROW_S = 0.5
"""Seconds between two saves of an answer that grows."""
Report = Callable[[StorageError], None]


class StoppedError(MedLLMError):
    """A question was stopped before its answer began."""

    exit_code = 130


class Exchange:
    """One question on its way to an answer, saved as it goes. Its end is saved once."""

    def __init__(self, question: str, history: "History | None", report: Report) -> None:
        """Saves the question.

        Raises:
            StorageError: it can't be saved.
        """
        self.question = question
        self.text = ""
        """What has arrived of the answer."""
        self.pieces = 0
        """Tokens that have arrived."""
        self.first_at = 0.0
        """When the first of them came, in seconds of the monotonic clock."""
        self.stopped = False
        """Whether the user wants no more of it."""
        self._history, self._report = history, report
        self._entry = history.start(question) if history else 0
        self._grown_at = time.monotonic()
        self._lock = threading.Lock()
        self._ended = False

    def grow(self, piece: str) -> None:
        """Takes a piece of the answer; saves now and then."""
        now = time.monotonic()
        self.text += piece
        self.pieces += 1
        self.first_at = self.first_at or now
        if now - self._grown_at >= GROW_S:
            self._grown_at = now
            with self._lock:
                if not self._ended:
                    self._save(lambda history: history.grow(self._entry, self.text))

    @property
    def tokens_per_second(self) -> float:
        """Rate so far, 0 before the second token."""
        seconds = time.monotonic() - self.first_at
        return (self.pieces - 1) / seconds if self.pieces > 1 and seconds > 0 else 0.0

    def end(
        self, state: "State", text: str | None = None, answer: dict[str, object] | None = None
    ) -> None:
        """Saves the end; only the first call counts."""
        with self._lock:
            if self._ended:
                return
            self._ended = True
            final = self.text if text is None else text
            self._save(lambda history: history.finish(self._entry, final, state, answer))

    def _save(self, write: "Callable[[History], None]") -> None:
        if self._history is None:
            return
        try:
            write(self._history)
        except StorageError as error:  # the answer goes on; the front tells the user
            self._history = None
            self._report(error)


class Session:
    """Answers questions one at a time; `stop` and `close` from any thread.

    Args:
        engine: makes the engine; called once, late, since it imports a lot.
        history_file: where questions are kept; None keeps them in memory.
        seed: of the sampling.
        reference: cards to answer from instead of the built-in ones.
        samples: further answers by other seeds, for confidence.
    """

    def __init__(
        self,
        engine: "Callable[[], Engine]",
        history_file: Path | None,
        seed: int = 0,
        reference: "Sequence[ReferenceCard] | None" = None,
        samples: int = 0,
    ) -> None:
        self._make_engine, self._file = engine, history_file
        self._seed, self._reference, self._samples = seed, reference, samples
        self._assistant: Assistant | None = None
        self._history: History | None = None
        self._opening = threading.Lock()
        self._current: Exchange | None = None
        self._answering = False
        self._closed = False
        self.storage_error: StorageError | None = None
        """The first trouble with the history in the midst of an answer."""

    def open_history(self) -> "History":
        """The history, opened when first asked for.

        Raises:
            StorageError: it is damaged or can't be written.
        """
        from medllm.history import History

        with self._opening:
            if self._history is None:
                self._history = History(self._file)
            return self._history

    def keep_in_memory(self) -> None:
        """Goes on without the file, whose content stays as it is."""
        with self._opening:
            self._file, self._history = None, None

    def earlier(self, limit: int, before: int | None = None) -> "list[Entry]":
        """Entries of the history, oldest first; `before` an id for older ones."""
        return self.open_history().latest(limit, before)

    def load(self, progress: "Progress | None" = None) -> "ModelInfo":
        """Makes the model ready; does nothing when it is.

        Raises:
            ModelError: there is no such model, or it can't be used.
            EngineError: the session is closed, or the engine can't be started.
        """
        assistant = self._open_assistant()
        if self._closed:
            raise EngineError("The session is closed.")
        started, loaded = time.monotonic(), False

        def note(share: float) -> None:  # called only where there is something to load
            nonlocal loaded
            loaded = True
            if progress:
                progress(share)

        info = assistant.engine.load(note)
        if loaded:
            assistant.load_ms = (time.monotonic() - started) * 1e3
        return info

    def begin(self, question: str) -> Exchange:
        """Checks a question and saves it, before anything is loaded for its answer.

        Raises:
            UsageError: it is empty or too long.
            StorageError: it can't be saved.
        """
        from medllm.assistant import checked_question

        asked = checked_question(question)
        return Exchange(asked, self.open_history(), self._note)

    def answer(
        self, exchange: Exchange, progress: "Progress | None" = None
    ) -> "Iterator[Delta | Finished]":
        """Streams the answer; what has arrived is saved whatever happens.

        Raises:
            StoppedError: it was stopped before the answer began.
            MedLLMError: the engine can't go on; the next question starts it again.
        """
        self._current = exchange
        try:
            yield from self._stream(exchange, progress)
        except (StoppedError, KeyboardInterrupt, GeneratorExit):
            exchange.end("stopped")
            raise
        except BaseException:
            exchange.end("stopped" if exchange.stopped else "failed")
            raise
        finally:
            self._answering, self._current = False, None

    def _stream(
        self, exchange: Exchange, progress: "Progress | None"
    ) -> "Iterator[Delta | Finished]":
        from medllm.assistant import Delta, Finished

        self._stop_if_wanted(exchange)
        self.load(progress)
        self._stop_if_wanted(exchange)
        assert self._assistant is not None
        self._answering = True
        for event in self._assistant.ask(exchange.question):
            if isinstance(event, Delta):
                exchange.grow(event.text)
                if exchange.stopped:  # wanted before the engine could be told
                    self._assistant.cancel()
                yield event
            else:
                answer = replace(event.answer, refused=self.refused)
                state: State = "stopped" if answer.stopped else "done"
                exchange.end(state, answer.text, answer.as_dict())
                yield Finished(answer)

    def stop(self, exchange: Exchange | None = None) -> None:
        """Stops an answer, the running one if none is named; what has arrived is kept."""
        wanted = exchange or self._current
        if wanted is None:
            return
        wanted.stopped = True
        if wanted is self._current and self._answering and self._assistant:
            self._assistant.cancel()
        elif wanted is not self._current:
            wanted.end("stopped")

    def close(self) -> None:
        """Ends everything at once, a running answer and a loading model included."""
        self._closed = True
        running = self._current
        if running:
            running.stopped = True
        if self._assistant:
            self._assistant.engine.close()
        if running:
            running.end("stopped")
        with self._opening:
            if self._history:
                self._history.close()
                self._history = None

    @property
    def refused(self) -> int:
        """Connections that the offline guard refused, here and in the engine's process."""
        engine = self._assistant.engine if self._assistant else None
        return guard.refused() + int(getattr(engine, "refused", 0))

    def _open_assistant(self) -> "Assistant":
        if self._assistant is None:
            from medllm.assistant import Assistant

            self._assistant = Assistant(
                self._make_engine(), self._reference, self._seed, self._samples
            )
        return self._assistant

    def _note(self, error: StorageError) -> None:
        self.storage_error = self.storage_error or error

    def _stop_if_wanted(self, exchange: Exchange) -> None:
        if exchange.stopped or self._closed:
            raise StoppedError("Stopped before the answer began.")


def default_model() -> Path:
    """The model to use where none is named: the settings' one, else the built-in one.

    Raises:
        StorageError: the settings can't be read.
    """
    from medllm import paths

    from medtui import settings

    return settings.load().model or paths.builtin_model()


def llama_cpp(model: Path) -> "Callable[[], Engine]":
    """What makes the default engine for a model file."""

    def make() -> "Engine":
        from medllm.engines.llamacpp import LlamaCppEngine

        return LlamaCppEngine(model)

    return make
