"""Correlated Pareto/NBD: what thirty digits say, what simulated customers do, and where the search ends."""

import itertools
import json
from dataclasses import replace

import mpmath
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from custrel import History, from_json
from custrel.clv import GammaGamma, LifetimeValue, ParetoNBD
from custrel.clv.correlatedparetonbd import CorrelatedParetoNBD
from custrel.clv.horizon import discount_per_unit
from custrel.clv.sarmanov import Rounded
from custrel.errors import ConvergenceError, DomainError
from custrel.stats.draw import SharedNumbers

approx = pytest.approx

CDNOW = (0.5532770468531796, 10.577683463302314, 0.6062399891278263, 11.66873528885501)
CROWD = History(
    x=[0, 0, 1, 1, 2, 29, 5, 40, 3],
    t_x=[0, 0, 39, 1e-3, 30.43, 37, 3, 60, 10],
    T=[0, 39, 39, 39, 38.86, 39, 90, 61, 1e4],
)
ENDS = (-1.0, -0.4, 0.0, 0.7, 1.0)
slowly = pytest.mark.slow
each_end = pytest.mark.parametrize("dependence", ENDS)


@pytest.fixture(scope="module")
def fit(cdnow):
    return CorrelatedParetoNBD.fit(cdnow)


@pytest.fixture(scope="module")
def nested(cdnow):
    return ParetoNBD.fit(cdnow)


# -- many digits ------------------------------------------------------------------------------------------------------

mp = mpmath.mp.clone()  # a precision of its own
mp.dps = 30

LAWS = [
    (*CDNOW, 1.0),
    (1.0, 1.0, 1.0, 1.0, 1.0),  # two bounds of m are one
    (2.0, 1.0, 3.0, 1.5, 40.0),  # nearly all buy and leave within the delay
    (0.3, 1e5, 0.2, 1e6, 1.0),  # hardly anybody does: as a sum of laws with signs it would cancel
    (30.0, 7.0, 0.01, 3.0, 0.5),
]
ROWS = [(0, 0.0, 0.0), (0, 0.0, 39.0), (1, 1e-3, 39.0), (2, 30.43, 38.86), (29, 37.0, 39.0)]
each_letters = pytest.mark.parametrize("letters", LAWS, ids=str)


def made(letters, dependence):
    *four, delay = letters
    return CorrelatedParetoNBD(*four, dependence=dependence, delay=delay)


class Signed:
    """Many digits of the law as its papers have it: four Pareto/NBD laws with signs."""

    def __init__(self, letters, dependence):
        self.r, self.alpha, self.s, self.beta, self.c = map(mp.mpf, letters)
        one, two = (self.alpha / (self.alpha + self.c)) ** self.r, (self.beta / (self.beta + self.c)) ** self.s
        most = max(one * (1 - two), (1 - one) * two) if dependence > 0 else max(one * two, (1 - one) * (1 - two))
        self.m = mp.mpf(dependence) / most
        w, a, b = self.m * one * two, self.alpha, self.beta
        self.four = [(1 + w, a, b), (-w, a + self.c, b), (-w, a, b + self.c), (w, a + self.c, b + self.c)]

    def sum(self, of):
        return mp.fsum(sign * of(a, b) for sign, a, b in self.four)

    def parts(self, x, t_x, T):
        """Stayed until T, or left in the silence: equations (16) to (18) of note 009."""
        r, s, x, t_x, T = self.r, self.s, int(x), mp.mpf(t_x), mp.mpf(T)
        scale = (min(self.alpha, self.beta) + t_x) / (r + x + s + 1)
        ends = mp.linspace(0, mp.log1p((T - t_x) / scale), 5)

        def stays(a, b):
            return a**r * b**s * (a + T) ** -(r + x) * (b + T) ** -s

        def leaves(v):
            y = t_x + scale * mp.expm1(v)
            then = self.sum(lambda a, b: a**r * b**s * (a + y) ** -(r + x) * (b + y) ** -(s + 1))
            return s * scale * mp.exp(v) * then

        gone = mp.quad(leaves, ends, method="gauss-legendre", maxdegree=4) if T > t_x else mp.mpf(0)
        return mp.rf(r, x) * self.sum(stays), mp.rf(r, x) * gone


