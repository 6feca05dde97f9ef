"""The doors to data frames: whatever library a log lives in, the same answer, or one of our errors."""

import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cache, partial
from importlib.metadata import version
from zoneinfo import ZoneInfo

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from custrel import History, Interactions
from custrel.clv import LifetimeValue
from custrel.datasets import cdnow, cdnow_frame, cdnow_summary
from custrel.errors import DomainError, PromiseError, SchemaError
from custrel.frames import plain

pa = pytest.importorskip("pyarrow")

ALL = [
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
]
PATIENT = {"dask", "pyspark"}  # a second for each question
SIBLINGS = {
    "pandas-nullable",
    "pandas-pyarrow",
    "polars",
    "ibis",
}  # who mostly answer as pandas, polars-lazy and duckdb do
CDNOW = {"occurred_at": "date", "amount": "spend", "quantity": "cds"}
NAN, INF = float("nan"), float("inf")
PARIS = ZoneInfo("Europe/Paris")


def on_all(questions, *, also=()):
    """Every question on every library; on those that are patient, or much like another, only `also` unless slow tests run."""
    marks = {True: [pytest.mark.slow], False: []}
    return [
        pytest.param(
            engine, question, id=f"{engine}-{name}", marks=marks[engine in PATIENT | SIBLINGS and name not in also]
        )
        for name, question in questions.items()
        for engine in ALL
    ]


# -- The same log through every library ----------------------------------------------------------------------


@cache
def log_of(engine):
    return Interactions.from_frame(engine(cdnow_frame()), kind="purchase", columns=CDNOW)


HISTORIES = {
    "the papers'": {"until": "1997-09-30"},
    "all spend and gaps": {"until": "1998-06-30", "spend": "all", "log_gaps": True, "since": "1997-02-01"},
    "hours": {"until": "1997-09-30T13:00", "grain": "hour", "unit": "day"},
    "weeks": {"until": date(1998, 6, 28), "grain": "week", "unit": "month", "log_gaps": True},
}


def assert_equal_histories(expected, actual):
    assert_array_equal(expected.customer_id, actual.customer_id)
    assert_array_equal(expected.x, actual.x)
    for name in ("t_x", "T", "spend", "log_gaps"):
        one, other = getattr(expected, name), getattr(actual, name)
        assert (one is None) == (other is None)
        if one is not None:
            assert_allclose(other, one, rtol=1e-12, atol=0, err_msg=name)
    for name in ("unit", "grain", "until", "spend_of", "counts"):
        assert getattr(expected, name) == getattr(actual, name)


@pytest.mark.parametrize(("frame_of", "asked"), on_all(HISTORIES, also=["the papers'"]), indirect=["frame_of"])
def test_every_library_gives_the_same_history(frame_of, asked):
    assert_equal_histories(cdnow().history(**asked), log_of(frame_of).history(**asked))


@pytest.mark.parametrize(("frame_of", "grain"), on_all({"day": "day", "hour": "hour"}), indirect=["frame_of"])
def test_every_library_counts_the_same_purchases_between_two_dates(frame_of, grain):
    span = {"start": "1997-10-01", "end": "1998-06-30", "grain": grain}
    everybody = cdnow_summary()
    expected, actual = (log.purchases_between(**span) for log in (cdnow(), log_of(frame_of)))
    assert_array_equal(expected.customer_id, actual.customer_id)
    assert_array_equal(expected.purchases, actual.purchases)
    assert_allclose(actual.amount, expected.amount, rtol=1e-12)
    asked = log_of(frame_of).purchases_between(**span, customers=everybody)
    assert_array_equal(everybody.customer_id, asked.customer_id)
    assert expected.purchases.sum() == asked.purchases.sum()


@pytest.mark.parametrize(("frame_of", "grain"), on_all({"day": "day", "week": "week"}), indirect=["frame_of"])
def test_every_library_counts_the_same_purchases_by_period(frame_of, grain):
    span = {"until": "1998-06-28", "born_until": "1997-03-30", "grain": grain}
    expected, actual = (log.purchases_by_period(**span) for log in (cdnow(), log_of(frame_of)))
    for name in ("start", "births", "repeats"):
        assert_array_equal(getattr(expected, name), getattr(actual, name))


@cache
def worth():
    return LifetimeValue().fit(cdnow_summary())


def test_answers_leave_in_the_library_the_log_came_in_or_the_one_it_is_at_home_with(frame_of):
    log = log_of(frame_of)
    h = log.history(until="1997-09-30", unit="week")
    few = h.take(slice(0, 5))
    spans = log.purchases_between("1997-10-01", "1997-10-05", customers=few)
    answers = [h.to_frame(), spans.to_frame(), worth().predict(few, horizon=39, draws=20)]
    answers += [log.audit.to_frame(like=h.like)]
    kinds = {"pandas": pd.DataFrame, "pyarrow": pa.Table}
    kinds |= {"polars": pytest.importorskip("polars").DataFrame} if frame_of.leaves == "polars" else {}
    assert [kinds[frame_of.leaves]] * 4 == [type(answer) for answer in answers]
    expected = worth().predict(cdnow_summary().take(slice(0, 5)), horizon=39, draws=20)
    for name, values in nw.from_native(answers[2], eager_only=True).to_dict(as_series=False).items():
        if name == "customer_id":
            assert expected[name].tolist() == values
        else:
            assert_allclose(values, expected[name], rtol=1e-12)


@pytest.mark.parametrize("frame_of", [name for name in ALL if name not in PATIENT], indirect=True)
def test_a_log_leaves_with_every_row_it_kept(frame_of):
    left = nw.from_native(log_of(frame_of).to_frame(), eager_only=True)
    assert frame_of.leaves == left.implementation.value
    assert len(cdnow_frame()) == len(left)
    assert {"customer_id", "occurred_at", "amount", "quantity"} == set(left.columns)


