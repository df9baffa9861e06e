"""Fits how sure answers are: from log-probabilities to the probability of being right.

Half of the answers, chosen by the hash of their id, is fitted on; the other half tells how
well that held. Agreement over seeds is judged beside it: it costs further answers, so
what users are shown goes by log-probability alone.
"""

import hashlib
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from medllm.confidence import ConfidenceCurve
from medllm.errors import DataError

from medeval.intervals import Column
from medeval.metrics.calibration import aurc, brier, expected_calibration_error
from medeval.results import Report, Row

TASK = "confidence"
LEAST = 40
"""Fewer answers on either half tell too little."""
_PLATT_KNOTS = 33


def fit(report: Report, rows: Sequence[Row]) -> ConfidenceCurve:
    """The curve of the model that the report is of.

    Isotonic regression or Platt's, whichever has the lower Brier score in five-fold
    cross-validation on the half that is fitted on.

    Raises:
        DataError: the run has no answers of the task, too few, or all alike.
    """
    found = [r for r in rows if r.task == TASK and r.values.get("logprob") is not None]
    fitted = [r for r in found if _is_for_fit(r.id)]
    held = [r for r in found if not _is_for_fit(r.id)]
    if min(len(fitted), len(held)) < LEAST:
        raise DataError(
            f"{len(found)} answers of the task {TASK} are too few to fit on and to judge by.",
            f"Run medeval run --task {TASK} without --limit first.",
        )
    x, y = _column(fitted, "logprob"), _column(fitted, "kept")
    if np.ptp(y) == 0:
        raise DataError(
            f"All {len(y)} answers are {'right' if y[0] else 'wrong'}, so there is nothing to fit.",
            "Confidence can't be told for this model from this task.",
        )
    methods: tuple[Literal["isotonic", "Platt"], ...] = ("isotonic", "Platt")
    method = min(methods, key=lambda name: _cross_validated(name, x, y))
    knots = _knots(method, x, y)
    return ConfidenceCurve(
        model_sha256=report.model.get("sha256", ""),
        prompt_version=report.prompt_version,
        method=method,
        knots=knots,
        answers=len(fitted),
        held_answers=len(held),
        held=_judged(held, knots),
    )


def _judged(rows: Sequence[Row], knots: Sequence[tuple[float, float]]) -> dict[str, float]:
    """How the curve does on answers that it was not fitted on, beside raw probabilities."""
    logprob, right = _column(rows, "logprob"), _column(rows, "kept")
    sure = np.interp(logprob, *np.array(knots).T)
    raw = np.exp(logprob)
    found = {
        "share right": float(right.mean()),
        "ECE": expected_calibration_error(sure, right),
        "ECE of raw probability": expected_calibration_error(raw, right),
        "Brier score": brier(sure, right),
        "Brier score of raw probability": brier(raw, right),
        "AURC": aurc(sure, right),
    }
    if all(r.values.get("agreement") is not None for r in rows):
        found["AURC of agreement over seeds"] = aurc(_column(rows, "agreement"), right)
    return {name: round(value, 4) for name, value in found.items()}


def _cross_validated(method: Literal["isotonic", "Platt"], x: Column, y: Column) -> float:
    """Brier score over five folds."""
    folds = np.arange(len(x)) % 5
    guessed = np.empty_like(y)
    for fold in range(5):
        inside = folds != fold
        if np.ptp(y[inside]) == 0:
            guessed[~inside] = y[inside][0]
            continue
        guessed[~inside] = np.interp(x[~inside], *np.array(_knots(method, x[inside], y[inside])).T)
    return brier(guessed, y)


def _knots(
    method: Literal["isotonic", "Platt"], x: Column, y: Column
) -> tuple[tuple[float, float], ...]:
    """The fitted curve as points."""
    if method == "isotonic":
        from sklearn.isotonic import IsotonicRegression

        model: Any = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip").fit(x, y)
        points = zip(model.X_thresholds_, model.y_thresholds_, strict=True)
    else:
        from sklearn.linear_model import LogisticRegression

        model = LogisticRegression(C=1e3).fit(x[:, None], y)
        at = np.linspace(x.min(), x.max(), _PLATT_KNOTS)
        points = zip(at, model.predict_proba(at[:, None])[:, 1], strict=True)
    return tuple((round(float(a), 6), round(float(b), 6)) for a, b in points)


def _column(rows: Sequence[Row], name: str) -> Column:
    return np.array([r.values[name] for r in rows], dtype=np.float64)


def _is_for_fit(id_: str) -> bool:
    return hashlib.sha256(f"fit:{id_}".encode()).digest()[0] % 2 == 0
