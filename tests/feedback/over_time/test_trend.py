from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.optimize import minimize_scalar
from scipy.stats import kendalltau, multivariate_normal, theilslopes

from custrel.errors import DomainError, SchemaError
from custrel.feedback.over_time.smoothed import local_level, smoothed, step_variance
from custrel.feedback.over_time.trend import (
    _chance_beyond,
    _null,
    kendall,
    line,
    trend_test,
)

quick = settings(deadline=None, derandomize=True, database=None, max_examples=25)
BY_HAND = np.array([12.9, 14.8, 13.2, 15.7, 13.8, 15.6, 12.9, 11.0, 17.3, 15.9, 19.0, 18.3, 20.1, 21.7])


def shares(values, n=100, period=None):
    values = np.asarray(values, dtype=float)
    n = np.where(np.isnan(values), 0, n)
    return pd.DataFrame({"period": np.arange(values.size) if period is None else period, "value": values, "n": n})


def only(frame):
    """The one row of a frame, by name."""
    (row,) = frame.to_dict("records")
    return row


# -- the line --------------------------------------------------------------------------------------------------


def test_the_line_is_that_of_generalised_least_squares():
    rng = np.random.default_rng(1)
    at, value, variance = np.array([0.0, 1, 2, 5, 6]), rng.normal(size=5), rng.uniform(0.5, 2, 5)
    X, W = np.stack([np.ones(5), at], axis=1), np.diag(1 / variance)
    covariance = np.linalg.inv(X.T @ W @ X)
    slope = (covariance @ X.T @ W @ value)[1]
    found = line(at, value, variance, 0.9, over_dispersion=False)
    assert_allclose(slope, found[0])
    assert_allclose(slope - 1.6448536 * np.sqrt(covariance[1, 1]), found[1], rtol=1e-6)


def test_with_the_scatter_allowed_for_it_is_that_of_ordinary_regression():
    from scipy.stats import linregress, t

    rng = np.random.default_rng(2)
    at, value = np.arange(9.0), rng.normal(size=9) * 5
    expected, found = linregress(at, value), line(at, value, np.ones(9), 0.95, over_dispersion="auto")
    assert_allclose(expected.slope, found[0])
    assert_allclose(expected.slope + t.ppf(0.975, 7) * expected.stderr, found[2])
    assert_allclose(expected.pvalue, found[3])


def test_scatter_below_1_is_left_alone_unless_asked():
    at, value = np.arange(4.0), np.array([0.1, 0.0, 0.1, 0.0])
    plain, auto, always = (line(at, value, np.ones(4), 0.95, over_dispersion=asked) for asked in (False, "auto", True))
    assert plain == auto
    assert always[2] < auto[2]


def test_two_periods_are_compared_by_the_variance_of_their_answers():
    row = only(trend_test(shares([0.4, 0.6]), kind="share"))
    assert_allclose([0.2, 0.2 - 1.959964 * np.sqrt(2 * 0.25 / 100)], [row["value"], row["low"]], rtol=1e-6)
    assert np.isnan(row["over_dispersion"])
    assert 2 == row["n"]


def test_the_slope_is_per_period_also_where_periods_are_missing():
    months = pd.to_datetime(["2024-01-01", "2024-02-01", "2024-05-01", "2025-01-01"])
    row = only(trend_test(shares([0.40, 0.41, 0.44, 0.52], period=months), kind="share"))
    assert_allclose(0.01, row["value"])
    assert ("month", "regression") == (row["per"], row["method"])
    gone = only(trend_test(shares([0.4, np.nan, 0.42, 0.43]), kind="share"))
    assert_allclose(0.01, gone["value"])
    assert 3 == gone["n"]


@pytest.mark.slow
@pytest.mark.parametrize("scatter", [0.0, 0.05])
@pytest.mark.parametrize("method", ["regression", "mann_kendall"])
def test_where_there_is_no_trend_one_in_twenty_is_found(method, scatter):
    rng, at, p = np.random.default_rng(7), np.arange(12.0), []
    for _ in range(1000):
        n = rng.integers(200, 600, 12)
        value = rng.binomial(n, 0.5 + scatter * rng.normal(size=12)) / n
        if method == "regression":
            p.append(line(at, value, 0.25 / n, 0.95, over_dispersion="auto")[3])
        else:
            p.append(kendall(at, value, 0.95)[3])
    assert 0.025 < np.mean(np.array(p) < 0.05) < 0.07


