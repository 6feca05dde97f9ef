"""What became of each wave's promoters, passives and detractors?"""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from custrel import Interactions
from custrel.errors import DomainError, PromiseError, SchemaError
from custrel.feedback.loop.transitions import transitions
from custrel.stats.proportion import jeffreys, wilson

NAN = float("nan")
STATES = ("promoter", "passive", "detractor", "no answer")
SPRING = {
    "customer_id": ["ana", "bo", "cy", "dee", "eve", "fay", "gil"],
    "score": [10.0, 9.0, 9.0, 8.0, 6.0, 0.0, NAN],
}
AUTUMN = {
    "customer_id": ["bo", "ana", "cy", "dee", "dee", "fay", "hal", "gil"],
    "score": [3.0, 9.0, NAN, 2.0, 7.0, 10.0, 5.0, NAN],
    "occurred_at": [f"2024-09-0{day}" for day in (1, 1, 1, 1, 2, 3, 1, 1)],
}


def matrix(found, column="n"):
    rows = (found.to_pandas() if hasattr(found, "to_pandas") else found).to_dict("list")
    assert [one for one in STATES for _ in STATES] == rows["from"]
    assert list(STATES) * 4 == rows["to"]
    return np.array(rows[column], dtype=float).reshape(4, 4)


PATIENT = ["pandas-nullable", "pandas-pyarrow", "polars-lazy", "pyarrow", "ibis", "dask", "pyspark"]


def on_engines(test):
    names = ["pandas", "polars", "duckdb", *(pytest.param(name, marks=pytest.mark.slow) for name in PATIENT)]
    return pytest.mark.parametrize("frame_of", names, indirect=True)(test)


@on_engines
def test_every_library_counts_the_same(frame_of):
    found = transitions(frame_of(SPRING), frame_of(AUTUMN))
    assert found.__class__.__module__.startswith(frame_of.leaves)
    assert_array_equal([[1, 0, 1, 1], [0, 1, 0, 0], [1, 0, 0, 1], [0, 0, 1, 1]], matrix(found))
    assert_allclose(np.array([1, 0, 1, 1]) / 3, matrix(found, "share")[0])
    assert_allclose(wilson([1, 0, 1, 1], 3), [matrix(found, "low")[0], matrix(found, "high")[0]])
    assert 1 == matrix(found, "excluded_superseded")[1, 1] == matrix(found, "excluded_superseded").sum()


def test_shares_can_be_of_those_who_answered_both_waves():
    found = transitions(pd.DataFrame(SPRING), pd.DataFrame(AUTUMN), among="both", interval="jeffreys")
    assert_allclose([0.5, 0, 0.5, NAN], matrix(found, "share")[0])
    assert_allclose(np.append(jeffreys([1, 0, 1], 2)[0], NAN), matrix(found, "low")[0])
    assert np.isnan(matrix(found, "share")[3]).all()
    assert_array_equal(matrix(transitions(pd.DataFrame(SPRING), pd.DataFrame(AUTUMN))), matrix(found))


def test_the_first_answer_counts_if_asked_for():
    found = transitions(pd.DataFrame(SPRING), pd.DataFrame(AUTUMN), per_customer="first")
    assert [0, 0, 1, 0] == matrix(found)[1].tolist()


@pytest.mark.parametrize("per_customer", ["first", "latest"])
def test_of_answers_at_one_moment_the_lowest_counts(per_customer):
    wave = pd.DataFrame({"customer_id": [1, 1, 1], "score": [9, 4, 7], "occurred_at": "2024-05-01"})
    assert 1 == matrix(transitions(wave, wave, per_customer=per_customer))[2, 2]


def test_logs_are_read_as_frames_are():
    def log(table):
        columns = {"occurred_at": "2024-05-01T10:00", "survey_kind": "nps", **table}
        return Interactions.from_frame(pd.DataFrame(columns), kind="survey_response")

    frames, logs = transitions(pd.DataFrame(SPRING), pd.DataFrame(AUTUMN)), transitions(log(SPRING), log(AUTUMN))
    pd.testing.assert_frame_equal(frames, logs)


def test_nobody_in_a_wave_is_no_share():
    nobody = pd.DataFrame({"customer_id": pd.Series([], dtype=str), "score": pd.Series([], dtype=float)})
    found = transitions(nobody, pd.DataFrame(SPRING))
    assert np.isnan(matrix(found, "share")[:3]).all()
    assert [3, 1, 2, 1] == matrix(found)[3].tolist()


waves = st.dictionaries(st.integers(0, 12), st.one_of(st.none(), st.integers(0, 10)), max_size=12)


@settings(deadline=None, derandomize=True, database=None, max_examples=25)
@given(waves, waves)
def test_every_customer_stands_in_one_cell(before, after):
    def state(score):
        return 3 if score is None else 0 if score > 8 else 1 if score > 6 else 2

    expected = np.zeros((4, 4))
    for who in {**before, **after}:
        expected[state(before.get(who)), state(after.get(who))] += 1
    frames = [
        pd.DataFrame({"customer_id": list(wave), "score": np.array(list(wave.values()), dtype=float)}).astype(
            {"customer_id": int}
        )
        for wave in (before, after)
    ]
    assert_array_equal(expected, matrix(transitions(*frames)))


@pytest.mark.parametrize(
    ("error", "words", "changed"),
    [
        (SchemaError, "no column 'occurred_at' for after, where customers answered several times", ["occurred_at"]),
        (SchemaError, "no column 'customer_id' for after", ["customer_id"]),
        (SchemaError, "no column 'score'", ["score"]),
    ],
)
def test_a_missing_column_is_named(error, words, changed):
    with pytest.raises(error, match=words):
        transitions(pd.DataFrame(SPRING), pd.DataFrame(AUTUMN).drop(columns=changed))


@pytest.mark.parametrize(
    ("error", "words", "asked"),
    [
        (DomainError, "per_customer must be one of 'latest', 'first', got 'all'", {"per_customer": "all"}),
        (DomainError, "among must be one of", {"among": "some"}),
        (DomainError, "interval must be one of", {"interval": "bootstrap"}),
        (DomainError, "level must lie", {"level": 1}),
        (
            SchemaError,
            "customer_id is text in one table and a number",
            {"before": pd.DataFrame({"customer_id": [1], "score": 9})},
        ),
        (
            SchemaError,
            "'customer_id' \\(before\\) is missing in 1 of 1",
            {"before": pd.DataFrame({"customer_id": [None], "score": 9})},
        ),
        (PromiseError, "scores of the scale 0 to 10", {"before": pd.DataFrame({"customer_id": [1], "score": 11})}),
    ],
)
def test_bad_input_is_refused_by_its_words(error, words, asked):
    with pytest.raises(error, match=words):
        transitions(**{"before": pd.DataFrame(SPRING), "after": pd.DataFrame(AUTUMN), **asked})
