"""The command `medtui`.

medtui                                  the terminal program
medtui ask "What is hypertension?"      one answer, for scripts
medtui doctor                           what works, and what to do about the rest
medtui pull OWNER/NAME                  fetches a model; the only command that goes online
"""

import sys

from medllm import command, guard


def main() -> None:
    """Entry point."""
    command.run(_run)


def _run() -> None:
    if len(sys.argv) > 1:
        from medtui.commands import app

        app()
    else:  # typer would cost a fifth of the time to the first screen
        guard.install()
        from medtui.launch import run

        sys.exit(run(None))
