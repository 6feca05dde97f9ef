"""Trend of feedback: where does a score stand in each period, and which periods are news?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from custrel.errors import DomainError, SchemaError, need
from custrel.frames import collect, enter, plain, require
from custrel.plots.canvas import DATA, MODEL, canvas, name_ends
from custrel.readable import with_moments

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from custrel.stats.estimate import Array

__all__ = ["feedback_trend"]

SIGNAL = "#d55e00"
"""What is news; the vermilion of Okabe and Ito, drawn as diamonds, which are told without it."""
_WORDS = {
    "nps": "Net Promoter Score, points",
    "share": "share of answers",
    "mean": "mean, points",
    "normalised_mean": "mean, from 0 to 1 of the scale",
}
_OPTIONAL = ("low", "high", "centre", "lower", "upper", "observed")
_AT = "__at"
_FEW = 6  # periods whose dates have room below the axis
_SAME = 1.5  # gaps up to so many times the shortest are those of months, long and short


@dataclass(frozen=True, eq=False)
class _Periods:
    """When each begins, its numbers, which are signals, and what the value is."""

    at: NDArray[Any]
    numbers: Mapping[str, Array]
    signal: NDArray[Any]
    kind: str

    def with_gaps(self) -> tuple[NDArray[Any], Mapping[str, Array]]:
        """The same with a row of nothing where periods are left out, so that no line runs over them."""
        steps = np.diff(self.at)
        after = np.flatnonzero(steps > _SAME * steps.min(initial=steps.max())) + 1 if steps.size else np.empty(0, int)
        between = self.at[after - 1] + steps[after - 1] / 2
        filled = {name: np.insert(column, after, np.nan) for name, column in self.numbers.items()}
        return np.insert(self.at, after, between), filled


def feedback_trend(frame: Any, *, of: str | None = None, ax: Axes | None = None) -> Axes:
    """A score over its periods, with its interval, and with control limits where there are some.

    Lines break where periods are missing. Signals are diamonds: filled outside the limits, hollow where a run is
    complete.

    Parameters
    ----------
    frame
        What `feedback.nps` or another score returns with ``every=...``, or `feedback.control_chart` or
        `feedback.smoothed` made of it, in any library, of one group: columns period and value; low and high, centre,
        lower and upper, signal, observed where they are there.
    of
        What the value is, in words; told by the columns if not given.
    ax
        Where to draw; a new figure if not given.

    Returns
    -------
    matplotlib.axes.Axes
        The picture; its first line is that of the values.

    Raises
    ------
    SchemaError
        If a column is missing or holds something else.
    DomainError
        If no period has a value, or one stands twice: several groups are several pictures.
    MissingExtraError
        If matplotlib is not installed.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> import pandas as pd
    >>> from custrel.feedback.over_time.control_chart import control_chart
    >>> months = pd.date_range("2024-01-01", periods=4, freq="MS")
    >>> shares = pd.DataFrame({"period": months, "value": [0.5, 0.6, 0.5, 0.8], "n": [100, 100, 100, 100]})
    >>> ax = feedback_trend(control_chart(shares, kind="share", over_dispersion=False), of="share of the satisfied")
    >>> print(ax.get_title(loc="left"))
    Share of the satisfied: 1 of 4 periods is a signal
    >>> plt.close(ax.figure)
    """
    periods = _periods(frame)
    words = of or _WORDS.get(periods.kind, "value")
    ax = canvas(ax, title=_title(words, periods), x="period", y=words, size=(8.0, 4.2))
    if "observed" in periods.numbers:
        _draw_band(ax, periods)
    else:
        _draw_values(ax, periods)
    if {"centre", "lower", "upper"} <= set(periods.numbers):
        _draw_limits(ax, periods)
    _draw_signals(ax, periods)
    _name_axes(ax, periods)
    return ax


def _periods(frame: Any) -> _Periods:
    opened, _ = enter(frame)
    require(opened, ["period", "value"], purpose="a picture of a trend")
    schema = opened.collect_schema()
    there = set(schema.names())
    names = ["value", *(name for name in _OPTIONAL if name in there)]
    words = [name for name in ("signal", "kind") if name in there]
    at = "period"
    if not schema["period"].is_numeric():
        opened, at = with_moments(opened, "period", name=_AT, tz="UTC"), _AT
    columns = collect(opened.select(*dict.fromkeys([at, *names, *words])))
    try:
        numbers = {name: columns[name].astype(np.float64) for name in names}
    except (TypeError, ValueError) as error:
        raise SchemaError(f"a picture of a trend wants numbers in {', '.join(names)}: {error}") from error
    begins = columns[at] if columns[at].dtype.kind == "M" else columns[at].astype(np.float64)
    if not np.isfinite(numbers["value"]).any():
        raise DomainError(f"a picture of a trend wants a period with a value; none of {begins.size:,} rows has one")
    if np.unique(begins).size < begins.size:
        raise DomainError("a period stands in two rows: draw the rows of one group at a time")
    order = np.argsort(begins, kind="stable")
    said = columns.get("signal", np.full(begins.size, "", dtype=object)).tolist()
    signal = np.array([plain(one) or "" for one in said], dtype=str)
    kind = columns["kind"][0] if "kind" in there else _kind(there)
    return _Periods(begins[order], {name: one[order] for name, one in numbers.items()}, signal[order], str(kind))


def _kind(there: set[str]) -> str:
    """What the value is, as the columns of a score tell."""
    if {"promoters", "detractors"} <= there:
        return "nps"
    if "boxes" in there:
        return "share"
    return "mean" if "measure" in there else ""


def _title(words: str, periods: _Periods) -> str:
    head = words.partition(",")[0]
    head = head[:1].upper() + head[1:]
    if "centre" not in periods.numbers:
        return f"{head}, period by period"
    signals, seen = int((periods.signal != "").sum()), int(np.isfinite(periods.numbers["value"]).sum())
    said = {0: "no signal in", 1: "1 of"}.get(signals, f"{signals} of")
    return f"{head}: {said} {seen} periods{'' if not signals else ' is a signal' if signals == 1 else ' are signals'}"


def _draw_values(ax: Axes, periods: _Periods) -> None:
    """The values, joined where no period is missing, with bars for their intervals."""
    at, numbers = periods.with_gaps()
    ax.plot(at, numbers["value"], color=DATA, marker="o", markersize=4.5, linewidth=1.2, zorder=3)
    if {"low", "high"} <= set(numbers):
        value, low, high = (numbers[name] for name in ("value", "low", "high"))
        reach = np.stack([value - low, high - value]).clip(0)
        ax.errorbar(at, value, yerr=reach, fmt="none", ecolor=DATA, elinewidth=0.8, capsize=2, alpha=0.75, zorder=2)


def _draw_band(ax: Axes, periods: _Periods) -> None:
    """The level with its band, and the values that were seen."""
    at, numbers = periods.at, periods.numbers
    ax.plot(at, numbers["value"], color=MODEL, linewidth=2, marker="" if at.size > 1 else "o")
    if {"low", "high"} <= set(numbers):
        ax.fill_between(at, numbers["low"], numbers["high"], color=MODEL, alpha=0.18, linewidth=0)
    ax.plot(at, numbers["observed"], color=DATA, marker="o", markersize=4.5, linestyle="none", zorder=3)
    last = {name: numbers[name][np.isfinite(numbers[name])][-1:] for name in ("value", "observed")}
    if last["observed"].size:
        ends = {"level": (float(last["value"][0]), MODEL), "observed": (float(last["observed"][0]), DATA)}
        name_ends(ax, at[-1], ends)


def _draw_limits(ax: Axes, periods: _Periods) -> None:
    """Centre and limits, a step for each period, as those of a period depend on its answers."""
    at, numbers = periods.with_gaps()
    half = np.diff(periods.at).min() / 2 if periods.at.size > 1 else np.zeros(1, np.diff(periods.at).dtype)[0]
    edges = np.stack([at - half, at + half], axis=1).ravel()
    for name, style in (("centre", "-"), ("lower", "--"), ("upper", "--")):
        ax.plot(edges, numbers[name].repeat(2), color=MODEL, linestyle=style, linewidth=1.2, zorder=1)
        last = np.flatnonzero(np.isfinite(numbers[name]))[-1:]
        for row in last:
            ax.annotate(
                "centre" if name == "centre" else "limit",
                (at[row] + half, numbers[name][row]),
                xytext=(5, 0),
                textcoords="offset points",
                color=MODEL,
                va="center",
                annotation_clip=False,
            )


def _draw_signals(ax: Axes, periods: _Periods) -> None:
    run = np.char.startswith(periods.signal, "run")
    outside = (periods.signal != "") & ~run
    for which, inside in ((outside, SIGNAL), (run, "none")):
        if which.any():
            values = periods.numbers["value"][which]
            face: dict[str, Any] = {"markerfacecolor": inside, "markersize": 9, "markeredgewidth": 1.6}
            ax.plot(periods.at[which], values, color=SIGNAL, marker="D", linestyle="none", zorder=4, **face)


def _name_axes(ax: Axes, periods: _Periods) -> None:
    """Dates and units as people write them."""
    dates, ticker = (need(f"matplotlib.{name}", extra="plot") for name in ("dates", "ticker"))
    if periods.kind == "share":
        ax.yaxis.set_major_formatter(lambda share, _: f"{100 * share:.4g} %")
    if periods.at.dtype.kind != "M":
        ax.xaxis.set_major_locator(ticker.MaxNLocator(integer=True))
    elif periods.at.size <= _FEW:
        ax.set_xticks(periods.at, [str(day) for day in periods.at.astype("M8[D]")])
    else:
        ax.xaxis.set_major_formatter(dates.ConciseDateFormatter(ax.xaxis.get_major_locator()))
