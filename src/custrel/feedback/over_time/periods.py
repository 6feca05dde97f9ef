"""Periods: a table of figures, one for each period of each group, as series in the order of time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import narwhals.stable.v2 as nw
import numpy as np

from custrel.errors import DomainError, SchemaError, one_of
from custrel.frames import collect, enter, leave, plain, require
from custrel.readable import with_moments

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from custrel.frames import LazyFrame
    from custrel.stats.estimate import Array

__all__ = ["ENDS", "KINDS", "Series", "Table", "read"]

KINDS = {
    "nps": ("promoters", "detractors"),
    "share": (),
    "mean": ("standard_error",),
    "normalised_mean": ("standard_error",),
}
"""What a value can be, and which columns then say how answers scatter."""
ENDS = {"nps": (-100.0, 100.0), "share": (0.0, 1.0), "mean": (-np.inf, np.inf), "normalised_mean": (0.0, 1.0)}
"""Between which ends such a value lies."""

_AT, _ALIKE = "__at", 1e-12
_NAMES: dict[tuple[str, float], str] = {
    ("months", 1): "month",
    ("months", 3): "quarter",
    ("months", 12): "year",
    ("days", 1): "day",
    ("days", 7): "week",
    ("numbers", 1): "period",
}


@dataclass(frozen=True, eq=False)
class Series:
    """The values of one group in the order of their periods, ``(periods,)`` each.

    Parameters
    ----------
    kind
        What the values are: one of `KINDS`.
    at
        When each period begins, in periods since the first of the table.
    follows
        Whether it is the next after the one before it, none being left out.
    value, size
        NaN where there are no answers.
    more
        The columns that say how answers scatter.
    """

    kind: str
    at: Array
    follows: NDArray[np.bool_]
    value: Array
    size: Array
    more: Mapping[str, Array]

    @property
    def known(self) -> NDArray[np.bool_]:
        """Which periods have answers."""
        return ~np.isnan(self.value)

    def pooled(self, among: NDArray[np.bool_]) -> tuple[float, float]:
        """The common value of these periods, and the variance of one answer."""
        value, m = self.value[among], self.size[among]
        more = {name: column[among] for name, column in self.more.items()}
        centre = float(np.average(value, weights=m))
        if "mean" in self.kind:
            error, free = more["standard_error"], np.maximum(m - 1, 0)
            told = (free > 0) & ~np.isnan(error)
            return centre, float(np.average(m[told] * error[told] ** 2, weights=free[told])) if told.any() else np.nan
        if self.kind == "nps":
            sides = float(np.average(more["promoters"] + more["detractors"], weights=m))
            return centre, _unless_alike(100**2 * sides - centre**2, 100**2)
        return centre, _unless_alike(centre * (1 - centre), 1)


def _unless_alike(spread: float, most: float) -> float:
    """What rounding left of no spread at all is none."""
    return spread if spread > _ALIKE * most else 0.0


@dataclass(frozen=True, eq=False)
class Table:
    """A table with a row for each period of each group, and these as series, one group after another.

    Parameters
    ----------
    kind, per
        What the values are, and what a period is called.
    labels
        The columns of the groups, and the period.
    columns
        The columns of numbers.
    series
        Of each group, the rows being in their order.
    like
        The library it came from.
    """

    kind: str
    per: str
    labels: Mapping[str, NDArray[Any]]
    columns: Mapping[str, Array]
    series: Sequence[Series]
    like: str

    @property
    def n(self) -> NDArray[Any]:
        """How many answers there are."""
        n = np.nan_to_num(self.columns["n"])
        return n.astype(np.int64) if np.all(n == np.floor(n)) else n

    @property
    def groups(self) -> Mapping[str, NDArray[Any]]:
        """The labels of each group, in the order of the series."""
        first = np.cumsum([0, *(one.value.size for one in self.series[:-1])])
        return {name: column[first] for name, column in self.labels.items() if name != "period"}

    def leave(self, columns: Mapping[str, NDArray[Any]]) -> Any:
        """The labels with these columns, as a frame of the library it came from."""
        missing = [name for name, column in columns.items() if column.dtype.kind == "f"]
        return leave({**self.labels, **columns}, like=self.like, missing=missing)


def read(periods: Any, by: str | Sequence[str], kind: str | None, *, purpose: str) -> Table:
    """Read a table of periods; see `control_chart`."""
    frame, like = enter(periods)
    there = frame.collect_schema().names()
    kind = _kind(frame, kind)
    groups = [by] if isinstance(by, str) else list(by)
    groups += ["total"] if "total" in there and "total" not in groups else []
    needed = ["value", "n", *KINDS[kind]]
    require(frame, [*groups, "period", *needed], purpose=purpose)
    numbers = [*needed, *(name for name in ("low", "high", "n_effective") if name in there)]
    labels, columns = _collected(frame, groups, numbers)
    at, per, regular = _in_periods(labels.pop(_AT))
    group = _numbered([labels[name] for name in groups], at.size)
    order = np.lexsort((at, group))
    labels, columns = ({name: column[order] for name, column in one.items()} for one in (labels, columns))
    at, group = at[order], group[order]
    _refuse_twice(labels["period"], at, group)
    columns["size"] = _sizes(columns, kind)
    parts = np.split(np.arange(at.size), np.flatnonzero(np.diff(group)) + 1)
    series = [_series(kind, rows, at, columns, regular=regular) for rows in parts]
    if (most := max(int(one.known.sum()) for one in series)) < 2:
        raise DomainError(f"{purpose} wants answers in two periods or more of a group, found {most}")
    return Table(kind, per, labels, columns, series, like)


def _kind(frame: LazyFrame, kind: str | None) -> str:
    """What the values are, as the caller or the columns say."""
    if kind is not None:
        one_of("kind", kind, KINDS)
        return kind
    there = set(frame.collect_schema().names())
    if {"promoters", "detractors"} <= there:
        return "nps"
    if "boxes" in there:
        return "share"
    if "measure" in there:
        of_scale = "normalised_mean" in collect(frame.select("measure").head(1))["measure"].tolist()
        return "normalised_mean" if of_scale else "mean"
    raise DomainError("the columns do not say what the values are: give kind='nps', 'share' or 'mean'")


def _collected(
    frame: LazyFrame, groups: Sequence[str], numbers: Sequence[str]
) -> tuple[dict[str, NDArray[Any]], dict[str, Array]]:
    """Labels, with the time that each period begins, and numbers."""
    schema = frame.collect_schema()
    for name in numbers:
        if not schema[name].is_numeric():
            raise SchemaError(f"column {name!r} must hold numbers; found {schema[name]}")
    if schema["period"].is_numeric():
        frame = frame.with_columns(nw.col("period").cast(nw.Float64).alias(_AT))
    else:
        frame = with_moments(frame, "period", name=_AT, tz="UTC")
    found = collect(frame.select(*groups, "period", _AT, *(nw.col(name).cast(nw.Float64) for name in numbers)))
    labels = {name: found.pop(name) for name in (*groups, "period", _AT)}
    return labels, {name: column.astype(np.float64) for name, column in found.items()}


def _in_periods(begins: NDArray[Any]) -> tuple[Array, str, bool]:
    """When each period begins, in lengths of the shortest; what that is called; whether all are whole lengths apart.

    >>> _in_periods(np.array(["2024-01-01", "2024-04-01", "2025-01-01"], dtype="M8[us]"))
    (array([0., 1., 4.]), 'quarter', True)
    """
    if begins.dtype.kind == "M":
        months = begins.astype("M8[M]")
        first = bool(np.all(months == begins))  # of a month
        unit = "months" if first else "days"
        at = months.astype(np.float64) if first else begins.astype("M8[us]").astype(np.float64) / 86_400e6
    else:
        unit, at = "numbers", begins.astype(np.float64)
    if not np.isfinite(at).all():
        raise SchemaError(
            f"column 'period' is missing or infinite in {(~np.isfinite(at)).sum():,} rows: leave these out"
        )
    length = float(np.diff(np.unique(at)).min(initial=np.inf))
    length = length if np.isfinite(length) else 1.0
    at = (at - at.min(initial=np.inf)) / length
    whole = np.abs(at - np.round(at)) < 1e-6
    called = _NAMES.get((unit, length), f"{length:g}" if unit == "numbers" else f"{length:g} {unit}")
    return np.where(whole, np.round(at), at), called, bool(whole.all())


def _numbered(labels: Sequence[NDArray[Any]], rows: int) -> NDArray[np.intp]:
    """Number of the group of each row, in the order in which they come; what is missing is a group."""
    names = zip(*([plain(one) for one in column.tolist()] for column in labels), strict=True)
    keys = list(names) if labels else [()] * rows
    known = {key: number for number, key in enumerate(dict.fromkeys(keys))}
    return np.array([known[key] for key in keys], dtype=np.intp)


def _refuse_twice(period: NDArray[Any], at: Array, group: NDArray[np.intp]) -> None:
    """Refuse two rows of one period in a group."""
    twice = np.flatnonzero((np.diff(group) == 0) & (np.diff(at) == 0))
    if twice.size:
        raise DomainError(
            f"period {period[twice[0]]} stands in two rows of a group, of {twice.size:,} such: "
            "name the columns of the groups, such as by='region'"
        )


def _sizes(columns: Mapping[str, Array], kind: str) -> Array:
    """How many independent answers each period has; NaN where it has no value."""
    name = "n_effective" if "n_effective" in columns else "n"
    value, m = columns["value"], columns[name]
    known, (low, high) = ~np.isnan(value), ENDS[kind]
    if bad := int(np.sum(known & ~((value >= low) & (value <= high)))):
        raise DomainError(f"column 'value' must lie between {low:g} and {high:g} (kind={kind!r}); {bad:,} do not")
    if bad := int(np.sum(known & ~(m > 0))):
        raise DomainError(f"column {name!r} must lie above 0 where there is a value; {bad:,} do not")
    if bad := int(np.sum(known & np.isinf(m))):
        raise DomainError(f"{name!r} is infinite in {bad:,} periods, for all customers answered: leave out population")
    if kind == "nps" and np.isnan(columns["promoters"] + columns["detractors"])[known].any():
        raise DomainError("'promoters' and 'detractors' must be there where there is a value")
    return np.where(known, m, np.nan)


def _series(kind: str, rows: NDArray[np.intp], at: Array, columns: Mapping[str, Array], *, regular: bool) -> Series:
    steps = np.diff(at[rows], prepend=np.nan)
    follows = steps == 1 if regular else ~np.isnan(steps)
    more = {name: columns[name][rows] for name in KINDS[kind]}
    return Series(kind, at[rows], follows, columns["value"][rows], columns["size"][rows], more)
