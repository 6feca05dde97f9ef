"""Sheets: the rows of one kind where they live, and by which rules they are read."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import narwhals.stable.v2 as nw

from custrel.errors import DomainError, SchemaError, one_of
from custrel.frames import LazyFrame, stack

__all__ = ["Rules", "Sheet", "stacked"]


@dataclass(frozen=True)
class Sheet:
    """The rows of one kind: a lazy frame under canonical names, where it lives, as what it leaves, how many."""

    kind: str
    frame: LazyFrame
    library: str
    like: str
    rows: int = 0


@dataclass(frozen=True)
class Rules:
    """How a log is to be read: its clock's zone, how text is written, what is too late, what to do with breaches."""

    tz: str = "UTC"
    time_format: str | None = None
    as_of: Any = None
    on_invalid: str = "raise"

    def __post_init__(self) -> None:
        one_of("on_invalid", self.on_invalid, ["raise", "drop"])
        if not isinstance(self.time_format, str | None):
            raise DomainError(f"time_format must be text such as '%d/%m/%Y', got {self.time_format!r}")


def stacked(parts: list[Sheet]) -> Sheet:
    """Sheets of one kind under each other; a column that one of them lacks is empty there."""
    if len({part.library for part in parts}) > 1:
        found = sorted({part.library for part in parts})
        raise SchemaError(
            f"rows of kind {parts[0].kind!r} live in {' and '.join(found)}: bring them into one library first"
        )
    schemas = [dict(part.frame.collect_schema()) for part in parts]
    merged: dict[str, Any] = {}
    for schema in schemas:
        merged |= {name: _common(name, merged.get(name, dtype), dtype) for name, dtype in schema.items()}
    frames = []
    for part, schema in zip(parts, schemas, strict=True):
        casts = [nw.col(name).cast(merged[name]) for name, dtype in schema.items() if dtype != merged[name]]
        frames.append(part.frame.with_columns(*casts) if casts else part.frame)
    try:
        return replace(parts[0], frame=stack(frames))
    except Exception as error:  # each engine has errors of its own
        raise SchemaError(f"rows of kind {parts[0].kind!r} cannot stand under each other: {error}") from error


def _common(name: str, one: Any, other: Any) -> Any:
    """The type that holds what two columns of one name hold."""
    if one == other or isinstance(other, nw.Unknown):
        return one
    if isinstance(one, nw.Unknown):
        return other
    if isinstance(one, nw.Datetime) and isinstance(other, nw.Datetime):
        return nw.Datetime("us")
    if name != "customer_id" and one.is_numeric() and other.is_numeric():
        return nw.Float64()
    raise SchemaError(f"column {name!r} holds {one} in one log and {other} in another: cast one of them")
