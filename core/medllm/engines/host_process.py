"""The parent's end of the engine host: start it, talk to it, tell how it ended."""

import json
import os
import queue
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from typing import IO, Any

from medllm.errors import EngineError

_RESTARTS = "Ask again; the engine starts anew."
_SEND_S = 10.0
# How long OpenMP's threads spin for each other. By default for milliseconds: on cores
# that other programs use too, decoding then falls to a tenth. This is enough for a
# quiet machine's full speed.
_SPINS = "2000"


class HostProcess:
    """One run of `medllm.engines.host`. `kill` and `send` from any thread, `receive` from one."""

    def __init__(self) -> None:
        self._errors = _scratch()
        launched: queue.SimpleQueue[subprocess.Popen[bytes] | OSError] = queue.SimpleQueue()
        # The host asks Linux to be killed when the thread that started it ends, so
        # that thread stays for as long as the host does.
        threading.Thread(
            target=self._keep, args=(launched,), name="engine-host", daemon=True
        ).start()
        process = launched.get()
        if isinstance(process, OSError):
            raise EngineError(
                f"The engine can't be started: {process}.", "Free some memory and ask again."
            ) from process
        self._process = process
        assert self._process.stdin is not None and self._process.stdout is not None
        self._input = self._process.stdin.fileno()
        self._output = self._process.stdout.fileno()
        os.set_blocking(self._input, False)
        self._sending = threading.Lock()
        self._disposed = False
        self._tail: list[bytes] = []  # of a line that has not come to its end
        self._messages: deque[list[Any]] = deque()

    def _keep(self, launched: "queue.SimpleQueue[subprocess.Popen[bytes] | OSError]") -> None:
        try:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "medllm.engines.host"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors or subprocess.DEVNULL,
                bufsize=0,
                start_new_session=True,
                env={"GOMP_SPINCOUNT": _SPINS, **os.environ},
            )
        except OSError as error:
            launched.put(error)
            return
        launched.put(process)
        process.wait()

    @property
    def pid(self) -> int:
        """Process id of the host."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the host runs."""
        return self._process.poll() is None

    def kill(self) -> None:
        """Ends the host at once."""
        self._process.kill()

    def dispose(self) -> None:
        """Ends the host and frees its pipes; nothing may be sent or received after it."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self.kill()
        self._process.wait()
        with self._sending:
            self._disposed = True
            self._process.stdin.close()
            self._process.stdout.close()
        if self._errors:
            self._errors.close()

    def send(self, message: dict[str, Any], patience: float = _SEND_S) -> None:
        """Writes a message.

        Raises:
            EngineError: the host is gone, or does not read for `patience` seconds.
        """
        data = memoryview(json.dumps(message).encode() + b"\n")
        deadline = time.monotonic() + patience
        with self._sending:
            if self._disposed:  # the descriptor's number may be another file's by now
                raise EngineError("The engine has ended.", _RESTARTS)
            while data:
                _, ready, _ = select.select([], [self._input], [], deadline - time.monotonic())
                if not ready:
                    self.kill()
                    raise EngineError("The engine does not listen any more.", _RESTARTS)
                try:
                    data = data[os.write(self._input, data) :]
                except BlockingIOError:
                    continue
                except OSError as error:
                    raise self.ended() from error

    def receive(self, patience: float) -> list[Any] | None:
        """The next message; None where none comes for `patience` seconds.

        Raises:
            EngineError: the host is gone, or wrote what is no message.
        """
        if not self._messages:
            ready, _, _ = select.select([self._output], [], [], max(0.0, patience))
            if not ready:
                return None
            self._read()
            if not self._messages:
                return self.receive(patience)
        return self._messages.popleft()

    def _read(self) -> None:
        data = os.read(self._output, 1 << 16)
        if not data:
            raise self.ended()
        *lines, rest = data.split(b"\n")
        if lines:
            lines[0] = b"".join([*self._tail, lines[0]])
            self._tail.clear()
        self._tail.append(rest)
        try:
            for line in lines:
                self._messages.append(_parse(line))
        except ValueError as error:
            self.kill()
            raise EngineError(
                f"The engine wrote something that is not its protocol: {line[:60]!r}.", _RESTARTS
            ) from error

    def ended(self) -> EngineError:
        """The error that tells how the host, which is ending, ended."""
        try:
            code = self._process.wait(5)
        except subprocess.TimeoutExpired:
            self.kill()
            code = self._process.wait()
        return EngineError(f"The engine {_how(code)}{self._last_words()}.", _RESTARTS)

    def _last_words(self) -> str:
        """The last line that the host wrote to standard error."""
        if self._errors is None:
            return ""
        try:
            self._errors.seek(max(0, self._errors.seek(0, os.SEEK_END) - 4096))
            lines = self._errors.read().decode("utf-8", "replace").split("\n")
        except (OSError, ValueError):
            return ""
        last = next((line.strip() for line in reversed(lines) if line.strip()), "")
        return f": {last[:200].rstrip('.')}" if last else ""


def _parse(line: bytes) -> list[Any]:
    message = json.loads(line)
    if not isinstance(message, list) or not message:
        raise ValueError("not a message")
    return message


def _how(code: int) -> str:
    if code == -signal.SIGKILL:
        return "was killed, as happens when memory runs out"
    if code < 0:
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = f"signal {-code}"
        return f"crashed ({name})"
    return f"stopped with exit code {code}"


def _scratch() -> IO[bytes] | None:
    """A file for standard error: in memory or temporary, or none where neither can be had."""
    try:
        if hasattr(os, "memfd_create"):
            return os.fdopen(os.memfd_create("engine-errors"), "w+b", buffering=0)
        return tempfile.TemporaryFile(buffering=0)
    except OSError:
        return None
