"""BG/BB: what its paper prints, what forty digits say, and what must be true of a law whose time goes in steps."""

import itertools
from dataclasses import replace

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from custrel import History, from_json
from custrel.clv import GammaGamma, LifetimeValue
from custrel.clv.bgbb import BGBB
from custrel.errors import ConvergenceError, DomainError
from custrel.stats.draw import SharedNumbers

approx = pytest.approx

# Table 3: how many of 11,104 supporters gave how often, and when last, at the six opportunities from 1996 to 2001.
X = [0, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 5, 5, 6]
T_X = [0, 1, 2, 3, 4, 5, 6, 2, 3, 4, 5, 6, 3, 4, 5, 6, 4, 5, 6, 5, 6, 6]
HOW_MANY = np.array([3464, 1091, 277, 129, 78, 119, 129, 613, 255, 155, 173])
HOW_MANY = np.append(HOW_MANY, [234, 322, 181, 225, 357, 240, 284, 512, 335, 728, 1203])
# The maximum on them, computed at 35 digits.
MAXIMUM = (1.203522351601914, 0.7497163581729389, 0.6567182084418325, 2.783442232577381)
STANDARD_ERRORS = (0.06939136238888156, 0.029447716660385762, 0.05100985895641319, 0.3208190030432685)
LAW = BGBB(*MAXIMUM)


@pytest.fixture(scope="module")
def donors():
    return History(x=X, t_x=T_X, T=np.full(len(X), 6), n=HOW_MANY, unit="year")


@pytest.fixture(scope="module")
def fit(donors):
    return BGBB.fit(donors)


# -- as published -----------------------------------------------------------------------------------------------------


def test_donors_of_fader_hardie_shang_2010(fit):
    assert 11_104 == fit.n
    assert approx((1.204, 0.750, 0.657, 2.783), abs=5e-4) == tuple(fit.model)
    assert approx(-33225.6, abs=0.05) == fit.log_likelihood


def test_the_maximum_on_the_donors_to_eight_digits(fit):
    assert approx(MAXIMUM, rel=1e-8) == tuple(fit.model)
    assert approx(-33225.58127434701, abs=1e-7) == fit.log_likelihood
    assert approx(STANDARD_ERRORS, rel=1e-7) == tuple(fit.standard_errors)


def test_what_is_expected_of_donors_in_the_next_five_years():
    best, worst = History(x=[6, 0], t_x=[6, 0], T=[6, 6], unit="year").take([0]), History(x=[0], t_x=[0], T=[6])
    assert approx(3.75, abs=0.005) == LAW.expected_purchases(best, 5)[0]
    assert approx(0.07, abs=0.005) == LAW.expected_purchases(worst, 5)[0]


def test_lifetimes_says_the_same_of_the_donors(donors):
    lifetimes = pytest.importorskip("lifetimes")
    peer = lifetimes.BetaGeoBetaBinomFitter()
    peer.params_ = dict(zip(("alpha", "beta", "gamma", "delta"), MAXIMUM, strict=True))
    x, t_x, T = (values.astype(int) for values in (donors.x, donors.t_x, donors.T))
    assert_allclose(peer.conditional_probability_alive(1, x, t_x, T), LAW.p_alive(donors), rtol=1e-11)
    theirs = peer.conditional_expected_number_of_purchases_up_to_time(5, x, t_x, T)
    assert_allclose(theirs, LAW.expected_purchases(donors, 5), rtol=1e-11)


# -- many digits ------------------------------------------------------------------------------------------------------

mp = mpmath.mp.clone()  # a precision of its own
mp.dps = 40

