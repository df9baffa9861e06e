"""The command `medtui`.

medtui                                  the terminal program
medtui ask "What is hypertension?"      one answer, for scripts
medtui doctor                           what works, and what to do about the rest
medtui pull OWNER/NAME                  fetches a model; the only command that goes online
"""

import os
import sys

from medllm import guard
from medllm.errors import MedLLMError

UNEXPECTED = 70
"""Exit code of a fault in the program itself (EX_SOFTWARE of sysexits.h)."""


def main() -> None:
    """Entry point: errors become one line and an exit code."""
    try:
        _run()
    except MedLLMError as error:
        _fail(error.line(), error.exit_code)
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        # Whoever read our output has gone; Python must not try to flush it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.exit(141)
    except Exception as error:
        if os.environ.get("MEDLLM_DEBUG"):
            raise
        what = " ".join(f"{type(error).__name__}: {error}".split())
        _fail(f"Something unexpected happened ({what}). MEDLLM_DEBUG=1 shows where.", UNEXPECTED)


def _run() -> None:
    if len(sys.argv) > 1:
        from medtui.commands import app

        app()
    else:  # typer would cost a fifth of the time to the first screen
        guard.install()
        from medtui.launch import run

        sys.exit(run(None))


def _fail(line: str, code: int) -> None:
    print(f"error: {line}".encode("utf-8", "replace").decode(), file=sys.stderr)
    sys.exit(code)
