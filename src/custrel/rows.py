"""Rows: records as columns of a frame, and rows of a frame as records."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from math import isfinite
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import narwhals.stable.v2 as nw
from pydantic import ValidationError

from custrel.audit import Audit, Finding
from custrel.errors import PromiseError, SchemaError
from custrel.frames import plain
from custrel.promises import columns_of
from custrel.records import INTERACTIONS, KINDS

if TYPE_CHECKING:
    from custrel.sheets import Rules, Sheet

__all__ = ["columns_of_records", "records_of", "validated"]


def validated(records: list[Any], rules: Rules) -> tuple[list[Any], Audit]:
    """Records as they are, dictionaries made into records; those that cannot become one, counted by reason."""
    context = {"tz": rules.tz}
    try:
        return INTERACTIONS.validate_python(records, context=context), Audit(0, 0)
    except ValidationError as error:
        broken: dict[int, str] = {}
        for one in error.errors(include_url=False):
            where = ".".join(str(part) for part in one["loc"][2:])
            broken.setdefault(int(one["loc"][0]), f"{where + ': ' if where else ''}{one['msg']}")
    findings: dict[str, list[int]] = {}
    for row, reason in broken.items():
        findings.setdefault(reason, []).append(row)
    counted = tuple(
        Finding(reason, len(rows), tuple({"row": row, "record": repr(records[row])[:200]} for row in rows[:3]))
        for reason, rows in findings.items()
    )
    audit = Audit(len(broken), 0, counted)
    if rules.on_invalid == "raise":
        raise PromiseError(
            f"{len(broken):,} of {len(records):,} records break a promise: " + "; ".join(map(str, counted)), audit
        )
    kept = [record for row, record in enumerate(records) if row not in broken]
    return INTERACTIONS.validate_python(kept, context=context), audit


def columns_of_records(rows: list[Any], kind: str, tz: str, like: str) -> Any:
    """Records of one kind as a frame: a column for each field that any of them has; attributes as JSON text."""
    zone = ZoneInfo(tz)
    columns: dict[str, list[Any]] = {}
    for name, column in columns_of(KINDS[kind]).items():
        if name.endswith(("_low", "_high")) and name not in KINDS[kind].model_fields:
            scale, end = name.rsplit("_", 1)
            values = [None if (pair := getattr(row, scale)) is None else pair[end == "high"] for row in rows]
        else:
            values = [getattr(row, name) for row in rows]
        if column.required or any(value is not None for value in values):
            columns[name] = [_cell(value, column.holds, zone) for value in values]
    if len({type(value) for value in columns["customer_id"]}) > 1:
        raise SchemaError(
            "customer_id holds both text and whole numbers among these records; a column can hold one of them"
        )
    if any(row.attributes for row in rows):
        columns["attributes"] = [json.dumps(row.attributes) for row in rows]
    try:
        backend: Any = like
        return nw.from_dict(columns, backend=backend).to_native()
    except (OverflowError, TypeError, ValueError) as error:
        raise SchemaError(f"these records do not fit columns of {like}: {error}") from error


def _cell(value: Any, holds: str, zone: ZoneInfo) -> Any:
    if value is None:
        return None
    if holds == "moment":
        return _on_clock(value, zone)
    return float(value) if holds in {"number", "whole"} else value


def _on_clock(moment: datetime, zone: ZoneInfo) -> datetime:
    try:
        return moment.astimezone(zone).replace(tzinfo=None)
    except OverflowError as error:
        raise SchemaError(f"{moment.isoformat()} lies beyond the years 1 to 9999 on the clock of {zone}") from error


def records_of(sheet: Sheet, tz: str) -> list[Any]:
    """The rows of a sheet as records; columns that are no field come back in `attributes`."""
    zone, model = ZoneInfo(tz), KINDS[sheet.kind]
    fields = columns_of(model)
    eager = sheet.frame.collect()
    # An old narwhals lists pandas' nanosecond times as whole numbers; arrays know what they hold.
    columns = {one.name: one.to_numpy() if one.dtype == nw.Datetime else one.to_list() for one in eager.iter_columns()}
    absent = [name for name, column in fields.items() if column.required and name not in columns]
    if absent:
        raise SchemaError(f"a record of kind {sheet.kind!r} needs {absent[0]!r}, which this log does not have")
    values = zip(*columns.values(), strict=True)
    rows = [_record(dict(zip(columns, row, strict=True)), fields, zone, sheet.kind) for row in values]
    try:
        return list(INTERACTIONS.validate_python(rows))
    except ValidationError as error:
        found = error.errors(include_url=False)[0]
        raise PromiseError(
            f"row {found['loc'][0]} of kind {sheet.kind!r} cannot be a record: {found['msg']}"
        ) from error


def _record(row: dict[str, Any], fields: Mapping[str, Any], zone: ZoneInfo, kind: str) -> dict[str, Any]:
    """One row of a frame as the dictionary of a record."""
    said = {name: value for name, cell in row.items() if (value := plain(cell)) is not None}
    record: dict[str, Any] = {"kind": kind}
    attributes = _attributes(said.pop("attributes", {}))
    for name, value in said.items():
        if name not in fields:
            attributes[name] = _for_json(value)
        elif fields[name].holds == "moment":
            record[name] = value.replace(tzinfo=zone)
        elif fields[name].holds == "number":
            record[name] = repr(float(value)) if not name.endswith(("_low", "_high")) else float(value)
        else:
            record[name] = value
    for name in [name for name in record if name.endswith("_low") and name in fields]:
        scale = name.removesuffix("_low")
        record[scale] = (record.pop(name), record.pop(f"{scale}_high"))
    return record | ({"attributes": attributes} if attributes else {})


def _attributes(said: Any) -> dict[str, Any]:
    """What a column named attributes says: an object in JSON is taken apart, anything else is one attribute."""
    try:
        read = json.loads(said) if isinstance(said, str) else said
    except ValueError:
        read = said
    return read if isinstance(read, dict) else {"attributes": _for_json(said)}


def _for_json(value: Any) -> Any:
    """A value as JSON can hold it; what JSON has no word for as text."""
    if isinstance(value, dict):
        return {str(name): _for_json(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_for_json(inner) for inner in value]
    value = plain(value)
    if isinstance(value, bool | int | str | None) or (isinstance(value, float) and isfinite(value)):
        return value
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
