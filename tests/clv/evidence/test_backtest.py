"""Backtest: what was known by each cutoff, what came after it, and how far off each law was."""

from datetime import UTC, date, datetime
from functools import partial

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from custrel import Interactions
from custrel.clv import BGBB, BGNBD, NBD, BGCNBDk, GammaGamma, LogNormalSpend, ParetoNBD, ShiftedBetaGeometric, compare
from custrel.clv.evidence.backtest import backtest
from custrel.clv.evidence.baselines import MeanOfAll, RecencyRule, SameAsBefore
from custrel.clv.law import PurchaseLaw
from custrel.clv.spend import SpendLaw
from custrel.datasets import cdnow, cdnow_frame
from custrel.errors import DomainError, SchemaError

approx = pytest.approx

FIGURES = [
    *("total_expected", "total_error", "mean_absolute_error", "root_mean_squared_error", "bias", "log_score", "crps"),
    *("gini", "lift", "calibration_error", "value_gini", "value_lift"),
]
BASELINES = ["SameAsBefore", "RecencyRule", "MeanOfAll"]

DAYS = {
    "early": ["2024-01-01", "2024-01-31", "2024-02-01", "2024-02-01", "2024-02-10", "2024-02-11"],
    "late": ["2024-01-29", "2024-01-30", "2024-02-05", "2024-02-06"],
    "never": ["2024-01-15"],
    "next": ["2024-02-02", "2024-02-03", "2024-02-28"],
}


def log_of(days, amount=10.0):
    rows = [(who, when) for who, all_days in days.items() for when in all_days]
    columns = dict(zip(("customer_id", "occurred_at"), map(list, zip(*rows, strict=True)), strict=True))
    return Interactions.from_frame(pd.DataFrame({**columns, "amount": amount}), kind="purchase")


class Foretold:
    """A law that expects what it is told to, and keeps what it was asked."""

    name = "Foretold"

    def __init__(self, expected=0.0):
        self.expected, self.histories, self.horizons = expected, [], []

    def fit(self, h):
        self.histories.append(h)
        return self

    def expected_purchases(self, h, t):
        self.horizons.append(t)
        return self.expected + np.zeros(len(h))


def one_row(law, **asked):
    given = {"cutoffs": ["2024-01-31"], "horizon": 10, "unit": "day", "baselines": False, "spend": None}
    return backtest(log_of(DAYS), [law], **(given | asked)).iloc[0]


@pytest.fixture(scope="module")
def log():
    return cdnow()


@pytest.fixture(scope="module")
def table(log):
    return backtest(log, [NBD, BGNBD], cutoffs=["1997-09-30", "1997-06-30"], horizon=13)


def test_a_row_for_each_cutoff_and_law_in_order_of_time(table):
    assert ["cutoff", "end", "law", "baseline", "customers", "total_actual", *FIGURES, "seconds", "diagnosis"] == list(
        table
    )
    assert ["NBD", "BGNBD", *BASELINES] * 2 == table["law"].tolist()
    assert [False, False, True, True, True] * 2 == table["baseline"].tolist()
    assert [pd.Timestamp("1997-06-30")] * 5 + [pd.Timestamp("1997-09-30")] * 5 == table["cutoff"].tolist()
    assert {pd.Timestamp("1997-09-29"), pd.Timestamp("1997-12-30")} == set(table["end"])
    assert (table["seconds"] > 0).all()
    assert table["diagnosis"][1].startswith("A peak")


def test_the_cutoff_is_known_and_the_end_of_the_horizon_is_foretold():
    # Within (January 31, February 10]: two purchases of `early` on different days, both of `late`, none of `next`.
    law = Foretold()
    row = one_row(law)
    (h,) = law.histories
    assert ["early", "late", "never"] == h.customer_id.tolist()
    assert [1.0, 1.0, 0.0] == h.x.tolist()
    assert [10.0] == law.horizons
    assert (3, 4) == (row["customers"], row["total_actual"])
    assert (pd.Timestamp("2024-01-31"), pd.Timestamp("2024-02-10")) == (row["cutoff"], row["end"])
    assert 5 == one_row(Foretold(), horizon=11)["total_actual"]
    assert 3 == one_row(Foretold(), horizon=9)["total_actual"]


