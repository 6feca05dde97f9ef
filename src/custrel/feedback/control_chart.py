r"""Control chart: did the score of a month move by more than chance?

The values of the periods scatter around their common one, the *centre*, few answers more than many. Of m answers with
the variance :math:`s^2` of one, a value lies within :math:`3 s / \sqrt m` of the centre in all but 3 of 1,000 periods
[1]_; what lies outside is a *signal*, and so are eight periods in a row on one side [2]_. The variance of an answer is
pooled over the periods: :math:`p_P + p_D - (p_P - p_D)^2` for promoters less detractors, :math:`p (1 - p)` for a share.

Answers of one month are more alike than chance would have it, for something moves from month to month that is no news.
With thousands of answers every month would be a signal. So the limits are widened by Laney's :math:`\sigma_z` [3]_, the
mean distance of neighbouring z-scores by its expectation for independent normal ones, :math:`2 / \sqrt\pi`.

References
----------
.. [1] Shewhart, W. A. (1931). Economic Control of Quality of Manufactured Product. Van Nostrand.
.. [2] Western Electric Company (1956). Statistical Quality Control Handbook.
.. [3] Laney, D. B. (2002). Improved Control Charts for Attributes. Quality Engineering 14(4), 531-537.
   https://doi.org/10.1081/QEN-120006555
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import narwhals.stable.v2 as nw
import numpy as np

from custrel.checked import checked_count, checked_number
from custrel.errors import DomainError, SchemaError, one_of
from custrel.frames import collect, enter, leave, plain, require
from custrel.readable import with_moments

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from custrel.frames import LazyFrame
    from custrel.stats.estimate import Array

__all__ = ["ENDS", "Series", "Table", "control_chart", "over_dispersion_of", "read", "widening"]

KINDS = {"nps": ("promoters", "detractors"), "share": (), "mean": ("standard_error",)}
"""What a value can be, and which columns then say how answers scatter."""
ENDS = {"nps": (-100.0, 100.0), "share": (0.0, 1.0), "mean": (-np.inf, np.inf)}
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


def control_chart(
    periods: Any,
    by: str | Sequence[str] = (),
    *,
    limits: float = 3.0,
    over_dispersion: bool | str = "auto",
    run: int | None = 8,
    baseline: int | None = None,
    kind: str | None = None,
) -> Any:
    """Control chart of a score over its periods, for each group.

    Parameters
    ----------
    periods
        What `nps`, `csat`, `ces` or `review_score` return with ``every=...``, in any library: one row for each period
        of each group. It is the table and not the answers, so that whatever way they were read, weighted and clustered
        is that of the table. Another table wants the columns period (dates or numbers), value and n, and a `kind`.
    by
        Columns of the groups; each has a chart of its own.
    limits
        How many standard errors from the centre the limits lie.
    over_dispersion
        ``"auto"``: limits are widened by Laney's factor where it is above 1; True: it is taken below 1, too; False: it
        is told, but not taken.
    run
        So many neighbouring periods on one side of the centre are a signal; None: they are not.
    baseline
        From how many of the first periods with answers the centre and the limits are made; all if not given.
    kind
        ``"nps"``, ``"share"`` or ``"mean"``; told by the table's columns if not given.

    Returns
    -------
    A frame of the caller's library, in the order of groups and periods, with the columns of the groups, period, value,
    low and high (the interval of the value, where the table has it), centre, lower and upper (the limits), n, z
    (standard errors from the centre, widened as the limits are), signal (``"above"`` or ``"below"`` the limits,
    ``"run above"`` or ``"run below"`` the centre from the period on that completes the run, else empty),
    over_dispersion (Laney's factor as found), widened_by (as taken) and kind. A period without answers has no value, no
    limits and no signal, and ends a run; so does a period that is not in the table. A group with answers in one period
    only has no limits.

    Raises
    ------
    SchemaError
        If a column is missing, or holds something else.
    DomainError
        If no group has answers in two periods, a period stands twice in a group, or an argument is none of those above.

    Notes
    -----
    The size of a period is its n_effective, where the table has that. Limits are normal ones: of shares near 0 or 1,
    with few answers, they promise too much. If all answers are alike, nothing says how they scatter: z and
    over_dispersion are missing.

    Examples
    --------
    >>> import pandas as pd
    >>> months = pd.DataFrame({"period": [1, 2, 3, 4], "value": [0.5, 0.6, 0.5, 0.8], "n": [100, 100, 100, 100]})
    >>> chart = control_chart(months, kind="share", over_dispersion=False)
    >>> chart[["value", "centre", "lower", "upper", "z", "signal"]].round(3)  # 0.6 ± 3 sqrt(0.6 * 0.4 / 100)
       value  centre  lower  upper      z signal
    0    0.5     0.6  0.453  0.747 -2.041
    1    0.6     0.6  0.453  0.747  0.000
    2    0.5     0.6  0.453  0.747 -2.041
    3    0.8     0.6  0.453  0.747  4.082  above
    >>> round(float(chart["over_dispersion"].iloc[0]), 3)  # 2.041, 2.041 and 6.124 apart, in the mean 3.402, by 1.128
    3.015
    """
    if checked_number("limits", limits) == 0:
        raise DomainError("limits must lie above 0, got 0")
    one_of("over_dispersion", over_dispersion, ["auto", True, False])
    run = run if run is None else checked_count("run", run, least=2)
    first = baseline if baseline is None else checked_count("baseline", baseline, least=2)
    table = read(periods, by, kind, purpose="a control chart")
    charts = [_chart(one, limits, run, first, over_dispersion=over_dispersion) for one in table.series]
    ahead, behind = (
        {name: np.concatenate([chart[name] for chart in charts]) for name in names}
        for names in (("centre", "lower", "upper"), ("z", "signal", "over_dispersion", "widened_by"))
    )
    shown = {name: table.columns[name] for name in ("value", "low", "high") if name in table.columns}
    return table.leave(
        shown | ahead | {"n": table.n} | behind | {"kind": np.full(table.n.size, table.kind, dtype=object)}
    )


# -- the chart ---------------------------------------------------------------------------------------------------------


def _chart(
    series: Series, limits: float, run: int | None, first: int | None, *, over_dispersion: bool | str
) -> dict[str, NDArray[Any]]:
    """The columns of one group's chart."""
    among = series.known & (np.cumsum(series.known) <= (first or series.known.size))
    enough = among.sum() >= 2
    centre, spread = series.pooled(among) if enough else (np.nan, np.nan)
    error = np.sqrt(spread / series.size)
    z = np.divide(series.value - centre, error, out=np.full(error.shape, np.nan), where=error > 0)
    found = over_dispersion_of(np.where(among, z, np.nan), series.follows)
    factor = widening(found, asked=over_dispersion)
    reach, known = limits * factor * error, np.where(series.known, centre, np.nan)
    ends, size = ENDS[series.kind], series.value.size
    return {
        "centre": known,
        "lower": np.clip(known - reach, *ends),
        "upper": np.clip(known + reach, *ends),
        "z": z / factor,
        "signal": _signals(z / factor, series.follows, limits, run),
        "over_dispersion": np.full(size, found),
        "widened_by": np.full(size, factor if enough else np.nan),
    }


def over_dispersion_of(z: Array, follows: NDArray[np.bool_]) -> float:
    r"""Laney's :math:`\sigma_z = \overline{|z_i - z_{i-1}|} \sqrt\pi / 2`, over neighbours; NaN if there are none

    >>> round(over_dispersion_of(np.array([1.0, -1.0, 2.0]), np.array([False, True, True])), 6)  # 2.5 / 1.128379
    2.215567
    """
    steps = np.abs(np.diff(z))[follows[1:] & ~np.isnan(np.diff(z))]
    return float(steps.mean() * np.sqrt(np.pi) / 2) if steps.size else float("nan")


def widening(found: float, *, asked: bool | str) -> float:
    """By how much errors grow: as found, where that is asked for and known; ``"auto"``, where it is above 1.

    >>> [widening(found, asked="auto") for found in (1.4, 0.8, float("nan"))], widening(0.8, asked=True)
    ([1.4, 1.0, 1.0], 0.8)
    """
    least = 1.0 if asked == "auto" else 0.0
    return found if asked and found > least else 1.0


def _signals(z: Array, follows: NDArray[np.bool_], limits: float, run: int | None) -> NDArray[Any]:
    side, words = np.nan_to_num(np.sign(z)), np.full(z.size, "", dtype=object)
    if run:
        again = np.concatenate([[False], (side[1:] == side[:-1]) & (side[1:] != 0)]) & follows
        since = np.maximum.accumulate(np.where(again, 0, np.arange(z.size)))
        long = (np.arange(z.size) - since + 1 >= run) & (side != 0)
        words[long & (side > 0)], words[long & (side < 0)] = "run above", "run below"
    words[z > limits], words[z < -limits] = "above", "below"
    return words


# -- the periods, of a table -------------------------------------------------------------------------------------------


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
        if self.kind == "mean":
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
    kind = _kind(there, kind)
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


def _kind(there: Sequence[str], kind: str | None) -> str:
    """What the values are, as the caller or the columns say."""
    if kind is not None:
        one_of("kind", kind, KINDS)
        return kind
    if {"promoters", "detractors"} <= set(there):
        return "nps"
    if {"boxes", "measure"} & set(there):
        return "share" if "boxes" in there else "mean"
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
