"""Do the same customers still belong to the same classes?"""

import mpmath
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from custrel.errors import DomainError
from custrel.feedback.loop.changes import bowker, net_changes, stuart_maxwell

VISION = [[1520, 266, 124, 66], [234, 1512, 432, 78], [117, 362, 1772, 205], [36, 82, 179, 492]]
"""Grades of the right and the left eye of 7,477 women, as Stuart (1955) has them."""

tables = st.lists(st.lists(st.integers(0, 30), min_size=3, max_size=3), min_size=3, max_size=3)
quietly = settings(deadline=None, derandomize=True, database=None)


def test_stuart_1955_finds_eyes_of_unlike_grades():
    found = stuart_maxwell(VISION)
    assert_allclose((11.957, 3, 0.0075), found, atol=5e-4)


def test_bowkers_test_of_the_same_table():
    found = bowker(VISION)
    assert_allclose((19.107, 6, 0.004), found, atol=5e-4)


def test_p_is_the_tail_of_chi_square():
    found = stuart_maxwell(VISION)
    assert_allclose(float(mpmath.gammainc(1.5, found.statistic / 2, regularized=True)), found.p_value)


@quietly
@given(tables)
def test_a_class_less_solved_by_hand_gives_the_same(table):
    """The usual form leaves the last class out and inverts what remains."""
    n = np.array(table, dtype=float)
    d = (n.sum(axis=0) - n.sum(axis=1))[:2]
    S = (np.diag(n.sum(axis=0) + n.sum(axis=1)) - n - n.T)[:2, :2]
    if abs(np.linalg.det(S)) > 0.5:
        assert_allclose(d @ np.linalg.solve(S, d), stuart_maxwell(table).statistic, rtol=1e-8, atol=1e-10)
        assert 2 == stuart_maxwell(table).df


@quietly
@given(tables)
def test_coming_back_is_as_unlikely_as_going(table):
    for test in (stuart_maxwell, bowker):
        one, other = test(table), test(np.transpose(table))
        assert_allclose(one, other, atol=1e-10)
        assert 0 <= one.p_value <= 1


def test_where_nobody_moved_nothing_changed():
    for test in (stuart_maxwell, bowker):
        assert (0.0, 0, 1.0) == test(np.diag([4, 0, 9]))


def waves_of(counts):
    """Waves of customers whose classes these are."""
    points = np.array([10, 8, 1])
    was, became = (np.repeat(one.ravel(), np.ravel(counts)) for one in np.indices((3, 3)))
    who = np.arange(was.size)
    return (pd.DataFrame({"customer_id": who, "score": points[one]}) for one in (was, became))


def test_changes_of_a_table_counted_by_hand():
    counts = [[10, 2, 3], [6, 9, 5], [8, 1, 6]]
    found = net_changes(*waves_of(counts))
    assert ["promoter", "passive", "detractor"] == found["class"].tolist()
    assert_allclose(np.array([15, 20, 15]) / 50, found["before"])
    assert_allclose(np.array([24, 12, 14]) / 50, found["after"])
    assert_allclose(np.array([9, -8, -1]) / 50, found["value"])
    assert_allclose(stuart_maxwell(counts).p_value, found["stuart_maxwell_p"])
    assert_allclose(bowker(counts).p_value, found["bowker_p"])
    # Promoters: 5 went, 14 came. (9 -+ 1.96 sqrt(20 - 81 / 52)) / 52, and 2 P(X <= 5) - P(X = 5) of 19 tosses.
    half = 1.959964 * np.sqrt(20 - 81 / 52)
    assert_allclose([(9 - half) / 52, (9 + half) / 52], found.loc[0, ["low", "high"]].astype(float), rtol=1e-6)
    tosses = [float(mpmath.binomial(19, k)) / 2**19 for k in range(6)]
    assert_allclose(2 * sum(tosses) - tosses[5], found["p_value"][0])
    assert_allclose(1, net_changes(*waves_of(np.diag([3, 3, 3])))["p_value"])


def test_as_many_come_as_go_by_mid_p():
    found = net_changes(*waves_of([[0, 2, 0], [2, 0, 0], [0, 0, 5]]))
    assert_allclose([1 - 0.5 * 6 / 16, 1 - 0.5 * 6 / 16, 1], found["p_value"])


def test_only_those_who_answered_both_waves_count():
    before = pd.DataFrame({"customer_id": [1, 2, 3], "score": [10, 10, 0]})
    after = pd.DataFrame({"customer_id": [1, 4], "score": [0, 10]})
    found = net_changes(before, after)
    assert [1, 1, 1] == found["n"].tolist()
    assert [-1, 0, 1] == found["value"].tolist()


def test_nobody_in_both_waves_is_no_change():
    found = net_changes(
        pd.DataFrame({"customer_id": [1], "score": [9]}), pd.DataFrame({"customer_id": [2], "score": [9]})
    )
    assert [0, 0, 0] == found["n"].tolist()
    assert found.drop(columns=["class", "n"]).isna().all(axis=None)


@pytest.mark.slow
def test_intervals_hold_the_change_of_simulated_customers():
    rng = np.random.default_rng(3)
    p = np.array([0.30, 0.06, 0.04, 0.10, 0.15, 0.05, 0.05, 0.05, 0.20])
    truth = p.reshape(3, 3).sum(axis=0) - p.reshape(3, 3).sum(axis=1)
    held = []
    for _ in range(80):
        found = net_changes(*waves_of(rng.multinomial(60, p).reshape(3, 3)))
        held.append((found["low"] <= truth) & (truth <= found["high"]))
    assert np.mean(held) > 0.91


@pytest.mark.parametrize("counts", [[[1, 2]], [[1, -2], [3, 4]], [1, 2], [[1, float("nan")], [0, 1]]])
def test_what_is_no_square_table_of_counts_is_refused(counts):
    with pytest.raises(DomainError, match="counts must be a square table"):
        stuart_maxwell(counts)
