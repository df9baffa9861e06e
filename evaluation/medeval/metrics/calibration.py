"""How far confidence can be trusted: calibration, and what answering less gains."""

import numpy as np
import numpy.typing as npt

Column = npt.NDArray[np.float64]
BINS = 10


def expected_calibration_error(confidence: Column, correct: Column) -> float:
    """Mean distance of confidence from accuracy over ten bins of equal width, by their size.

    Guo, Pleiss, Sun and Weinberger 2017, "On calibration of modern neural networks", ICML.
    """
    bins = _bin_of(confidence)
    total = 0.0
    for index in np.unique(bins):
        inside = bins == index
        total += inside.sum() * abs(confidence[inside].mean() - correct[inside].mean())
    return float(total / len(confidence))


def brier(confidence: Column, correct: Column) -> float:
    """Mean squared distance of confidence from being right (Brier 1950, Mon. Weather Rev. 78)."""
    return float(((confidence - correct) ** 2).mean())


def reliability(confidence: Column, correct: Column) -> list[tuple[float, float, int]]:
    """Mean confidence, accuracy and size of each bin that is not empty."""
    bins = _bin_of(confidence)
    return [
        (
            float(confidence[bins == b].mean()),
            float(correct[bins == b].mean()),
            int((bins == b).sum()),
        )
        for b in np.unique(bins)
    ]


def risk_coverage(confidence: Column, correct: Column) -> tuple[Column, Column]:
    """Share answered, and share of errors among it, as the threshold falls.

    El-Yaniv and Wiener 2010, J. Mach. Learn. Res. 11. Answers of equal confidence are taken
    in random order, on average: each counts as their share of errors.

    Returns:
        Coverage 1/n to 1, and the risk at each; shape (answers,) each.
    """
    order = np.argsort(-confidence, kind="stable")
    sure, errors = confidence[order], 1.0 - correct[order]
    _, start, size = np.unique(-sure, return_index=True, return_counts=True)
    errors = np.repeat(np.add.reduceat(errors, start) / size, size)
    answered = np.arange(1, len(errors) + 1)
    return answered / len(errors), np.cumsum(errors) / answered


def aurc(confidence: Column, correct: Column) -> float:
    """Area under the risk-coverage curve: the mean risk over all coverages."""
    return float(risk_coverage(confidence, correct)[1].mean())


def _bin_of(confidence: Column) -> npt.NDArray[np.int64]:
    """Bins (0, 0.1], (0.1, 0.2], ...; 0 itself is in the first."""
    edges = np.linspace(0.0, 1.0, BINS + 1)
    return np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, BINS - 1)
