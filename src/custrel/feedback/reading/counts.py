"""Counts: how many of each group were asked, answered, and what else there is among the scores."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import narwhals.stable.v2 as nw
import numpy as np

from custrel.errors import PromiseError
from custrel.feedback.reading.rows import INVITED, SCORE, WEIGHT, without_nan
from custrel.frames import collect, tally

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from custrel.feedback.reading.question import Question
    from custrel.frames import LazyFrame

__all__ = ["countable", "counted", "valid"]


def counted(
    rows: LazyFrame, question: Question
) -> tuple[LazyFrame, dict[str, NDArray[Any]], dict[str, NDArray[np.int64]]]:
    """The rows, scores all numbers; the labels of the groups; and how many rows each has, how many of them answer, ...

    That all is well costs one mark more than to count. Only if it is not, rows are counted again with care.

    Raises
    ------
    PromiseError
        If weights are none, or scores are not of the scale and are not to be left out.
    """
    # Ibis reads the floor of a number as a whole number, which NaN has none of.
    rows = without_nan(rows) if rows.implementation.value == "ibis" else rows
    labels, counts = _summed(rows, question, {"odd": _odd(rows, question)})
    zeros = np.zeros(counts["n"].size, dtype=np.int64)
    if counts["odd"].any():
        rows = without_nan(rows)
        off = _off(question)
        marks = {"off_scale": off, "between_points": _odd(rows, question) & ~off}
        labels, counts = _summed(rows, question, marks)
        if question.on_invalid == "raise" and (counts["off_scale"] + counts["between_points"]).any():
            _refuse(rows, counts, question)
    if counts.get("unweighed", zeros).any():
        raise PromiseError(
            f"weight={question.weight!r} must be a number of 0 or more for every answer; it is not for "
            f"{counts['unweighed'].sum():,} of {counts['answered'].sum():,}"
        )
    return rows, labels, {"off_scale": zeros, "between_points": zeros, **counts}


def _summed(
    rows: LazyFrame, question: Question, odd: Mapping[str, nw.Expr]
) -> tuple[dict[str, NDArray[Any]], dict[str, NDArray[np.int64]]]:
    score = nw.col(SCORE)
    answered = ~score.is_null()
    sums = {"answered": answered, **odd}
    if countable(question):
        sums |= {f"mark_{name}": marked(score) for name, marked in question.marks.items()}
    if question.invited:
        sums |= {"invited": nw.col(INVITED), "responded": nw.col(INVITED) & answered}
    if question.weight:
        weight = nw.col(WEIGHT)
        sums["unweighed"] = answered & ~((weight >= 0) & (weight < float("inf"))).fill_null(value=False)
        sums["weightless"] = (weight == 0) & answered & ~_odd(rows, question)
    ours = {f"__{name}": mark for name, mark in sums.items()}
    table = collect(tally(rows, question.groups, sums=ours), sort=question.groups, labels=question.groups)
    # A sum of nothing is 0.
    whole = {name: np.nan_to_num(table[name].astype(np.float64)).astype(np.int64) for name in [*ours, "n"]}
    return {name: table[name] for name in question.groups}, {name.removeprefix("__"): n for name, n in whole.items()}


def countable(question: Question) -> bool:
    """Whether the counts of the marks say it all: no answer weighs more, and none is of one who answered before."""
    return question.flags and question.weight is None and question.customer_id is None


def valid(rows: LazyFrame, question: Question) -> LazyFrame:
    """The rows that answer, whose scores are of the scale, and whose weights are more than nothing.

    Weights are taken by the greatest, so that no square of one is too large, or too small, for a number.
    """
    rows = rows.filter(~nw.col(SCORE).is_null())
    rows = rows.filter(~_odd(rows, question))
    if not question.weight:
        return rows
    rows = rows.filter(nw.col(WEIGHT) > 0)
    heaviest = collect(tally(rows, highs={"heaviest": nw.col(WEIGHT)}))["heaviest"].astype(np.float64)[0]
    if 1e-100 < heaviest < 1e100 or not heaviest > 0:
        return rows
    return rows.with_columns((nw.col(WEIGHT) / float(heaviest)).alias(WEIGHT))


def _off(question: Question) -> nw.Expr:
    return (nw.col(SCORE) < question.scale.low) | (nw.col(SCORE) > question.scale.high)


def _odd(rows: LazyFrame, question: Question) -> nw.Expr:
    """Whether a score is none of the scale: it lies off it, or between two of its points."""
    score = nw.col(SCORE)
    even = rows.collect_schema()[SCORE].is_integer() or not question.scale.whole
    return _off(question) if even else _off(question) | (score > score.floor())


def _refuse(rows: LazyFrame, counts: Mapping[str, NDArray[Any]], question: Question) -> None:
    ends = collect(tally(rows, lows={"low": nw.col(SCORE)}, highs={"high": nw.col(SCORE)}))
    off, between = int(counts["off_scale"].sum()), int(counts["between_points"].sum())
    said = [f"{off:,} lie off it (from {ends['low'][0]:g} to {ends['high'][0]:g} were found)"] if off else []
    said += [f"{between:,} lie between its points"] if between else []
    raise PromiseError(
        f"column {question.score!r} must hold scores of the scale {question.scale}; of {counts['answered'].sum():,} "
        f"scores {' and '.join(said)}: say by scale=(lowest, highest) which scale was asked, or leave these out, "
        "counted, by on_invalid='drop'"
    )
