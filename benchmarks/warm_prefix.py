"""Time to the first token of a second question against that of the first (warm prefix).

    python benchmarks/warm_prefix.py [--quick]

Both questions stand under the system prompt. Between the pairs another prompt is
asked, so that each first question finds nothing warm but the model itself.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

from medllm import card, paths, prompts
from medllm.engines.llamacpp import LlamaCppEngine
from medllm.engines.protocol import Request
from medllm.prompts import Message
from shapes import write_1b

_FIRST, _SECOND = "What is hypertension?", "Tell me about asthma."


def first_token_ms(engine: LlamaCppEngine, messages: tuple[Message, ...]) -> float:
    """Milliseconds from the call to the first token."""
    request = Request(messages, grammar=card.grammar(), openings=card.openings(), max_tokens=200)
    started = time.perf_counter()
    events = engine.stream(request)
    next(events)
    elapsed = (time.perf_counter() - started) * 1e3
    events.close()  # type: ignore[attr-defined]
    return elapsed


def compare(model: Path, runs: int) -> tuple[float, float]:
    """Median milliseconds of a first and of a second question."""
    engine = LlamaCppEngine(model)
    engine.load()
    other = prompts.messages("Something else.", system="Another system prompt.")
    first, second = [], []
    for _ in range(runs):
        first_token_ms(engine, other)
        first.append(first_token_ms(engine, prompts.messages(_FIRST)))
        second.append(first_token_ms(engine, prompts.messages(_SECOND)))
    engine.close()
    return statistics.median(first), statistics.median(second)


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer runs")
    runs = 2 if parser.parse_args().quick else 7
    print(f"{'model':12}{'first ms':>10}{'second ms':>11}{'ratio':>8}{'target':>10}")
    with tempfile.TemporaryDirectory() as folder:
        model = write_1b(Path(folder) / "random-1b.gguf")
        show("1B shape", compare(model, runs), "<= 0.25")
    if paths.builtin_model().exists():  # its template has no system turn: nothing much to keep
        show("mini", compare(paths.builtin_model(), runs), "-")


def show(name: str, times: tuple[float, float], target: str) -> None:
    """Prints one line."""
    first, second = times
    print(f"{name:12}{first:10.1f}{second:11.1f}{second / first:8.2f}{target:>10}")


if __name__ == "__main__":
    main()
