import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from custrel import feedback
from custrel.errors import DomainError, SchemaError
from custrel.feedback.over_time.control_chart import control_chart, over_dispersion_of
from custrel.feedback.over_time.periods import _in_periods

MONTHS = pd.date_range("2024-01-01", periods=12, freq="MS")
quick = settings(deadline=None, derandomize=True, database=None, max_examples=15)


def shares(values, n=100, period=None):
    values = np.asarray(values, dtype=float)
    n = np.where(np.isnan(values), 0, n)
    return pd.DataFrame({"period": np.arange(values.size) if period is None else period, "value": values, "n": n})


def answers(seed=1, months=12):
    rng = np.random.default_rng(seed)
    day = pd.to_timedelta(rng.integers(0, 366, 900), unit="D")
    df = pd.DataFrame({"occurred_at": pd.Timestamp("2024-01-01") + day, "score": rng.integers(0, 11, 900)})
    return df[df["occurred_at"].dt.month <= months].reset_index(drop=True)


# -- the chart of shares and of net shares ---------------------------------------------------------------------


def test_limits_of_shares_are_those_of_a_p_chart():
    n, value = np.array([50, 200, 100]), np.array([0.2, 0.3, 0.26])
    chart = control_chart(shares(value, n), kind="share", over_dispersion=False)
    p = 96 / 350
    assert_allclose(p, chart["centre"])
    assert_allclose(p - 3 * np.sqrt(p * (1 - p) / n), chart["lower"])
    assert_allclose(p + 3 * np.sqrt(p * (1 - p) / n), chart["upper"])
    assert_allclose((value - p) / np.sqrt(p * (1 - p) / n), chart["z"])


def test_limits_of_nps_come_from_the_pooled_shares_of_both_sides():
    df = answers()
    months, (whole,) = feedback.nps(df, every="month"), [feedback.nps(df["score"].tolist())]
    chart = control_chart(months, over_dispersion=False, limits=2)
    P, D = whole["promoters"], whole["detractors"]
    half = 200 * np.sqrt((P + D - (P - D) ** 2) / months["n"])
    assert_allclose(whole.value, chart["centre"])
    assert_allclose(whole.value + half, chart["upper"])
    assert_allclose(months["low"], chart["low"])
    assert {"nps"} == set(chart["kind"])


def test_the_centre_of_csat_is_that_of_all_answers():
    df = answers()
    chart = control_chart(feedback.csat(df, scale=(0, 10), every="month"))
    assert_allclose(feedback.csat(df["score"].tolist(), scale=(0, 10)).value, chart["centre"])
    assert {"share"} == set(chart["kind"])


def test_means_are_charted_by_their_pooled_variance_within_periods():
    df = answers()
    chart = control_chart(feedback.csat(df, scale=(0, 10), measure="mean", every="month"), over_dispersion=False)
    month = df["occurred_at"].dt.month
    within = df["score"] - df.groupby(month)["score"].transform("mean")
    spread = (within**2).sum() / (len(df) - 12)
    assert_allclose(df["score"].mean(), chart["centre"])
    assert_allclose(df["score"].mean() - 3 * np.sqrt(spread / chart["n"]), chart["lower"])


def test_limits_stay_within_what_a_score_can_be():
    chart = control_chart(shares([0.02, 0.0, 0.05], 20), kind="share")
    assert (chart["lower"] == 0).all()
    assert "" == "".join(chart["signal"])