@pytest.mark.parametrize("dependence", [-1.0, 1.0])
@each_letters
def test_log_likelihood_and_p_alive_against_thirty_digits(letters, dependence):
    law, exact, (x, t_x, T) = made(letters, dependence), Signed(letters, dependence), np.array(ROWS).T
    h = History(x=x, t_x=t_x, T=T)
    for row, height, alive in zip(ROWS, law.log_likelihood(h), law.p_alive(h), strict=True):
        here, gone = exact.parts(*row)
        assert abs(mp.log(here + gone) - mp.mpf(float(height))) < 1e-11 * max(1, abs(height))
        assert approx(float(here / (here + gone)), rel=1e-10) == alive


@each_end
@each_letters
def test_expectation_and_survival_of_customers_against_thirty_digits(letters, dependence):
    law, exact = made(letters, dependence), Signed(letters, dependence)
    r, s = exact.r, exact.s
    for (x, T), t in itertools.product(((0, 0), (0, 39), (4, 39)), (0.1, 39, 1e4)):

        def there(a, b, x=x, T=T):
            return a**r * b**s * (a + T) ** -(r + x) * (b + T) ** -s

        def stays(a, b, x=x, T=T, t=t):
            return there(a, b) * ((b + T) / (b + T + t)) ** s

        def buys(a, b, x=x, T=T, t=t):
            years = mp.log1p(t / (b + T)) if s == 1 else (1 - ((b + T) / (b + T + t)) ** (s - 1)) / (s - 1)
            return there(a, b) * (r + x) / (a + T) * (b + T) * years

        living = law.living(History(x=[x], t_x=[0.7 * T * (x > 0)], T=[T]))
        total = exact.sum(there)
        assert approx(float(exact.sum(stays) / total), rel=1e-11) == living.survival_of_new(float(t))[0]
        assert approx(float(exact.sum(buys) / total), rel=1e-11) == living.expected_purchases_of_new(float(t))[0]


def test_the_bracket_is_0_somewhere_at_both_ends_and_below_0_beyond():
    for letters, dependence in itertools.product(LAWS[:3], (-1.0, 1.0)):
        law, (r, alpha, s, beta, c) = made(letters, dependence), letters
        one, two = (alpha / (alpha + c)) ** r, (beta / (beta + c)) ** s
        corners = [(a - one) * (b - two) for a in (0, 1) for b in (0, 1)]
        assert approx(0.0, abs=1e-12) == 1 + law.m * min(dependence * one for one in corners) * dependence


# -- the four laws with signs ------------------------------------------------------------------------------------------


def of_four(law, of):
    """What four Pareto/NBD laws with signs say, each in the part that it has in the likelihood."""
    (r, alpha, s, beta), c = law, law.delay
    one, two = (alpha / (alpha + c)) ** r, (beta / (beta + c)) ** s
    w, more = law.m * one * two, (alpha + c, beta + c)
    four = [ParetoNBD(r, a, s, b) for a in (alpha, more[0]) for b in (beta, more[1])]
    return sum(sign * of(one) for sign, one in zip((1 + w, -w, -w, w), four, strict=True))


@each_end
def test_what_is_known_of_new_customers_is_what_four_laws_with_signs_say(dependence):
    law, t, since = made((0.8, 2.0, 1.3, 4.0, 1.5), dependence), np.array([0.0, 0.3, 5.0, 300.0]), np.array(3.0)
    for of in (
        lambda one: one.survival_of_new(t),
        lambda one: one.expected_purchases_of_new(t),
        lambda one: one.expected_purchases_of_new(np.inf),
        lambda one: one.activity_of_new(t),
        lambda one: one.probability_of_new(np.array([[0], [1], [7], [60]]), t),
        lambda one: one.probability_later_of_new(np.array([[0], [1], [7]]), t, since),
        lambda one: one.discounted_purchases_of_new(t, 0.05),
        lambda one: one.discounted_purchases_of_new(np.array([np.inf]), 0.001),
    ):
        assert_allclose(of(law), of_four(law, of), rtol=1e-10, atol=1e-15)


