"""Response: who was asked, and who of them answered."""

from datetime import UTC, datetime

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from custrel import Interactions
from custrel.errors import DomainError, SchemaError
from custrel.feedback import csat, satisfaction
from custrel.feedback.weighting.response import response_rate

approx = pytest.approx
properly = settings(deadline=None, derandomize=True, database=None, max_examples=25)
NAN = float("nan")
SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in ("ibis", "dask", "pyspark", "polars-lazy")]
ASKED = {
    "region": ["north", "north", "south", "south", "south"],
    "score": [9.0, 10.0, None, 3.0, None],
    "customer_id": ["a", "b", "c", "c", "d"],
    "sent": [True, True, True, True, False],
}


def rows(frame, *names):
    columns = nw.from_native(frame, eager_only=True).to_dict(as_series=False)
    return [tuple(row) for row in zip(*(columns[name] for name in names), strict=True)]


# -- what is counted --------------------------------------------------------------------------------------------------


def test_wilson_interval_of_45_answers_to_60_invitations_is_that_of_the_worked_cases():
    found = response_rate([5] * 45 + [None] * 15)
    assert approx((0.75, 0.627679, 0.842235), abs=1e-6) == (found.value, found.low, found.high)
    assert found.n == 60
    assert found["responded"] == 45


def test_a_list_is_answered_where_it_holds_a_score():
    assert response_rate([0, NAN, None, 10]).value == 0.5
    assert response_rate(np.array([NAN, 4.0])).value == 0.5
    assert "excluded_missing" not in response_rate([1, None]).also


@pytest.mark.parametrize("frame_of", ["pandas", "polars", "pyarrow", "duckdb", *SLOW], indirect=True)
def test_every_library_gives_the_same_rate(frame_of):
    found = response_rate(frame_of(ASKED), by="region", customer_id=None)
    assert frame_of.leaves == nw.from_native(found).implementation.value
    assert [("north", 1.0, 2, 2), ("south", approx(1 / 3), 3, 1)] == rows(found, "region", "value", "n", "responded")


@pytest.mark.parametrize("frame_of", ["pandas", "polars", "pyarrow", "duckdb", *SLOW], indirect=True)
def test_rows_that_are_no_invitations_do_not_count_but_are_told(frame_of):
    found = response_rate(frame_of(ASKED), by="region", invited="sent")
    names = ("region", "n", "responded", "excluded_not_invited")
    assert [("north", 2, 2, 0), ("south", 2, 1, 1)] == rows(found, *names)
    assert "excluded_missing" not in nw.from_native(found).columns


def test_an_invitation_is_also_known_by_its_time():
    df = pd.DataFrame({"score": [1.0, None, 5.0], "sent": pd.to_datetime(["2024-01-01", "2024-01-02", None])})
    assert [(0.5, 2, 1)] == rows(response_rate(df, invited="sent"), "value", "n", "excluded_not_invited")
    df["sent"] = ["2024-01-01", "2024-01-02", None]
    assert [(0.5, 2, 1)] == rows(response_rate(df, invited="sent"), "value", "n", "excluded_not_invited")


def test_scores_may_be_words():
    assert [(0.5,)] == rows(response_rate(pd.DataFrame({"said": ["fine", None]}), score="said"), "value")


def test_a_group_without_invitations_has_no_rate():
    df = pd.DataFrame({"region": ["north", "south"], "score": [9, 9], "sent": [True, False]})
    south = response_rate(df, by="region", invited="sent").iloc[1]
    assert 0 == south["n"]
    assert np.isnan(south[["value", "low", "high"]].astype(float)).all()


def test_a_log_holds_an_invitation_in_each_survey_response():
    when = datetime(2024, 5, 4, tzinfo=UTC)
    said = [("nps", 9, (0, 10)), ("nps", None, (0, 10)), ("nps", 3, (0, 10)), ("csat", None, (1, 5))]
    log = Interactions.from_records(
        [
            {
                "kind": "survey_response",
                "customer_id": i,
                "occurred_at": when,
                "survey_kind": kind,
                "score": score,
                "scale": scale,
            }
            for i, (kind, score, scale) in enumerate(said)
        ]
    )
    assert [(0.5, 4)] == rows(response_rate(log), "value", "n")
    assert [("csat", 0.0), ("nps", approx(2 / 3))] == rows(response_rate(log, by="survey_kind"), "survey_kind", "value")
    assert [(approx(2 / 3), 3)] == rows(response_rate(log, survey="nps"), "value", "n")


