"""Publishing in a process of its own (`sender`), so that this one's guard stays as it is."""

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import asdict
from typing import Any

from medllm.errors import ConversionError

from medconvert.publish.bundle import Plan, Progress

# The Hub's library would tell it more than a publication needs, and in ways of its own.
_ENVIRONMENT = {"HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_XET": "1"}


def run(plan: Plan, progress: Progress | None = None) -> str:
    """Publishes, in a process of its own.

    Args:
        plan: as `medconvert.publish.plan` made it.
        progress: is told phases, bytes done and bytes to do.

    Returns:
        One line on what was done.

    Raises:
        MedLLMError: one line on what stands in the way, and what to do.
    """
    command = [sys.executable, "-P", "-m", "medconvert.publish.sender"]
    answer: dict[str, Any] = {}
    with tempfile.TemporaryFile("w+", encoding="utf-8") as wanted:
        json.dump(asdict(plan), wanted, default=str)
        wanted.seek(0)
        with subprocess.Popen(
            command,
            env={**os.environ, **_ENVIRONMENT},
            stdin=wanted,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            encoding="utf-8",
        ) as process:
            assert process.stdout
            try:
                for line in process.stdout:
                    answer = json.loads(line)
                    if "phase" in answer and progress:
                        progress(answer["phase"], answer["done"], answer["total"])
            except BaseException:
                process.kill()
                raise
    if "error" in answer:
        raise ConversionError(answer["error"], answer["hint"])
    if "said" not in answer:
        raise ConversionError(
            "The publication ended without an answer.", "The same command goes on where it was."
        )
    return str(answer["said"])
