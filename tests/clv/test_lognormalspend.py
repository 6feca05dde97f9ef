"""Log-normal spend: by hand, by forty digits, by its own simulation, and by single purchases it only approximates."""

import itertools
import warnings
from dataclasses import replace

import mpmath
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.integrate import quad
from scipy.stats import lognorm, norm

from custrel import History, from_json
from custrel.clv.gammagamma import GammaGamma
from custrel.clv.lognormalspend import LogNormalSpend
from custrel.datasets import cdnow, cdnow_summary
from custrel.errors import AssumptionWarning, ConvergenceError, DomainError
from custrel.stats.draw import SharedNumbers

approx = pytest.approx

# The maximum on the 946 CDNOW customers with repeat purchases, computed at 30 digits from the raw log.
MAXIMUM = (25.0678641069248849, 0.508606823647107034, 0.487929272108173887, 1.11744783993462476)
STANDARD_ERRORS = (1.52981568609, 0.032806239649, 0.0536594837482, 0.0313793505222)
LAW = LogNormalSpend(median=25.0, between=0.5, within=0.6, doubling=1.2)


@pytest.fixture(scope="module")
def history():
    return cdnow_summary()


@pytest.fixture(scope="module")
def fit(history):
    return LogNormalSpend.fit(history)


def spenders(x, spend, **more):
    x = np.asarray(x, dtype=float)
    return History(x=x, t_x=np.where(x > 0, 1.0, 0.0), T=np.full(x.size, 9.0), spend=spend, **more)


def counts(n, rng):
    """Repeat purchases of customers who came back: a negative binomial with mean 3, and one more."""
    return 1 + rng.negative_binomial(1, 0.25, n)


def levels(law, x, rng):
    """The levels of customers who made x repeat purchases, by the story."""
    usual = np.log(law.median) + np.log(law.doubling) * np.log2(x + 1)
    return np.exp(usual + law.between * rng.standard_normal(x.size))


def averaged(law, x, rng):
    """Levels, and true averages of x single log-normal purchases about them: what the law approximates."""
    level, who = levels(law, x, rng), np.repeat(np.arange(x.size), x)
    single = level[who] * np.exp(law.within * rng.standard_normal(who.size) - law.within**2 / 2)
    return level, np.bincount(who, single, x.size) / x


# -- by hand ----------------------------------------------------------------------------------------------------------


def test_one_purchase_is_log_normal_with_both_variances_added_up():
    law = LogNormalSpend(median=25.0, between=0.6, within=0.8, doubling=1.5)
    expected = lognorm.logpdf([3.0, 25.0, 400.0], s=1.0, scale=25.0 * 1.5 * np.exp(-0.32))
    assert_allclose(expected, law.log_likelihood(spenders([1, 1, 1], [3.0, 25.0, 400.0])), rtol=1e-14)


def test_the_variance_of_a_mean_by_hand():
    # With e^(within^2) = 2 a mean of four has the variance log(1 + 1 / 4) about its level.
    law = LogNormalSpend(median=1.0, between=1e-9, within=np.sqrt(np.log(2)), doubling=1.0)
    noise = np.log(5 / 4)
    expected = norm.logpdf(0.3, -noise / 2, np.sqrt(noise)) - 0.3
    assert approx(expected, rel=1e-13) == law.log_likelihood(spenders([4], [np.exp(0.3)]))[0]


def test_levels_move_by_the_factor_doubling_from_one_purchase_to_two_to_four():
    nobody = spenders([0, 1, 3, 7], [np.nan] * 4)
    expected = 25 * np.exp(0.125) * 1.2 ** np.arange(4)
    assert_allclose(expected, LAW.expected_spend(nobody), rtol=1e-14)
    assert approx(expected[0]) == LAW.population_mean


def test_without_scatter_within_the_mean_is_the_level_and_without_scatter_between_it_tells_nothing():
    h = spenders([1, 3, 7], [9.0, 9.0, 900.0])
    assert_allclose(h.spend, replace(LAW, within=1e-8).expected_spend(h), rtol=1e-13)
    assert_allclose(25 * 1.2 ** np.arange(1, 4), replace(LAW, between=1e-8).expected_spend(h), rtol=1e-13)


def test_the_more_purchases_the_more_the_mean_counts():
    independent = replace(LAW, doubling=1.0)
    expected = independent.expected_spend(spenders([1, 2, 5, 50, 5000], [200.0] * 5))
    assert np.all(np.diff(expected) > 0)
    assert expected[0] < 100
    assert approx(200, rel=2e-3) == expected[-1]


