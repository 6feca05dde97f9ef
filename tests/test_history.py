"""What a law needs to know of each customer: the same as counting by hand."""

import itertools
import math
from datetime import UTC, date, datetime, timedelta, timezone
from functools import partial

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from custrel import History, Interactions
from custrel.datasets import cdnow, cdnow_summary
from custrel.errors import DomainError, SchemaError
from custrel.history import DAYS, PurchaseTimes

patient = partial(settings, deadline=None, suppress_health_check=[HealthCheck.too_slow])
NAN = float("nan")
BEGIN = datetime(1997, 1, 1)
SECONDS = {"microsecond": 1e-6, "second": 1, "minute": 60, "hour": 3600, "day": 86_400, "week": 604_800}


def log_of(rows, **asked):
    who, when, amount = zip(*rows, strict=True)
    frame = pd.DataFrame(
        {"customer_id": list(who), "occurred_at": pd.to_datetime(list(when), format="ISO8601"), "amount": list(amount)}
    )
    return Interactions.from_frame(frame, kind="purchase", **asked)


# -- Against counting by hand --------------------------------------------------------------------------------


def grain_of(moment, grain):
    return (moment - datetime(1, 1, 1)) // timedelta(seconds=SECONDS[grain])


def by_hand(rows, *, until, unit, grain, spend):
    """{customer: (x, t_x, T, spend, log gaps)}, one loop for one thought."""
    end = grain_of(datetime.combine(until, datetime.max.time()), grain)
    baskets = {}
    for who, when, amount in rows:
        if grain_of(when, grain) <= end:
            periods = baskets.setdefault(who, {})
            periods[grain_of(when, grain)] = periods.get(grain_of(when, grain), 0) + amount
    return {who: of_customer(baskets[who], end, SECONDS[grain] / 86_400 / DAYS[unit], spend) for who in sorted(baskets)}


def of_customer(periods, end, units, spend):
    days = sorted(periods)
    paid = [periods[day] for day in (days if spend == "all" else days[1:])]
    gaps = [math.log((after - before) * units) for before, after in itertools.pairwise(days)]
    mean = math.fsum(paid) / len(paid) if paid else NAN
    return len(days) - 1, (days[-1] - days[0]) * units, (end - days[0]) * units, mean, math.fsum(gaps)


purchases = st.lists(
    st.tuples(
        st.integers(1, 4),
        st.integers(0, 60 * 24 * 40).map(lambda minutes: BEGIN + timedelta(minutes=minutes)),
        st.integers(0, 10_000).map(lambda cents: cents / 100),
    ),
    min_size=1,
    max_size=30,
)


@pytest.mark.parametrize("frame_of", ["pandas", "polars", "duckdb"], indirect=True)
@patient(max_examples=20)
@given(
    rows=purchases,
    until=st.dates(date(1997, 1, 1), date(1997, 2, 20)),
    unit=st.sampled_from(["hour", "day", "week", "month", "quarter", "year"]),
    grain=st.sampled_from(sorted(SECONDS)),
    spend=st.sampled_from(["repeat", "all"]),
)
def test_a_history_is_what_counting_by_hand_finds(frame_of, rows, until, unit, grain, spend):
    who, when, amount = zip(*rows, strict=True)
    log = Interactions.from_frame(
        frame_of({"customer_id": list(who), "occurred_at": list(when), "amount": list(amount)}), kind="purchase"
    )
    if grain == "week" and until.isoweekday() != 7:
        with pytest.raises(DomainError, match=f"until={until} 23:59:59.999999 falls within a week"):
            log.history(until=until, grain=grain)
        return
    expected = by_hand(rows, until=until, unit=unit, grain=grain, spend=spend)
    if not expected:
        with pytest.raises(DomainError, match="no customer of this log bought by until="):
            log.history(until=until, unit=unit, grain=grain, spend=spend)
        return
    h = log.history(until=until, unit=unit, grain=grain, spend=spend, log_gaps=True)
    assert list(expected) == h.customer_id.tolist()
    x, t_x, total, mean, gaps = zip(*expected.values(), strict=True)
    assert_array_equal(x, h.x)
    for name, values in {"t_x": t_x, "T": total, "spend": mean, "log_gaps": gaps}.items():
        assert_allclose(getattr(h, name), values, rtol=1e-9, atol=1e-9, err_msg=name)
    assert len(rows) == sum(x) + len(x) + h.counts["merged"] + h.counts["after_until"]