LAWS = [
    MAXIMUM,
    (1.2, 0.75, 1.0, 2.8),  # where printed forms divide by zero
    (1.2, 0.75, 1 + 1e-9, 2.8),
    (1e-4, 1e6, 1e-4, 1e6),  # hardly anybody buys, hardly anybody leaves
    (1e6, 1e-4, 1e-4, 1e6),
    (1e-4, 1e-4, 1e-4, 1e-4),
    (1e6, 1e6, 1e6, 1e6),  # all alike
    (30.0, 1e-4, 1e-4, 1.0),
    (0.7, 1e6, 1e6, 1e-4),  # all but nobody is there at the first opportunity
]
ROWS = [
    (0, 0, 0),
    (0, 0, 1),
    (0, 0, 6),
    (1, 1, 6),
    (1, 6, 6),
    (3, 4, 6),
    (6, 6, 6),
    (2500, 4980, 5000),
    (5000, 5000, 5000),
]
each_law = pytest.mark.parametrize("letters", LAWS, ids=str)


def people(rows):
    x, t_x, T = np.array(rows, dtype=float).T
    return History(x=x, t_x=t_x, T=T, unit="year")


def betaln(a, b):
    return mp.loggamma(a) + mp.loggamma(b) - mp.loggamma(a + b)


def fates(letters, row):
    """Equation (5): the chance of the row for each last opportunity j at which the customer may have been there."""
    (alpha, beta, gamma, delta), (x, t_x, T) = map(mp.mpf, letters), row
    none = betaln(alpha, beta) + betaln(gamma, delta)
    left = [betaln(alpha + x, beta + j - x) + betaln(gamma + 1, delta + j) - none for j in range(t_x, T)]
    return [mp.exp(one) for one in (*left, betaln(alpha + x, beta + T - x) + betaln(gamma, delta + T) - none)]


def off(true, ours):
    return float(abs(mp.mpf(float(ours)) - true) / abs(true)) if true else abs(float(ours))


@each_law
def test_likelihood_p_alive_and_posterior_means_against_forty_digits(letters):
    alpha, beta, gamma, delta = map(mp.mpf, letters)
    law, h = BGBB(*letters), people(ROWS)
    asked = (law.log_likelihood, law.p_alive_now, law.p_alive, law.mean_purchase_rate, law.mean_dropout)
    for (x, t_x, T), *ours in zip(ROWS, *(ask(h) for ask in asked), strict=True):
        chances = fates(letters, (x, t_x, T))
        whole, last = mp.fsum(chances), range(t_x, T + 1)
        alive = chances[-1] / whole
        p = mp.fsum(c * (alpha + x) / (alpha + beta + j) for c, j in zip(chances, last, strict=True)) / whole
        gone = mp.fsum(
            c * (gamma + 1) / (gamma + delta + j + 1) for c, j in zip(chances[:-1], range(t_x, T), strict=True)
        )
        theta = gone / whole + alive * gamma / (gamma + delta + T)
        truth = (mp.log(whole), alive, alive * (delta + T) / (gamma + delta + T), p, theta)
        assert max(map(off, truth, ours)) < 1e-10


@each_law
def test_the_score_against_forty_digits(letters):
    rows = [row for row in ROWS if row[2] < 10]
    score = BGBB(*letters).score(people(rows)) * np.array(letters)[:, None]
    for k, i in itertools.product(range(4), range(len(rows))):

        def log_likelihood(u, k=k, i=i):
            moved = [mp.mpf(value) * (mp.exp(u) if k == which else 1) for which, value in enumerate(letters)]
            return mp.log(mp.fsum(fates(moved, rows[i])))

        step = mp.mpf(10) ** -12
        true = (log_likelihood(step) - log_likelihood(-step)) / (2 * step)
        assert approx(float(true), rel=1e-10, abs=1e-12) == score[k, i]


def test_a_long_silence_against_forty_digits():
    alpha, beta, gamma, delta = map(mp.mpf, MAXIMUM)
    there, left, bought = mp.mpf(1), mp.mpf(0), mp.mpf(0)
    for j in range(3000):
        left += there * gamma / (gamma + delta + j)
        there *= (delta + j) / (gamma + delta + j)
        bought += there * alpha / (alpha + beta + j)
        there *= (beta + j) / (alpha + beta + j)
    h = people([(0, 0, 3000)])
    assert off(mp.log(left + there), LAW.log_likelihood(h)[0]) < 1e-12
    assert off(there / (left + there), LAW.p_alive_now(h)[0]) < 1e-12
    assert off(1 - bought, np.exp(LAW.log_likelihood(h)[0])) < 1e-12