def test_late_joiners_have_their_own_T():
    law = Foretold()
    backtest(log_of(DAYS), [law], cutoffs=["2024-01-31", "2024-02-05"], horizon=10, unit="day", spend=None)
    first, second = law.histories
    assert [30.0, 2.0, 16.0] == first.T.tolist()
    assert ["early", "late", "never", "next"] == second.customer_id.tolist()
    assert [35.0, 7.0, 21.0, 3.0] == second.T.tolist()
    assert [31.0, 7.0, 0.0, 1.0] == second.t_x.tolist()


@pytest.mark.parametrize(
    ("horizon", "repeats"),
    [
        (10, 2 + 2 + 0 + 1),  # to February 5: early twice; of three of late, and of two of next, one was the first
        (7, 2 + 2 + 0 + 1),  # late began on the last day that is not within
        (4, 0 + 1 + 0 + 1),  # next began within
    ],
)
def test_the_count_before_is_of_repeat_purchases_within_as_long_a_time(horizon, repeats):
    asked = {"cutoffs": ["2024-02-05"], "unit": "day", "until": "2024-02-28", "spend": None}
    rows = backtest(log_of(DAYS), [Foretold()], horizon=horizon, **asked).set_index("law")
    assert repeats == rows["total_expected"]["SameAsBefore"]


def test_each_figure_is_that_of_its_definition():
    # 2, 2 and 0 purchases came of early, late and never.
    row = one_row(Foretold(np.array([3.0, 1.0, 0.5])))
    assert 4.5 == row["total_expected"]
    assert 0.5 / 4 == row["total_error"]
    assert approx((1 + 1 + 0.5) / 3) == row["mean_absolute_error"]
    assert approx(np.sqrt((1 + 1 + 0.25) / 3)) == row["root_mean_squared_error"]
    assert approx(0.5 / 3) == row["bias"]
    assert 1.0 == row["gini"]
    assert approx(2 / (4 / 3)) == row["lift"]
    assert approx((1 + 1 + 0.5) / 3) == row["calibration_error"]
    assert row[["value_gini", "value_lift"]].isna().all()


def test_a_forecast_of_one_number_has_its_distance_for_a_crps_and_no_log_score(table):
    point = table[table["baseline"]]
    assert_array_equal(point["mean_absolute_error"], point["crps"])
    assert point["log_score"].isna().all()
    assert (table["crps"] < table["mean_absolute_error"])[~table["baseline"]].all()


def test_errors_are_those_that_compare_finds(log):
    h = log.history(until="1997-09-30")
    held = log.purchases_between("1997-10-01", "1998-06-30", customers=h)
    one = compare([BGNBD, ParetoNBD], h, holdout=held, horizon=39).set_index("law")
    other = backtest(log, [ParetoNBD, BGNBD], cutoffs=["1997-09-30"], horizon="273D", baselines=False).set_index("law")
    for theirs, ours in (("expected", "total_expected"), ("actual", "total_actual")):
        assert_allclose(one[theirs], other[ours].loc[one.index], rtol=1e-12)
    for name in ("total_error", "mean_absolute_error"):
        assert_allclose(one[name], other[name].loc[one.index], rtol=1e-10)


def test_scores_of_counts_are_those_of_every_customer_by_themselves(log, table):
    h = log.history(until="1997-09-30")
    came = log.purchases_between("1997-10-01", "1997-12-30", customers=h).purchases
    chances = BGNBD.fit(h).model.probability(np.arange(250)[:, None], h, 13)
    row = table[(table["law"] == "BGNBD") & (table["cutoff"] == "1997-09-30")].iloc[0]
    reached = np.cumsum(chances, axis=0)
    crps = ((reached - (np.arange(250)[:, None] >= came)) ** 2).sum(axis=0)
    assert approx(crps.mean(), rel=1e-7) == row["crps"]
    assert approx(np.log(chances[came, np.arange(len(h))]).mean(), rel=1e-9) == row["log_score"]


class OfEach:
    """The BG/NBD with parameters for each customer, as covariates make them: here the same for all."""

    name = "OfEach"

    def fit(self, h):
        return BGNBD(*(np.full(len(h), value) for value in BGNBD.fit(h).model))


