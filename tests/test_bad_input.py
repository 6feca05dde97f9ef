"""Whatever comes through a door: one of our errors, or a right answer; and the caller's frame is as it was."""

import math
import warnings
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import partial

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from custrel import History, Interactions
from custrel.errors import CustrelError, DomainError, SchemaError
from custrel.records import KINDS

pa = pytest.importorskip("pyarrow")

patient = partial(settings, deadline=None, suppress_health_check=[HealthCheck.too_slow])


class Thing:
    """What no argument may be; its words are the same in every process."""

    def __repr__(self):
        return "a thing"


SLOW = partial(pytest.param, marks=pytest.mark.slow)
quick = pytest.mark.parametrize("frame_of", ["pandas", "polars", "pyarrow", SLOW("duckdb")], indirect=True)
ROWS = {"customer_id": ["a", "b"], "occurred_at": ["2024-05-01", "2024-05-02"], "amount": [1.0, 2.0]}


@pytest.fixture(scope="module")
def log():
    return Interactions.from_frame(pd.DataFrame(ROWS), kind="purchase")


# -- Any values in any columns -------------------------------------------------------------------------------

SIZE = 3
moments = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30))
texts = st.text(max_size=6) | st.from_regex(r"[0-9]{4}-[0-9]{2}-[0-9]{2}( [0-9]{2}:[0-9]{2})?\n?", fullmatch=True)
COLUMNS = {
    pa.string(): texts,
    pa.large_string(): texts,
    pa.int8(): st.integers(-128, 127),
    pa.int64(): st.integers(-(2**63), 2**63 - 1),
    pa.uint64(): st.integers(0, 2**64 - 1),
    pa.float32(): st.floats(width=32),
    pa.float64(): st.floats() | st.integers(-5, 5).map(float),
    pa.bool_(): st.booleans(),
    pa.date32(): st.dates(),
    pa.timestamp("s"): moments,
    pa.timestamp("us"): moments,
    pa.timestamp("ns"): st.datetimes(datetime(1700, 1, 1), datetime(2250, 1, 1)),
    pa.timestamp("us", "UTC"): moments,
    pa.timestamp("us", "Asia/Tokyo"): st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1)),
    pa.time64("us"): st.times(),
    pa.duration("us"): st.timedeltas(timedelta(-9), timedelta(9)),
    pa.decimal128(20, 3): st.decimals(-(10**9), 10**9, places=3),
    pa.binary(): st.binary(max_size=3),
    pa.null(): st.none(),
    pa.list_(pa.int64()): st.lists(st.integers(0, 9), max_size=2),
}


@st.composite
def any_column(draw, size):
    dtype = draw(st.sampled_from(list(COLUMNS)))
    values = draw(st.lists(COLUMNS[dtype] | st.none(), min_size=size, max_size=size))
    return pa.array(values, dtype)


@st.composite
def any_table(draw):
    """A purchase log in which one, two or all of the columns hold anything."""
    size = draw(st.integers(0, SIZE))
    good = {
        "customer_id": ["a", "b", "a"],
        "occurred_at": [datetime(2024, 5, 1 + i) for i in range(3)],
        "amount": [1.0, 2.0, 3.0],
    }
    names = draw(
        st.lists(
            st.sampled_from([*good, "currency", "interaction_id", "recurring", "service_end", "own"]),
            max_size=3,
            unique=True,
        )
    )
    return {name: pa.array(values[:size]) for name, values in good.items()} | {
        name: draw(any_column(size)) for name in names
    }


@quick
@patient(max_examples=40)
@given(
    table=any_table(),
    tz=st.sampled_from(["UTC", "Europe/Paris"]),
    on_invalid=st.sampled_from(["raise", "drop"]),
    as_of=st.none() | st.dates(),
    time_format=st.none() | st.sampled_from(["%d/%m/%Y", "%Y%m%d"]),
)
def test_any_column_is_read_or_refused_by_us(frame_of, table, tz, on_invalid, as_of, time_format):
    try:
        log = Interactions.from_frame(
            frame_of(table), kind="purchase", tz=tz, on_invalid=on_invalid, as_of=as_of, time_format=time_format
        )
    except CustrelError as error:
        assert str(error)
        return
    assert len(log) == log.audit.kept <= log.audit.read == len(table["amount"])
    rows = log.to_frame()
    assert len(log) == len(nw.from_native(rows, eager_only=True))
    try:
        h = log.history(until="9999-12-31", unit="day", log_gaps=True)
    except CustrelError:
        assert 0 == len(log)
        return
    assert len(log) == h.x.sum() + len(h) + h.counts["merged"]
    assert len(h) == len(h.to_frame())
    assert np.isfinite(h.t_x).all()