def test_the_currency_is_ours_to_choose():
    h, c = spenders([1, 2, 30, 0], [12.0, 80.0, 31.0, np.nan]), 160.3
    other, yen = replace(LAW, median=c * LAW.median), spenders(h.x, c * h.spend)
    assert_allclose(LAW.log_likelihood(h) - np.log(c), other.log_likelihood(yen), rtol=1e-13)
    assert_allclose(c * LAW.expected_spend(h), other.expected_spend(yen), rtol=1e-13)


@pytest.mark.parametrize("x", [1, 3, 40])
def test_the_density_integrates_to_1(x):
    def density(u):
        return np.exp(LAW.log_likelihood(spenders([x], [np.exp(u)]))[0] + u)

    assert approx(1, abs=1e-9) == quad(density, -4, 12, points=[3.0, 4.0], epsabs=1e-12)[0]


@pytest.mark.parametrize(("x", "z"), [(1, 4.0), (3, 90.0), (40, 30.0)])
def test_the_expectation_is_the_mean_of_the_levels_that_fit(x, z):
    # Prior times likelihood, summed over the logarithm of the level.
    noise = np.log1p(np.expm1(LAW.within**2) / x)
    usual = np.log(LAW.median) + np.log(LAW.doubling) * np.log2(x + 1)

    def weight(u):
        return norm.pdf(u, usual, LAW.between) * norm.pdf(np.log(z), u - noise / 2, np.sqrt(noise)) / z

    evidence = quad(weight, -4, 12, points=[3.0, 4.0], epsabs=0, epsrel=1e-12)[0]
    total = quad(lambda u: np.exp(u) * weight(u), -4, 12, points=[3.0, 4.0], epsabs=0, epsrel=1e-12)[0]
    h = spenders([x], [z])
    assert approx(np.log(evidence), rel=1e-10) == LAW.log_likelihood(h)[0]
    assert approx(total / evidence, rel=1e-10) == LAW.expected_spend(h)[0]


# -- forty digits -----------------------------------------------------------------------------------------------------

mp = mpmath.mp.clone()  # a precision of its own
mp.dps = 40


def exact(letters, x, z):
    """Log-likelihood and expectation, from the law as it is stated."""
    median, between, within, doubling = map(mp.mpf, letters)
    noise = mp.log1p(mp.expm1(within**2) / x)
    usual, seen = mp.log(median) + mp.log(doubling, 2) * mp.log(x + 1), mp.log(mp.mpf(z))
    variance = between**2 + noise
    off = seen - usual + noise / 2
    likelihood = -seen - mp.log(2 * mp.pi * variance) / 2 - off**2 / (2 * variance)
    mean = (usual * noise + (seen + noise / 2) * between**2) / variance
    return likelihood, mp.exp(mean + between**2 * noise / variance / 2)


def off(true, ours):
    """Relative error; what is less than 1 is measured against 1."""
    return float(abs(mp.mpf(float(ours)) - true) / max(1, abs(true)))


MEANS = (1e-300, 1e-3, 25.0, 26.0, 26.0001, 1e6, 1e280)


@pytest.mark.parametrize("within", [1e-4, 0.5, 1.0, 20.0])
@pytest.mark.parametrize("between", [1e-4, 0.5, 20.0])
def test_log_likelihood_and_expectation_against_forty_digits(between, within):
    for median, doubling, x in itertools.product((1e-4, 26.0, 1e6), (1e-4, 1.0, 1.12, 1e6), (1, 3, 5000)):
        law, h = LogNormalSpend(median, between, within, doubling), spenders([x] * len(MEANS), MEANS)
        true = [exact((median, between, within, doubling), x, z) for z in MEANS]
        likelihood, expected = law.log_likelihood(h), law.expected_spend(h)
        assert max(off(one, ours) for (one, _), ours in zip(true, likelihood, strict=True)) < 1e-13
        large = [(one, ours) for (_, one), ours in zip(true, expected, strict=True) if one > 1e-290]
        assert max(float(abs(mp.mpf(float(ours)) / one - 1)) for one, ours in large) < 1e-12