@each_end
def test_what_is_known_of_customers_is_what_four_laws_with_signs_say(dependence):
    law = made((0.8, 2.0, 1.3, 4.0, 1.5), dependence)
    h = CROWD.take([0, 1, 2, 3, 4, 6])

    def likelihood(one):
        return np.exp(one.log_likelihood(h))

    assert_allclose(law.log_likelihood(h), np.log(of_four(law, likelihood)), rtol=1e-12, atol=1e-14)
    for of in (
        lambda one: one.p_alive(h),
        lambda one: one.p_alive(h, 13.0),
        lambda one: one.p_active(h, 13.0),
        lambda one: one.expected_purchases(h, 39.0),
        lambda one: one.probability(2, h, 13.0),
        lambda one: one.probability(0, h, 13.0, since=7.0),
        lambda one: one.discounted_expected_purchases(h, 520.0, annual_discount_rate=0.1),
        lambda one: one.mean_purchase_rate(h),
        lambda one: one.mean_dropout(h),
    ):
        four = of_four(law, lambda one, of=of: likelihood(one) * of(one)) / of_four(law, likelihood)
        assert_allclose(of(law), four, rtol=1e-9, atol=1e-14)


def test_without_dependence_it_is_the_pareto_nbd():
    law, pareto, since = CorrelatedParetoNBD(*CDNOW), ParetoNBD(*CDNOW), np.array(7.0)
    for of in (
        lambda one: one.log_likelihood(CROWD),
        lambda one: one.score(CROWD),
        lambda one: one.p_alive(CROWD, 13.0),
        lambda one: one.p_active(CROWD, 13.0),
        lambda one: one.expected_purchases(CROWD, 39.0),
        lambda one: one.probability(2, CROWD, 39.0, since=13.0),
        lambda one: one.discounted_expected_purchases(CROWD, np.inf, annual_discount_rate=0.1),
        lambda one: one.mean_purchase_rate(CROWD),
        lambda one: one.mean_dropout(CROWD),
        lambda one: one.probability_later_of_new(np.arange(5), 39.0, since),
    ):
        assert_allclose(of(pareto), of(law), rtol=1e-11, atol=1e-14)
    assert (0.0, 0.0) == (float(law.m), float(law.correlation))


def test_where_two_bounds_meet_the_score_is_the_mean_of_both_slopes():
    law, h, step = made((1.0, 1.0, 1.0, 1.0, 1.0), 0.7), CROWD.take([4, 5]), 1e-6
    for i, slope in enumerate(law.score(h)):
        move = step * np.eye(4)[i]
        down, here, up = (law.at_log(law.to_log() + sign * move).log_likelihood(h) for sign in (-1, 0, 1))
        assert np.all(np.abs((up - here) - (here - down)) > 1e-3 * step)
        assert_allclose((up - down) / (2 * step), slope, rtol=1e-5, atol=1e-8)


# -- simulated customers ----------------------------------------------------------------------------------------------


def agrees(expected, sample):
    """Whether the mean of a sample is what it should be, within 5 standard errors or one rare event."""
    error = np.std(sample, ddof=1) / np.sqrt(len(sample))
    return abs(np.mean(sample) - expected) <= 5 * max(error, 0.2 / len(sample))


