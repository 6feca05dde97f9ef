"""Moments: on the clock of a log, every one of them a whole number of grains.

Engines differ in nearly all they do with times, so a moment becomes an integer in the first step: the number of whole
grains since the first of January of the year 1. All later work is integer arithmetic, which is the same everywhere.
"""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import narwhals.stable.v2 as nw
import numpy as np

from custrel.errors import DomainError, one_of

__all__ = [
    "GRAINS",
    "checked_zone",
    "edge",
    "grains",
    "lies_after",
    "moment_of",
    "period_of",
    "start_of",
    "whole_lengths",
]

GRAINS = {"microsecond": 0, "second": 1, "minute": 60, "hour": 3600, "day": 86_400, "week": 604_800}
"""Seconds in each grain; weeks begin on Monday."""

_SPEAKS_TIMESTAMPS = {"pandas", "polars", "pyarrow", "dask", "modin", "cudf"}
_BEGINNING = datetime(1, 1, 1)  # noqa: DTZ001  # clock time of the log's zone
_EPOCH = 719_162  # days from 0001-01-01 to 1970-01-01


def checked_zone(tz: str) -> str:
    """The name of a time zone that is known.

    >>> checked_zone("Europe/Pari")
    Traceback (most recent call last):
    custrel.errors.DomainError: tz must be an IANA time zone such as 'UTC' or 'Europe/Paris', got 'Europe/Pari'
    """
    try:
        ZoneInfo(str(tz))
    except (LookupError, OSError, ValueError) as error:
        raise DomainError(f"tz must be an IANA time zone such as 'UTC' or 'Europe/Paris', got {tz!r}") from error
    return tz


def start_of(moment: Any, *, name: str, tz: str, end: bool = False) -> datetime:
    """A date, a datetime or ISO text as a naive datetime on the log's clock; a bare date is its first, or last, moment.

    >>> start_of("1997-09-30", name="until", tz="UTC", end=True)
    datetime.datetime(1997, 9, 30, 23, 59, 59, 999999)
    """
    try:
        value = _said(moment)
        if isinstance(value, datetime):
            value = datetime.combine(value.date(), value.timetz())  # a pandas Timestamp becomes a plain datetime
            return value.astimezone(ZoneInfo(tz)).replace(tzinfo=None) if value.tzinfo else value
        return datetime.combine(value, time.max if end else time.min)
    except (OverflowError, TypeError, ValueError) as error:
        raise DomainError(f"{name} must be a date such as '1997-09-30', got {moment!r}") from error


def _said(moment: Any) -> Any:
    """ISO text, of which a day is a date, or a moment of NumPy as Python's own; anything else as it came."""
    text = str(moment) if isinstance(moment, np.datetime64) else moment
    if not isinstance(text, str):
        return text
    if not re.match("[0-9]{4}-[0-9]{2}-[0-9]{2}", text):  # Python also reads 1997W13 and 19970331
        raise ValueError(text)
    try:
        return date.fromisoformat(text)
    except ValueError:
        return datetime.fromisoformat(text)