@each_law
def test_purchases_to_come_against_forty_digits(letters):
    alpha, beta, gamma, delta = map(mp.mpf, letters)
    law, h = BGBB(*letters), people(ROWS)
    ours = zip(
        law.p_alive(h),
        *(law.expected_purchases(h, t) for t in (5, 5000)),
        *(law.discounted_expected_purchases(h, t, annual_discount_rate=0.1) for t in (5, np.inf)),
        strict=True,
    )
    for (x, _, T), (alive, *answers) in zip(ROWS, ours, strict=True):
        b, c, rate = delta + T, gamma + delta + T, (alpha + x) / (alpha + beta + T)
        stays = [mp.mpf(1)]
        for j in range(1, 300):
            stays.append(stays[-1] * (b + j) / (c + j))
        if letters[2] == 1:
            long = (b + 1) * (mp.psi(0, b + 5001) - mp.psi(0, b + 1))
        else:
            rest = mp.loggamma(b + 5001) - mp.loggamma(b + 1) - mp.loggamma(c + 5000) + mp.loggamma(c)
            long = c / (gamma - 1) * -mp.expm1(rest)
        worth = [stay / mp.mpf("1.1") ** j for j, stay in enumerate(stays, 1)]
        truth = mp.fsum(stays[:5]), long, mp.fsum(worth[:5]), mp.fsum(worth)
        assert (
            max(off(rate * one * mp.mpf(float(alive)), mine) for one, mine in zip(truth, answers, strict=True)) < 1e-10
        )


@each_law
@pytest.mark.parametrize(("n", "t"), [(0, 0), (0, 1), (1, 1), (0, 6), (3, 6), (6, 6), (7, 6), (1, 100), (95, 100)])
def test_chances_of_a_new_customer_against_forty_digits(letters, n, t):
    ends = [(i, fates(letters, (n, i, i + 1))[0]) for i in range(n, t)] + [(t, fates(letters, (n, t, t))[0])]
    true = mp.fsum(mp.binomial(i, n) * chance for i, chance in ends) if n <= t else mp.mpf(0)
    assert approx(float(true), rel=1e-10, abs=0) == float(BGBB(*letters).probability_of_new(n, t))


def test_expected_purchases_pass_smoothly_through_gamma_of_1():
    near = [float(BGBB(1.2, 0.75, g, 2.8).expected_purchases_of_new(50)) for g in (1 - 1e-9, 1.0, 1 + 1e-9)]
    assert_allclose(near, 1.2 / 1.95 * sum(2.8 / (3.8 + j) for j in range(50)), rtol=2e-8)


def test_all_purchases_to_come_are_finite_only_where_enough_customers_leave():
    newborn = people([(0, 0, 0)])
    assert approx(1.2 / 2.0 * 3.0 / 1.5) == BGBB(1.2, 0.8, 2.5, 3.0).expected_purchases(newborn, np.inf)[0]
    for gamma in (0.5, 1.0):
        assert [np.inf] == BGBB(1.2, 0.8, gamma, 3.0).expected_purchases(newborn, np.inf).tolist()
    assert [np.inf] == LAW.discounted_expected_purchases(newborn, np.inf, annual_discount_rate=0).tolist()


def test_a_discounted_purchase_is_worth_1_over_1_plus_d_a_year_later_in_any_unit():
    # One opportunity to come, and a customer as good as certain to be there and to buy.
    law, h = BGBB(1e6, 1e-4, 1e-4, 1e6), people([(6, 6, 6)])
    for unit, worth in (("year", 1 / 1.21), ("month", 1.21 ** (-1 / 12)), ("week", 1.21 ** (-7 / 365.25))):
        value = law.discounted_expected_purchases(replace(h, unit=unit), 1, annual_discount_rate=0.21)
        assert approx(worth, rel=1e-8) == value[0]


