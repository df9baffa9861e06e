"""Work that could crash or print runs in a process of its own and answers with a JSON object."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from medllm.errors import ConversionError


def run(module: str, arguments: Sequence[str], doing: str) -> dict[str, Any]:
    """Runs `python -m module arguments` offline and reads its answer.

    Args:
        doing: what it is for, for the message of an error.

    Raises:
        ConversionError: it crashed or gave no answer.
    """
    # -P: a file of the user's that has a module's name must not be imported.
    command = [sys.executable, "-P", "-m", module, *arguments]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    done = subprocess.run(command, capture_output=True, env=environment, check=False)
    if done.returncode < 0:
        name = signal.Signals(-done.returncode).name
        raise ConversionError(f"While {doing}, llama.cpp crashed ({name}).")
    try:
        answer = json.loads(done.stdout.decode().strip().splitlines()[-1])
    except (ValueError, IndexError):
        said = done.stderr.decode("utf-8", "replace").strip().splitlines() or ["nothing"]
        raise ConversionError(f"While {doing}, a helper process failed: {said[-1]}") from None
    if not isinstance(answer, dict):
        raise ConversionError(f"While {doing}, a helper process answered nonsense.")
    return answer


def answer(content: dict[str, Any]) -> None:
    """Prints the answer of a child process."""
    print(json.dumps(content), flush=True)