@pytest.mark.parametrize("doubling", [0.5, 1.0, 1.9, 1e6])
def test_log_likelihood_of_means_close_to_what_is_usual_where_hardly_anything_scatters(doubling):
    rng = np.random.default_rng(4)
    for x in (1, 12, 700, 5000):
        letters = (36.1, 2e-4, 1e-4, doubling)
        means = 36.1 * np.exp(np.log(doubling) * np.log2(x + 1) + 4e-4 * rng.standard_normal(10))
        ours = LogNormalSpend(*letters).log_likelihood(spenders([x] * 10, means))
        apart = max(off(exact(letters, x, z)[0], one) for z, one in zip(means, ours, strict=True))
        # A rounding of the logarithm counts 20,000 fold where all scatters by 2e-4, that of log2(x + 1) even more.
        assert apart < (5e-12 if doubling < 2 else 2e-11)


@pytest.mark.parametrize(
    "letters", [MAXIMUM, (1e-3, 3.0, 0.02, 0.4), (1e5, 1e-3, 2.5, 3.0), (1.0, 15.0, 15.0, 1.0)], ids=str
)
def test_score_against_forty_digits(letters):
    for x, z in itertools.product((1, 4, 300, 5000), (0.5, 35.0, 2000.0)):
        slopes = LogNormalSpend(*letters).score(spenders([x], [z]))[:, 0]
        for i, slope in enumerate(slopes):
            at, step = list(map(mp.mpf, letters)), mp.mpf("1e-13") * mp.mpf(letters[i])
            up, down = (exact((*at[:i], at[i] + s, *at[i + 1 :]), x, z)[0] for s in (step, -step))
            expected = (up - down) / (2 * step)
            assert abs(expected - mp.mpf(float(slope))) < 1e-9 * max(abs(expected), 1 / at[i])


def test_every_answer_is_finite_on_the_whole_box():
    box = itertools.product((1e-4, 30.0, 1e6), (1e-4, 1.0, 20.0), (1e-4, 1.0, 20.0), (1e-4, 1.0, 1e6))
    h = spenders([0, 1, 1, 2, 2, 5000, 5000], [np.nan, 1e-100, 1e100, 1e-9, 30.0, 1e-100, 1e100])
    buyers = h.take(h.x > 0)
    for letters in box:
        law = LogNormalSpend(*letters)
        level, factors = law.future(h, SharedNumbers(20, seed=1))
        for answer in (law.log_likelihood(buyers), law.score(buyers), law.expected_spend(h), level, next(factors)):
            assert np.all(np.isfinite(answer))
        assert np.all(law.expected_spend(h) > 0)


def test_a_mean_that_no_float_holds_is_infinite_without_a_warning():
    law = LogNormalSpend(median=1.0, between=40.0, within=40.0, doubling=1.0)
    assert law.population_mean == np.inf
    assert law.expected_spend(spenders([0, 1], [np.nan, 30.0])).tolist() == [np.inf, np.inf]
    assert np.isfinite(law.log_likelihood(spenders([1, 9], [1.0, 1e9]))).all()


def test_who_has_no_mean_above_0_tells_nothing():
    h = spenders([0, 2, 2], [np.nan, 0.0, np.nan])
    assert np.isnan(LAW.log_likelihood(h)).all()
    assert_allclose(25 * np.exp(0.125) * 1.2 ** np.log2([1, 3, 3]), LAW.expected_spend(h), rtol=1e-14)
    assert [0.25] * 3 == LAW.log_level(h)[1].tolist()


# -- shapes -----------------------------------------------------------------------------------------------------------


def test_draws_broadcast():
    factors = (1.0, 1.1, 2.0)
    draws = LogNormalSpend(*(np.array([[f * v] for f in factors]) for v in MAXIMUM))
    h = spenders([0, 1, 7], [np.nan, 20.0, 55.0])
    buyers = h.take([1, 2])
    for i, factor in enumerate(factors):
        one = LogNormalSpend(*(factor * v for v in MAXIMUM))
        assert_allclose(one.expected_spend(h), draws.expected_spend(h)[i], rtol=1e-14)
        assert_allclose(one.log_likelihood(buyers), draws.log_likelihood(buyers)[i], rtol=1e-13)
        assert approx(one.population_mean) == draws.population_mean[i, 0]


