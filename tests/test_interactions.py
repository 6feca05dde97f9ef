"""A log of interactions: rows become columns and rows again, and what a row may not be, a column may not hold."""

import math
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from functools import partial
from types import MappingProxyType

import narwhals.stable.v2 as nw
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from custrel import Case, Interactions, Purchase, Review, SupportContact, SurveyResponse
from custrel.audit import Audit, Finding
from custrel.errors import DomainError, PromiseError, SchemaError
from custrel.promises import columns_of
from custrel.records import INTERACTIONS, KINDS, NotAfter, Within

pa = pytest.importorskip("pyarrow")

patient = partial(settings, deadline=None, suppress_health_check=[HealthCheck.too_slow])
SLOW = partial(pytest.param, marks=pytest.mark.slow)
each_kind = pytest.mark.parametrize("kind", KINDS)
MAY = datetime(2024, 5, 1, 9, 30, tzinfo=UTC)


def purchase(who="c1", when=MAY, amount="12.50", **more):
    return Purchase(customer_id=who, occurred_at=when, amount=amount, **more)


def log_of(**columns):
    size = max(map(len, columns.values()), default=1)
    rows = {"customer_id": ["c1"] * size, "occurred_at": ["2024-05-01"] * size, "amount": [1.0] * size}
    return Interactions.from_frame(pd.DataFrame(rows | columns), kind="purchase")


# -- Values that keep a field's promise, and values that may not ---------------------------------------------

moments = st.datetimes(datetime(1990, 1, 1), datetime(2030, 1, 1))
words = st.text(min_size=1, max_size=8)
finite = st.floats(-1e9, 1e9)


def good(column, ids):
    """Values of a column that keep its promise."""
    low = column.at_least if column.at_least is not None else column.above
    values = {
        "id": ids,
        "moment": moments,
        "number": st.floats(-1e9 if low is None else low, 1e9, exclude_min=column.above is not None),
        "whole": st.integers(0, 2**53 - 1).map(float),
        "flag": st.booleans(),
        "text": st.sampled_from(column.choices) if column.choices else words,
    }[column.holds]
    return st.sampled_from(["EUR", "USD"]) if column.pattern else values


def any_value(column, ids):
    """Values that a column of the right type can hold, whether or not the promise is kept."""
    loose = {
        "id": ids | (st.just("") if ids is words else st.nothing()),
        "number": st.floats(width=64) | finite,
        "whole": st.floats(0, 9) | st.sampled_from([math.inf, 1e300, 2.0**53]),
        "text": st.sampled_from(["", "other", "USD\n", "usd"]),
    }
    return good(column, ids) | loose.get(column.holds, st.nothing()) | st.none()


@st.composite
def tables(draw, kind, values, *, optional=True):
    """Columns of a kind, each with the values of a few rows."""
    columns = columns_of(KINDS[kind])
    ids = draw(st.sampled_from([words, st.integers(-(2**53) + 1, 2**53 - 1)]))
    size = draw(st.integers(1, 5))
    chosen = {name: column for name, column in columns.items() if column.required or (optional and draw(st.booleans()))}
    chosen.pop("interaction_id", None)
    of = {name: partial(values, ids=words if name != "customer_id" else ids) for name in chosen}
    return {name: draw(st.lists(of[name](column), min_size=size, max_size=size)) for name, column in chosen.items()}


TYPES = {
    "moment": pa.timestamp("us"),
    "number": pa.float64(),
    "whole": pa.float64(),
    "flag": pa.bool_(),
    "text": pa.string(),
}


def typed(kind, table):
    columns = columns_of(KINDS[kind])
    types = {name: TYPES.get(columns[name].holds) for name in table}
    ids = {name: pa.int64() if any(isinstance(value, int) for value in table[name]) else pa.string() for name in table}
    return {name: pa.array(values, types[name] or ids[name], from_pandas=True) for name, values in table.items()}


