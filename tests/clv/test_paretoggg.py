"""Pareto/GGG: what twenty digits say, where it meets the Pareto/NBD, and what happens to simulated customers."""

from dataclasses import replace

import mpmath
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import gammainc

from custrel import History, from_json
from custrel.clv import GammaGamma, LifetimeValue, ParetoNBD
from custrel.clv.paretoggg import ParetoGGG
from custrel.datasets import cdnow
from custrel.errors import DomainError
from custrel.fit import Fit
from custrel.stats.draw import SharedNumbers
from custrel.stats.special import binet

approx = pytest.approx

LAW = ParetoGGG(t=6.0, gamma=3.0, r=0.9, alpha=4.0, s=0.8, beta=15.0)


def people(x, silence, T, unevenness):
    """Customers by count, share of T that is silent, T, and by how much the mean of log gaps is below its bound."""
    x, T = np.asarray(x, dtype=float), np.asarray(T, dtype=float)
    t_x = np.where(x > 0, T * (1 - np.asarray(silence)), 0.0)
    log_gaps = x * (np.log(np.where(x > 0, t_x / np.maximum(x, 1), 1.0)) - np.where(x > 1, unevenness, 0.0))
    return History(x=x, t_x=t_x, T=T, log_gaps=log_gaps)


CROWD = people(
    x=[0, 0, 1, 1, 2, 5, 5, 29, 200],
    silence=[0, 0, 0, 0.9, 0.3, 0.1, 0.3, 0.02, 0.5],
    T=[39, 2, 39, 39, 27, 35, 35, 39, 60],
    unevenness=[0, 0, 0, 0, 0.1, 0.5, 0.01, 0.2, 0.6],
)


# -- many digits ------------------------------------------------------------------------------------------------------

# Parameters; x, t_x, T, log_gaps; log-likelihood and P(alive) by `exact`, the first and last k, and how many.
KNOWN = [
    ((3, 1.5, 0.55, 10.6, 0.6, 11.7), (0, 0.0, 39.0, 0.0), -0.47784058592481437, 0.29963654637191757),
    ((3, 1.5, 0.55, 10.6, 0.6, 11.7), (2, 30.43, 38.86, 5.0), -9.5448429512353406, 0.87391064203087188),
    ((0.5, 0.3, 2, 3, 1.5, 40), (1, 1.0, 39.0, 0.0), -4.4023893482143489, 0.011462483916712443),
    ((8, 2, 1, 10, 0.01, 1000), (5, 30.0, 50.0, 8.7), -17.707090114229933, 0.99134773298297837),
    ((2, 0.5, 0.3, 0.1, 3, 10000), (29, 37.0, 39.0, 2.0), -35.021282135504652, 0.99777323700337787),
    ((30, 6, 5, 1000, 0.2, 0.5), (3, 900.0, 1000.0, 16.5), -22.459241341102512, 0.97824614728292712),
]


def one(row):
    x, t_x, T, log_gaps = row
    return History(x=[x], t_x=[t_x], T=[T], log_gaps=[log_gaps])


@pytest.mark.parametrize(("letters", "row", "likelihood", "alive"), KNOWN)
def test_log_likelihood_and_p_alive_to_ten_digits(letters, row, likelihood, alive):
    law = ParetoGGG(*letters)
    assert approx(likelihood, rel=1e-10) == law.log_likelihood(one(row))[0]
    assert approx(alive, rel=1e-10) == law.p_alive(one(row))[0]


mp = mpmath.mp.clone()  # a precision of its own
mp.dps = 20


def exact(letters, row, low, high, nodes):
    """Stayed and left, as the story has them: sums over log k, and over the logarithm of the moment of leaving."""
    t, gamma, r, alpha, s, beta = map(mp.mpf, letters)
    x, (t_x, T, log_gaps) = row[0], map(mp.mpf, row[1:])
    stayed = left = mp.mpf(0)
    for v in mp.linspace(low, high, nodes):
        k = mp.exp(v)
        m, A = r + k * x, alpha + k * t_x
        prior = t * mp.log(gamma) - mp.loggamma(t) + t * v - gamma * k
        gaps = k * x * v - x * mp.loggamma(k) + (k - 1) * log_gaps
        weight = mp.exp(prior + gaps + mp.loggamma(m) - mp.loggamma(r) + r * mp.log(alpha) - m * mp.log(A))

        def leaves(y, k=k, m=m, A=A):
            w = mp.exp(y)
            lasts = mp.betainc(m, k, 0, A / (A + k * w), regularized=True)
            return lasts * w * s / (beta + t_x + w) * (beta / (beta + t_x + w)) ** s

        end = T - t_x
        lasts = mp.betainc(m, k, 0, A / (A + k * end), regularized=True)
        stayed += weight * lasts * (beta / (beta + T)) ** s
        pieces = [mp.log(end) - back for back in (44, 20, 8, 4, 2, 1, 0)]
        left += weight * mp.quad(leaves, pieces, method="gauss-legendre", maxdegree=4)
    step = mp.mpf(high - low) / (nodes - 1)
    return stayed * step, left * step


