r"""Readable: dates, datetimes and text as times on the log's clock, the same on every engine or refused.

Engines read text in ways of their own: one takes 30 February for 1 March, one guesses which of two numbers is the
month, one knows Arabic digits. So text is first held against a form (ISO 8601, or the user's own), then cut to what all
of them read alike.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import narwhals.stable.v2 as nw

from custrel.errors import DomainError, SchemaError
from custrel.frames import LINE_BREAK, collect, fits, major, mark, tally, with_nothing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from custrel.frames import LazyFrame

__all__ = ["in_iso_order", "readable_moment", "with_moments"]

_KNOWS_ZONES = {"pandas", "polars", "pyarrow", "dask", "modin", "cudf"}
_UTC = {"UTC", "Etc/UTC", "GMT", "Etc/GMT", "Z", "+00:00", "Universal", "Zulu"}

# [0-9], not \d: to some engines an Arabic digit is one too. No year 0.
_YEAR = r"(?:[1-9][0-9]{3}|0[1-9][0-9]{2}|00[1-9][0-9]|000[1-9])"
_LEAP_YEAR = r"(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:0[48]|[2468][048]|[13579][26])00)"
_LONG, _SHORT = r"(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])", r"(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)"
_DAY = rf"(?:{_YEAR}-(?:{_LONG}|{_SHORT}|02-(?:0[1-9]|1[0-9]|2[0-8]))|{_LEAP_YEAR}-02-29)"
_CLOCK = r"[T ](?:[01][0-9]|2[0-3]):[0-5][0-9]"
_OFFSET = r"(?:Z|[+-](?:0[0-9]|1[0-4]):?[0-5][0-9])"
_FORMS = {
    "day": rf"^{_DAY}$",
    "minute": rf"^{_DAY}{_CLOCK}{_OFFSET}?$",
    "second": rf"^{_DAY}{_CLOCK}:[0-5][0-9]{_OFFSET}?$",
    "fraction": rf"^{_DAY}{_CLOCK}:[0-5][0-9]\.[0-9]{{1,9}}{_OFFSET}?$",
}
_PATTERNS = {"day": "%Y-%m-%d", "minute": "%Y-%m-%d %H:%M", "second": "%Y-%m-%d %H:%M:%S", "fraction": None}
_PATTERNS_OF_POLARS = _PATTERNS | {"fraction": "%Y-%m-%d %H:%M:%S%.f"}
_ZONED = rf"[:.][0-9]+{_OFFSET}$"
_BEFORE_OFFSET = r"^.{16}(?::[0-9]{2})?(?:\.[0-9]+)?"
_AT_THE_END_OF_TIME = rf"^(?:0001|9999).*{_OFFSET}$"  # which may lie beyond it in UTC
_WIDTHS = {"Y": 4, "m": 2, "d": 2, "H": 2, "M": 2, "S": 2}
_AMBIGUOUS = r"^\s*[0-9]{1,2}[/. -][0-9]{1,2}[/. -][0-9]{2,4}"
_COMPACT = r"^[0-9]{8}$"


def readable_moment(frame: LazyFrame, written: str, column: str, *, tz: str) -> tuple[nw.Expr | None, nw.Expr | None]:
    """How to read dates, datetimes or ISO text as datetimes on the log's clock, and which rows cannot be read.

    The first is None if no row can be read, the second if none can fail. `column` is what the user calls it.

    Raises
    ------
    SchemaError
        If the column holds text that could be day/month or month/day, or another zone's times on an engine that cannot
        convert them.
    """
    dtype = frame.collect_schema()[written]
    if dtype == nw.String:
        return _from_text(frame, written, column, tz)
    if dtype == nw.Date:
        return nw.col(written).cast(nw.Datetime("us")), None
    return _on_the_clock(frame, column, getattr(dtype, "time_zone", None), tz), None


def with_moments(frame: LazyFrame, column: str, *, name: str, tz: str) -> LazyFrame:
    """The frame with one more column: dates, datetimes or ISO text of `column` as datetimes on the clock of `tz`.

    Raises
    ------
    SchemaError
        If the column holds something else, or in some rows nothing, or what cannot be read.
    """
    dtype = frame.collect_schema()[column]
    if not isinstance(dtype, nw.Date | nw.Datetime | nw.String):
        raise SchemaError(f"column {column!r} must hold dates, datetimes or ISO text; found {dtype}")
    read, unreadable = readable_moment(frame, column, column, tz=tz)
    marks = {"is missing": nw.col(column).is_null()}
    marks |= {} if unreadable is None else {"cannot be read as a date or time": unreadable}
    for said, broken in marks.items():
        if bad := int(collect(tally(frame, sums={"bad": broken}))["bad"][0] or 0):
            raise SchemaError(f"column {column!r} {said} in {bad:,} rows: mend these or leave them out")
    if read is None:  # not one row
        return with_nothing(frame, {name: nw.Datetime("us")})
    return mark(frame, **{one: nw.col(one) for one in frame.collect_schema().names()}, **{name: read})


def _on_the_clock(frame: LazyFrame, column: str, zone: str | None, tz: str) -> nw.Expr:
    """A column without zone as it is; one with a zone as the clock of `tz` shows it."""
    value = nw.col(column)
    if zone is None:
        return value
    engine = frame.implementation.value
    if engine in _KNOWS_ZONES:
        return value.dt.convert_time_zone(tz).dt.replace_time_zone(None)
    if _session_shows(frame, zone, tz):
        return value.dt.replace_time_zone(None)
    raise SchemaError(
        f"column {column!r} has times with a zone, which {engine} shows on the clock of its session, not on {tz!r}: "
        f"set the session's time zone to {tz!r}, or make them times without a zone"
    )


def _session_shows(frame: LazyFrame, zone: str, tz: str) -> bool:
    """Whether the clock on which an engine shows times with a zone is that of `tz`; they are said to be of `zone`.

    The zone that Ibis says a column has need not be the session's, and Spark's may have changed since it was asked.
    """
    moments = [datetime(year, month, 1, 12, tzinfo=UTC) for year in (1995, 2024) for month in (1, 7)]
    show = {"ibis": _clock_of_ibis, "pyspark": _clock_of_spark}.get(frame.implementation.value)
    shown = show(frame.to_native(), moments) if show else _on_clock(zone, moments)
    return shown == _on_clock(tz, moments)


def _clock_of_ibis(table: Any, moments: list[datetime]) -> list[datetime]:
    import ibis  # type: ignore[import-untyped]  # it ships no types

    session = table.get_backend()
    return [session.execute(ibis.literal(moment).cast("timestamp")) for moment in moments]


def _clock_of_spark(frame: Any, moments: list[datetime]) -> list[datetime]:
    return _on_clock(frame.sparkSession.conf.get("spark.sql.session.timeZone"), moments)


def _on_clock(zone: str, moments: list[datetime]) -> list[datetime]:
    """Moments as a zone's clock shows them; none if the zone is unknown here."""
    try:
        return [moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None) for moment in moments]
    except (LookupError, OSError, ValueError):
        return []


