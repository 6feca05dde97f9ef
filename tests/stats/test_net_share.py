"""Bounds of a net share: what is published, what enumeration and simulation say, what must be true of all."""

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.stats import multinomial

from custrel.stats.net_share import BOUNDS_OF_A_NET_SHARE, dirichlet, dirichlet_moments, score

for_all = settings(deadline=None, derandomize=True, database=None, max_examples=30)
COUNTS = st.tuples(*[st.integers(0, 300)] * 3).filter(sum)

# Computed twice independently; Wald and t are cut to -1 and 1 here.
CASES = {
    (3, 2, 1): {
        "wald": (-0.263065, 0.929731),
        "adjusted_wald": (-0.267433, 0.711877),
        "t": (-0.523527, 1.0),
        "score": (-0.311074, 0.753957),
    },
    (15, 12, 9): {
        "wald": (-0.094435, 0.427768),
        "adjusted_wald": (-0.095296, 0.402988),
        "t": (-0.107616, 0.440949),
        "score": (-0.1006, 0.408984),
    },
    (9, 0, 2): {
        "wald": (0.18051, 1.0),
        "adjusted_wald": (0.080008, 0.919992),
        "t": (0.092843, 1.0),
        "score": (0.046039, 0.897265),
    },
    (0, 5, 0): {
        "wald": (0.0, 0.0),
        "adjusted_wald": (-0.300057, 0.300057),
        "t": (0.0, 0.0),
        "score": (-0.434482, 0.434482),
    },
}


@pytest.mark.parametrize(("counts", "name"), [(counts, name) for counts, named in CASES.items() for name in named])
def test_each_interval_of_small_counts_is_the_worked_one(counts, name):
    assert_allclose(BOUNDS_OF_A_NET_SHARE[name](*counts), CASES[counts][name], atol=6e-7)


@pytest.mark.parametrize(
    ("counts", "mean", "deviation"),
    [
        ((3, 2, 1), 0.222222, 0.248452),
        ((15, 12, 9), 0.153846, 0.126787),
        ((9, 0, 2), 0.5, 0.212692),
        ((0, 5, 0), 0, 0.166667),
    ],
)
def test_the_posterior_under_a_flat_prior_has_the_worked_moments(counts, mean, deviation):
    assert_allclose(dirichlet_moments(*counts), (mean, deviation), atol=6e-7)


@pytest.mark.parametrize("counts", [(3, 2, 1), (9, 0, 2), (0, 5, 0), (40, 20, 3), (5000, 2000, 3000)])
def test_the_middle_of_the_posterior_is_that_of_a_simulated_one(counts):
    shares = np.random.default_rng(1).dirichlet(np.add(counts, 1), 400_000)
    drawn = np.quantile(shares[:, 0] - shares[:, 2], [0.025, 0.975])
    _, deviation = dirichlet_moments(*counts)
    assert_allclose(dirichlet(*counts), drawn, atol=0.012 * float(deviation))


def likeliest(delta, P, N, D):
    """Variance of one answer at the likeliest shares that differ by delta: by search, not by the root."""
    low = np.linspace(max(0, -delta), (1 - delta) / 2, 400_001)[1:-1]
    with np.errstate(divide="ignore"):
        log_likelihood = P * np.log(low + delta) + D * np.log(low) + N * np.log(1 - 2 * low - delta)
    best = low[np.argmax(log_likelihood)]
    return 2 * best + delta - delta**2


@pytest.mark.parametrize("counts", [(3, 2, 1), (15, 12, 9), (1, 30, 7), (250, 20, 30)])
def test_a_bound_of_the_score_interval_is_rejected_by_just_so_much(counts):
    n, found = sum(counts), (counts[0] - counts[2]) / sum(counts)
    for bound in map(float, score(*counts)):
        assert pytest.approx(1.959964**2, rel=2e-4) == n * (found - bound) ** 2 / likeliest(bound, *counts)


@cache
def coverage(name, n, shares):
    """How often the 95 % interval holds the truth: the chances of all counts in which it does."""
    P, D = (grid.ravel() for grid in np.meshgrid(np.arange(n + 1), np.arange(n + 1)))
    P, D = P[P + D <= n], D[P + D <= n]
    low, high = BOUNDS_OF_A_NET_SHARE[name](P, n - P - D, D)
    held = (low <= shares[0] - shares[2]) & (shares[0] - shares[2] <= high)
    return multinomial(n, shares).pmf(np.stack([P, n - P - D, D], axis=1))[held].sum()


def test_of_20_lopsided_answers_the_score_interval_holds_95_percent_and_walds_64():
    lopsided = (0.95, 0.04, 0.01)
    assert coverage("score", 20, lopsided) >= 0.94
    assert pytest.approx(0.64, abs=0.01) == coverage("wald", 20, lopsided)


@pytest.mark.parametrize("n", [10, 20, 50, 100])
@pytest.mark.parametrize(
    "shares", [(0.5, 0.3, 0.2), (0.2, 0.7, 0.1), (0.85, 0.1, 0.05), (0.1, 0.2, 0.7), (1 / 3, 1 / 3, 1 / 3)]
)
def test_the_score_interval_is_near_its_level_for_all_shares(n, shares):
    assert 0.93 <= coverage("score", n, shares) <= 0.985


@for_all
@given(COUNTS, st.sampled_from(["score", "adjusted_wald", "dirichlet"]))
def test_bounds_lie_on_the_scale_and_change_sides_with_the_counts(counts, name):
    low, high = BOUNDS_OF_A_NET_SHARE[name](*counts)
    assert -1 <= low <= high <= 1
    mirrored = BOUNDS_OF_A_NET_SHARE[name](*counts[::-1])
    assert_allclose((-high, -low), mirrored, atol=1e-6)


@for_all
@given(COUNTS, st.integers(2, 50))
def test_more_answers_of_the_same_shares_say_more(counts, times):
    found = (counts[0] - counts[2]) / sum(counts)
    low, high = score(*counts)
    assert low <= found <= high
    nearer, less = score(*(times * count for count in counts))
    assert low <= nearer + 1e-12
    assert less - 1e-12 <= high


def test_no_answers_say_nothing_and_one_says_little():
    for bounds in BOUNDS_OF_A_NET_SHARE.values():
        assert np.all(np.isnan(bounds(0, 0, 0)))
        assert all(np.shape(side) == (2,) for side in bounds([1, 0], [0, 0], [0, 0]))
    low, high = score(1, 0, 0)
    assert low < -0.5
    assert high == 1
    assert (-1, 1) == tuple(map(float, BOUNDS_OF_A_NET_SHARE["t"](1, 0, 0)))
