"""MBG/NBD: the maximum on CDNOW, and what its erratum and the BG/NBD make of its expectation."""

import mpmath
import numpy as np
import pytest
from numpy.testing import assert_allclose

from custrel import History
from custrel.clv import BGNBD, MBGNBD
from custrel.datasets import cdnow_summary

approx = pytest.approx

# The maximum on the CDNOW sample, computed at 35 digits from the raw log (exact days / 7, same-day orders merged).
MAXIMUM = (0.5248431591062975, 6.183085279576005, 0.8913593907322158, 1.6140022401703438)
STANDARD_ERRORS = (0.08326820657977069, 0.6956206425090194, 0.15478992777774275, 0.5374947982398051)
LAW = MBGNBD(*MAXIMUM)


@pytest.fixture(scope="module")
def cdnow():
    return cdnow_summary()


def test_the_maximum_on_cdnow_to_seven_digits(cdnow):
    fit = MBGNBD.fit(cdnow)
    assert approx(MAXIMUM, rel=1e-7) == tuple(fit.model)
    assert approx(-9582.13571555375, abs=1e-8) == fit.log_likelihood
    assert approx(STANDARD_ERRORS, rel=2e-6) == tuple(fit.standard_errors)


def test_expected_purchases_of_the_cdnow_customers_in_the_held_out_39_weeks(cdnow):
    assert approx(1576.7283018961507, rel=1e-10) == LAW.expected_purchases(cdnow, 39).sum()


def test_customers_who_never_came_back_may_have_left_at_once(cdnow):
    alive = LAW.p_alive(cdnow)
    assert alive[cdnow.x == 0].max() < 1
    assert approx(float(LAW.b / (LAW.a + LAW.b))) == LAW.p_alive(History(x=[0], t_x=[0], T=[0]))[0]


mp = mpmath.mp.clone()  # a precision of its own
mp.dps = 40


def exact_likelihood(r, alpha, a, b, x, t_x, T):
    """Equation (5) of the paper: stayed after all x + 1 chances, or left after the last purchase."""
    buys = mp.rf(r, x) * alpha**r
    stays = mp.beta(a, b + x + 1) / mp.beta(a, b) * (alpha + T) ** -(r + x)
    left = mp.beta(a + 1, b + x) / mp.beta(a, b) * (alpha + t_x) ** -(r + x)
    return buys * (stays + left), stays / (stays + left)


each_law = pytest.mark.parametrize(
    "letters", [MAXIMUM, (0.5, 6.0, 1.0, 1.6), (0.5, 6.0, 0.2, 0.3), (30.0, 100.0, 2.0, 1e4), (1e-2, 1e3, 5.0, 1e-2)]
)


@each_law
@pytest.mark.parametrize("row", [(0, 0.0, 39.0), (1, 1e-3, 39.0), (2, 30.43, 38.86), (29, 39.0, 39.0), (300, 5.0, 6.0)])
def test_likelihood_and_p_alive_against_forty_digits(letters, row):
    law, h = MBGNBD(*letters), History(x=[row[0]], t_x=[row[1]], T=[row[2]])
    likelihood, alive = exact_likelihood(*map(mp.mpf, letters), row[0], mp.mpf(row[1]), mp.mpf(row[2]))
    assert approx(float(mp.log(likelihood)), rel=1e-12) == law.log_likelihood(h)[0]
    assert approx(float(alive), rel=1e-11) == law.p_alive(h)[0]


@each_law
def test_the_corrected_conditional_expectation_against_forty_digits(letters):
    # It is the mean over p ~ Beta(a, b + x + 1) of what a living customer buys.
    r, alpha, a, b = map(mp.mpf, letters)
    x, t_x, T, t = 2, mp.mpf(30.43), mp.mpf(38.86), mp.mpf(20)
    shape, (_, alive) = b + x + 1, exact_likelihood(r, alpha, a, b, x, t_x, T)

    def bought(p):
        weight = p ** (a - 1) * (1 - p) ** (shape - 1) / mp.beta(a, shape)
        return weight * -mp.expm1(-(r + x) * mp.log1p(p * t / (alpha + T))) / p

    ends = [0, *[a / (a + shape) * mp.mpf(2) ** k for k in range(-40, 1, 4)], 1]
    true = float(alive * mp.quad(bought, ends))
    h = History(x=[2], t_x=[30.43], T=[38.86])
    assert approx(true, rel=1e-8) == MBGNBD(*letters).expected_purchases(h, 20.0)[0]


def test_whoever_passed_the_first_chance_is_a_customer_of_the_bg_nbd(cdnow):
    # Given at least one purchase both laws tell one story, but that b has grown by the chance that was passed.
    came_back = cdnow.take(cdnow.x > 0)
    bg = BGNBD(LAW.r, LAW.alpha, LAW.a, LAW.b + 1)
    assert_allclose(bg.p_alive(came_back), LAW.p_alive(came_back), rtol=1e-13)
    assert_allclose(bg.expected_purchases(came_back, 39), LAW.expected_purchases(came_back, 39), rtol=1e-12)
    gain = LAW.log_likelihood(came_back) - bg.log_likelihood(came_back)
    assert_allclose(gain, np.log(LAW.b / (LAW.a + LAW.b)), rtol=1e-11)


def test_lifetimes_gives_the_same_likelihood_and_p_alive(cdnow):
    lifetimes = pytest.importorskip("lifetimes")
    few = cdnow.take(cdnow.x < 20)
    peer = lifetimes.ModifiedBetaGeoFitter()
    peer.params_ = dict(zip(("r", "alpha", "a", "b"), MAXIMUM, strict=True))
    assert_allclose(peer.conditional_probability_alive(few.x, few.t_x, few.T), LAW.p_alive(few), rtol=1e-10)