def test_customers_may_have_parameters_of_their_own():
    h = spenders([1, 7, 2], [20.0, 55.0, 3.0])
    own = LogNormalSpend(*(np.full(3, value) for value in LAW))
    assert_allclose(LAW.log_likelihood(h), own.log_likelihood(h), rtol=1e-14)
    assert_allclose(LAW.score(h), own.score(h), rtol=1e-14)
    assert_allclose(LAW.expected_spend(h), own.expected_spend(h), rtol=1e-14)


def test_a_batch_of_one_equals_the_batch(history):
    some = history.take(slice(0, 200))
    futures = LAW.future(some, SharedNumbers(50, seed=2))[0]
    for i in range(0, 200, 9):
        alone = some.take([i])
        assert_array_equal(LAW.expected_spend(alone), LAW.expected_spend(some)[[i]])
        assert_array_equal(LAW.log_likelihood(alone), LAW.log_likelihood(some)[[i]])
        assert_array_equal(LAW.future(alone, SharedNumbers(50, seed=2))[0], futures[:, [i]])


def test_an_empty_history_gets_empty_answers():
    nobody = History(x=[], t_x=[], T=[], spend=[])
    assert LAW.log_likelihood(nobody).shape == LAW.expected_spend(nobody).shape == (0,)
    assert LAW.simulate([], np.random.default_rng(1)).shape == (0,)


@pytest.mark.parametrize("law", [LAW, GammaGamma(p=6.25, q=3.74, gamma=15.44)], ids=["LogNormalSpend", "GammaGamma"])
@pytest.mark.parametrize("purchases", [[-1, 2], [1.5], [np.nan], ["two"]])
def test_means_of_purchases_that_are_none_are_not_simulated(law, purchases):
    with pytest.raises(DomainError, match="n must be whole numbers of purchases"):
        law.simulate(purchases, np.random.default_rng(1))


def test_json_brings_law_fit_and_draws_back(fit, history):
    assert from_json(LAW.to_json()) == LAW
    back = from_json(fit.to_json())
    assert back == fit
    assert_array_equal(fit.draws(3, seed=1).expected_spend(history), back.draws(3, seed=1).expected_spend(history))


@pytest.mark.parametrize("value", [0.0, -1.0, np.nan, np.inf, [1.0, -2.0], "much"])
def test_a_parameter_outside_its_domain_is_refused_at_birth(value):
    for name in LAW.names():
        with pytest.raises(DomainError, match=f"LogNormalSpend: {name} must be"):
            replace(LAW, **{name: value})


# -- CDNOW ------------------------------------------------------------------------------------------------------------


def test_the_maximum_on_cdnow_to_seven_digits(fit):
    assert approx(MAXIMUM, rel=1e-7) == tuple(fit.model)
    assert approx(-4059.2518509277293, abs=1e-8) == fit.log_likelihood
    assert approx(STANDARD_ERRORS, rel=1e-5) == tuple(fit.standard_errors)
    assert fit.n == 946
    assert fit.diagnosis.agreeing == fit.diagnosis.starts == 3


def test_cdnow_customers_who_buy_more_often_spend_more_on_a_purchase(history):
    # The likelihood ratio was computed beside the maximum: 2 (4067.31862671 - 4059.25185093) on one degree of freedom.
    found = LogNormalSpend.independence(history)
    assert approx(5.902897832836829e-05, rel=1e-6) == found.p
    assert approx((1.11745, 1.05761, 1.18067), abs=1e-5) == (found.value, found.low, found.high)
    assert (found.n, found.method, found.level) == (946, "wald", 0.95)
    narrow = LogNormalSpend.independence(history, level=0.5)
    assert found.low < narrow.low < narrow.value < narrow.high < found.high
    assert narrow.p == found.p


def test_the_fit_says_whom_it_left_out_and_how_spend_moves(fit):
    said = str(fit.diagnosis)
    assert "Fitted to 946 customers; 1,411 without a mean value above 0 were left out." in said
    assert "Customers who buy twice as often spend 1.12 (1.06 to 1.18) times as much on a purchase." in said


def test_spend_of_all_purchases_counts_the_first_one_too():
    everyone = cdnow().history(until="1997-09-30", spend="all")
    fit = LogNormalSpend.fit(everyone)
    assert fit.n == np.sum(everyone.spend > 0) > 2300
    once, law = everyone.take(everyone.x == 0), fit.model
    known = once.spend > 0
    likelihood = lognorm.logpdf(
        once.spend[known], s=np.hypot(law.between, law.within), scale=law.median * np.exp(-(law.within**2) / 2)
    )
    assert_allclose(likelihood, law.log_likelihood(once)[known], rtol=1e-12)
    # Eight customers paid nothing at all, which tells nothing of what they would pay.
    assert_allclose(law.population_mean, law.expected_spend(once)[~known], rtol=1e-14)


