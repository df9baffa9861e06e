"""Work that could crash or print runs in a process of its own and answers with a JSON object.

Each line that it prints is one; `{"done": 3, "total": 8}` is progress, the last line the answer.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from typing import Any

from medllm.errors import ConversionError

# Threads that wait by spinning take the cores from those that work.
_ENVIRONMENT = {"GOMP_SPINCOUNT": "2000", "TOKENIZERS_PARALLELISM": "false"}

Progress = Callable[[int, int], None]
"""Called with what is done and what there is to do."""


def run(
    module: str, arguments: Sequence[str], doing: str, progress: Progress | None = None
) -> dict[str, Any]:
    """Runs `python -m module arguments` offline and reads its answer.

    Args:
        doing: what it is for, for the message of an error.
        progress: is told what the child reports.

    Raises:
        ConversionError: it crashed or gave no answer.
    """
    # -P: a file of the user's that has a module's name must not be imported.
    command = [sys.executable, "-P", "-m", module, *arguments]
    environment = {**_ENVIRONMENT, **os.environ, "HF_HUB_OFFLINE": "1"}
    found: dict[str, Any] | None = None
    with (
        tempfile.TemporaryFile() as said,
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=said, env=environment, text=True
        ) as process,
    ):
        assert process.stdout
        try:
            for line in process.stdout:
                found = _object(line)
                if found and found.keys() == {"done", "total"}:
                    if progress:
                        progress(found["done"], found["total"])
                    found = None
        except BaseException:
            process.kill()
            raise
        code = process.wait()
        said.seek(0)
        complaint = said.read().decode("utf-8", "replace").strip().splitlines() or ["nothing"]
    if code < 0:
        name = signal.Signals(-code).name
        raise ConversionError(f"While {doing}, the helper process crashed ({name}).")
    if found is None:
        raise ConversionError(f"While {doing}, a helper process failed: {complaint[-1]}")
    return found


def _object(line: str) -> dict[str, Any] | None:
    try:
        content = json.loads(line)
    except ValueError:
        return None
    return content if isinstance(content, dict) else None


def report(done: int, total: int) -> None:
    """Tells the parent process how far the work is."""
    print(json.dumps({"done": done, "total": total}), flush=True)


def answer(content: dict[str, Any]) -> None:
    """Prints the answer of a child process."""
    print(json.dumps(content), flush=True)
