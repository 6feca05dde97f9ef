"""Differences of waves: the worked case, published tables, what must hold for all, every library."""

from functools import cache

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from custrel import Interactions
from custrel.errors import DomainError, PromiseError, SchemaError
from custrel.feedback.differences.difference import (
    csat_difference,
    net_promoter_difference,
    nps_difference,
    satisfaction_difference,
)
from custrel.feedback.nps import nps
from custrel.frames import plain

everything = settings(deadline=None, derandomize=True, database=None, max_examples=40)
counts = st.tuples(*[st.integers(0, 30)] * 3).filter(lambda one: sum(one) > 0)
scores = st.lists(st.integers(0, 10), min_size=1, max_size=12)
NAMES = ("value", "low", "high", "p", "standard_error")


def list_of(P, N, D):
    return [9] * P + [7] * N + [0] * D


def wave(scores, customers=None, **more):
    ids = {} if customers is None else {"customer_id": customers}
    return pd.DataFrame({"score": scores, **ids, **more})


def figures(row, names=NAMES):
    return np.array([row[name] for name in names], dtype=float)


def only(frame):
    return frame.iloc[0]


# -- as published --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "difference", [net_promoter_difference, lambda b, a, **how: nps_difference(list_of(*b), list_of(*a), **how)]
)
def test_the_worked_case(difference):
    before, after = (50, 30, 20), (60, 20, 20)
    wald = difference(before, after, interval="wald")
    assert pytest.approx([10, -11.9131, 31.9131, 0.371093, 11.1803], rel=1e-5) == figures(wald)
    adjusted = difference(before, after, interval="adjusted_wald")
    told = figures(adjusted, ["adjusted_value", "low", "high", "p", "adjusted_standard_error"])
    assert pytest.approx([9.7087, -11.881, 31.2985, 0.378112, 11.0154], rel=1e-5) == told
    assert 10.0 == pytest.approx(adjusted.value)


@pytest.mark.parametrize(
    ("after", "before", "low", "high"),
    [
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((6, 7), (2, 7), 0.0582, 0.8062),
        ((5, 56), (0, 29), -0.0381, 0.1926),
        ((0, 10), (0, 20), -0.1611, 0.2775),
        ((0, 10), (0, 10), -0.2775, 0.2775),
        ((10, 10), (0, 20), 0.6791, 1.0000),
        ((10, 10), (0, 10), 0.6075, 1.0000),
    ],
)
def test_table_2_of_newcombe_1998_method_10(after, before, low, high):
    found = satisfaction_difference(before, after)
    assert pytest.approx((low, high), abs=5e-5) == (found.low, found.high)


def test_without_passives_a_net_share_is_twice_a_share_and_so_are_its_wald_bounds():
    net = net_promoter_difference((48, 0, 32), (56, 0, 14), interval="wald")
    plain = satisfaction_difference((48, 80), (56, 70), interval="wald")
    assert_allclose(figures(net)[[0, 1, 2, 4]], 200 * figures(plain)[[0, 1, 2, 4]])
    assert net["p"] == pytest.approx(plain["p"])


# -- what must hold for all ----------------------------------------------------------------------------------------------


@everything
@given(counts, counts, st.sampled_from(["score", "adjusted_wald", "wald"]), st.sampled_from([0.8, 0.95, 0.999]))
def test_an_interval_lies_off_0_just_where_p_is_below_what_its_level_leaves(before, after, interval, level):
    found = net_promoter_difference(before, after, interval=interval, level=level)
    assert -200 <= found.low <= found.high <= 200
    if abs(found["p"] - (1 - level)) > 1e-9:
        assert (found["p"] < 1 - level) == (found.low > 0 or found.high < 0)


@everything
@given(counts, counts)
def test_p_is_the_level_at_which_the_interval_ends_at_0(before, after):
    p = net_promoter_difference(before, after)["p"]
    assert 0 <= p <= 1
    if 1e-9 < p < 1 - 1e-6:
        found = net_promoter_difference(before, after, level=1 - p)
        assert min(abs(found.low), abs(found.high)) == pytest.approx(0, abs=1e-5)


