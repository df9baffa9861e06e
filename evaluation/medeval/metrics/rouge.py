"""ROUGE-L, by the package rouge-score."""

from functools import cache
from typing import Any


@cache
def _scorer() -> Any:
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer(["rougeL"])


def rouge_l(answer: str, reference: str) -> float:
    """ROUGE-L F-measure (Lin 2004), without stemming, 0 to 1."""
    return float(_scorer().score(reference, answer)["rougeL"].fmeasure)