@patient(max_examples=60)
@given(
    values=st.lists(
        st.none()
        | st.floats()
        | st.integers()
        | texts
        | st.booleans()
        | st.binary(max_size=2)
        | st.dates()
        | moments
        | st.decimals(allow_nan=False)
        | st.just(Decimal("NaN"))
        | st.just(pd.NaT)
        | st.just(pd.NA)
        | st.builds(object)
        | st.lists(st.none(), max_size=1)
        | moments.map(lambda t: t.replace(tzinfo=UTC)),
        min_size=1,
        max_size=3,
    ),
    name=st.sampled_from(["customer_id", "occurred_at", "amount", "recurring", "own", "interaction_id"]),
)
@example(values=[10**400], name="amount")
@example(values=[date(1, 1, 1), datetime(9999, 12, 31)], name="occurred_at")
def test_any_python_objects_in_pandas_are_read_or_refused_by_us(values, name):
    columns = {key: (column * 2)[: len(values)] for key, column in ROWS.items()} | {
        name: pd.Series(values, dtype=object)
    }
    frame = pd.DataFrame(columns)
    before = frame.copy(deep=True)
    try:
        log = Interactions.from_frame(frame, kind="purchase", on_invalid="drop")
        log.to_frame()
        assert len(log) == len(log.to_records())
    except CustrelError as error:
        assert str(error)
    pd.testing.assert_frame_equal(before, frame)
    assert [id(value) for value in before[name]] == [id(value) for value in frame[name]] or before[name].equals(
        frame[name]
    )


# -- Columns that are not there, and odd names ---------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("frame_of", ["pandas", "polars"], indirect=True)
def test_a_frame_without_the_columns_is_told_which_are_missing(frame_of, kind):
    with pytest.raises(
        SchemaError,
        match=rf"no column 'customer_id' for {kind} .*; did you mean 'customer_ID'\?; the frame has 'customer_ID', 'when'",
    ):
        Interactions.from_frame(frame_of({"customer_ID": [1], "when": ["2024-05-01"]}), kind=kind)


@quick
@patient(max_examples=20)
@given(name=st.text(max_size=8), theirs=st.text(max_size=8))
def test_any_name_of_a_column_is_read_or_refused_by_us(frame_of, name, theirs):
    assume(len({name, theirs, "occurred_at", "amount"}) == 4)
    try:
        frame = frame_of({theirs: ["a"], "occurred_at": ["2024-05-01"], "amount": [1.0], name: [1]})
        nw.from_native(frame).lazy().collect()
    except Exception:  # noqa: BLE001 - the library itself cannot hold such names
        return
    try:
        log = Interactions.from_frame(frame, kind="purchase", columns={"customer_id": theirs})
    except CustrelError as error:
        assert str(error)
        return
    assert ["a"] == log.history(until="2024-05-02").customer_id.tolist()


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (pd.DataFrame({1: ["a"], "amount": [1]}), "column names must be text; found 1"),
        (
            pd.DataFrame([["a", 1]], columns=pd.MultiIndex.from_tuples([("a", "b"), ("c", "d")])),
            r"column names must be text; found \('a', 'b'\)",
        ),
        (pd.DataFrame([["a", "b"]], columns=["customer_id", "customer_id"]), "found DataFrame: .*[cC]olumn"),
        (None, "expected a frame of .*; found NoneType"),
        ("customer_id", "expected a frame of .*; found str"),
        ([{"customer_id": 1}], "expected a frame of .*; found list"),
        ({"customer_id": [1]}, "expected a frame of .*; found dict"),
        (np.zeros((2, 2)), "expected a frame of .*; found ndarray"),
        (pd.Series([1, 2]), "expected a frame of .*; found Series"),
        (Thing(), "expected a frame of .*; found Thing"),
        (pd.DataFrame(), "no column 'customer_id' .*; the frame has none"),
    ],
    ids=str,
)
def test_what_is_no_frame_is_refused(frame, message):
    with pytest.raises(SchemaError, match=message):
        Interactions.from_frame(frame, kind="purchase")
    with pytest.raises(SchemaError):
        History.from_summary(frame, unit="week")


# -- Arguments that are none of those ------------------------------------------------------------------------

ANYTHING = [
    None,
    "",
    "x",
    5,
    -1.5,
    math.nan,
    True,
    [],
    {},
    ("UTC",),
    Thing(),
    b"UTC",
    "Europe/Pari",
    "../etc/passwd",
    "\0",
]


@pytest.mark.parametrize("value", ANYTHING, ids=repr)
@pytest.mark.parametrize("name", ["kind", "tz", "on_invalid", "columns", "time_format", "as_of"])
def test_any_argument_of_the_door_is_taken_or_refused_by_us(name, value):
    if name in {"columns", "time_format", "as_of"} and value in (None, {}):
        return
    with pytest.raises((SchemaError, DomainError), match=name):
        Interactions.from_frame(pd.DataFrame(ROWS), **{"kind": "purchase"} | {name: value})


@pytest.mark.parametrize("value", ANYTHING, ids=repr)
@pytest.mark.parametrize("name", ["until", "since", "unit", "grain", "spend"])
def test_any_argument_of_a_history_is_taken_or_refused_by_us(name, value, log):
    if name == "since" and value is None:
        return
    with pytest.raises(DomainError, match=name):
        log.history(**{"until": "2024-06-01"} | {name: value})