@pytest.mark.parametrize("frame_of", ["polars-lazy", "duckdb", "ibis"], indirect=True)
def test_only_sums_of_customers_come_over_the_wall(frame_of, monkeypatch):
    heights, collect = [], nw.LazyFrame.collect

    def watched(self, *args, **kwargs):
        eager = collect(self, *args, **kwargs)
        heights.append(len(eager))
        return eager

    monkeypatch.setattr(nw.LazyFrame, "collect", watched)
    log = Interactions.from_frame(frame_of(cdnow_frame()), kind="purchase", columns=CDNOW)
    log.history(until="1998-06-30")
    log.purchases_between("1997-10-01", "1998-06-30")
    log.purchases_by_period(until="1998-06-30", born_until="1997-03-31")
    assert 2357 == max(heights)


@pytest.mark.parametrize("frame_of", ["polars-lazy", "duckdb", "ibis", "pyspark"], indirect=True)
def test_a_lazy_frame_can_be_had_back_where_it_lives(frame_of):
    frame = frame_of({"customer_id": ["a"], "occurred_at": [datetime(2024, 5, 1)], "amount": [1.0]})
    assert type(frame) is type(Interactions.from_frame(frame, kind="purchase").lazy_frame())


# -- Many rows in many chunks --------------------------------------------------------------------------------


def many(rows=250_000, customers=60_000):
    """Who, on which day since 1997, for how much: more rows than an engine takes at once."""
    rng = np.random.default_rng(5)
    return rng.integers(customers, size=rows), rng.integers(700, size=rows), rng.integers(1, 5000, size=rows) / 100


