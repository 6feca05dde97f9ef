"""Who left without a word?"""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from custrel import Interactions
from custrel.errors import DomainError, SchemaError
from custrel.feedback.loop.silent import silent_customers, who_left_silently
from custrel.stats.proportion import wilson

LEFT = {
    "customer_id": ["ana", "bo", "cy", "dee", "eve", "fay", "gil", "hal"],
    "left_at": ["2024-05-01T12:00"] * 5 + ["2024-05-02T12:00", "2024-01-10T12:00", "2024-07-01T12:00"],
    "plan": ["basic", "basic", "basic", "gold", "gold", "gold", "gold", "gold"],
}
WORDS = {
    "complaint": {"customer_id": ["ana", "ana"], "occurred_at": ["2024-05-01T12:00", "2024-06-01"]},
    "survey_response": {
        "customer_id": ["bo", "cy"],
        "occurred_at": ["2024-04-01T12:00", "2024-04-20"],
        "score": [8.0, None],
        "survey_kind": ["nps", "nps"],
    },
    "review": {"customer_id": ["cy", "dee"], "occurred_at": ["2024-04-01T11:59", "2024-05-02"], "rating": [2.0, 1.0]},
    "support_contact": {
        "customer_id": ["dee", "eve"],
        "occurred_at": ["2024-04-25", "2024-04-25"],
        "topic": ["complaint", "opening hours"],
    },
}


def log_of(frame_of=pd.DataFrame, **tables):
    return Interactions.concat(
        Interactions.from_frame(frame_of(table), kind=kind) for kind, table in (tables or WORDS).items()
    )


def rows_of(frame):
    return (frame.to_pandas() if hasattr(frame, "to_pandas") else frame).to_dict("list")


PATIENT = ["pandas-nullable", "pandas-pyarrow", "polars-lazy", "pyarrow", "ibis", "dask", "pyspark"]


def on_engines(test):
    names = ["pandas", "polars", "duckdb", *(pytest.param(name, marks=pytest.mark.slow) for name in PATIENT)]
    return pytest.mark.parametrize("frame_of", names, indirect=True)(test)


@on_engines
def test_every_library_counts_the_same(frame_of):
    log, asked = log_of(frame_of), {"within": "30D", "as_of": "2024-06-30", "since": "2024-01-01"}
    found = silent_customers(log, frame_of(LEFT), by="plan", **asked)
    assert found.__class__.__module__.startswith(frame_of.leaves)
    rows = rows_of(found)
    # Cy's review came a minute too early; dee's contact was a complaint, eve's was none.
    assert ["basic", "gold"] == rows["plan"]
    assert [3, 3] == rows["n"]
    assert [1, 2] == rows["silent"]
    assert [0, 1] == rows["excluded_too_early"]
    assert [0, 1] == rows["excluded_after_as_of"]
    assert ["complaint, survey_response, review, support_contact"] * 2 == rows["heard"]
    assert_allclose([1 / 3, 2 / 3], rows["value"])
    assert_allclose(wilson([1, 2], 3), [rows["low"], rows["high"]])
    them = rows_of(who_left_silently(log, frame_of(LEFT), **asked))
    assert ["cy", "eve", "fay"] == them["customer_id"]
    assert pd.Timestamp("2024-05-02T12:00") == pd.Timestamp(them["left_at"][2])


def test_a_list_of_ids_left_by_the_end_of_observation():
    log = log_of(complaint={"customer_id": [1, 2], "occurred_at": ["2024-05-31T23:00", "2023-05-31"]})
    found = silent_customers(log, [1, 2, 3, 4], as_of="2024-05-31")
    assert (4, 3, "complaint") == (found["n"][0], found["silent"][0], found["heard"][0])
    assert [2, 3, 4] == who_left_silently(log, np.array([1, 2, 3, 4]), as_of="2024-05-31")["customer_id"].tolist()


def test_who_left_twice_is_one_customer():
    log = log_of(complaint={"customer_id": ["zoe"], "occurred_at": ["2024-05-31"]})
    left = pd.DataFrame({"customer_id": ["a", "a", "b", "b"], "left_at": ["2024-01-01", "2024-05-01"] * 2})
    found = silent_customers(log, left, as_of="2024-05-31")
    assert (4, 1.0) == (found["n"][0], found["value"][0])
    assert found["n_effective"][0] < 4


@settings(deadline=None, derandomize=True, database=None, max_examples=12)
@given(
    st.dictionaries(st.integers(0, 9), st.integers(20, 60), min_size=1),
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 70)), min_size=1, max_size=12),
    st.integers(1, 20),
)
def test_the_share_is_that_counted_customer_by_customer(left, words, days):
    day = pd.Timestamp("2024-01-01").__add__
    table = {"customer_id": [who for who, _ in words], "occurred_at": [day(pd.Timedelta(days=at)) for _, at in words]}
    churned = pd.DataFrame({"customer_id": list(left), "left_at": [day(pd.Timedelta(days=at)) for at in left.values()]})
    found = silent_customers(log_of(complaint=table), churned, f"{days}D", as_of="2024-12-31")
    silent = [not any(who == one and at - days <= said <= at for one, said in words) for who, at in left.items()]
    assert (len(left), sum(silent)) == (found["n"][0], found["silent"][0])


def test_nobody_who_left_is_no_share():
    log = log_of(complaint={"customer_id": ["zoe"], "occurred_at": ["2024-05-31"]})
    found = silent_customers(log, [], as_of="2024-05-31")
    assert 0 == found["n"][0]
    assert np.isnan(found["value"][0])


@pytest.mark.parametrize(
    ("error", "words", "asked"),
    [
        (SchemaError, "no column 'gone_at' for churned", {"left_at": "gone_at"}),
        (SchemaError, "needs a frame of those who left", {"churned": ["ana"], "by": "plan"}),
        (SchemaError, "expected a frame", {"churned": 7}),
        (SchemaError, "customer_id is text in one table and a number", {"churned": [7]}),
        (DomainError, "within must be a span", {"within": 90}),
        (DomainError, "since must be a date", {"since": "long ago"}),
        (DomainError, "topics must be a list", {"topics": "complaint"}),
    ],
)
def test_bad_arguments_are_refused_by_name(error, words, asked):
    with pytest.raises(error, match=words):
        silent_customers(log_of(), **{"churned": pd.DataFrame(LEFT), "as_of": "2024-06-30", **asked})


def test_a_log_that_knows_of_no_words_is_refused():
    calls = {"customer_id": ["ana"], "occurred_at": ["2024-05-31"]}
    with pytest.raises(SchemaError, match="knows of no words: it has support_contact; one of complaint, .* is needed"):
        silent_customers(log_of(support_contact=calls), ["ana"], as_of="2024-05-31")
