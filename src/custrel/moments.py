"""Time in a frame: text read, zones settled, and every moment turned into a whole number of grains.

Engines differ in nearly all they do with times, so a moment becomes an integer in the first step: the number of whole
grains since the first of January of the year 1. All later work is integer arithmetic, which is the same everywhere.
"""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import narwhals.stable.v2 as nw
import numpy as np

from custrel.errors import DomainError, SchemaError, one_of
from custrel.frames import collect, tally

if TYPE_CHECKING:
    from custrel.frames import LazyFrame

__all__ = ["GRAINS", "checked_zone", "grains", "period_of", "readable_moment", "start_of"]

GRAINS = {"microsecond": 0, "second": 1, "minute": 60, "hour": 3600, "day": 86_400, "week": 604_800}
"""Seconds in each grain; weeks begin on Monday."""

_SPEAKS_TIMESTAMPS = {"pandas", "polars", "pyarrow", "dask", "modin", "cudf"}
_EPOCH = 719_162  # days from 0001-01-01 to 1970-01-01
_UTC = {"UTC", "Etc/UTC", "GMT", "Etc/GMT", "Z", "+00:00", "Universal", "Zulu"}

_LEAP = r"(?:\d\d(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)-02-29"
_DAY = rf"(?:\d{{4}}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\d|30)|02-(?:0[1-9]|1\d|2[0-8]))|{_LEAP})"
_CLOCK = r"[T ](?:[01]\d|2[0-3]):[0-5]\d"
_FORMS = {
    "day": rf"^{_DAY}$",
    "minute": rf"^{_DAY}{_CLOCK}$",
    "second": rf"^{_DAY}{_CLOCK}:[0-5]\d(?:\.0+)?(?:Z|\+00:?00)?$",
}
_AMBIGUOUS = r"^\s*\d{1,2}[/. -]\d{1,2}[/. -]\d{2,4}"
_COMPACT = r"^\d{8}$"


def checked_zone(tz: str) -> str:
    """The name of a time zone that is known.

    >>> checked_zone("Europe/Pari")
    Traceback (most recent call last):
    custrel.errors.DomainError: tz must be an IANA time zone such as 'UTC' or 'Europe/Paris', got 'Europe/Pari'
    """
    try:
        ZoneInfo(tz)
    except (LookupError, OSError, TypeError, ValueError) as error:
        raise DomainError(f"tz must be an IANA time zone such as 'UTC' or 'Europe/Paris', got {tz!r}") from error
    return tz


def start_of(moment: Any, *, name: str, tz: str, end: bool = False) -> datetime:
    """A date, a datetime or ISO text as a naive datetime on the log's clock; a bare date is its first, or last, moment.

    >>> start_of("1997-09-30", name="until", tz="UTC", end=True)
    datetime.datetime(1997, 9, 30, 23, 59, 59, 999999)
    """
    value = moment
    if isinstance(value, np.datetime64):
        value = str(value)
    if isinstance(value, str):
        try:
            value = date.fromisoformat(value) if len(value) == len("1997-09-30") else datetime.fromisoformat(value)
        except ValueError as error:
            raise DomainError(f"{name} must be a date such as '1997-09-30', got {moment!r}") from error
    if isinstance(value, datetime):
        value = datetime.combine(value.date(), value.timetz())  # a pandas Timestamp becomes a plain datetime
        return value.astimezone(ZoneInfo(tz)).replace(tzinfo=None) if value.tzinfo else value
    if not isinstance(value, date) or value != value:  # noqa: PLR0124  # pandas' NaT is not equal to itself
        raise DomainError(f"{name} must be a date such as '1997-09-30', got {moment!r}")
    return datetime.combine(value, time.max if end else time.min)