def as_record(kind, table, row):
    """One row of a table as the dictionary of a record; NaN is how a frame says missing."""
    said = {
        name: values[row] for name, values in table.items() if values[row] is not None and values[row] == values[row]
    }
    for name in [name for name in said if name.endswith(("_low", "_high"))]:
        said.setdefault("scale", [None, None])[name.endswith("_high")] = said.pop(name)
    for name in said.keys() & {name for name, column in columns_of(KINDS[kind]).items() if column.holds == "number"}:
        said[name] = repr(said[name]) if math.isfinite(said[name]) else said[name]
    return {"kind": kind, **said}


def keeps_its_promises(record):
    try:
        INTERACTIONS.validate_python([record], context={"tz": "UTC"})
    except ValidationError:
        return False
    return True


@pytest.mark.parametrize("frame_of", ["pandas", "polars", SLOW("pyarrow"), SLOW("duckdb")], indirect=True)
@each_kind
def test_a_column_may_hold_what_a_row_may_be(frame_of, kind):
    @patient(max_examples=5)
    @given(tables(kind, any_value))
    def agree(table):
        size = len(next(iter(table.values())))
        frame = frame_of(typed(kind, table) | {"__row": list(range(size))})
        log = Interactions.from_frame(frame, kind=kind, on_invalid="drop")
        kept = nw.from_native(log.to_frame(), eager_only=True)["__row"].to_list()
        # Currencies that differ break a promise of the log, which no row could keep or break alone.
        others = {row for row in range(size) if "currency" in table and len(set(filter(None, table["currency"]))) > 1}
        expected = [row for row in range(size) if keeps_its_promises(as_record(kind, table, row))]
        assert set(expected) - others == set(kept) - others
        assert set(kept) <= set(expected)

    agree()


@each_kind
def test_the_log_reads_every_field_of_a_record_but_attributes(kind):
    fields = set(KINDS[kind].model_fields) - {"kind", "attributes", "scale"}
    scale = {"scale_low", "scale_high"} if "scale" in KINDS[kind].model_fields else set()
    assert fields | scale == set(columns_of(KINDS[kind]))


# -- Records to columns and back -----------------------------------------------------------------------------

words_of_json = st.none() | st.booleans() | st.integers() | finite | words
attributes = st.dictionaries(words, words_of_json | st.lists(words_of_json, max_size=2), max_size=2)


def kept_promises(model, said):
    """The row bent until its pairs of fields keep their promises."""
    for promise in model.promises:
        if isinstance(promise, NotAfter) and {promise.earlier, promise.later} <= said.keys():
            said[promise.earlier], said[promise.later] = sorted([said[promise.earlier], said[promise.later]])
        if isinstance(promise, Within) and {promise.value, promise.scale} <= said.keys():
            said[promise.value] = min(max(float(said[promise.value]), said["scale"][0]), said["scale"][1])
    return said


@st.composite
def records(draw, kinds):
    kind, ids = draw(st.sampled_from(kinds)), words
    columns = columns_of(KINDS[kind])
    said = {name: draw(good(column, ids)) for name, column in columns.items() if column.required or draw(st.booleans())}
    said = {name: repr(value) if columns[name].holds == "number" else value for name, value in said.items()}
    said = {name: value.replace(tzinfo=UTC) if isinstance(value, datetime) else value for name, value in said.items()}
    said.pop("interaction_id", None)
    ends = [said.pop(name, None) for name in ("scale_low", "scale_high")]
    scale = {"scale": (0.0, 10.0)} if any(ends) else {}
    currency = {"currency": "EUR"} if "currency" in said else {}
    said |= scale | currency | {"attributes": draw(attributes)}
    return KINDS[kind](**kept_promises(KINDS[kind], said))


@pytest.mark.parametrize("like", ["pandas", "polars", "pyarrow"])
@patient(max_examples=20)
@given(rows=st.lists(records(list(KINDS)), max_size=6))
def test_records_survive_a_log(like, rows):
    pytest.importorskip(like)
    log = Interactions.from_records(rows, like=like)
    back = log.to_records()
    assert sorted(rows, key=repr) == sorted(back, key=repr)
    assert len(rows) == len(log)