# -- by going through all there is ------------------------------------------------------------------------------------


def continued(row, steps):
    """The row after each of the 2^steps ways to go on, and how many purchases that added."""
    x, t_x, T = row
    for way in itertools.product((0, 1), repeat=steps):
        last = max((T + k for k, buys in enumerate(way, 1) if buys), default=t_x)
        yield (x + sum(way), last, T + steps), way


@pytest.mark.parametrize("letters", [*LAWS[:3], (0.3, 2.0, 4.0, 0.5)], ids=str)
@pytest.mark.parametrize("row", [(0, 0, 0), (0, 0, 3), (1, 2, 5), (4, 4, 4), (2, 3, 9)], ids=str)
def test_what_is_to_come_is_the_likelihood_of_all_ways_to_go_on(letters, row):
    law, h = BGBB(*letters), people([row])
    rows, ways = zip(*continued(row, 5), strict=True)
    chances = np.exp(law.log_likelihood(people(rows)) - law.log_likelihood(h))
    assert approx(1.0, rel=1e-12) == chances.sum()
    bought = np.array(ways)
    by_count = [chances @ (bought.sum(axis=1) == n) for n in range(7)]
    assert_allclose(by_count, law.probability(np.arange(7)[:, None], h, 5)[:, 0], rtol=1e-11, atol=0)
    later = [chances @ (bought[:, 2:].sum(axis=1) == n) for n in range(5)]
    assert_allclose(later, law.probability(np.arange(5)[:, None], h, 3, since=2)[:, 0], rtol=1e-11, atol=0)
    assert approx(chances @ bought.sum(axis=1), rel=1e-11) == law.expected_purchases(h, 5)[0]
    assert approx(chances @ (bought.sum(axis=1) > 0), rel=1e-11) == law.p_active(h, 5)[0]
    worth = 1.25 ** -np.arange(1.0, 6.0)
    value = law.discounted_expected_purchases(h, 5, annual_discount_rate=0.25)[0]
    assert approx(chances @ (bought @ worth), rel=1e-11) == value
    # Whoever is there at the next opportunity buys with what is then the mean of p.
    mean_p = (law.alpha + h.x) / (law.alpha + law.beta + h.T)
    assert_allclose(chances @ bought, [(law.p_alive(h, j) * mean_p)[0] for j in range(5)], rtol=1e-11)


# -- the wide box -----------------------------------------------------------------------------------------------------


def between(low, high):
    """Numbers spread evenly over orders of magnitude."""
    return st.floats(np.log(low), np.log(high)).map(lambda v: float(np.exp(v)))


def laws_in(low, high):
    return st.builds(BGBB, *[between(low, high) | st.sampled_from([1.0, 2.0])] * 4)


@st.composite
def customers(draw, most=150):
    T = draw(st.integers(0, most))
    t_x = draw(st.integers(0, T))
    return people([(draw(st.integers(min(1, t_x), t_x)), t_x, T)])


def tried(times):
    """So many examples, the same ones each time: the build must not depend on luck."""
    return settings(max_examples=times, deadline=None, derandomize=True, database=None)


wide = given(law=laws_in(1e-4, 1e6), h=customers(), t=st.integers(0, 150))


@wide
@tried(20)
def test_every_answer_is_finite_and_every_chance_a_chance(law, h, t):
    chances = [law.p_alive(h), law.p_alive(h, t), law.p_active(h, t), law.p_alive_now(h)]
    chances += [law.probability(n, h, t) for n in (0, 1, 7, 1000)]
    assert np.min(chances) >= 0
    assert np.max(chances) <= 1 + 1e-12
    others = [law.log_likelihood(h), *law.score(h), law.mean_purchase_rate(h), law.mean_dropout(h)]
    others += [law.expected_purchases(h, t), law.discounted_expected_purchases(h, np.inf, annual_discount_rate=0.01)]
    assert np.all(np.isfinite(others))
    assert law.log_likelihood(h)[0] <= 0