@patient(max_examples=20)
@given(rows=purchases, split=st.dates(date(1997, 1, 1), date(1997, 2, 10)))
def test_purchases_before_and_after_a_date_are_all_purchases(rows, split):
    log, end = log_of(rows), date(1997, 2, 10)
    after = log.purchases_between(split + timedelta(1), end)
    before = log.purchases_between("1996-01-01", split)
    everything = log.purchases_between("1996-01-01", end)
    assert everything.purchases.sum() == before.purchases.sum() + after.purchases.sum()
    assert_allclose(before.amount.sum() + after.amount.sum(), everything.amount.sum(), rtol=1e-9)
    counts = log.purchases_by_period(until=end, born_until=end)
    assert len(everything.customer_id) == counts.births.sum()
    assert everything.purchases.sum() == counts.births.sum() + counts.repeats.sum()
    assert len(counts.start) == len(counts.births) == len(counts.repeats)


# -- The end of observation ----------------------------------------------------------------------------------

DAY = [("a", "1997-01-01 08:00", 1.0), ("a", "1997-01-31 00:00", 2.0), ("a", "1997-01-31 23:59:59.999999", 3.0)]


@pytest.mark.parametrize(
    "until", ["1997-01-31", date(1997, 1, 31), np.datetime64("1997-01-31"), "1997-01-31T23:59:59.999999"], ids=repr
)
def test_a_date_ends_with_its_last_moment(until):
    h = log_of(DAY).history(until=until, grain="microsecond", unit="day")
    assert [2] == h.x.tolist()
    assert_allclose(h.T - h.t_x, 0, atol=1e-9)


@pytest.mark.parametrize(
    ("until", "x"),
    [
        (datetime(1997, 1, 31), 1),
        (pd.Timestamp("1997-01-31"), 1),
        ("1997-01-31 00:00", 1),
        (np.datetime64("1997-01-31T00:00:00.000000000"), 1),
        ("1997-01-30T23:59:59", 0),
        (datetime(1997, 1, 31, 1, tzinfo=timezone(timedelta(hours=2))), 0),
        (datetime(1997, 1, 31, 2, tzinfo=timezone(timedelta(hours=2))), 1),
        (pd.Timestamp("1997-01-31 01:00", tz="Europe/Paris"), 1),
    ],
    ids=repr,
)
def test_a_moment_ends_where_it_is_on_the_clock_of_the_log(until, x):
    assert [x] == log_of(DAY).history(until=until, grain="second").x.tolist()


def test_a_moment_that_cuts_a_grain_in_two_is_refused():
    for asked in ({"until": "1997-01-31 12:00"}, {"until": "1997-01-31", "since": "1997-01-01 12:00"}):
        with pytest.raises(DomainError, match="12:00:00 falls within a day: give a date, or take a finer grain"):
            log_of(DAY).history(**asked)
    assert [1] == log_of(DAY).history(until="1997-01-31 00:00", grain="day").x.tolist()


@pytest.mark.parametrize(
    "until",
    [
        None,
        "",
        "soon",
        19970131,
        "19970131",
        "1997-W05-5",
        1.5,
        True,
        pd.NaT,
        np.datetime64("NaT"),
        "1997-02-30",
        [],
        {},
        object,
    ],
)
def test_an_end_that_is_no_date_is_refused(until):
    with pytest.raises(DomainError, match="until must be a date such as '1997-09-30', got"):
        log_of(DAY).history(until=until)


def test_an_end_beyond_all_years_is_refused():
    with pytest.raises(DomainError, match="until must be a date"):
        log_of(DAY, tz="Asia/Tokyo").history(until=datetime.max.replace(tzinfo=UTC))


# -- Whose history -------------------------------------------------------------------------------------------

THREE = [
    ("a", "1997-01-01", 1.0),
    ("b", "1997-01-05", 2.0),
    ("b", "1997-01-08", 4.0),
    ("c", "1997-01-09", 3.0),
    ("a", "1997-01-10", 5.0),
]


def test_since_leaves_out_whole_customers():
    h = log_of(THREE).history(until="1997-01-31", since="1997-01-05", unit="day")
    assert ["b", "c"] == h.customer_id.tolist()
    assert [3, 0] == h.t_x.tolist()
    assert 1 == h.counts["customers_born_before_since"]
    with pytest.raises(
        DomainError,
        match="no customer of this log bought by until=1997-01-31, for the first time from since=1997-01-10",
    ):
        log_of(THREE).history(until="1997-01-31", since="1997-01-10")