def test_records_may_be_dictionaries_on_the_clock_of_the_log():
    told = [
        {"kind": "purchase", "customer_id": 1, "occurred_at": "2024-07-01 12:00", "amount": 2},
        {"kind": "purchase", "customer_id": 2, "occurred_at": "2024-07-01T12:00:00Z", "amount": 2},
        {"kind": "purchase", "customer_id": 3, "occurred_at": "2024-07-01 12:00", "amount": 2, "tz": "Asia/Tokyo"},
    ]
    log = Interactions.from_records(told, tz="Europe/Paris")
    assert ["2024-07-01 12:00", "2024-07-01 14:00", "2024-07-01 05:00"] == [
        str(t)[:16] for t in log.to_frame()["occurred_at"]
    ]
    assert [10, 12, 3] == [record.occurred_at.astimezone(UTC).hour for record in log.to_records()]


def test_a_time_that_the_clock_of_the_log_can_not_show_is_refused():
    far = purchase(when=datetime(9999, 12, 31, 23, 30, tzinfo=timezone(timedelta(hours=-5))))
    with pytest.raises(
        SchemaError, match=r"9999-12-31T23:30:00-05:00 lies beyond the years 1 to 9999 on the clock of UTC"
    ):
        Interactions.from_records([far])


def test_records_that_cannot_be_are_counted_by_reason():
    told = [
        purchase(),
        {"kind": "purchase", "customer_id": "c1", "occurred_at": MAY, "amount": -1},
        {"kind": "gift"},
        7,
    ]
    with pytest.raises(
        PromiseError, match=r"3 of 4 records break a promise: .*amount: Input should be greater"
    ) as refused:
        Interactions.from_records(told)
    log = Interactions.from_records(told, on_invalid="drop")
    assert [told[0]] == log.to_records()
    assert (4, 1, 3) == (log.audit.read, log.audit.kept, log.audit.dropped)
    assert [1, 1, 1] == [finding.rows for finding in log.audit.findings]
    assert {finding.reason for finding in refused.value.audit.findings} == set(log.audit.counts)
    assert 1 == log.audit.findings[0].examples[0]["row"]


def test_records_that_break_a_promise_together_are_refused_together():
    with pytest.raises(PromiseError, match="currency is not EUR, that of most rows"):
        Interactions.from_records([purchase(currency="EUR"), purchase(currency="USD")])
    with pytest.raises(PromiseError, match="interaction_id stands on rows that differ: 2 rows"):
        Interactions.from_records([purchase(interaction_id="1"), purchase("c2", interaction_id="1")])
    with pytest.raises(SchemaError, match="customer_id holds both text and whole numbers"):
        Interactions.from_records([purchase(1), purchase("1")])


@pytest.mark.parametrize("records", [None, 5, {"kind": "purchase"}, "purchase"], ids=repr)
def test_what_is_no_list_of_records_is_refused(records):
    with pytest.raises((SchemaError, PromiseError), match="records"):
        Interactions.from_records(records)


def test_ids_beyond_64_bits_are_refused():
    with pytest.raises(SchemaError, match="customer_id|these records do not fit"):
        Interactions.from_records([purchase(2**70)])


def test_a_log_of_nothing_holds_nothing():
    log = Interactions.from_records([])
    assert (0, (), []) == (len(log), log.kinds, log.to_records())
    assert "Interactions: none" == repr(log)
    with pytest.raises(SchemaError, match="this log has no 'purchase'; it has nothing"):
        log.history(until="2024-01-01")
    with pytest.raises(SchemaError, match="say which kind: this log has nothing"):
        log.to_frame()


def test_a_row_that_only_a_frame_can_hold_is_refused_as_a_record():
    paris = {
        "customer_id": ["c1"],
        "occurred_at": ["2024-10-27 02:50"],
        "solved_at": ["2024-10-27 03:10"],
        "case_id": ["k"],
    }
    log = Interactions.from_frame(pd.DataFrame(paris), kind="case", tz="Europe/Paris")
    (case,) = log.to_records()
    assert timedelta(minutes=80) == case.solved_at - case.occurred_at
    unpaid = Interactions.from_frame(pd.DataFrame(paris), kind="purchase", columns={"amount": None})
    with pytest.raises(SchemaError, match="a record of kind 'purchase' needs 'amount', which this log does not have"):
        unpaid.to_records()


