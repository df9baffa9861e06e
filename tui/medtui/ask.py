"""`medtui ask`: one question, for scripts and for a terminal without an app.

On a terminal the answer streams as it arrives. Where the card replaces it at the end,
what had streamed is wiped, so that the final text is what is left standing. Anywhere
else the final text alone is printed. Warnings go to standard error.
"""

import io
import json
import os
import shutil
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from medllm import paths
from medllm.errors import EngineError, MedLLMError, UsageError

from medtui.session import Exchange, Session, StoppedError, default_model, llama_cpp
from medtui.text import HeadingStyler, visible

if TYPE_CHECKING:
    from medllm.assistant import Answer
    from medllm.engines.protocol import Engine

NOT_KNOWN, TIMED_OUT, INTERRUPTED = 20, 124, 130
LONGEST_INPUT = 1 << 20
"""Bytes that are read from standard input."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line said."""

    question: str | None
    as_json: bool = False
    model: Path | None = None
    seed: int = 0
    history: bool = True
    timeout: float | None = None
    samples: int = 0


def run(options: Options, engine: "Callable[[], Engine] | None" = None) -> int:
    """Answers and prints; returns the exit code.

    Raises:
        MedLLMError: it can't be answered, or the answer can't be saved (then it is
            printed first).
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    question = options.question if options.question not in (None, "-") else _piped()
    session = Session(
        engine or llama_cpp(options.model or default_model()),
        paths.history_file() if options.history else None,
        options.seed,
        samples=options.samples,
    )
    try:
        return _Asking(session, options).run(question or "")
    finally:
        session.close()


def _piped() -> str:
    """The question from standard input, at most a megabyte of it."""
    if sys.stdin is None or sys.stdin.closed or sys.stdin.isatty():
        raise UsageError("There is no question.", 'Ask like this: medtui ask "What is asthma?"')
    return sys.stdin.buffer.read(LONGEST_INPUT).decode("utf-8", "replace")


class _Asking:
    """One question through a session to the terminal."""

    def __init__(self, session: Session, options: Options) -> None:
        self._session, self._options = session, options
        self._live = _LiveText() if not options.as_json and _can_stream() else None
        self._timed_out = threading.Event()
        self._answering = False

    def run(self, question: str) -> int:
        exchange = self._session.begin(question)
        timer = self._start_timer(exchange)
        try:
            answer = self._answer(exchange)
        except KeyboardInterrupt:
            self._session.close()
            self._interrupted(exchange)
            return INTERRUPTED
        except (StoppedError, EngineError) as error:
            self._leave_partial(exchange)
            if self._timed_out.is_set():
                raise self._timeout_error() from error
            raise
        finally:
            if timer:
                timer.cancel()
        self._print(answer)
        if self._session.storage_error:
            raise self._session.storage_error
        if self._timed_out.is_set() and answer.stopped:
            _note(self._timeout_error().line())
            return TIMED_OUT
        return NOT_KNOWN if answer.source == "none" else 0

    def _answer(self, exchange: Exchange) -> "Answer":
        from medllm.assistant import Finished

        for event in self._session.answer(exchange):
            self._answering = True
            if isinstance(event, Finished):
                return event.answer
            if self._live:
                self._live.write(event.text)
        raise EngineError("The engine ended without an answer.", "Ask again.")

    def _start_timer(self, exchange: Exchange) -> threading.Timer | None:
        if self._options.timeout is None:
            return None

        def stop() -> None:
            self._timed_out.set()
            exchange.stopped = True
            if self._answering:
                self._session.stop(exchange)
            else:  # loading and reading the prompt end with the engine only
                self._session.close()

        timer = threading.Timer(self._options.timeout, stop)
        timer.daemon = True
        timer.start()
        return timer

    def _timeout_error(self) -> "TimedOutError":
        return TimedOutError(
            f"Stopped after {self._options.timeout:g} seconds.", "Give a longer --timeout."
        )

    def _print(self, answer: "Answer") -> None:
        if self._options.as_json:
            print(json.dumps(answer.as_dict(), ensure_ascii=False), flush=True)
        elif self._live:
            self._live.finish(answer.text)
        else:
            print(visible(answer.text), flush=True)
        if self._options.as_json:
            return  # it is all in the object
        for warning in answer.warnings:
            _note(warning)
        if answer.nearest:
            _note(f"Nearest terms: {', '.join(answer.nearest)}")

    def _interrupted(self, exchange: Exchange) -> None:
        self._leave_partial(exchange)
        _note(
            "Stopped. What had arrived is in the history." if self._options.history else "Stopped."
        )

    def _leave_partial(self, exchange: Exchange) -> None:
        """Leaves what had arrived on standard output, complete lines or not."""
        if self._live:
            self._live.finish(exchange.text)
        elif exchange.text and not self._options.as_json:
            print(visible(exchange.text), flush=True)


class TimedOutError(MedLLMError):
    """The answer took longer than --timeout."""

    exit_code = TIMED_OUT


def _note(line: str) -> None:
    print(visible(line), file=sys.stderr, flush=True)


def _can_stream() -> bool:
    """Whether standard output is a terminal that can take back what it shows."""
    return sys.stdout.isatty() and os.environ.get("TERM", "dumb") not in ("", "dumb")


class _LiveText:
    """Text on a terminal while it grows; can be taken back."""

    def __init__(self) -> None:
        colour = not os.environ.get("NO_COLOR")
        self._styler = HeadingStyler(*(("\x1b[1;36m", "\x1b[0m") if colour else ("", ":")))
        self._raw = ""
        self._plain = HeadingStyler("", "" if colour else ":")
        self._shown = ""

    def write(self, piece: str) -> None:
        """Shows a piece."""
        self._raw += piece
        self._shown += self._plain.feed(piece)
        sys.stdout.write(self._styler.feed(piece))
        sys.stdout.flush()

    def finish(self, text: str) -> None:
        """Makes `text` what stands: adds the line's end, or takes back what was shown."""
        sys.stdout.write(self._styler.rest())
        self._shown += self._plain.rest()
        if text.strip() != self._raw.strip():
            self._take_back()
            again = _LiveText()
            again.write(text.strip())
            again.finish(text.strip())
        elif self._shown and not self._shown.endswith("\n"):
            sys.stdout.write("\n")
        sys.stdout.flush()

    def _take_back(self) -> None:
        size = shutil.get_terminal_size()
        up = rows(self._shown, size.columns) - 1
        if up < size.lines:
            sys.stdout.write("\r" + (f"\x1b[{up}A" if up else "") + "\x1b[J")
        else:  # part of it has scrolled out of reach
            sys.stdout.write("\n\n-- replaced by --\n\n")


def rows(text: str, columns: int) -> int:
    """Rows that `text` takes on a terminal of that width, wrapped as terminals do."""
    from rich.cells import cell_len

    total = 0
    for line in text.split("\n"):
        total, at = total + 1, 0
        for character in line:
            width = cell_len(character)
            if at + width > columns:
                total, at = total + 1, 0
            at += width
    return total