@each_end
def test_simulated_rates_have_gamma_margins_and_the_correlation(dependence):
    law = CorrelatedParetoNBD(1.4, 2.0, 0.8, 1.5, dependence=dependence, delay=1.7)
    rate, leaving = law.rates(200_000, np.random.default_rng(3))
    for sample, shape, scale in ((rate, law.r, law.alpha), (leaving, law.s, law.beta)):
        assert agrees(shape / scale, sample)
        assert agrees(shape * (shape + 1) / scale**2, sample**2)
        assert agrees((scale / (scale + 3)) ** shape, np.exp(-3 * sample))
    apart = (rate - 1.4 / 2.0) * (leaving - 0.8 / 1.5) / (np.sqrt(1.4) / 2.0 * np.sqrt(0.8) / 1.5)
    assert agrees(float(law.correlation), apart)
    both = (rate < 0.3) & (leaving > 1.0)
    assert agrees(float(np.mean(rate < 0.3) * np.mean(leaving > 1.0)), both) == (abs(dependence) < 0.2)


@pytest.mark.parametrize("dependence", [-1.0, 1.0])
def test_simulated_customers_do_what_their_history_said(dependence):
    law, rng = CorrelatedParetoNBD(1.2, 2.0, 1.1, 8.0, dependence=dependence, delay=4.0), np.random.default_rng(5)
    T = rng.uniform(5.0, 30.0, 15_000)
    lives = law.simulate(T + 15.0, rng)
    h = lives.history(until=T)
    later = lives.count(before=h.T + 15.0) - h.x
    expected, active, one = law.expected_purchases(h, 15.0), law.p_active(h, 15.0), law.probability(1, h, 15.0)
    for group in (h.x == 0, h.x == 1, (h.x > 1) & (h.x < 6), h.x > 5, (h.x > 0) & (h.t_x < h.T / 2)):
        assert agrees(0.0, (later - expected)[group])
        assert agrees(0.0, ((later > 0) - active)[group])
        assert agrees(0.0, ((later == 1) - one)[group])


@pytest.mark.parametrize("dependence", [-1.0, 1.0])
def test_futures_are_what_the_law_expects(dependence):
    law, draws, t = CorrelatedParetoNBD(1.2, 2.0, 1.1, 8.0, dependence=dependence, delay=4.0), 20_000, 26.0
    h = CROWD.take([0, 1, 2, 4, 6])
    numbers, delta = SharedNumbers(draws, seed=3), discount_per_unit(0.5, h.unit)
    count, worth = np.zeros(draws * len(h)), np.zeros(draws * len(h))
    for cells, times in law.future(h, numbers).purchases(t, numbers):
        count[cells] += 1
        worth[cells] += np.exp(-delta * times)
    count, worth = count.reshape(draws, len(h)), worth.reshape(draws, len(h))
    for i in range(len(h)):
        assert agrees(law.expected_purchases(h, t)[i], count[:, i])
        assert agrees(law.probability(1, h, t)[i], count[:, i] == 1)
        assert agrees(law.discounted_expected_purchases(h, t, annual_discount_rate=0.5)[i], worth[:, i])


def test_a_customers_future_does_not_depend_on_who_else_is_asked():
    law = CorrelatedParetoNBD(*CDNOW, dependence=0.8)
    numbers = SharedNumbers(500, seed=1)
    together = law.future(CROWD, numbers)
    for i in range(len(CROWD)):
        alone = law.future(CROWD.take([i]), numbers.again())
        assert_array_equal(together.rate[:, [i]], alone.rate)
        assert_array_equal(together.leaves_at[:, [i]], alone.leaves_at)
        assert_array_equal(together.stays_for[:, [i]], alone.stays_for)


# -- shapes -----------------------------------------------------------------------------------------------------------

QUESTIONS = [
    lambda law: law.log_likelihood(CROWD),
    lambda law: law.p_alive(CROWD, 13.0),
    lambda law: law.p_active(CROWD, 13.0),
    lambda law: law.expected_purchases(CROWD, 39.0),
    lambda law: law.probability(2, CROWD, 39.0, since=2.0),
    lambda law: law.discounted_expected_purchases(CROWD, 39.0, annual_discount_rate=0.1),
    lambda law: law.mean_purchase_rate(CROWD),
    lambda law: law.mean_dropout(CROWD),
]
BESIDE = [(-0.5, 1.0), (0.3, 2.0), (1.0, 13.0)]


