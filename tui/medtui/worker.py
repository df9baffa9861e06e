"""The thread behind the app: opens the history, loads the model, answers.

It is a daemon of its own and not one of Textual's workers, for which an app waits
when it ends: quitting must not wait for an answer.
"""

import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from medllm.errors import MedLLMError, StorageError
from textual.message import Message

from medtui.session import Exchange, Session

if TYPE_CHECKING:
    from medllm.assistant import Answer
    from medllm.engines.protocol import ModelInfo


class HistoryOpened(Message):
    """The history is there, or can't be had."""

    def __init__(self, error: StorageError | None) -> None:
        super().__init__()
        self.error = error


class Loading(Message):
    """The model loads."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share


class Ready(Message):
    """The model is there, or can't be had."""

    def __init__(self, info: "ModelInfo | None", error: MedLLMError | None = None) -> None:
        super().__init__()
        self.info, self.error = info, error


class Ended(Message):
    """An answer is there, or won't be."""

    def __init__(
        self, exchange: Exchange, answer: "Answer | None", error: MedLLMError | None = None
    ) -> None:
        super().__init__()
        self.exchange, self.answer, self.error = exchange, answer, error


class Worker(threading.Thread):
    """Works for one session.

    Args:
        session: what answers.
        post: takes the messages above, from any thread.
    """

    def __init__(self, session: Session, post: Callable[[Message], object]) -> None:
        super().__init__(name="session", daemon=True)
        self._session, self._post = session, post
        self._waiting: queue.SimpleQueue[Exchange] = queue.SimpleQueue()

    def put(self, exchange: Exchange) -> None:
        """Takes a question; it is answered after those before it."""
        self._waiting.put(exchange)

    def run(self) -> None:
        """Opens and loads everything, then answers for ever."""
        try:
            self._session.open_history()
            self._tell(HistoryOpened(None))
        except StorageError as error:
            self._session.keep_in_memory()
            self._tell(HistoryOpened(error))
        try:
            self._tell(Ready(self._session.load(self._progress)))
        except Exception as error:
            self._tell(Ready(None, _as_ours(error)))
        while True:
            self._answer(self._waiting.get())

    def _answer(self, exchange: Exchange) -> None:
        from medllm.assistant import Finished

        try:
            for event in self._session.answer(exchange, self._progress):
                if isinstance(event, Finished):
                    self._tell(Ended(exchange, event.answer))
        except Exception as error:
            self._tell(Ended(exchange, None, _as_ours(error)))

    def _progress(self, share: float) -> None:
        self._tell(Loading(share))

    def _tell(self, message: Message) -> None:
        with suppress(RuntimeError):  # the app's loop has ended, and nobody listens
            self._post(message)


def _as_ours(error: Exception) -> MedLLMError:
    """An error as one that can be shown in a line."""
    if isinstance(error, MedLLMError):
        return error
    return MedLLMError(f"Something unexpected happened ({type(error).__name__}: {error}).")
