"""Questions with options."""

from collections.abc import Sequence

from medeval.choice import LETTERS


def listed(question: str, options: Sequence[str]) -> str:
    """A question with its options under letters, and no word on how to answer."""
    lines = [f"{letter}. {text}" for letter, text in zip(LETTERS, options, strict=False)]
    return "\n".join([question, "", *lines])
