"""Gamma-Gamma: what its notes print, what fifty digits say, and where its assumption breaks."""

import itertools
import warnings
from contextlib import suppress

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.integrate import quad

from custrel import History
from custrel.clv import GammaGamma
from custrel.datasets import cdnow
from custrel.errors import AssumptionWarning, ConvergenceError, DomainError
from custrel.stats.draw import SharedNumbers

approx = pytest.approx

# The maximum on the 946 CDNOW customers with repeat purchases, computed at 35 digits from the raw log.
MAXIMUM = (6.249572271321318, 3.7442246671330333, 15.44352096260074)
STANDARD_ERRORS = (1.1900553359629362, 0.29013306527631305, 4.159422751969912)
NOTE = GammaGamma(p=6.25, q=3.74, gamma=15.44)


@pytest.fixture(scope="module")
def history():
    return cdnow().history(until="1997-09-30", unit="week")


@pytest.fixture(scope="module")
def fit(history):
    return GammaGamma.fit(history)


def spenders(x, spend, **more):
    x = np.asarray(x, dtype=float)
    return History(x=x, t_x=np.where(x > 0, 1.0, 0.0), T=np.full(x.size, 9.0), spend=spend, **more)


# -- as published -----------------------------------------------------------------------------------------------------


def test_note_025_of_fader_and_hardie(fit):
    assert approx((6.25, 3.74, 15.44), abs=5e-3) == tuple(fit.model)
    assert fit.n == 946


def test_the_maximum_on_cdnow_to_six_digits(fit):
    assert approx(MAXIMUM, rel=1e-6) == tuple(fit.model)
    assert approx(-4055.9176948018353, abs=1e-8) == fit.log_likelihood
    assert approx(STANDARD_ERRORS, rel=1e-5) == tuple(fit.standard_errors)


def test_the_population_mean_of_note_025():
    assert approx(6.25 * 15.44 / (3.74 - 1)) == NOTE.population_mean
    assert approx(35.2, abs=0.05) == NOTE.population_mean


def test_one_digit_of_the_log_likelihood_is_not_that_of_total_spend(fit, history):
    # The -4659 printed elsewhere is the density of x z on the same peak: they differ by the sum of log x.
    buyers = history.take(history.x > 0)
    total = fit.log_likelihood - np.log(buyers.x[buyers.spend > 0]).sum()
    assert approx(-4659, abs=1) == total


# -- by hand ----------------------------------------------------------------------------------------------------------


def test_the_expectation_by_hand():
    # p = 2, q = 3, gamma = 10: mean of all 10. Two purchases of 40 on average: 2 (10 + 2 * 40) / (2 * 2 + 3 - 1) = 30.
    law = GammaGamma(2, 3, 10)
    assert law.population_mean == 10
    assert law.expected_spend(spenders([2, 0], [40, np.nan])).tolist() == [30, 10]


@given(
    p=st.floats(0.1, 50),
    q=st.floats(1.1, 50),
    gamma=st.floats(0.1, 1e4),
    x=st.integers(1, 500),
    z=st.floats(0.01, 1e5),
)
@settings(max_examples=100, deadline=None, derandomize=True)
def test_the_expectation_lies_between_what_was_seen_and_the_mean_of_all(p, q, gamma, x, z):
    law = GammaGamma(p, q, gamma)
    seen, all_of_them = p * x / (p * x + q - 1), (q - 1) / (p * x + q - 1)
    expected = law.expected_spend(spenders([x], [z]))[0]
    assert approx(seen * z + all_of_them * law.population_mean, rel=1e-12) == expected


def test_customers_without_a_repeat_purchase_get_the_mean_of_all(history, fit):
    expected = fit.model.expected_spend(history)
    assert set(expected[history.x == 0]) == {fit.model.population_mean}
    assert np.all(np.isfinite(expected))


@pytest.mark.parametrize("q", [0.3, 1.0])
def test_a_mean_that_does_not_exist_is_infinite_and_never_negative(q):
    law = GammaGamma(6.25, q, 15.44)
    assert law.population_mean == np.inf
    assert law.expected_spend(spenders([0], [np.nan])).tolist() == [np.inf]
    assert np.isfinite(law.expected_spend(spenders([1], [30.0]))).all()
    assert GammaGamma(0.2, 0.3, 15.44).expected_spend(spenders([1, 5], [30.0, 30.0]))[0] == np.inf


