"""Counts: how many of each group were asked, answered, and what else there is among the scores."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import narwhals.stable.v2 as nw
import numpy as np

from custrel.errors import PromiseError
from custrel.feedback.rows import INVITED, SCORE, WEIGHT, without_nan
from custrel.frames import collect, tally

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from custrel.feedback.question import Question
    from custrel.frames import LazyFrame

__all__ = ["countable", "counted", "valid"]


def counted(rows: LazyFrame, question: Question) -> tuple[LazyFrame, dict[str, NDArray[Any]]]:
    """How many rows each group has, how many answer, what each mark adds up to; and the rows, scores all numbers.

    That all is well costs one mark more than to count. Only if it is not, rows are counted again with care.

    Raises
    ------
    PromiseError
        If weights are none, or scores are not of the scale and are not to be left out.
    """
    # Ibis reads the floor of a number as a whole number, which NaN has none of.
    rows = without_nan(rows) if rows.implementation.value == "ibis" else rows
    counts = _summed(rows, question, {"odd": _odd(rows, question)})
    zeros = np.zeros(counts["n"].size, dtype=np.int64)
    if counts["odd"].any():
        rows = without_nan(rows)
        off = _off(question)
        counts = _summed(rows, question, {"off_scale": off, "between_points": _odd(rows, question) & ~off})
        if question.on_invalid == "raise" and (counts["off_scale"] + counts["between_points"]).any():
            _refuse(rows, counts, question)
    if counts.get("unweighed", zeros).any():
        raise PromiseError(
            f"weight={question.weight!r} must be a number of 0 or more for every answer; it is not for "
            f"{counts['unweighed'].sum():,} of {counts['answered'].sum():,}"
        )
    return rows, {"off_scale": zeros, "between_points": zeros, **counts}


def _summed(rows: LazyFrame, question: Question, odd: Mapping[str, nw.Expr]) -> dict[str, NDArray[Any]]:
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
    table = collect(tally(rows, question.groups, sums=sums), sort=question.groups)
    # A sum of nothing is 0.
    whole = {name: np.nan_to_num(table[name].astype(np.float64)).astype(np.int64) for name in [*sums, "n"]}
    return {**table, **whole}


def countable(question: Question) -> bool:
    """Whether the counts of the marks say it all: no answer weighs more, and none is of one who answered before."""
    return question.flags and question.weight is None and question.customer_id is None


def valid(rows: LazyFrame, question: Question) -> LazyFrame:
    """The rows whose scores are of the scale."""
    return rows.filter(~_odd(rows, question))


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