@everything
@given(counts, counts, st.sampled_from(["score", "adjusted_wald", "wald"]))
def test_waves_changed_about_change_the_sign(before, after, interval):
    there, back = (
        net_promoter_difference(before, after, interval=interval),
        net_promoter_difference(after, before, interval=interval),
    )
    mirrored = np.array([-back.value, -back.high, -back.low, back["p"]])
    assert_allclose(figures(there)[:4], mirrored, atol=1e-9)


@settings(deadline=None, derandomize=True, database=None, max_examples=12)
@given(scores, scores, st.sampled_from(["score", "adjusted_wald", "wald", "bootstrap"]))
def test_customers_of_one_wave_only_make_waves_independent(before, after, interval):
    known = [wave(one, [f"{name}{i}" for i in range(len(one))]) for name, one in (("b", before), ("a", after))]
    told = only(nps_difference(*known, interval=interval))
    assert 0 == told["n_both"]
    assert_allclose(figures(told), figures(nps_difference(before, after, interval=interval)), atol=1e-9)


def test_counts_side_by_side_are_compared_side_by_side():
    many = net_promoter_difference(([50, 3], [30, 2], [20, 1]), ([60, 1], [20, 2], [20, 3]))
    for place, (before, after) in enumerate([((50, 30, 20), (60, 20, 20)), ((3, 2, 1), (1, 2, 3))]):
        one = net_promoter_difference(before, after)
        assert_allclose(figures(one), [many[name][place] for name in NAMES])


# -- the same customers --------------------------------------------------------------------------------------------------


def linearised(before, after):
    """The error of a difference, by hand: G / (G - 1) times the sum of squares of what each customer brings."""
    ids = sorted({*before["customer_id"], *after["customer_id"]})
    brought = np.zeros(len(ids))
    for sign, one in ((-1, before), (1, after)):
        net = np.where(one["score"] >= 9, 1, np.where(one["score"] <= 6, -1, 0))
        for who, x in zip(one["customer_id"], net - net.mean(), strict=True):
            brought[ids.index(who)] += sign * x / len(one)
    return 100 * np.sqrt(len(ids) / (len(ids) - 1) * np.sum(brought**2))


def test_the_error_of_waves_of_the_same_customers_is_that_of_what_each_brings():
    rng = np.random.default_rng(5)
    ids = np.arange(30)
    first = rng.integers(0, 11, 30)
    second = np.clip(first + rng.integers(-2, 3, 30), 0, 10)
    before, after = wave(first, ids), wave(second, ids).sample(frac=1, random_state=1)
    told = only(nps_difference(before, after, interval="wald"))
    assert told["standard_error"] == pytest.approx(linearised(before, after))
    changes = [int(b >= 9) - int(b <= 6) for b in second], [int(a >= 9) - int(a <= 6) for a in first]
    paired = np.subtract(*changes)
    assert told["standard_error"] == pytest.approx(100 * paired.std(ddof=1) / np.sqrt(30))
    assert (
        told["standard_error"] < only(nps_difference(before, after, interval="wald", paired="never"))["standard_error"]
    )


def test_several_answers_of_the_same_customers_are_one_each():
    rng = np.random.default_rng(6)
    before, after = (wave(rng.integers(0, 11, 60), np.r_[np.arange(20), rng.integers(0, 20, 40)]) for _ in range(2))
    told = only(nps_difference(before, after, interval="wald"))
    assert 20 == told["n_both"]
    assert told["standard_error"] == pytest.approx(linearised(before, after))


def test_the_same_wave_twice_differs_for_certain_by_nothing():
    one = wave([9, 9, 0, 7, 10], list("abcde"))
    told = only(nps_difference(one, one, interval="wald"))
    assert_array_equal([0, 0, 0, 1, 0], figures(told))


