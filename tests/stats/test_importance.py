"""Draws by importance, where the answer is known."""

import numpy as np
import pytest
from scipy.stats import gamma

from custrel.stats.importance import importance_draws

approx = pytest.approx


def skew(q):
    """The logarithm of a gamma variable with shape 2, and one that leans on it."""
    return 2 * q[:, 0] - np.exp(q[:, 0]) - (q[:, 1] - q[:, 0]) ** 2 / 0.02


def test_a_skew_density_is_met():
    drawn = importance_draws(
        skew, np.array([np.log(2.0)] * 2), np.array([[0.5, 0.5], [0.5, 0.51]]), 20_000, np.random.default_rng(1)
    )
    assert drawn.k < 0.5
    assert drawn.effective > 12_000
    x = np.exp(drawn.places[:, 0])
    for share in (0.025, 0.25, 0.5, 0.75, 0.975):
        assert approx(share, abs=4 * np.sqrt(share * (1 - share) / 12_000)) == np.mean(x < gamma(2).ppf(share))
    assert approx(0.1, rel=0.05) == np.std(drawn.places[:, 1] - drawn.places[:, 0])


@pytest.mark.parametrize("n", [1, 2, 17])
def test_few_draws_are_drawn_too(n):
    drawn = importance_draws(skew, np.zeros(2), np.eye(2), n, np.random.default_rng(1))
    assert drawn.places.shape == (n, 2)
    assert 0 < drawn.effective <= n


def test_a_tail_too_heavy_for_the_proposals_is_seen():
    drawn = importance_draws(
        lambda q: -0.55 * np.log1p(q[:, 0] ** 2), np.zeros(1), np.eye(1), 4000, np.random.default_rng(2)
    )
    assert drawn.k > 0.7


def test_the_seed_decides_the_draws():
    one, same, other = (
        importance_draws(skew, np.zeros(2), np.eye(2), 50, np.random.default_rng(s)).places for s in (1, 1, 2)
    )
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)
