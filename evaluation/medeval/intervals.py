"""Intervals for shares."""

from math import sqrt

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