def test_customers_of_one_wave_contribute_alone_or_are_left_out_and_counted():
    before, after = wave([9, 0, 7, 9], ["a", "b", "c", None]), wave([9, 9, 0, 10, 10], ["b", "a", "d", "e", "a"])
    told = only(nps_difference(before, after))
    assert pytest.approx([4, 5, 2, 25.0, 60.0]) == [
        told[name] for name in ("n_before", "n_after", "n_both", "before", "after")
    ]
    told = only(nps_difference(before, after, paired="both"))
    assert pytest.approx([2, 3, 2, 0.0, 100.0]) == [
        told[name] for name in ("n_before", "n_after", "n_both", "before", "after")
    ]
    assert [2, 2] == [told["excluded_unpaired_before"], told["excluded_unpaired_after"]]


def test_a_customer_who_moved_to_another_group_is_nobodys_pair():
    before, after = wave([9, 0], ["a", "b"], region=["n", "s"]), wave([9, 0], ["a", "b"], region=["s", "s"])
    told = nps_difference(before, after, by="region")
    assert [0, 1] == told["n_both"].tolist()


def test_per_customer_and_weights_are_read_as_nps_reads_them():
    rng = np.random.default_rng(8)
    frames = [
        wave(
            rng.integers(0, 11, 40),
            rng.integers(0, 12, 40),
            w=rng.uniform(0.5, 2, 40),
            occurred_at=pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.permutation(40), "D"),
        )
        for _ in range(2)
    ]
    for reading in ({"per_customer": "latest"}, {"per_customer": "mean"}, {"weight": "w"}, {"population": 200}):
        told = only(nps_difference(*frames, **reading))
        alone = [only(nps(one, **reading)) for one in frames]
        assert pytest.approx([one["value"] for one in alone]) == [told["before"], told["after"]]
        apart = only(nps_difference(*frames, paired="never", interval="wald", **reading))
        assert apart["standard_error"] == pytest.approx(np.hypot(*(one["standard_error"] for one in alone)))


def test_the_bootstrap_draws_customers_with_both_their_answers():
    rng = np.random.default_rng(9)
    first = rng.integers(0, 11, 300)
    second = np.clip(first + rng.integers(0, 2, 300), 0, 10)
    frames = [wave(one, np.arange(300), w=rng.uniform(1, 2, 300)) for one in (first, second)]
    drawn, wald = (only(nps_difference(*frames, interval=how)) for how in ("bootstrap", "wald"))
    assert_allclose(figures(drawn, ["low", "high"]), figures(wald, ["low", "high"]), atol=1.5)
    assert_array_equal(figures(drawn), figures(only(nps_difference(*frames, interval="bootstrap"))))
    few = [one.head(25) for one in frames]
    seeds = [figures(only(nps_difference(*few, interval="bootstrap", weight="w", seed=seed))) for seed in (0, 1)]
    assert not np.array_equal(*seeds)


@pytest.mark.slow
@pytest.mark.parametrize("share_of_both", [0.0, 0.5, 1.0])
def test_95_of_100_intervals_hold_the_difference_of_waves_however_many_customers_they_share(share_of_both):
    from custrel.stats.net_difference import NetShare, hybrid

    rng, n, repeats = np.random.default_rng(4), 40, 4000
    both = int(share_of_both * n)
    first = rng.choice([1, 0, -1], p=[0.6, 0.25, 0.15], size=(repeats, n))
    second = rng.choice([1, 0, -1], p=[0.6, 0.25, 0.15], size=(repeats, n))
    same = (np.arange(n) < both) & (rng.random((repeats, n)) < 0.5)
    second = np.where(same, first, second)
    e, u = first - first.mean(1, keepdims=True), second - second.mean(1, keepdims=True)
    size = np.sqrt((e**2).sum(1) * (u**2).sum(1))
    rho = np.divide((e * u)[:, :both].sum(1), size, out=np.zeros(repeats), where=size > 0)
    sides = [NetShare((x == 1).mean(1), (x == -1).mean(1), np.full(repeats, float(n))) for x in (first, second)]
    found = hybrid(*sides, correlation=rho)
    assert 0.94 <= np.mean((found.low <= 0) & (0 <= found.high))


# -- edges ---------------------------------------------------------------------------------------------------------------