@pytest.mark.parametrize("frame_of", [name for name in ALL if name not in PATIENT], indirect=True)
def test_a_quarter_of_a_million_rows_in_chunks_are_summed_to_the_right_customers(frame_of):
    who, day, amount = many()
    when = np.datetime64("1997-01-01", "us") + day * np.timedelta64(1, "D")
    table = pa.table({"customer_id": who, "occurred_at": when, "amount": amount})
    table = pa.concat_tables([table.slice(start, 40_000) for start in range(0, len(table), 40_000)])
    h = Interactions.from_frame(frame_of(table), kind="purchase").history(until="1998-12-31", unit="day", spend="all")

    baskets, of_row = np.unique(who * 1000 + day, return_inverse=True)
    ids, start, purchases = np.unique(baskets // 1000, return_index=True, return_counts=True)
    last = np.append(start[1:], baskets.size) - 1
    paid = np.bincount(np.searchsorted(ids, who), weights=amount)
    assert_array_equal(ids, h.customer_id)
    assert_array_equal(purchases - 1, h.x)
    assert_array_equal(baskets[last] - baskets[start], h.t_x)
    assert_array_equal(729 - baskets[start] % 1000, h.T)
    assert_allclose(h.spend, paid / purchases, rtol=1e-12)
    assert of_row.size - baskets.size == h.counts["merged"]


# -- On clusters ---------------------------------------------------------------------------------------------

ASK = """
    import custrel as cr
    log = cr.Interactions.from_frame(frame, kind="purchase", columns={"occurred_at": "date", "amount": "spend"})
    h = log.history(until="1997-09-30", unit="week", log_gaps=True)
    expected = cdnow().history(until="1997-09-30", unit="week", log_gaps=True)
    assert expected.customer_id.tolist() == h.customer_id.tolist()
    for name in ("x", "t_x", "T", "spend", "log_gaps"):
        np.testing.assert_allclose(getattr(h, name), getattr(expected, name), rtol=1e-12, err_msg=name)
"""

SPARK = f"""
import os, sys, time
import numpy as np
from custrel.datasets import cdnow, cdnow_frame
from pyspark.sql import SparkSession
os.environ["PYSPARK_PYTHON"] = sys.executable
builder = SparkSession.builder.master("local-cluster[2,1,1024]").config("spark.ui.enabled", "false")
builder = builder.config("spark.sql.session.timeZone", "UTC").config("spark.driver.host", "127.0.0.1")
session = builder.config("spark.sql.shuffle.partitions", "4").config("spark.driver.bindAddress", "127.0.0.1").getOrCreate()
try:
    workers = session.sparkContext._jsc.sc().getExecutorMemoryStatus
    while workers().size() < 3:  # the driver, too
        time.sleep(0.1)
    data = cdnow_frame()
    columns = [data[name].dt.date if name == "date" else data[name].tolist() for name in data]
    frame = session.createDataFrame(list(zip(*columns)), list(data)).repartition(5)
{ASK}
finally:
    session.stop()
"""

DASK = f"""
import numpy as np
import dask.dataframe as dd
from custrel.datasets import cdnow, cdnow_frame
from distributed import Client, LocalCluster
if __name__ == "__main__":
  with LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster, Client(cluster) as client:
    assert 2 == len(client.scheduler_info()["workers"])
    frame = dd.from_pandas(cdnow_frame(), npartitions=5)
{ASK}
"""


@pytest.mark.slow
@pytest.mark.parametrize(("frame_of", "script"), [("pyspark", SPARK), ("dask", DASK)], indirect=["frame_of"])
def test_two_workers_of_a_cluster_give_the_same_history(frame_of, script, tmp_path):
    if frame_of.name == "dask":
        pytest.importorskip("distributed")
    path = tmp_path / "on_two_workers.py"
    path.write_text(script, encoding="utf-8")
    done = subprocess.run([sys.executable, str(path)], capture_output=True, text=True, check=False, timeout=300)
    assert 0 == done.returncode, done.stderr[-3000:]


# -- Awkward cases: one expected answer, or one of our errors ------------------------------------------------

ROWS = {
    "customer_id": ["a", "b", "a"],
    "occurred_at": [datetime(2020, 1, 1, 5), datetime(2020, 1, 2), datetime(2020, 1, 31, 23, 59, 59)],
    "amount": [1.0, 2.0, 3.0],
}
READ = [("a", "2020-01-01 05:00:00", 1.0), ("b", "2020-01-02 00:00:00", 2.0), ("a", "2020-01-31 23:59:59", 3.0)]


def stamps(*moments, unit="us", tz=None):
    return pa.array(moments, pa.timestamp(unit, tz))


def case(expected, counts=None, *, only=None, drop=False, asked=None, **changed):
    """Columns that differ from ROWS, what is asked of the door, and the rows that are kept or the error."""
    asked = ({"on_invalid": "drop"} if drop or counts else {}) | (asked or {})
    return {"columns": ROWS | changed, "asked": asked, "expected": expected, "counts": counts or {}}


def times(*texts):
    """READ at other times, without the rows for which there is none."""
    return [(who, text, amount) for (who, _, amount), text in zip(READ, texts, strict=True) if text]


def named(*ids):
    return [(who, when, amount) for who, (_, when, amount) in zip(ids, READ, strict=True) if who is not None]


def paid(*amounts):
    return [(who, when, amount) for (who, when, _), amount in zip(READ, amounts, strict=True) if amount is not None]


UNREADABLE = "occurred_at cannot be read as a date or time"
LATE = "occurred_at lies after as_of (2020-01-02)"
NIGHTS = [datetime(2020, 1, 1, 23, 30), datetime(2020, 1, 2), datetime(2020, 6, 30, 22, 30)]
IN_UTC = times("2020-01-01 23:30:00", "2020-01-02 00:00:00", "2020-06-30 22:30:00")
IN_PARIS = times("2020-01-02 00:30:00", "2020-01-02 01:00:00", "2020-07-01 00:30:00")

CASES = {
    "plain": case(READ),
    # How much
    "amounts NaN or null": case(paid(None, None, 3.0), {"amount is missing": 2}, amount=pa.array([NAN, None, 3.0])),
    "amounts all null": case([], {"amount is missing": 3}, amount=pa.nulls(3, pa.float64())),
    "amounts of no type": case([], {"amount is missing": 3}, amount=pa.nulls(3)),
    "amounts not finite": case(
        paid(None, None, 3.0), {"amount is not finite": 2, "amount is below 0": 1}, amount=[INF, -INF, 3.0]
    ),
    "amounts below 0": case(paid(None, 0.0, 3.0), {"amount is below 0": 1}, amount=[-1.0, 0.0, 3.0]),
    "amounts whole": case(paid(1.0, 2.0, 3.0), amount=[1, 2, 3]),
    "amounts whole or null": case(paid(1.0, None, 3.0), {"amount is missing": 1}, amount=[1, None, 3]),
    "amounts of 32 bits": case(paid(0.5, 0.25, 3.0), amount=pa.array([0.5, 0.25, 3.0], pa.float32())),
    "amounts tiny and huge": case(paid(5e-324, 1e308, 1e308), amount=[5e-324, 1e308, 1e308]),
    "amounts text": case((SchemaError, "'amount' must hold numbers; found String"), amount=["1", "2", "3"]),
    "amounts flags": case((SchemaError, "'amount' must hold numbers; found Boolean"), amount=[True, False, True]),
    "amounts lists": case((SchemaError, "'amount' must hold numbers"), amount=[[1], [2], [3]]),
    # When
    "dates": case(
        times("2020-01-01 00:00:00", None, "2020-01-31 00:00:00"),
        {"occurred_at is missing": 1},
        occurred_at=[date(2020, 1, 1), None, date(2020, 1, 31)],
    ),
    "times null": case(
        times("2020-01-01 00:00:00", None, "2020-01-31 00:00:00"),
        {"occurred_at is missing": 1},
        occurred_at=stamps(datetime(2020, 1, 1), None, datetime(2020, 1, 31)),
    ),
    "times null beside an end": case(
        times("2020-01-01 00:00:00", None, "2020-01-02 23:59:59.999999"),
        {"occurred_at is missing": 1},
        asked={"as_of": "2020-01-02"},
        occurred_at=stamps(datetime(2020, 1, 1), None, datetime(2020, 1, 2, 23, 59, 59, 999999)),
    ),
    "times a moment too late": case(
        times("2020-01-01 00:00:00", None, None),
        {"occurred_at is missing": 1, LATE: 1},
        asked={"as_of": "2020-01-02"},
        occurred_at=stamps(datetime(2020, 1, 1), None, datetime(2020, 1, 3)),
    ),
    "times of no type": case([], {"occurred_at is missing": 3}, occurred_at=pa.nulls(3)),
    **{
        f"times in {unit}": case(READ, occurred_at=stamps(*ROWS["occurred_at"], unit=unit))
        for unit in ["s", "ms", "ns"]
    },
    "times of UTC": case(IN_UTC, occurred_at=stamps(*NIGHTS, tz="UTC")),
    "times of Paris on the clock of UTC": case(IN_UTC, occurred_at=stamps(*NIGHTS, tz="Europe/Paris")),
    "times long ago": case(
        times("0001-01-01 00:00:00", "1582-10-10 00:00:00", "1969-12-31 23:59:59.999999"),
        occurred_at=stamps(datetime(1, 1, 1), datetime(1582, 10, 10), datetime(1969, 12, 31, 23, 59, 59, 999999)),
    ),
    "times far ahead": case(
        times("9999-12-31 23:59:59", "1900-03-01 00:00:00", "2000-02-29 00:00:00"),
        occurred_at=stamps(datetime(9999, 12, 31, 23, 59, 59), datetime(1900, 3, 1), datetime(2000, 2, 29)),
    ),
    "times whole numbers": case(
        (SchemaError, "found Int64: make numbers such as"), occurred_at=[19970403, 19970404, 19970405]
    ),
    "times numbers": case((SchemaError, "found Float64: make numbers such as"), occurred_at=[1.0, 2.0, 3.0]),
    "times flags": case((SchemaError, "must hold dates, .* found Boolean"), occurred_at=[True, False, True]),
    "times lists": case((SchemaError, "'occurred_at' must hold dates|more than one way"), occurred_at=[[1], [2], [3]]),
    "times after as_of": case(READ[:2], {LATE: 1}, asked={"as_of": "2020-01-02"}),
    "times after a moment": case(
        READ[:1], {"occurred_at lies after as_of (2020-01-01 05:00:00)": 2}, asked={"as_of": datetime(2020, 1, 1, 5)}
    ),
    # When, as text
    "text of days": case(
        times("2020-01-01 00:00:00", None, "2020-02-29 00:00:00"),
        {"occurred_at is missing": 1},
        occurred_at=["2020-01-01", None, "2020-02-29"],
    ),
    "text of minutes and days": case(
        times("2020-01-01 05:01:00", "2020-01-02 23:59:00", "2020-02-29 00:00:00"),
        occurred_at=["2020-01-01T05:01", "2020-01-02 23:59", "2020-02-29"],
    ),
    "text of seconds, minutes and days": case(
        times("2020-01-01 05:01:02", "2020-01-02 23:59:00", "2020-02-29 00:00:00"),
        occurred_at=["2020-01-01T05:01:02", "2020-01-02 23:59", "2020-02-29"],
    ),
    "text of UTC": case(
        times("2020-01-01 05:01:02", "2020-01-02 23:59:59", "2020-02-29 00:00:00"),
        occurred_at=["2020-01-01T05:01:02Z", "2020-01-02 23:59:59+00:00", "2020-02-29T00:00:00.000Z"],
    ),
    "text of other offsets": case(
        times("2020-01-01 03:01:02", "2020-01-02 05:31:00", "2020-02-29 00:00:00"),
        occurred_at=["2020-01-01T05:01:02+02:00", "2020-01-02 00:01-0530", "2020-02-29"],
    ),
    "text of parts of a second": case(
        times("2020-01-01 05:01:02.500000", "2020-01-02 05:01:02.123456", "2020-02-29 00:00:00"),
        occurred_at=["2020-01-01T05:01:02.5Z", "2020-01-02 05:01:02.123456789", "2020-02-29T00:00:00.000-00:00"],
    ),
    "text of offsets that never were": case(
        times(None, None, "9999-12-30 22:00:00"),
        {UNREADABLE: 2},
        occurred_at=["2020-01-01T05:01:02+2", "2020-01-01T05:01+05:60", "9999-12-30T22:00"],
    ),
    "text of the end of time on another clock": case(
        times(None, None, "2020-02-29 00:00:00"),
        {UNREADABLE: 2},
        occurred_at=["9999-12-31T23:30:00-05:00", "0001-01-01T00:30+01:00", "2020-02-29"],
    ),
    "text of days that never were": case(
        times(None, None, "2000-02-29 00:00:00"),
        {UNREADABLE: 2},
        occurred_at=["1997-02-30", "1900-02-29", "2000-02-29"],
    ),
    "text of days that never were, raised": case(
        (
            PromiseError,
            r"2 of 3 rows .* cannot be read as a date or time: 2 rows, such as .*'occurred_at': '(1997-02-30|2023-02-29)'",
        ),
        occurred_at=["1997-02-30", "2023-02-29", "2020-02-29"],
    ),
    "text of year 0": case(
        times(None, "0001-01-01 00:00:00", "9999-12-31 00:00:00"),
        {UNREADABLE: 1},
        occurred_at=["0000-01-01", "0001-01-01", "9999-12-31"],
    ),
    "text with a line break": case(
        times(None, None, "2020-02-29 00:00:00"),
        {UNREADABLE: 2},
        occurred_at=["2020-01-01\n", "2020-01-01T05:01\n", "2020-02-29"],
    ),
    "text of other digits": case(
        times(None, None, "2020-02-29 00:00:00"),
        {UNREADABLE: 2},
        occurred_at=["٢٠٢٠-٠١-٠١", "٢٠٢٠-01-01", "2020-02-29"],
    ),
    "text of no dates": case([], {UNREADABLE: 3}, occurred_at=["", "soon", " 2020-01-01"]),
    "text all null": case([], {"occurred_at is missing": 3}, occurred_at=pa.nulls(3, pa.string())),
    "text of two orders": case(
        (SchemaError, r"such as '0[34]/04/1997', which can be read in more than one way \(2 rows\): give time_format"),
        occurred_at=["03/04/1997", "04/04/1997", "2020-01-01"],
    ),
    "text of digits": case(
        (SchemaError, r"such as '19970403', which can be read in more than one way"), occurred_at=["19970403"] * 3
    ),
    "text of day, month, year": case(
        times("1997-04-03 00:00:00", None, "1997-12-31 00:00:00"),
        {UNREADABLE: 1},
        asked={"time_format": "%d/%m/%Y"},
        occurred_at=["03/04/1997", "29/02/2023", "31/12/1997"],
    ),
    "text of digits in order": case(
        times("1997-04-03 00:00:00", None, None),
        {UNREADABLE: 1, "occurred_at is missing": 1},
        asked={"time_format": "%Y%m%d"},
        occurred_at=["19970403", "19970231", None],
    ),
    "text of dots and a clock": case(
        times("1997-04-03 05:06:00", None, None),
        {UNREADABLE: 2},
        asked={"time_format": "%d.%m.%Y (%H:%M)"},
        occurred_at=["03.04.1997 (05:06)", "03.04.1997 (25:06)", "03-04-1997 (05:06)"],
    ),
    # Who
    **{
        f"ids of {dtype}": case(named(1, 2, 1), customer_id=pa.array([1, 2, 1], dtype))
        for dtype in ["int8", "int32", "int64", "uint8", "uint32", "uint64"]
    },
    "ids beyond 63 bits": case(
        named(2**64 - 1, 2, 2**64 - 1), customer_id=pa.array([2**64 - 1, 2, 2**64 - 1], pa.uint64())
    ),
    "ids large text": case(READ, customer_id=pa.array(["a", "b", "a"], pa.large_string())),
    "ids categories": case(READ, customer_id=pa.array(["a", "b", "a"]).dictionary_encode()),
    "ids categories of numbers": case(named(1, 2, 1), customer_id=pa.array([1, 2, 1]).dictionary_encode()),
    "ids null": case(named("a", None, "b"), {"customer_id is missing": 1}, customer_id=["a", None, "b"]),
    "ids whole or null": case(named(1, None, 2), {"customer_id is missing": 1}, customer_id=[1, None, 2]),
    "ids empty": case(named("a", None, "b"), {"customer_id is empty": 1}, customer_id=["a", "", "b"]),
    "ids odd text": case(named(" ", 'it\'s "µ"', "\n"), customer_id=[" ", 'it\'s "µ"', "\n"]),
    "ids of no type": case([], {"customer_id is missing": 3}, customer_id=pa.nulls(3)),
    "ids flags": case((SchemaError, "must hold text or whole numbers; found Boolean"), customer_id=[True, False, True]),
    "ids fractions": case((SchemaError, "must hold text or whole numbers; found Float64"), customer_id=[1.5, 2.0, 1.0]),
    "ids not finite": case(
        (SchemaError, "must hold text or whole numbers; found Float64"), customer_id=[1.0, INF, 1.0]
    ),
    "ids beyond what floats tell apart": case(
        (SchemaError, "must hold text or whole"), customer_id=[2.0**53, 2.0, 1.0]
    ),
    # Which
    "copies equal": case(
        [("a", "2020-01-01 00:00:00", 1.0), ("a", "2020-01-01 00:00:00", 2.0)],
        {"interaction_id stands on an equal row too": 1},
        interaction_id=["1", "1", "2"],
        customer_id=["a", "a", "a"],
        occurred_at=[datetime(2020, 1, 1)] * 3,
        amount=[1.0, 1.0, 2.0],
        note=[None, None, "n"],
        tags=[["x"], ["x"], []],
    ),
    "copies that differ": case(READ[2:], {"interaction_id stands on rows that differ": 2}, interaction_id=[1, 1, 2]),
    "copies of nothing": case(READ, interaction_id=[None, None, "2"]),
    "currencies mixed": case(
        [READ[0], READ[2]], {"currency is not USD, that of most rows (EUR 1, USD 2)": 1}, currency=["USD", "EUR", "USD"]
    ),
    "currencies odd": case(
        READ[:1], {"currency does not have the form ^[A-Z]{3}$": 2}, currency=["USD", "usd", "USD\n"]
    ),
    "currencies null": case(READ, currency=["USD", None, "USD"]),
    # What else
    "flags null": case(READ, recurring=[True, None, False]),
    "flags numbers": case((SchemaError, "'recurring' must hold true and false; found Int64"), recurring=[1, 0, 1]),
    "choices": case(
        [READ[0], READ[2]], {"direction is none of inbound, outbound": 1}, direction=["inbound", "in", None]
    ),
    "text of whole numbers or null": case(READ, order_id=[1, None, 2]),
    "numbers kept apart": case(
        [READ[0], READ[2]],
        {"quantity is not above 0": 1, "discount is below 0": 1},
        quantity=[1, 0, None],
        discount=[NAN, -2.0, 1.0],
    ),
    "periods that end before they begin": case(
        READ[1:],
        {"service_start lies after service_end": 1},
        service_start=[date(2020, 1, 2), None, date(2020, 1, 1)],
        service_end=[date(2020, 1, 1), date(2020, 1, 1), None],
    ),
}
CASES["ids categories"]["columns"]["channel"] = pa.array(["web", None, "shop"]).dictionary_encode()

NOT_THERE = {  # Spark has no unsigned numbers; Dask makes text of Python objects before we see them
    *(("pyspark", f"ids of uint{bits}") for bits in (8, 32, 64)),
    ("pyspark", "ids beyond 63 bits"),
    ("dask", "flags null"),
    ("dask", "times lists"),
}
FEW = ["plain", "amounts NaN or null", "dates", "text of seconds, minutes and days", "copies equal"]


def rows_of(log):
    columns = nw.from_native(log.to_frame(), eager_only=True)
    names = "customer_id", "occurred_at", "amount"
    rows = zip(*(map(plain, columns[name].to_numpy()) for name in names), strict=True)
    return sorted(((who, str(when), amount) for who, when, amount in rows), key=repr)


KNOW_ZONES = ["pandas", "pandas-nullable", "pandas-pyarrow", "polars", "polars-lazy", "pyarrow", "dask"]


def test_text_of_another_clock_is_put_on_that_of_the_log_or_refused(frame_of):
    texts = ["2020-01-01T23:30:00Z", "2020-06-30T22:30:00.25-01:00", "2020-06-30 22:30"]
    read = partial(Interactions.from_frame, frame_of(ROWS | {"occurred_at": texts}), kind="purchase", tz="Europe/Paris")
    in_arrow_of_pandas_2 = frame_of.name == "pandas-pyarrow" and pd.__version__ < "3"
    if frame_of.name in KNOW_ZONES and not in_arrow_of_pandas_2:
        shown = ["2020-01-02 00:30:00", "2020-06-30 22:30:00", "2020-07-01 01:30:00.250000"]
        assert shown == sorted(when for _, when, _ in rows_of(read()))
    else:
        with pytest.raises(SchemaError, match="cannot put on the clock of tz='Europe/Paris'"):
            read()


@pytest.mark.parametrize(
    ("frame_of", "case"),
    [
        param
        for param in on_all(CASES, also=FEW)
        if (param.values[0], param.id.removeprefix(f"{param.values[0]}-")) not in NOT_THERE
    ],
    indirect=["frame_of"],
)
def test_every_library_gives_the_one_answer_or_the_one_error(frame_of, case):
    frame = frame_of(case["columns"])
    if isinstance(case["expected"], tuple):
        with pytest.raises(case["expected"][0], match=case["expected"][1]):
            Interactions.from_frame(frame, kind="purchase", **case["asked"])
        return
    log = Interactions.from_frame(frame, kind="purchase", **case["asked"])
    assert case["counts"] == log.audit.counts
    assert sorted(case["expected"], key=repr) == rows_of(log)
    assert (3, len(case["expected"])) == (log.audit.read, log.audit.kept)
    assert len(log) == len(log.to_records())


# -- Zones: each log has one clock ---------------------------------------------------------------------------

CONVERTS = ["pandas", "pandas-nullable", "pandas-pyarrow", "polars", "polars-lazy", "pyarrow", "dask"]


@pytest.mark.parametrize("tz", ["UTC", "Europe/Paris"])
@pytest.mark.parametrize("frame_of", CONVERTS, indirect=True)
def test_times_with_a_zone_are_put_on_the_clock_of_the_log(frame_of, tz):
    frame = frame_of(ROWS | {"occurred_at": stamps(*NIGHTS, tz=tz)})
    assert sorted(IN_PARIS) == rows_of(Interactions.from_frame(frame, kind="purchase", tz="Europe/Paris"))


@pytest.mark.parametrize("frame_of", ["duckdb", "ibis", "pyspark"], indirect=True)
def test_an_engine_that_shows_one_clock_refuses_another(frame_of):
    frame = frame_of(ROWS | {"occurred_at": stamps(*NIGHTS, tz="UTC")})
    with pytest.raises(
        SchemaError, match=rf"{frame_of.name} shows on the clock of its session.* time zone to 'Europe/Paris'"
    ):
        Interactions.from_frame(frame, kind="purchase", tz="Europe/Paris")


@pytest.mark.parametrize("tz", ["UTC", "Europe/Paris"])
def test_a_session_of_duckdb_on_the_clock_of_the_log_is_read(tz):
    connection = pytest.importorskip("duckdb").connect()
    connection.sql("SET TimeZone = 'Europe/Paris'")
    frame = connection.from_arrow(pa.table(ROWS | {"occurred_at": stamps(*NIGHTS, tz=tz)}))
    assert sorted(IN_PARIS) == rows_of(Interactions.from_frame(frame, kind="purchase", tz="Europe/Paris"))
    with pytest.raises(SchemaError, match="shows on the clock of its session"):
        Interactions.from_frame(frame, kind="purchase", tz="UTC")


@pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")  # Ibis 12 asks DuckDB 2 in its old words
def test_what_ibis_says_of_a_zone_is_not_believed():
    session = pytest.importorskip("ibis").duckdb.connect()
    rows = zip(ROWS["customer_id"], NIGHTS, ROWS["amount"], strict=True)
    values = ", ".join(f"('{who}', TIMESTAMPTZ '{when}+00', {amount})" for who, when, amount in rows)
    session.raw_sql(f"CREATE TABLE log AS SELECT * FROM (VALUES {values}) AS t (customer_id, occurred_at, amount)")
    session.raw_sql("SET TimeZone = 'Europe/Paris'")
    frame = session.table("log")
    assert sorted(IN_PARIS) == rows_of(Interactions.from_frame(frame, kind="purchase", tz="Europe/Paris"))
    with pytest.raises(SchemaError, match="shows on the clock of its session"):
        Interactions.from_frame(frame, kind="purchase", tz="UTC")


@pytest.mark.slow
@pytest.mark.parametrize("frame_of", ["pyspark"], indirect=True)
def test_a_session_of_spark_on_the_clock_of_the_log_is_read(frame_of):
    frame = frame_of(ROWS | {"occurred_at": stamps(*NIGHTS, tz="UTC")})
    settings = frame.sparkSession.conf
    settings.set("spark.sql.session.timeZone", "Europe/Paris")
    try:
        assert sorted(IN_PARIS) == rows_of(Interactions.from_frame(frame, kind="purchase", tz="Europe/Paris"))
    finally:
        settings.set("spark.sql.session.timeZone", "UTC")


@pytest.mark.parametrize("frame_of", CONVERTS, indirect=True)
def test_the_hours_that_clocks_skip_and_show_twice_fall_on_their_day(frame_of):
    moments = [
        datetime(2024, 3, 31, 0, 59),
        datetime(2024, 3, 31, 1),
        datetime(2024, 10, 27, 0, 30),
        datetime(2024, 10, 27, 1, 30),
    ]
    frame = frame_of({"customer_id": [1, 2, 3, 4], "occurred_at": stamps(*moments, tz="UTC"), "amount": [1.0] * 4})
    log = Interactions.from_frame(frame, kind="purchase", tz="Europe/Paris")
    shown = [str(moment.replace(tzinfo=UTC).astimezone(PARIS).replace(tzinfo=None)) for moment in moments]
    assert list(zip([1, 2, 3, 4], shown, [1.0] * 4, strict=True)) == rows_of(log)


# -- Empty, short, unsorted ----------------------------------------------------------------------------------

EMPTY = {
    "typed": pa.table(ROWS).slice(0, 0),
    "untyped": pa.table({name: pa.nulls(0) for name in ROWS}),
}


@pytest.mark.parametrize(("frame_of", "table"), on_all(EMPTY), indirect=["frame_of"])
def test_an_empty_frame_is_an_empty_log_that_has_no_history(frame_of, table):
    log = Interactions.from_frame(frame_of(table), kind="purchase", as_of="2024-01-01")
    assert (0, 0, []) == (len(log), log.audit.read, log.to_records())
    for asked in ({}, {"log_gaps": True}, {"spend": "all"}, {"since": "2020-01-01"}):
        with pytest.raises(DomainError, match="no customer of this log bought by until=2024-01-01"):
            log.history(until="2024-01-01", **asked)
    assert 0 == len(log.purchases_between("2020-01-01", "2024-01-01").customer_id)
    assert [0] == log.purchases_between("2020-01-01", "2024-01-01", customers=["a"]).purchases.tolist()


@pytest.mark.parametrize(
    ("frame_of", "spend"), on_all({"repeat": "repeat", "all": "all"}, also=["repeat"]), indirect=["frame_of"]
)
def test_rows_in_any_order_make_one_history(frame_of, spend):
    backwards = pa.table(ROWS).take([2, 1, 0])
    log = Interactions.from_frame(frame_of(backwards), kind="purchase")
    h = log.history(until="2020-02-01", unit="day", spend=spend, log_gaps=True)
    assert [["a", "b"], [1, 0], [30, 0], [31, 30]] == [v.tolist() for v in (h.customer_id, h.x, h.t_x, h.T)]
    assert_allclose(h.spend, [3.0, NAN] if spend == "repeat" else [2.0, 2.0])
    assert_allclose(h.log_gaps, [np.log(30), 0.0])


@pytest.mark.parametrize("frame_of", [name for name in ALL if name not in PATIENT], indirect=True)
def test_one_row_is_one_customer(frame_of):
    h = Interactions.from_frame(frame_of(pa.table(ROWS).slice(0, 1)), kind="purchase").history(until="2020-01-01")
    assert (["a"], [0], [0]) == (h.customer_id.tolist(), h.x.tolist(), h.T.tolist())


# -- What else stands in a frame -----------------------------------------------------------------------------

INNER = [
    "__period",
    "n",
    "rows",
    "first",
    "last",
    "copies",
    "__versions",
    "first_amount",
    "x",
    "reason_0",
    "literal",
    "index",
]
ODD = ["a b", 'a"b', "a'b", "é", "select", "Customer_ID2", " amount", "{x}", "%s", ":y", "$1", "\\"]


@pytest.mark.parametrize(("frame_of", "names"), on_all({"inner": INNER, "odd": ODD}), indirect=["frame_of"])
def test_columns_of_any_name_survive_beside_ours(frame_of, names):
    if frame_of.name == "duckdb" and version("duckdb") < "2":
        names = [name for name in names if '"' not in name]
    columns = (
        ROWS
        | {"interaction_id": ["1", "1", "2"], "currency": ["USD", "USD", "EUR"]}
        | {name: [1, 2, 3] for name in names}
    )
    frame = frame_of(columns)
    log = Interactions.from_frame(frame, kind="purchase", on_invalid="drop", as_of="2021-01-01")
    assert 0 == len(log.history(until="2020-02-01", spend="all")) - 1
    left = nw.from_native(log.to_frame(), eager_only=True)
    assert set(columns) == set(left.columns)
    assert [3] * len(names) == [left[name].to_list()[0] for name in names]


@pytest.mark.parametrize(
    ("frame_of", "name"), [("pyspark", "a.b"), ("pyspark", "a`b"), ("duckdb", 'a"b')], indirect=["frame_of"]
)
def test_names_that_an_engine_takes_for_its_language_are_refused(frame_of, name):
    if frame_of.name == "duckdb" and version("duckdb") >= "2":
        pytest.skip("DuckDB 2 knows every name")
    with pytest.raises(SchemaError, match=f"rename '{name}'"):
        Interactions.from_frame(frame_of(ROWS | {name: [1, 2, 3]}), kind="purchase")


@pytest.mark.parametrize("frame_of", [name for name in ALL if name not in PATIENT], indirect=True)
def test_columns_of_lists_and_objects_survive_beside_ours(frame_of):
    log = Interactions.from_frame(frame_of(ROWS | {"tags": [["x"], [], None], "size": [{"w": 1}] * 3}), kind="purchase")
    attributes = {record.amount: record.attributes for record in log.to_records()}
    assert {"tags": ["x"], "size": {"w": 1}} == attributes[1]
    assert {"size": {"w": 1}} == attributes[3]


@pytest.mark.parametrize("frame_of", [name for name in ALL if name not in PATIENT], indirect=True)
def test_a_name_that_differs_in_case_is_another_column_or_is_refused(frame_of):
    frame = frame_of(
        ROWS | {"Amount": [7, 8, 9], "spend": [1, 2, 3]}
        if frame_of.name not in {"duckdb", "ibis"}
        else {"customer_id": ["a"], "occurred_at": [datetime(2020, 1, 1)], "Amount": [7], "spend": [1]}
    )
    asked = {"kind": "purchase", "columns": {"amount": "spend"}}
    with pytest.raises(SchemaError, match=r"column '[Aa]mount' is there, and 'spend' is mapped to 'amount'"):
        Interactions.from_frame(frame, **asked)


@pytest.mark.parametrize("frame_of", [name for name in ALL if name not in PATIENT], indirect=True)
def test_names_that_are_used_inside_are_refused(frame_of):
    with pytest.raises(SchemaError, match="rename column '__custrel_unreadable_occurred_at'"):
        Interactions.from_frame(frame_of(ROWS | {"__custrel_unreadable_occurred_at": ["x"] * 3}), kind="purchase")


# -- What one library alone can hold -------------------------------------------------------------------------


def pandas_rows(**changed):
    return pd.DataFrame(ROWS | changed)


OBJECTS = {
    "dates": ([date(2020, 1, 1), None, date(2020, 1, 31)], "occurred_at"),
    "datetimes": ([datetime(2020, 1, 1), pd.NaT, datetime(2020, 1, 31)], "occurred_at"),
    "timestamps": ([pd.Timestamp("2020-01-01"), None, pd.Timestamp("2020-01-31")], "occurred_at"),
    "moments of NumPy": ([np.datetime64("2020-01-01"), None, np.datetime64("2020-01-31")], "occurred_at"),
    "decimals": ([Decimal("1.10"), None, Decimal("2.20")], "amount"),
    "numbers": ([1, None, 2.5], "amount"),
    "whole numbers": ([1, None, 2], "customer_id"),
    "text": (["a", None, "b"], "customer_id"),
}


@pytest.mark.parametrize(("values", "name"), OBJECTS.values(), ids=OBJECTS)
def test_python_objects_in_pandas_are_what_they_hold(values, name):
    log = Interactions.from_frame(
        pandas_rows(**{name: pd.Series(values, dtype=object)}), kind="purchase", on_invalid="drop"
    )
    assert {f"{name} is missing": 1} == log.audit.counts
    read = {"customer_id": plain, "occurred_at": lambda value: str(value)[:10], "amount": float}[name]
    expected = [read(value) for value in values if value is not None and value is not pd.NaT]
    place = ["customer_id", "occurred_at", "amount"].index(name)
    assert expected == [read(row[place]) for row in sorted(rows_of(log), key=lambda row: str(row[place]))]


MIXED = {
    "ids of text and numbers": ("customer_id", ["a", 1, 2]),
    "ids beyond 64 bits": ("customer_id", [2**70, 1, 2]),
    "ids of bytes": ("customer_id", [b"a", b"b", b"c"]),
    "times of two zones": (
        "occurred_at",
        [pd.Timestamp("2020-01-01", tz="UTC"), pd.Timestamp("2020-01-01", tz="Asia/Tokyo"), None],
    ),
    "times with and without a zone": (
        "occurred_at",
        [pd.Timestamp("2020-01-01", tz="UTC"), pd.Timestamp("2020-01-01"), None],
    ),
    "times of text and dates": ("occurred_at", ["2020-01-01", date(2020, 1, 1), None]),
    "amounts of text and numbers": ("amount", ["1", 2, 3]),
    "flags of numbers": ("recurring", [True, 1, "yes"]),
}


@pytest.mark.parametrize(("name", "values"), MIXED.values(), ids=MIXED)
def test_objects_of_several_kinds_are_refused_by_name(name, values):
    with pytest.raises(
        SchemaError, match=f"column '{name}' must hold .*; found Object: its rows do not hold values of one kind"
    ):
        Interactions.from_frame(pandas_rows(**{name: pd.Series(values, dtype=object)}), kind="purchase")


@pytest.mark.parametrize(("name", "values"), MIXED.values(), ids=MIXED)
def test_objects_of_several_kinds_may_stand_beside_ours(name, values):
    log = Interactions.from_frame(pandas_rows(beside=pd.Series(values, dtype=object)), kind="purchase")
    assert [name is not None] * 3 == [record.attributes.keys() <= {"beside"} for record in log.to_records()]


@pytest.mark.parametrize(
    "index", [[5, 5, 5], ["x", None, "x"], pd.MultiIndex.from_tuples([(1, 2), (1, 2), (3, 4)])], ids=str
)
def test_the_index_of_pandas_is_no_column_and_changes_nothing(index):
    frame = pandas_rows(
        occurred_at=["2020-01-01", "x", "2020-01-31"], interaction_id=["1", "2", "3"], recurring=[None, None, None]
    )
    frame.index = index
    log = Interactions.from_frame(frame, kind="purchase", on_invalid="drop", as_of="2021-01-01")
    assert [("a", "2020-01-01 00:00:00", 1.0), ("a", "2020-01-31 00:00:00", 3.0)] == rows_of(log)
    assert [1.0] == log.history(until="2020-02-01").x.tolist()


def test_whole_ids_that_pandas_holds_as_floats_are_whole_again():
    log = Interactions.from_frame(pandas_rows(customer_id=[1.0, NAN, 2.0]), kind="purchase", on_invalid="drop")
    assert [1, 2] == [row[0] for row in rows_of(log)]
    assert ["int", "int"] == [type(record.customer_id).__name__ for record in log.to_records()]


def test_categories_of_times_and_numbers_are_times_and_numbers():
    frame = pandas_rows(occurred_at=pd.Categorical(ROWS["occurred_at"]), amount=pd.Categorical([1.0, 2.0, 3.0]))
    assert sorted(READ) == rows_of(Interactions.from_frame(frame, kind="purchase"))


@pytest.mark.parametrize("name", ["Categorical", "Enum"])
def test_categories_of_polars_are_their_text(name):
    pl = pytest.importorskip("polars")
    dtype = {"Categorical": pl.Categorical, "Enum": pl.Enum(["2020-01-01", "a", "b", "web"])}[name]
    frame = pl.DataFrame(
        {"customer_id": ["a", "b"], "occurred_at": ["2020-01-01"] * 2, "amount": [1, 2], "channel": ["web", None]}
    )
    log = Interactions.from_frame(
        frame.with_columns(pl.col("customer_id", "occurred_at", "channel").cast(dtype)), kind="purchase"
    )
    assert [("a", "2020-01-01 00:00:00", 1.0), ("b", "2020-01-01 00:00:00", 2.0)] == rows_of(log)
    assert ["web", None] == [record.channel for record in log.to_records()]


def test_duckdb_reads_its_own_types():
    connection = pytest.importorskip("duckdb").connect()
    frame = connection.sql(
        "SELECT 7::SMALLINT AS customer_id, 'web'::ENUM('web', 'shop') AS channel, TIMESTAMP_S '2020-01-01 05:00:00' AS occurred_at, "
        "1.25::DECIMAL(18, 3) AS amount, NULL AS order_id, uuid() AS other"
    )
    log = Interactions.from_frame(frame, kind="purchase")
    assert [(7, "2020-01-01 05:00:00", 1.25)] == rows_of(log)
    assert ["web"] == [record.channel for record in log.to_records()]
    assert [7] == log.history(until="2020-02-01").customer_id.tolist()
    wide = frame.project("* REPLACE (7::HUGEINT AS customer_id)")
    with pytest.raises(
        SchemaError, match="'customer_id' must hold text or whole numbers; found Int128: cast it to 64 bits or to text"
    ):
        Interactions.from_frame(wide, kind="purchase")


@pytest.mark.parametrize("frame_of", [name for name in ALL if name not in PATIENT], indirect=True)
def test_decimal_amounts_are_numbers(frame_of):
    frame = frame_of(ROWS | {"amount": [Decimal("1.10"), Decimal("2.20"), None]})
    log = Interactions.from_frame(frame, kind="purchase", on_invalid="drop")
    assert {"amount is missing": 1} == log.audit.counts
    assert paid(1.1, 2.2, None) == rows_of(log)


@pytest.mark.parametrize("frame_of", [name for name in ALL if name not in PATIENT], indirect=True)
def test_times_of_day_and_durations_are_no_times(frame_of):
    for values in ([timedelta(1)] * 3, [datetime(2020, 1, 1).time()] * 3):
        with pytest.raises(
            SchemaError, match="column 'occurred_at' must hold dates, datetimes or ISO 8601 text; found"
        ):
            Interactions.from_frame(frame_of(ROWS | {"occurred_at": values}), kind="purchase")


# -- Tables of customers -------------------------------------------------------------------------------------


def test_a_table_of_customers_is_read_from_every_library(frame_of):
    table = {"who": ["a", "b"], "frequency": [2, 0], "recency": [3.5, 0.0], "T": [4, 4], "money": [1.5, 0.0]}
    h = History.from_summary(
        frame_of(table), unit="week", x="frequency", t_x="recency", spend="money", customer_id="who"
    )
    order = np.argsort(h.customer_id)
    assert [["a", "b"], [2, 0], [3.5, 0]] == [v[order].tolist() for v in (h.customer_id, h.x, h.t_x)]
    assert_array_equal([1.5, NAN], h.spend[order])
    assert frame_of.leaves == h.like