@wide
@tried(20)
def test_nothing_is_expected_at_once_and_more_the_longer_we_wait(law, h, t):
    assert_array_equal(0.0, law.expected_purchases(h, 0))
    expected = law.expected_purchases(h, np.arange(t + 2)[:, None])[:, 0]
    assert np.all(np.diff(expected) >= -1e-12 * expected[1:])
    assert expected[-1] <= law.expected_purchases(h, np.inf)[0] * (1 + 1e-9)
    assert np.all(law.p_active(h, t) <= law.expected_purchases(h, t) * (1 + 1e-10) + 1e-15)


@wide
@tried(20)
def test_p_alive_falls_in_silence_and_with_time(law, h, t):
    silent = people([(h.x[0], h.t_x[0], h.T[0] + k) for k in range(t + 2)])
    for alive in (law.p_alive(silent), law.p_alive(h, np.arange(t + 2.0)[:, None])[:, 0]):
        assert np.all(np.diff(alive) <= 1e-12 * alive[:-1])


@wide
@tried(12)
def test_discounted_value_falls_with_the_rate_and_comes_to_that_of_all_time(law, h, t):
    def value(t, rate):
        return law.discounted_expected_purchases(h, t, annual_discount_rate=rate)[0]

    assert law.expected_purchases(h, t)[0] == value(t, 0.0)
    assert approx(value(t, 0.0), rel=1e-9) == value(t, 1e-13)
    values = [value(t, rate) for rate in (0.0, 0.01, 0.1, 0.5, 3.0)]
    assert np.all(np.diff(values) <= 1e-12 * values[0])
    for rate in (0.05, 3.0):
        assert value(t, rate) <= value(np.inf, rate) * (1 + 1e-12)
        assert approx(value(2000, rate), rel=1e-12) == value(np.inf, rate)


@wide
@tried(8)
def test_a_batch_of_one_equals_the_batch(law, h, t):
    crowd = people([*ROWS[:-2], (0, 0, 321), (h.x[0], h.t_x[0], h.T[0]), (40, 77, 100)])
    for answer in (
        law.log_likelihood,
        law.p_alive,
        law.mean_dropout,
        lambda who: law.score(who)[0],
        lambda who: law.score(who)[3],
        lambda who: law.expected_purchases(who, t),
        lambda who: law.probability(3, who, t),
        lambda who: law.discounted_expected_purchases(who, t, annual_discount_rate=0.1),
    ):
        assert_array_equal(answer(h), answer(crowd)[-2:-1])


@given(law=laws_in(0.05, 50.0), h=customers(40), t=st.integers(0, 60), since=st.integers(0, 20))
@tried(25)
def test_chances_sum_to_1_and_their_mean_is_the_expectation(law, h, t, since):
    n = np.arange(t + 1)[:, None]
    earlier, all_of_it = (law.expected_purchases(h, s)[0] for s in (since, since + t))
    for chances, expected in (
        (law.probability(n, h, t)[:, 0], law.expected_purchases(h, t)[0]),
        (law.probability_of_new(n[:, 0], t), float(law.expected_purchases_of_new(t))),
        (law.probability(n, h, t, since=since)[:, 0], all_of_it - earlier),
    ):
        assert approx(1.0, rel=1e-11) == chances.sum()
        assert approx(expected, rel=1e-9, abs=1e-13) == n[:, 0] @ chances


@given(law=laws_in(0.01, 100.0), h=customers(100))
@tried(25)
def test_the_score_is_the_slope_of_the_log_likelihood(law, h):
    place = law.to_log()
    for slope, value, move in zip(law.score(h), law, 1e-5 * np.eye(4), strict=True):
        up, down = (BGBB.from_log(place + s * move).log_likelihood(h) for s in (1, -1))
        assert_allclose((up - down) / 2e-5, value * slope, rtol=1e-6, atol=1e-6)