# -- simulate is the witness ------------------------------------------------------------------------------------------


def test_simulated_means_have_the_law_s_mean_and_scatter():
    rng, n = np.random.default_rng(5), 200_000
    for x, spend_of, N in ((1, "repeat", 2), (4, "repeat", 5), (4, "all", 4)):
        spend = LAW.simulate(np.full(n, x), rng, spend_of=spend_of)
        level = LAW.population_mean * LAW.doubling ** np.log2(N)
        assert abs(spend.mean() - level) < 4 * spend.std() / np.sqrt(n)
        scatter = np.sqrt(LAW.between**2 + np.log1p(np.expm1(LAW.within**2) / x))
        assert approx(scatter, rel=0.01) == np.log(spend).std()


def test_nobody_simulated_without_a_purchase_has_a_mean():
    spend = LAW.simulate(np.array([0, 1, 0, 2]), np.random.default_rng(1))
    assert [True, False, True, False] == np.isnan(spend).tolist()
    with pytest.raises(DomainError, match="spend_of must be one of 'repeat', 'all'"):
        LAW.simulate([1], np.random.default_rng(1), spend_of="first")


def test_simulated_levels_are_what_the_law_expects_of_their_means():
    rng = np.random.default_rng(2)
    x = counts(300_000, rng)
    level = levels(LAW, x, rng)
    noise = np.log1p(np.expm1(LAW.within**2) / x)
    z = level * np.exp(np.sqrt(noise) * rng.standard_normal(x.size) - noise / 2)
    apart = level - LAW.expected_spend(spenders(x, z))
    for group in (z < 15, (z > 15) & (z < 40), z > 40, z > 100, x == 1, x > 9):
        assert abs(apart[group].mean()) < 4 * apart[group].std() / np.sqrt(group.sum())


def test_futures_spend_what_the_law_expects():
    h, draws = spenders([0, 1, 9], [np.nan, 80.0, 20.0]), 20_000
    level, factors = LAW.future(h, SharedNumbers(draws, seed=3))
    assert level.shape == (draws, 3)
    first, second = (level * next(factors) for _ in range(2))
    for values in (level, first, second):
        error = values.std(axis=0) / np.sqrt(draws)
        assert np.all(np.abs(values.mean(axis=0) - LAW.expected_spend(h)) < 4 * error)
    assert approx(np.sqrt(LAW.log_level(h)[1]), rel=0.02) == np.log(level).std(axis=0)
    assert approx(LAW.within, rel=0.02) == np.log(first / level).std()
    # Two purchases of one customer share their level: they correlate.
    assert np.corrcoef(np.log(first[:, 0]), np.log(second[:, 0]))[0, 1] > 0.3


def test_futures_of_draws_have_a_row_for_each():
    h, draws = spenders([0, 1, 9], [np.nan, 80.0, 20.0]), 500
    laws = LogNormalSpend(*(np.geomspace(0.9, 1.1, draws)[:, None] * value for value in LAW))
    level, factors = laws.future(h, SharedNumbers(draws, seed=3))
    assert level.shape == (draws, 3)
    assert next(factors).shape == (draws, 1)


def error_by_group(model, level, h):
    """How far expectations are off, relative to the true levels: of all, and of six groups from low to high means."""
    expected = model.expected_spend(h)
    group = np.digitize(h.spend, np.quantile(h.spend, [0.05, 0.25, 0.5, 0.75, 0.95]))
    of_each = [expected[group == k].mean() / level[group == k].mean() - 1 for k in range(6)]
    return expected.mean() / level.mean() - 1, np.array(of_each)


@pytest.mark.parametrize(
    ("within", "of_all", "of_each"), [(0.3, 0.005, 0.02), (0.6, 0.005, 0.02), (1.0, 0.01, 0.10)], ids=str
)
def test_averages_of_single_purchases_are_as_near_to_the_law_as_it_says(within, of_all, of_each):
    rng, law = np.random.default_rng(1960), replace(LAW, within=within)
    for x in (np.full(200_000, 2), np.full(200_000, 5), counts(200_000, rng)):
        level, z = averaged(law, x, rng)
        h = spenders(x, z)
        for model in (law,) if np.ptp(x) == 0 else (law, LogNormalSpend.fit(h).model):
            total, groups = error_by_group(model, level, h)
            print(f"\nwithin {within}: all {total:+.2%}, low to high", *(f"{one:+.1%}" for one in groups))  # noqa: T201
            assert abs(total) < of_all
            assert np.abs(groups).max() < of_each