@pytest.mark.parametrize(
    "customers", [["c", "z", "a"], np.array(["c", "z", "a"]), pd.Series(["c", "z", "a"]), ("c", "z", "a")], ids=type
)
def test_customers_come_in_the_order_they_are_asked_for(customers):
    log = log_of(THREE)
    h = log.history(until="1997-01-31", customers=customers, unit="day", log_gaps=True)
    assert ["c", "a"] == h.customer_id.tolist()
    assert [0, 1] == h.x.tolist()
    assert_allclose(h.log_gaps, [0, math.log(9)])
    assert 1 == h.counts["customers_asked_for_without_a_purchase"]
    later = log.purchases_between("1997-01-06", "1997-01-31", customers=customers)
    assert (["c", "z", "a"], [1, 0, 1], [3, 0, 5]) == (
        later.customer_id.tolist(),
        later.purchases.tolist(),
        later.amount.tolist(),
    )
    of_history = log.purchases_between("1997-01-06", "1997-01-31", customers=h)
    assert (["c", "a"], [1, 1]) == (of_history.customer_id.tolist(), of_history.purchases.tolist())


def test_purchases_of_a_span_without_any_are_none():
    assert 0 == len(log_of(THREE).purchases_between("1998-01-01", "1998-12-31").customer_id)
    with pytest.raises(DomainError, match="no customer of this log bought by born_until=1996-01-01"):
        log_of(THREE).purchases_by_period(until="1997-01-31", born_until="1996-01-01")


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"unit": "wek"}, "unit must be one of .* got 'wek'; did you mean 'week'"),
        ({"unit": None}, "unit must be one of"),
        ({"grain": "month"}, "grain must be one of"),
        ({"grain": ["day"]}, "grain must be one of"),
        ({"spend": "mean"}, "spend must be one of 'repeat', 'all', got 'mean'"),
        ({"since": "yesterday"}, "since must be a date"),
    ],
)
def test_an_argument_that_is_none_of_those_is_refused(asked, message):
    with pytest.raises(DomainError, match=message):
        log_of(THREE).history(until="1997-01-31", **asked)


@pytest.mark.parametrize("unit", ["hour", "day", "week", "month", "quarter", "year"])
def test_the_unit_of_time_is_ours_to_choose(unit):
    days, other = (cdnow().history(until="1997-09-30", unit=name) for name in ("day", unit))
    assert_allclose(other.t_x * DAYS[unit], days.t_x, rtol=1e-12)
    assert_allclose(other.T * DAYS[unit], days.T, rtol=1e-12)
    assert_array_equal(days.x, other.x)
    assert_allclose(DAYS[unit] / 365.25, other.years)


# -- Rows that are equal, rows that are picked ---------------------------------------------------------------

histories = st.lists(
    st.tuples(st.integers(0, 3), st.integers(1, 3), st.integers(3, 5)).map(
        lambda row: (row[0], row[1] if row[0] else 0, row[2])
    ),
    min_size=1,
    max_size=25,
)


@patient(max_examples=100)
@given(rows=histories, unit=st.sampled_from(["day", "week", "month"]), step=st.sampled_from([1.0, 1 / 7, 0.1]))
def test_equal_histories_become_one_and_can_be_told_apart_again(rows, unit, step):
    x, t_x, total = (np.array(values, dtype=float) for values in zip(*rows, strict=True))
    h = History(x=x, t_x=t_x * step, T=total * step, unit=unit)
    for distinct, places in (h.collapse(), (h.distinct(), None)):
        assert len(set(rows)) == len(distinct)
        assert len(rows) == distinct.n.sum() == distinct.customers
        assert sorted(set(rows)) == sorted(
            zip(distinct.x, np.rint(distinct.t_x / step), np.rint(distinct.T / step), strict=True)
        )
        if places is not None:
            back = distinct.take(places)
            for name in ("x", "t_x", "T"):
                assert_array_equal(getattr(h, name), getattr(back, name))


def test_distinct_histories_of_distinct_histories_keep_their_weights():
    twice = cdnow_summary().distinct().distinct()
    assert 2357 == twice.customers
    assert_array_equal(cdnow_summary().distinct().n, twice.n)


