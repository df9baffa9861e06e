"""How every command ends: errors become one line and an exit code, no traceback reaches a user."""

import os
import sys
from collections.abc import Callable
from typing import NoReturn

from medllm.errors import MedLLMError

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells count it: 128 and the signal's number."""
BROKEN_PIPE = 141
UNEXPECTED = 70
"""Exit code of a fault of ours (EX_SOFTWARE of sysexits.h)."""


def run(action: Callable[[], object]) -> None:
    """Runs a command's action and leaves the program with its exit code where it fails."""
    try:
        action()
    except MedLLMError as error:
        stopped = error.exit_code == INTERRUPTED
        _leave(error.line() if stopped else f"error: {error.line()}", error.exit_code)
    except KeyboardInterrupt:
        _leave("Stopped.", INTERRUPTED)
    except BrokenPipeError:
        # Whoever read our output has gone; Python must not try to flush it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.exit(BROKEN_PIPE)
    except Exception as error:
        if os.environ.get("MEDLLM_DEBUG"):
            raise
        what = " ".join(f"{type(error).__name__}: {error}".split())
        _leave(
            f"error: Something unexpected happened ({what}). MEDLLM_DEBUG=1 shows where.",
            UNEXPECTED,
        )


def _leave(line: str, code: int) -> NoReturn:
    print(line.encode("utf-8", "replace").decode(), file=sys.stderr)
    sys.exit(code)