@pytest.mark.slow
def test_log_likelihood_and_p_alive_against_twenty_digits():
    letters, row, likelihood, alive = KNOWN[5]
    stayed, left = exact(letters, row, -1.0, 3.4, 31)
    assert approx(likelihood, rel=1e-12) == float(mp.log(stayed + left))
    assert approx(alive, rel=1e-12) == float(stayed / (stayed + left))


def test_what_stirling_leaves_over_to_thirteen_digits():
    for z in (1e-8, 0.3, 7.999, 8.0, 55.5, 1e6):
        true = mp.loggamma(z) - (mp.mpf(z) - 0.5) * mp.log(z) + z - mp.log(2 * mp.pi) / 2
        assert approx(float(true), rel=1e-13, abs=2e-14) == float(binet(np.array(z)))


def test_the_story_told_by_drawing_its_rates_has_the_same_likelihood():
    # The mean over drawn k and rates of what the story says given them, the moment of leaving summed on a fine grid.
    rng = np.random.default_rng(12)
    draws, x, t_x, T, log_gaps = 40_000, 3, 20.0, 30.0, 5.0
    k, rate = rng.gamma(LAW.t, 1 / LAW.gamma, draws), rng.gamma(LAW.r, 1 / LAW.alpha, draws)
    leaving = rng.gamma(LAW.s, 1 / LAW.beta, draws)
    w = np.linspace(0.0, T - t_x, 101)[:, None]
    silent = 1 - gammainc(k, k * rate * w)
    density = silent * leaving * np.exp(-leaving * (t_x + w))
    left = np.sum((density[1:] + density[:-1]) / 2, axis=0) * (w[1, 0] - w[0, 0])
    logs = np.array([mpmath.loggamma(one) for one in k[:50]], dtype=float)
    assert_allclose(logs, binet(k[:50]) + (k[:50] - 0.5) * np.log(k[:50]) - k[:50] + np.log(2 * np.pi) / 2, rtol=1e-10)
    log_gamma = binet(k) + (k - 0.5) * np.log(k) - k + np.log(2 * np.pi) / 2
    gaps = np.exp(k * x * np.log(k * rate) - x * log_gamma + (k - 1) * log_gaps - k * rate * t_x)
    told = gaps * (silent[-1] * np.exp(-leaving * T) + left)
    h = History(x=[x], t_x=[t_x], T=[T], log_gaps=[log_gaps])
    assert abs(told.mean() - np.exp(LAW.log_likelihood(h)[0])) < 4 * told.std() / np.sqrt(draws)


@pytest.mark.parametrize(
    "law", [LAW, ParetoGGG(0.7, 0.2, 0.3, 12.0, 2.5, 3.0), ParetoGGG(40.0, 9.0, 6.0, 1.0, 0.1, 99.0)]
)
def test_the_score_is_the_slope_of_the_log_likelihood(law):
    place = law.to_log()
    for slope, move in zip(law.score(CROWD), 1e-4 * np.eye(6), strict=True):
        up, down = (law.at_log(place + s * move).log_likelihood(CROWD) for s in (1, -1))
        value = np.exp(move @ place / 1e-4)
        assert_allclose((up - down) / 2e-4, value * slope, rtol=2e-6, atol=2e-6)


def test_posterior_means_are_those_of_a_tilted_law():
    # To weigh each customer by k, by the rate or by that of leaving is to add 1 to t, r or s.
    before = LAW.log_likelihood(CROWD)
    for shape, scale, mean in (
        ("t", "gamma", LAW.mean_regularity),
        ("r", "alpha", LAW.mean_purchase_rate),
        ("s", "beta", LAW.mean_dropout),
    ):
        gain = replace(LAW, **{shape: getattr(LAW, shape) + 1}).log_likelihood(CROWD) - before
        assert_allclose(getattr(LAW, shape) / getattr(LAW, scale) * np.exp(gain), mean(CROWD), rtol=1e-8)


