"""What tuning does to form and content: system A's table, base against tuned.

medeval tuning
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from medllm import card
from medllm.prompts import PHRASINGS
from medllm.reference import ReferenceCard, builtin_cards
from medllm.terminology.normalise import sentence_case

from medeval.generation import answers
from medeval.intervals import wilson
from medeval.metrics.rouge import rouge_l


@dataclass(frozen=True, slots=True)
class Asked:
    """A question with the card that it is about."""

    card: ReferenceCard
    question: str


@dataclass(frozen=True, slots=True)
class Share:
    """How many answers were adherent."""

    hits: int
    total: int

    def __str__(self) -> str:
        low, high = wilson(self.hits, self.total)
        return f"{self.hits / self.total:.1%} ({low:.1%} to {high:.1%})"


@dataclass(frozen=True, slots=True)
class TuningTable:
    """The figures of the table."""

    free_base: Share
    free_tuned: Share
    held_base: Share
    held_tuned: Share
    rouge_median: float
    rouge_tenth: float
    """The tenth percentile of ROUGE-L."""
    rouge_total: int

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)

    def markdown(self) -> str:
        """The table, with 95% intervals (Wilson)."""
        return "\n".join(
            [
                "| | base | tuned |",
                "|---|---|---|",
                f"| format adherence, no grammar, {self.free_base.total} questions on the test "
                f"cards | {self.free_base} | {self.free_tuned} |",
                f"| format adherence, with grammar, the same questions | {self.held_base} "
                f"| {self.held_tuned} |",
                f"| ROUGE-L against the card, {self.rouge_total} questions on the train cards, "
                f"no grammar: median (tenth percentile) | | {self.rouge_median:.3f} "
                f"({self.rouge_tenth:.3f}) |",
            ]
        )


def questions(split: str, limit: int = 0) -> list[Asked]:
    """Five questions a card of the split; with a limit, an even spread over cards and phrasings."""
    asked = [
        Asked(entry, phrasing.format(name=sentence_case(entry.term)))
        for entry in builtin_cards()
        if entry.split == split
        for phrasing in PHRASINGS
    ]
    if not limit or limit >= len(asked):
        return asked
    return [asked[index * len(asked) // limit] for index in range(limit)]


def measure(
    base: Path, tuned: Path, limit: int = 0, advance: Callable[[], None] = lambda: None
) -> TuningTable:
    """Asks both models and scores the answers.

    Args:
        base: GGUF of the model before tuning.
        tuned: GGUF of the model after it.
        limit: questions a split; 0 asks all.
        advance: called after each answer.
    """
    form, content = questions("test", limit), questions("train", limit)

    def adherence(model: Path, grammar: bool) -> Share:
        return _share(answers(model, [a.question for a in form], grammar, advance))

    said = answers(tuned, [a.question for a in content], False, advance)
    scores = sorted(rouge_l(t, a.card.text) for t, a in zip(said, content, strict=True))
    return TuningTable(
        free_base=adherence(base, False),
        free_tuned=adherence(tuned, False),
        held_base=adherence(base, True),
        held_tuned=adherence(tuned, True),
        rouge_median=median(scores),
        rouge_tenth=scores[len(scores) // 10],
        rouge_total=len(scores),
    )


def _share(texts: Sequence[str]) -> Share:
    return Share(sum(card.adherent(text.strip()) for text in texts), len(texts))
