"""Answers: whatever library they live in, the same figures, or one of our errors."""

from dataclasses import fields
from datetime import datetime, timedelta

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
import pytest

from custrel import Interactions, frames
from custrel.errors import DomainError, PromiseError, SchemaError
from custrel.feedback import Reading, ces, csat, net_promoter_score, nps, satisfaction
from custrel.feedback.reading.question import Question

ENGINES_BY_DEFAULT = ["pandas", "polars-lazy", "pyarrow", "duckdb"]
OTHERS = ["pandas-nullable", "pandas-pyarrow", "polars", "ibis", "dask", "pyspark"]
ALL = [*ENGINES_BY_DEFAULT, *(pytest.param(name, marks=pytest.mark.slow) for name in OTHERS)]
on_all = pytest.mark.parametrize("frame_of", ALL, indirect=True)


def answers(n=60):
    """Answers with all that may be missing in them: scores, regions, customers."""
    rng = np.random.default_rng(1)
    began = datetime(2024, 1, 1)
    return {
        "region": [["north", "south", None][i] for i in rng.integers(0, 3, n)],
        "customer_id": [None if who == 0 else int(who) for who in rng.integers(0, 25, n)],
        "score": [None if score == 11 else int(score) for score in rng.integers(0, 12, n)],
        "w": [float(w) for w in rng.integers(1, 4, n) / 2],
        "date": [began + timedelta(hours=int(hours)) for hours in rng.integers(0, 24 * 90, n)],
        "asked": [bool(flag) for flag in rng.integers(0, 2, n)],
    }


QUESTIONS = {
    "all": lambda df: nps(df, customer_id=None),
    "regions": lambda df: nps(df, by="region", invited="asked"),
    "weighted": lambda df: nps(df, by="region", weight="w", customer_id=None, interval="wald"),
    "months": lambda df: nps(df, every="month", at="date"),
    "latest": lambda df: nps(df, by="region", per_customer="latest", at="date", weight="w"),
    "means": lambda df: csat(df, scale=(0, 10), measure="mean", by=["region"]),
    "totals": lambda df: ces(
        df, scale=(0, 10), version=2, measure="easy", by=["region"], every="quarter", at="date", totals=True
    ),
}


def told(frame):
    """Columns as lists of plain values, numbers to nine digits."""
    opened = nw.from_native(frame)
    plain = {name: [frames.plain(one) for one in opened[name].to_list()] for name in opened.columns}
    return {
        name: [
            round(one, 9) if isinstance(one, float) else str(one) if isinstance(one, datetime) else one
            for one in values
        ]
        for name, values in plain.items()
    }


EXPECTED = {name: told(ask(pd.DataFrame(answers()).convert_dtypes())) for name, ask in QUESTIONS.items()}


@on_all
def test_every_library_gives_the_same_figures(frame_of):
    frame = frame_of(answers())
    for name, ask in QUESTIONS.items():
        assert EXPECTED[name] == told(ask(frame)), name


@on_all
def test_figures_leave_in_the_library_of_the_answers(frame_of):
    assert frame_of.leaves == nw.from_native(nps(frame_of(answers()), by="region")).implementation.value


def test_without_polars_the_same_figures_are_found_slower(monkeypatch):
    monkeypatch.setattr(frames, "find_spec", lambda _name: None)
    frame = pd.DataFrame(answers())
    for name, ask in QUESTIONS.items():
        assert EXPECTED[name] == told(ask(frame)), name


@on_all
def test_every_library_finds_scores_that_are_none(frame_of):
    with pytest.raises(PromiseError, match="of 4 scores 2 lie off it .from -3 to 99 were found. and 1 lie between"):
        nps(frame_of({"score": [9.0, 8.5, 99.0, -3.0, None]}))
    found = told(nps(frame_of({"score": [9.0, 8.5, 99.0, -3.0, None]}), on_invalid="drop"))
    assert [100.0] == found["value"]
    assert [[1], [2], [1]] == [found[f"excluded_{name}"] for name in ("missing", "off_scale", "between_points")]
    with pytest.raises(SchemaError, match="column 'score' must hold numbers; found String"):
        nps(frame_of({"score": ["9", "8"]}))