# -- where it meets the Pareto/NBD ------------------------------------------------------------------------------------

RANDOM, POISSON = ParetoGGG(1e6, 1e6, 0.9, 4.0, 0.8, 15.0), ParetoNBD(0.9, 4.0, 0.8, 15.0)


def test_where_all_have_k_of_1_it_is_the_pareto_nbd():
    h = CROWD.take(CROWD.x < 100)
    assert_allclose(POISSON.log_likelihood(h), RANDOM.log_likelihood(h), atol=2e-4)
    assert_allclose(POISSON.p_alive(h), RANDOM.p_alive(h), atol=2e-5)
    assert_allclose(POISSON.mean_purchase_rate(h), RANDOM.mean_purchase_rate(h), rtol=1e-4)
    assert_allclose(POISSON.mean_dropout(h), RANDOM.mean_dropout(h), rtol=1e-4)
    assert_allclose(POISSON.survival_of_new(7.0), RANDOM.survival_of_new(7.0))


def test_means_over_futures_are_as_near_the_pareto_nbd_as_they_say():
    h = CROWD.take(CROWD.x < 100)
    assert_allclose(POISSON.p_active(h, 39.0), RANDOM.p_active(h, 39.0), rtol=5e-3)
    for t in (1.0, 39.0, 400.0):
        assert_allclose(POISSON.expected_purchases(h, t), RANDOM.expected_purchases(h, t), rtol=0.05)
    discounted = POISSON.discounted_expected_purchases(h, np.inf, annual_discount_rate=0.1)
    assert_allclose(discounted, RANDOM.discounted_expected_purchases(h, np.inf, annual_discount_rate=0.1), rtol=0.05)
    assert_allclose(POISSON.probability(2, h, 39.0, since=10.0), RANDOM.probability(2, h, 39.0, since=10.0), atol=0.015)


def test_p_alive_by_hand_where_all_clocks_are_one():
    # k = 1, alpha = beta = 4: stayed is 16^-3, left ((8^-3 - 16^-3) / 3), so 1 / (1 + (8 - 1) / 3).
    law = ParetoGGG(1e7, 1e7, 1.0, 4.0, 1.0, 4.0)
    assert approx(0.3, abs=1e-6) == law.p_alive(History(x=[1], t_x=[4], T=[12], log_gaps=[np.log(4.0)]))[0]


# -- what agrees with what --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("t", [3.0, 300.0])
def test_chances_sum_to_1_and_their_mean_is_the_expectation(t):
    h, n = CROWD.take(CROWD.x < 100), np.arange(1500)[:, None]
    chances = LAW.probability(n, h, t)
    assert np.all(chances >= -1e-15)
    assert np.all(chances[-1] < 1e-15)
    assert_allclose(1.0, chances.sum(axis=0), rtol=1e-12)
    assert_allclose(LAW.expected_purchases(h, t), (n * chances).sum(axis=0), rtol=1e-6)
    assert_allclose(LAW.p_active(h, t), 1 - LAW.probability(0, h, t), rtol=1e-12)


def test_chances_of_a_later_interval_sum_to_1_and_their_mean_is_a_difference_of_expectations():
    h, n = CROWD.take(CROWD.x < 100), np.arange(800)[:, None]
    for since in (5.0, 200.0):
        chances = LAW.probability(n, h, 39.0, since=since)
        later = LAW.expected_purchases(h, since + 39.0) - LAW.expected_purchases(h, since)
        assert np.all(chances >= -1e-15)
        assert_allclose(1.0, chances.sum(axis=0), rtol=1e-12)
        assert_allclose(later, (n * chances).sum(axis=0), rtol=1e-5)


def test_nothing_is_expected_at_once_and_more_the_longer_we_wait():
    expected = LAW.expected_purchases(CROWD, np.array([0.0, 0.1, 5.0, 5.1, 39.0, 400.0])[:, None])
    assert_array_equal(0.0, expected[0])
    assert np.all(np.diff(expected, axis=0) >= 0)