@given(law=laws_in(1e-4, 1e4), h=customers(100))
@tried(20)
def test_posterior_means_lie_between_those_of_who_left_at_once_and_of_who_is_there(law, h):
    mean = law.mean_purchase_rate(h)[0]
    fewest, most = (law.alpha + h.x) / (law.alpha + law.beta + h.T), (law.alpha + h.x) / (law.alpha + law.beta + h.t_x)
    assert fewest[0] * (1 - 1e-9) <= mean <= most[0] * (1 + 1e-9)
    here, gone = law.gamma / (law.gamma + law.delta + h.T), (law.gamma + 1) / (law.gamma + law.delta + h.t_x + 1)
    assert here[0] * (1 - 1e-9) <= law.mean_dropout(h)[0] <= max(here, gone)[0] * (1 + 1e-9)


# -- shapes -----------------------------------------------------------------------------------------------------------


def test_draws_broadcast(donors):
    draws = np.exp(LAW.to_log() + 0.3 * np.random.default_rng(5).standard_normal((3, 4)))
    together = BGBB.from_log(np.log(draws))
    for answer in (
        lambda one: one.log_likelihood(donors),
        lambda one: one.p_alive(donors),
        lambda one: one.p_alive(donors, 4),
        lambda one: one.p_active(donors, 3),
        lambda one: one.mean_purchase_rate(donors),
        lambda one: one.mean_dropout(donors),
        lambda one: one.expected_purchases(donors, 5),
        lambda one: one.expected_purchases(donors, np.inf),
        lambda one: one.probability(2, donors, 5),
        lambda one: one.probability(2, donors, 5, since=2),
        lambda one: one.discounted_expected_purchases(donors, np.inf, annual_discount_rate=0.1),
        lambda one: one.expected_purchases_of_new(np.array([1, 39])),
        lambda one: one.probability_of_new(np.arange(4), 39),
    ):
        rows = np.stack([answer(BGBB(*values)) for values in draws])
        assert rows.shape == answer(together).shape
        assert_allclose(rows, answer(together), rtol=1e-13)


def test_each_customer_may_have_parameters_and_a_horizon_of_their_own(donors):
    own = BGBB(*(value * np.linspace(0.5, 2.0, len(donors)) for value in MAXIMUM))
    t = 1 + np.arange(len(donors)) % 7
    together = own.expected_purchases(donors, t), own.probability(1, donors, t)
    for i in (0, 5, 21):
        law, one = BGBB(*(value[i] for value in own)), donors.take([i])
        assert law.expected_purchases(one, t[i])[0] == together[0][i]
        assert law.probability(1, one, t[i])[0] == together[1][i]


def test_an_empty_history_gets_empty_answers():
    nobody = History(x=[], t_x=[], T=[])
    for answer in (LAW.log_likelihood, LAW.p_alive, LAW.mean_dropout, lambda h: LAW.expected_purchases(h, 5)):
        assert answer(nobody).shape == (0,)
    assert LAW.score(nobody).shape == (4, 0)


# -- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("x", "t_x", "T", "why"),
    [
        ([1, 1], [2, 2.5], [6, 6], r"whole numbers of opportunities; 1 of 2 rows break this: row 1 has x=1, t_x=2.5"),
        ([1], [2], [38.86], "whole numbers of opportunities"),
        ([3], [2], [6], r"x must not be above t_x.*row 0 has x=3, t_x=2, T=6"),
    ],
)
def test_a_history_of_anything_but_opportunities_is_refused(x, t_x, T, why):
    h = History(x=x, t_x=t_x, T=T)
    for ask in (BGBB.fit, LAW.log_likelihood, LAW.score, LAW.p_alive, LAW.living, LAW.mean_purchase_rate):
        with pytest.raises(DomainError, match=f"BGBB: .*{why}"):
            ask(h)
    with pytest.raises(DomainError, match=why):
        LAW.expected_purchases(h, 5)


