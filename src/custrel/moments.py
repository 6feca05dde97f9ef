"""Time in a frame: text read, zones settled, and every moment turned into a whole number of grains.

Engines differ in nearly all they do with times, so a moment becomes an integer in the first step: the number of whole
grains since the first of January of the year 1. All later work is integer arithmetic, which is the same everywhere.
"""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta
from importlib.metadata import version
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import narwhals.stable.v2 as nw
import numpy as np

from custrel.errors import DomainError, SchemaError, one_of
from custrel.frames import collect, fits, session_shows, tally

if TYPE_CHECKING:
    from collections.abc import Mapping

    from custrel.frames import LazyFrame

__all__ = [
    "GRAINS",
    "checked_zone",
    "edge",
    "grains",
    "lies_after",
    "moment_of",
    "period_of",
    "readable_moment",
    "start_of",
]

GRAINS = {"microsecond": 0, "second": 1, "minute": 60, "hour": 3600, "day": 86_400, "week": 604_800}
"""Seconds in each grain; weeks begin on Monday."""

_SPEAKS_TIMESTAMPS = {"pandas", "polars", "pyarrow", "dask", "modin", "cudf"}
_BEGINNING = datetime(1, 1, 1)  # noqa: DTZ001  # clock time of the log's zone
_EPOCH = 719_162  # days from 0001-01-01 to 1970-01-01
_UTC = {"UTC", "Etc/UTC", "GMT", "Etc/GMT", "Z", "+00:00", "Universal", "Zulu"}

