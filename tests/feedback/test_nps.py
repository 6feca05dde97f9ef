"""NPS: the worked cases, the edges, and what must be true of all answers."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from custrel import Interactions, SurveyResponse
from custrel.errors import DomainError, PromiseError, SchemaError
from custrel.feedback import net_promoter_score, nps

approx = pytest.approx
for_all = settings(deadline=None, derandomize=True, database=None, max_examples=12)
SCORES = st.lists(st.integers(0, 10), min_size=1, max_size=40)
POINT = {1: 10, 0: 7, -1: 0}
"""A score of a promoter, a passive and a detractor."""


def row(frame):
    """The only row."""
    (only,) = frame.to_dict("records")
    return only


# -- The worked cases ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("counts", "value", "error", "score"),
    [
        ((3, 2, 1), 0.333333, 0.30429, (-0.311074, 0.753957)),
        ((15, 12, 9), 0.166667, 0.133218, (-0.1006, 0.408984)),
        ((9, 0, 2), 0.636364, 0.232583, (0.046039, 0.897265)),
        ((0, 5, 0), 0, 0, (-0.434482, 0.434482)),
    ],
)
def test_nps_of_counts_and_of_scores_is_the_worked_one(counts, value, error, score):
    P, N, D = counts
    found = row(nps(pd.DataFrame({"score": [9] * P + [8] * N + [6] * D})))
    assert approx(100 * value, abs=6e-5) == found["value"]
    assert approx(100 * error, abs=6e-4) == found["standard_error"]
    assert_allclose((found["low"], found["high"]), 100 * np.array(score), atol=6e-5)
    assert_allclose(np.divide(counts, sum(counts)), [found[name] for name in ("promoters", "passives", "detractors")])
    estimate = net_promoter_score(*counts)
    assert_allclose((found["value"], found["low"], found["high"]), (estimate.value, estimate.low, estimate.high))


def test_weights_give_the_worked_score_error_and_effective_number():
    x, w = (1, 1, 1, 0, 0, -1), (0.5, 0.5, 1, 1, 1, 2)
    found = row(nps(pd.DataFrame({"score": [POINT[one] for one in x], "weight": w}), weight="weight"))
    assert approx(0, abs=1e-12) == found["value"]
    assert approx(42.8174, abs=6e-5) == found["standard_error"]
    assert approx(4.8) == found["n_effective"]
    assert 6 == found["n"]


REPEATED = pd.DataFrame(
    [
        (who, POINT[answer], pd.Timestamp("2024-01-01") + pd.Timedelta(days=day))
        for who, answers in {"a": [1, 1, 1], "b": [0], "c": [-1], "d": [1, 0], "e": [-1]}.items()
        for day, answer in enumerate(answers)
    ],
    columns=["customer_id", "score", "occurred_at"],
)


@pytest.mark.parametrize(
    ("asked", "value", "n"),
    [
        ({}, 25, 8),
        ({"customer_id": None}, 25, 8),
        ({"per_customer": "latest"}, -20, 5),
        ({"per_customer": "first"}, 0, 5),
        ({"per_customer": "mean"}, -10, 5),
    ],
)
def test_repeated_answers_of_customers_count_as_asked(asked, value, n):
    found = row(nps(REPEATED, **asked))
    assert approx(value) == found["value"]
    assert n == found["n"]
    assert found.get("excluded_superseded", 8 - n) == 8 - n or asked["per_customer"] == "mean"


def test_the_error_of_repeated_answers_is_the_worked_clustered_one():
    assert approx(40.745, abs=6e-4) == row(nps(REPEATED))["standard_error"]
    assert approx(29.3151, abs=6e-4) == row(nps(REPEATED, customer_id=None))["standard_error"]
    assert row(nps(REPEATED))["n_effective"] < 5


@pytest.mark.parametrize("asked", [{"scale": (1, 15), "breaks": (6, 8)}, {"breaks": (0, 6, 8, 15)}])
def test_another_scale_is_declared_with_its_breaks(asked):
    assert approx(100 / 15) == nps(range(1, 16), **asked).value


# -- What is no answer, or none of the scale -------------------------------------------------------------------------


@pytest.mark.parametrize("answers", [[], [None, None], [float("nan")]])
def test_no_answers_give_no_figure(answers):
    found = nps(answers)
    assert 0 == found.n
    assert all(np.isnan(one) for one in (found.value, found.low, found.high, found["promoters"], found["n_effective"]))
    assert len(answers) == found["excluded_missing"]


@pytest.mark.parametrize("interval", ["score", "adjusted_wald", "wald", "t", "dirichlet", "bootstrap"])
def test_a_group_without_answers_has_missing_figures_beside_one_with_one(interval):
    df = pd.DataFrame({"region": ["north", "south"], "score": [10, None]})
    found = nps(df, by="region", interval=interval)
    assert [100.0, None] == [None if pd.isna(one) else one for one in found["value"]]
    assert [1, 0] == found["n"].tolist()
    assert found.loc[1, ["low", "high", "standard_error"]].isna().all()
    # What shrinks towards the middle, shrinks a single answer most.
    assert interval in {"adjusted_wald", "dirichlet"} or found.loc[0, "low"] <= 100 == found.loc[0, "high"]


@pytest.mark.parametrize(
    ("scores", "error", "said"),
    [
        ([1, 2, 99, -3], PromiseError, "of 4 scores 2 lie off it (from -3 to 99 were found)"),
        ([8.5, 9], PromiseError, "of 2 scores 1 lie between its points"),
        ([float("inf"), 9], PromiseError, "of 2 scores 1 lie off it"),
        (["9", 3], SchemaError, "1 of 2 are not, the first is '9' (str)"),
        ([[1, 2]], SchemaError, "found 2 dimensions"),
        ([True, False], SchemaError, "found Boolean"),
        (pd.DataFrame({"score": ["9", "3"]}), SchemaError, "column 'score' must hold numbers; found String"),
        (pd.DataFrame({"rating": [9, 3]}), SchemaError, "no column 'score'"),
        (pd.DataFrame({"score": [9, 3], "w": [1.0, -1.0]}), PromiseError, "it is not for 1 of 2"),
        (pd.DataFrame({"score": [9, 3], "w": [1.0, None]}), PromiseError, "weight='w' must be a number of 0 or more"),
        (7, SchemaError, "expected a frame"),
    ],
)
def test_scores_that_are_none_are_refused_with_their_count(scores, error, said):
    weighed = {"weight": "w"} if "w" in getattr(scores, "columns", []) else {}
    with pytest.raises(error) as refused:
        nps(scores, **weighed)
    assert said in str(refused.value)


def test_what_is_dropped_is_counted_by_reason():
    df = pd.DataFrame({"team": ["a"] * 5 + ["b"], "score": [9, 8.5, 11, np.nan, 0, 10]})
    found = nps(df, by="team", on_invalid="drop").set_index("team")
    assert [0, 100] == found["value"].tolist()
    assert {"excluded_missing": 1, "excluded_off_scale": 1, "excluded_between_points": 1} == found.loc[
        "a", [name for name in found if name.startswith("excluded")]
    ].to_dict()


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"interval": "wilson"}, "interval must be one of 'score'"),
        ({"level": 95}, "level must lie between 0 and 1"),
        ({"scale": (1, 5)}, "wants breaks=(highest score of a detractor, highest of a passive)"),
        ({"breaks": (8, 6)}, "breaks must rise within the scale"),
        ({"wieght": "w"}, "there is no keyword 'wieght'; did you mean 'weight'?"),
        ({"by": ["score", "score"]}, "by names a column twice"),
        ({"every": "fortnight"}, "every must be one of"),
        ({"per_customer": "latest"}, "must know who answered"),
        ({"population": 1}, "population must be 2, as many as answered, or more; got 1"),
        ({"by": "n"}, "by='n' is a name of the answer's own columns"),
    ],
)
def test_a_question_that_is_none_is_refused_in_words(asked, said):
    with pytest.raises(DomainError) as refused:
        nps(pd.DataFrame({"score": [9, 3], "n": [1, 2]}), **asked)
    assert said in str(refused.value)


def test_answers_without_a_time_have_no_window():
    with pytest.raises(SchemaError, match="column 'date' is missing in 1 rows"):
        nps(pd.DataFrame({"score": [9, 3], "date": pd.to_datetime(["2024-01-01", None])}), every="month", at="date")


# -- Groups, windows, invitations, populations -----------------------------------------------------------------------


def test_windows_begin_where_months_and_quarters_do():
    df = pd.DataFrame({"date": ["2024-01-31", "2024-02-01", "2024-03-31", "2024-04-01"], "score": [10, 0, 10, 10]})
    monthly = nps(df, every="month", at="date")
    assert ["2024-01-01", "2024-02-01", "2024-03-01", "2024-04-01"] == monthly["period"].dt.strftime("%F").tolist()
    quarterly = nps(df, every="quarter", at="date")
    assert [approx(100 / 3), 100] == quarterly["value"].tolist()
    assert ["2024-01-01", "2024-04-01"] == quarterly["period"].dt.strftime("%F").tolist()
    weekly = nps(df, every="week", at="date")
    assert {0} == set(weekly["period"].dt.day_of_week)


def test_a_month_ends_where_the_clock_says():
    df = pd.DataFrame({"at": pd.to_datetime(["2024-01-31T23:30Z"]), "score": [10]})
    assert ["2024-02-01"] == nps(df, every="month", at="at", tz="Europe/Paris")["period"].dt.strftime("%F").tolist()


def test_totals_stand_below_the_groups():
    df = pd.DataFrame({"region": ["north", "north", "south"], "score": [10, 0, 0]})
    found = nps(df, by="region", totals=True)
    assert [0, -100, approx(-100 / 3)] == found["value"].tolist()
    assert [False, False, True] == found["total"].tolist()
    assert found["region"].isna().tolist() == [False, False, True]


def test_who_was_invited_and_did_not_answer_lowers_the_response_rate_alone():
    df = pd.DataFrame({"score": [10, None, None, 0], "invited_at": ["2024-01-01"] * 3 + [None]})
    found = row(nps(df, invited="invited_at"))
    assert (0, 2, 2, approx(1 / 3)) == tuple(
        found[name] for name in ("value", "n", "excluded_missing", "response_rate")
    )


def test_a_population_of_which_many_answered_leaves_less_in_doubt():
    df = pd.DataFrame({"team": ["a"] * 8 + ["b"] * 8, "score": [10, 10, 10, 8, 8, 7, 0, 0] * 2})
    alone = nps(df, by="team")
    known = nps(df, by="team", population={"a": 8, "b": 15})
    assert_allclose(known["value"], alone["value"])
    assert known.loc[0, "low"] == known.loc[0, "high"] == known.loc[0, "value"]
    # (15 - 8) / (15 - 1) = 1/2 of the variance is left
    assert approx(alone.loc[1, "standard_error"] * np.sqrt(0.5)) == known.loc[1, "standard_error"]
    assert approx(16) == known.loc[1, "n_effective"]
    with pytest.raises(DomainError, match="it does not for 'b'"):
        nps(df, by="team", population={"a": 8})


def test_a_log_is_asked_for_its_nps_surveys_alone():
    def answer(who, score, survey="nps", scale=(0, 10)):
        when = "2024-05-04T09:30Z"
        return SurveyResponse(customer_id=who, occurred_at=when, survey_kind=survey, score=score, scale=scale)

    log = Interactions.from_records([answer(1, 10), answer(2, 0), answer(3, None), answer(4, 5, "csat", (1, 5))])
    found = row(nps(log))
    assert (0, 2, 1) == (found["value"], found["n"], found["excluded_missing"])
    assert "response_rate" not in found
    asked = [one.model_copy(update={"invited_at": one.occurred_at}) for one in log.to_records()]
    assert approx(2 / 3) == row(nps(Interactions.from_records(asked)))["response_rate"]
    other = Interactions.from_records([answer(1, 3, scale=(1, 5))])
    with pytest.raises(SchemaError, match="1 answers were given on another scale than 0 to 10"):
        nps(other)


# -- What must be true of all ----------------------------------------------------------------------------------------


@for_all
@given(SCORES)
def test_customers_who_answered_once_and_equal_weights_change_nothing(scores):
    plain = row(nps(pd.DataFrame({"score": scores})))
    df = pd.DataFrame({"score": scores, "customer_id": range(len(scores)), "w": 2.5})
    for asked in ({}, {"weight": "w"}, {"weight": "w", "customer_id": None}, {"per_customer": "mean"}):
        found = row(nps(df, **asked))
        assert 0 == found.pop("excluded_weightless", 0)
        assert_allclose(list(plain.values()), list(found.values()), atol=1e-9, err_msg=str(asked))


@for_all
@given(SCORES, st.integers(2, 4))
def test_answers_that_repeat_a_customers_own_say_nothing_new(scores, times):
    once = row(nps(pd.DataFrame({"score": scores, "customer_id": range(len(scores))})))
    copied = pd.DataFrame({"score": scores * times, "customer_id": list(range(len(scores))) * times})
    again = row(nps(copied))
    assert approx(once["value"], abs=1e-9) == again["value"]
    assert again["n_effective"] <= len(scores) * (1 + 1e-9)
    assert again["high"] - again["low"] >= once["high"] - once["low"] - 1e-6


@for_all
@given(SCORES, st.randoms(use_true_random=False))
def test_the_order_of_rows_is_nobodys_business(scores, order):
    mixed = scores.copy()
    order.shuffle(mixed)
    one, other = nps(scores), nps(mixed)
    assert [repr(one), repr(one.also)] == [repr(other), repr(other.also)]


def test_a_seed_gives_the_same_bootstrap_and_another_seed_another():
    df = pd.DataFrame({"score": [10] * 20 + [8] * 5 + [3] * 9, "w": np.linspace(0.5, 1.5, 34)})
    one, same, other = (row(nps(df, weight="w", interval="bootstrap", seed=seed)) for seed in (1, 1, 2))
    assert one == same
    assert one["low"] != other["low"]
    assert approx(row(nps(df, weight="w", interval="wald"))["low"], abs=5) == one["low"]


def test_the_callers_frame_is_left_as_it_was():
    df = REPEATED.copy()
    nps(df, by="customer_id", every="month", per_customer="latest")
    pd.testing.assert_frame_equal(REPEATED, df)


# -- How often intervals hold ----------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("customers", [20])
def test_intervals_of_customers_who_answer_often_hold_as_often_as_they_say(customers):
    rng, held, repeats = np.random.default_rng(5), 0, 200
    for _ in range(repeats):
        likes = rng.random(customers) < 0.6  # NPS 20: each customer mostly repeats themselves
        answers = rng.integers(1, 8, customers)
        who = np.repeat(np.arange(customers), answers)
        moody = rng.random(who.size) < 0.2
        promoter = np.where(moody, rng.random(who.size) < 0.6, likes[who])
        found = row(nps(pd.DataFrame({"customer_id": who, "score": np.where(promoter, 10, 0)})))
        held += found["low"] <= 20 <= found["high"]
    assert 0.91 <= held / repeats <= 0.995