@pytest.mark.parametrize("rows", [[True, False, True], [0, 2], np.array([0, 2]), slice(0, 3, 2)], ids=repr)
def test_some_rows_are_taken_with_all_that_is_known_of_them(rows):
    h = History(
        x=[1, 0, 2],
        t_x=[1, 0, 3],
        T=[4, 4, 4],
        spend=[2, NAN, 3],
        customer_id=["a", "b", "c"],
        log_gaps=[0, 0, 0.5],
        unit="day",
        like="polars",
    )
    few = h.take(rows)
    assert ["a", "c"] == few.customer_id.tolist()
    assert [[1, 2], [1, 3], [4, 4], [2, 3], [0, 0.5]] == [
        v.tolist() for v in (few.x, few.t_x, few.T, few.spend, few.log_gaps)
    ]
    assert ("day", "polars") == (few.unit, few.like)


def test_blocks_are_the_history_in_pieces():
    parts = list(cdnow_summary().blocks(1000))
    assert [1000, 1000, 357] == [len(part) for part in parts]
    assert_array_equal(cdnow_summary().x, np.concatenate([part.x for part in parts]))


def test_a_history_can_not_be_changed():
    given = np.array([1.0, 2.0])
    h = History(x=given, t_x=[1, 1], T=[2, 2])
    with pytest.raises(ValueError, match="read-only"):
        h.x[0] = 5
    with pytest.raises(AttributeError):
        h.unit = "day"
    given[0] = 7
    assert [1, 2] == h.x.tolist()


IMPOSSIBLE = {
    "x must be a whole number, 0 or more": [
        ([-1], [0], [4]),
        ([1.5], [1], [4]),
        ([NAN], [0], [4]),
        ([math.inf], [1], [4]),
    ],
    "t_x must lie between 0 and T": [([1], [5], [4]), ([1], [-1], [4]), ([1], [NAN], [4]), ([1], [1], [NAN])],
    "T must be finite": [([1], [1], [math.inf])],
    "t_x must be 0 where x is 0, and above 0 where x is not": [([0], [1], [4]), ([1], [0], [4])],
}