@pytest.mark.parametrize("t", [0.5, [1.0, 2.5], "365D"])
def test_a_horizon_that_is_no_whole_number_of_opportunities_is_refused(donors, t):
    t = np.array(t) if isinstance(t, list) else t
    h = donors.take(slice(2))
    for ask in (
        LAW.p_alive,
        LAW.p_active,
        LAW.expected_purchases,
        lambda h, t: LAW.probability(1, h, t),
        lambda h, t: LAW.probability(1, h, 1, since=t),
        lambda h, t: LAW.discounted_expected_purchases(h, t, annual_discount_rate=0.1),
    ):
        with pytest.raises(DomainError, match=r"whole number of opportunities, 0 or more, got (0.5|2.5|0.999)"):
            ask(h, t)
    assert_array_equal(LAW.expected_purchases(h, 2), LAW.expected_purchases(h, "2Y"))


@pytest.mark.parametrize("t", [-1, np.nan, np.inf])
def test_a_chance_within_no_time_or_endless_time_is_refused(donors, t):
    for ask in (LAW.p_alive, LAW.p_active, lambda h, t: LAW.probability(1, h, t)):
        with pytest.raises(DomainError, match="horizon"):
            ask(donors, t)
    for ask in (LAW.survival_of_new, lambda t: LAW.probability_of_new(1, t)):
        with pytest.raises(DomainError, match="horizon"):
            ask(t)


def test_a_fitted_law_knows_its_unit_and_comes_back_from_json(fit, donors):
    assert "year" == fit.model.unit
    assert fit == from_json(fit.to_json())
    with pytest.raises(DomainError, match="this BGBB counts years, the history counts weeks"):
        fit.model.p_alive(replace(donors, unit="week"))


def test_a_fit_without_a_peak_says_why():
    always = History(x=[6, 6], t_x=[6, 6], T=[6, 6], n=[900, 100], unit="year")
    with pytest.raises(ConvergenceError, match="BGBB: the likelihood of 1,000 customers has no peak"):
        BGBB.fit(always)
    with pytest.raises(ConvergenceError, match="none of 5 customers bought twice"):
        BGBB.fit(History(x=np.zeros(5), t_x=np.zeros(5), T=np.full(5, 6)))


# -- simulate is the witness ------------------------------------------------------------------------------------------


def agrees(expected, sample, sigmas=5.0):
    """Whether the mean of a sample is what it should be, within its own standard error, or one rare event."""
    error = np.std(sample, ddof=1) / np.sqrt(len(sample))
    return abs(np.mean(sample) - expected) <= sigmas * max(error, 0.2 / len(sample))


@pytest.fixture(scope="module")
def lives():
    """60,000 customers, watched for 4 to 12 opportunities, and for 8 more."""
    rng = np.random.default_rng(20101)
    T = rng.integers(4, 13, 60_000)
    lives = LAW.simulate(T + 8, rng, unit="year")
    return lives, lives.history(until=T)


def test_simulated_customers_have_exactly_so_many_opportunities(lives):
    times, h = lives
    assert np.all((times.time == np.floor(times.time)) & (times.time >= 1) & (times.time <= times.T[times.customer]))
    key = times.customer * 1000 + times.time
    assert np.all(np.diff(key) > 0)
    # Of those who bought at all 20 opportunities none can have bought more; nobody misses the first or the last one.
    assert {1.0, 20.0} <= set(times.time)
    assert h.x.max() == 12


def test_simulated_customers_buy_as_often_as_expected(lives):
    times, _ = lives
    for t in (1, 4, 12):
        assert agrees(LAW.expected_purchases_of_new(t), times.count(before=t))
    for n in range(5):
        assert agrees(LAW.probability_of_new(n, 4), times.count(before=4) == n)