def test_one_purchase_is_no_approximation():
    x, law = np.ones(400_000, dtype=int), replace(LAW, within=2.0)
    level, z = averaged(law, x, np.random.default_rng(7))
    total, groups = error_by_group(law, level, spenders(x, z))
    assert max(abs(total), np.abs(groups).max()) < 0.02


def test_the_approximation_makes_no_dependence_of_its_own():
    # True averages of customers whose level has nothing to do with their number: doubling must stay at 1.
    rng = np.random.default_rng(8)
    law = LogNormalSpend(median=25.0, between=0.5, within=1.0, doubling=1.0)
    x = counts(40_000, rng)
    found = LogNormalSpend.independence(spenders(x, averaged(law, x, rng)[1]))
    assert found.low < 1 < found.high
    assert abs(found.value - 1) < 0.02
    assert found.p > 0.05


# -- fitting ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def made():
    """20,000 customers with repeat purchases by a known law."""
    rng = np.random.default_rng(25)
    x = counts(20_000, rng)
    return spenders(x, LAW.simulate(x, rng))


def test_fitting_finds_the_law_that_made_the_data(made):
    fit = LogNormalSpend.fit(made)
    off_by = (fit.model.to_log() - LAW.to_log()) / np.sqrt(np.diag(fit.log_covariance))
    assert np.abs(off_by).max() < 4
    assert np.abs(fit.model.to_log() - LAW.to_log()).max() < 0.03
    assert fit.log_likelihood >= LAW.log_likelihood(made).sum()
    assert fit.diagnosis.gradient < 1e-6
    assert fit.diagnosis.agreeing == fit.diagnosis.starts == 3


def test_dependence_that_is_there_is_found_and_the_gamma_gamma_law_says_who_lets_it(made):
    found = LogNormalSpend.independence(made)
    assert found.p < 1e-100
    assert found.low < 1.2 < found.high
    strong = LogNormalSpend(median=25.0, between=0.3, within=0.3, doubling=1.6)
    h = replace(made, spend=strong.simulate(made.x, np.random.default_rng(3)))
    with pytest.warns(AssumptionWarning, match="LogNormalSpend lets one move with the other"):
        GammaGamma.fit(h)
    with warnings.catch_warnings():
        warnings.simplefilter("error", AssumptionWarning)
        LogNormalSpend.fit(h)


def test_rows_may_stand_for_many_customers():
    rng = np.random.default_rng(10)
    x = counts(300, rng)
    spend, n = LAW.simulate(x, rng), rng.integers(1, 4, 300)
    many, few = spenders(np.repeat(x, n), np.repeat(spend, n)), spenders(x, spend, n=n)
    one, other = LogNormalSpend.fit(many), LogNormalSpend.fit(few)
    assert one.n == other.n == n.sum()
    assert_allclose(tuple(one.model), tuple(other.model), rtol=1e-6)
    assert_allclose(LogNormalSpend.independence(many).p, LogNormalSpend.independence(few).p, rtol=1e-5)


def test_means_of_zero_are_left_out():
    rng = np.random.default_rng(9)
    x = counts(400, rng)
    spend = LAW.simulate(x, rng)
    with_zeros = spenders(np.append(x, [2, 1, 0]), np.append(spend, [0.0, 0.0, np.nan]))
    assert LogNormalSpend.fit(spenders(x, spend)).model == LogNormalSpend.fit(with_zeros).model


@pytest.mark.parametrize("median", [1e-60, 1e-4, 1e6, 1e60])
def test_any_currency_is_fitted_alike(median):
    rng = np.random.default_rng(11)
    x = counts(2000, rng)
    spend = LAW.simulate(x, rng)
    one, other = LogNormalSpend.fit(spenders(x, spend)).model, LogNormalSpend.fit(spenders(x, median * spend)).model
    assert_allclose(tuple(replace(one, median=median * one.median)), tuple(other), rtol=1e-6)


