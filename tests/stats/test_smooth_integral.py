"""Integrals of what has two tops, or falls from its beginning: against closed forms, and row by row."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import gammainc, gammaln

from custrel.stats.quadrature import FALL, smooth_integral

WIDTHS = np.array([1e-9, 0.01, 0.3, 1.0, 5.0, 30.0, 1e3, 1e6, 1e12])


def power(d, m):
    """(1 + d)^-m, with the logarithm of 1 + d."""
    return -m * np.log1p(d), np.log1p(d)


@pytest.mark.parametrize("m", [0.3, 0.999, 2.5, 40.0])
def test_powers_over_any_width(m):
    rows = (np.full(WIDTHS.shape, m),)
    log_area, mean = smooth_integral(power, (np.zeros(WIDTHS.shape), WIDTHS), np.full(WIDTHS.shape, 1 / (1 + m)), rows)
    fall, k = np.log1p(WIDTHS), m - 1
    assert_allclose(-np.expm1(-k * fall) / k, np.exp(log_area), rtol=1e-12)
    # By parts; for the narrowest the mean is half the width.
    by_parts = 1 / k - fall * np.exp(-k * fall) / -np.expm1(-k * fall)
    assert_allclose(by_parts[3:], mean[3:], rtol=1e-11)
    assert_allclose(WIDTHS[0] / 2, mean[0], rtol=1e-7)


def test_two_scales_that_are_ten_million_fold_apart():
    def falls_twice(d, slow):
        return (np.logaddexp(-d, np.log(slow) - slow * d),)

    end, slow = np.full(3, 4e8), np.array([1e-7, 1e-3, 1.0])
    (log_area,) = smooth_integral(falls_twice, (np.zeros(3), np.minimum(end, 45 / slow)), np.ones(3), (slow,))
    assert_allclose(2.0, np.exp(log_area), rtol=1e-12)


@pytest.mark.parametrize("shape", [1.0, 3.5, 60.0, 5000.0])
def test_hills_that_begin_away_from_zero(shape):
    # Gamma densities, cut where they have fallen to exp(-42) of the top.
    def gamma(d, a):
        return (a * np.log(d) - d - gammaln(a + 1),)

    d, a = np.geomspace(1e-20, 1e5, 200_001), np.array([shape])
    stands = d[np.log(d) + gamma(d, shape)[0] > np.max(np.log(d) + gamma(d, shape)[0]) - FALL]
    low, high = stands[:1], stands[-1:]
    (log_area,) = smooth_integral(gamma, (low, high), low, (a,), change=np.array([2 * FALL]))
    assert_allclose(gammainc(shape + 1, high) - gammainc(shape + 1, low), np.exp(log_area), rtol=1e-11)


def test_a_row_does_not_depend_on_its_neighbours():
    m = np.linspace(0.1, 9.0, WIDTHS.size)
    zero, bend = np.zeros(WIDTHS.size), np.full(WIDTHS.size, 0.1)
    for change in (None, np.full(WIDTHS.size, 30.0)):
        together = smooth_integral(power, (zero, WIDTHS), bend, (m,), change=change)
        for i in range(WIDTHS.size):
            one = slice(i, i + 1)
            some = None if change is None else change[one]
            alone = smooth_integral(power, (zero[one], WIDTHS[one]), bend[one], (m[one],), change=some)
            for all_rows, a_row in zip(together, alone, strict=True):
                assert_array_equal(all_rows[one], a_row)


def test_many_rows_are_taken_in_parts():
    end = np.full(40_000, 3.0)
    log_area, _ = smooth_integral(power, (np.zeros(end.size), end), np.ones(end.size), (np.full(end.size, 2.0),))
    assert_allclose(0.75, np.exp(log_area), rtol=1e-14)


def test_no_rows_and_no_width():
    none = np.empty(0)
    assert [(0,), (0,)] == [answer.shape for answer in smooth_integral(power, (none, none), none, (none,))]
    zero, one = np.zeros(1), np.ones(1)
    log_area, mean = smooth_integral(power, (one, one), one, (one,))
    assert [-np.inf] == log_area.tolist()
    assert_allclose(np.log(2.0), mean, rtol=1e-14)
    assert [-np.inf] == smooth_integral(power, (zero, zero), one, (one,), change=zero)[0].tolist()
