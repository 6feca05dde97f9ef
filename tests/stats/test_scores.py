"""Scores: against their definitions, closed forms and sums by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose
from scipy import stats
from scipy.special import ive

from custrel.errors import DomainError
from custrel.stats.scores import (
    bias,
    calibration_error,
    count_scores,
    gini,
    lift,
    mean_absolute_error,
    root_mean_squared_error,
    total_error,
)

approx = pytest.approx
quick = settings(deadline=None, derandomize=True, database=None, max_examples=60)

EXPECTED, ACTUAL = np.array([0.5, 1.5, 1.0, 3.0]), np.array([0.0, 2.0, 0.0, 4.0])
few = arrays(np.float64, st.integers(2, 12), elements=st.integers(0, 4).map(float))
chances = arrays(np.float64, 7, elements=st.floats(0.01, 1)).map(lambda p: p / p.sum())


def of_table(p):
    """Chances of 0, 1, ... by a table that all customers share; 0 beyond it."""
    padded = np.append(p, 0.0)
    return lambda n, of: padded[np.minimum(n, p.size)] + 0.0 * of


def by_law(law):
    """Chances by a distribution of SciPy whose parameters are one for each customer."""
    return lambda n, of: np.asarray(law.pmf(n))[:, of]


def test_errors_by_hand():
    assert 0.0 == total_error(EXPECTED, ACTUAL)
    assert 0.25 == bias(EXPECTED + 0.25, ACTUAL)
    assert 1 / 6 == total_error(EXPECTED + 0.25, ACTUAL)
    assert 0.75 == mean_absolute_error(EXPECTED, ACTUAL)
    assert np.sqrt(2.5 / 4) == root_mean_squared_error(EXPECTED, ACTUAL)
    assert np.isnan(total_error(EXPECTED, np.zeros(4)))


def test_a_weight_is_so_many_equal_customers():
    n = np.array([3, 1, 2, 1])
    for measure in (total_error, bias, mean_absolute_error, root_mean_squared_error):
        alone = measure(np.repeat(EXPECTED + 0.3, n), np.repeat(ACTUAL, n))
        assert approx(alone, rel=1e-14) == measure(EXPECTED + 0.3, ACTUAL, weights=n)


@quick
@given(p=chances, y=st.integers(0, 9))
def test_the_crps_is_the_sum_of_its_definition(p, y):
    _, crps = count_scores(of_table(p), np.array([y]))
    reached = np.cumsum(np.append(p, np.zeros(10)))
    by_hand = sum((reached[n] - (y <= n)) ** 2 for n in range(17))
    assert approx(by_hand, abs=1e-12) == crps[0]


@quick
@given(p=chances, y=st.integers(0, 9))
def test_the_log_score_is_the_logarithm_of_the_chance(p, y):
    logs, _ = count_scores(of_table(p), np.array([y]))
    assert approx(np.log(p[y]) if y < 7 else -np.inf) == logs[0]


@pytest.mark.parametrize("mean", [0.01, 0.7, 4.0, 60.0, 900.0])
def test_the_crps_of_a_poisson_count_is_that_of_wei_and_held_2014(mean):
    y = np.arange(0, 1200, 7)
    logs, crps = count_scores(by_law(stats.poisson(np.full(y.size, mean))), y)
    bessel = ive(0, 2 * mean) + ive(1, 2 * mean)
    closed = (y - mean) * (2 * stats.poisson.cdf(y, mean) - 1) + mean * (2 * stats.poisson.pmf(y, mean) - bessel)
    assert_allclose(closed, crps, rtol=1e-9, atol=1e-9)
    log_p = stats.poisson.logpmf(y, mean)
    assert_allclose(log_p[log_p > -600], logs[log_p > -600], rtol=1e-9, atol=1e-9)  # exp(-745) is 0


def test_the_crps_is_the_mean_distance_less_half_of_that_between_two_draws():
    law, y, n = stats.nbinom([0.3, 2.0], [0.02, 0.1]), np.array([3, 50]), np.arange(6000)[:, None]
    p = law.pmf(n)
    apart = [p[:, i] @ np.abs(n - n.T) @ p[:, i] for i in range(2)]
    assert_allclose((p * np.abs(n - y)).sum(axis=0) - np.array(apart) / 2, count_scores(by_law(law), y)[1], rtol=1e-8)


def test_the_crps_of_one_number_is_its_distance():
    y = np.arange(40)
    _, crps = count_scores(lambda n, of: np.where(n == 20, 1.0, 0.0) + 0.0 * of, y)
    assert_allclose(np.abs(y - 20), crps)


def test_customers_are_scored_each_by_their_own_chances():
    law, y = stats.poisson(np.array([0.1, 700.0, 3.0, 40.0])), np.array([2, 650, 0, 90])
    together = count_scores(by_law(law), y)
    for i, mean in enumerate(law.args[0]):
        alone = count_scores(by_law(stats.poisson(np.array([mean]))), y[i : i + 1])
        assert_allclose([one[0] for one in alone], [one[i] for one in together], rtol=1e-12)


@quick
@given(p=chances, q=chances)
def test_nobody_does_better_on_average_than_who_names_the_true_chances(p, q):
    y = np.arange(p.size)
    (true_logs, true_crps), (logs, crps) = (count_scores(of_table(told), y) for told in (p, q))
    assert p @ true_logs >= p @ logs - 1e-12
    assert p @ true_crps <= p @ crps + 1e-12
    if np.abs(p - q).max() > 1e-3:
        assert p @ true_logs > p @ logs
        assert p @ true_crps < p @ crps


def test_chances_that_do_not_add_up_are_refused():
    with pytest.raises(
        DomainError, match=r"0 to 1,\d+,\d+ purchases must add up to 1; those of one customer make 0.5$"
    ):
        count_scores(lambda n, of: np.where(n == 0, 0.5, 0.0) + 0.0 * of, np.array([0, 1]))


def test_chances_that_are_no_numbers_make_a_score_that_is_none():
    _, crps = count_scores(lambda n, of: np.where(of == 0, np.nan, 1.0 * (n == 0)), np.array([0, 3]))
    assert np.isnan(crps[0])
    assert 3.0 == crps[1]


@quick
@given(data=st.data())
def test_the_gini_is_the_sum_over_pairs(data):
    y = data.draw(few.filter(lambda y: np.ptp(y) > 0))
    e = data.draw(arrays(np.float64, y.size, elements=st.integers(0, 3).map(float)))
    pairs = [(i, j) for i in range(y.size) for j in range(i)]
    won = sum(np.sign(e[i] - e[j]) * (y[i] - y[j]) for i, j in pairs)
    found = gini(e, y)
    assert approx(won / sum(abs(y[i] - y[j]) for i, j in pairs), abs=1e-12) == found
    assert -1 <= found <= 1
    assert approx(found, abs=1e-12) == gini(np.exp(e), y)
    assert approx(-found, abs=1e-12) == gini(-e, y)
    assert approx(1.0) == gini(y, y)


def test_the_gini_is_the_area_over_the_diagonal_by_that_of_the_perfect_order():
    rng = np.random.default_rng(3)
    e, y = rng.gamma(1, 1, 200), rng.poisson(rng.gamma(0.5, 2, 200)).astype(float)

    def area(by):
        curve = np.concatenate([[0.0], np.cumsum(y[np.argsort(-by)]) / y.sum()])
        return np.mean(curve[1:] + curve[:-1]) / 2 - 0.5

    assert approx(area(e) / area(y), rel=1e-10) == gini(e, y)


def test_the_same_from_all_has_no_order():
    assert np.isnan(gini(EXPECTED, np.ones(4)))
    assert 0.0 == gini(np.ones(4), ACTUAL)


def test_lift_by_hand():
    e, y = np.arange(20.0), np.zeros(20)
    y[[19, 18, 3]] = [5, 1, 4]
    assert approx(6 / 10 / 0.1) == lift(e, y)
    assert approx(10 / 10 / 0.9) == lift(e, y, at=0.9)
    assert approx(1.0) == lift(e, y, at=1.0)
    assert np.isnan(lift(e, np.zeros(20)))


def test_customers_of_equal_expectation_count_in_part_whatever_their_order():
    y = np.array([6.0, 0.0, 2.0, 0.0])
    assert approx(1.0) == lift(np.ones(4), y, at=0.25)
    for order in ([0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1]):
        assert approx(7 / 8 / 0.5) == lift(np.array([9.0, 0.0, 1.0, 1.0])[order], y[order], at=0.5)


def test_the_last_digits_make_no_order():
    e, y = np.array([0.1 + 0.2, 0.3, 0.3, 0.7]), np.array([3.0, 0.0, 1.0, 2.0])
    for found in (e, e[::-1]):
        for measure in (gini, lift, calibration_error):
            assert measure(np.round(found, 9), y) == approx(measure(found, y), rel=1e-12)
    assert gini(e, y) == gini(np.array([1.0, 1.0, 1.0, 2.0]), y)
    assert gini(np.array([3e-9, 2e-9, 1e-9, 4e-9]), y) == gini(np.array([3.0, 2.0, 1.0, 4.0]), y)


def test_calibration_by_hand():
    e, y = np.repeat([1.0, 2.0], 10) + np.arange(20) / 1e3, np.repeat([1.0, 5.0], 10)
    y[:2] = [11.0, 1.0]
    tenths = (e - y).reshape(10, 2).mean(axis=1)
    assert approx(np.abs(tenths).mean()) == calibration_error(e, y)
    assert approx(abs((e - y).mean())) == calibration_error(e, y, groups=1)


def test_customers_of_equal_expectation_stay_in_one_group():
    y = np.array([4.0, 0.0, 0.0, 0.0, 1.0])
    assert approx(0.0) == calibration_error(np.ones(5), y)
    assert approx(0.0) == calibration_error(np.array([1.0, 1.0, 1.0, 1.0, 1.0]), y[::-1])
    assert approx((2 * 1.0 + 3 * abs(1 / 3 - 0.5)) / 5) == calibration_error(np.array([1.0, 1, 0.5, 0.5, 0.5]), y)
