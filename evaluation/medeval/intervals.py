"""95% intervals: Wilson's for shares, the bootstrap for everything else."""

from collections.abc import Callable, Sequence
from math import nan, sqrt

import numpy as np
import numpy.typing as npt

Column = npt.NDArray[np.float64]

Z95 = 1.959964
"""Two-sided 95% quantile of the normal distribution."""


def wilson(hits: int, total: int) -> tuple[float, float]:
    """95% interval of a share (Wilson 1927, J. Am. Stat. Assoc. 22).

    Args:
        hits: how often it happened.
        total: out of how many; at least 1.
    """
    share, z2 = hits / total, Z95**2
    middle = (share + z2 / (2 * total)) / (1 + z2 / total)
    half = Z95 * sqrt(share * (1 - share) / total + z2 / (4 * total**2)) / (1 + z2 / total)
    return max(0.0, middle - half), min(1.0, middle + half)


RESAMPLES = 2000
"""Resamples of a bootstrap."""


def interval(
    function: Callable[..., float], columns: Sequence[Column], seed: int = 0, share: bool = False
) -> tuple[float, float]:
    """95% interval of `function(*columns)` over the rows.

    A share, the mean of zeros and ones, gets Wilson's interval, since the bootstrap has no width at
    0% and 100%. Everything else is resampled by row: bias-corrected and accelerated (Efron
    1987, J. Am. Stat. Assoc. 82) by scipy, or by percentiles where that has no value.

    Args:
        function: takes the columns, gives one number.
        columns: shape (rows,) each.
        seed: of the resampling.
        share: whether `function` is the mean of one column that counts.

    Returns:
        Lower and upper end; not numbers for fewer than two rows.
    """
    rows = len(columns[0])
    if rows < 2:
        return nan, nan
    if share and is_binary(columns[0]):
        return wilson(int(columns[0].sum()), rows)
    if all(np.ptp(column) == 0 for column in columns):
        value = function(*columns)
        return value, value
    for method in ("BCa", "percentile"):
        low, high = _bootstrap(function, columns, seed, method)
        if np.isfinite(low) and np.isfinite(high):
            return low, high
    return nan, nan


def is_binary(column: Column) -> bool:
    """Whether `column` holds zeros and ones alone."""
    return bool(np.isin(column, (0.0, 1.0)).all())


def _bootstrap(
    function: Callable[..., float], columns: Sequence[Column], seed: int, method: str
) -> tuple[float, float]:
    import warnings

    from scipy import stats

    with warnings.catch_warnings():  # it warns where BCa has no value; percentiles follow then
        warnings.simplefilter("ignore")
        found = stats.bootstrap(
            tuple(columns),
            function,
            paired=len(columns) > 1,
            vectorized=False,
            n_resamples=RESAMPLES,
            method=method,
            rng=np.random.default_rng(seed),
        ).confidence_interval
    return float(found.low), float(found.high)
