"""Were detractors called back in time?"""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from custrel import Interactions
from custrel.errors import DomainError, PromiseError, SchemaError
from custrel.feedback.loop.contacted import detractors_contacted
from custrel.stats.proportion import wilson

NAN = float("nan")

ANSWERS = {
    "customer_id": ["ana", "bo", "cy", "dee", "eve", "fay", "gil"],
    "occurred_at": [f"2024-05-{day}T12:00" for day in ("01", "01", "02", "02", "08", "01", "03")],
    "score": [3.0, 6.0, 0.0, 5.0, 2.0, 9.0, NAN],
    "region": ["north", "north", "north", "south", "south", "south", "west"],
    "survey_kind": ["nps"] * 7,
}
CONTACTS = {
    "customer_id": ["ana", "ana", "bo", "cy", "cy", "dee", "fay", "eve"],
    "occurred_at": [
        "2024-05-01T13:00",  # within
        "2024-05-02T13:00",  # again: counts once
        "2024-05-03T12:00",  # at the last moment of two days
        "2024-05-02T11:59",  # before the answer
        "2024-05-04T12:01",  # too late
        "2024-05-02T18:00",  # nobody knows who began
        "2024-05-01T13:00",  # of a promoter
        "2024-05-08T13:00",  # of an answer that is too recent
    ],
    "direction": ["outbound"] * 5 + [None] + ["outbound"] * 2,
}


def log_of(answers, contacts, frame_of=pd.DataFrame):
    logs = [Interactions.from_frame(frame_of(answers), kind="survey_response")]
    logs += [] if contacts is None else [Interactions.from_frame(frame_of(contacts), kind="support_contact")]
    return Interactions.concat(logs)


def rows_of(frame):
    return (frame.to_pandas() if hasattr(frame, "to_pandas") else frame).to_dict("list")


PATIENT = ["pandas-nullable", "pandas-pyarrow", "polars-lazy", "pyarrow", "ibis", "dask", "pyspark"]


def on_engines(test):
    names = ["pandas", "polars", "duckdb", *(pytest.param(name, marks=pytest.mark.slow) for name in PATIENT)]
    return pytest.mark.parametrize("frame_of", names, indirect=True)(test)


@on_engines
def test_every_library_counts_the_same(frame_of):
    found = detractors_contacted(log_of(ANSWERS, CONTACTS, frame_of), "2D", by="region", as_of="2024-05-09")
    assert found.__class__.__module__.startswith(frame_of.leaves)
    rows = rows_of(found)
    assert ["north", "south", "west"] == rows["region"]
    assert [3, 1, 0] == rows["n"]
    assert [2, 0, 0] == rows["contacted"]
    assert [0, 1, 0] == rows["unclear"]
    assert [0, 1, 0] == rows["excluded_too_recent"]
    assert_allclose([2 / 3, 0.0, NAN], np.array(rows["value"], dtype=float))
    assert_allclose([24.5, NAN, NAN], np.array(rows["median_hours"], dtype=float))  # of 1 hour and 48
    assert_allclose(
        np.transpose([wilson(2, 3), wilson(0, 1), (NAN, NAN)]), np.array([rows["low"], rows["high"]], dtype=float)
    )


def test_an_answer_is_left_out_until_its_time_is_over():
    log = log_of(ANSWERS, CONTACTS)
    before = detractors_contacted(log, "2D", as_of="2024-05-10T11:59:59")
    after = detractors_contacted(log, "2D", as_of="2024-05-10T12:00:00")
    assert (4, 1) == (before["n"][0], before["excluded_too_recent"][0])
    assert (5, 0) == (after["n"][0], after["excluded_too_recent"][0])
    assert (2, 3) == (before["contacted"][0], after["contacted"][0])


def test_whoever_began_counts_if_asked_for():
    found = detractors_contacted(log_of(ANSWERS, CONTACTS), "2D", as_of="2024-05-09", direction=None)
    assert (3, 0) == (found["contacted"][0], found["unclear"][0])
    inbound = detractors_contacted(log_of(ANSWERS, CONTACTS), "2D", as_of="2024-05-09", direction="inbound")
    assert (0, 1) == (inbound["contacted"][0], inbound["unclear"][0])


def test_a_contact_at_the_moment_of_the_answer_is_unclear():
    answers = {"customer_id": [7], "occurred_at": ["2024-05-01"], "score": [1], "survey_kind": ["nps"]}
    calls = pd.DataFrame({"customer_id": [7], "occurred_at": ["2024-05-01"]})
    found = detractors_contacted(log_of(answers, None), "2D", as_of="2024-05-31", contacts=calls)
    assert (0, 1) == (found["contacted"][0], found["unclear"][0])


def test_contacts_come_from_kinds_from_a_log_and_from_a_frame_alike():
    log = log_of(ANSWERS, CONTACTS)
    kinds = detractors_contacted(log, "2D", as_of="2024-05-31", contacts="support_contact")
    other = detractors_contacted(log, "2D", as_of="2024-05-31", contacts=log.only("support_contact"))
    frame = detractors_contacted(log, "2D", as_of="2024-05-31", contacts=pd.DataFrame(CONTACTS))
    pd.testing.assert_frame_equal(kinds, other)
    pd.testing.assert_frame_equal(kinds, frame)
    assert 3 == kinds["contacted"][0]


