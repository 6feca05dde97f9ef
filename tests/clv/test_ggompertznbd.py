"""GGompertz/NBD: what twenty-four digits say, where it meets other laws, and where its likelihood has no peak."""

import mpmath
import numpy as np
import pytest
from mpmath.calculus.quadrature import GaussLegendre
from numpy.testing import assert_allclose
from scipy.integrate import trapezoid
from scipy.special import hyp2f1

from custrel import History
from custrel.clv import ParetoNBD
from custrel.clv.ggompertznbd import GGompertzNBD
from custrel.clv.horizon import discount_per_unit
from custrel.datasets import cdnow_summary
from custrel.errors import ConvergenceError

approx = pytest.approx

PARETO = (0.5532770468531796, 10.577683463302314, 0.6062399891278263, 11.66873528885501)  # its maximum on CDNOW
LAW = GGompertzNBD(r=0.8, alpha=1.5, b=0.12, s=0.6, beta=20.0)


def next_to_pareto(b):
    r, alpha, s, beta = PARETO
    return GGompertzNBD(r, alpha, b, s, b * beta)


@pytest.fixture(scope="module")
def cdnow():
    return cdnow_summary()


# -- many digits ------------------------------------------------------------------------------------------------------

mp = mpmath.mp.clone()  # a precision of its own
mp.dps = 24

LAWS = [
    tuple(LAW),
    tuple(next_to_pareto(1e-7)),
    (0.5, 10.0, 0.05, 1.0, 1.0),  # one rate of leaving at any age
    (3.0, 0.01, 0.5, 0.2, 1e6),  # two tops: just after the last purchase, and at the age when they leave
    (0.5, 0.1, 20.0, 1e-4, 1e-4),  # most leave at once, the others hardly ever
    (1.0, 1e6, 1e-4, 1e6, 0.5),
    (5e3, 1e6, 1.0, 12.0, 1e6),
    (1e-4, 1e-4, 1e6, 0.6, 1e6),  # e^(b T) is far beyond any float
    (300.0, 1e3, 0.01, 30.0, 1e3),
]
ROWS = [
    (0, 0.0, 39.0),
    (1, 39.0, 39.0),
    (2, 30.43, 38.86),
    (29, 10.0, 39.0),
    (5000, 999.999, 1000.0),
    (3, 10.0, 1e5),
]
each_law = pytest.mark.parametrize("letters", LAWS, ids=str)


def off(true, ours):
    return float(abs(mp.mpf(float(ours)) - true) / abs(true))


def worn(v, beta):
    """Survival is e^(-s worn)."""
    return v - mp.log(beta) if v > 1000 else mp.log1p(mp.expm1(v) / beta)


RULE = GaussLegendre(mp).calc_nodes(4, 100)  # 24 places and weights on (-1, 1)


def log_integral(f, span, marks):
    """Logarithm of the integral of e^f over (0, span), on the logarithm of v, where anything is left."""
    top, bottom = mp.log(span), min(mp.log(min(marks)) - 42, mp.log(span) - 2)
    ends = mp.linspace(bottom, top, 2 + int(3 * (top - bottom)))
    heights = [f(mp.exp(end)) + end for end in ends]
    peak, half, total = max(heights), (ends[1] - ends[0]) / 2, mp.mpf(0)
    for i in range(len(ends) - 1):
        if max(heights[max(0, i - 1) : i + 3]) > peak - 38:
            places = [(ends[i] + half * (1 + x), weight) for x, weight in RULE]
            total += half * sum(weight * mp.exp(f(mp.exp(u)) + u - peak) for u, weight in places)
    return peak + mp.log(total)


def exact(letters, row):
    """Logarithms of the likelihood's parts: what both share, stayed, and left in the silence."""
    r, alpha, b, s, beta = map(mp.mpf, letters)
    x, t_x, T = row[0], mp.mpf(row[1]), mp.mpf(row[2])
    m, a, age, span = r + x, b * (alpha + t_x), b * t_x, b * (T - t_x)
    head = mp.loggamma(m) - mp.loggamma(r) + r * mp.log(alpha) - m * mp.log(alpha + t_x) - s * worn(age, beta)
    beta = beta * mp.exp(-age) - mp.expm1(-age)
    stays = -m * mp.log1p(span / a) - s * worn(span, beta)
    if span == 0:
        return head, stays, mp.mpf("-inf")
    marks = [a / m, a, beta, beta / s, 1 / s, mp.mpf(1)]
    # The derivative of what is worn is e^(v - worn) / beta.
    left = log_integral(lambda v: v - m * mp.log1p(v / a) - (s + 1) * worn(v, beta), span, marks)
    return head, stays, mp.log(s / beta) + left


