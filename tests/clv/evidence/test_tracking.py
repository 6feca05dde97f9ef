"""Tracking: the law's expectation beside the purchases of each week."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from custrel import Interactions
from custrel.clv import BGNBD, tracking
from custrel.datasets import cdnow
from custrel.errors import DomainError

approx = pytest.approx

LAW = BGNBD(0.24259452243015708, 4.413602019013504, 0.7929220172255975, 2.425906776826332)


@pytest.fixture(scope="module")
def log():
    return cdnow()


@pytest.fixture(scope="module")
def weeks(log):
    return tracking(LAW, log, until="1998-06-30", born_until="1997-09-30")


def test_seventy_eight_weeks_of_cdnow(weeks):
    columns = ["period", "end", "actual", "expected", "actual_cumulative", "expected_cumulative"]
    assert columns == list(weeks.columns)
    assert list(range(1, 79)) == weeks["period"].tolist()
    assert pd.Timestamp("1997-01-07") == weeks["end"].iloc[0]
    assert pd.Timestamp("1997-09-30") == weeks["end"].iloc[38]
    assert pd.Timestamp("1998-06-30") == weeks["end"].iloc[-1]


def test_the_purchases_are_those_of_the_published_split(weeks):
    assert weeks["actual_cumulative"].iloc[38] == 2457
    assert weeks["actual"].iloc[39:].sum() == 1882


def test_the_forecast_of_week_78_is_four_percent_low(weeks):
    last = weeks.iloc[-1]
    assert approx(0.96, abs=0.005) == last["expected_cumulative"] / last["actual_cumulative"]


def test_the_expectation_is_the_sum_over_birth_days(weeks, log):
    for week, until in ((39, "1997-09-30"), (78, "1998-06-30")):
        ages = log.history(until=until, customers=log.history(until="1997-09-30")).T
        expected = weeks["expected_cumulative"].iloc[week - 1]
        assert approx(LAW.expected_purchases_of_new(ages).sum(), rel=1e-10) == expected


def test_the_parts_add_up(weeks):
    assert_allclose(weeks["actual"].cumsum(), weeks["actual_cumulative"])
    assert_allclose(weeks["expected"].cumsum(), weeks["expected_cumulative"])
    assert np.all(weeks["expected"] > 0)


def test_a_period_that_is_not_complete_is_left_out(log, weeks):
    for until in ("1998-06-29", "1998-06-24"):
        short = tracking(LAW, log, until=until, born_until="1997-09-30")
        assert len(short) == 77
        assert_allclose(weeks["expected"].iloc[:77], short["expected"], rtol=1e-12)


def test_days_and_weeks_tell_the_same_story(log, weeks):
    daily = BGNBD(LAW.r, 7 * LAW.alpha, LAW.a, LAW.b)
    days = tracking(daily, log, until="1997-09-30", born_until="1997-09-30", unit="day")
    assert len(days) == 39 * 7
    assert_allclose(weeks["expected_cumulative"].iloc[:39], days["expected_cumulative"].iloc[6::7], rtol=1e-9)
    assert_allclose(weeks["actual"].iloc[:39], days["actual"].to_numpy().reshape(-1, 7).sum(axis=1))


def test_months_hold_all_days_of_weeks(log, weeks):
    monthly = BGNBD(LAW.r, LAW.alpha * 7 / (365.25 / 12), LAW.a, LAW.b)
    months = tracking(monthly, log, until="1998-06-30", born_until="1997-09-30", unit="month")
    assert len(months) == 17  # 546 days are 17.9 months
    assert weeks["actual_cumulative"].iloc[72] <= months["actual_cumulative"].iloc[-1] <= 4339


def test_simulated_customers_come_as_the_law_says():
    rng = np.random.default_rng(4)
    customers, watch = 4000, 200
    born = rng.integers(0, 60, customers)
    lives = LAW.simulate((watch - born) / 7 + 2, rng)
    first = np.datetime64("2020-01-01") + born
    seconds = (lives.time * 7 * 86_400).astype("timedelta64[s]")
    moments = np.concatenate([first.astype("datetime64[s]"), first[lives.customer].astype("datetime64[s]") + seconds])
    who = np.concatenate([np.arange(customers), lives.customer]).astype(str)
    frame = pd.DataFrame({"customer_id": who, "occurred_at": moments, "amount": 1.0})
    log = Interactions.from_frame(frame, kind="purchase")
    table = tracking(LAW, log, until="2020-07-15", born_until="2020-03-01", grain="minute")
    last = table.iloc[-1]
    assert approx(last["expected_cumulative"], rel=0.05) == last["actual_cumulative"]


def test_nobody_born_is_refused(log):
    with pytest.raises(DomainError, match="born_until"):
        tracking(LAW, log, until="1998-06-30", born_until="1996-01-01")


def test_a_law_is_tracked_in_its_own_unit():
    law = BGNBD(r=0.243, alpha=30.9, a=0.793, b=2.426, unit="day")
    with pytest.raises(DomainError, match="this BGNBD counts days: give unit='day', not 'week'"):
        tracking(law, cdnow(), until="1997-12-31", born_until="1997-09-30")