def _from_text(frame: LazyFrame, written: str, column: str, tz: str) -> tuple[nw.Expr | None, nw.Expr]:
    text = nw.col(written)
    forms = {name: text.str.contains(form).fill_null(value=False) for name, form in _FORMS.items()}
    others = {
        "unclear": (text.str.contains(_AMBIGUOUS) | text.str.contains(_COMPACT)).fill_null(value=False),
        "zoned": text.str.contains(_ZONED).fill_null(value=False),
    }
    found = {name: int(n[0] or 0) for name, n in collect(tally(frame, sums=forms | others)).items()}
    if found["unclear"]:
        example = collect(frame.filter(others["unclear"]).select(column).head(1))[column][0]
        raise SchemaError(
            f"column {column!r} holds text such as '{example}', which can be read in more than one way "
            f"({found['unclear']:,} rows): give time_format, such as '%d/%m/%Y' or '%Y%m%d'"
        )
    broken = text.str.contains(f"{LINE_BREAK}|{_AT_THE_END_OF_TIME}").fill_null(value=False)
    readable = nw.any_horizontal(*forms.values(), ignore_nulls=True) & ~broken
    bare = text.str.replace_all(f"{_OFFSET}$", "") if found["zoned"] else text
    read = _parsed(bare, {name: there for name, there in forms.items() if found[name]}, frame.implementation.value)
    if read is not None and found["zoned"]:
        read = _on_the_clock_from_text(frame, written, column, read, readable & others["zoned"], tz)
    return read, ~readable & ~nw.col(column).is_null()