def test_draws_broadcast():
    draws = GammaGamma(*(np.array([[v], [1.1 * v], [2 * v]]) for v in MAXIMUM))
    h = spenders([0, 1, 7], [np.nan, 20.0, 55.0])
    buyers = h.take([1, 2])
    for i, factor in enumerate((1, 1.1, 2)):
        one = GammaGamma(*(factor * v for v in MAXIMUM))
        assert_allclose(one.expected_spend(h), draws.expected_spend(h)[i], rtol=1e-14)
        assert_allclose(one.log_likelihood(buyers), draws.log_likelihood(buyers)[i], rtol=1e-12)
        assert approx(one.population_mean) == draws.population_mean[i, 0]


def test_the_currency_is_ours_to_choose():
    h, c = spenders([1, 2, 30], [12.0, 80.0, 31.0]), 160.3
    yen = spenders([1, 2, 30], c * h.spend)
    other = GammaGamma(NOTE.p, NOTE.q, c * NOTE.gamma)
    assert_allclose(NOTE.log_likelihood(h) - np.log(c), other.log_likelihood(yen), rtol=1e-12)
    assert_allclose(c * NOTE.expected_spend(h), other.expected_spend(yen), rtol=1e-13)


@pytest.mark.parametrize("x", [1, 3, 40])
def test_the_density_integrates_to_1(x):
    def density(u):
        z = np.exp(u)
        return np.exp(NOTE.log_likelihood(spenders([x], [z]))[0]) * z

    assert approx(1, abs=1e-9) == quad(density, -10, 15, points=[3.0, 4.0], limit=300, epsabs=1e-12)[0]


# -- fifty digits -----------------------------------------------------------------------------------------------------


def exact_log_likelihood(p, q, gamma, x, z):
    """Equation (1a) of note 025, as printed."""
    with mp.workdps(50):
        p, q, gamma, z = map(mp.mpf, (p, q, gamma, z))
        norm = mp.loggamma(p * x + q) - mp.loggamma(p * x) - mp.loggamma(q)
        powers = q * mp.log(gamma) + (p * x - 1) * mp.log(z) + p * x * mp.log(x) - (p * x + q) * mp.log(gamma + x * z)
        return norm + powers


@pytest.mark.parametrize("p", [1e-3, 0.5, 6.25, 300.0, 1e4])
@pytest.mark.parametrize("q", [1e-3, 1.0, 3.74, 300.0, 1e6])
def test_log_likelihood_against_fifty_digits(p, q):
    corners = list(itertools.product((1e-3, 15.44, 1e6), (1, 3, 100, 5000), (1e-3, 35.0, 1e5)))
    for gamma, x, z in corners:
        likelihood = GammaGamma(p, q, gamma).log_likelihood(spenders([x], [z]))[0]
        expected = exact_log_likelihood(p, q, gamma, x, z)
        assert abs(expected - mp.mpf(float(likelihood))) < 1e-9 * max(1, abs(expected))


@pytest.mark.parametrize("letters", [MAXIMUM, (0.3, 0.8, 200.0), (1e3, 50.0, 1e-2), (1e-2, 300.0, 1e4)], ids=str)
def test_score_against_fifty_digits(letters):
    for x, z in itertools.product((1, 4, 300), (0.5, 35.0, 2000.0)):
        slopes = GammaGamma(*letters).score(spenders([x], [z]))[:, 0]
        for i, slope in enumerate(slopes):
            with mp.workdps(50):
                at, step = list(map(mp.mpf, letters)), mp.mpf("1e-15") * mp.mpf(letters[i])
                up, down = (exact_log_likelihood(*at[:i], at[i] + s, *at[i + 1 :], x, z) for s in (step, -step))
                expected = (up - down) / (2 * step)
                assert abs(expected - mp.mpf(float(slope))) < 1e-9 * max(abs(expected), 1 / at[i])


# -- fitting ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def made():
    """20,000 customers with repeat purchases by a known law."""
    rng = np.random.default_rng(25)
    x = rng.geometric(0.3, 20_000)
    return NOTE, spenders(x, NOTE.simulate(x, rng))