def test_a_group_of_one_wave_is_told_with_nothing_on_the_other_side():
    told = nps_difference(wave([9, 0], region=["n", "n"]), wave([9, 7], region=["n", "s"]), by="region")
    assert ["n", "s"] == told["region"].tolist()
    assert [2, 0] == told["n_before"].tolist()
    assert [1, 1] == told["n_after"].tolist()
    assert told.loc[1, ["value", "low", "high", "p", "before", "standard_error"]].isna().all()
    assert 0.0 == told.loc[1, "after"]


@pytest.mark.parametrize("interval", ["score", "adjusted_wald", "wald", "bootstrap"])
def test_no_answers_make_no_difference(interval):
    for before, after in (([], [9]), ([None], [9, 0]), ([], [])):
        found = nps_difference(before, after, interval=interval)
        assert np.isnan(figures(found)).all()
        assert len([one for one in before if one is not None]) == found["n_before"]


def test_waves_that_are_all_alike_differ_within_what_their_intervals_allow():
    found = nps_difference([9] * 5, [0] * 5)
    assert -200.0 == found.value == pytest.approx(found.low)
    assert -200 < found.high < 0 < found["p"] < 0.05
    assert pytest.approx([-200, -200, -200, 0, 0]) == figures(nps_difference([9] * 5, [0] * 5, interval="wald"))
    assert 1.0 == nps_difference([9] * 5, [9] * 5)["p"] == nps_difference([9] * 5, [9] * 5, interval="wald")["p"]


def test_missing_answers_and_those_off_the_scale_are_counted_wave_by_wave():
    told = only(nps_difference(wave([9, np.nan, 0]), wave([9, 11, 12]), on_invalid="drop"))
    assert [1, 0] == [told["excluded_missing_before"], told["excluded_missing_after"]]
    assert [0, 2] == [told["excluded_off_scale_before"], told["excluded_off_scale_after"]]
    with pytest.raises(PromiseError, match="2 lie off it"):
        nps_difference(wave([9, 0]), wave([9, 11, 12]))


def test_totals_windows_and_invitations_come_along():
    frame = wave(
        [9, 0, 9, np.nan],
        region=["n", "n", "s", "s"],
        occurred_at=["2024-01-05", "2024-01-06", "2024-01-07", "2024-01-08"],
        asked=[True] * 4,
    )
    told = nps_difference(frame, frame, by="region", totals=True, invited="asked", every="month")
    assert [False, False, True] == told["total"].tolist()
    assert ["2024-01-01"] * 3 == told["period"].astype(str).str[:10].tolist()
    assert pytest.approx([1, 0.5, 0.75]) == told["response_rate_before"].tolist()


def test_csat_differs_in_fractions_and_says_its_boxes():
    told = only(csat_difference(wave([5, 4, 1, 2]), wave([5, 5, 4, 1]), scale=(1, 5), measure="top_box"))
    assert (0.25, "top_box", "5") == (told["value"], told["measure"], told["boxes"])
    found = csat_difference([5, 4, 1, 2], [5, 5, 4, 1], scale=(1, 5), interval="agresti_caffo")
    assert (3 + 1) / 6 - (2 + 1) / 6 == pytest.approx(found["adjusted_value"])