def test_columns_of_our_own_come_back_as_attributes():
    own = {
        "shop": ["A", None],
        "size": [2, 3],
        "paid": [True, False],
        "day": [date(2024, 5, 1), None],
        "share": [0.5, math.inf],
    }
    own |= {"price": [Decimal("1.10"), None], "at": pd.to_datetime(["2024-05-01", None]), "raw": [b"x", None]}
    first, second = log_of(
        **{name: pd.Series(values, dtype=object if name == "raw" else None) for name, values in own.items()}
    ).to_records()
    assert {"shop": "A", "size": 2, "paid": True, "share": 0.5, "at": "2024-05-01T00:00:00", "raw": "b'x'"} == {
        name: value for name, value in first.attributes.items() if name not in {"day", "price"}
    }
    assert "2024-05-01" == first.attributes["day"][:10]
    assert 1.1 == float(first.attributes["price"])
    assert {"size": 3, "paid": False, "share": "inf"} == second.attributes


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ('{"a": [1, null]}', {"a": [1, None]}),
        ("{}", {}),
        ("green", {"attributes": "green"}),
        ("[1]", {"attributes": "[1]"}),
        (None, {}),
    ],
)
def test_a_column_named_attributes_is_json_or_one_attribute(said, expected):
    (record,) = log_of(attributes=pd.Series([said], dtype=object)).to_records()
    assert expected == record.attributes


# -- A scale is two columns ----------------------------------------------------------------------------------


@pytest.mark.parametrize("frame_of", ["pandas", "polars", "duckdb"], indirect=True)
def test_a_scale_has_two_ends_that_rise_around_the_score(frame_of):
    rows = {
        "customer_id": [1, 2, 3, 4, 5],
        "occurred_at": [date(2024, 5, 1)] * 5,
        "rating": [4.0, 4.0, 9.0, 4.0, 4.0],
        "scale_low": pa.array([1, None, 1, 5, None]),
        "scale_high": pa.array([5, None, 5, 1, 5]),
    }
    log = Interactions.from_frame(frame_of(rows), kind="review", on_invalid="drop")
    assert {"scale does not rise": 1, "rating lies outside scale": 2, "scale has one end only": 1} == log.audit.counts
    assert [(1.0, 5.0), None] == [
        record.scale for record in sorted(log.to_records(), key=lambda record: record.customer_id)
    ]


def test_a_scale_of_one_end_only_is_refused():
    rows = {"customer_id": [1], "occurred_at": ["2024-05-01"], "rating": [4], "scale_low": [1]}
    with pytest.raises(PromiseError, match="scale has one end only: 1 row"):
        Interactions.from_frame(pd.DataFrame(rows), kind="review")


# -- Logs together -------------------------------------------------------------------------------------------


def contact(who="c1", when=MAY, **more):
    return SupportContact(customer_id=who, occurred_at=when, **more)


def test_logs_of_different_kinds_stand_beside_each_other():
    bought, called = Interactions.from_records([purchase()]), Interactions.from_records([contact(), contact("c2")])
    log = Interactions.concat([bought, called])
    assert ("purchase", "support_contact") == log.kinds
    assert "Interactions: 1 purchase, 2 support_contact" == repr(log)
    assert bought.to_records() + called.to_records() == log.to_records()
    assert called.to_records() == log.only("support_contact").to_records()
    assert 3 == log.audit.read == log.audit.kept == len(log)


