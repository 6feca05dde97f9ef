"""Where do customers get to say how it was?"""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from custrel import Interactions
from custrel.errors import DomainError, SchemaError
from custrel.feedback.loop.coverage import feedback_coverage
from custrel.stats.proportion import wilson

CALLS = {
    "interaction_id": ["k1", "k2", "k3", "k4", None, "k6"],
    "customer_id": ["ana", "ana", "bo", "cy", "dee", "eve"],
    "occurred_at": [f"2024-05-{day}T10:00" for day in ("01", "03", "01", "01", "01", "30")],
    "channel": ["phone", "phone", "phone", "chat", "chat", "chat"],
}
PURCHASES = {
    "interaction_id": ["p1", "p2"],
    "customer_id": ["bo", "gil"],
    "occurred_at": ["2024-05-02T09:00", "2024-05-01T09:00"],
    "amount": [10.0, 12.0],
}
SURVEYS = {
    "customer_id": ["ana", "bo", "cy", "dee", "dee", "eve"],
    "occurred_at": [f"2024-05-{day}T12:00" for day in ("04", "03", "02", "01", "02", "31")],
    "invited_at": ["2024-05-02T00:00", None, None, None, "2024-04-30T00:00", None],
    "score": [9.0, 4.0, None, None, 8.0, 3.0],
    "about": [None, "p1", None, None, None, None],
    "survey_kind": ["csat", "csat", "csat", "csat", "nps", "csat"],
}


def log_of(frame_of=pd.DataFrame, **tables):
    tables = {"support_contact": CALLS, "purchase": PURCHASES, "survey_response": SURVEYS, **tables}
    return Interactions.concat(
        Interactions.from_frame(frame_of(table), kind=kind) for kind, table in tables.items() if table
    )


def rows_of(frame):
    return (frame.to_pandas() if hasattr(frame, "to_pandas") else frame).to_dict("list")


PATIENT = ["pandas-nullable", "pandas-pyarrow", "polars-lazy", "pyarrow", "ibis", "dask", "pyspark"]


def on_engines(test):
    names = ["pandas", "polars", "duckdb", *(pytest.param(name, marks=pytest.mark.slow) for name in PATIENT)]
    return pytest.mark.parametrize("frame_of", names, indirect=True)(test)


@on_engines
def test_every_library_counts_the_same(frame_of):
    found = feedback_coverage(log_of(frame_of), within="7D", as_of="2024-05-31")
    assert found.__class__.__module__.startswith(frame_of.leaves)
    rows = rows_of(found)
    # Ana's first call is covered by what she was sent a day after; her second came after she was asked. Bo's answer is
    # about the purchase; dee was asked after the call and did not answer, and answered what was asked before it.
    assert ["purchase", "support_contact", "support_contact"] == rows["touchpoint"]
    assert [None, "chat", "phone"] == [None if pd.isna(one) else one for one in rows["channel"]]
    assert [2, 2, 3] == rows["n"]
    assert [1, 2, 1] == rows["invited"]
    assert [1, 0, 1] == rows["answered"]
    assert [0, 1, 0] == rows["excluded_too_recent"]
    assert_allclose([1 / 2, 0.0, 1 / 3], rows["value"])
    assert_allclose(wilson([1, 0], [2, 2]), [rows["low"][:2], rows["high"][:2]])


def test_what_is_not_asked_for_changes_nothing_of_what_is():
    all_kinds = feedback_coverage(log_of(), as_of="2024-05-31")
    calls = feedback_coverage(log_of(), "support_contact", as_of="2024-05-31")
    pd.testing.assert_frame_equal(all_kinds[all_kinds["touchpoint"] == "support_contact"].reset_index(drop=True), calls)


def test_a_survey_of_nothing_named_follows_every_touchpoint_before_it():
    surveys = {**SURVEYS, "about": [None, "how it went", None, None, None, None]}
    rows = rows_of(feedback_coverage(log_of(survey_response=surveys), as_of="2024-05-31"))
    assert [1, 0, 2] == rows["answered"]  # bo's purchase and bo's call


