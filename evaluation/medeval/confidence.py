"""Fits how sure answers are: from log-probabilities to the probability of being right.

Half of the answers, chosen by the hash of their id, is fitted on; the other half tells how
well that held. A second fit takes agreement over seeds with it, for answers that were drawn
several times; it is kept where it has the lower Brier score on the half that is fitted on.
"""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from medllm.confidence import ConfidenceCurve, Joint
from medllm.errors import DataError
from pydantic import ValidationError

from medeval.intervals import Column
from medeval.metrics.calibration import aurc, brier, expected_calibration_error
from medeval.results import Report, Row

TASK = "confidence"
NAME = "confidence.json"
"""The curve in the folder of the run that it was fitted on."""
LEAST = 40
"""Fewer answers on either half tell too little."""
_PLATT_KNOTS = 33

Features = npt.NDArray[np.float64]
"""Shape: (answers, 1 or 2); log-probability, then agreement."""
Fit = Callable[[Features, Column], Callable[[Features], Column]]


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
    loss, method = min((_cross_validated(_by_curve(name), x[:, None], y), name) for name in methods)
    joint = None
    if all(_agreement(r) is not None for r in found):
        both = _features(fitted)
        if _cross_validated(_by_joint, both, y) < loss:
            joint = _joint(both, y)
    curve = ConfidenceCurve(
        model_sha256=report.model.get("sha256", ""),
        prompt_version=report.prompt_version,
        method=method,
        knots=_knots(method, x, y),
        joint=joint,
        answers=len(fitted),
        held_answers=len(held),
        held={},
    )
    return curve.model_copy(update={"held": _judged(held, curve)})


def held_back(rows: Sequence[Row], curve: ConfidenceCurve) -> tuple[Column, Column]:
    """How sure the curve is of the answers that it was not fitted on, and which are right.

    Returns:
        Probabilities, and 1 for right; shape (answers,) each.
    """
    held = [
        r
        for r in rows
        if r.task == TASK and r.values.get("logprob") is not None and not _is_for_fit(r.id)
    ]
    return _sure(held, curve), _column(held, "kept")


def of_run(folder: Path, report: Report) -> ConfidenceCurve | None:
    """The curve that was fitted on this run, and on no other model's; None where there is none."""
    try:
        text = (folder / NAME).read_text(encoding="utf-8")
        curve = ConfidenceCurve.model_validate_json(text)
    except (OSError, ValueError, ValidationError):
        return None
    return curve if curve.model_sha256 == report.model.get("sha256") and curve.knots else None


def _judged(rows: Sequence[Row], curve: ConfidenceCurve) -> dict[str, float]:
    """How the curve does on answers that it was not fitted on, beside raw probabilities."""
    logprob, right = _column(rows, "logprob"), _column(rows, "kept")
    alone = curve.model_copy(update={"joint": None})
    sure, raw = _sure(rows, alone), np.exp(logprob)
    found = {
        "share right": float(right.mean()),
        "ECE": expected_calibration_error(sure, right),
        "ECE of raw probability": expected_calibration_error(raw, right),
        "Brier score": brier(sure, right),
        "Brier score of raw probability": brier(raw, right),
        "AURC": aurc(sure, right),
    }
    if all(_agreement(r) is not None for r in rows):
        found["AURC of agreement over seeds"] = aurc(_column(rows, "agreement"), right)
    if curve.joint:
        both = _sure(rows, curve)
        found["ECE with agreement"] = expected_calibration_error(both, right)
        found["Brier score with agreement"] = brier(both, right)
        found["AURC with agreement"] = aurc(both, right)
    return {name: round(value, 4) for name, value in found.items()}


def _cross_validated(fit_on: Fit, x: Features, y: Column) -> float:
    """Brier score over five folds."""
    folds = np.arange(len(x)) % 5
    guessed = np.empty_like(y)
    for fold in range(5):
        inside = folds != fold
        if np.ptp(y[inside]) == 0:
            guessed[~inside] = y[inside][0]
            continue
        guessed[~inside] = fit_on(x[inside], y[inside])(x[~inside])
    return brier(guessed, y)


def _by_curve(method: Literal["isotonic", "Platt"]) -> Fit:
    """Log-probability alone."""

    def fit_on(x: Features, y: Column) -> Callable[[Features], Column]:
        knots = np.array(_knots(method, x[:, 0], y)).T
        return lambda at: np.interp(at[:, 0], *knots)

    return fit_on


def _by_joint(x: Features, y: Column) -> Callable[[Features], Column]:
    """Log-probability and agreement."""
    joint = _joint(x, y)
    return lambda at: np.array([joint.probability(a, b) for a, b in at])


def _joint(x: Features, y: Column) -> Joint:
    from sklearn.linear_model import LogisticRegression

    model: Any = LogisticRegression(C=1e3).fit(x, y)
    logprob, agreement = (round(float(c), 6) for c in model.coef_[0])
    return Joint(
        intercept=round(float(model.intercept_[0]), 6), logprob=logprob, agreement=agreement
    )


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


def _sure(rows: Sequence[Row], curve: ConfidenceCurve) -> Column:
    logprobs = _column(rows, "logprob").tolist()
    return np.array(
        [curve.probability(x, _agreement(r)) for x, r in zip(logprobs, rows, strict=True)]
    )


def _features(rows: Sequence[Row]) -> Features:
    return np.stack([_column(rows, "logprob"), _column(rows, "agreement")], axis=1)


def _agreement(row: Row) -> float | None:
    return row.values.get("agreement")


def _column(rows: Sequence[Row], name: str) -> Column:
    return np.array([r.values[name] for r in rows], dtype=np.float64)


def _is_for_fit(id_: str) -> bool:
    return hashlib.sha256(f"fit:{id_}".encode()).digest()[0] % 2 == 0
