"""A real pseudo-terminal with a program in it, and a screen that can be read (pyte)."""

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Sequence

import pyte


class Terminal:
    """Runs a command; use as a context manager.

    Args:
        command: what to run.
        columns: width.
        lines: height.
        environment: variables beside those of the test.
    """

    def __init__(
        self, command: Sequence[str], columns: int = 80, lines: int = 24, **environment: str
    ) -> None:
        self.screen = pyte.Screen(columns, lines)
        self._stream = pyte.ByteStream(self.screen)
        self.written = b""
        self.frames: list[str] = []
        self._main, inner = pty.openpty()
        fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self.process = subprocess.Popen(
            command,
            stdin=inner,
            stdout=inner,
            stderr=inner,
            env={**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor", **environment},
            start_new_session=True,
            preexec_fn=_take_terminal,  # noqa: PLW1509 - one system call
        )
        os.close(inner)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> "Terminal":
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self._reader.join(5)
        os.close(self._main)

    @property
    def text(self) -> str:
        """What the screen shows."""
        return "\n".join(line.rstrip() for line in self.screen.display)

    def wait_for(self, *wanted: str, seconds: float = 20) -> str:
        """Waits until the screen shows all of `wanted`."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            text = self.text
            if all(piece in text for piece in wanted):
                return text
            time.sleep(0.02)
        raise AssertionError(f"{wanted} did not appear on:\n{self.text}")

    def send(self, keys: str) -> None:
        """Types."""
        os.write(self._main, keys.encode())

    def ends(self, seconds: float = 10) -> int:
        """Waits for the program's end; its exit code."""
        code = self.process.wait(seconds)
        self._reader.join(2)
        return code

    def _read(self) -> None:
        while True:
            ready, _, _ = select.select([self._main], [], [], 0.1)
            if not ready:
                if self.process.poll() is not None:
                    return
                continue
            try:
                data = os.read(self._main, 1 << 16)
            except OSError:  # the other end is closed
                return
            self.written += data
            self._stream.feed(data)
            self.frames.append(self.text)


def _take_terminal() -> None:
    """Makes standard input the terminal that Ctrl-C and hang-ups come from."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
