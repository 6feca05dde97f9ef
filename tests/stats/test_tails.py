"""The tail of importance weights: its shape, and the weights mended."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import genpareto

from custrel.stats.tails import generalised_pareto, smoothed_weights

approx = pytest.approx


@pytest.mark.parametrize("k", [-0.3, 0.0, 0.2, 0.5, 0.9])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 50.0])
def test_the_shape_of_a_tail_is_found(k, scale):
    found = [generalised_pareto(genpareto(k, scale=scale).rvs(500, random_state=seed)) for seed in range(40)]
    shapes, scales = np.transpose(found)
    assert approx(k, abs=0.05) == shapes.mean()
    assert approx(scale, rel=0.05) == scales.mean()


def test_the_unit_of_the_excess_is_ours_to_choose():
    excess = genpareto(0.4).rvs(300, random_state=1)
    (k, scale), (same, wider) = generalised_pareto(excess), generalised_pareto(1000 * excess)
    assert approx(k, rel=1e-9) == same
    assert approx(1000 * scale, rel=1e-9) == wider


def test_weights_add_up_to_1_and_keep_their_order():
    log_weights = np.random.default_rng(1).normal(size=2000)
    weights, _ = smoothed_weights(log_weights)
    assert approx(1, rel=1e-12) == weights.sum()
    assert np.all(np.diff(weights[np.argsort(log_weights)]) >= 0)
    assert_allclose(smoothed_weights(log_weights + 700)[0], weights, rtol=1e-9)


@pytest.mark.parametrize(("power", "k"), [(0.25, 0.25), (0.6, 0.6), (1.1, 1.1)])
def test_k_says_how_many_moments_the_weights_have(power, k):
    # U^-power has the moments below 1 / power: its tail is Pareto with k = power.
    found = [smoothed_weights(-power * np.log(np.random.default_rng(seed).random(20_000)))[1] for seed in range(20)]
    assert approx(k, abs=0.05) == np.mean(found)


def test_no_smoothed_weight_is_above_the_largest():
    log_weights = -1.2 * np.log(np.random.default_rng(3).random(1000))
    raw = np.exp(log_weights - log_weights.max())
    weights, _ = smoothed_weights(log_weights)
    body = np.argsort(raw)[0]
    assert weights.max() / weights[body] <= raw.max() / raw[body] * (1 + 1e-12)


@pytest.mark.parametrize("log_weights", [np.zeros(1), np.zeros(1000), np.array([0.0, -1.0, -2.0])])
def test_weights_without_a_tail_stay_as_they_are(log_weights):
    weights, k = smoothed_weights(log_weights)
    assert_allclose(np.exp(log_weights) / np.exp(log_weights).sum(), weights, rtol=1e-14)
    assert k == 0
