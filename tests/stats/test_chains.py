"""Walkers, whether they agree, and what they are worth."""

import numpy as np
import pytest

from custrel.stats.chains import effective_draws, split_r_hat, walk

approx = pytest.approx


def bell(covariance, mean):
    precision = np.linalg.inv(covariance)
    return lambda q: -np.einsum("ni,ij,nj->n", q - mean, precision, q - mean) / 2


def autoregressive(rho, chains, steps, seed):
    rng = np.random.default_rng(seed)
    x = np.empty((chains, steps, 1))
    x[:, 0, 0] = rng.normal(size=chains)
    for t in range(1, steps):
        x[:, t, 0] = rho * x[:, t - 1, 0] + np.sqrt(1 - rho**2) * rng.normal(size=chains)
    return x


def test_walkers_find_a_tilted_density_on_any_scale():
    covariance, mean = np.array([[1e-6, 0.9e-1], [0.9e-1, 1e4]]), np.array([3.0, -500.0])
    rng = np.random.default_rng(1)
    start = rng.multivariate_normal(mean, covariance, size=30)
    _, start = walk(bell(covariance, mean), start, 500, rng)
    path, _ = walk(bell(covariance, mean), start, 4000, rng)
    error = np.sqrt(np.diag(covariance) / effective_draws(path))
    assert np.all(np.abs(path.mean(axis=(0, 1)) - mean) < 4 * error)
    found = np.cov(path.reshape(-1, 2).T)
    assert approx(np.diag(covariance), rel=0.1) == np.diag(found)
    assert approx(0.9, abs=0.02) == found[0, 1] / np.sqrt(np.prod(np.diag(found)))


def test_walkers_stay_where_there_is_a_density():
    def positive(q):
        return np.where(q[:, 0] > 0, -q[:, 0], -np.inf)

    rng = np.random.default_rng(2)
    path, end = walk(positive, rng.exponential(size=(20, 1)), 4000, rng)
    assert path.min() > 0
    assert approx(1, abs=0.05) == path.mean()
    assert np.array_equal(end, path[:, -1])


def test_the_same_seed_walks_the_same_way():
    paths = [walk(lambda q: -(q[:, 0] ** 2), np.ones((8, 1)), 5, np.random.default_rng(5))[0] for _ in range(2)]
    assert np.array_equal(*paths)


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.9, -0.4])
def test_draws_that_follow_each_other_are_worth_less(rho):
    found = effective_draws(autoregressive(rho, 8, 4000, seed=3))[0] / 32_000
    assert approx((1 - rho) / (1 + rho), rel=0.1) == found


def test_r_hat_is_1_where_chains_agree_and_more_where_they_do_not():
    agreeing = autoregressive(0.3, 4, 2000, seed=4)
    assert split_r_hat(agreeing)[0] < 1.01
    apart = agreeing + np.array([0.0, 0.0, 0.0, 2.0])[:, None, None]
    assert split_r_hat(apart)[0] > 1.1
    drifting = agreeing + np.linspace(0, 2, 2000)[None, :, None]
    assert split_r_hat(drifting)[0] > 1.1
    assert effective_draws(apart)[0] < 40
