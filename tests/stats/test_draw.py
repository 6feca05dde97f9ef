"""Shared random numbers: one stream for all customers, whoever asks and in whatever company."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy import stats

from custrel.stats.draw import SharedNumbers

approx = pytest.approx

DRAWS = 2000


@pytest.fixture
def numbers():
    return SharedNumbers(DRAWS, seed=8)


def test_each_slice_of_the_unit_interval_is_hit_once(numbers):
    for _ in range(3):
        u = numbers.uniform()
        assert u.shape == (DRAWS, 1)
        assert list(range(DRAWS)) == sorted(np.floor(DRAWS * u).astype(int).ravel().tolist())
        assert 0 < u.min() < u.max() < 1


def test_columns_are_independent_of_each_other(numbers):
    columns = np.hstack([numbers.uniform() for _ in range(6)])
    assert np.abs(np.corrcoef(columns.T) - np.eye(6)).max() < 4 / np.sqrt(DRAWS)


@pytest.mark.parametrize("shape", [0.3, 1.0, 20.0])
def test_gammas_have_their_distribution(numbers, shape):
    assert stats.kstest(numbers.gamma(shape).ravel(), stats.gamma(shape).cdf).pvalue > 0.5
    many = numbers.gamma(np.array([shape, 2 * shape]))
    assert many.shape == (DRAWS, 2)
    assert stats.kstest(many[:, 1], stats.gamma(2 * shape).cdf).pvalue > 0.5


def test_betas_and_exponentials_have_theirs(numbers):
    assert stats.kstest(numbers.beta(0.8, 2.4).ravel(), stats.beta(0.8, 2.4).cdf).pvalue > 0.5
    assert stats.kstest(numbers.exponential().ravel(), stats.expon.cdf).pvalue > 0.5


def test_again_is_the_same_stream(numbers):
    first = [numbers.uniform(), numbers.exponential(), numbers.gamma(np.array([1.0, 2.0])), numbers.beta(1.0, 2.0)]
    numbers.again()
    second = [numbers.uniform(), numbers.exponential(), numbers.gamma(np.array([1.0, 2.0])), numbers.beta(1.0, 2.0)]
    for one, two in zip(first, second, strict=True):
        assert_array_equal(one, two)


def test_the_seed_decides():
    one, two, other = (SharedNumbers(50, seed).uniform() for seed in (1, 1, 2))
    assert_array_equal(one, two)
    assert np.any(one != other)


@pytest.mark.parametrize("first", [1, 2, 5])
@pytest.mark.parametrize("then", [1, 2, 5])
def test_a_customers_numbers_do_not_depend_on_how_many_ask(first, then):
    numbers = SharedNumbers(100, seed=0)
    shapes = np.array([0.3, 1.3, 2.3, 7.3, 9.3])
    alone = SharedNumbers(100, seed=0).gamma(shapes)
    for size in (first, then):
        assert_array_equal(alone[:, :size], numbers.again().gamma(shapes[:size]))
    betas = SharedNumbers(100, seed=0).beta(0.8, shapes)
    for size in (first, then):
        assert_array_equal(betas[:, :size], numbers.again().beta(0.8, shapes[:size]))


def test_draws_of_a_parameter_each_get_their_own():
    shape = np.linspace(0.5, 5.0, 300)[:, None]
    numbers = SharedNumbers(300, seed=4)
    rows = numbers.gamma(shape)
    assert rows.shape == (300, 1)
    assert_array_equal(rows, numbers.again().gamma(shape))
    u = numbers.again().uniform()
    assert approx(u[7, 0]) == stats.gamma(shape[7, 0]).cdf(rows[7, 0])
    # Another shape at the same place is another column.
    assert np.any(rows != numbers.again().gamma(2 * shape))


def test_the_global_stream_is_left_alone():
    np.random.seed(3)  # noqa: NPY002 - the global stream is what this asks about
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    SharedNumbers(10, 0).uniform()
    assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002