def test_fitting_finds_the_law_that_made_the_data(made):
    law, h = made
    fit = GammaGamma.fit(h)
    off = (fit.model.to_log() - law.to_log()) / np.sqrt(np.diag(fit.log_covariance))
    assert np.abs(off).max() < 4
    assert fit.log_likelihood >= law.log_likelihood(h).sum()
    assert fit.diagnosis.gradient < 1e-6
    assert fit.diagnosis.agreeing == fit.diagnosis.starts == 3


def test_simulated_spend_is_what_the_law_expects(made):
    law, h = made
    for x in (1, 2, 5):
        spend = h.spend[h.x == x]
        assert abs(spend.mean() - law.population_mean) < 4 * spend.std() / np.sqrt(spend.size)


def test_simulated_customers_return_to_the_mean_as_expected():
    rng, n = np.random.default_rng(2), 200_000
    nu = rng.gamma(NOTE.q, 1 / NOTE.gamma, n)
    seen, next_one = rng.gamma(2 * NOTE.p, 1 / nu) / 2, rng.gamma(NOTE.p, 1 / nu)
    expected = NOTE.expected_spend(spenders(np.full(n, 2), seen))
    for group in (seen < 15, (seen > 15) & (seen < 40), seen > 40, seen > 100):
        apart = (next_one - expected)[group]
        assert abs(apart.mean()) < 4 * apart.std() / np.sqrt(apart.size)


def test_futures_spend_what_the_law_expects():
    h, numbers = spenders([0, 1, 9], [np.nan, 80.0, 20.0]), SharedNumbers(20_000, seed=3)
    level, factors = NOTE.future(h, numbers)
    assert level.shape == (20_000, 3)
    first, second = (level * next(factors) for _ in range(2))
    for values in (first, second):
        error = values.std(axis=0) / np.sqrt(20_000)
        assert np.all(np.abs(values.mean(axis=0) - NOTE.expected_spend(h)) < 4 * error)
    # Two purchases of one customer share their level: they correlate.
    assert np.corrcoef(np.log(first[:, 0]), np.log(second[:, 0]))[0, 1] > 0.3


def test_nobody_simulated_without_a_purchase_has_a_mean():
    spend = NOTE.simulate(np.array([0, 1, 0, 2]), np.random.default_rng(1))
    assert [True, False, True, False] == np.isnan(spend).tolist()


def test_the_fit_says_whom_it_left_out(fit):
    said = str(fit.diagnosis)
    assert "Fitted to 946 customers; 1,411 without a mean value above 0 were left out." in said
    assert "Spend and frequency correlate at 0.11" in said


def test_means_of_zero_are_left_out():
    rng = np.random.default_rng(9)
    x = rng.integers(1, 6, 400)
    spend = NOTE.simulate(x, rng)
    with_zeros = spenders(np.append(x, [2, 1, 0]), np.append(spend, [0.0, 0.0, np.nan]))
    assert GammaGamma.fit(spenders(x, spend)).model == GammaGamma.fit(with_zeros).model


def test_rows_may_stand_for_many_customers():
    rng = np.random.default_rng(10)
    x = rng.integers(1, 6, 300)
    spend, n = NOTE.simulate(x, rng), rng.integers(1, 4, 300)
    many = GammaGamma.fit(spenders(np.repeat(x, n), np.repeat(spend, n)))
    few = GammaGamma.fit(spenders(x, spend, n=n))
    assert many.n == few.n == n.sum()
    assert_allclose(tuple(many.model), tuple(few.model), rtol=1e-6)
    assert approx(many.log_likelihood) == few.log_likelihood
    assert_allclose(
        GammaGamma.independence(spenders(np.repeat(x, n), np.repeat(spend, n))).value,
        GammaGamma.independence(spenders(x, spend, n=n)).value,
        rtol=1e-2,
    )


def test_spend_of_all_purchases_counts_the_first_one_too():
    everyone = cdnow().history(until="1997-09-30", spend="all")
    assert everyone.spend_of == "all"
    assert_array_equal(everyone.x + 1, everyone.paid)
    fit = GammaGamma.fit(everyone)
    assert fit.n == np.sum(everyone.spend > 0) > 2300
    one, two = everyone.take(everyone.x == 0), spenders([1], [everyone.spend[everyone.x == 0][0]])
    assert_allclose(NOTE.expected_spend(two)[0], NOTE.expected_spend(one)[0], rtol=1e-14)
    # Eight customers paid nothing at all, which tells nothing of what they would pay.
    assert_array_equal(everyone.spend == 0, fit.model.expected_spend(everyone) == fit.model.population_mean)