@pytest.mark.parametrize(
    "frame_of",
    ["pandas", "pandas-nullable", "pandas-pyarrow", "polars", "polars-lazy", "pyarrow", "duckdb", "ibis"],
    indirect=True,
)
def test_columns_that_one_log_lacks_are_missing_there(frame_of):
    one = {"customer_id": ["a"], "occurred_at": [datetime(2024, 5, 1)], "amount": [1.0]}
    more = {
        "currency": ["EUR"],
        "recurring": [True],
        "quantity": [2.0],
        "service_end": [datetime(2024, 6, 1)],
        "own": [7],
    }
    other = {"customer_id": ["b"], "occurred_at": [date(2024, 5, 2)], "amount": [2], "mine": [0.5]} | more
    if frame_of.name == "duckdb":
        connection = pytest.importorskip("duckdb").connect()
        logs = [
            Interactions.from_frame(connection.from_arrow(pa.table(rows)), kind="purchase") for rows in (one, other)
        ]
    else:
        logs = [Interactions.from_frame(frame_of(rows), kind="purchase") for rows in (one, other)]
    both = Interactions.concat(logs)
    first, second = sorted(both.to_records(), key=lambda record: record.customer_id)
    assert (None, None, None, {}) == (first.currency, first.recurring, first.service_end, first.attributes)
    assert ("EUR", True, 2.0, {"own": 7, "mine": 0.5}) == (
        second.currency,
        second.recurring,
        second.quantity,
        second.attributes,
    )
    assert ["a", "b"] == both.history(until="2024-06-01").customer_id.tolist()


@pytest.mark.slow
@pytest.mark.parametrize("frame_of", ["dask", "pyspark"], indirect=True)
def test_columns_that_one_log_of_a_cluster_lacks_are_missing_there(frame_of):
    one = {"customer_id": ["a"], "occurred_at": [datetime(2024, 5, 1)], "amount": [1.0]}
    other = {
        "customer_id": ["b"],
        "occurred_at": [date(2024, 5, 2)],
        "amount": [2],
        "own": [7],
        "service_end": [datetime(2024, 6, 1)],
    }
    both = Interactions.concat([Interactions.from_frame(frame_of(rows), kind="purchase") for rows in (one, other)])
    first, second = sorted(both.to_records(), key=lambda record: record.customer_id)
    assert (None, {}) == (first.service_end, first.attributes)
    assert (datetime(2024, 6, 1, tzinfo=UTC), {"own": 7}) == (second.service_end, second.attributes)


def test_rows_of_duckdb_in_two_places_are_refused_together():
    duckdb = pytest.importorskip("duckdb")
    row = "SELECT 'a' AS customer_id, DATE '2024-05-01' AS occurred_at, 1 AS amount"
    places = [duckdb.connect(), duckdb.connect()]  # an old DuckDB closes a connection that nobody holds
    logs = [Interactions.from_frame(place.sql(row), kind="purchase") for place in places]
    with pytest.raises(
        SchemaError, match="rows of kind 'purchase' cannot stand under each other: .*different connections"
    ):
        Interactions.concat(logs)


def test_rows_of_one_kind_are_checked_again_together():
    one, other = (Interactions.from_records([purchase(who, interaction_id="7")]) for who in ("c1", "c2"))
    with pytest.raises(PromiseError, match="interaction_id stands on rows that differ: 2 rows"):
        Interactions.concat([one, other])
    euros, dollars = (Interactions.from_records([purchase(currency=name)]) for name in ("EUR", "USD"))
    with pytest.raises(PromiseError, match="currency is not EUR"):
        Interactions.concat([euros, dollars])


def test_logs_that_do_not_fit_together_are_refused():
    log = Interactions.from_records([purchase()])
    with pytest.raises(SchemaError, match=r"one clock; found tz \['Europe/Paris', 'UTC'\]"):
        Interactions.concat([log, Interactions.from_records([purchase()], tz="Europe/Paris")])
    with pytest.raises(SchemaError, match="rows of kind 'purchase' live in pandas and polars"):
        Interactions.concat([log, Interactions.from_records([purchase()], like="polars")])
    with pytest.raises(SchemaError, match="column 'customer_id' holds String in one log and Int64 in another"):
        Interactions.concat([log, Interactions.from_records([purchase(1)])])
    with pytest.raises(SchemaError, match="column 'note' holds String in one log and Int64 in another"):
        Interactions.concat([log_of(note=["x"]), log_of(note=[1])])
    with pytest.raises(SchemaError, match="needs one or more logs"):
        Interactions.concat([])
    with pytest.raises(SchemaError, match="concat needs logs .*, found DataFrame"):
        Interactions.concat([pd.DataFrame()])


