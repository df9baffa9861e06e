"""Measures over labels, coded as numbers from 0; -1 stands for an answer without a label."""

import numpy as np
import numpy.typing as npt

Column = npt.NDArray[np.float64]


def macro_f1(gold: Column, said: Column) -> float:
    """Mean F1 over the labels that occur in either column, as scikit-learn counts it.

    An answer without a label is a miss of its gold; "no label" has no F1 of its own.
    """
    labels = np.unique(np.concatenate([gold, said[said >= 0]]))
    scores = []
    for label in labels:
        hits = np.count_nonzero((gold == label) & (said == label))
        named = np.count_nonzero(gold == label) + np.count_nonzero(said == label)
        scores.append(2 * hits / named)
    return float(np.mean(scores))
