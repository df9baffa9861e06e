"""Whether one model is better than another on the same questions."""

from collections.abc import Callable, Sequence

import numpy as np

from medeval.intervals import RESAMPLES, Column


def mcnemar(base: Column, tuned: Column) -> float:
    """Two-sided p of McNemar's exact test on paired zeros and ones.

    McNemar 1947, Psychometrika 12; the exact form is a binomial test over the pairs that
    differ. 1 where none does.
    """
    from scipy import stats

    gained = int(((base == 0) & (tuned == 1)).sum())
    lost = int(((base == 1) & (tuned == 0)).sum())
    if gained + lost == 0:
        return 1.0
    return float(stats.binomtest(gained, gained + lost).pvalue)


def paired_bootstrap(
    function: Callable[..., float],
    base: Sequence[Column],
    tuned: Sequence[Column],
    seed: int = 0,
) -> tuple[float, float, float]:
    """The difference `function(*tuned) - function(*base)` under resampling of the questions.

    Args:
        function: takes the columns of one model.
        base: columns of one model, shape (questions,) each.
        tuned: the same of the other model, row by row the same questions.
        seed: of the resampling.

    Returns:
        Lower and upper end of the 95% percentile interval, and the two-sided p that the
        difference is zero: twice the smaller share of resamples on one side of it
        (Efron and Tibshirani 1993, chapter 16), at least 1 / resamples.
    """
    rows = len(base[0])
    random = np.random.default_rng(seed)
    found = np.empty(RESAMPLES)
    for index in range(RESAMPLES):
        chosen = random.integers(0, rows, rows)
        found[index] = function(*(c[chosen] for c in tuned)) - function(*(c[chosen] for c in base))
    low, high = np.percentile(found, (2.5, 97.5))
    share = min((found <= 0).mean(), (found >= 0).mean())
    return float(low), float(high), float(min(1.0, max(2 * share, 1 / RESAMPLES)))


def holm(p_values: Sequence[float]) -> list[float]:
    """P values corrected for their number (Holm 1979, Scand. J. Stat. 6), in the same order."""
    count = len(p_values)
    corrected, largest = [0.0] * count, 0.0
    for rank, index in enumerate(sorted(range(count), key=lambda i: p_values[i])):
        largest = max(largest, min(1.0, (count - rank) * p_values[index]))
        corrected[index] = largest
    return corrected