def test_dependence_and_delay_may_be_draws():
    dependence, delay = (np.array(column)[:, None] for column in zip(*BESIDE, strict=True))
    law = CorrelatedParetoNBD(*CDNOW, dependence=dependence, delay=delay)
    for of in QUESTIONS:
        rows = [of(CorrelatedParetoNBD(*CDNOW, dependence=k, delay=c)) for k, c in BESIDE]
        assert_allclose(np.stack(rows), of(law), rtol=1e-12)
    assert (3, len(CROWD)) == law.future(CROWD, SharedNumbers(3, seed=1)).rate.shape


def test_customers_may_have_a_dependence_and_parameters_of_their_own():
    own = np.linspace(-1.0, 1.0, len(CROWD))
    law = CorrelatedParetoNBD(*CDNOW, dependence=own)
    other = CorrelatedParetoNBD(CDNOW[0], np.full(len(CROWD), CDNOW[1]), *CDNOW[2:], dependence=own)
    for of in QUESTIONS:
        alone = [of(CorrelatedParetoNBD(*CDNOW, dependence=k))[i] for i, k in enumerate(own)]
        assert_allclose(alone, of(law), rtol=1e-12)
        assert_allclose(alone, of(other), rtol=1e-12)
    assert (10, len(CROWD)) == law.future(CROWD, SharedNumbers(10, seed=1)).rate.shape


# -- fitting ----------------------------------------------------------------------------------------------------------


def likelihood(law, h):
    return float(h.weights @ law.log_likelihood(h))


def is_a_top(fit, tries=40):
    """Whether no place near a fit is higher, at its dependence."""
    rng, place = np.random.default_rng(1), fit.model.to_log()
    moves = rng.standard_normal((tries, 4)) * 10.0 ** rng.uniform(-4, -0.5, (tries, 1))
    return all(likelihood(fit.model.at_log(place + move), fit.data) < fit.log_likelihood for move in moves)


def test_the_maximum_on_cdnow_sits_at_the_bound_of_the_family(fit, nested, cdnow):
    # By Nelder and Mead's simplex on four laws with signs, at a dependence of 1.
    assert approx((0.52879, 9.84724, 0.49424, 9.17225), rel=1e-5) == tuple(fit.model)
    assert approx(-9591.665759405, abs=1e-8) == fit.log_likelihood
    assert approx(likelihood(fit.model, cdnow), abs=1e-8) == fit.log_likelihood
    assert 1.0 == fit.model.dependence
    assert approx(0.08829, abs=1e-5) == float(fit.model.correlation)
    assert approx(2 * (4 + 1) - 2 * fit.log_likelihood) == fit.aic
    assert fit.log_likelihood > nested.log_likelihood + 3.3
    assert is_a_top(fit)


def test_the_diagnosis_says_what_the_correlation_gains(fit):
    chosen, gained, most = fit.diagnosis.findings
    assert chosen.startswith("Dependence 1, a correlation of 0.0883, was chosen by the log-likelihood; ")
    assert chosen.endswith("dependence and its peak: -1: -9,595.15; 0: -9,594.98; 1: -9,591.67.")
    assert gained.startswith("These data ask for a correlation: twice what it gains over the ParetoNBD is 6.62, ")
    assert gained.endswith("and chance gains as much with p = 0.01.")
    assert "The correlation sits at the largest that this family allows with a delay of 1." == most


