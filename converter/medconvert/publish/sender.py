"""The process that publishes: the only one of medconvert's that reaches beyond this machine.

It runs under the offline guard, which lets it reach the target's host and, for the Hub,
those hosts that the Hub names as the place for the weights; what converted and checked the
model keeps a guard that lets nothing through. It reads the plan as one line of JSON and
answers with lines of JSON.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from medllm import guard
from medllm.errors import MedLLMError

from medconvert.publish import hub, ollama
from medconvert.publish.bundle import Item, OllamaModel, Plan
from medconvert.publish.client import proxies
from medconvert.publish.target import Target, is_local

_EVERY_S = 0.1


def _plan_of(content: dict[str, Any]) -> Plan:
    """A plan as the parent wrote it; requests and notes were for people."""
    return Plan(
        target=Target(**content["target"]),
        items=tuple(_item_of(item) for item in content["items"]),
        requests=(),
        models=tuple(
            OllamaModel(model["name"], _item_of(model["item"]), model["settings"])
            for model in content["models"]
        ),
        private=content["private"],
        push=content["push"],
    )


def _item_of(content: dict[str, Any]) -> Item:
    return Item(**{**content, "file": Path(content["file"]) if content["file"] else None})


def _main() -> None:
    plan = _plan_of(json.loads(sys.stdin.readline()))
    host = plan.target.host
    hosts = {host} | {(urlsplit(proxy).hostname or "").lower() for proxy in proxies(host)}
    guard.install(allow_loopback=any(map(is_local, hosts)), hosts=hosts)
    shown = 0.0

    def progress(phase: str, done: int, total: int) -> None:
        nonlocal shown
        if done < total and time.monotonic() - shown < _EVERY_S:
            return
        shown = time.monotonic()
        print(json.dumps({"phase": phase, "done": done, "total": total}), flush=True)

    send = hub.send if plan.target.kind == "hf" else ollama.send
    try:
        answer = {"said": send(plan, hosts, progress)}
    except MedLLMError as error:
        answer = {"error": error.message, "hint": error.hint}
    except Exception as error:  # nothing of a request may be shown, so only its kind
        answer = {
            "error": f"Publishing failed unexpectedly ({type(error).__name__}).",
            "hint": "The same command goes on where it was.",
        }
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    _main()