# -- ranks -----------------------------------------------------------------------------------------------------


def test_the_example_by_hand_of_holy_cross_college(monkeypatch):
    # 72 pairs rise, 18 fall, one is even: S = 54, V = 14 * 13 * 33 / 18 - 2 * 1 * 9 / 18, Z = 2.9058
    earlier, later = np.triu_indices(14, 1)
    assert 54 == np.sign(BY_HAND[later] - BY_HAND[earlier]).sum()
    many = np.concatenate([[2], np.ones(12, dtype=np.int64)])
    variance = 14 * 13 * 33 / 18 - 2 * 9 / 18
    assert_allclose(2.9058, 53 / np.sqrt(variance), atol=5e-5)
    sums, chance = _null(many)
    assert_allclose(variance, np.sum(chance * sums**2))
    assert_allclose(0.0024, _chance_beyond(54, many), atol=5e-5)  # of all orders; the page has the normal curve's
    monkeypatch.setattr("custrel.feedback.over_time.trend.EXACT", 13)
    assert_allclose(2 * 0.0018, _chance_beyond(54, many), atol=1e-4)


@quick
@given(st.lists(st.integers(0, 4), min_size=2, max_size=6))
def test_exact_chances_are_those_of_all_orders(values):
    value, at = np.array(values, dtype=float), np.arange(len(values))
    earlier, later = np.triu_indices(at.size, 1)

    def S(order):
        return abs(np.sign(np.array(order)[later] - np.array(order)[earlier]).sum())

    sums = np.array([S(order) for order in permutations(values)])
    assert_allclose(np.mean(sums >= S(values)), kendall(at.astype(float), value, 0.95)[3])


@pytest.mark.parametrize("n", [4, 9, 30])
def test_without_ties_p_is_that_of_scipys_exact_test(n):
    value = np.random.default_rng(n).normal(size=n) + 0.05 * np.arange(n)
    expected = kendalltau(np.arange(n), value, method="exact").pvalue
    assert_allclose(expected, kendall(np.arange(float(n)), value, 0.95)[3], rtol=1e-9)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("S", [0, 1, 41, 101])
def test_the_normal_curve_is_near_the_count_of_all_orders(S, ties, monkeypatch):
    counts = np.full(15, 2) if ties else np.ones(30, dtype=np.int64)
    exact = _chance_beyond(S, counts)
    monkeypatch.setattr("custrel.feedback.over_time.trend.EXACT", 29)
    assert_allclose(exact, _chance_beyond(S, counts), atol=0.02)


def test_many_periods_have_the_p_of_a_normal_curve():
    value = np.random.default_rng(3).normal(size=60)
    expected = kendalltau(np.arange(60), value, method="asymptotic").pvalue  # which has no continuity
    assert_allclose(expected, kendall(np.arange(60.0), value, 0.95)[3], atol=0.01)


def test_sens_slope_is_the_median_of_all():
    at, value = np.array([0.0, 1, 2, 4, 7, 8]), np.array([1.0, 4, 2, 9, 8, 20])
    assert_allclose(theilslopes(value, at).slope, kendall(at, value, 0.95)[0])


def test_sens_interval_for_many_periods_is_nearly_that_of_theil():
    at = np.arange(80.0)
    value = 0.1 * at + np.random.default_rng(4).normal(size=80)
    expected, found = theilslopes(value, at, alpha=0.95), kendall(at, value, 0.95)
    assert_allclose([expected.low_slope, expected.high_slope], found[1:3], atol=3e-3)


@quick
@given(st.integers(5, 14), st.integers(0, 1000))
def test_slopes_within_the_interval_are_those_that_the_test_keeps(n, seed):
    at, value = np.arange(float(n)), np.random.default_rng(seed).normal(size=n)
    _, low, high, _ = kendall(at, value, 0.9)
    nearly = 1e-9
    for edge, inside in ((low, 1), (high, -1)):
        if np.isfinite(edge):
            assert kendall(at, value - (edge + inside * nearly) * at, 0.9)[3] > 0.1
            assert kendall(at, value - (edge - inside * nearly) * at, 0.9)[3] <= 0.1


