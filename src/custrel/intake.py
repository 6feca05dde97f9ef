"""Intake: from the caller's frame to a sheet of one kind under canonical names, its promises checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import narwhals.stable.v2 as nw

from custrel.audit import Audit, Finding
from custrel.errors import PromiseError, SchemaError, nearest, one_of
from custrel.frames import LazyFrame, collect, enter, mark, plain, require, tally, with_nothing
from custrel.moments import lies_after, start_of
from custrel.promises import Column, columns_of, field_breaches, not_whole, pair_breaches
from custrel.readable import in_iso_order, readable_moment
from custrel.records import KINDS
from custrel.sheets import Rules, Sheet

__all__ = ["admit", "checked", "kind_of"]

_OURS = "__custrel_"
_UNREADABLE = _OURS + "unreadable_"


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


_BLIND_TO_CASE = {"duckdb", "ibis", "pyspark", "sqlframe"}


def _renamed(frame: LazyFrame, kind: str, columns: Mapping[str, str | None]) -> LazyFrame:
    known = columns_of(kind_of(kind))
    if not isinstance(columns, Mapping):
        raise SchemaError(f"columns must map fields to columns, such as {{'customer_id': 'id'}}, got {columns!r:.80}")
    for ours in columns:
        if ours not in known:
            raise SchemaError(f"columns: {kind} has no field {ours!r}{nearest(ours, known)}; it has {', '.join(known)}")
    for ours in ("customer_id", "occurred_at"):
        if columns.get(ours, "") is None:
            raise SchemaError(f"columns: every interaction has {ours}; it cannot be None")
    there = frame.collect_schema().names()
    mapped = {ours: theirs for ours, theirs in columns.items() if theirs is not None}
    needed = [
        mapped.get(name, name)
        for name, column in known.items()
        if column.required and columns.get(name, "") is not None
    ]
    require(frame, [*mapped.values(), *needed], purpose=f"{kind} (map it with columns={{field: column}})")
    if reserved := [name for name in there if name.startswith(_OURS)]:
        raise SchemaError(f"names that begin with {_OURS!r} are used inside; rename column {reserved[0]!r}")
    renames = {theirs: ours for ours, theirs in mapped.items() if ours != theirs}
    if len(set(mapped.values())) < len(mapped):
        raise SchemaError(f"columns: two fields are mapped to one column: {mapped}")
    same = str.lower if frame.implementation.value in _BLIND_TO_CASE else str
    left = {same(name): name for name in there if name not in renames}
    if taken := [ours for ours in renames.values() if same(ours) in left]:
        found = left[same(taken[0])]
        raise SchemaError(
            f"column {found!r} is there, and {mapped[taken[0]]!r} is mapped to {taken[0]!r}: drop or rename one of them"
        )
    unwanted = [ours for ours, theirs in columns.items() if theirs is None and ours in there and ours not in renames]
    frame = frame.drop(*unwanted) if unwanted else frame
    return frame.rename(renames) if renames else frame


def _typed(frame: LazyFrame, column: Column, rules: Rules) -> LazyFrame:
    """One column as its field holds it; an empty one of no type becomes an empty one of the right type."""
    dtype = frame.collect_schema()[column.name]
    value = nw.col(column.name)
    if isinstance(dtype, nw.Categorical | nw.Enum):
        frame, dtype = frame.with_columns(value.cast(nw.String)), nw.String()
    if column.holds == "moment" and isinstance(dtype, nw.Date | nw.Datetime | nw.String):
        return _timed(frame, column.name, rules)
    if column.holds in {"number", "whole"} and dtype.is_numeric():
        number = value.cast(nw.Float64)
        # pandas cannot tell NaN from missing, so no engine does.
        return frame.with_columns(
            (nw.when(~number.is_nan()).then(number) if dtype.is_float() else number).alias(column.name)
        )
    if (column.holds == "flag" and dtype == nw.Boolean) or (column.holds in {"id", "text"} and dtype == nw.String):
        return frame
    if (
        column.holds in {"id", "text"}
        and dtype.is_float()
        and (whole := _whole_numbers(frame, column.name)) is not None
    ):
        frame, dtype = whole, nw.Int64()
    if column.holds == "text" and dtype.is_integer():
        return frame.with_columns(value.cast(nw.String))
    if column.holds == "id" and dtype.is_integer() and not isinstance(dtype, nw.Int128 | nw.UInt128):
        return frame if isinstance(dtype, nw.Int64 | nw.UInt64) else frame.with_columns(value.cast(nw.Int64))
    if _holds_anything(frame, column.name):
        raise SchemaError(
            f"column {column.name!r} must hold {_WANTED[column.holds]}; found {dtype}{_hint(column, dtype)}"
        )
    return with_nothing(frame, {column.name: _EMPTY[column.holds]})


_EMPTY = {
    "moment": nw.Datetime("us"),
    "number": nw.Float64(),
    "whole": nw.Float64(),
    "flag": nw.Boolean(),
    "id": nw.String(),
    "text": nw.String(),
}
_WANTED = {
    "moment": "dates, datetimes or ISO 8601 text",
    "number": "numbers",
    "whole": "whole numbers",
    "flag": "true and false",
    "id": "text or whole numbers",
    "text": "text",
}


def _timed(frame: LazyFrame, name: str, rules: Rules) -> LazyFrame:
    """A column as datetimes on the log's clock; text that cannot be read stays beside it."""
    columns = {one: nw.col(one) for one in frame.collect_schema().names()}
    written = name
    if rules.time_format is not None and frame.collect_schema()[name] == nw.String:
        written = _OURS + "iso"
        frame = mark(frame, **columns, **{written: in_iso_order(nw.col(name), rules.time_format)})
    read, unreadable = readable_moment(frame, written, name, tz=rules.tz)
    if unreadable is not None:
        columns[_UNREADABLE + name] = nw.when(unreadable).then(nw.col(name))
    if read is None:
        return with_nothing(mark(frame, **columns), {name: _EMPTY["moment"]})
    return mark(frame, **columns | {name: read})


