"""Pareto/NBD: what its papers print, what twenty-four digits say, and where it meets other laws."""

import itertools
import math

import mpmath
import numpy as np
import pytest
from numpy.testing import assert_allclose

from custrel import History
from custrel.clv import NBD, ParetoNBD
from custrel.clv.horizon import discount_per_unit
from custrel.datasets import cdnow_summary

approx = pytest.approx

# The maximum on the CDNOW sample, computed at 35 digits from the raw log (exact days / 7, same-day orders merged).
MAXIMUM = (0.5532770468531796, 10.577683463302314, 0.6062399891278263, 11.66873528885501)
STANDARD_ERRORS = (0.047627925979135434, 0.8427225338164391, 0.18728134232165727, 6.211113590595995)
LAW = ParetoNBD(*MAXIMUM)


@pytest.fixture(scope="module")
def cdnow():
    return cdnow_summary()


@pytest.fixture(scope="module")
def fit(cdnow):
    return ParetoNBD.fit(cdnow)


# -- as published -----------------------------------------------------------------------------------------------------


def test_table_2_of_fader_hardie_lee_2005(fit):
    assert approx((0.553, 10.578, 0.606, 11.669), abs=1e-3) == tuple(fit.model)
    assert approx(-9595.0, abs=0.05) == fit.log_likelihood


def test_the_maximum_on_cdnow_to_seven_digits(fit):
    assert approx(MAXIMUM, rel=1e-7) == tuple(fit.model)
    assert approx(-9594.976178939543, abs=1e-8) == fit.log_likelihood
    assert approx(STANDARD_ERRORS, rel=2e-6) == tuple(fit.standard_errors)


def test_expected_purchases_of_the_cdnow_customers_in_the_held_out_39_weeks(cdnow):
    assert approx(1665.5131072101854, rel=1e-10) == LAW.expected_purchases(cdnow, 39).sum()


# -- many digits ------------------------------------------------------------------------------------------------------

mp = mpmath.mp.clone()  # a precision of its own
mp.dps = 24

LAWS = [
    MAXIMUM,
    (0.5, 10.0, 1.0, 10.0),  # alpha = beta and s = 1, where printed forms divide by zero
    (1.0, 1e-4, 0.6, 1e6),  # alpha far below beta
    (0.55, 1e6, 0.6, 1e-4),
    (0.01, 2.0, 2.0, 1e4),
    (5e3, 1e6, 0.6, 12.0),
    (0.55, 10.0, 5e3, 1e6),  # all but one rate of leaving
    (1e-4, 1e4, 1e-4, 1.0),
    (300.0, 1e3, 30.0, 1e3),
]
ROWS = [
    (0, 0.0, 0.0),
    (0, 0.0, 39.0),
    (1, 39.0, 39.0),
    (1, 1e-3, 39.0),
    (2, 30.43, 38.86),
    (29, 37.0, 39.0),
    (1000, 38.5, 39.0),
    (5000, 900.0, 1000.0),
    (5000, 999.999, 1000.0),
    (0, 0.0, 1e5),
    (3, 10.0, 1e5),
]
each_law = pytest.mark.parametrize("letters", LAWS, ids=str)


def off(true, ours):
    return float(abs(mp.mpf(float(ours)) - true) / abs(true))


def log_integral(f, low, high, marks):
    """Integral of a positive f over (low, high), on the logarithm of the distance from low, piece by piece."""
    if low == high:
        return mp.mpf(0)
    top, bottom = mp.log(high - low), mp.log(min(marks)) - 48
    pieces = max(1, int(mp.ceil((top - bottom) / 2)))
    ends = mp.linspace(min(bottom, top - 2), top, pieces + 1)
    peak = max(f(low + mp.exp(end)) * mp.exp(end) for end in ends)  # mpmath takes 1e-50 for nothing
    return peak * mp.quad(lambda v: f(low + mp.exp(v)) * mp.exp(v) / peak, ends, method="gauss-legendre", maxdegree=5)


def exact(letters, row):
    """Stayed, and left in the silence: both parts of the likelihood, relative to the time of the last purchase."""
    r, alpha, s, beta = map(mp.mpf, letters)
    x, t_x, T = row[0], mp.mpf(row[1]), mp.mpf(row[2])
    m, A, B = r + x, alpha + t_x, beta + t_x
    stays = mp.exp(-m * mp.log((alpha + T) / A) - s * mp.log((beta + T) / B))
    marks = [A, B, A / m, B / (s + 1)]
    left = log_integral(
        lambda y: s / B * mp.exp(-m * mp.log1p((y - t_x) / A) - (s + 1) * mp.log1p((y - t_x) / B)), t_x, T, marks
    )
    head = mp.loggamma(m) - mp.loggamma(r) - m * mp.log(A) - s * mp.log(B) + r * mp.log(alpha) + s * mp.log(beta)
    return head, stays, left


@each_law
def test_log_likelihood_and_p_alive_against_twenty_four_digits(letters):
    x, t_x, T = np.array(ROWS).T
    law, h = ParetoNBD(*letters), History(x=x, t_x=t_x, T=T)
    for row, likelihood, alive in zip(ROWS, law.log_likelihood(h), law.p_alive(h), strict=True):
        head, stays, left = exact(letters, row)
        true = head + mp.log(stays + left)
        assert abs(true - mp.mpf(float(likelihood))) < 1e-10 * max(abs(true), mp.mpf("1e-3"))
        if stays / (stays + left) > 1e-300:
            assert off(stays / (stays + left), alive) < 1e-10


