"""Starts the app: settings, model, terminal."""

import sys
from pathlib import Path

from medllm import paths
from medllm.errors import StorageError, UsageError

from medtui import settings
from medtui.app import MedTui
from medtui.session import Session, llama_cpp


def run(model: Path | None) -> int:
    """Runs the app; returns the exit code.

    Args:
        model: a model file; None takes the settings' one or the built-in one.

    Raises:
        UsageError: there is no terminal.
        ModelError: the named model can't be used.
    """
    if not (sys.stdin and sys.stdin.isatty() and sys.__stderr__ and sys.__stderr__.isatty()):
        raise UsageError("medtui needs a terminal.", 'For scripts there is: medtui ask "..."')
    remembered, trouble = settings.Settings(), None
    try:
        remembered = settings.load()
    except StorageError as error:
        trouble = error
    if model:
        from medllm import models

        models.check(model)
    chosen = model or remembered.model or paths.builtin_model()
    session = Session(llama_cpp(chosen), paths.history_file())
    app = MedTui(session, remembered.theme, trouble)
    try:
        app.run()
    finally:
        session.close()
    if app._exception:
        raise app._exception
    return app.return_code or 0
