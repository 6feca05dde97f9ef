"""Answers: whatever library they live in, the same figures, or one of our errors."""

from datetime import datetime, timedelta

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
import pytest

from custrel import Interactions, frames
from custrel.errors import PromiseError, SchemaError
from custrel.feedback import ces, csat, nps

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