def test_few_periods_exclude_no_slope():
    row = only(trend_test(shares([0.1, 0.2, 0.3]), kind="share", method="mann_kendall"))
    assert (-np.inf, np.inf) == (row["low"], row["high"])
    assert_allclose(1 / 3, row["p"])
    assert "mann_kendall, exact" == row["method"]
    assert (
        "mann_kendall, normal"
        == only(trend_test(shares(np.arange(31) / 40), kind="share", method="mann_kendall"))["method"]
    )


# -- the level that wanders ------------------------------------------------------------------------------------


def of_gauss(at, value, variance, q):
    """The same by conditioning a joint normal law, whose first level is unknown: estimated, with its error added."""
    known = np.isfinite(variance)
    moved = q * np.minimum.outer(at - at[0], at - at[0])
    inverse = np.linalg.inv(moved[np.ix_(known, known)] + np.diag(variance[known]))
    K, one = moved[:, known] @ inverse, np.ones(known.sum())
    first = one @ inverse @ value[known] / (one @ inverse @ one)
    left = np.diag(moved - K @ moved[known]) + (1 - K @ one) ** 2 / (one @ inverse @ one)
    return first + K @ (value[known] - first), np.sqrt(left)


@pytest.mark.parametrize("q", [0.0, 0.01, 0.7, 50.0])
@pytest.mark.parametrize("missing", [[], [3], [0, 1], [7], [0, 2, 3, 7]])
def test_the_smoother_is_gaussian_conditioning(q, missing):
    rng = np.random.default_rng(1)
    at, value, variance = np.array([0.0, 1, 2, 3, 6, 7, 8, 10]), rng.normal(size=8), rng.uniform(0.2, 3, 8)
    variance[missing] = np.inf
    level, error = local_level(at, value, variance, q)
    expected = of_gauss(at, value, variance, q)
    assert_allclose(expected[0], level, rtol=1e-9)
    assert_allclose(expected[1], error, rtol=1e-9)


def test_the_step_is_the_peak_of_the_likelihood_of_differences():
    rng = np.random.default_rng(8)
    at = np.array([0.0, 1, 2, 4, 5, 6, 9, 10, 11, 12])
    variance = rng.uniform(0.5, 2, at.size)
    value = np.cumsum(rng.normal(size=at.size) * 1.5) + rng.normal(size=at.size) * np.sqrt(variance)

    def unlikely(log_q):
        steps = np.diff(np.eye(at.size), axis=0)  # in which the first level is not
        covariance = steps @ np.diag(variance) @ steps.T + np.exp(log_q) * np.diag(np.diff(at))
        return -multivariate_normal(cov=covariance).logpdf(np.diff(value))

    expected = np.exp(minimize_scalar(unlikely, bounds=(-6, 6)).x)
    assert_allclose(expected, step_variance(at, value, variance), rtol=1e-4)


def test_without_more_scatter_than_chance_the_level_is_the_pooled_value():
    n, value = np.array([50, 200, 100]), np.array([0.42, 0.4, 0.44])
    found = smoothed(shares(value, n), kind="share")
    p = np.sum(n * value) / 350
    assert_allclose(p, found["value"])
    assert_allclose(p - 1.959964 * np.sqrt(p * (1 - p) / 350), found["low"], rtol=1e-6)
    assert (found["step"] == 0).all()


def test_a_level_that_leaps_is_followed():
    values = [0.2] * 6 + [0.8] * 6
    found = smoothed(shares(values, 400), kind="share")
    assert_allclose(values, found["value"], atol=0.05)
    assert_allclose(values, found["observed"])
    assert (found["step"] > 0.1).all()


def test_a_period_without_answers_has_a_level_with_a_wider_interval():
    found = smoothed(shares([0.2, 0.3, np.nan, 0.7, 0.8], 400), kind="share")
    width = found["high"] - found["low"]
    assert 2 == width.idxmax()
    assert found["observed"].isna().tolist() == [False, False, True, False, False]
    assert 0.3 < found["value"][2] < 0.7


def test_bounds_stay_within_what_a_score_can_be():
    found = smoothed(shares([0.01, 0.0, 0.04], 10), kind="share")
    assert (found["low"] == 0).all()


@quick
@given(st.lists(st.tuples(st.integers(0, 50), st.integers(1, 50)), min_size=2, max_size=10))
def test_the_level_lies_among_the_values_and_is_surer_than_each(counts):
    k, more = np.array(counts, dtype=float).T
    table = shares(k / (k + more), k + more)
    found = smoothed(table, kind="share").dropna()
    assert (found["value"] >= table["value"].min() - 1e-9).all()
    assert (found["value"] <= table["value"].max() + 1e-9).all()
    assert (found["low"] <= found["value"]).all()


