"""Heterogeneity: Wald's sum by hand, the score's by brute force, ties of customers, the null, every comparison."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import minimize_scalar
from scipy.special import chdtrc

from custrel.errors import DomainError
from custrel.feedback.differences.difference import nps_difference
from custrel.feedback.differences.heterogeneity import heterogeneity
from custrel.stats.multiplicity import benjamini_hochberg, holm
from custrel.stats.net_share import variance_given

GROUPS = {"e": (50, 30, 20), "n": (60, 20, 20), "s": (10, 5, 15), "w": (7, 0, 0)}


def answers_of(groups):
    rows = [
        (name, point)
        for name, counts in groups.items()
        for n, point in zip(counts, (9, 7, 0), strict=True)
        for _ in range(n)
    ]
    return pd.DataFrame(rows, columns=["region", "score"])


def of(groups):
    P, N, D = np.array(list(groups.values()), dtype=float).T
    n = P + N + D
    return (P - D) / n, (P + D) / n - ((P - D) / n) ** 2, n, (P, N, D)


def test_wald_s_sum_of_squares_of_inverse_variances_by_hand():
    some = {name: GROUPS[name] for name in "ens"}
    x, v, n, _ = of(some)
    w = n / v
    Q = np.sum(w * (x - np.sum(w * x) / np.sum(w)) ** 2)
    found = heterogeneity(answers_of(some), by="region", interval="wald")
    assert (pytest.approx(Q), 2, pytest.approx(chdtrc(2, Q)), pytest.approx(1 - 2 / Q)) == (
        found.chi_square,
        found.df,
        found.p,
        found.i_squared,
    )
    assert (3, 230) == (found.groups, found.n)


def test_the_score_s_sum_is_the_least_over_all_common_scores():
    x, _, n, counts = of(GROUPS)

    def Q(delta):
        return float(np.sum(n * (x - delta) ** 2 / variance_given(np.full(4, delta), *counts)))

    best = min(
        minimize_scalar(Q, bounds=(low, low + 0.1), method="bounded", options={"xatol": 1e-10}).fun
        for low in np.arange(-0.3, 0.9, 0.1)
    )
    assert heterogeneity(answers_of(GROUPS), by="region").chi_square == pytest.approx(best, rel=1e-8)


def test_two_groups_are_tested_as_their_difference_is():
    two = {name: GROUPS[name] for name in "en"}
    found = heterogeneity(answers_of(two), by="region", interval="wald")
    assert found.p == pytest.approx(0.371093, abs=1e-6) == found.table["p"][0] == found.table["p_adjusted"][0]
    assert found.chi_square == pytest.approx(0.894427**2, rel=1e-5)


def test_customers_who_answer_in_both_groups_are_paired_in_the_sum_too():
    rng = np.random.default_rng(2)
    first = rng.integers(0, 11, 40)
    score = np.r_[first, np.clip(first + rng.integers(-1, 3, 40), 0, 10)]
    df = pd.DataFrame(
        {"channel": ["call"] * 40 + ["mail"] * 40, "customer_id": np.r_[np.arange(40), np.arange(40)], "score": score}
    )
    tied, loose = (heterogeneity(df, by="channel", interval="wald", **who) for who in ({}, {"customer_id": None}))
    assert tied.chi_square > 1.5 * loose.chi_square
    row = tied.table.iloc[0]
    assert 40 == row["n_both"]
    # The table's error has G / (G - 1) of customers who answered twice; the sum's has the groups' own.
    assert tied.chi_square == pytest.approx((row["value"] / row["standard_error"]) ** 2 * 40 / 39)


@pytest.mark.parametrize("interval", ["score", "adjusted_wald"])
def test_pairs_are_differences_of_two_frames_and_the_rest_one_of_all_others(interval):
    rng = np.random.default_rng(3)
    df = pd.DataFrame(
        {
            "region": rng.choice(list("abc"), 90),
            "customer_id": rng.integers(0, 40, 90),
            "score": rng.integers(0, 11, 90),
        }
    )
    names = {
        "value": "value",
        "low": "low",
        "high": "high",
        "p": "p",
        "before": "nps_other",
        "after": "nps",
        "n_both": "n_both",
        "standard_error": "standard_error",
    }
    pairs = heterogeneity(df, by="region", interval=interval).table
    rest = heterogeneity(df, by="region", interval=interval, compare="rest").table
    assert [("a", "b"), ("a", "c"), ("b", "c")] == list(zip(pairs["region"], pairs["region_other"], strict=True))
    for _, row in pairs.iterrows():
        expected = nps_difference(
            *(df[df["region"] == one] for one in (row["region_other"], row["region"])), interval=interval
        ).iloc[0]
        assert_allclose([expected[one] for one in names], [row[one] for one in names.values()], rtol=1e-9)
    for _, row in rest.iterrows():
        mine = df["region"] == row["region"]
        expected = nps_difference(df[~mine], df[mine], interval=interval).iloc[0]
        assert_allclose([expected[one] for one in names], [row[one] for one in names.values()], rtol=1e-9)
        assert (mine.sum(), (~mine).sum()) == (row["n"], row["n_other"])
    assert_allclose(holm(pairs["p"]), pairs["p_adjusted"])
    adjusted = heterogeneity(df, by="region", interval=interval, adjust="benjamini_hochberg").table
    assert_allclose(benjamini_hochberg(pairs["p"]), adjusted["p_adjusted"])


def test_groups_that_are_all_alike_do_not_differ():
    same = dict.fromkeys("abc", (5, 0, 0))
    for interval in ("score", "adjusted_wald", "wald"):
        found = heterogeneity(answers_of(same), by="region", interval=interval)
        assert (pytest.approx(0, abs=1e-12), 1.0, 0.0) == (found.chi_square, found.p, found.i_squared)


def test_a_group_without_answers_is_compared_with_nothing_and_counts_for_none():
    df = pd.concat([answers_of({"e": (9, 0, 1), "w": (1, 0, 9)}), pd.DataFrame({"region": ["x"], "score": [np.nan]})])
    found = heterogeneity(df, by="region")
    assert (2, 1) == (found.groups, found.df)
    table = found.table.set_index(["region", "region_other"])
    assert np.isnan(table.loc[("e", "x"), "p_adjusted"])
    assert table.loc[("e", "w"), "p"] == table.loc[("e", "w"), "p_adjusted"] < 0.01


def test_windows_of_time_are_groups_too():
    df = pd.DataFrame({"score": [9] * 8 + [0] * 8, "occurred_at": ["2024-01-05"] * 8 + ["2024-02-05"] * 8})
    found = heterogeneity(df, every="month", compare="rest")
    assert ["2024-01-01", "2024-02-01"] == found.table["period"].astype(str).str[:10].tolist()
    assert found.p < 0.01


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (lambda: heterogeneity([9, 0]), "heterogeneity compares groups: name their columns by=..."),
        (
            lambda: heterogeneity(answers_of({"a": (1, 0, 0)}), by="region"),
            "needs two groups with answers or more, found 1",
        ),
        (
            lambda: heterogeneity(answers_of({"a": (3, 0, 0), "b": (0, 0, 3)}), by="region", interval="wald"),
            "for known: take interval='score'",
        ),
        (
            lambda: heterogeneity(answers_of(GROUPS), by="region", adjust="bonferroni"),
            "adjust must be one of 'holm', 'benjamini_hochberg'",
        ),
        (
            lambda: heterogeneity(answers_of(GROUPS), by="region", compare="all"),
            "compare must be one of 'pairs', 'rest', got 'all'",
        ),
        (lambda: heterogeneity(answers_of(GROUPS), by="region", interval="bootstrap"), "interval must be one of"),
    ],
)
def test_bad_input_is_refused_by_its_words(asked, said):
    with pytest.raises(DomainError) as raised:
        asked()
    assert said in str(raised.value)


@pytest.mark.slow
@pytest.mark.parametrize(
    "shares", [([0.5, 0.3, 0.2],) * 2, ([0.9, 0.08, 0.02],) * 2, ([0.5, 0.0, 0.5], [0.05, 0.9, 0.05])]
)
def test_groups_of_one_score_seem_to_differ_no_more_often_than_in_one_of_twenty(shares):
    from custrel.feedback.differences.heterogeneity import _least_of_scores
    from custrel.stats.net_difference import NetShare

    rng, sizes = np.random.default_rng(7), [30, 30, 100, 100]
    found = []
    for _ in range(1000):
        drawn = np.array([rng.multinomial(n, shares[i % 2]) / n for i, n in enumerate(sizes)])
        Q = _least_of_scores(NetShare(drawn[:, 0], drawn[:, 2], np.array(sizes, dtype=float)), np.eye(4))
        found.append(chdtrc(3, Q))
    assert np.mean(np.array(found) < 0.05) < 0.065