def _hint(column: Column, dtype: Any) -> str:
    if column.holds == "moment" and dtype.is_numeric():
        return ": make numbers such as 19970101 text and give time_format='%Y%m%d'"
    if column.holds in {"number", "whole"} and dtype == nw.String:
        return ": cast it with your library, so that nothing is guessed about commas and signs"
    if column.holds == "id" and dtype.is_integer():
        return ": cast it to 64 bits or to text"
    return ": its rows do not hold values of one kind" if dtype == nw.Object else ""


def _holds_anything(frame: LazyFrame, name: str) -> bool:
    known = tally(frame, sums={"known": ~nw.col(name).is_null()})
    return bool(collect(known)["known"][0] or 0)


def _whole_numbers(frame: LazyFrame, name: str) -> LazyFrame | None:
    """Ids that pandas turned into floats because some are missing, as whole numbers again; None if they are not."""
    if frame.implementation.value not in {"pandas", "dask"}:
        return None
    if collect(tally(frame, sums={"odd": not_whole(nw.col(name))}))["odd"][0]:
        return None
    native = frame.to_native()
    whole: LazyFrame = nw.from_native(native.assign(**{name: native[name].astype("Int64")})).lazy()
    return whole


def checked(sheet: Sheet, rules: Rules) -> tuple[Sheet, Audit]:
    """Count the rows that break a promise, by reason; then raise, or go on without them."""
    marks = _marks(sheet, rules)
    counts = {name: int(values[0] or 0) for name, values in collect(tally(sheet.frame, sums=_numbered(marks))).items()}
    read = counts.pop("n")
    found = dict(zip(marks, counts.values(), strict=True))
    findings = [
        Finding(reason, rows, _examples(sheet.frame.filter(marks[reason]))) for reason, rows in found.items() if rows
    ]
    frame = sheet.frame
    if findings:
        frame = frame.filter(~nw.any_horizontal(*[marks[finding.reason] for finding in findings], ignore_nulls=True))
    frame = frame.drop(*[name for name in frame.collect_schema().names() if name.startswith(_OURS)])
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
        last = start_of(rules.as_of, name="as_of", tz=rules.tz, end=True)
        marks[f"occurred_at lies after as_of ({rules.as_of})"] = lies_after("occurred_at", last, sheet.library)
    return marks


