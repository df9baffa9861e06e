"""Calibration and label measures against scikit-learn on the same inputs."""

import numpy as np
import pytest
from medeval.metrics.calibration import (
    BINS,
    aurc,
    brier,
    expected_calibration_error,
    reliability,
    risk_coverage,
)
from medeval.metrics.classification import macro_f1
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss, f1_score

SEEDS = range(5)


def drawn(seed: int, size: int = 400) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    confidence = random.beta(4, 2, size)
    return confidence, (random.random(size) < confidence**1.5).astype(float)


@pytest.mark.parametrize("seed", SEEDS)
def test_brier_equals_scikit_learn(seed: int) -> None:
    confidence, correct = drawn(seed)
    assert brier(confidence, correct) == pytest.approx(brier_score_loss(correct, confidence))


@pytest.mark.parametrize("seed", SEEDS)
def test_calibration_equals_scikit_learns_curve(seed: int) -> None:
    confidence, correct = drawn(seed)
    right, sure = calibration_curve(correct, confidence, n_bins=BINS)
    mine = reliability(confidence, correct)
    assert [a for a, _, _ in mine] == pytest.approx(sure.tolist())
    assert [b for _, b, _ in mine] == pytest.approx(right.tolist())
    sizes = [n for _, _, n in mine]
    wanted = np.average(np.abs(right - sure), weights=sizes)
    assert expected_calibration_error(confidence, correct) == pytest.approx(wanted)
    assert sum(sizes) == len(confidence)


def test_ece_of_perfect_and_of_vain_confidence() -> None:
    assert expected_calibration_error(np.full(10, 0.7), np.array([1.0] * 7 + [0.0] * 3)) == (
        pytest.approx(0.0)
    )
    assert expected_calibration_error(np.ones(4), np.zeros(4)) == 1.0
    assert expected_calibration_error(np.zeros(4), np.zeros(4)) == 0.0


def test_risk_and_coverage_by_hand() -> None:
    coverage, risk = risk_coverage(np.array([0.9, 0.8, 0.7, 0.6]), np.array([1.0, 0.0, 1.0, 0.0]))
    assert coverage.tolist() == [0.25, 0.5, 0.75, 1.0]
    assert risk.tolist() == pytest.approx([0, 1 / 2, 1 / 3, 1 / 2])
    assert aurc(np.array([0.9, 0.8, 0.7, 0.6]), np.array([1.0, 0.0, 1.0, 0.0])) == (
        pytest.approx((0 + 1 / 2 + 1 / 3 + 1 / 2) / 4)
    )


def test_equal_confidence_is_taken_in_no_order() -> None:
    same = np.full(6, 0.5)
    right = np.array([1.0, 1.0, 1.0, 0.0, 0.0, 0.0])
    assert aurc(same, right) == aurc(same, right[::-1]) == pytest.approx(0.5)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("labels", [2, 3, 5])
def test_macro_f1_equals_scikit_learn(seed: int, labels: int) -> None:
    random = np.random.default_rng(seed)
    gold = random.integers(0, labels, 60).astype(float)
    said = np.where(random.random(60) < 0.6, gold, random.integers(0, labels, 60))
    assert macro_f1(gold, said) == pytest.approx(f1_score(gold, said, average="macro"))


def test_macro_f1_without_labels_is_scikit_learns_over_the_labels_that_are() -> None:
    gold = np.array([0.0, 1, 2, 0, 1, 2])
    said = np.array([0.0, -1, 2, -1, 1, 0])
    wanted = f1_score(gold, said, labels=[0, 1, 2], average="macro")
    assert macro_f1(gold, said) == pytest.approx(wanted)