def check_against_digits(letters, rows):
    x, t_x, T = np.array(rows).T
    law, h = GGompertzNBD(*letters), History(x=x, t_x=t_x, T=T)
    for row, likelihood, alive in zip(rows, law.log_likelihood(h), law.p_alive(h), strict=True):
        head, stays, left = exact(letters, row)
        top = max(stays, left)
        both = mp.exp(stays - top) + mp.exp(left - top)
        true = head + top + mp.log(both)
        assert abs(true - mp.mpf(float(likelihood))) < 1e-12 * max(abs(true), mp.mpf("0.01"))
        if stays - top > -600:
            assert off(mp.exp(stays - top) / both, alive) < 1e-11


@pytest.mark.parametrize("letters", [LAWS[0], LAWS[3]], ids=str)
def test_log_likelihood_and_p_alive_against_twenty_four_digits(letters):
    check_against_digits(letters, [ROWS[3]])


@pytest.mark.slow
@each_law
def test_log_likelihood_and_p_alive_against_twenty_four_digits_for_all_rows(letters):
    check_against_digits(letters, ROWS)


@pytest.mark.slow
def test_the_score_against_differences_of_many_digits():
    letters, row = LAWS[3], ROWS[2]

    def log_likelihood(place):
        head, stays, left = exact([mp.exp(one) for one in place], row)
        return head + max(stays, left) + mp.log1p(mp.exp(-abs(stays - left)))

    score = GGompertzNBD(*letters).score(History(*(np.array([one]) for one in row)))[:, 0]
    place, step = [mp.log(mp.mpf(one)) for one in letters], mp.mpf("1e-6")
    for i, (letter, slope) in enumerate(zip(letters, score, strict=True)):
        up, down = ([one + sign * step * (i == j) for j, one in enumerate(place)] for sign in (1, -1))
        true = (log_likelihood(up) - log_likelihood(down)) / (2 * step)
        assert approx(float(true), rel=1e-9, abs=1e-10) == letter * slope


def chances(letters, n, t):
    """Of n purchases of a new customer within t, of any, and how many are expected, discounted at 0.002 or not."""
    r, alpha, b, s, beta = map(mp.mpf, letters)
    a, span, marks = b * alpha, b * mp.mpf(t), [b * alpha, b * alpha / r, beta, beta / s, 1 / s, mp.mpf(1)]

    known = mp.loggamma(r + n) - mp.loggamma(r) - mp.loggamma(n + 1)

    def counts(v):
        return known - r * mp.log1p(v / a) - n * mp.log1p(a / v)

    left = log_integral(lambda v: v + counts(v) - (s + 1) * worn(v, beta), span, marks)
    stayed = mp.exp(counts(span) - s * worn(span, beta))
    active = log_integral(lambda v: -(r + 1) * mp.log1p(v / a) - s * worn(v, beta), span, marks)
    bought = log_integral(lambda v: -s * worn(v, beta), span, marks)
    worth = log_integral(lambda v: -s * worn(v, beta) - v * mp.mpf("0.002") / b, span, marks)
    return stayed + s / beta * mp.exp(left), *(r / a * mp.exp(area) for area in (active, bought, worth))


@pytest.mark.slow
@pytest.mark.parametrize("letters", LAWS[:5], ids=str)
def test_chances_and_expectations_of_a_new_customer_against_twenty_four_digits(letters):
    law = GGompertzNBD(*letters)
    for n, t in ((0, 39.0), (200, 1e4)):
        count, active, bought, worth = chances(letters, n, t)
        if count > 1e-290:
            assert off(count, law.probability_of_new(n, t)) < 1e-11
        assert off(active, law.activity_of_new(t)) < 1e-12
        assert off(bought, law.expected_purchases_of_new(t)) < 1e-12
        assert off(worth, law.discounted_purchases_of_new(np.asarray(t), 0.002)) < 1e-12


def test_chances_and_expectations_of_a_new_customer_to_thirteen_digits():
    count, active, bought, worth = chances(tuple(LAW), 7, 39.0)
    assert off(count, LAW.probability_of_new(7, 39.0)) < 1e-13
    assert off(active, LAW.activity_of_new(39.0)) < 1e-13
    assert off(bought, LAW.expected_purchases_of_new(39.0)) < 1e-13
    assert off(worth, LAW.discounted_purchases_of_new(np.asarray(39.0), 0.002)) < 1e-13