def test_discounted_value_falls_with_the_rate_and_adds_up_over_horizons():
    few = CROWD.take(CROWD.x < 10)
    values = [LAW.discounted_expected_purchases(few, 390.0, annual_discount_rate=d) for d in (0.0, 0.01, 0.5, 3.0)]
    assert np.all(np.diff(values, axis=0) < 0)
    assert_allclose(LAW.expected_purchases(few, 390.0), values[0], rtol=1e-14)
    ends = np.array([0.0, 3.0, 39.0, 390.0])[:, None]
    worth = LAW.discounted_expected_purchases(few, ends, annual_discount_rate=0.5)
    added, fade = np.diff(LAW.expected_purchases(few, ends), axis=0), np.exp(-np.log(1.5) * 7 / 365.25 * ends)
    assert np.all(np.diff(worth, axis=0) <= added * fade[:-1] * (1 + 1e-9))
    assert np.all(np.diff(worth, axis=0) >= added * fade[1:] * (1 - 1e-9))


def test_all_purchases_to_come_are_finite_only_where_enough_customers_leave():
    h = CROWD.take(CROWD.x < 30)
    assert np.all(LAW.expected_purchases(h, np.inf) == np.inf)
    mortal = replace(LAW, s=3.0)
    ever, long = (mortal.expected_purchases(h, t) for t in (np.inf, 1e6))
    assert_allclose(ever, long, rtol=1e-4)
    assert np.all(ever >= long)


def test_heavy_buyers_are_counted_by_their_rate_after_a_hundred_purchases():
    # Bought daily: a new customer's mean over t is that of the Pareto/NBD, whatever k.
    law = ParetoGGG(50.0, 20.0, 400.0, 1.0, 1e-3, 1e9)
    h = people([4000], [0.001], [10.0], [0.2])
    rate = law.mean_purchase_rate(h)
    assert_allclose(rate * 10.0, law.expected_purchases(h, 10.0), rtol=2e-3)
    assert law.expected_purchases(h, 10.0)[0] > 1000


def test_a_batch_of_one_equals_the_batch():
    few = CROWD.take(slice(1, None, 2))
    for answer in (
        LAW.log_likelihood,
        LAW.p_alive,
        LAW.mean_regularity,
        lambda h: LAW.expected_purchases(h, 39.0),
        lambda h: LAW.probability(3, h, 39.0),
        lambda h: LAW.discounted_expected_purchases(h, 390.0, annual_discount_rate=0.1),
    ):
        alone = [answer(few.take([i]))[0] for i in range(len(few))]
        assert_array_equal(alone, answer(few))


def test_draws_broadcast():
    few = CROWD.take(CROWD.x < 10)
    draws = np.exp(LAW.to_log() + 0.3 * np.random.default_rng(5).standard_normal((2, 6)))
    together = LAW.at_log(np.log(draws))
    for answer in (
        lambda law: law.log_likelihood(few),
        lambda law: law.p_alive(few, 5.0),
        lambda law: law.expected_purchases(few, 39.0),
        lambda law: law.probability(2, few, 39.0),
        lambda law: law.expected_purchases_of_new(np.array([1.0, 39.0])),
        lambda law: law.probability_of_new(np.arange(4), 39.0),
    ):
        rows = np.stack([answer(ParetoGGG(*values)) for values in draws])
        assert rows.shape == answer(together).shape
        assert_allclose(rows, answer(together), rtol=1e-12)


def test_each_customer_may_have_a_horizon_and_parameters_of_their_own():
    t = np.linspace(1.0, 60.0, len(CROWD))
    together = LAW.expected_purchases(CROWD, t)
    alone = [LAW.expected_purchases(CROWD.take([i]), t[i])[0] for i in range(len(CROWD))]
    assert_array_equal(alone, together)
    own = replace(LAW, **{name: np.full(len(CROWD), getattr(LAW, name)) for name in LAW.names()})
    assert_array_equal(together, own.expected_purchases(CROWD, t))


def test_the_unit_of_time_is_ours_to_choose():
    c = 7.0
    slow = replace(LAW, alpha=c * LAW.alpha, beta=c * LAW.beta)
    h = replace(CROWD, t_x=c * CROWD.t_x, T=c * CROWD.T, log_gaps=CROWD.log_gaps + CROWD.x * np.log(c))
    assert_allclose(LAW.log_likelihood(CROWD) - CROWD.x * np.log(c), slow.log_likelihood(h), rtol=1e-10)
    assert_allclose(LAW.expected_purchases(CROWD, 39.0), slow.expected_purchases(h, c * 39.0), rtol=1e-8)