def test_numbers_of_two_types_are_kept_whole():
    both = Interactions.concat([log_of(own=[1]), log_of(own=[1.5])])
    assert [1.0, 1.5] == [record.attributes["own"] for record in both.to_records()]


def test_the_log_of_some_kinds_has_those_alone():
    log = Interactions.from_records([purchase(), contact(), Review(customer_id="c1", occurred_at=MAY, rating=3)])
    assert ("review", "purchase") == log.only("review", "purchase").kinds
    assert () == log.only().kinds
    with pytest.raises(DomainError, match="kind must be one of .* got 'puchase'; did you mean 'purchase'"):
        log.only("puchase")
    with pytest.raises(SchemaError, match="this log has no 'case'; it has purchase, support_contact, review"):
        log.only("case")
    with pytest.raises(SchemaError, match="say which kind: this log has purchase, support_contact, review"):
        log.to_frame()
    assert ["c1"] == log.to_frame("review")["customer_id"].tolist()


# -- The audit -----------------------------------------------------------------------------------------------

BROKEN = {
    "customer_id": [None, "c2", "c3", "c4", "c5"],
    "occurred_at": ["2024-05-01", "2024-02-30", "2024-05-03", "2024-05-04", None],
    "amount": [1.0, 2.0, -3.0, 4.0, math.nan],
}
COUNTS = {
    "customer_id is missing": 1,
    "occurred_at is missing": 1,
    "occurred_at cannot be read as a date or time": 1,
    "amount is missing": 1,
    "amount is below 0": 1,
}


@pytest.mark.parametrize("frame_of", ["pandas", "polars-lazy", "duckdb"], indirect=True)
def test_the_audit_counts_every_reason_and_every_row_once(frame_of):
    frame = frame_of(BROKEN | {"amount": pa.array(BROKEN["amount"], from_pandas=True)})
    with pytest.raises(
        PromiseError, match="4 of 5 rows of kind 'purchase' break a promise: .*Mend them, or pass on_invalid='drop'"
    ) as refused:
        Interactions.from_frame(frame, kind="purchase")
    audit = Interactions.from_frame(frame, kind="purchase", on_invalid="drop").audit
    assert COUNTS == audit.counts == refused.value.audit.counts
    assert (5, 1, 4) == (audit.read, audit.kept, audit.dropped)
    assert ("times are on the clock of UTC",) == audit.notes
    examples = {finding.reason: finding.examples for finding in audit.findings}
    assert ({"customer_id": "c3", "occurred_at": "2024-05-03 00:00:00", "amount": -3.0},) == examples[
        "amount is below 0"
    ]
    assert ("2024-02-30",) == tuple(
        row["occurred_at"] for row in examples["occurred_at cannot be read as a date or time"]
    )
    assert None is examples["customer_id is missing"][0]["customer_id"]


def test_an_audit_shows_at_most_three_examples():
    log = Interactions.from_frame(pd.DataFrame(BROKEN | {"amount": [-1.0] * 5}), kind="purchase", on_invalid="drop")
    assert {"amount is below 0": (5, 3)} == {
        f.reason: (f.rows, len(f.examples)) for f in log.audit.findings if "amount" in f.reason
    }


def test_audits_add_up():
    one, other = (
        Audit(3, 1, (Finding("late", 2, ({"row": 1},)),), ("a",)),
        Audit(4, 4, (Finding("late", 1), Finding("early", 2)), ("a", "b")),
    )
    both = one + other
    assert (7, 5, {"late": 3, "early": 2}, ("a", "b")) == (both.read, both.kept, both.counts, both.notes)
    assert "7 rows read, 5 kept, 2 dropped\n  late: 3 rows, such as {'row': 1}\n  early: 2 rows\n  a\n  b" == str(both)


@pytest.mark.parametrize("like", ["pandas", "polars", "pyarrow"])
def test_an_audit_is_a_frame_too(like):
    pytest.importorskip(like)
    for audit in (Audit(3, 1, (Finding("late", 2),)), Audit(1, 1)):
        frame = nw.from_native(audit.to_frame(like=like), eager_only=True)
        assert list(audit.counts.items()) == list(zip(frame["reason"].to_list(), frame["rows"].to_list(), strict=True))