# -- by hand ----------------------------------------------------------------------------------------------------------


def test_survival_is_the_gamma_gompertz_distribution_also_where_its_exponential_overflows():
    t = np.array([0.0, 1.0, 10.0, 60.0])
    assert_allclose((20 / (19 + np.exp(0.12 * t))) ** 0.6, LAW.survival_of_new(t), rtol=1e-14)
    assert approx(np.exp(-1e-4 * (1e6 - np.log(20)))) == float(
        GGompertzNBD(0.5, 10.0, 100.0, 1e-4, 20.0).survival_of_new(1e4)
    )


@pytest.mark.parametrize("beta", [1e-4, 0.5, 1.0, 1e6])
@pytest.mark.parametrize("T", [0.0, 1e-6, 39.0, 1e5])
def test_whoever_is_still_there_goes_on_by_the_same_story(beta, T):
    law, t = GGompertzNBD(0.5, 10.0, 0.05, 1e-3, beta), np.array([1e-3, 5.0, 400.0])
    living = law.living(History(x=[0], t_x=[0], T=[T]))
    assert_allclose(law.survival_of_new(T + t), law.survival_of_new(T) * living.survival_of_new(t), rtol=1e-12)


def test_with_age_the_rate_of_leaving_levels_off():
    old = LAW.living(History(x=[2], t_x=[5], T=[1e5]))
    assert [1.0] == old.beta.tolist()
    assert_allclose(np.exp(-0.12 * 0.6 * 7), old.survival_of_new(7.0), rtol=1e-14)


@pytest.mark.parametrize(("x", "t_x"), [(0, 0.0), (1, 3.0), (29, 37.0), (29, 3.0)])
def test_one_rate_of_leaving_at_beta_of_1(x, t_x):
    # Survival is e^(-s b t), and the integral over the moment of leaving an exponential integral.
    r, alpha, b, s, T = 0.5, 10.0, 0.05, 1.5, 39.0
    m, A, rate = mp.mpf(r + x), mp.mpf(alpha + t_x), mp.mpf(s * b)
    left = rate * A * mp.expint(m, rate * A)
    left -= rate * A * mp.expint(m, rate * (alpha + T)) * ((alpha + T) / A) ** (1 - m)
    left *= mp.exp(rate * A)
    stays = mp.exp(-m * mp.log((alpha + T) / A) - rate * (T - t_x))
    h, law = History(x=[x], t_x=[t_x], T=[T]), GGompertzNBD(r, alpha, b, s, 1.0)
    assert off(stays / (stays + left), law.p_alive(h)[0]) < 1e-13
    head = mp.loggamma(m) - mp.loggamma(r) + r * mp.log(alpha) - m * mp.log(A) - rate * t_x
    assert off(head + mp.log(stays + left), law.log_likelihood(h)[0]) < 1e-13
    near = [GGompertzNBD(r, alpha, b, s, beta).log_likelihood(h)[0] for beta in (1 - 1e-9, 1 + 1e-9)]
    assert_allclose(law.log_likelihood(h)[0], near, rtol=1e-8)


@pytest.mark.parametrize("beta", [1e-4, 0.3, 1.0, 7.0, 1e4])
def test_all_purchases_to_come_are_the_mean_rate_times_the_mean_lifetime(beta):
    nobody = History(x=[0], t_x=[0], T=[0.0])
    one = GGompertzNBD(0.5, 10.0, 0.05, 1.0, beta)  # its mean lifetime is beta log(beta) / (beta - 1) / b
    lifetime = 1.0 if beta == 1 else beta * np.log(beta) / (beta - 1)
    assert approx(0.05 * lifetime / 0.05, rel=1e-13) == one.expected_purchases(nobody, np.inf)[0]
    many = GGompertzNBD(0.5, 10.0, 0.05, 2.6, beta)
    lifetime = hyp2f1(1, 2.6, 3.6, 1 - 1 / beta) / 2.6
    assert approx(0.05 * lifetime / 0.05, rel=1e-11) == many.expected_purchases(nobody, np.inf)[0]


def test_the_corrected_conditional_expectation():
    # Rate times chance to be there at each moment to come, by the posterior given the history, on a fine grid.
    h, t = History(x=[12], t_x=[20.0], T=[24.0]), np.linspace(0, 30, 30_001)
    rate = (LAW.r + 12) / (LAW.alpha + 24)
    there = LAW.p_alive(h) * LAW.survival_of_new(24 + t) / LAW.survival_of_new(24)
    assert approx(rate * trapezoid(there, t), rel=1e-8) == LAW.expected_purchases(h, 30.0)[0]


