"""Special functions against fifty digits, over all that a law may ask."""

import itertools
import warnings

import mpmath
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from custrel.stats.special import beta_mean, by_count, digamma_rising, expm1_ratio, log_rising

approx = pytest.approx

mp = mpmath.mp.clone()  # a precision of its own
mp.dps = 50

FIRST = [1e-4, 1e-2, 0.3, 1.0, 3.0, 19.9, 20.0, 20.1, 100.0, 1e4, 1e6]
COUNTS = [0.0, 1.0, 2.0, 10.0, 100.0, 1000.0, 5000.0, 1e5]


@pytest.mark.parametrize("a", FIRST)
def test_log_rising_against_fifty_digits(a):
    expected = [float(mp.loggamma(mp.mpf(a) + x) - mp.loggamma(mp.mpf(a))) for x in COUNTS]
    assert_allclose(expected, log_rising(a, np.array(COUNTS)), rtol=1e-13, atol=1e-300)


@pytest.mark.parametrize("a", FIRST)
def test_digamma_rising_against_fifty_digits(a):
    expected = [float(mp.digamma(mp.mpf(a) + x) - mp.digamma(mp.mpf(a))) for x in COUNTS]
    assert_allclose(expected, digamma_rising(a, np.array(COUNTS)), rtol=1e-12, atol=1e-300)


@pytest.mark.parametrize("x", [0.5, 3.74, 250.3, 6249.572])
def test_rising_by_more_than_counts(x):
    for a in FIRST:
        exact_log = mp.loggamma(mp.mpf(a) + mp.mpf(x)) - mp.loggamma(mp.mpf(a))
        exact_digamma = mp.digamma(mp.mpf(a) + mp.mpf(x)) - mp.digamma(mp.mpf(a))
        assert approx(float(exact_log), rel=1e-12, abs=1e-14) == float(log_rising(a, np.array(x)))
        assert approx(float(exact_digamma), rel=1e-12, abs=1e-14) == float(digamma_rising(a, np.array(x)))


def test_rising_broadcasts():
    a, x = np.array([[0.5], [30.0]]), np.array([0.0, 2.0, 7.0])
    assert log_rising(a, x).shape == digamma_rising(a, x).shape == (2, 3)
    assert_array_equal(log_rising(0.5, x), log_rising(a, x)[0])
    assert log_rising(0.5, np.array([])).shape == (0,)


def test_each_count_is_evaluated_once_and_alike():
    seen = []

    def f(a, x):
        seen.append(x.size)
        return log_rising(a, x)

    x = np.random.default_rng(0).integers(0, 10, 5000).astype(float)
    assert_array_equal(log_rising(0.7, x), by_count(f, 0.7, x))
    assert [int(x.max()) + 1] == seen
    assert_array_equal(log_rising(np.full(5000, 0.7), x), by_count(f, np.full(5000, 0.7), x))


RATES = [1e-300, -1e-300, 1e-10, -1e-10, 0.3, -0.3, 5.0, -5.0, 100.0]
TIMES = [-50.0, -1.0, -1e-8, 0.0, 1e-8, 1.0, 7.0]


@pytest.mark.parametrize(("a", "y"), list(itertools.product(RATES, TIMES)))
def test_expm1_ratio_against_fifty_digits(a, y):
    assert approx(float(mp.expm1(mp.mpf(a) * mp.mpf(y)) / mp.mpf(a)), rel=1e-14) == float(expm1_ratio(a, np.array(y)))


def test_expm1_ratio_at_zero_is_its_limit():
    y = np.array(TIMES)
    assert_array_equal(y, expm1_ratio(0.0, y))
    assert_array_equal(y, expm1_ratio(np.zeros(y.size), y))


CORNERS = list(itertools.product((1e-4, 0.01, 0.5, 1.0, 30.0, 1e3, 1e6), (1e-4, 0.01, 0.5, 1.0, 30.0, 1e3, 1e6)))


@pytest.mark.parametrize(("a", "b"), CORNERS)
def test_beta_mean_of_p_and_its_square(a, b):
    A, B = mp.mpf(a), mp.mpf(b)
    at = np.array(a), np.array(b)
    assert approx(float(A / (A + B)), rel=1e-11) == float(beta_mean(lambda p: p, *at))
    square = A * (A + 1) / ((A + B) * (A + B + 1))
    assert approx(float(square), rel=1e-11) == float(beta_mean(np.square, *at))
    assert 1.0 == float(beta_mean(np.ones_like, *at))


@pytest.mark.parametrize(
    ("a", "b", "c"), [(0.8, 2.4, 9.0), (0.8, 2.4, 1e4), (0.01, 30.0, 1e5), (30.0, 0.5, 0.1), (1.0, 1.0, 1e3)]
)
def test_beta_mean_of_a_fraction_is_gausss_function(a, b, c):
    expected = mp.hyp2f1(1, a, mp.mpf(a) + mp.mpf(b), -c)
    assert approx(float(expected), rel=1e-11) == float(beta_mean(lambda p: 1 / (1 + c * p), np.array(a), np.array(b)))


def test_beta_mean_of_many_is_that_of_each():
    a, b = np.array([CORNERS[i] for i in range(0, 49, 5)]).T
    together = beta_mean(np.sqrt, a, b)
    alone = [float(beta_mean(np.sqrt, a[i : i + 1], b[i : i + 1])[0]) for i in range(a.size)]
    assert alone == together.tolist()


def test_nothing_warns():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for a, x in itertools.product(FIRST, COUNTS):
            log_rising(a, np.array([x]))
            digamma_rising(a, np.array([x]))