def test_a_survey_that_names_an_interaction_counts_whenever_it_was_sent():
    surveys = {name: [values[0]] for name, values in SURVEYS.items()} | {"about": ["k2"]}
    rows = rows_of(feedback_coverage(log_of(survey_response=surveys), ["support_contact"], by=(), as_of="2024-05-31"))
    assert ([5], [1], [1]) == (rows["n"], rows["invited"], rows["answered"])


def test_who_answers_late_was_invited_in_time():
    surveys = {name: [values[0]] for name, values in SURVEYS.items()}
    for about in (None, "k1"):
        late = {**surveys, "occurred_at": ["2024-05-20T12:00"], "about": [about]}
        found = feedback_coverage(log_of(survey_response=late), "support_contact", by=(), as_of="2024-05-31")
        assert (1, 0) == (found["invited"][0], found["answered"][0])


def test_one_kind_of_survey_can_be_asked_for():
    rows = rows_of(feedback_coverage(log_of(), by=(), as_of="2024-05-31", survey="nps"))
    assert ([0, 0], [0, 0]) == (rows["invited"], rows["answered"])


def test_no_scores_are_no_answers():
    surveys = {name: values for name, values in SURVEYS.items() if name != "score"}
    rows = rows_of(feedback_coverage(log_of(survey_response=surveys), by=(), as_of="2024-05-31"))
    assert ([1, 3], [0, 0]) == (rows["invited"], rows["answered"])


def test_a_touchpoint_whose_time_is_not_over_has_no_share():
    found = feedback_coverage(log_of(), by=(), as_of="2024-05-03")
    assert [0, 0] == found["n"].tolist()
    assert [2, 6] == found["excluded_too_recent"].tolist()
    assert np.isnan(found[["value", "low", "high"]].to_numpy()).all()


def test_touchpoints_of_one_customer_do_not_count_as_independent():
    calls = {
        "customer_id": [who for who in "abcdefgh" for _ in range(5)],
        "occurred_at": ["2024-05-01"] * 40,
    }
    surveys = {
        "customer_id": list("abcd"),
        "occurred_at": ["2024-05-02"] * 4,
        "score": [9.0] * 4,
        "survey_kind": ["nps"] * 4,
    }
    log = log_of(support_contact=calls, survey_response=surveys, purchase=None)
    found = feedback_coverage(log, as_of="2024-05-31", by=())
    low, high = wilson(20, 40)
    assert (0.5, 40) == (found["value"][0], found["n"][0])
    assert found["low"][0] < low < high < found["high"][0]
    assert found["n_effective"][0] < 8


@pytest.mark.parametrize(
    ("error", "words", "asked"),
    [
        (SchemaError, "this log has no 'case'", {"touchpoints": ["case"]}),
        (DomainError, "touchpoints must name kinds of the log beside its surveys", {"touchpoints": "survey_response"}),
        (DomainError, "touchpoints must name kinds", {"touchpoints": []}),
        (SchemaError, "no column 'chanel' of purchase or support_contact; did you mean 'channel'", {"by": "chanel"}),
        (DomainError, "survey must be one of", {"survey": "star"}),
        (DomainError, "within must be a span", {"within": "7 days"}),
        (DomainError, "by='n' is a name of the answer's own columns", {"by": "n"}),
    ],
)
def test_bad_arguments_are_refused_by_name(error, words, asked):
    purchases = {**PURCHASES, "n": [1, 2]}
    with pytest.raises(error, match=words):
        feedback_coverage(log_of(purchase=purchases), **{"as_of": "2024-05-31", **asked})


def test_a_log_without_surveys_is_refused():
    with pytest.raises(SchemaError, match="this log has no 'survey_response'"):
        feedback_coverage(log_of(survey_response=None), as_of="2024-05-31")