def test_on_the_edge_where_both_odds_are_one_the_fit_is_a_top_all_the_same(fit):
    # Its two slopes there differ, so that no search that wants a slope of 0 would end.
    buys, leaves = fit.model.coins.log_odds
    assert approx(float(leaves), abs=1e-8) == float(buys)
    slopes = [fit.model.at_log(fit.model.to_log() + s * np.array([1e-5, 0, 0, 0])).score(fit.data) for s in (-1, 1)]
    left, right = (float(slope[0] @ fit.data.weights) for slope in slopes)
    assert left > 0.5
    assert right < -0.5


@pytest.mark.parametrize("dependence", [-1.0, 0.5, pytest.param(0.9, marks=slowly)])
def test_a_dependence_that_is_given_is_kept(dependence, cdnow, fit, nested):
    found = CorrelatedParetoNBD.fit(cdnow, dependence)
    assert (dependence, 0) == (found.model.dependence, found.chosen)
    assert found.log_likelihood < fit.log_likelihood
    assert (found.log_likelihood > nested.log_likelihood) == (dependence > 0)
    assert is_a_top(found, tries=15)


def crowd(seed, dependence, letters=(1.0, 1.0, 1.0, 1.0)):
    """Customers in whole days, who buy and leave within a week as often as not."""
    law, rng = CorrelatedParetoNBD(*letters, dependence=dependence), np.random.default_rng(seed)
    return law.simulate(np.floor(rng.uniform(100, 300, 600)) / 7, rng).history()


@slowly
def test_a_dependence_between_the_ends_is_found():
    h = crowd(3, 0.4)
    found = CorrelatedParetoNBD.fit(h)
    best = found.model.dependence
    assert 0.1 < best < 0.8
    near = [CorrelatedParetoNBD.fit(h, best + step).log_likelihood for step in (-0.02, 0.0, 0.02)]
    assert near[1] == approx(found.log_likelihood, abs=1e-8)
    assert max(near[0], near[2]) < found.log_likelihood
    assert abs(near[2] - near[0]) < 0.1 * (found.log_likelihood - min(near))
    assert is_a_top(found, tries=15)


@pytest.mark.parametrize(
    ("seed", "dependence"), [(0, -1.0), pytest.param(1, 0.0, marks=slowly), pytest.param(2, 1.0, marks=slowly)]
)
def test_the_fit_is_never_below_the_pareto_nbd_nor_the_law_that_made_the_data(seed, dependence):
    h = crowd(seed, dependence)
    found = CorrelatedParetoNBD.fit(h)
    assert found.log_likelihood >= ParetoNBD.fit(h).log_likelihood
    assert found.log_likelihood >= likelihood(CorrelatedParetoNBD(1.0, 1.0, 1.0, 1.0, dependence=dependence), h)
    asked = "These data ask for a correlation" in str(found.diagnosis)
    assert asked == (dependence != 0)
    assert is_a_top(found, tries=15)


@slowly
@pytest.mark.parametrize("delay", ["1D", "28D", "91D", "365D"])
def test_the_delay_is_a_choice(delay, cdnow, nested):
    found = CorrelatedParetoNBD.fit(cdnow, delay=delay)
    assert approx(float(delay[:-1]) / 7) == found.model.delay
    assert found.log_likelihood > nested.log_likelihood
    assert is_a_top(found)


def test_a_unit_of_days_gives_the_same_answer(cdnow, fit):
    days = History(cdnow.x, 7 * cdnow.t_x, 7 * cdnow.T, unit="day")
    daily = CorrelatedParetoNBD.fit(days, delay="1W")
    assert approx(fit.log_likelihood - cdnow.x.sum() * np.log(7), abs=1e-6) == daily.log_likelihood
    assert approx(float(fit.model.correlation), rel=1e-6) == float(daily.model.correlation)


def test_a_fit_goes_to_text_and_back_and_its_draws_keep_the_dependence(fit):
    assert fit == from_json(fit.to_json())
    assert (1.0, 1.0) == tuple(json.loads(fit.model.to_json())[name] for name in ("dependence", "delay"))
    draws = fit.draws(5, seed=1)
    assert (1.0, "week", (5, 1)) == (draws.dependence, draws.unit, draws.correlation.shape)