def test_parameters_of_each_customer_are_scored_as_well(log, table):
    rows = backtest(log, [OfEach()], cutoffs=["1997-06-30"], horizon=13, baselines=False)
    assert_allclose(table.loc[[1], FIGURES], rows[FIGURES], rtol=1e-7)


def test_laws_may_know_covariates():
    rng = np.random.default_rng(5)
    web = rng.integers(0, 2, 1500).astype(float)
    lives = NBD(r=2.0, alpha=40.0 / (1 + 3 * web)).simulate(np.full(1500, 60.0), rng)
    first = np.datetime64("2024-01-01T00:00:00", "s")
    later = first + (lives.time * 7 * 86_400).astype("timedelta64[s]")
    who = np.concatenate([np.arange(1500), lives.customer])
    frame = pd.DataFrame({"customer_id": who, "occurred_at": np.concatenate([np.full(1500, first), later])})
    log = Interactions.from_frame(frame, kind="purchase", columns={"amount": None})
    known = pd.DataFrame({"customer_id": np.arange(1500), "web": web})
    laws = {"plain": NBD, "by channel": partial(NBD.fit, purchase="web")}
    asked = {"cutoffs": ["2024-02-01"], "horizon": 20, "grain": "minute", "baselines": False}
    rows = backtest(log, laws, covariates=known, **asked).set_index("law")
    better = rows[FIGURES].loc["by channel"] - rows[FIGURES].loc["plain"]
    assert better["crps"] < -0.03 < 0.03 < better["gini"]
    assert better["log_score"] > 0.03
    h = log.history(until="2024-02-01", grain="minute").with_covariates(known)
    came = log.purchases_between("2024-02-02", "2024-06-20", grain="minute", customers=h).purchases
    law = NBD.fit(h, purchase="web").model.of(h)
    assert approx(np.log(law.probability(came, h, 20)).mean(), rel=1e-9) == rows["log_score"]["by channel"]


def test_value_is_ordered_by_expected_purchases_times_expected_spend(log, table):
    h = log.history(until="1997-09-30")
    brought = log.purchases_between("1997-10-01", "1997-12-30", customers=h).amount
    value = BGNBD.fit(h).model.expected_purchases(h, 13) * GammaGamma.fit(h).model.expected_spend(h)
    row = table[(table["law"] == "BGNBD") & (table["cutoff"] == "1997-09-30")].iloc[0]
    best = pd.Series(brought[np.argsort(-value)])
    share, perfect = best.cumsum() / best.sum(), np.sort(brought)[::-1].cumsum() / brought.sum()
    assert approx((share.mean() - 0.5) / (perfect.mean() - 0.5), abs=1e-3) == row["value_gini"]
    assert approx(best[:235].sum() / best.sum() / 0.1, rel=5e-3) == row["value_lift"]


def test_without_amounts_there_is_no_value(log, table):
    frame = cdnow_frame().drop(columns="spend")
    bare = Interactions.from_frame(frame, kind="purchase", columns={"occurred_at": "date", "amount": None})
    for given, spend in ((bare, GammaGamma), (log, None)):
        rows = backtest(given, [NBD], cutoffs=["1997-09-30"], horizon=13, spend=spend)
        assert rows[["value_gini", "value_lift"]].isna().all(axis=None)
        assert_allclose(table["gini"].iloc[[5, 7, 8, 9]], rows["gini"], rtol=1e-12)
    assert table[["value_gini", "value_lift"]].notna().all(axis=None)


def test_a_law_of_spend_without_a_peak_leaves_value_out_and_says_so():
    rows = backtest(log_of(DAYS), [Foretold()], cutoffs=["2024-01-31"], horizon=10, unit="day")
    assert rows["value_gini"].isna().all()
    assert rows["diagnosis"].str.contains("No order by value: GammaGamma").all()