def test_simulated_customers_do_what_their_history_said(lives):
    times, h = lives
    later = times.count(before=h.T + 8) - h.x
    last = later - (times.count(before=h.T + 3) - h.x)
    groups = (h.x == 0, h.x == 1, (h.x > 1) & (h.x < 6), h.x > 5, (h.x > 0) & (h.t_x < h.T / 3))
    for outcome, expected in (
        (later, LAW.expected_purchases(h, 8)),
        (later > 0, LAW.p_active(h, 8)),
        (later == 1, LAW.probability(1, h, 8)),
        (last == 2, LAW.probability(2, h, 5, since=3)),
    ):
        assert all(agrees(0.0, (outcome - expected)[group]) for group in groups)


def test_simulated_customers_who_always_buy_show_who_was_there():
    # With p all but 1 whoever is there buys, so that P(alive) can be seen.
    law = BGBB(1e9, 1e-3, 0.66, 2.78)
    times = law.simulate(np.full(40_000, 7), np.random.default_rng(4))
    seen = times.count(before=7) > times.count(before=6)
    for group in (times.count(before=6) == 6, times.count(before=6) < 6):
        h = times.history(until=6).take(group)
        assert agrees(0.0, seen[group] - law.p_alive(h))


def test_the_same_seed_gives_the_same_lives():
    one, two, other = (LAW.simulate(np.full(200, 6), np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert_array_equal(one.time, two.time)
    assert one.time.size != other.time.size or np.any(one.time != other.time)
    with pytest.raises(DomainError, match="whole number of opportunities"):
        LAW.simulate(np.array([6.5]), np.random.default_rng(1))


def test_fitting_finds_the_law_that_made_the_data():
    rng = np.random.default_rng(2024)
    h = LAW.simulate(rng.integers(4, 13, 20_000), rng, unit="year").history()
    fit = BGBB.fit(h)
    away = (fit.model.to_log() - LAW.to_log()) / np.sqrt(np.diag(fit.log_covariance))
    assert np.abs(away).max() < 4.5
    assert fit.log_likelihood >= LAW.log_likelihood(h).sum()


def test_futures_are_what_the_law_expects():
    h, draws, t = people([(0, 0, 6), (1, 5, 6), (4, 5, 6), (6, 6, 6), (0, 0, 0)]), 20_000, 9
    numbers = SharedNumbers(draws, seed=11)
    bought, value = np.zeros(draws * len(h)), np.zeros(draws * len(h))
    for cells, times in LAW.future(h, numbers).purchases(t, numbers):
        assert np.all((times >= 1) & (times <= t) & (np.floor(times) == times))
        bought[cells] += 1
        value[cells] += 1.5**-times
    bought, value = bought.reshape(draws, -1), value.reshape(draws, -1)
    worth = LAW.discounted_expected_purchases(h, t, annual_discount_rate=0.5)
    for i in range(len(h)):
        assert agrees(LAW.expected_purchases(h, t)[i], bought[:, i])
        assert agrees(worth[i], value[:, i])
        assert all(agrees(LAW.probability(n, h, t)[i], bought[:, i] == n) for n in (0, 1, 5, 9))


def test_lifetime_values_have_intervals():
    rng = np.random.default_rng(8)
    h = LAW.simulate(np.full(3000, 6), rng, unit="year").history()
    level = 4 * 20 / rng.gamma(5.0, 1.0, len(h))
    spend = np.where(h.x > 0, level * rng.gamma(6 * np.maximum(h.x, 1)) / (6 * np.maximum(h.x, 1)), np.nan)
    h = replace(h, spend=spend)
    table = LifetimeValue(purchases=BGBB, spend=GammaGamma).fit(h).predict(h.take(slice(60)), horizon=5, draws=400)
    assert_allclose(table["expected_spend"] * table["expected_purchases"], table["clv"], rtol=1e-12)
    low, high = np.asarray(table["low"]), np.asarray(table["high"])
    assert np.all((low >= 0) & (low <= high))
    sure = h.x[:60] == 6
    assert sure.any()
    assert np.all((low < table["clv"]) & (table["clv"] < high) | ~sure)