def test_the_longer_the_silence_the_less_likely_a_customer_is_alive():
    T = np.array([10.0, 10.5, 12.0, 20.0, 100.0, 1e4])
    h = History(x=np.full(6, 9), t_x=np.full(6, 10.0), T=T, log_gaps=np.full(6, -1.0))
    alive = LAW.p_alive(h)
    assert approx(1.0) == alive[0]
    assert np.all(np.diff(alive) < 0)


def test_who_keeps_time_is_missed_sooner():
    h = people([10, 10], [0.2, 0.2], [50, 50], [0.0, 0.8])
    steady, erratic = LAW.p_alive(h)
    assert steady < 0.6 * erratic
    assert np.all(np.diff(LAW.mean_regularity(h)) < -1)


def test_answers_are_finite_on_a_wide_box():
    rng = np.random.default_rng(8)
    for _ in range(4):
        law = ParetoGGG(*np.exp(rng.uniform(np.log(1e-4), np.log(1e6), 6)))
        x, T = rng.choice([0, 0, 1, 3, 100, 5000], 8), np.exp(rng.uniform(np.log(1e-2), np.log(1e5), 8))
        h = people(x, rng.choice([0.0, 1 - 1e-6, 0.3, 0.9], 8), T, np.exp(rng.uniform(-12, 2, 8)))
        answers = law.log_likelihood(h), law.score(h), law.p_alive(h), law.expected_purchases(h, T)
        assert all(np.all(np.isfinite(answer)) for answer in answers)


# -- what it refuses and what it keeps --------------------------------------------------------------------------------


def test_a_history_without_times_between_purchases_is_refused():
    blind = replace(CROWD, log_gaps=None)
    for ask in (
        LAW.log_likelihood,
        LAW.p_alive,
        LAW.mean_regularity,
        lambda h: LAW.expected_purchases(h, 1.0),
        LAW.fit,
    ):
        with pytest.raises(DomainError, match="ParetoGGG needs the sum of the logarithms of the times between"):
            ask(blind)


def test_a_history_in_another_unit_is_refused():
    weekly, days = replace(LAW, unit="week"), replace(CROWD, unit="day")
    for ask in (weekly.log_likelihood, weekly.mean_regularity, lambda h: weekly.expected_purchases(h, 1.0)):
        with pytest.raises(DomainError, match="this ParetoGGG counts weeks, the history counts days"):
            ask(days)


def test_json_brings_the_law_back():
    law = replace(LAW, unit="week")
    assert law == from_json(law.to_json())


# -- simulate is the witness ------------------------------------------------------------------------------------------


def agrees(expected, sample, slack=0.0, sigmas=5.0):
    """Whether the mean of a sample is what it should be, within its standard error and the futures' own share."""
    error = np.std(sample, ddof=1) / np.sqrt(len(sample))
    return abs(np.mean(sample) - np.mean(expected)) <= sigmas * error + slack * np.mean(expected)


@pytest.fixture(scope="module")
def witness():
    rng = np.random.default_rng(20160901)
    T = rng.uniform(20.0, 60.0, 50)
    lives = LAW.simulate(np.repeat(T, 40) + 40.0, rng)
    return lives, lives.history(until=np.repeat(T, 40), log_gaps=True)


def groups(h):
    return h.x == 0, h.x == 1, (h.x > 1) & (h.x < 6), h.x > 5, (h.x > 0) & (h.t_x < h.T / 3)


@pytest.mark.slow
def test_simulated_customers_who_stayed_are_as_many_as_p_alive_says():
    rng = np.random.default_rng(77)
    k, rate, mu = (rng.gamma(a, 1 / b, 1500) for a, b in ((6.0, 3.0), (0.9, 4.0), (0.8, 15.0)))
    T, leaves = np.full(1500, 39.0), rng.exponential(1 / mu)
    gaps = rng.gamma(k, 1 / (k * rate), (600, 1500))
    times = np.cumsum(gaps, axis=0)
    seen = times <= np.minimum(leaves, T)
    x, t_x = seen.sum(axis=0), np.max(times, axis=0, initial=0.0, where=seen)
    h = History(x=x, t_x=t_x, T=T, log_gaps=np.sum(np.log(gaps), axis=0, where=seen))
    alive = LAW.p_alive(h)
    for group in groups(h):
        assert agrees(alive[group], leaves[group] > 39.0)
        assert agrees(LAW.mean_regularity(h)[group], k[group])
        assert agrees(LAW.mean_purchase_rate(h)[group], rate[group])
        assert agrees(LAW.mean_dropout(h)[group], mu[group], sigmas=6.0)