def test_clustered_answers_have_wider_limits():
    df = answers().assign(customer_id=lambda df: df.index // 3)
    df[["occurred_at", "score"]] = df.groupby("customer_id")[["occurred_at", "score"]].transform("first")
    alone = control_chart(feedback.nps(df, every="quarter", customer_id=None), over_dispersion=False)
    charted = control_chart(feedback.nps(df, every="quarter"), over_dispersion=False)
    assert (charted["upper"] - charted["lower"] > 1.2 * (alone["upper"] - alone["lower"])).all()


# -- over-dispersion -------------------------------------------------------------------------------------------


def test_laneys_factor_by_hand():
    # p = .5, one standard error .05: z = -2, 2, 0, 0; 4, 2 and 0 apart
    chart = control_chart(shares([0.4, 0.6, 0.5, 0.5]), kind="share")
    assert_allclose(2 * np.sqrt(np.pi) / 2, chart["over_dispersion"])
    assert_allclose(2 * np.sqrt(np.pi) / 2, chart["widened_by"])
    assert_allclose(0.5 + 0.15 * np.sqrt(np.pi), chart["upper"])
    assert_allclose(np.array([-2, 2, 0, 0]) / np.sqrt(np.pi), chart["z"])


def test_the_factor_of_independent_normal_scores_is_1():
    z = np.random.default_rng(1).normal(size=200_000)
    assert_allclose(1, over_dispersion_of(z, np.ones(z.size, dtype=bool)), atol=0.01)


def test_limits_are_narrowed_only_when_asked():
    calm = shares([0.5, 0.51, 0.5, 0.49])
    found = control_chart(calm, kind="share")
    assert (found["over_dispersion"] < 1).all()
    assert (found["widened_by"] == 1).all()
    narrow = control_chart(calm, kind="share", over_dispersion=True)
    assert_allclose(found["over_dispersion"], narrow["widened_by"])
    wide = control_chart(shares([0.3, 0.7, 0.5]), kind="share", over_dispersion=False)
    assert (wide["over_dispersion"] > 1).all()
    assert (wide["widened_by"] == 1).all()


def test_moving_ranges_do_not_reach_over_missing_periods():
    known = control_chart(shares([0.4, 0.6, np.nan, 0.4, 0.6]), kind="share")
    absent = control_chart(shares([0.4, 0.6, 0.4, 0.6], period=[0, 1, 3, 4]), kind="share")
    assert_allclose(4 * np.sqrt(np.pi) / 2, known["over_dispersion"])
    assert_allclose(4 * np.sqrt(np.pi) / 2, absent["over_dispersion"])


@pytest.mark.slow
def test_of_periods_in_control_few_are_signals_and_over_dispersion_does_not_make_more():
    rng, periods = np.random.default_rng(5), 40
    for scatter in (0.0, 0.08):
        found = []
        for _ in range(120):
            p = np.clip(0.5 + scatter * rng.normal(size=periods), 0, 1)
            n = rng.integers(100, 1000, periods)
            chart = control_chart(shares(rng.binomial(n, p) / n, n), kind="share", run=None)
            found.append((chart["signal"] != "").mean())
        assert np.mean(found) < 0.01


# -- signals ---------------------------------------------------------------------------------------------------


def test_signals_lie_beyond_the_limits():
    values = [0.5, 0.5, 0.9, 0.5, 0.1, 0.5]
    chart = control_chart(shares(values), kind="share", over_dispersion=False)
    assert ["", "", "above", "", "below", ""] == chart["signal"].tolist()


def test_eight_in_a_row_on_one_side_are_a_signal_from_the_eighth_on():
    values = [0.47] * 9 + [0.53] * 9
    chart = control_chart(shares(values), kind="share")
    assert [*[""] * 7, "run below", "run below", *[""] * 7, "run above", "run above"] == chart["signal"].tolist()
    assert {""} == set(control_chart(shares(values), kind="share", run=None)["signal"])
    assert "run below" == control_chart(shares(values), kind="share", run=3)["signal"][2]


@pytest.mark.parametrize("gap", ["no answers", "no row"])
def test_a_missing_period_ends_a_run(gap):
    table = shares([0.47] * 5 + [np.nan] + [0.47] * 5 + [0.53] * 10)
    table = table if gap == "no answers" else table.dropna()
    signal = control_chart(table, kind="share", run=6)["signal"].tolist()
    assert "run below" not in signal
    assert 5 == signal.count("run above")


def test_periods_without_answers_have_neither_limits_nor_signal():
    chart = control_chart(shares([0.5, np.nan, 0.6]), kind="share")
    assert chart.loc[1, ["value", "centre", "lower", "upper", "z"]].isna().all()
    assert (0, "") == (chart.loc[1, "n"], chart.loc[1, "signal"])
    assert_allclose(0.55, chart.loc[[0, 2], "centre"])


def test_a_baseline_makes_the_limits():
    values = [0.4, 0.6, 0.5, 0.8, 0.8]
    chart = control_chart(shares(values), kind="share", baseline=3, over_dispersion=False)
    assert_allclose(0.5, chart["centre"])
    assert_allclose(3 * np.sqrt(np.pi) / 2, chart["over_dispersion"])
    assert ["", "", "", "above", "above"] == chart["signal"].tolist()


def test_answers_that_are_all_alike_have_limits_without_width():
    chart = control_chart(shares([1.0, 1.0, 1.0]), kind="share")
    assert (chart[["lower", "upper"]] == 1).all(axis=None)
    assert chart[["z", "over_dispersion"]].isna().all(axis=None)
    df = pd.DataFrame({"occurred_at": MONTHS, "score": 10})
    assert {""} == set(control_chart(feedback.nps(df, every="month"))["signal"])


@quick
@given(
    st.lists(st.tuples(st.integers(0, 50), st.integers(1, 50)), min_size=2, max_size=12),
    st.randoms(use_true_random=False),
)
def test_the_order_of_rows_does_not_matter(counts, random):
    k, more = np.array(counts).T
    table = shares(k / (k + more), k + more)
    mixed = table.sample(frac=1, random_state=random.randrange(2**31))
    pd.testing.assert_frame_equal(control_chart(table, kind="share"), control_chart(mixed, kind="share"))


@quick
@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40), st.integers(1, 40)), min_size=2, max_size=12))
def test_turning_the_scale_turns_the_chart(counts):
    P, D, N = np.array(counts, dtype=float).T
    n = P + D + N
    table = pd.DataFrame({"period": MONTHS[: n.size], "value": 100 * (P - D) / n, "n": n})
    table = table.assign(promoters=P / n, detractors=D / n)
    turned = table.assign(value=-table["value"], promoters=table["detractors"], detractors=table["promoters"])
    one, other = control_chart(table), control_chart(turned)
    assert_allclose(one["upper"], -other["lower"])
    assert_allclose(one["z"].fillna(0), -other["z"].fillna(0), atol=1e-6)