@on_all
def test_nan_is_no_answer(frame_of):
    if frame_of.name in {"pandas-nullable", "dask"}:
        pytest.skip("NaN is missing there already")
    frame = nw.from_native(frame_of({"score": [0.0, 9.0, 3.0]})).with_columns(
        score=nw.col("score") * 0 / nw.col("score") + nw.col("score")
    )
    found = told(nps(frame.to_native()))
    assert [0.0, 2, 1] == [found[name][0] for name in ("value", "n", "excluded_missing")]


@on_all
def test_a_frame_without_rows_has_no_figure(frame_of):
    if frame_of.name == "pyspark":
        pytest.skip("PySpark makes no frame of no rows")
    empty = nw.from_native(frame_of({"region": ["a"], "score": [9]})).filter(nw.col("score") < 0).to_native()
    assert [None] == told(nps(empty))["value"]
    assert [] == told(nps(empty, by="region"))["value"]


def test_a_log_knows_its_customers_times_and_invitations():
    columns = answers()
    rows = {name: columns[name] for name in ("score", "region")}
    rows["customer_id"] = [who or 99 for who in columns["customer_id"]]
    frame = pd.DataFrame(rows | {"survey_kind": "nps", "occurred_at": columns["date"]})
    log = Interactions.from_frame(frame, kind="survey_response")
    assert told(nps(log, by="region", every="month")) == told(nps(frame, by="region", every="month"))


# -- What a hostile reader tried ----------------------------------------------------------------------------------


@pytest.mark.parametrize("customer_id", [None, "customer_id"])
def test_labels_that_are_nan_are_missing_and_whole_ones_stay_whole(customer_id):
    pl = pytest.importorskip("polars")
    who = pl.Series("customer_id", [1, 2, 3, 3])
    nan = pl.DataFrame({"score": [9, 3, 3, 5], "g": [1.0, None, float("nan"), 2.0]}).with_columns(who)
    found = nps(nan, by="g", customer_id=customer_id)
    assert {None: 2, 1.0: 1, 2.0: 1} == dict(zip(found["g"].to_list(), found["n"].to_list(), strict=True))
    large = pl.DataFrame({"score": [9, 3, 3, 9], "g": [2**53 + 1, None, 2**53, 2**53 + 1]}).with_columns(who)
    labels = pd.array([2**53 + 1, None, 2**53, 2**53 + 1], "Int64")
    for frame in (large, pd.DataFrame({"score": [9, 3, 3, 9], "g": labels, "customer_id": who.to_list()})):
        found = told(nps(frame, by="g", customer_id=customer_id))
        assert {None: 1, 2**53: 1, 2**53 + 1: 2} == dict(zip(found["g"], found["n"], strict=True))


@on_all
def test_scores_of_8_bits_are_squared_in_more(frame_of):
    table = pytest.importorskip("pyarrow").table(
        {"score": np.array([100, 90, 80, 70, 60, 50] * 5, np.int8), "customer_id": list(range(15)) * 2}
    )
    found = told(csat(frame_of(table), scale=(0, 100), measure="mean"))
    assert [75.0] == found["value"]
    assert 15 < found["n_effective"][0] <= 30


@pytest.mark.parametrize(
    "name", ["answered", "odd", "off_scale", "unweighed", "answers", "mark_promoters", "w", "w2", "weightless"]
)
@pytest.mark.parametrize("weight", [None, "heavy"])
def test_groups_may_be_called_what_we_call_things_inside(name, weight):
    df = pd.DataFrame({name: ["a", "b"], "score": [9, 3], "customer_id": [1, 2], "heavy": [1.0, 2.0]})
    weighed = {} if weight is None else {"weight": weight}
    assert {"a": 100, "b": -100} == nps(df, by=name, **weighed).set_index(name)["value"].to_dict()


