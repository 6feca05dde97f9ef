"""Bounds of a share: what is published, what SciPy says, and how often they hold."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import binom, binomtest

from custrel.stats.proportion import BOUNDS_OF_A_SHARE


@pytest.mark.parametrize(
    ("k", "n", "name", "expected"),
    [
        (45, 60, "wilson", (0.627679, 0.842235)),
        (45, 60, "clopper_pearson", (0.621404, 0.852814)),
        (45, 60, "jeffreys", (0.630485, 0.846059)),
        (0, 10, "wilson", (0, 0.277533)),
        (0, 10, "clopper_pearson", (0, 0.308497)),
        (7, 8, "wilson", (0.529112, 0.977583)),
        (7, 8, "clopper_pearson", (0.47349, 0.99684)),
    ],
)
def test_each_interval_is_the_worked_one(k, n, name, expected):
    assert_allclose(BOUNDS_OF_A_SHARE[name](k, n), expected, atol=6e-7)


@pytest.mark.parametrize(("ours", "theirs"), [("wilson", "wilson"), ("clopper_pearson", "exact")])
@pytest.mark.parametrize("n", [1, 7, 40])
@pytest.mark.parametrize("level", [0.8, 0.99])
def test_scipy_says_the_same_one_by_one(ours, theirs, n, level):
    k = np.arange(n + 1)
    low, high = BOUNDS_OF_A_SHARE[ours](k, n, level=level)
    for i in k:
        said = binomtest(int(i), n).proportion_ci(level, theirs)
        assert_allclose((low[i], high[i]), (said.low, said.high), atol=1e-9)


def coverage(name, n, shares):
    """How often the interval holds each share: the chances of all counts in which it does."""
    k = np.arange(n + 1)[:, np.newaxis]
    low, high = BOUNDS_OF_A_SHARE[name](k, n)
    return np.sum(binom.pmf(k, n, shares) * ((low <= shares) & (shares <= high)), axis=0)


@pytest.mark.parametrize("n", [10, 50])
def test_clopper_and_pearson_never_hold_less_often_and_the_others_on_the_whole_as_often(n):
    held = {name: coverage(name, n, np.linspace(0.005, 0.995, 199)) for name in BOUNDS_OF_A_SHARE}
    assert held["clopper_pearson"].min() >= 0.95
    for name in ("wilson", "jeffreys", "agresti_coull"):
        assert 0.94 < held[name].mean() < 0.97
    assert held["wald"].mean() < 0.925


@pytest.mark.parametrize("name", BOUNDS_OF_A_SHARE)
def test_bounds_lie_within_0_and_1_and_none_are_known_of_nothing(name):
    k = np.append(np.arange(13), 0.0)
    low, high = BOUNDS_OF_A_SHARE[name](k, np.append(np.full(13, 12.0), 0.0))
    assert np.all((0 <= low[:-1]) & (low[:-1] <= k[:-1] / 12) & (k[:-1] / 12 <= high[:-1]) & (high[:-1] <= 1))
    assert np.isnan(low[-1])
    assert np.isnan(high[-1])
    assert np.all(np.isfinite(BOUNDS_OF_A_SHARE[name](2.4, 7.7)))