# -- The names of columns ------------------------------------------------------------------------------------


def test_a_field_the_log_does_not_have_is_named_none():
    rows = pd.DataFrame({"customer_id": ["c1"], "occurred_at": ["2024-05-01"]})
    with pytest.raises(
        SchemaError, match=r"no column 'amount' for purchase .*; the frame has 'customer_id', 'occurred_at'"
    ):
        Interactions.from_frame(rows, kind="purchase")
    log = Interactions.from_frame(rows, kind="purchase", columns={"amount": None})
    assert ("purchase: no column amount", "times are on the clock of UTC") == log.audit.notes
    assert None is log.history(until="2024-05-02").spend
    assert [math.isnan(amount) for amount in log.purchases_between("2024-05-01", "2024-05-02").amount] == [True]


def test_a_column_that_is_not_the_field_of_its_name_can_be_left_out():
    log = Interactions.from_frame(
        pd.DataFrame({"customer_id": ["c1"], "occurred_at": ["2024-05-01"], "amount": ["a lot"]}),
        kind="purchase",
        columns=MappingProxyType({"amount": None}),
    )
    assert ["customer_id", "occurred_at"] == list(log.to_frame().columns)


def test_columns_may_swap_names():
    rows = pd.DataFrame({"occurred_at": ["c1"], "customer_id": ["2024-05-01"], "amount": [1]})
    log = Interactions.from_frame(
        rows, kind="purchase", columns={"customer_id": "occurred_at", "occurred_at": "customer_id"}
    )
    assert ["c1"] == log.history(until="2024-05-02").customer_id.tolist()


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            {"customer_id": "custmer"},
            r"no column 'custmer' for purchase .*; did you mean 'customer'\?; the frame has 'customer', 'date'",
        ),
        ({"custmer_id": "customer"}, r"purchase has no field 'custmer_id'; did you mean 'customer_id'\?; it has"),
        (
            {"customer_id": "customer", "order_id": "customer", "occurred_at": "date"},
            "two fields are mapped to one column",
        ),
        ({"customer_id": 5}, "no column 5"),
        ({5: "customer"}, "purchase has no field 5"),
        (["customer"], r"columns must map fields to columns, .* got \['customer'\]"),
        ("customer", "columns must map fields to columns"),
    ],
)
def test_a_mapping_that_does_not_fit_is_refused_with_a_hint(columns, message):
    rows = pd.DataFrame({"customer": ["c1"], "date": ["2024-05-01"], "amount": [1]})
    with pytest.raises(SchemaError, match=message):
        Interactions.from_frame(rows, kind="purchase", columns=columns)


def test_a_name_that_is_taken_is_not_given_twice():
    with pytest.raises(
        SchemaError, match="column 'amount' is there, and 'spend' is mapped to 'amount': drop or rename"
    ):
        Interactions.from_frame(log_of(spend=[1]).to_frame(), kind="purchase", columns={"amount": "spend"})


def test_every_kind_can_be_read_from_the_columns_it_asks_for():
    for kind, model in KINDS.items():
        needed = {name: column for name, column in columns_of(model).items() if column.required}
        values = {"id": 1, "moment": "2024-05-01", "number": 1.0, "text": "x"}
        row = {name: [column.choices[0] if column.choices else values[column.holds]] for name, column in needed.items()}
        assert 1 == len(Interactions.from_frame(pd.DataFrame(row), kind=kind).to_records())


def test_surveys_and_cases_keep_their_times():
    asked = SurveyResponse(
        customer_id="c1", occurred_at=MAY, survey_kind="nps", score=9, scale=(0, 10), invited_at=MAY - timedelta(1)
    )
    case = Case(customer_id="c1", occurred_at=MAY, case_id="k", closed_at=MAY + timedelta(1), reopened_count=2)
    assert [asked, case] == Interactions.from_records([asked, case]).to_records()