def test_answers_of_one_customer_do_not_count_as_independent():
    days = pd.date_range("2024-01-01", periods=20, freq="7D").strftime("%Y-%m-%d").tolist()
    answers = {"occurred_at": days, "score": [1] * 20, "survey_kind": ["nps"] * 20}
    calls = pd.DataFrame({"customer_id": ["a", "b"] * 5, "occurred_at": [f"{day}T09:00" for day in days[:10]]})
    alone = log_of({**answers, "customer_id": ["a", "b"] * 5 + [f"c{i}" for i in range(10)]}, None)
    shared = log_of({**answers, "customer_id": ["a", "b"] * 5 + ["c", "d"] * 5}, None)
    one, other = (detractors_contacted(log, as_of="2024-12-31", contacts=calls) for log in (alone, shared))
    assert 0.5 == one["value"][0] == other["value"][0]
    assert other["high"][0] - other["low"][0] > 1.3 * (one["high"][0] - one["low"][0])
    assert other["n_effective"][0] < one["n_effective"][0] < 20


@settings(deadline=None, derandomize=True, database=None, max_examples=12)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 200), st.integers(0, 10)), min_size=1, max_size=12),
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 200)), min_size=1, max_size=12),
)
def test_the_share_is_that_counted_answer_by_answer(answers, calls):
    begin = pd.Timestamp("2024-01-01")
    table = {
        "customer_id": [who for who, _, _ in answers],
        "occurred_at": [begin + pd.Timedelta(hours=hour) for _, hour, _ in answers],
        "score": [score for _, _, score in answers],
        "survey_kind": ["nps"] * len(answers),
    }
    frame = pd.DataFrame(
        {
            "customer_id": [who for who, _ in calls],
            "occurred_at": [begin + pd.Timedelta(hours=hour) for _, hour in calls],
        }
    )
    found = detractors_contacted(log_of(table, None), "24h", as_of=begin + pd.Timedelta(hours=180), contacts=frame)
    known = [(who, hour) for who, hour, score in answers if score <= 6 and hour + 24 <= 180]
    late = [hour for _, hour, score in answers if score <= 6 and hour + 24 > 180]
    met = [any(who == one and 0 < at - hour <= 24 for one, at in calls) for who, hour in known]
    assert (len(known), len(late), sum(met)) == tuple(
        found[name][0] for name in ("n", "excluded_too_recent", "contacted")
    )
    assert_allclose(np.mean(met) if met else NAN, found["value"][0])


def test_a_log_that_does_not_know_who_began_is_not_guessed_at():
    log = log_of(ANSWERS, {name: CONTACTS[name] for name in ("customer_id", "occurred_at")})
    with pytest.raises(SchemaError, match="no column 'direction'; give direction=None"):
        detractors_contacted(log, as_of="2024-05-09")


@pytest.mark.parametrize(
    ("error", "words", "asked"),
    [
        (SchemaError, "this log has no 'case'", {"contacts": ["case"]}),
        (SchemaError, "no column 'occurred_at' for contacts", {"contacts": pd.DataFrame({"customer_id": ["ana"]})}),
        (SchemaError, "no column 'regio' for feedback; did you mean 'region'", {"by": "regio"}),
        (DomainError, "contacts must name one kind", {"contacts": []}),
        (DomainError, "direction must be one of 'outbound', 'inbound'", {"direction": "both"}),
        (DomainError, "within must be a span", {"within": 2}),
        (DomainError, "as_of must be a date", {"as_of": "soon"}),
        (DomainError, "interval must be one of", {"interval": "exact"}),
        (DomainError, "level must lie between 0 and 1", {"level": 95}),
    ],
)
def test_bad_arguments_are_refused_by_name(error, words, asked):
    with pytest.raises(error, match=words):
        detractors_contacted(log_of(ANSWERS, CONTACTS), **{"as_of": "2024-05-09", **asked})


def test_contacts_of_nobody_are_refused():
    calls = pd.DataFrame({"customer_id": ["ana", None], "occurred_at": "2024-05-01"})
    with pytest.raises(SchemaError, match="'customer_id' \\(contacts\\) is missing in 1 of 2 rows"):
        detractors_contacted(log_of(ANSWERS, CONTACTS), as_of="2024-05-09", contacts=calls)


def test_contacts_on_another_clock_are_refused():
    calls = Interactions.from_frame(pd.DataFrame(CONTACTS), kind="support_contact", tz="Europe/Paris")
    with pytest.raises(SchemaError, match="on the clock of 'Europe/Paris', the answers on that of 'UTC'"):
        detractors_contacted(log_of(ANSWERS, None), as_of="2024-05-09", contacts=calls)


def test_a_direction_that_is_none_is_refused():
    calls = pd.DataFrame({"customer_id": ["ana"], "occurred_at": "2024-05-01", "direction": "out"})
    with pytest.raises(SchemaError, match="must hold 'inbound', 'outbound' or nothing, found 'out'"):
        detractors_contacted(log_of(ANSWERS, None), as_of="2024-05-09", contacts=calls)


def test_scores_off_the_scale_are_refused():
    with pytest.raises(PromiseError, match="scores of the scale 0 to 10"):
        detractors_contacted(log_of({**ANSWERS, "score": [11.0] + [1.0] * 6}, CONTACTS), as_of="2024-05-09")