def _on_the_clock_from_text(
    frame: LazyFrame, written: str, column: str, read: nw.Expr, zoned: nw.Expr, tz: str
) -> nw.Expr:
    """Times read off the clocks that their text names, as the clock of `tz` shows them; the others as they are."""
    if tz not in _UTC and not _can_convert(frame, column):
        raise SchemaError(
            f"column {column!r} holds text with a zone, such as a Z at its end, which {frame.implementation.value} "
            f"cannot put on the clock of tz={tz!r}: parse it with your library first"
        )
    offset = nw.col(written).str.replace_all(_BEFORE_OFFSET, "")
    said = mark(frame, zoned=zoned, offset=offset).filter(nw.col("zoned"))
    utc = read
    for one in set(collect(tally(said, ["offset"]))["offset"].tolist()) - {"Z", "+00:00", "+0000", "-00:00", "-0000"}:
        behind = (int(one[1:3]) * 60 + int(one[-2:])) * (1 if one[0] == "-" else -1)
        utc = nw.when(offset == one).then(read.dt.offset_by(f"{behind}m")).otherwise(utc)
    if tz not in _UTC:
        utc = utc.dt.replace_time_zone("UTC").dt.convert_time_zone(tz).dt.replace_time_zone(None)
    return nw.when(zoned).then(utc).otherwise(read)


def _can_convert(frame: LazyFrame, column: str) -> bool:
    """Whether an engine can show what it reads from this text on the clock of any zone."""
    library = frame.implementation.value
    in_arrow = library in {"pandas", "dask"} and hasattr(frame.to_native()[column].dtype, "pyarrow_dtype")
    return library in _KNOWS_ZONES and not (in_arrow and major("pandas") < 3)  # which shows all of these on that of UTC


def _parsed(text: nw.Expr, marks: Mapping[str, nw.Expr], library: str) -> nw.Expr | None:
    """Text as datetimes, each form where it stands; None if there is none."""
    read: nw.Expr | None = None
    for name, there in marks.items():
        parsed = _as_moment(nw.when(there).then(_cut(text, name)), name, library)
        read = parsed if read is None else nw.when(there).then(parsed).otherwise(read)
    return read


def _cut(text: nw.Expr, form: str) -> nw.Expr:
    """ISO text with a blank for its T, and with six digits of a second or none."""
    day, clock = text.str.slice(0, 10), text.str.slice(11, 5 if form == "minute" else 8)
    if form == "day":
        return day
    digits = [nw.lit("."), nw.concat_str(text.str.slice(20, 6), nw.lit("00000")).str.slice(0, 6)]
    return nw.concat_str(day, nw.lit(" "), clock, *(digits if form == "fraction" else []))


def _as_moment(text: nw.Expr, form: str, library: str) -> nw.Expr:
    """Text of one form as datetimes: by its pattern, or as the engine reads ISO text where no pattern says it all."""
    pattern = (_PATTERNS_OF_POLARS if library == "polars" else _PATTERNS)[form]
    if library in {"pandas", "dask"} and major("pandas") < 3:
        pattern = None  # it would count nanoseconds, for which only the years 1678 to 2261 have room
    if pattern is None:
        return text.cast(nw.Datetime("us"))
    read = text.str.to_datetime(format=pattern)
    return read.cast(nw.Datetime("us")) if library == "dask" else read  # which believes these to be seconds


def in_iso_order(text: nw.Expr, time_format: str) -> nw.Expr:
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