@pytest.mark.parametrize(
    ("asked", "error", "said"),
    [
        (
            lambda: nps_difference([9], [0], interval="t"),
            DomainError,
            "interval must be one of 'score', 'adjusted_wald', 'bootstrap', 'wald', got 't'",
        ),
        (
            lambda: nps_difference([9], [0], paired="yes"),
            DomainError,
            "paired must be one of 'overlap', 'both', 'never', got 'yes'",
        ),
        (lambda: nps_difference([9], [0], paired="both"), DomainError, "paired='both' must know who answered"),
        (lambda: nps_difference([9], [0], level=95), DomainError, "level must lie between 0 and 1"),
        (
            lambda: nps_difference([9], [0], interval="bootstrap", population=10),
            DomainError,
            "a bootstrap of a difference knows no population",
        ),
        (
            lambda: nps_difference(wave([9], ["1"]), wave([9], [1])),
            SchemaError,
            "column 'customer_id' holds numbers in one wave and text in the other",
        ),
        (
            lambda: nps_difference(wave([9], region=["1"]), wave([9], region=[1]), by="region"),
            SchemaError,
            "column 'region' must hold labels of one type in both waves; found int, str",
        ),
        (
            lambda: nps_difference(wave([9], value=["x"]), wave([9], value=["x"]), by="value"),
            DomainError,
            "by='value' is a name of the answer's own columns",
        ),
        (
            lambda: nps_difference(wave([9]), pd.DataFrame({"points": [9]})),
            SchemaError,
            "no column 'score' for feedback",
        ),
        (lambda: net_promoter_difference((1, 2), (1, 2, 3)), DomainError, "before must be 3 counts of 0 or more"),
        (lambda: net_promoter_difference((1, 2, 3), (1, -2, 3)), DomainError, "after must be 3 counts of 0 or more"),
        (lambda: satisfaction_difference((3, 2), (1, 3)), DomainError, "no more can be satisfied than answered"),
        (
            lambda: csat_difference([5], [4], scale=(1, 5), measure="mean"),
            DomainError,
            "measure must be one of 'top_two_box', 'top_box', 'good_bad', got 'mean'",
        ),
    ],
)
def test_bad_input_is_refused_by_its_words(asked, error, said):
    with pytest.raises(error) as raised:
        asked()
    assert said in str(raised.value)


# -- every library -------------------------------------------------------------------------------------------------------

PATIENT = {"pandas-nullable", "pandas-pyarrow", "ibis", "dask", "pyspark"}
BEFORE = {"region": ["n", "n", "s", None, "n"], "customer_id": ["a", "b", "c", "d", None], "score": [9, 0, 7, 10, 10]}
AFTER = {"region": ["n", "s", "s", None, "e"], "customer_id": ["a", "c", "c", "d", "x"], "score": [10, 9, 0, 3, 9]}
LIBRARIES = [
    pytest.param(name, marks=[pytest.mark.slow] if name in PATIENT else [])
    for name in (
        "pandas",
        "pandas-nullable",
        "pandas-pyarrow",
        "polars",
        "polars-lazy",
        "pyarrow",
        "duckdb",
        "ibis",
        "dask",
        "pyspark",
    )
]


@cache
def expected():
    return nps_difference(pd.DataFrame(BEFORE), pd.DataFrame(AFTER), by="region").set_index("region")


@pytest.mark.parametrize("frame_of", LIBRARIES, indirect=True)
def test_every_library_tells_the_same_difference_and_one_may_meet_another(frame_of):
    pytest.importorskip("pyarrow")
    for after in (frame_of(AFTER), pd.DataFrame(AFTER)):
        told = nw.from_native(nps_difference(frame_of(BEFORE), after, by="region"), eager_only=True)
        assert frame_of.leaves == told.implementation.value
        rows = [row | {"region": plain(row["region"])} for row in told.rows(named=True)]
        assert {"e", "n", "s", None} == {row["region"] for row in rows}
        for row in rows:
            known = expected().loc[row["region"]] if row["region"] else expected()[expected().index.isna()].iloc[0]
            for name in (*NAMES, "before", "after", "n_before", "n_after", "n_both"):
                one = np.nan if row[name] is None else row[name]
                assert_allclose(one, known[name], atol=1e-9, err_msg=f"{row['region']} {name}")
    assert [0, 1, 1, 1] == expected()["n_both"].tolist()


def test_a_log_meets_a_frame():
    log = Interactions.from_frame(
        pd.DataFrame(
            {"customer_id": ["a", "b"], "occurred_at": ["2024-01-01"] * 2, "score": [9, 0], "survey_kind": ["nps"] * 2}
        ),
        kind="survey_response",
    )
    told = only(nps_difference(log, wave([9, 9], ["a", "b"])))
    assert [100.0, 2] == [told["value"], told["n_both"]]