def _with_unreadable(column: Column, names: set[str], marks: Mapping[str, nw.Expr]) -> dict[str, nw.Expr]:
    """Text that could not be read as a time is not the same as a missing time."""
    if _UNREADABLE + column.name not in names:
        return dict(marks)
    unreadable = ~nw.col(_UNREADABLE + column.name).is_null()
    return {
        **{reason: mark & ~unreadable for reason, mark in marks.items()},
        f"{column.name} cannot be read as a date or time": unreadable,
    }


def _numbered(marks: Mapping[str, nw.Expr]) -> dict[str, nw.Expr]:
    return {f"reason_{i}": mark for i, mark in enumerate(marks.values())}


def _examples(frame: LazyFrame) -> tuple[dict[str, Any], ...]:
    columns = {name: [plain(value) for value in values] for name, values in collect(frame.head(3)).items()}
    read = [name for name in columns if not name.startswith(_UNREADABLE)]
    shown = {name: zip(columns.get(_UNREADABLE + name, columns[name]), columns[name], strict=True) for name in read}
    texts = {name: [_shown(read if text is None else text) for text, read in pairs] for name, pairs in shown.items()}
    return tuple(dict(zip(texts, row, strict=True)) for row in zip(*texts.values(), strict=True))


def _shown(value: Any) -> Any:
    return value if isinstance(value, int | float | str | None) else str(value)


def _without_copies(frame: LazyFrame) -> tuple[LazyFrame, list[Finding]]:
    """Of rows that share an interaction_id: one if they agree, none if they do not (which of them is right?)."""
    names = frame.collect_schema().names()
    if "interaction_id" not in names:
        return frame, []
    named = frame.filter(~nw.col("interaction_id").is_null())
    copies = named.group_by("interaction_id").agg(nw.len().alias("copies")).filter(nw.col("copies") > 1)
    if not len(collect(copies.head(1))["copies"]):
        return frame, []
    single = named.unique(_comparable(frame), keep="any")
    versions = single.group_by("interaction_id").agg(nw.len().alias("__versions"))
    counts = collect(
        tally(versions, sums={"conflicting": nw.when(nw.col("__versions") > 1).then(nw.col("__versions")).otherwise(0)})
    )
    rows, distinct = (int(collect(tally(f))["n"][0]) for f in (named, single))
    conflicting = int(counts["conflicting"][0] or 0)
    kept = _among(single, versions.filter(nw.col("__versions") == 1))
    clash = _among(single, versions.filter(nw.col("__versions") > 1))
    findings = [Finding("interaction_id stands on an equal row too", rows - distinct)] if rows > distinct else []
    if conflicting:
        findings.append(Finding("interaction_id stands on rows that differ", conflicting, _examples(clash)))
    unnamed = frame.filter(nw.col("interaction_id").is_null())
    return nw.concat([unnamed, kept.select(*names)], how="vertical"), findings


def _among(frame: LazyFrame, named: LazyFrame) -> LazyFrame:
    """The rows whose interaction_id is named; pyarrow cannot join rows that hold lists, but looks ids up."""
    if frame.implementation.value == "pyarrow":
        return frame.filter(nw.col("interaction_id").is_in(named.collect()["interaction_id"]))
    return frame.join(named.select("interaction_id"), on="interaction_id", how="semi")


def _comparable(frame: LazyFrame) -> list[str]:
    """The columns whose values every engine can compare."""
    nested = (nw.List, nw.Array, nw.Struct, nw.Object, nw.Unknown)
    return [name for name, dtype in frame.collect_schema().items() if not isinstance(dtype, nested)]


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
    return frame.filter(~other), [
        Finding(reason, int(counts["n"].sum() - counts["n"].max()), _examples(frame.filter(other)))
    ]


def _notes(sheet: Sheet, rules: Rules) -> tuple[str, ...]:
    missing = [name for name, column in columns_of(kind_of(sheet.kind)).items() if column.required]
    there = sheet.frame.collect_schema().names()
    absent = tuple(f"{sheet.kind}: no column {name}" for name in missing if name not in there)
    return (*absent, f"times are on the clock of {rules.tz}")


def _message(kind: str, audit: Audit) -> str:
    listed = "; ".join(map(str, audit.findings))
    share = f"{audit.dropped:,} of {audit.read:,} rows of kind {kind!r} break a promise"
    return f"{share}: {listed}. Mend them, or pass on_invalid='drop' to go on without them"