def test_windows_begin_with_the_time_of_the_invitation():
    df = pd.DataFrame(
        {"score": [9.0, None, None], "sent_at": pd.to_datetime(["2024-01-03", "2024-01-31", "2024-02-01"])}
    )
    found = response_rate(df, every="month", at="sent_at")
    assert [0.5, 0.0] == found["value"].tolist()
    assert ["2024-01-01", "2024-02-01"] == found["period"].dt.strftime("%Y-%m-%d").tolist()


def test_totals_and_weights_are_read_as_for_every_metric():
    df = pd.DataFrame({"region": ["north", "south"], "score": [9, None], "stands_for": [3.0, 1.0]})
    assert [1.0, 0.0, 0.5] == response_rate(df, by="region", totals=True)["value"].tolist()
    weighted = response_rate(df, weight="stands_for")
    assert [0.75] == weighted["value"].tolist()
    assert "responded" not in weighted.columns


# -- its doubt --------------------------------------------------------------------------------------------------------


def test_invitations_of_one_customer_are_not_independent():
    df = pd.DataFrame({"customer_id": np.repeat(np.arange(40), 10), "score": np.repeat([9.0, None] * 20, 10)})
    (low, high, m), (low_alone, high_alone, n) = (
        rows(response_rate(df, **asked), "low", "high", "n_effective")[0] for asked in ({}, {"customer_id": None})
    )
    assert approx(40, rel=0.1) == m
    assert approx(400) == n
    assert approx((high - low) / (high_alone - low_alone), rel=0.1) == np.sqrt(10)


@properly
@given(st.lists(st.one_of(st.none(), st.integers(1, 5)), min_size=1, max_size=30))
def test_the_rate_of_independent_invitations_is_a_proportion(scores):
    answered = sum(score is not None for score in scores)
    expected = satisfaction(answered, len(scores))
    found = response_rate(scores)
    assert_allclose([found.value, found.low, found.high], [expected.value, expected.low, expected.high], rtol=1e-12)


def test_the_caller_s_frame_stays_as_it_was():
    df = pd.DataFrame(ASKED)
    before = df.copy(deep=True)
    response_rate(df, by="region", invited="sent")
    pd.testing.assert_frame_equal(before, df)


def test_the_rate_is_that_which_other_metrics_tell_beside_their_value():
    df = pd.DataFrame(ASKED).assign(score=[5.0, 4.0, None, 3.0, None])
    beside = csat(df, by="region", scale=(1, 5), invited="sent")["response_rate"]
    assert beside.tolist() == response_rate(df, by="region", invited="sent")["value"].tolist()


# -- bad input --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "error", "said"),
    [
        ({"score": "skore"}, SchemaError, "no column 'skore' for a response rate; did you mean 'score'?"),
        ({"invited": "sendt"}, SchemaError, "no column 'sendt' for a response rate; did you mean 'sent'?"),
        (
            {"invited": "score"},
            SchemaError,
            "invited='score' must hold flags, or times (missing: was not asked); found Float64",
        ),
        ({"interval": "wilsen"}, DomainError, "did you mean 'wilson'?"),
        ({"level": 95}, DomainError, "level must lie between 0 and 1, got 95"),
        (
            {"on_invalid": "drop"},
            DomainError,
            "response_rate takes no on_invalid: it asks whether there is a score, not which",
        ),
    ],
)
def test_bad_input_is_told_what_is_wrong_with_it(asked, error, said):
    with pytest.raises(error) as caught:
        response_rate(pd.DataFrame(ASKED), **asked)
    assert said in str(caught.value)


def test_a_list_does_not_say_who_was_invited():
    with pytest.raises(DomainError, match="a list has no column invited='sent'"):
        response_rate([1, None], invited="sent")