def test_a_likelihood_without_a_peak_says_why():
    alike = History(x=[3] * 40, t_x=[30] * 40, T=[39] * 40)
    with pytest.raises(
        ConvergenceError, match="CorrelatedParetoNBD without dependence is a ParetoNBD: the likelihood of 40"
    ):
        CorrelatedParetoNBD.fit(alike)


# -- covariates -------------------------------------------------------------------------------------------------------

EFFECTS = {"purchase: web": 0.4, "dropout: old": -0.3}


@pytest.fixture(scope="module")
def known():
    """3,000 customers, of whom some come through the web and some are old."""
    rng = np.random.default_rng(1)
    web, old = (rng.random((2, 3000)) < 0.5).astype(float)
    law = CorrelatedParetoNBD(1.0, np.exp(-0.4 * web), 1.0, np.exp(0.3 * old), dependence=0.5)
    h = law.simulate(np.floor(7 * rng.uniform(20, 60, 3000)) / 7, rng).history()
    return replace(h, covariates={"web": web, "old": old})


@pytest.fixture(scope="module")
def moved(known):
    return CorrelatedParetoNBD.fit(known, 0.5, purchase="web", dropout="old")


def test_effects_of_covariates_are_found(moved):
    truth = (1.0, 1.0, 1.0, 1.0, *EFFECTS.values())
    assert tuple(EFFECTS) == moved.model.names()[4:]
    assert np.all(np.abs(moved.parameters - truth) < 3 * moved.standard_errors)
    assert 0.5 == moved.model.law.dependence


@slowly
def test_a_dependence_beside_covariates_is_found(known, moved):
    found = CorrelatedParetoNBD.fit(known, purchase="web", dropout="old")
    assert 0.2 < found.model.law.dependence < 0.9
    assert found.log_likelihood >= moved.log_likelihood
    assert "These data ask for a correlation" in str(found.diagnosis)


def test_with_covariates_it_is_never_below_the_pareto_nbd_with_them(known, moved):
    nested = ParetoNBD.fit(known, purchase="web", dropout="old")
    assert moved.log_likelihood > nested.log_likelihood
    assert approx(float(np.sum(moved.model.log_likelihood(known)))) == moved.log_likelihood


def test_each_customer_has_the_lowest_bound_of_their_own(known, moved):
    law = moved.model.of(known)
    for web, old in itertools.product((0.0, 1.0), (0.0, 1.0)):
        who = (known.covariates["web"] == web) & (known.covariates["old"] == old)
        alone = moved.model.like(web=web, old=old)
        assert_allclose(law.m[who], alone.m, rtol=1e-12)
        assert_allclose(law.log_likelihood(known)[who], alone.log_likelihood(known.take(who)), rtol=1e-12)


def test_customers_with_covariates_are_answered_for(known, moved):
    some = known.take(slice(0, 20))
    for of in (lambda law: law.p_alive(some), lambda law: law.expected_purchases(some, 13.0)):
        assert_allclose(of(moved.model), of(moved.model.of(some)), rtol=1e-12)
    frame = pd.DataFrame({"web": [0.0, 1.0], "old": [0.0, 0.0]})
    assert np.all(np.diff(moved.model.of(frame).expected_purchases_of_new(13.0)) > 0)
    assert moved == from_json(moved.to_json())


def test_a_fit_with_covariates_has_a_lifetime_value(cdnow):
    h = replace(cdnow, covariates={"flag": np.arange(len(cdnow)) % 2.0})
    found = CorrelatedParetoNBD.fit(h, 1.0, purchase="flag")
    value = LifetimeValue.of(found, GammaGamma.fit(cdnow))
    table = value.predict(h.take(slice(0, 4)), horizon=39, margin=0.3, annual_discount_rate=0.1)
    assert_allclose(found.model.p_alive(h)[:4], table["p_alive"], rtol=1e-10)
    assert np.all(table["clv"] > 0)