# -- groups and periods ----------------------------------------------------------------------------------------


def test_each_group_has_a_chart_of_its_own():
    north, south = shares([0.4, 0.6, 0.5]), shares([0.1, 0.2])
    both = pd.concat([south.assign(region="south"), north.assign(region="north")])
    charts = control_chart(both, "region", kind="share")
    assert ["south"] * 2 + ["north"] * 3 == charts["region"].tolist()
    alone = control_chart(north, kind="share")
    pd.testing.assert_frame_equal(
        alone, charts[charts["region"] == "north"].drop(columns="region").reset_index(drop=True)
    )


def test_totals_are_a_group_of_their_own():
    df = answers().assign(region=lambda df: np.where(df.index % 2, "north", "south"))
    charts = control_chart(feedback.nps(df, by="region", every="month", totals=True), by="region")
    whole = control_chart(feedback.nps(df, every="month"))
    assert_allclose(whole["upper"], charts.loc[charts["total"], "upper"])


def test_a_group_with_one_period_has_no_limits():
    both = pd.concat([shares([0.4, 0.6]).assign(region="north"), shares([0.5]).assign(region="south")])
    charts = control_chart(both, "region", kind="share")
    assert charts.loc[2, ["centre", "lower", "upper", "z", "over_dispersion", "widened_by"]].isna().all()
    assert charts["centre"].notna()[:2].all()


@pytest.mark.parametrize(
    ("begins", "expected"),
    [
        (["2024-01-01", "2024-02-01", "2024-04-01", "2026-01-01"], ([0, 1, 3, 24], "month", True)),
        (["2024-01-01", "2024-04-01", "2024-07-01"], ([0, 1, 2], "quarter", True)),
        (["2020-01-01", "2021-01-01", "2023-01-01"], ([0, 1, 3], "year", True)),
        (["2024-01-01", "2024-01-08", "2024-02-05"], ([0, 1, 5], "week", True)),
        (["2024-02-28", "2024-02-29", "2024-03-02"], ([0, 1, 3], "day", True)),
        (["2024-01-10", "2024-01-20", "2024-02-04"], ([0, 1, 2.5], "10 days", False)),
    ],
)
def test_periods_are_counted_by_the_calendar(begins, expected):
    at, called, regular = _in_periods(np.array(begins, dtype="M8[us]"))
    assert_allclose(expected[0], at)
    assert expected[1:] == (called, regular)


def test_waves_at_any_dates_follow_one_another():
    dates = pd.to_datetime(["2024-01-10", "2024-01-20", "2024-02-04", "2024-05-01"])
    chart = control_chart(shares([0.4, 0.6, 0.4, 0.6], period=dates), kind="share")
    assert_allclose(4 * np.sqrt(np.pi) / 2, chart["over_dispersion"])