def test_the_rate_of_leaving_that_a_history_tells():
    # Whoever never buys tells no more than that they were here at 0; the prior mean of eta is s / beta.
    silent = GGompertzNBD(1e-12, 1.0, 0.12, 0.6, 20.0)
    assert approx(0.6 / 20) == silent.mean_dropout(History(x=[0], t_x=[0], T=[39]))[0]
    here = History(x=[5], t_x=[39], T=[39])  # seen just now: s / (beta - 1 + e^(b T))
    assert approx(0.6 / (19 + np.exp(0.12 * 39))) == LAW.mean_dropout(here)[0]
    assert [0.0] == LAW.mean_dropout(History(x=[5], t_x=[1e5], T=[1e5])).tolist()


# -- where it meets the Pareto/NBD ------------------------------------------------------------------------------------


def test_its_likelihood_tends_to_that_of_the_pareto(cdnow):
    assert approx(-9594.976178939543, abs=2e-6) == next_to_pareto(1e-7).log_likelihood(cdnow).sum()


def test_as_b_and_beta_vanish_it_is_the_pareto(cdnow):
    law, pareto = next_to_pareto(1e-12), ParetoNBD(*PARETO)
    same = {"rtol": 1e-9, "atol": 1e-11}
    assert_allclose(pareto.log_likelihood(cdnow), law.log_likelihood(cdnow), **same)
    assert_allclose(pareto.score(cdnow)[:2], law.score(cdnow)[:2], **same)
    assert_allclose(pareto.p_alive(cdnow), law.p_alive(cdnow), **same)
    assert_allclose(pareto.p_active(cdnow, 39), law.p_active(cdnow, 39), **same)
    assert_allclose(pareto.expected_purchases(cdnow, 39), law.expected_purchases(cdnow, 39), **same)
    assert_allclose(pareto.probability(3, cdnow, 39), law.probability(3, cdnow, 39), **same)
    worth = [one.discounted_expected_purchases(cdnow, np.inf, annual_discount_rate=0.15) for one in (pareto, law)]
    assert_allclose(*worth, rtol=1e-7)


def test_cdnow_asks_for_no_more_than_the_pareto(cdnow):
    with pytest.raises(ConvergenceError, match="has no peak: b runs to zero .*ParetoNBD.*; beta runs to zero"):
        GGompertzNBD.fit(cdnow)


def test_where_leaving_hastens_it_is_likelier_than_the_pareto():
    rng, law = np.random.default_rng(3), GGompertzNBD(0.8, 1.5, 0.15, 0.3, 0.3)
    h = law.simulate(rng.uniform(30, 80, 3000), rng).history()
    fit, pareto = (kind.fit(h) for kind in (GGompertzNBD, ParetoNBD))
    assert fit.log_likelihood > pareto.log_likelihood + 20
    assert np.all(np.abs(fit.model.to_log() - law.to_log()) < 4 * np.sqrt(np.diag(fit.log_covariance)))
    assert 3 == fit.diagnosis.agreeing


# -- other promises ---------------------------------------------------------------------------------------------------


def test_a_discounted_value_adds_up_over_a_finite_horizon():
    h, delta = History(x=[12], t_x=[20.0], T=[24.0]), discount_per_unit(0.15, "week")
    grid = np.linspace(0, 52.0, 20_001)
    bought = LAW.living(h).expected_purchases_of_new(grid)
    worth = LAW.p_alive(h) * (np.diff(bought) @ np.exp(-delta * (grid[1:] + grid[:-1]) / 2))
    assert_allclose(worth, LAW.discounted_expected_purchases(h, 52.0, annual_discount_rate=0.15), rtol=1e-8)


def test_nothing_overflows_however_old_the_customers_are():
    ages = np.array([0.0, 1e-6, 1.0, 1e3, 1e5, 1e9])
    h = History(x=np.ones(6) * (ages > 0), t_x=ages / 2, T=ages)
    for law in (GGompertzNBD(*letters) for letters in LAWS):
        answers = [law.log_likelihood(h), law.score(h), law.p_alive(h), law.expected_purchases(h, 1e9)]
        answers += [law.mean_dropout(h), law.mean_purchase_rate(h), law.probability(3, h, 1e9), law.p_active(h, 1e9)]
        assert all(np.all(np.isfinite(answer)) for answer in answers)