@pytest.mark.slow
@each_law
def test_chances_of_a_new_customer_against_twenty_four_digits(letters):
    r, alpha, s, beta = map(mp.mpf, letters)

    def counts(n, y):
        z = y / (alpha + y)
        return mp.exp(mp.loggamma(r + n) - mp.loggamma(r) - mp.loggamma(n + 1) - r * mp.log1p(y / alpha)) * z**n

    for n, t in itertools.product((0, 1, 7, 200), (0.1, 39.0, 1e4)):
        marks = [alpha, beta, (n + 1) * alpha / r, beta / s, mp.mpf(t)]
        gone = log_integral(
            lambda y, n=n: s / (beta + y) * mp.exp(-s * mp.log1p(y / beta)) * counts(n, y), mp.mpf(0), mp.mpf(t), marks
        )
        true = counts(n, mp.mpf(t)) * (beta / (beta + t)) ** s + gone
        if true > 1e-290:
            assert off(true, ParetoNBD(*letters).probability_of_new(n, t)) < 1e-9


@pytest.mark.parametrize(
    ("n", "t", "chance"),
    [
        (0, 39.0, 0.593532383932451806),
        (1, 39.0, 0.165585364074470421),
        (7, 39.0, 0.0107119202609104045),
        (7, 1e4, 0.0133742634493303717),
    ],
)
def test_chances_of_a_new_cdnow_customer(n, t, chance):
    assert approx(chance, rel=1e-12) == float(LAW.probability_of_new(n, t))


@each_law
@pytest.mark.parametrize("annual_discount_rate", [1e-4, 0.1, 10.0])
def test_all_purchases_to_come_by_equation_45_of_note_009(letters, annual_discount_rate):
    # DERT by the exponential integral E_s, which is what the note's Tricomi function comes to.
    r, alpha, s, beta = map(mp.mpf, letters)
    h = History(x=[0, 4], t_x=[0, 20], T=[0.0, 39.0])
    delta = mp.log1p(mp.mpf(annual_discount_rate)) * 7 / mp.mpf("365.25")
    law = ParetoNBD(*letters)
    living = law.discounted_expected_purchases(h, np.inf, annual_discount_rate=annual_discount_rate) / law.p_alive(h)
    for x, T, ours in zip((0, 4), (0, 39), living, strict=True):
        z = delta * (beta + T)
        if z < 1e3:  # beyond, mpmath takes minutes
            assert off((r + x) / (alpha + T) * (beta + T) * mp.exp(z) * mp.expint(s, z), ours) < 1e-10


def test_expected_purchases_pass_smoothly_through_s_of_1():
    near = [float(ParetoNBD(0.5, 10.0, s, 12.0).expected_purchases_of_new(39.0)) for s in (1 - 1e-9, 1, 1 + 1e-9)]
    assert_allclose(near, 0.5 * 12 / 10 * math.log(1 + 39 / 12), rtol=1e-8)


def test_all_purchases_to_come_are_finite_only_where_enough_customers_leave():
    h = History(x=[0], t_x=[0], T=[0.0])
    assert approx(0.5 * 12 / (10 * 1.5)) == ParetoNBD(0.5, 10.0, 2.5, 12.0).expected_purchases(h, np.inf)[0]
    assert [np.inf] == ParetoNBD(0.5, 10.0, 1.0, 12.0).expected_purchases(h, np.inf).tolist()
    assert [np.inf] == LAW.discounted_expected_purchases(h, np.inf, annual_discount_rate=0).tolist()


# -- where it meets others --------------------------------------------------------------------------------------------


def test_where_nobody_leaves_it_is_the_nbd(cdnow):
    stays, nbd = ParetoNBD(0.385, 12.072, 1e-15, 100.0), NBD(0.385, 12.072)
    assert_allclose(nbd.log_likelihood(cdnow), stays.log_likelihood(cdnow), atol=1e-7)
    assert_allclose(nbd.expected_purchases(cdnow, 39), stays.expected_purchases(cdnow, 39), rtol=1e-6)
    assert_allclose(nbd.probability(2, cdnow, 39), stays.probability(2, cdnow, 39), rtol=1e-6)


def test_p_alive_by_hand_where_both_clocks_are_one():
    # alpha = beta: the integral is ((alpha + t_x)^-k - (alpha + T)^-k) / k with k = r + x + s.
    law, h = ParetoNBD(1.0, 4.0, 1.0, 4.0), History(x=[1], t_x=[4], T=[12])
    stays, left = 16.0**-3, (8.0**-3 - 16.0**-3) / 3
    assert approx(stays / (stays + left)) == law.p_alive(h)[0]


def test_lifetimes_expects_the_same_purchases(cdnow):
    lifetimes = pytest.importorskip("lifetimes")
    peer = lifetimes.ParetoNBDFitter()
    peer.params_ = dict(zip(("r", "alpha", "s", "beta"), MAXIMUM, strict=True))
    few = cdnow.take(cdnow.x < 20)
    theirs = peer.conditional_expected_number_of_purchases_up_to_time(39, few.x, few.t_x, few.T)
    assert_allclose(np.asarray(theirs), LAW.expected_purchases(few, 39), rtol=1e-6)


def test_a_discounted_value_adds_up_over_a_finite_horizon():
    h, t = History(x=[2], t_x=[30.43], T=[38.86]), 52.0
    delta, grid = discount_per_unit(0.15, "week"), np.linspace(0, 52.0, 200_001)
    bought = LAW.expected_purchases(h.take([0]), grid[:, None])[:, 0]
    middle = (grid[1:] + grid[:-1]) / 2
    assert (
        approx(np.diff(bought) @ np.exp(-delta * middle), rel=1e-9)
        == LAW.discounted_expected_purchases(h, t, annual_discount_rate=0.15)[0]
    )