LIBRARIES = [
    *("pandas", "polars-lazy", "pyarrow", "duckdb"),
    *(pytest.param(name, marks=pytest.mark.slow) for name in ("pandas-nullable", "polars", "ibis", "dask", "pyspark")),
]


@pytest.mark.parametrize("frame_of", LIBRARIES, indirect=True)
def test_every_library_gives_the_same_chart(frame_of):
    table = {
        "region": ["n", "n", "n", "s", "s", "s"],
        "period": [*MONTHS[[0, 1, 3]].to_pydatetime(), *MONTHS[[0, 1, 2]].to_pydatetime()],
        "value": [0.4, 0.6, 0.5, 0.9, None, 0.1],
        "n": [100, 100, 50, 10, 0, 10],
    }
    chart = control_chart(frame_of(table), by=["region"], kind="share")
    assert type(chart).__module__.startswith(frame_of.leaves)
    assert_allclose([0.5] * 3 + [0.5, np.nan, 0.5], np.array(chart["centre"], dtype=float))
    # z is -2 and 2 in the north, so that the limits reach beyond 1; in the south no period follows another
    assert_allclose([1, 1, 1, np.nan], np.array(chart["upper"], dtype=float)[[0, 1, 2, 4]])
    assert_allclose(0.5 + 3 * np.sqrt(0.25 / 10), np.array(chart["upper"], dtype=float)[3])


def test_the_table_of_the_caller_is_not_changed():
    table = shares([0.4, 0.6])
    before = table.copy()
    control_chart(table, kind="share")
    pd.testing.assert_frame_equal(before, table)


# -- what is refused -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"limits": 0}, "limits must lie above 0"),
        ({"limits": -3}, "limits must be a finite number"),
        ({"over_dispersion": "laney"}, "over_dispersion must be one of 'auto'"),
        ({"run": 1}, "run must be a whole number, 2 or more"),
        ({"baseline": 1}, "baseline must be a whole number, 2 or more"),
        ({"kind": "rate"}, "kind must be one of 'nps', 'share', 'mean'"),
        ({"kind": None}, "do not say what the values are"),
        ({"periods": shares([0.5])}, "two periods or more of a group, found 1"),
        ({"periods": shares([np.nan, np.nan, 0.5])}, "two periods or more of a group, found 1"),
        ({"periods": shares([])}, "two periods or more of a group, found 0"),
        ({"periods": pd.concat([shares([0.5, 0.6])] * 2)}, "stands in two rows of a group, of 2 such"),
        ({"periods": shares([0.5, 1.5])}, "must lie between 0 and 1 .*; 1 do not"),
        ({"periods": shares([0.5, 0.5]).assign(n=[1, 0])}, "column 'n' must lie above 0 where there is a value; 1 do"),
        ({"periods": shares([0.5, 0.5]).assign(n_effective=np.inf)}, "'n_effective' is infinite in 2 periods"),
        (
            {"periods": shares([5, 5]).assign(promoters=[0.5, np.nan], detractors=0.45), "kind": "nps"},
            "'promoters' and 'detractors' must be there",
        ),
    ],
)
def test_what_makes_no_chart_is_refused(wrong, words):
    with pytest.raises(DomainError, match=words):
        control_chart(**({"periods": shares([0.5, 0.6]), "kind": "share"} | wrong))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"periods": [0.5, 0.6]}, "expected a frame"),
        ({"periods": shares([0.5, 0.6]).drop(columns="period")}, "no column 'period' for a control chart"),
        ({"periods": shares([0.5, 0.6]).drop(columns="n")}, "no column 'n' for a control chart"),
        ({"by": "region"}, "no column 'region' for a control chart"),
        ({"kind": "nps"}, "no column 'promoters' for a control chart"),
        ({"periods": shares([0.5, 0.6]).assign(value="much")}, "column 'value' must hold numbers"),
        ({"periods": shares([0.5, 0.6]).assign(period="soon")}, "column 'period' cannot be read"),
        ({"periods": shares([0.5, 0.6]).assign(period=[1, np.nan])}, "'period' is missing or infinite in 1 rows"),
        ({"periods": shares([0.5, 0.6]).assign(period=[MONTHS[0], pd.NaT])}, "column 'period' is missing in 1 rows"),
    ],
)
def test_columns_that_lack_or_hold_something_else_are_refused(wrong, words):
    with pytest.raises(SchemaError, match=words):
        control_chart(**({"periods": shares([0.5, 0.6]), "kind": "share"} | wrong))