@pytest.mark.parametrize(
    "time_format",
    ["%d/%m/%y", "%d/%m", "%Y", "%", "%Y%Y%m%d", "%Y-%m-%d %", "%Y-%m-%d%%", "%j %Y", "%Y-%m-%d\n%", "text"],
)
def test_a_time_format_that_is_not_of_fixed_width_and_whole_is_refused(time_format):
    with pytest.raises(DomainError, match="time_format"):
        Interactions.from_frame(pd.DataFrame(ROWS), kind="purchase", time_format=time_format)


@pytest.mark.parametrize("frame_of", ["pandas", "polars", SLOW("duckdb")], indirect=True)
@patient(max_examples=8)
@given(
    order=st.permutations(["%Y", "%m", "%d", "%H", "%M", "%S"]),
    marks=st.lists(st.sampled_from(list("/.-: ()[]{}|^$+*?\\,;_#&~'\"é")) | st.just(""), min_size=6, max_size=6),
    moment=st.datetimes(datetime(1000, 1, 1), datetime(9999, 12, 31)).map(lambda t: t.replace(microsecond=0)),
)
def test_a_time_format_reads_what_it_writes(frame_of, order, marks, moment):
    time_format = "".join(part + mark for part, mark in zip(order, marks, strict=True))
    text = time_format
    for letter in "YmdHMS":
        text = text.replace(f"%{letter}", moment.strftime(f"%{letter}"))
    frame = frame_of(ROWS | {"occurred_at": [text, None]})
    log = Interactions.from_frame(frame, kind="purchase", time_format=time_format, on_invalid="drop")
    assert [moment] == [record.occurred_at.replace(tzinfo=None) for record in log.to_records()]


OFFSETS = r"Z|[+-][012]\d:?\d\d"


@patient(max_examples=40)
@given(
    st.text(max_size=12)
    | st.dates().map(str)
    | st.datetimes().map(str)
    | st.from_regex(r"^\d{4}-\d\d-\d\d$", fullmatch=True)
    | st.builds(
        "{}{}{}".format, st.datetimes(), st.sampled_from(["", ".5", "123"]), st.from_regex(OFFSETS, fullmatch=True)
    )
)
def test_text_is_a_time_to_us_only_where_it_is_one_to_python(text):
    try:
        log = Interactions.from_frame(
            pd.DataFrame(ROWS | {"occurred_at": [text, None]}), kind="purchase", on_invalid="drop"
        )
    except SchemaError:
        return
    for record in log.to_records():
        said = datetime.fromisoformat(text)
        assert record.occurred_at == (said if said.tzinfo else said.replace(tzinfo=UTC))


# -- Nothing of the caller's is changed ----------------------------------------------------------------------

LOG = {
    "customer_id": pd.Categorical(["b", "a", "b", None]),
    "occurred_at": pd.Series(["2024-05-01", "x", "2024-05-03", "2024-05-04"], dtype=object),
    "amount": pd.Series([Decimal("1.5"), None, Decimal(2), Decimal(-1)], dtype=object),
    "day": pd.Series([date(2024, 5, 1)] * 4, dtype=object),
    "currency": ["EUR", "EUR", "USD", "EUR"],
    "interaction_id": ["1", "1", "2", None],
}


def test_the_frame_of_pandas_is_as_it_was():
    frame = pd.DataFrame(LOG)
    frame.index = [3, 3, 1, 0]
    before, columns = frame.copy(deep=True), list(frame)
    log = Interactions.from_frame(frame, kind="purchase", on_invalid="drop")
    log.history(until="2024-06-01")
    log.to_frame()["amount"] = 0.0
    pd.testing.assert_frame_equal(before, frame)
    assert columns == list(frame)


@pytest.mark.parametrize("frame_of", ["polars", "pyarrow", "duckdb"], indirect=True)
def test_the_frame_of_any_library_is_as_it_was(frame_of):
    frame = frame_of({"customer_id": ["a", None], "occurred_at": ["2024-05-01", "x"], "amount": [1.0, math.nan]})
    before = nw.from_native(frame).lazy().collect().to_dict(as_series=False)
    log = Interactions.from_frame(frame, kind="purchase", on_invalid="drop")
    log.history(until="2024-06-01")
    assert repr(before) == repr(nw.from_native(frame).lazy().collect().to_dict(as_series=False))


def test_no_setting_of_another_library_is_changed():
    def settings_of_others():
        # numpy's errors, pandas' options, the filters of warnings
        return (
            np.geterr(),
            pd.get_option("display.max_rows"),
            pd.get_option("mode.copy_on_write") if pd.__version__ < "3" else None,
            list(warnings.filters),
        )

    before = settings_of_others()
    log = Interactions.from_frame(pd.DataFrame(LOG), kind="purchase", on_invalid="drop")
    log.history(until="2024-06-01", log_gaps=True)
    log.to_records()
    assert before == settings_of_others()