@pytest.mark.parametrize(("message", "row"), [(message, row) for message, rows in IMPOSSIBLE.items() for row in rows])
def test_an_impossible_row_is_refused_and_shown(message, row):
    x, t_x, total = row
    with pytest.raises(DomainError, match=f"{message}; 1 of 2 rows break this: row 1 has x="):
        History(x=[0, *x], t_x=[0, *t_x], T=[4, *total])


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"t_x": [0]}, r"t_x must have shape \(2,\) as x has, got \(1,\)"),
        ({"x": ["one", "two"]}, "x must hold numbers"),
        ({"spend": [[1, 2]]}, "spend must have shape"),
        ({"unit": "fortnight"}, "unit must be one of"),
        ({"spend_of": "first"}, "spend_of must be one of"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(changed, message):
    with pytest.raises(DomainError, match=message):
        History(**{"x": [0, 1], "t_x": [0, 1], "T": [2, 2]} | changed)


def test_a_history_says_what_it_is():
    assert "History of 2,357 customers: 2,457 repeat purchases by 946 of them" in repr(cdnow_summary())
    distinct = cdnow_summary().distinct()
    assert f"History of 2,357 customers in {len(distinct):,} distinct rows: 2,457 repeat" in repr(distinct)


def test_a_history_is_a_frame_too():
    h = log_of(THREE).history(until="1997-01-31", unit="day", log_gaps=True)
    frame = h.to_frame()
    assert ["customer_id", "x", "t_x", "T", "spend", "log_gaps"] == list(frame.columns)
    again = History.from_summary(frame, unit="day", spend="spend")
    for name in ("customer_id", "x", "t_x", "T", "spend"):
        assert_array_equal(getattr(h, name), getattr(again, name))


# -- Tables of customers from elsewhere ----------------------------------------------------------------------

TABLE = {"frequency": [2, 0], "recency": [30.43, 0.0], "T": [38.86, 38.86], "monetary_value": [22.35, 0.0]}
NAMES = {"x": "frequency", "t_x": "recency", "T": "T", "spend": "monetary_value"}


def test_a_table_of_lifetimes_is_read_with_its_index():
    h = History.from_summary(
        pd.DataFrame(TABLE, index=pd.Index(["c1", "c2"], name="customer_id")), unit="week", **NAMES
    )
    assert ["c1", "c2"] == h.customer_id.tolist()
    assert [2, 0] == h.x.tolist()
    assert_array_equal([22.35, NAN], h.spend)


def test_a_row_number_is_who_a_customer_is_if_nothing_else_is_said():
    assert [0, 1] == History.from_summary(pd.DataFrame(TABLE), unit="week", **NAMES).customer_id.tolist()
    named = pd.DataFrame(TABLE | {"customer_id": [7, 8]}, index=["c1", "c2"])
    assert [7, 8] == History.from_summary(named, unit="week", **NAMES).customer_id.tolist()


def test_mean_spend_over_all_purchases_is_known_for_everybody():
    h = History.from_summary(
        pd.DataFrame(TABLE | {"monetary_value": [22.35, 3.0]}), unit="week", spend_of="all", **NAMES
    )
    assert_array_equal([22.35, 3.0], h.spend)
    assert [3, 1] == h.paid.tolist()


@pytest.mark.parametrize(
    ("table", "names", "error", "message"),
    [
        (
            TABLE,
            NAMES | {"x": "freqency"},
            SchemaError,
            "no column 'freqency' for a table of customers; did you mean 'frequency'",
        ),
        (TABLE, NAMES | {"customer_id": "id"}, SchemaError, "no column 'id'"),
        (TABLE | {"T": ["38.86", "38.86"]}, NAMES, SchemaError, r"column 'T' \(T\) must hold numbers; found String"),
        (TABLE | {"recency": [NAN, 0.0]}, NAMES, DomainError, "t_x must lie between 0 and T"),
        (TABLE | {"frequency": [2, 1]}, NAMES, DomainError, "t_x must be 0 where x is 0"),
        (TABLE | {"frequency": [None, "x"]}, NAMES, SchemaError, "must hold numbers"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(table, names, error, message):
    with pytest.raises(error, match=message):
        History.from_summary(pd.DataFrame(table), unit="week", **names)


# -- Purchases in continuous time ----------------------------------------------------------------------------


def test_simulated_purchases_are_counted_up_to_a_time():
    times = PurchaseTimes(
        customer=np.array([0, 0, 2]), time=np.array([1.5, 2.0, 0.3]), T=np.array([4.0, 4.0, 1.0]), unit="week"
    )
    assert [2, 0, 1] == times.history().x.tolist()
    assert [1, 0, 1] == times.history(1.7).x.tolist()
    assert [1.5, 0, 0.3] == times.history(np.array([1.7, 1.7, 1.0])).t_x.tolist()


@pytest.mark.parametrize(
    ("x", "t_x", "log_gaps"), [(0, 0.0, 5.0), (2, 1.0, 50.0), (2, 4.0, 2 * np.log(2.0) + 0.2), (0, 0.0, -1.0)]
)
def test_gaps_that_no_purchases_can_have_are_refused(x, t_x, log_gaps):
    with pytest.raises(DomainError, match="log_gaps must be 0 where x is 0, and no more than"):
        History(x=[x], t_x=[t_x], T=[9.0], log_gaps=[log_gaps])


def test_gaps_of_one_length_are_the_most_there_can_be():
    assert 1 == len(History(x=[2], t_x=[4.0], T=[9.0], log_gaps=[2 * np.log(2.0)]))


@pytest.mark.parametrize("rows", [[7], [True], "a", [0.5], (0, 1, 2), [[0, 1]]], ids=str)
def test_rows_that_are_none_are_refused(rows):
    with pytest.raises(DomainError, match="take: rows must"):
        History(x=[1, 0], t_x=[1, 0], T=[2, 2]).take(rows)


def test_no_rows_are_an_empty_history():
    assert 0 == len(History(x=[1, 0], t_x=[1, 0], T=[2, 2]).take([]))


def test_purchases_at_one_moment_have_no_gap():
    times = PurchaseTimes(customer=np.array([0, 0]), time=np.array([1.0, 1.0]), T=np.array([2.0]))
    with pytest.raises(DomainError, match="1 purchases come at one moment with the one before"):
        times.history(log_gaps=True)


def test_rows_all_of_which_differ_stay_as_they_are():
    T = 1 + np.arange(40_000) / 7e4
    h = History(x=np.zeros(T.size), t_x=np.zeros(T.size), T=T, spend=np.ones(T.size))
    assert_array_equal(T, h.distinct().T)
    assert h.distinct().spend is None