def grains(moment: datetime, grain: str) -> int:
    """Which grain a moment falls in.

    >>> grains(datetime(1997, 1, 1, 13), "day") == date(1997, 1, 1).toordinal() - 1
    True
    """
    one_of("grain", grain, GRAINS)
    since = moment - datetime(1, 1, 1)  # noqa: DTZ001  # clock time of the log's zone
    microseconds = (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
    return microseconds // (GRAINS[grain] * 1_000_000) if GRAINS[grain] else microseconds


def moment_of(period: int, grain: str) -> datetime:
    """The first moment of a grain.

    >>> moment_of(grains(datetime(1997, 1, 1, 13), "day"), "day")
    datetime.datetime(1997, 1, 1, 0, 0)
    """
    microseconds = int(period) * (GRAINS[grain] * 1_000_000 or 1)
    return datetime(1, 1, 1) + timedelta(days=microseconds // 86_400_000_000, microseconds=microseconds % 86_400_000_000)  # noqa: DTZ001


def period_of(column: str, grain: str, library: str) -> nw.Expr:
    """The same for a column: the grain that each moment falls in, as a whole number.

    Parameters
    ----------
    column
        Name of a column of datetimes without zone.
    grain
        One of `GRAINS`.
    library
        The engine. Most count microseconds since 1970; SQL engines are asked for year, day of the year and clock.
    """
    one_of("grain", grain, GRAINS)
    value, length = nw.col(column), GRAINS[grain]
    if library in _SPEAKS_TIMESTAMPS:
        stamp = value.dt.timestamp("us") + _EPOCH * 86_400_000_000
        return (stamp // (length * 1_000_000) if length else stamp).cast(nw.Int64)
    years = value.dt.year().cast(nw.Int64) - 1
    days = 365 * years + years // 4 - years // 100 + years // 400 + value.dt.ordinal_day().cast(nw.Int64) - 1
    if length >= GRAINS["day"]:
        return (days // (length // GRAINS["day"])).cast(nw.Int64)
    clock = [value.dt.hour(), value.dt.minute(), value.dt.second()]
    hours, minutes, rest = (part.cast(nw.Int64) for part in clock)
    seconds = days * 86_400 + hours * 3600 + minutes * 60 + rest
    if length:
        return (seconds // length).cast(nw.Int64)
    return (seconds * 1_000_000 + value.dt.microsecond().cast(nw.Int64)).cast(nw.Int64)


def readable_moment(frame: LazyFrame, column: str, *, tz: str, time_format: str | None) -> tuple[nw.Expr, nw.Expr | None]:
    """How to read a column as datetimes on the log's clock, and the mark of the rows that cannot be read, if any can fail.

    Raises
    ------
    SchemaError
        If the column holds neither times nor text, text that could be day/month or month/day, or another zone's
        times on an engine that cannot convert them.
    """
    dtype = frame.collect_schema()[column]
    value = nw.col(column)
    if dtype == nw.String:
        return _from_text(frame, column, tz, time_format)
    if dtype == nw.Date:
        return value.cast(nw.Datetime("us")), None
    if dtype == nw.Datetime:
        return _on_the_clock(frame, column, getattr(dtype, "time_zone", None), tz), None
    if _is_null(dtype):
        return nw.lit(None).cast(nw.Datetime("us")).alias(column), None
    raise SchemaError(f"column {column!r} must hold dates or datetimes; found {dtype}{_hint_for_numbers(dtype)}")


def _is_null(dtype: Any) -> bool:
    return str(dtype) in {"Unknown", "Null"}


def _hint_for_numbers(dtype: Any) -> str:
    return ": convert numbers such as 19970101 to text and give time_format='%Y%m%d'" if dtype.is_numeric() else ""


def _on_the_clock(frame: LazyFrame, column: str, zone: str | None, tz: str) -> nw.Expr:
    """A column without zone as it is; one with a zone as the clock of `tz` shows it."""
    value = nw.col(column)
    if zone is None:
        return value
    if zone == tz or {zone, tz} <= _UTC:
        return value.dt.replace_time_zone(None)
    converted = value.dt.convert_time_zone(tz).dt.replace_time_zone(None)
    try:
        frame.select(converted.alias(column))
    except NotImplementedError as error:
        engine = frame.implementation.value
        raise SchemaError(
            f"column {column!r} holds times of zone {zone!r}, which {engine} cannot convert to tz={tz!r} here: "
            f"pass tz={zone!r}, or set the session's time zone to {tz!r}"
        ) from error
    return converted


def _from_text(frame: LazyFrame, column: str, tz: str, time_format: str | None) -> tuple[nw.Expr, nw.Expr]:
    text = nw.col(column) if time_format is None else _rearranged(nw.col(column), time_format)
    counts = {name: text.str.contains(form) for name, form in _FORMS.items()}
    others = {"ambiguous": text.str.contains(_AMBIGUOUS), "compact": text.str.contains(_COMPACT)}
    utc = {"utc": text.str.contains(r"(?:Z|\+00:?00)$")}
    marks = {name: mark.fill_null(value=False) for name, mark in (counts | others | utc).items()}
    found = {name: int(values[0] or 0) for name, values in collect(tally(frame, sums=marks)).items()}
    if found["ambiguous"] or found["compact"]:
        example = collect(frame.filter(marks["ambiguous"] | marks["compact"]).select(nw.col(column)).head(1))[column][0]
        raise SchemaError(
            f"column {column!r} holds text such as {example!r}, which can be read in more than one way "
            f"({found['ambiguous'] + found['compact']:,} rows): give time_format, such as '%d/%m/%Y' or '%Y%m%d'"
        )
    if found["utc"] and tz not in _UTC:
        raise SchemaError(f"column {column!r} holds text that ends in a zone (UTC), but tz={tz!r}: parse it with your library first")
    patterns = {"day": ("%Y-%m-%d", 10), "minute": ("%Y-%m-%d %H:%M", 16), "second": ("%Y-%m-%d %H:%M:%S", 19)}
    spaced = nw.concat_str(text.str.slice(0, 10), nw.lit(" "), text.str.slice(11, 8))
    read = nw.lit(None).cast(nw.Datetime("us"))
    for name, (form, length) in patterns.items():
        if found[name]:
            source = (text if name == "day" else spaced).str.slice(0, length)
            parsed = nw.when(marks[name]).then(source).str.to_datetime(format=form)
            read = nw.when(marks[name]).then(parsed).otherwise(read) if read is not None else parsed
    readable = marks["day"] | marks["minute"] | marks["second"]
    return read, ~readable & ~nw.col(column).is_null()


def _rearranged(text: nw.Expr, time_format: str) -> nw.Expr:
    """Text of fixed-width parts put into ISO order by cutting; what does not fit stays unreadable."""
    widths = {"Y": 4, "m": 2, "d": 2, "H": 2, "M": 2, "S": 2}
    places: dict[str, nw.Expr] = {}
    start, pattern = 0, ""
    for letter, literal in re.findall(r"%(.)|([^%])", time_format):
        if letter and letter not in widths:
            raise DomainError(f"time_format knows %Y %m %d %H %M %S, all of fixed width; got %{letter} in {time_format!r}")
        width = widths.get(letter, 1)
        if letter:
            places[letter] = text.str.slice(start, width)
        pattern += rf"\d{{{width}}}" if letter else re.escape(literal)
        start += width
    if not {"Y", "m", "d"} <= set(places):
        raise DomainError(f"time_format must say where %Y, %m and %d stand, got {time_format!r}")
    day = [places["Y"], nw.lit("-"), places["m"], nw.lit("-"), places["d"]]
    clock = [part for mark, letter in ((" ", "H"), (":", "M"), (":", "S")) if letter in places for part in (nw.lit(mark), places[letter])]
    fits = text.str.contains(f"^{pattern}$")
    return nw.when(fits).then(nw.concat_str(*day, *clock)).otherwise(nw.lit("unreadable"))
