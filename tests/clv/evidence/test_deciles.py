"""Deciles: groups by what was expected, by hand and against published intervals."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from custrel import clv, datasets
from custrel.clv.evidence.deciles import calibration_by_deciles
from custrel.errors import DomainError

approx = pytest.approx


@pytest.fixture(scope="module")
def bought(cdnow):
    return datasets.cdnow().purchases_between("1997-10-01", "1998-06-30", customers=cdnow)


# -- groups -----------------------------------------------------------------------------------------------------------


def test_groups_are_equal_in_size_and_rise_in_what_was_expected():
    expected = np.random.default_rng(1).permutation(np.arange(40) / 10)
    groups = calibration_by_deciles(expected, expected)
    assert ["group", "n", "expected", "actual", "low", "high"] == list(groups.columns)
    assert list(range(1, 11)) == groups["group"].tolist()
    assert [4] * 10 == groups["n"].tolist()
    assert_allclose(np.arange(10) * 0.4 + 0.15, groups["expected"])
    assert_allclose(groups["expected"], groups["actual"])


def test_customers_of_whom_equally_much_was_expected_stay_together():
    groups = calibration_by_deciles([1, 1, 1, 1, 1, 1, 2, 3], [0, 3, 0, 0, 3, 0, 2, 4], groups=4)
    assert [2, 4] == groups["group"].tolist()
    assert [6, 2] == groups["n"].tolist()
    assert_allclose([1, 3], groups["actual"])


values = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 20)), min_size=1, max_size=40)


@given(pairs=values, groups=st.integers(1, 12), seed=st.integers(0, 99))
@settings(max_examples=60, deadline=None, derandomize=True, database=None)
def test_no_customer_is_lost_and_their_order_does_not_matter(pairs, groups, seed):
    expected, actual = np.array(pairs, dtype=float).T
    found = calibration_by_deciles(expected, actual, groups=groups)
    assert len(pairs) == found["n"].sum()
    assert approx(actual.sum()) == found["n"] @ found["actual"]
    assert approx(expected.sum()) == found["n"] @ found["expected"]
    assert np.all(np.diff(found["expected"]) > 0)
    assert not np.any(found["low"] > found["actual"]) | np.any(found["high"] < found["actual"])
    order = np.random.default_rng(seed).permutation(len(pairs))
    turned = calibration_by_deciles(expected[order], actual[order], groups=groups)
    assert_allclose(found, turned, rtol=1e-9)


# -- intervals --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("yes", "n", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_shares_have_the_wilson_intervals_of_table_1_of_newcombe_1998(yes, n, low, high):
    (group,) = calibration_by_deciles([0.3] * n, np.arange(n) < yes, groups=1).to_dict("records")
    assert approx((yes / n, low, high), abs=5e-5) == (group["actual"], group["low"], group["high"])


def test_means_have_normal_intervals_on_the_log_scale():
    groups = calibration_by_deciles([1, 1, 1, 2, 2, 2], [0, 0, 3, 1, 2, 7], groups=2, level=0.9)
    half = 1.6448536 * np.std([[0, 0, 3], [1, 2, 7]], ddof=1, axis=1) / np.sqrt(3) / np.array([1, 10 / 3])
    assert_allclose(np.array([1, 10 / 3]) * np.exp(-half), groups["low"], rtol=1e-6)
    assert_allclose(np.array([1, 10 / 3]) * np.exp(half), groups["high"], rtol=1e-6)


def test_groups_of_one_and_groups_that_bought_nothing_have_no_interval():
    groups = calibration_by_deciles([1, 2, 2, 3, 3], [4, 0, 0, 1, 2], groups=3)
    assert [True, True, False] == np.isnan(groups["low"]).tolist() == np.isnan(groups["high"]).tolist()


def test_intervals_hold_the_true_mean_as_often_as_they_say():
    rng = np.random.default_rng(5)
    mean = rng.gamma(0.8, 2.0, 40_000)
    counts = calibration_by_deciles(mean, rng.poisson(mean), groups=200)
    shares = calibration_by_deciles(np.exp(-mean), rng.poisson(mean) == 0, groups=200)
    for groups in (counts, shares):
        assert 0.90 < np.mean((groups["low"] <= groups["expected"]) & (groups["expected"] <= groups["high"])) < 0.99


# -- customers --------------------------------------------------------------------------------------------------------


def test_on_cdnow_the_best_tenth_buys_what_the_bgnbd_expects_and_the_middle_more(cdnow, fit, bought):
    groups = calibration_by_deciles(fit.model.expected_purchases(cdnow, 39), bought)
    assert 1882 == approx(groups["n"] @ groups["actual"])
    assert approx(1653.41, abs=0.01) == groups["n"] @ groups["expected"]
    best = groups.iloc[-1]
    assert approx((3.65, 3.75, 3.21, 4.38), abs=5e-3) == tuple(best[["expected", "actual", "low", "high"]])
    assert [7, 8] == [g for g in range(5, 10) if groups["low"][g - 1] > groups["expected"][g - 1]]


def test_probabilities_are_held_against_whether_customers_bought(cdnow, fit, bought):
    groups = calibration_by_deciles(fit.model.p_active(cdnow, 39), bought.purchases > 0)
    assert approx(np.sum(bought.purchases > 0)) == groups["n"] @ groups["actual"]
    assert np.all((groups["low"] >= 0) & (groups["high"] <= 1))
    assert approx((0.742, 0.814), abs=5e-4) == tuple(groups.iloc[-1][["expected", "actual"]])


def test_customers_of_the_law_itself_come_as_expected():
    law, rng = clv.BGBB(alpha=1.2, beta=0.75, gamma=0.66, delta=2.8), np.random.default_rng(6)
    lives = law.simulate(np.full(5000, 12), rng, unit="year")
    h = lives.history(6)
    later = lives.count(before=12) - lives.count(before=6)
    for groups in (
        calibration_by_deciles(law.expected_purchases(h, 6), later),
        calibration_by_deciles(law.p_active(h, 6), later > 0),
    ):
        z = 2 * 1.96 * (groups["actual"] - groups["expected"]) / (groups["high"] - groups["low"])
        assert np.abs(z).max() < 3.5


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_the_frame_is_of_the_library_that_is_asked_for(library):
    pytest.importorskip(library)
    found = calibration_by_deciles([1.0, 2.0], [0, 1], groups=1, like=library)
    assert type(found).__module__.startswith(library)


def test_columns_of_frames_are_taken():
    frame = pd.DataFrame({"expected": [1.0, 2.0], "bought": pd.array([0, 3], dtype="Int64")}, index=[7, 7])
    assert [1.5] == calibration_by_deciles(frame["expected"], frame["bought"], groups=1)["actual"].tolist()


def test_nullable_truths_are_truths():
    yes = [True, True, False]
    plain, nullable = (calibration_by_deciles([0.5] * 3, one, groups=1) for one in (yes, pd.array(yes, "boolean")))
    pd.testing.assert_frame_equal(plain, nullable)


# -- what it refuses --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"actual": [1]}, "same customers, got 2 and 1"),
        ({"expected": [[0.1, 0.2]]}, r"expected must hold a number for each.*got the shape \(1, 2\)"),
        ({"expected": [], "actual": []}, r"one customer or more, got the shape \(0,\)"),
        ({"expected": ["a", "b"]}, "expected must hold numbers"),
        ({"expected": [np.nan, 1]}, "expected must hold finite numbers, 0 or more; 1 of 2 are not"),
        ({"actual": [-1, 0]}, "actual must hold finite numbers, 0 or more; 1 of 2 are not"),
        ({"expected": [0.5, 1.5], "actual": [True, False]}, "must hold probabilities; 1 of 2 are above 1"),
        ({"actual": pd.array([1, None], "Int64")}, "actual must hold"),
        ({"groups": 0}, "groups must be a whole number, 1 or more"),
        ({"level": 95}, "level must lie between 0 and 1"),
    ],
)
def test_what_cannot_be_grouped_is_refused(wrong, words):
    with pytest.raises(DomainError, match=words):
        calibration_by_deciles(**({"expected": [0.1, 0.2], "actual": [0, 1]} | wrong))