def test_a_law_without_a_peak_keeps_its_rows_and_says_why():
    days = {"a": ["2024-01-01", "2024-02-03"], "b": ["2024-01-09", "2024-02-05"], "c": ["2024-01-20"]}
    rows = backtest(log_of(days), [BGNBD], cutoffs=["2024-01-31"], horizon=5, unit="day", spend=None)
    assert ["BGNBD", *BASELINES] == rows["law"].tolist()
    assert "BGNBD: none of 3 customers bought twice" in rows["diagnosis"][0]
    assert rows.loc[0, FIGURES].isna().all()
    assert [2] * 4 == rows["total_actual"].tolist()
    assert [0.0] * 3 == rows["total_expected"].tolist()[1:]


def test_laws_that_need_the_times_between_purchases_get_them(log):
    laws = {"every purchase": partial(BGCNBDk.fit, k=1), "every second": partial(BGCNBDk.fit, k=2), "mine": BGNBD.fit}
    rows = backtest(log, laws, cutoffs=["1997-09-30"], horizon=13).set_index("law")
    assert [*laws, *BASELINES] == rows.index.tolist()
    assert_allclose(*(rows.loc[name, FIGURES].astype(float) for name in ("every purchase", "mine")), rtol=1e-5)
    assert rows["log_score"]["every second"] < rows["log_score"]["mine"] - 1e-3
    law = Foretold()
    one_row(law)
    assert law.histories[0].log_gaps is None


def test_opportunities_are_weeks_up_to_their_sundays(log):
    rows = backtest(log, [BGBB], cutoffs=["1997-09-28"], horizon=13, grain="week", baselines=False)
    h = log.history(until="1997-09-28", grain="week")
    held = log.purchases_between("1997-09-29", "1997-12-28", grain="week", customers=h).purchases
    model = BGBB.fit(h).model
    assert held.sum() == rows["total_actual"][0]
    assert approx(model.expected_purchases(h, 13).sum()) == rows["total_expected"][0]
    assert approx(np.log(model.probability(held, h, 13)).mean()) == rows["log_score"][0]
    assert pd.Timestamp("1997-12-28") == rows["end"][0]


def test_days_and_weeks_tell_the_same_story(log, table):
    rows = backtest(log, [NBD], cutoffs=["1997-09-30"], horizon=91, unit="day")
    assert_allclose(table.loc[table.index[[5, 7, 8, 9]], FIGURES], rows[FIGURES], rtol=1e-6)


@pytest.mark.parametrize(
    "cutoff",
    [date(1997, 9, 30), pd.Timestamp("1997-09-30"), datetime(1997, 9, 30, 23, 59, 59, 999999, tzinfo=UTC)],
)
def test_cutoffs_are_dates_of_any_kind(log, table, cutoff):
    rows = backtest(log, [NBD], cutoffs=(one for one in [cutoff]), horizon="13W", baselines=False)
    assert_allclose(table.loc[table.index[[5]], FIGURES], rows[FIGURES])


def test_customers_may_be_those_of_one_cohort(log):
    cohort = log.history(until="1997-01-31")
    rows = backtest(log, [NBD], cutoffs=["1997-06-30", "1997-09-30"], horizon=13, customers=cohort)
    assert {len(cohort)} == set(rows["customers"])
    law = Foretold()
    backtest(log, [law], cutoffs=["1997-06-30"], horizon=13, since="1997-02-01", spend=None)
    assert 2357 - len(cohort) == len(law.histories[0])


@pytest.mark.parametrize("library", ["polars", "duckdb"])
def test_every_library_gives_the_same_answer(table, library):
    pytest.importorskip(library)
    pa = pytest.importorskip("pyarrow")
    frame = pa.Table.from_pandas(cdnow_frame())
    if library == "polars":
        frame = pytest.importorskip("polars").from_arrow(frame)
    if library == "duckdb":
        connection = pytest.importorskip("duckdb").connect()  # which its relations need to live
        frame = connection.from_arrow(frame)
    columns = {"occurred_at": "date", "amount": "spend"}
    log = Interactions.from_frame(frame, kind="purchase", columns=columns)
    rows = backtest(log, [NBD, BGNBD], cutoffs=["1997-06-30", "1997-09-30"], horizon=13)
    assert ("polars" if library == "polars" else "pyarrow") == type(rows).__module__.split(".")[0]
    there = rows.to_pandas()
    assert_allclose(table[FIGURES], there[FIGURES].astype(float), rtol=1e-9)
    for name in ("law", "baseline", "customers", "total_actual", "diagnosis"):
        assert table[name].tolist() == there[name].tolist()
    assert table["cutoff"].tolist() == pd.to_datetime(there["cutoff"]).tolist()


