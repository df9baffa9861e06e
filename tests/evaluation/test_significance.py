"""Tests between two models, against scipy's and published values."""

import numpy as np
import pytest
from medeval.intervals import interval
from medeval.metrics.classification import macro_f1
from medeval.significance import holm, mcnemar, paired_bootstrap
from medeval.task import mean


def paired(both: int, lost: int, gained: int, neither: int) -> tuple[np.ndarray, np.ndarray]:
    base = np.repeat([1.0, 1.0, 0.0, 0.0], [both, lost, gained, neither])
    tuned = np.repeat([1.0, 0.0, 1.0, 0.0], [both, lost, gained, neither])
    return base, tuned


@pytest.mark.parametrize(
    ("lost", "gained", "p"),
    # statsmodels 0.15.0: mcnemar([[30, lost], [gained, 20]], exact=True).pvalue
    [(5, 15, 0.04138946533203125), (1, 9, 0.021484375), (10, 10, 1.0), (0, 3, 0.25)],
)
def test_mcnemar_equals_statsmodels(lost: int, gained: int, p: float) -> None:
    assert mcnemar(*paired(30, lost, gained, 20)) == pytest.approx(p)


def test_models_that_never_differ() -> None:
    assert mcnemar(*paired(5, 0, 0, 5)) == 1.0


def test_holm_equals_statsmodels() -> None:
    # statsmodels 0.15.0: multipletests([.01, .04, .03, .005, .5], method="holm")[1]
    assert holm([0.01, 0.04, 0.03, 0.005, 0.5]) == pytest.approx([0.04, 0.09, 0.09, 0.025, 0.5])
    assert holm([]) == []


def test_paired_bootstrap_finds_a_difference_and_none() -> None:
    random = np.random.default_rng(1)
    base = random.normal(0.5, 0.1, 200)
    better = base + random.normal(0.05, 0.05, 200)
    low, high, p = paired_bootstrap(mean, [base], [better])
    assert 0 < low < 0.05 < high < 0.07
    assert p <= 0.001
    low, high, p = paired_bootstrap(mean, [base], [random.permutation(base)])
    assert low < 0 < high
    assert p > 0.05
    assert paired_bootstrap(mean, [base], [base])[2] == 1.0


def test_pairing_narrows_the_interval() -> None:
    random = np.random.default_rng(2)
    base = random.normal(0.5, 0.2, 100)
    tuned = base + 0.02
    low, high, _ = paired_bootstrap(mean, [base], [tuned])
    assert high - low < 1e-6


def test_bootstrap_of_a_mean_comes_near_the_normal_interval() -> None:
    values = np.random.default_rng(3).normal(10, 2, 400)
    half = 1.959964 * values.std(ddof=1) / 20
    low, high = interval(mean, [values])
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.05)


def test_bootstrap_of_two_columns_keeps_rows_together() -> None:
    gold = np.tile([0.0, 1.0, 2.0], 40)
    said = np.where(np.arange(120) % 4 == 0, (gold + 1) % 3, gold)
    low, high = interval(macro_f1, [gold, said])
    assert low < macro_f1(gold, said) < high
    assert 0.1 < high - low < 0.2


def test_intervals_at_the_edges() -> None:
    assert interval(mean, [np.ones(10)], share=True) == pytest.approx((0.7225, 1.0), abs=1e-4)
    assert interval(mean, [np.full(10, 0.3)]) == pytest.approx((0.3, 0.3))
    assert all(np.isnan(interval(mean, [np.array([1.0])])))