@pytest.mark.parametrize("interval", ["score", "adjusted_wald", "wald", "t", "dirichlet", "bootstrap"])
@pytest.mark.parametrize("scores", [[10], [10, 10], [10, 7], [7, 7]])
def test_of_a_census_nothing_is_left_to_doubt(interval, scores):
    found = nps(scores, interval=interval, population=len(scores))
    assert found.low == pytest.approx(found.value) == found.high


def test_a_population_is_of_customers_not_of_answers():
    df = pd.DataFrame({"customer_id": [*range(10), *range(10)], "score": [10, 0, 10, 8, 9] * 4})
    half = nps(df, population=19)  # (19 - 10) / (19 - 1) = 1/2 of the variance is left
    assert nps(df)["standard_error"][0] == pytest.approx(half["standard_error"][0] * np.sqrt(2))
    assert 0 == nps(df, population=10)["standard_error"][0]


def test_answers_of_no_weight_are_left_out_and_counted():
    df = pd.DataFrame({"score": [10, 0, 0], "w": [1.0, 0.0, 0.0]})
    for interval in ("score", "t", "bootstrap"):
        found = nps(df, weight="w", interval=interval)
        assert [1, 2, 100] == found.loc[0, ["n", "excluded_weightless", "value"]].tolist()
        assert found["low"][0] < 0
    nothing = nps(df.assign(w=0.0), weight="w")
    assert [0, 3] == nothing.loc[0, ["n", "excluded_weightless"]].tolist()
    assert np.isnan(nothing["value"][0])


@pytest.mark.parametrize("size", [1e-200, 1e200, 1e308])
def test_the_unit_of_weights_is_ours_to_choose(size):
    df = pd.DataFrame({"score": [10, 7, 0, 10], "w": np.array([1.0, 0.5, 0.25, 1.0])})
    expected, found = told(nps(df, weight="w")), told(nps(df.assign(w=df["w"] * size), weight="w"))
    assert expected == found


def test_weights_that_go_with_the_answers_widen_the_interval_as_their_error_says():
    rng, held, repeats = np.random.default_rng(3), 0, 150
    for _ in range(repeats):
        heavy = rng.random(200) < 0.1
        draw = rng.random(200)
        score = np.where(heavy, np.where(draw < 0.5, 10, 0), np.where(draw < 0.05, 10, np.where(draw < 0.1, 0, 7)))
        found = nps(pd.DataFrame({"score": score, "w": np.where(heavy, 10.0, 1.0)}), weight="w")
        held += found["low"][0] <= 0 <= found["high"][0]
    assert held / repeats > 0.91  # Kish's number alone holds 87 of 100


@pytest.mark.parametrize(
    "ask",
    [
        lambda: nps([9], scale=None),
        lambda: nps([9], breaks=5),
        lambda: nps([9], breaks=("a", "b")),
        lambda: nps([9], by=3),
        lambda: nps([9], seed=-1),
        lambda: csat([5], scale=(1, 5), boxes=5),
        lambda: csat([5], scale=(1, 5), measure="mean", boxes=[5]),
        lambda: ces([5], version=[1]),
        lambda: net_promoter_score("a", 1, 2),
        lambda: net_promoter_score([1, 2], [1, 2, 3], 2),
        lambda: satisfaction(1, float("inf")),
        lambda: nps(
            pd.DataFrame({"score": [9], "at": ["2024-01-01"]}), every="month", at="at", population={"2024-01": 9}
        ),
    ],
)
def test_what_is_no_argument_is_refused_by_us(ask):
    with pytest.raises(DomainError):
        ask()


def test_a_question_has_a_place_for_every_keyword():
    assert {one.name for one in fields(Question)} >= set(Reading.__annotations__)