@quick
@given(st.lists(st.floats(-3, 3), min_size=2, max_size=12), st.floats(0, 5))
def test_turned_round_in_time_the_levels_are_turned_too(values, q):
    at, value = np.arange(float(len(values))), np.array(values)
    variance = 1 + 0.5 * np.sin(at)
    level, error = local_level(at, value, variance, q)
    other = local_level(at, value[::-1], variance[::-1], q)
    assert_allclose(level, other[0][::-1], atol=1e-9)
    assert_allclose(error, other[1][::-1], atol=1e-9)


@pytest.mark.slow
def test_intervals_hold_the_level_that_made_the_values_nearly_as_often_as_they_say():
    rng, at, held = np.random.default_rng(9), np.arange(24.0), []
    variance = np.full(24, 0.5)
    for _ in range(300):
        level = np.cumsum(0.6 * rng.normal(size=24))
        value = level + np.sqrt(variance) * rng.normal(size=24)
        found, error = local_level(at, value, variance, step_variance(at, value, variance))
        held.append(np.mean(np.abs(found - level) <= 1.96 * error))
    assert 0.9 < np.mean(held) < 0.97


# -- both ------------------------------------------------------------------------------------------------------


def test_each_group_has_a_row_or_a_level_of_its_own():
    north, south, west = shares([0.4, 0.5, 0.6]), shares([0.2, 0.1]), shares([0.5])
    table = pd.concat([north.assign(region="north"), south.assign(region="south"), west.assign(region="west")])
    found = trend_test(table, "region", kind="share")
    assert ["north", "south", "west"] == found["region"].tolist()
    assert_allclose([0.1, -0.1, np.nan], found["value"])
    assert [3, 2, 1] == found["n"].tolist()
    levels = smoothed(table, ["region"], kind="share")
    assert_allclose(smoothed(south, kind="share")["value"], levels.loc[levels["region"] == "south", "value"])
    assert levels.loc[levels["region"] == "west", ["value", "low", "high", "step"]].isna().all(axis=None)


def test_of_answers_that_are_all_alike_nothing_is_known():
    table = shares([1.0, 1.0, 1.0])
    for method in ("regression", "mann_kendall"):
        row = only(trend_test(table, kind="share", method=method))
        assert np.isnan([row["value"], row["low"], row["high"], row["p"]]).all()
        assert 3 == row["n"]
    assert smoothed(table, kind="share")[["value", "low", "high"]].isna().all(axis=None)


@pytest.mark.parametrize("frame_of", ["pandas", "polars-lazy", "pyarrow", "duckdb"], indirect=True)
def test_every_library_gets_its_own_frame(frame_of):
    table = frame_of({"period": [1, 2, 3], "value": [0.4, None, 0.6], "n": [100, 0, 100]})
    for found in (trend_test(table, kind="share"), smoothed(table, kind="share")):
        assert type(found).__module__.startswith(frame_of.leaves)
    assert_allclose(0.1, np.array(trend_test(table, kind="share")["value"]))


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda: trend_test(shares([0.5, 0.6]), kind="share", method="sen"), "method must be one of 'regression'"),
        (lambda: trend_test(shares([0.5, 0.6]), kind="share", over_dispersion=2), "over_dispersion must be one of"),
        (lambda: trend_test(shares([0.5, 0.6]), kind="share", level=95), "level must lie between 0 and 1"),
        (lambda: trend_test(shares([0.5]), kind="share"), "a test for trend wants answers in two periods"),
        (lambda: smoothed(shares([0.5]), kind="share"), "smoothing wants answers in two periods"),
        (lambda: smoothed(shares([0.5, 0.6]), kind="share", level=0), "level must lie between 0 and 1"),
        (lambda: smoothed(shares([0.5, 0.6])), "do not say what the values are"),
    ],
)
def test_what_has_no_answer_is_refused(ask, words):
    with pytest.raises(DomainError, match=words):
        ask()


def test_a_missing_column_is_named():
    with pytest.raises(SchemaError, match="no column 'period' for a test for trend"):
        trend_test(pd.DataFrame({"value": [0.5], "n": [3]}), kind="share")