def test_single_purchases_that_scatter_too_much_are_warned_of():
    rng = np.random.default_rng(12)
    law = replace(LAW, within=1.4)
    x = counts(3000, rng)
    h = spenders(x, averaged(law, x, rng)[1])
    with pytest.warns(AssumptionWarning, match=r"Single purchases scatter by within = 1\.\d\d; beyond 1") as caught:
        fit = LogNormalSpend.fit(h)
    assert caught[0].filename == __file__  # it points at the caller's line
    assert str(caught[0].message) == fit.diagnosis.findings[-1]


@pytest.mark.slow
def test_intervals_hold_the_truth_as_often_as_they_say():
    rng, hits, rejected = np.random.default_rng(13), [], []
    for _ in range(200):
        x = counts(2000, rng)
        table = LogNormalSpend.fit(spenders(x, LAW.simulate(x, rng))).table(level=0.9)
        low, high = (table[name].to_numpy() for name in ("low", "high"))
        hits.append((low <= tuple(LAW)) & (tuple(LAW) <= high))
        apart = replace(LAW, doubling=1.0)
        rejected.append(LogNormalSpend.independence(spenders(x, apart.simulate(x, rng))).p < 0.1)
    shares = np.mean(hits, axis=0)
    print("\n90 % intervals hold the truth:", shares, "; false alarms at 10 %:", np.mean(rejected))  # noqa: T201
    # Four standard errors of a share of 0.9 of 200.
    assert np.all(np.abs(shares - 0.9) < 4 * np.sqrt(0.09 / 200))
    assert abs(np.mean(rejected) - 0.1) < 4 * np.sqrt(0.09 / 200)


# -- data without a peak ----------------------------------------------------------------------------------------------


def test_without_spend_there_is_nothing_to_fit():
    bare = History(x=[1], t_x=[1], T=[2])
    for ask in (LogNormalSpend.fit, LogNormalSpend.independence, LAW.expected_spend, LAW.log_likelihood):
        with pytest.raises(DomainError, match="LogNormalSpend needs each customer's mean spend; this history has none"):
            ask(bare)
    with pytest.raises(DomainError, match="LogNormalSpend needs a History.*got list"):
        LogNormalSpend.fit([1, 2])


def test_a_level_that_is_none_is_refused(history):
    with pytest.raises(DomainError, match="level must lie between 0 and 1, got 95"):
        LogNormalSpend.independence(history, level=95)


def test_without_a_repeat_purchase_there_is_nothing_to_learn():
    with pytest.raises(ConvergenceError, match="none of 9 customers has a mean value above 0"):
        LogNormalSpend.fit(spenders([0] * 9, [np.nan] * 9))


@pytest.mark.parametrize("x", [1, 3])
def test_customers_who_all_buy_equally_often_tell_no_scatter_from_the_other(x):
    h = spenders([x] * 90, LAW.simulate(np.full(90, x), np.random.default_rng(1)))
    with pytest.raises(ConvergenceError, match=f"every mean rests on {x} purchases, so nothing tells scatter"):
        LogNormalSpend.fit(h)


def test_customers_who_all_spend_alike_have_no_scatter():
    nearly = np.exp(5e-5 * np.random.default_rng(1).standard_normal(90))
    for spend in ([9.0] * 90, 9.0 * 1.1 ** np.log2(np.arange(2, 92)), 9.0 * nearly):
        with pytest.raises(ConvergenceError, match="all have the same mean, to a hundredth of a percent"):
            LogNormalSpend.fit(spenders(np.arange(1, 91), spend))


def test_single_purchases_that_do_not_scatter_are_told_so():
    # Means of frequent buyers scatter as much as, or more than, those of others.
    rng = np.random.default_rng(0)
    x = rng.integers(1, 30, 2000)
    with pytest.raises(
        ConvergenceError, match=r"within runs to zero \(single purchases of a customer do not scatter\)"
    ):
        LogNormalSpend.fit(spenders(x, 10 * np.exp(0.05 * x * rng.standard_normal(2000))))


def test_customers_who_do_not_differ_are_told_so():
    # Means of frequent buyers scatter less than their number of purchases leaves room for.
    rng = np.random.default_rng(0)
    x = rng.integers(1, 30, 2000)
    with pytest.raises(ConvergenceError, match="customers who buy equally often do not differ in their level"):
        LogNormalSpend.fit(spenders(x, 10 * np.exp(0.5 * rng.standard_normal(2000) / x)))