def test_the_law_that_made_the_data_foretells_them_best():
    rng = np.random.default_rng(11)
    law, customers = BGNBD(r=0.6, alpha=5.0, a=0.8, b=2.0), 6000
    born = rng.integers(0, 150, customers)
    lives = law.simulate(np.full(customers, 60.0), rng)
    first = np.datetime64("2020-01-01T00:00:00", "s") + (born * 86_400).astype("timedelta64[s]")
    later = first[lives.customer] + (lives.time * 7 * 86_400).astype("timedelta64[s]")
    who = np.concatenate([np.arange(customers), lives.customer])
    frame = pd.DataFrame({"customer_id": who, "occurred_at": np.concatenate([first, later])})
    log = Interactions.from_frame(frame, kind="purchase", columns={"amount": None})
    rows = backtest(log, [BGNBD, NBD], cutoffs=["2020-05-10", "2020-09-30"], horizon=20, grain="minute")
    assert rows["customers"].iloc[0] < customers == rows["customers"].iloc[-1]
    for _, at in rows.groupby("cutoff"):
        best = at.set_index("law")
        assert abs(best["total_error"]["BGNBD"]) < 0.05
        assert best["calibration_error"]["BGNBD"] < best["calibration_error"]["NBD"] / 3
        for figure, sign in (("crps", 1), ("log_score", -1), ("root_mean_squared_error", 1), ("gini", -1)):
            assert "BGNBD" == (sign * best[figure]).idxmin()


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"cutoffs": []}, "cutoffs must be a list of dates such as"),
        ({"cutoffs": "1997-09-30"}, "cutoffs must be a list of dates.*got '1997-09-30'"),
        ({"cutoffs": date(1997, 9, 30)}, "cutoffs must be a list of dates"),
        ({"cutoffs": ["soon"]}, "cutoffs must be a date such as '1997-09-30', got 'soon'"),
        ({"cutoffs": ["1997-09-30 12:00"]}, "cutoffs=1997-09-30 12:00:00 falls within a day"),
        ({"cutoffs": ["1997-06-30", date(1997, 6, 30)]}, "once each; 1 of 2 are there again"),
        ({"cutoffs": ["1996-12-31"]}, "no customer of this log bought by until=1996-12-31"),
        ({"horizon": 0}, "a whole number of grains, 1 or more; 0 makes 0 days"),
        ({"horizon": 1.5}, "1.5 makes 10.5 days: give a duration such as '91D', or take a finer grain"),
        ({"horizon": 3, "unit": "month"}, "3 makes 91.3125 days"),
        ({"horizon": "soon"}, "a horizon must be a number of weeks or a duration"),
        ({"horizon": np.array([1.0, 2.0])}, "one number"),
        ({"unit": "wek"}, "did you mean 'week'"),
        ({"grain": "month"}, "grain must be one of"),
        ({"spend": BGNBD}, "spend must be a law such as GammaGamma, the class, or None"),
        ({"spend": SpendLaw}, "spend must be a law such as GammaGamma"),
        ({"until": "soon"}, "until must be a date"),
    ],
)
def test_what_cannot_be_asked_is_refused(log, wrong, words):
    with pytest.raises(DomainError, match=words):
        backtest(log, [NBD], **({"cutoffs": ["1997-09-30"], "horizon": 13} | wrong))