# -- independence -----------------------------------------------------------------------------------------------------


def test_independence_on_cdnow(history):
    figure = GammaGamma.independence(history)
    buyers = history.take(history.x > 0)
    assert approx(np.corrcoef(buyers.x, buyers.spend)[0, 1]) == figure.value
    assert approx(0.11, abs=5e-3) == figure.value
    assert figure.n == 946


def test_independence_has_fishers_interval(history):
    figure = GammaGamma.independence(history, level=0.9)
    half = 1.6448536269514722 / np.sqrt(946 - 3)
    assert approx(np.tanh(np.arctanh(figure.value) - half)) == figure.low
    assert approx(np.tanh(np.arctanh(figure.value) + half)) == figure.high
    assert (figure.method, figure.level) == ("pearson", 0.9)


@pytest.mark.parametrize(
    ("x", "spend"),
    [
        ([1, 2, 3], [5.0, 6.0, 9.0]),  # too few
        ([2] * 50, np.linspace(1, 9, 50)),  # all as often
        (np.arange(1, 51), [5.0] * 50),  # all as much
        ([0] * 50, [np.nan] * 50),  # nobody
    ],
)
def test_independence_that_cannot_be_told_is_not_a_number(x, spend):
    figure = GammaGamma.independence(spenders(x, spend))
    assert np.isnan([figure.value, figure.low, figure.high]).all()


def test_perfect_correlation_stays_within_its_bounds():
    figure = GammaGamma.independence(spenders(np.arange(1, 51), 2.0 * np.arange(1, 51)))
    assert approx(1) == figure.value
    assert figure.low <= figure.value <= figure.high <= 1


@pytest.mark.parametrize("trend", [0.05, -0.05])
def test_strong_correlation_is_warned_of_with_its_figure(trend):
    rng = np.random.default_rng(6)
    x = rng.integers(1, 30, 500)
    h = spenders(x, np.exp(trend * x) * NOTE.simulate(x, rng))
    figure = GammaGamma.independence(h).value
    # The warning comes before the search, which such data may lead to no peak.
    with pytest.warns(AssumptionWarning, match=f"correlate at {figure:.2f}") as caught, suppress(ConvergenceError):
        GammaGamma.fit(h)
    assert len(caught) == 1
    assert caught[0].filename == __file__  # it points at the caller's line


def test_weak_correlation_is_not_warned_of(history):
    with warnings.catch_warnings():
        warnings.simplefilter("error", AssumptionWarning)
        GammaGamma.fit(history)


# -- data without a peak ----------------------------------------------------------------------------------------------


def test_without_spend_there_is_nothing_to_fit():
    with pytest.raises(DomainError, match="this history has none"):
        GammaGamma.fit(History(x=[1], t_x=[1], T=[2]))
    with pytest.raises(DomainError, match="this history has none"):
        GammaGamma.independence(History(x=[1], t_x=[1], T=[2]))
    with pytest.raises(DomainError, match="this history has none"):
        NOTE.expected_spend(History(x=[1], t_x=[1], T=[2]))


def test_without_a_repeat_purchase_there_is_nothing_to_learn():
    with pytest.raises(ConvergenceError, match="none of 9 customers has a mean value above 0"):
        GammaGamma.fit(spenders([0] * 9, [np.nan] * 9))


@pytest.mark.parametrize(
    ("x", "spend"),
    [([3], [9.0]), ([3] * 90, [9.0] * 90), (np.arange(1, 91), [9.0] * 90)],
    ids=["one customer", "identical customers", "one mean value"],
)
def test_customers_who_all_spend_alike_have_no_scatter(x, spend):
    with pytest.raises(ConvergenceError, match=r"p runs to infinity \(single purchases of a customer do not scatter\)"):
        GammaGamma.fit(spenders(x, spend))


def test_customers_who_do_not_differ_are_told_so():
    # Means of frequent buyers scatter less than their number of purchases leaves room for.
    rng = np.random.default_rng(0)
    x = rng.integers(1, 30, 2000)
    h = spenders(x, 10 * rng.gamma(3 * x**2) / (3 * x**2))
    with pytest.raises(ConvergenceError, match="customers do not differ in their mean value"):
        GammaGamma.fit(h)