@pytest.mark.slow
def test_simulated_customers_do_what_their_history_said(witness):
    lives, h = witness
    later = lives.count(before=h.T + 40.0) - h.x
    expected, active, one = LAW.expected_purchases(h, 40.0), LAW.p_active(h, 40.0), LAW.probability(1, h, 40.0)
    for group in groups(h):
        assert agrees(expected[group], later[group], slack=0.02)
        assert agrees(active[group], later[group] > 0, slack=0.01)
        assert agrees(one[group], later[group] == 1, slack=0.02)


def test_simulated_customers_buy_as_often_as_expected(witness):
    lives, _ = witness
    for t in (1.0, 10.0, 60.0):
        assert agrees(LAW.expected_purchases_of_new(t), lives.count(before=t), slack=0.03)
    bought = lives.count(before=20.0)
    for n in range(6):
        assert agrees(LAW.probability_of_new(n, 20.0), bought == n, slack=0.03)


def test_futures_are_what_the_law_expects():
    draws, t = 20_000, 39.0
    numbers, h = SharedNumbers(draws, seed=11), CROWD.take(CROWD.x < 10)
    future = LAW.future(h, numbers)
    bought = np.zeros(draws * len(h))
    for cells, times in future.purchases(t, numbers):
        assert np.all((times > 0) & (times <= t))
        bought[cells] += 1
    bought = bought.reshape(draws, len(h))
    for i, (expected, active) in enumerate(zip(LAW.expected_purchases(h, t), LAW.p_active(h, t), strict=True)):
        assert agrees(expected, bought[:, i], slack=0.03)
        assert agrees(active, bought[:, i] > 0, slack=0.01)


def test_lifetime_value_lives_its_futures():
    h = replace(CROWD, spend=np.where(CROWD.x > 0, 20.0, np.nan))
    ltv = LifetimeValue(purchases=ParetoGGG, spend=GammaGamma)
    fit = Fit(LAW, -1.0, 9, 1e-4 * np.eye(6), None)
    ltv.purchases_, ltv.spend_ = fit, Fit(GammaGamma(6.0, 4.0, 15.0), -1.0, 9, 1e-4 * np.eye(3), None)
    table = ltv.predict(h, horizon=39, draws=200)
    assert np.all(table["low"] <= table["clv"])
    assert np.all(table["clv"][(CROWD.x > 1) & (CROWD.x < 100)] <= 1.2 * table["high"][(CROWD.x > 1) & (CROWD.x < 100)])


# -- fitting ----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_fitting_finds_the_law_that_made_the_data():
    rng = np.random.default_rng(2024)
    h = LAW.simulate(rng.integers(20, 60, 1200).astype(float), rng).history(log_gaps=True)
    fit = ParetoGGG.fit(h)
    off = (fit.model.to_log() - LAW.to_log()) / np.sqrt(np.diag(fit.log_covariance))
    assert np.abs(off).max() < 4
    assert fit.log_likelihood >= LAW.log_likelihood(h).sum()
    assert fit == from_json(fit.to_json())
    assert fit.draws(3, seed=1).p_alive(h).shape == (3, 1200)


def test_cdnow_buys_at_random():
    # The more alike in regularity the likelier, without end, at a mean k of 1.03: `fit` finds t and gamma run off.
    h = cdnow().history(until="1997-09-30", unit="week", log_gaps=True).distinct()
    others = 0.56540, 10.548, 0.60428, 11.009
    alike = [h.weights @ ParetoGGG(t, t / 1.0266, *others).log_likelihood(h) for t in (30.0, 1e3, 4e5)]
    assert np.all(np.diff(alike) > 0)
    assert approx(-9594.5942, abs=1e-3) == alike[-1]
    assert approx(-9594.9762, abs=1e-3) == ParetoNBD(0.55328, 10.5777, 0.60624, 11.6687).log_likelihood(h) @ h.weights
