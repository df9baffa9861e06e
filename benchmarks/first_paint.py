"""Time from process start to the first painted screen: medtui against a bare Textual app.

    python benchmarks/first_paint.py [--runs N]

Both run in a pseudo-terminal, in turns. A screen counts as painted when its last
line of text has arrived at the terminal. Prints the ratio of the medians, and
which of the heavy packages medtui had imported by then (none may be).
"""

import argparse
import fcntl
import os
import pty
import select
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import time

HEAVY = ("torch", "transformers", "llama_cpp", "numpy")
TARGET = 1.5
_BARE = """
from textual.app import App
from textual.widgets import Static

class Hello(App):
    def compose(self):
        yield Static("Hello, world")

Hello().run()
"""
_MEDTUI = """
from medtui.cli import main
main()
"""
# The same with a look at the modules when the first frame leaves, for the last line printed.
_LOOKING = """
import sys
from textual.drivers.linux_driver import LinuxDriver
write = LinuxDriver.write

def noting(self, data):
    if "refused" in data:
        LinuxDriver.write = write
        data += "<" + ",".join(m for m in {heavy!r} if m in sys.modules) + ":imported>"
    write(self, data)

LinuxDriver.write = noting
"""


def until_seen(script: str, wanted: bytes, home: str, seconds: float = 30) -> tuple[float, bytes]:
    """Milliseconds until `wanted` has arrived at the terminal, and all that had."""
    outer, inner = pty.openpty()
    fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    environment = {**os.environ, "TERM": "xterm-256color", "MEDLLM_HOME": home}
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=inner,
        stdout=inner,
        stderr=inner,
        env=environment,
        start_new_session=True,
    )
    os.close(inner)
    seen = b""
    try:
        while wanted not in seen:
            left = started + seconds - time.perf_counter()
            ready, _, _ = select.select([outer], [], [], max(0.0, left))
            if not ready:
                raise SystemExit(f"{wanted!r} did not appear in {seconds:.0f} seconds: {seen!r}")
            seen += os.read(outer, 1 << 16)
        return (time.perf_counter() - started) * 1e3, seen
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        os.close(outer)


def main() -> None:
    """Measures and prints; exits with 1 where the target is missed."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--runs", type=int, default=15)
    runs = options.parse_args().runs
    bare, ours = [], []
    with tempfile.TemporaryDirectory() as home:
        for _ in range(runs + 1):
            bare.append(until_seen(_BARE, b"Hello, world", home)[0])
            ours.append(until_seen(_MEDTUI, b"refused connections", home)[0])
        looking = _LOOKING.format(heavy=HEAVY) + _MEDTUI
        _, seen = until_seen(looking, b":imported>", home)
    bare_ms, our_ms = statistics.median(bare[1:]), statistics.median(ours[1:])
    imported = seen.partition(b":imported>")[0].rpartition(b"<")[2].decode()
    print(f"bare Textual app  {bare_ms:6.0f} ms")
    print(f"medtui            {our_ms:6.0f} ms")
    print(f"ratio             {our_ms / bare_ms:6.2f}  (target: at most {TARGET})")
    print(f"imported by then: {imported or 'none'} of {', '.join(HEAVY)}")
    sys.exit(our_ms / bare_ms > TARGET or bool(imported))


if __name__ == "__main__":
    main()
