"""Answers of a GGUF to many questions, with one single-threaded engine a core."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from medllm import card, prompts
from medllm.engines.llamacpp import LlamaCppEngine
from medllm.engines.protocol import Request, Token


def request(question: str, grammar: bool, with_system: bool) -> Request:
    """A greedy request, held to the card's grammar or free."""
    return Request(
        messages=prompts.messages(question, prompts.SYSTEM if with_system else None),
        grammar=card.grammar() if grammar else None,
        openings=card.openings() if grammar else (),
    )


def answers(
    model: Path,
    questions: Sequence[str],
    grammar: bool,
    advance: Callable[[], None] = lambda: None,
) -> list[str]:
    """Greedy answers in the order of the questions.

    Args:
        model: a GGUF.
        questions: what is asked, each by itself.
        grammar: whether the answer is held to the card's grammar.
        advance: called after each answer.
    """
    found = [""] * len(questions)

    def share(first: int, step: int) -> None:
        engine = LlamaCppEngine(model, threads=1)
        try:
            with_system = engine.load().template_has_system
            for index in range(first, len(questions), step):
                events = engine.stream(request(questions[index], grammar, with_system))
                found[index] = "".join(e.text for e in events if isinstance(e, Token))
                advance()
        finally:
            engine.close()

    workers = max(1, min(os.cpu_count() or 1, len(questions)))
    with ThreadPoolExecutor(workers) as pool:
        for done in [pool.submit(share, first, workers) for first in range(workers)]:
            done.result()
    return found
