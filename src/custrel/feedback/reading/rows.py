"""Rows: answers as they come through the door, under names of our own, whatever they are called at home."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import narwhals.stable.v2 as nw

from custrel.errors import DomainError, SchemaError
from custrel.feedback.reading.windows import window_of
from custrel.frames import collect, enter, enter_values, mark, quickest, require, tally
from custrel.interactions import Interactions
from custrel.moments import period_of
from custrel.readable import with_moments

if TYPE_CHECKING:
    from custrel.feedback.reading.question import Question
    from custrel.frames import LazyFrame

__all__ = ["INVITED", "SCORE", "WEIGHT", "WHEN", "WHO", "rows_of", "was_invited", "without_nan"]

SCORE, WEIGHT, WHO, WHEN, INVITED = "__score", "__weight", "__who", "__when", "__invited"
_DATE = "__date"
_NAN_IS_THE_GREATEST = {"polars", "duckdb", "pyspark", "ibis", "sqlframe"}
"""Engines in which NaN fails every test that a score must pass, and so need not be looked for beforehand."""


def rows_of(data: Any, question: Question) -> tuple[LazyFrame, Question, str | None]:
    """The columns that are asked for under names of our own; and the question, its customers' column settled."""
    if isinstance(data, Interactions):
        frame, like, question = _of_log(data, question)
    elif (values := enter_values(data, question.score)) is not None:
        frame, like = values, None
    else:
        frame, like = enter(data)
    there = frame.collect_schema().names()
    if question.customer_id not in there and not question.named:
        question = replace(question, customer_id=None)
    if question.per_customer != "all" and question.customer_id is None:
        raise DomainError(f"per_customer={question.per_customer!r} must know who answered: give customer_id=column")
    wanted = [question.score, question.weight, question.customer_id, question.invited]
    timed = question.every is not None or question.per_customer in {"latest", "first"}
    named = [*question.by, *(name for name in wanted if name), *([question.at] if timed else [])]
    require(frame, named, purpose="feedback")
    frame = with_moments(frame, question.at, name=_DATE, tz=question.tz) if timed else frame
    return quickest(_selected(frame, question, timed=timed)), question, like


def _of_log(log: Interactions, question: Question) -> tuple[LazyFrame, str, Question]:
    """The rows of a log that answer the question, and that none of them was asked on another scale."""
    sheet = log.only(question.kind).sheets[question.kind]
    frame = sheet.frame
    if question.survey:
        frame = frame.filter(nw.col("survey_kind") == question.survey)
    there = frame.collect_schema().names()
    if "scale_low" in there:
        low, high = nw.col("scale_low"), nw.col("scale_high")
        other = ((low != question.scale.low) | (high != question.scale.high)).fill_null(value=False)
        if found := int(collect(tally(frame, sums={"other": other}))["other"][0] or 0):
            raise SchemaError(
                f"{found:,} answers were given on another scale than {question.scale}; "
                "ask of the rows of each scale alone, with scale=..."
            )
    known = "invited_at" if "invited_at" in there else None
    return frame, sheet.like, replace(question, named=True, invited=question.invited or known)


def _selected(frame: LazyFrame, question: Question, *, timed: bool) -> LazyFrame:
    library, columns = frame.implementation.value, {SCORE: _score(frame, question)}
    if question.customer_id:
        columns[WHO] = _label(frame, question.customer_id)
    if question.weight:
        columns[WEIGHT] = _number(frame, question.weight).cast(nw.Float64)
    if question.invited:
        columns[INVITED] = was_invited(frame, question.invited)
    if question.every:
        columns["period"] = window_of(_DATE, question.every, library)
    if timed and question.per_customer in {"latest", "first"}:
        columns[WHEN] = period_of(_DATE, "microsecond", library)
    return mark(frame, **{name: _label(frame, name) for name in question.by}, **columns)


def _label(frame: LazyFrame, name: str) -> nw.Expr:
    """A column of labels; NaN is none, in every library."""
    if not frame.collect_schema()[name].is_float():
        return nw.col(name)
    return nw.when(~nw.col(name).is_nan()).then(nw.col(name))


def _score(frame: LazyFrame, question: Question) -> nw.Expr:
    dtype = frame.collect_schema()[question.score]
    good_bad = dtype == nw.Boolean and (question.scale.low, question.scale.high) == (0, 1)
    return nw.col(question.score).cast(nw.Int64) if good_bad else _number(frame, question.score)


def _number(frame: LazyFrame, name: str) -> nw.Expr:
    """A column of numbers; what is NaN is missing, or will be found to be none."""
    dtype = frame.collect_schema()[name]
    if not (dtype.is_numeric() or dtype == nw.Unknown):
        raise SchemaError(
            f"column {name!r} must hold numbers; found {dtype}: cast it first, and leave missing what was not answered"
        )
    if dtype.is_integer():
        return nw.col(name)
    number = nw.col(name) if dtype == nw.Float64 else nw.col(name).cast(nw.Float64)
    sure = frame.implementation.value in _NAN_IS_THE_GREATEST
    return number if sure else nw.when(~number.is_nan()).then(number)


def without_nan(rows: LazyFrame) -> LazyFrame:
    """The rows, with scores that are NaN missing."""
    score = nw.col(SCORE)
    whole = rows.collect_schema()[SCORE].is_integer()
    return rows if whole else rows.with_columns(nw.when(~score.is_nan()).then(score).alias(SCORE))


def was_invited(frame: LazyFrame, name: str) -> nw.Expr:
    """A column of flags, or of times that are missing where nobody was asked, as flags."""
    dtype = frame.collect_schema()[name]
    if dtype == nw.Boolean:
        return nw.col(name).fill_null(value=False)
    if isinstance(dtype, nw.Date | nw.Datetime | nw.String):
        return ~nw.col(name).is_null()
    raise SchemaError(f"invited={name!r} must hold flags, or times (missing: was not asked); found {dtype}")