def test_effects_of_zero_change_nothing(cdnow, fit):
    zero = np.zeros(len(cdnow))
    own = fit.model.hastened("purchase", zero).hastened("dropout", zero)
    assert_allclose(fit.model.log_likelihood(cdnow), own.log_likelihood(cdnow), rtol=1e-13)
    assert_allclose(fit.model.p_alive(cdnow), own.p_alive(cdnow), rtol=1e-13)


@pytest.mark.parametrize("by", [None, Rounded(0.1), Rounded(0.001)], ids=str)
@each_end
def test_the_score_of_customers_with_parameters_of_their_own_is_the_slope(dependence, by):
    z, step = np.linspace(-1, 1, len(CROWD)), 1e-6
    law = CorrelatedParetoNBD(0.55, 10.5 * np.exp(z), 0.6, 11.7 * np.exp(-z), dependence=dependence, by=by)
    for name, slope in zip(law.names(), law.score(CROWD), strict=True):
        value = getattr(law, name)
        up, down = (replace(law, **{name: value * np.exp(way)}).log_likelihood(CROWD) for way in (step, -step))
        assert_allclose((up - down) / (2 * step), slope * value, rtol=1e-5, atol=1e-7)


def test_where_bounds_meet_for_some_customers_the_fit_is_a_top_all_the_same():
    rng = np.random.default_rng(2)
    z = rng.standard_normal(600)
    law = CorrelatedParetoNBD(1.0, np.exp(-0.4 * z), 1.0, 1.0, dependence=1.0)
    h = replace(law.simulate(np.floor(rng.uniform(100, 300, 600)) / 7, rng).history(), covariates={"z": z})
    found = CorrelatedParetoNBD.fit(h, purchase="z", dropout="z")
    assert 1 == found.chosen
    buys, leaves = found.model.of(found.data).coins.log_odds
    assert 0 < np.mean(buys > leaves) < 1
    place, moves = found.model.to_log(), rng.standard_normal((40, 6)) * 10.0 ** rng.uniform(-5, -0.5, (40, 1))
    heights = [float(found.data.weights @ found.model.at_log(place + one).log_likelihood(found.data)) for one in moves]
    assert max(heights) < found.log_likelihood + 1e-4
    assert found.log_likelihood > ParetoNBD.fit(h, purchase="z", dropout="z").log_likelihood


# -- refused ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dependence", [1.001, -2.0, np.nan, [0.1, 1.5]])
def test_a_dependence_that_is_none_is_refused(dependence, cdnow):
    for ask in (
        lambda: CorrelatedParetoNBD(*CDNOW, dependence=dependence),
        lambda: CorrelatedParetoNBD.fit(cdnow, dependence),
    ):
        with pytest.raises(
            DomainError, match=r"CorrelatedParetoNBD: dependence must lie between -1 and 1, got (1\.|-2|nan)"
        ):
            ask()
    with pytest.raises(DomainError, match="dependence must be a number or numbers, got 'much'"):
        CorrelatedParetoNBD(*CDNOW, dependence="much")


@pytest.mark.parametrize("delay", [0.0, -1.0, np.nan, np.inf])
def test_a_delay_that_is_none_is_refused(delay):
    with pytest.raises(DomainError, match="CorrelatedParetoNBD: delay must be positive and finite, got"):
        CorrelatedParetoNBD(*CDNOW, delay=delay)


def test_laws_of_another_dependence_or_delay_differ():
    law = CorrelatedParetoNBD(*CDNOW, dependence=0.5)
    assert law == CorrelatedParetoNBD(*CDNOW, dependence=0.5, delay=1)
    assert law != CorrelatedParetoNBD(*CDNOW, dependence=0.4)
    assert law != CorrelatedParetoNBD(*CDNOW, dependence=0.5, delay=2.0)
    assert ("r", "alpha", "s", "beta") == law.names()