# [0-9], not \d: to some engines an Arabic digit is one too. No year 0.
_YEAR = r"(?:[1-9][0-9]{3}|0[1-9][0-9]{2}|00[1-9][0-9]|000[1-9])"
_LEAP_YEAR = r"(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:0[48]|[2468][048]|[13579][26])00)"
_LONG, _SHORT = r"(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])", r"(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)"
_DAY = rf"(?:{_YEAR}-(?:{_LONG}|{_SHORT}|02-(?:0[1-9]|1[0-9]|2[0-8]))|{_LEAP_YEAR}-02-29)"
_CLOCK = r"[T ](?:[01][0-9]|2[0-3]):[0-5][0-9]"
_NOT_IN_NANOSECONDS = (
    r"^(?:0[0-9]{3}|1[0-5][0-9]{2}|16[0-6][0-9]|167[0-7]|226[2-9]|22[7-9][0-9]|2[3-9][0-9]{2}|[3-9][0-9]{3})-"
)
_FORMS = {
    "day": rf"^{_DAY}$",
    "minute": rf"^{_DAY}{_CLOCK}$",
    "second": rf"^{_DAY}{_CLOCK}:[0-5][0-9](?:\.0+)?(?:Z|\+00:?00)?$",
}
_PATTERNS = {"day": ("%Y-%m-%d", 10), "minute": ("%Y-%m-%d %H:%M", 16), "second": ("%Y-%m-%d %H:%M:%S", 19)}
_WIDTHS = {"Y": 4, "m": 2, "d": 2, "H": 2, "M": 2, "S": 2}
_ENDS_IN_UTC = r"(?:Z|\+00:?00)$"
_AMBIGUOUS = r"^\s*[0-9]{1,2}[/. -][0-9]{1,2}[/. -][0-9]{2,4}"
_COMPACT = r"^[0-9]{8}$"


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
    return _period_of(nw.col(column), GRAINS[grain], library)


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
        span = (value - nw.lit(_BEGINNING)).dt
        return (
            _whole(span.total_minutes(), length // 60)
            if length >= 60
            else span.total_seconds()
            if length
            else span.total_microseconds()
        )
    years = value.dt.year().cast(nw.Int64) - 1
    leaps = _whole(years, 4) - _whole(years, 100) + _whole(years, 400)
    days = 365 * years + leaps + value.dt.ordinal_day().cast(nw.Int64) - 1
    if length >= GRAINS["day"]:
        return _whole(days, length // GRAINS["day"])
    clock = [value.dt.hour(), value.dt.minute(), value.dt.second()]
    hours, minutes, rest = (part.cast(nw.Int64) for part in clock)
    seconds = days * 86_400 + hours * 3600 + minutes * 60 + rest
    if length:
        return _whole(seconds, length)
    return seconds * 1_000_000 + value.dt.microsecond().cast(nw.Int64)


def _whole(number: nw.Expr, length: int) -> nw.Expr:
    """How many whole lengths fit in a number of 0 or more: what SQL engines make of // costs twenty times as much."""
    return number if length == 1 else ((number + 0.5) * (1 / length)).floor().cast(nw.Int64)


def readable_moment(
    frame: LazyFrame, column: str, *, tz: str, time_format: str | None
) -> tuple[nw.Expr | None, nw.Expr | None]:
    """How to read dates, datetimes or text as datetimes on the log's clock, and which rows cannot be read.

    The first is None if no row can be read, the second if none can fail.

    Raises
    ------
    SchemaError
        If the column holds text that could be day/month or month/day, or another zone's times on an engine that cannot
        convert them.
    """
    dtype = frame.collect_schema()[column]
    if dtype == nw.String:
        return _from_text(frame, column, tz, time_format)
    if dtype == nw.Date:
        return nw.col(column).cast(nw.Datetime("us")), None
    return _on_the_clock(frame, column, getattr(dtype, "time_zone", None), tz), None


def _on_the_clock(frame: LazyFrame, column: str, zone: str | None, tz: str) -> nw.Expr:
    """A column without zone as it is; one with a zone as the clock of `tz` shows it."""
    value = nw.col(column)
    if zone is None:
        return value
    engine = frame.implementation.value
    if engine in _SPEAKS_TIMESTAMPS:
        return value.dt.convert_time_zone(tz).dt.replace_time_zone(None)
    if session_shows(frame, zone, tz):
        return value.dt.replace_time_zone(None)
    raise SchemaError(
        f"column {column!r} has times with a zone, which {engine} shows on the clock of its session, not on {tz!r}: "
        f"set the session's time zone to {tz!r}, or make them times without a zone"
    )


def _from_text(frame: LazyFrame, column: str, tz: str, time_format: str | None) -> tuple[nw.Expr | None, nw.Expr]:
    text = nw.col(column) if time_format is None else _rearranged(nw.col(column), time_format)
    forms = {name: fits(text, form) for name, form in _FORMS.items()}
    others = {
        "unclear": text.str.contains(_AMBIGUOUS) | text.str.contains(_COMPACT),
        "utc": text.str.contains(_ENDS_IN_UTC),
    }
    marks = {name: mark.fill_null(value=False) for name, mark in (forms | others).items()}
    readable = nw.any_horizontal(*[marks[name] for name in _FORMS], ignore_nulls=True)
    if frame.implementation.value in {"pandas", "dask"} and version("pandas") < "3":
        marks["beyond"] = readable & text.str.contains(_NOT_IN_NANOSECONDS).fill_null(value=False)
    found = {name: int(values[0] or 0) for name, values in collect(tally(frame, sums=marks)).items()}
    if found["unclear"]:
        example = collect(frame.filter(marks["unclear"]).select(column).head(1))[column][0]
        raise SchemaError(
            f"column {column!r} holds text such as '{example}', which can be read in more than one way "
            f"({found['unclear']:,} rows): give time_format, such as '%d/%m/%Y' or '%Y%m%d'"
        )
    if found.get("beyond"):
        example = collect(frame.filter(marks["beyond"]).select(column).head(1))[column][0]
        raise SchemaError(
            f"column {column!r} holds '{example}' ({found['beyond']:,} such rows): as text, pandas before version 3 "
            f"reads the years 1678 to 2261 only; leave such rows out, or bring them as times of another unit"
        )
    if found["utc"] and tz not in _UTC:
        raise SchemaError(
            f"column {column!r} holds text that ends in a zone (UTC), but tz={tz!r}: parse it with your library first"
        )
    return _parsed(text, {name: marks[name] for name in _FORMS if found[name]}), ~readable & ~nw.col(column).is_null()


def _parsed(text: nw.Expr, marks: Mapping[str, nw.Expr]) -> nw.Expr | None:
    """Text as datetimes, each form where it stands; None if there is none."""
    read: nw.Expr | None = None
    for name, mark in marks.items():
        form, length = _PATTERNS[name]
        spaced = text if name == "day" else nw.concat_str(text.str.slice(0, 10), nw.lit(" "), text.str.slice(11, 8))
        parsed = nw.when(mark).then(spaced.str.slice(0, length)).str.to_datetime(format=form)
        read = parsed if read is None else nw.when(mark).then(parsed).otherwise(read)
    return read


def _rearranged(text: nw.Expr, time_format: str) -> nw.Expr:
    """Text of fixed-width parts put into ISO order by cutting; what does not fit stays unreadable."""
    parts = re.findall(r"%(.?)|([^%])", time_format, re.DOTALL)
    letters = [letter for letter, literal in parts if not literal]
    if unknown := set(letters) - set(_WIDTHS):
        raise DomainError(
            f"time_format knows %Y %m %d %H %M %S, all of fixed width; got %{min(unknown)} in {time_format!r}"
        )
    if not {"Y", "m", "d"} <= set(letters) or len(set(letters)) < len(letters):
        raise DomainError(f"time_format must say once where %Y, %m and %d stand, got {time_format!r}")
    places: dict[str, nw.Expr] = {}
    start, pattern = 0, ""
    for letter, literal in parts:
        width = _WIDTHS.get(letter, 1)
        places |= {letter: text.str.slice(start, width)} if letter else {}
        pattern += rf"[0-9]{{{width}}}" if letter else re.escape(literal)
        start += width
    day = [places["Y"], nw.lit("-"), places["m"], nw.lit("-"), places["d"]]
    clock = [
        part
        for mark, letter in ((" ", "H"), (":", "M"), (":", "S"))
        if letter in places
        for part in (nw.lit(mark), places[letter])
    ]
    return nw.when(fits(text, f"^{pattern}$")).then(nw.concat_str(*day, *clock)).otherwise(nw.lit("unreadable"))