def grains(moment: datetime, grain: str) -> int:
    """Which grain a moment falls in.

    >>> grains(datetime(1997, 1, 1, 13), "day") == date(1997, 1, 1).toordinal() - 1
    True
    """
    one_of("grain", grain, GRAINS)
    since = moment - _BEGINNING
    microseconds = (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
    return microseconds // (GRAINS[grain] * 1_000_000) if GRAINS[grain] else microseconds


def edge(moment: datetime, grain: str, *, name: str) -> int:
    """The grain that a moment begins or ends; one that it cuts in two could be counted on both sides of the cut.

    >>> edge(datetime(1997, 1, 1, 13), "day", name="until")
    Traceback (most recent call last):
    custrel.errors.DomainError: until=1997-01-01 13:00:00 falls within a day: give a date, or take a finer grain
    """
    period, length = grains(moment, grain), GRAINS[grain] * 1_000_000 or 1
    if grains(moment, "microsecond") % length not in {0, length - 1}:
        what = "a date" if grain == "day" else f"the beginning or end of a {grain}"
        raise DomainError(f"{name}={moment} falls within a {grain}: give {what}, or take a finer grain")
    return period


def moment_of(period: int, grain: str) -> datetime:
    """The first moment of a grain.

    >>> moment_of(grains(datetime(1997, 1, 1, 13), "day"), "day")
    datetime.datetime(1997, 1, 1, 0, 0)
    """
    microseconds = int(period) * (GRAINS[grain] * 1_000_000 or 1)
    return _BEGINNING + timedelta(days=microseconds // 86_400_000_000, microseconds=microseconds % 86_400_000_000)


def period_of(column: str, grain: str, library: str) -> nw.Expr:
    """The same for a column: the grain that each moment falls in, as a whole number.

    Parameters
    ----------
    column
        Name of a column of datetimes without zone.
    grain
        One of `GRAINS`.
    library
        The engine. Most count microseconds since 1970, DuckDB measures spans; the others are asked for year, day of the
        year and clock.
    """
    one_of("grain", grain, GRAINS)
    period = _period_of(nw.col(column), GRAINS[grain], library)
    return period.cast(nw.Int32) if GRAINS[grain] >= GRAINS["hour"] else period  # half the width is grouped sooner


def lies_after(column: str, moment: datetime, library: str) -> nw.Expr:
    """Whether each moment of a column lies after this one; a missing one does not."""
    value = nw.col(column)
    # What is missing makes floats of the integers of NumPy, which cannot tell microseconds apart.
    known = value.fill_null(datetime(1970, 1, 1)) if library in _SPEAKS_TIMESTAMPS else value  # noqa: DTZ001
    late = _period_of(known, 0, library) > grains(moment, "microsecond")
    return late.fill_null(value=False) & ~value.is_null()


def _period_of(value: nw.Expr, length: int, library: str) -> nw.Expr:
    if library in _SPEAKS_TIMESTAMPS:
        stamp = value.dt.timestamp("us") + _EPOCH * 86_400_000_000
        return (stamp // (length * 1_000_000) if length else stamp).cast(nw.Int64)
    if library == "duckdb":
        return _spanned(value, length)
    years = value.dt.year().cast(nw.Int64) - 1
    leaps = whole_lengths(years, 4) - whole_lengths(years, 100) + whole_lengths(years, 400)
    days = 365 * years + leaps + value.dt.ordinal_day().cast(nw.Int64) - 1
    if length >= GRAINS["day"]:
        return whole_lengths(days, length // GRAINS["day"])
    clock = [value.dt.hour(), value.dt.minute(), value.dt.second()]
    hours, minutes, rest = (part.cast(nw.Int64) for part in clock)
    seconds = days * 86_400 + hours * 3600 + minutes * 60 + rest
    if length:
        return whole_lengths(seconds, length)
    return seconds * 1_000_000 + _fraction(value, library).cast(nw.Int64)


def _fraction(value: nw.Expr, library: str) -> nw.Expr:
    """Microseconds of the second; of Spark by its text, since it counts those before 1970 backwards.

    Before its version 4 it counts none at all of moments without a zone.
    """
    if library != "pyspark":
        return value.dt.microsecond()
    written = nw.concat_str(nw.lit("0"), value.cast(nw.String).str.slice(len("1997-01-01 00:00:00")))
    return (written.cast(nw.Float64) * 1_000_000).round()


def _spanned(value: nw.Expr, length: int) -> nw.Expr:
    if length >= GRAINS["day"]:
        days = value.cast(nw.Date) - nw.lit(_BEGINNING.date())  # to DuckDB a whole number, not a span
        return whole_lengths(days, length // GRAINS["day"])
    span = (value - nw.lit(_BEGINNING)).dt
    if length >= 60:
        return whole_lengths(span.total_minutes(), length // 60)
    return span.total_seconds() if length else span.total_microseconds()


def whole_lengths(number: nw.Expr, length: int) -> nw.Expr:
    """How many whole lengths fit in a number of 0 or more: what SQL engines make of // costs twenty times as much."""
    return number if length == 1 else ((number + 0.5) * (1 / length)).floor().cast(nw.Int64)
