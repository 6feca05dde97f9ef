"""Intake: from the caller's frame to a sheet of one kind under canonical names, each promise checked, each breach counted."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import narwhals.stable.v2 as nw

from custrel.audit import Audit, Finding
from custrel.errors import PromiseError, SchemaError, nearest, one_of
from custrel.frames import LazyFrame, collect, enter, require, tally
from custrel.moments import grains, period_of, readable_moment, start_of
from custrel.promises import Column, columns_of, field_breaches, pair_breaches
from custrel.records import KINDS

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Rules", "Sheet", "admit", "checked", "kind_of"]

_UNREADABLE = "__unreadable_"


@dataclass(frozen=True)
class Sheet:
    """The rows of one kind: a lazy frame under canonical names, the libraries it lives in and leaves to, how many rows."""

    kind: str
    frame: LazyFrame
    library: str
    like: str
    rows: int = 0


@dataclass(frozen=True)
class Rules:
    """How a log is to be read: the zone of its clock, how text is written, what is too late, what to do with breaches."""

    tz: str = "UTC"
    time_format: str | None = None
    as_of: Any = None
    on_invalid: str = "raise"

    def __post_init__(self) -> None:
        one_of("on_invalid", self.on_invalid, ["raise", "drop"])


def kind_of(kind: str) -> Any:
    """The record class of a kind, or an error that names the kinds there are."""
    one_of("kind", kind, sorted(KINDS))
    return KINDS[kind]


def admit(data: Any, kind: str, columns: Mapping[str, str | None], rules: Rules) -> tuple[Sheet, Audit]:
    """Open a frame, put its columns under canonical names and types, and check every promise of its kind."""
    model = kind_of(kind)
    frame, like = enter(data)
    frame = _renamed(frame, kind, columns)
    for column in columns_of(model).values():
        if column.name in frame.collect_schema().names():
            frame = _typed(frame, column, rules)
    return checked(Sheet(kind, frame, frame.implementation.value, like), rules)


def _renamed(frame: LazyFrame, kind: str, columns: Mapping[str, str | None]) -> LazyFrame:
    known = columns_of(kind_of(kind))
    for ours in columns:
        if ours not in known:
            raise SchemaError(f"columns: {kind} has no field {ours!r}{nearest(ours, known)}; it has {', '.join(known)}")
    there = frame.collect_schema().names()
    mapped = {ours: theirs for ours, theirs in columns.items() if theirs is not None}
    needed = [mapped.get(name, name) for name, column in known.items() if column.required and columns.get(name, "") is not None]
    require(frame, [*mapped.values(), *needed], purpose=f"{kind} (map it with columns={{field: column}})")
    renames = {theirs: ours for ours, theirs in mapped.items() if ours != theirs}
    if len(renames) < sum(ours != theirs for ours, theirs in mapped.items()):
        raise SchemaError(f"columns: two fields are mapped to one column: {mapped}")
    taken = [ours for ours in renames.values() if ours in there and ours not in renames]
    if taken:
        raise SchemaError(f"column {taken[0]!r} is there, and {mapped[taken[0]]!r} is mapped to it: drop or rename one of them")
    unwanted = [ours for ours, theirs in columns.items() if theirs is None and ours in there and ours not in renames]
    frame = frame.drop(*unwanted) if unwanted else frame
    return frame.rename(renames) if renames else frame


def _typed(frame: LazyFrame, column: Column, rules: Rules) -> LazyFrame:
    """One column as its field holds it; an empty one of no type becomes an empty one of the right type."""
    dtype = frame.collect_schema()[column.name]
    value = nw.col(column.name)
    if column.holds == "moment" and (dtype.is_temporal() or dtype == nw.String):
        read, unreadable = readable_moment(frame, column.name, tz=rules.tz, time_format=rules.time_format)
        marks = {} if unreadable is None else {_UNREADABLE + column.name: unreadable.fill_null(value=False)}
        return frame.with_columns(read.alias(column.name), **marks)
    if column.holds in {"number", "whole"} and dtype.is_numeric():
        number = value.cast(nw.Float64)
        # pandas cannot tell NaN from missing, so no engine does.
        return frame.with_columns((nw.when(~number.is_nan()).then(number) if dtype.is_float() else number).alias(column.name))
    if column.holds == "flag" and dtype == nw.Boolean:
        return frame
    if column.holds in {"id", "text"}:
        if dtype == nw.String:
            return frame
        if dtype in {nw.Categorical, nw.Enum} or isinstance(dtype, nw.Enum) or (column.holds == "text" and dtype.is_integer()):
            return frame.with_columns(value.cast(nw.String))
        if dtype.is_integer():
            return frame if dtype in {nw.UInt64, nw.Int128, nw.UInt128} else frame.with_columns(value.cast(nw.Int64))
        if dtype.is_float() and (whole := _whole_numbers(frame, column.name)) is not None:
            return whole
    if not _holds_anything(frame, column.name):
        return frame.with_columns(nw.lit(None).cast(_EMPTY[column.holds]).alias(column.name))
    return _refuse(column, dtype)


_EMPTY = {"moment": nw.Datetime("us"), "number": nw.Float64, "whole": nw.Float64, "flag": nw.Boolean, "id": nw.String, "text": nw.String}
_WANTED = {
    "moment": "dates, datetimes or ISO 8601 text",
    "number": "numbers",
    "whole": "whole numbers",
    "flag": "true and false",
    "id": "text or whole numbers",
    "text": "text",
}


def _refuse(column: Column, dtype: Any) -> LazyFrame:
    hint = ""
    if column.holds == "moment" and dtype.is_numeric():
        hint = ": make numbers such as 19970101 text and give time_format='%Y%m%d'"
    if column.holds in {"number", "whole"} and dtype == nw.String:
        hint = ": cast it with your library, so that nothing is guessed about commas and signs"
    raise SchemaError(f"column {column.name!r} must hold {_WANTED[column.holds]}; found {dtype}{hint}")


def _holds_anything(frame: LazyFrame, name: str) -> bool:
    known = tally(frame, sums={"known": ~nw.col(name).is_null()})
    return bool(collect(known)["known"][0] or 0)


def _whole_numbers(frame: LazyFrame, name: str) -> LazyFrame | None:
    """Ids that pandas turned into floats because some are missing, as whole numbers again; None if they are not."""
    value = nw.col(name)
    broken = collect(tally(frame, sums={"broken": (value.floor() != value).fill_null(value=False) & ~value.is_nan()}))
    if frame.implementation.value not in {"pandas", "dask"} or broken["broken"][0]:
        return None
    native = frame.to_native()
    return nw.from_native(native.assign(**{name: native[name].astype("Int64")})).lazy()


def checked(sheet: Sheet, rules: Rules) -> tuple[Sheet, Audit]:
    """Count the rows that break a promise, by reason; then raise, or go on without them."""
    marks = _marks(sheet, rules)
    counts = {name: int(values[0] or 0) for name, values in collect(tally(sheet.frame, sums=_numbered(marks))).items()}
    read = counts.pop("n")
    found = dict(zip(marks, counts.values(), strict=True))
    findings = [Finding(reason, rows, _examples(sheet.frame.filter(marks[reason]))) for reason, rows in found.items() if rows]
    frame = sheet.frame
    if findings:
        frame = frame.filter(~nw.any_horizontal(*[marks[finding.reason] for finding in findings], ignore_nulls=True))
    frame = frame.drop(*[name for name in frame.collect_schema().names() if name.startswith(_UNREADABLE)])
    for settle in (_without_copies, _in_one_currency):
        frame, more = settle(frame)
        findings += more
    kept = int(collect(tally(frame))["n"][0]) if findings else read
    audit = Audit(read, kept, tuple(findings), _notes(sheet, rules))
    if findings and rules.on_invalid == "raise":
        raise PromiseError(_message(sheet.kind, audit), audit)
    return replace(sheet, frame=frame, rows=kept), audit


def _marks(sheet: Sheet, rules: Rules) -> dict[str, nw.Expr]:
    model = kind_of(sheet.kind)
    schema = sheet.frame.collect_schema()
    names = set(schema.names())
    marks: dict[str, nw.Expr] = {}
    for column in columns_of(model).values():
        if column.name in names:
            marks |= _with_unreadable(column, names, field_breaches(column, schema[column.name]))
    marks |= pair_breaches(model, names)
    if rules.as_of is not None:
        last = grains(start_of(rules.as_of, name="as_of", tz=rules.tz, end=True), "microsecond")
        late = period_of("occurred_at", "microsecond", sheet.library) > last
        marks[f"occurred_at lies after as_of ({rules.as_of})"] = late.fill_null(value=False)
    return marks


def _with_unreadable(column: Column, names: set[str], marks: Mapping[str, nw.Expr]) -> dict[str, nw.Expr]:
    """Text that could not be read as a time is not the same as a missing time."""
    flag = _UNREADABLE + column.name
    if flag not in names:
        return dict(marks)
    return {
        **{reason: mark & ~nw.col(flag) for reason, mark in marks.items()},
        f"{column.name} is not a date or time in ISO 8601": nw.col(flag),
    }


def _numbered(marks: Mapping[str, nw.Expr]) -> dict[str, nw.Expr]:
    return {f"reason_{i}": mark for i, mark in enumerate(marks.values())}


def _examples(frame: LazyFrame) -> tuple[dict[str, Any], ...]:
    columns = collect(frame.head(3))
    shown = [name for name in columns if not name.startswith(_UNREADABLE)]
    rows = range(len(next(iter(columns.values()), [])))
    return tuple({name: _plain(columns[name][row]) for name in shown} for row in rows)


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") and value.dtype.kind in "biufSU" else value if isinstance(value, int | float | str | None) else str(value)


def _without_copies(frame: LazyFrame) -> tuple[LazyFrame, list[Finding]]:
    """Of rows that share an interaction_id: one if they say the same, none if they do not (nobody knows which is right)."""
    names = frame.collect_schema().names()
    if "interaction_id" not in names:
        return frame, []
    named = frame.filter(~nw.col("interaction_id").is_null())
    copies = named.group_by("interaction_id").agg(nw.len().alias("copies")).filter(nw.col("copies") > 1)
    if not len(collect(copies.head(1))["copies"]):
        return frame, []
    single = named.unique(keep="any")
    versions = single.group_by("interaction_id").agg(nw.len().alias("__versions"))
    counts = collect(tally(versions, sums={"conflicting": nw.when(nw.col("__versions") > 1).then(nw.col("__versions")).otherwise(0)}))
    rows, distinct = (int(collect(tally(f))["n"][0]) for f in (named, single))
    conflicting = int(counts["conflicting"][0] or 0)
    kept = single.join(versions.filter(nw.col("__versions") == 1).select("interaction_id"), on="interaction_id", how="semi")
    clash = single.join(versions.filter(nw.col("__versions") > 1).select("interaction_id"), on="interaction_id", how="semi")
    findings = [Finding("interaction_id stands on an equal row too", rows - distinct)] if rows > distinct else []
    if conflicting:
        findings.append(Finding("interaction_id stands on rows that differ", conflicting, _examples(clash)))
    unnamed = frame.filter(nw.col("interaction_id").is_null())
    return nw.concat([unnamed, kept.select(*names)], how="vertical"), findings


def _in_one_currency(frame: LazyFrame) -> tuple[LazyFrame, list[Finding]]:
    """Amounts of several currencies cannot be added: the one of most rows stays."""
    if "currency" not in frame.collect_schema().names():
        return frame, []
    counts = collect(tally(frame.filter(~nw.col("currency").is_null()), ["currency"]), sort=["currency"])
    if len(counts["n"]) <= 1:
        return frame, []
    main = counts["currency"][counts["n"].argmax()]
    other = (nw.col("currency") != main).fill_null(value=False)
    listed = ", ".join(f"{name} {n:,}" for name, n in zip(counts["currency"], counts["n"], strict=True))
    reason = f"currency is not {main}, that of most rows ({listed})"
    return frame.filter(~other), [Finding(reason, int(counts["n"].sum() - counts["n"].max()), _examples(frame.filter(other)))]


def _notes(sheet: Sheet, rules: Rules) -> tuple[str, ...]:
    missing = [name for name, column in columns_of(kind_of(sheet.kind)).items() if column.required]
    there = sheet.frame.collect_schema().names()
    absent = tuple(f"{sheet.kind}: no column {name}" for name in missing if name not in there)
    return (*absent, f"times are on the clock of {rules.tz}")


def _message(kind: str, audit: Audit) -> str:
    listed = "; ".join(map(str, audit.findings))
    share = f"{audit.dropped:,} of {audit.read:,} rows of kind {kind!r} break a promise"
    return f"{share}: {listed}. Mend them, or pass on_invalid='drop' to go on without them"