@pytest.mark.parametrize(
    ("laws", "words"),
    [
        ([], "one law or more"),
        ("BGNBD", "needs laws such as"),
        (BGNBD, "needs laws such as"),
        (["BGNBD"], "'BGNBD' has no name"),
        ([partial(BGCNBDk.fit, k=2)], "has no name: give classes such as BGNBD, or a dictionary"),
        ([GammaGamma], "needs laws of purchases such as BGNBD"),
        ([PurchaseLaw], "needs laws of purchases such as BGNBD"),
        ({"mine": BGNBD(1, 1, 1, 1)}, "needs laws of purchases such as BGNBD, the class"),
        ({"mine": 3}, "needs laws of purchases such as BGNBD, the class"),
        ([NBD, BGNBD, NBD], "'NBD' stands there twice"),
        ([NBD, RecencyRule], "'RecencyRule' stands there twice"),
        ([ShiftedBetaGeometric], "ShiftedBetaGeometric needs Tenures"),
        ({"half": Foretold(np.full(3, np.nan))}, "half must expect a finite number.*3 customers.*0 finite ones"),
        ({"wide": Foretold(np.zeros((2, 3)))}, r"wide must expect.*3 customers, got shape \(2, 3\)"),
        ({"blind": lambda _: object()}, r"what blind fits has no expected_purchases\(h, t\)"),
    ],
)
def test_what_is_no_law_of_purchases_is_refused(laws, words):
    with pytest.raises(DomainError, match=words):
        backtest(log_of(DAYS), laws, cutoffs=["2024-01-31"], horizon=10, unit="day", spend=None)


def test_no_horizon_reaches_beyond_the_end_of_the_log(log):
    late = {"cutoffs": ["1997-06-30", "1997-10-01"], "horizon": 39}
    with pytest.raises(
        DomainError, match="ends at 1998-07-01, the log at 1998-06-30.*latest possible cutoff is 1997-09-30"
    ):
        backtest(log, [NBD], **late)
    with pytest.raises(DomainError, match="the log at 1998-03-31 .until.: the latest possible cutoff is 1997-12-30"):
        backtest(log, [NBD], cutoffs=["1997-12-31"], horizon=13, until="1998-03-31")
    assert 2 == len(backtest(log, [NBD], **late, until="1998-07-01", baselines=False))
    assert 1 == len(backtest(log, [NBD], cutoffs=["1997-09-30"], horizon=39, baselines=False))


def test_a_finer_grain_names_the_latest_moment(log):
    with pytest.raises(DomainError, match="latest possible cutoff is 1998-06-29 23:59:59.999999"):
        backtest(log, [NBD], cutoffs=["1998-06-30"], horizon="1D", grain="hour", until="1998-06-30")


def test_what_is_no_log_or_holds_no_purchases_is_refused():
    with pytest.raises(DomainError, match="backtest needs a log, as Interactions.from_frame makes one, got DataFrame"):
        backtest(cdnow_frame(), [NBD], cutoffs=["1997-09-30"], horizon=13)
    answers = pd.DataFrame({"customer_id": ["a"], "occurred_at": ["2024-01-01"], "score": [9]})
    surveys = Interactions.from_frame(answers, kind="survey_response", columns={"survey_kind": None})
    with pytest.raises(SchemaError, match="has no 'purchase'"):
        backtest(surveys, [NBD], cutoffs=["2024-01-01"], horizon=1)


def test_baselines_can_be_left_out_or_taken_as_laws(log):
    patient = {"patient": partial(RecencyRule.fit, patience=26), "mean": MeanOfAll}
    rows = backtest(log, patient, cutoffs=["1997-09-30"], horizon=13)
    assert ["patient", "mean", *BASELINES] == rows["law"].tolist()
    assert [False, False, True, True, True] == rows["baseline"].tolist()
    assert_allclose(rows.loc[1, FIGURES].astype(float), rows.loc[4, FIGURES].astype(float))
    h = log.history(until="1997-09-30")
    expected = np.where(h.T - h.t_x <= 26, h.x / h.T, 0).sum() * 13
    assert approx(expected) == rows["total_expected"][0]
    assert (
        SameAsBefore.__name__
        not in backtest(log, patient, cutoffs=["1997-09-30"], horizon=13, baselines=False)["law"].tolist()
    )


def test_another_law_of_spend_orders_value(log, table):
    rows = backtest(log, [NBD], cutoffs=["1997-09-30"], horizon=13, spend=LogNormalSpend)
    assert_allclose(table["gini"].iloc[[5, 7, 8, 9]], rows["gini"])
    assert not np.allclose(table["value_gini"].iloc[[5, 7, 8, 9]], rows["value_gini"], rtol=1e-4)
