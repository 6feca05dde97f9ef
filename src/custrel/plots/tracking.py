"""Tracking: do the purchases of each period come as the law said they would?"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from custrel.errors import DomainError, SchemaError, need
from custrel.frames import collect, enter, require
from custrel.history import DAYS
from custrel.plots.canvas import DATA, HELD_OUT, MODEL, QUIET, canvas, name_ends

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from custrel.stats.estimate import Array

__all__ = ["tracking"]


def tracking(frame: Any, *, cumulative: bool = True, calibration_end: Any = None, ax: Axes | None = None) -> Axes:
    """Repeat purchases as they came beside those expected, summed from the start or period by period.

    Parameters
    ----------
    frame
        What `clv.tracking` returns, in any library: columns end, actual and expected (or these with
        _cumulative behind).
    cumulative
        Whether to draw the sums from the start, or what each period brought.
    calibration_end
        Last day that the law was fitted to, on the log's clock: a date, a datetime or ISO text. What comes
        after it is shaded.
    ax
        Where to draw; a new figure if not given.

    Returns
    -------
    matplotlib.axes.Axes
        The picture; its first line is what came, its second what was expected.

    Raises
    ------
    SchemaError
        If a column is missing or holds something else.
    DomainError
        If the frame has no rows, or `calibration_end` is no date.
    MissingExtraError
        If matplotlib is not installed.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from custrel import clv
    >>> from custrel.datasets import cdnow
    >>> law = clv.BGNBD(r=0.243, alpha=4.414, a=0.793, b=2.426)
    >>> weeks = clv.tracking(law, cdnow(), until="1998-06-30", born_until="1997-09-30")
    >>> ax = tracking(weeks, calibration_end="1997-09-30")
    >>> print(ax.get_title(loc="left"))
    4,339 repeat purchases came, 4,166 were expected
    >>> plt.close(ax.figure)
    """
    end, actual, expected = _columns(frame, "_cumulative" if cumulative else "")
    split = end[-1] if calibration_end is None else _day(calibration_end)
    period = _period(end)
    ax = canvas(
        ax,
        title=f"{actual[-1]:,.0f} repeat purchases came, {expected[-1]:,.0f} were expected"
        if cumulative
        else f"Repeat purchases, {period} by {period}",
        x=f"end of the {period}",
        y="repeat purchases from the start" if cumulative else f"repeat purchases in the {period}",
    )
    lone = "o" if end.size == 1 else ""
    ax.plot(end, actual, color=DATA, marker=lone, linewidth=1.5 if cumulative else 1)
    ax.plot(end, expected, color=MODEL, marker=lone, linewidth=2)
    name_ends(ax, end[-1], {"came": (actual[-1], DATA), "expected": (expected[-1], MODEL)})
    ax.set_ylim(bottom=0)
    _name_dates(ax, end)
    if split < end[-1]:
        _shade(ax, split, at_top=not cumulative)
    return ax


def _columns(frame: Any, which: str) -> tuple[NDArray[np.datetime64], Array, Array]:
    """End of each period, what came, what was expected."""
    names = ["end", f"actual{which}", f"expected{which}"]
    opened, _ = enter(frame)
    require(opened, names, purpose="a tracking picture")
    columns = collect(opened.select(*names), sort=["end"])
    try:
        end = columns["end"].astype("datetime64[us]")
        actual, expected = (columns[name].astype(np.float64) for name in names[1:])
    except (TypeError, ValueError) as error:
        raise SchemaError(
            f"a tracking picture wants dates in 'end' and numbers in {names[1]!r}, {names[2]!r}: {error}"
        ) from error
    if not end.size:
        raise DomainError("a tracking picture wants one period or more; this frame has no rows")
    if np.isnat(end).any() or not np.isfinite([actual, expected]).all():
        raise SchemaError("a tracking picture wants a date and two numbers in every row; some are missing")
    return end, actual, expected


def _day(moment: Any) -> np.datetime64:
    """A date, a datetime or ISO text as the matplotlib axis knows it."""
    try:
        plain = datetime.fromisoformat(str(moment))
    except ValueError as error:
        raise DomainError(f"calibration_end must be a date such as '1997-09-30', got {moment!r}") from error
    return np.datetime64(plain.replace(tzinfo=None), "us")


def _period(end: NDArray[np.datetime64]) -> str:
    """What a period is called, from the days between the ends of the first and the last."""
    days = float((end[-1] - end[0]) / np.timedelta64(1, "D")) / max(end.size - 1, 1)
    near = {unit: abs(days / length - 1) for unit, length in DAYS.items()}
    unit = min(near, key=near.__getitem__)
    return unit if near[unit] < 0.02 else "period"


def _name_dates(ax: Axes, end: NDArray[np.datetime64]) -> None:
    """Dates and thousands as people write them; the axis begins and ends where the periods do."""
    dates, ticker = (need(f"matplotlib.{name}", extra="plot") for name in ("dates", "ticker"))
    if end.size > 1:
        ax.set_xlim(end[0] - (end[-1] - end[0]) // (end.size - 1), end[-1])
        ax.xaxis.set_major_formatter(dates.ConciseDateFormatter(ax.xaxis.get_major_locator()))
    else:
        ax.set_xlim(end[0] - np.timedelta64(1, "D"), end[0] + np.timedelta64(1, "D"))
        ax.set_xticks(end, [str(end[0].astype("datetime64[D]"))])
    ax.yaxis.set_major_formatter(ticker.StrMethodFormatter("{x:,.10g}"))


def _shade(ax: Axes, split: np.datetime64, *, at_top: bool) -> None:
    """The ground of the periods that the law has not seen, with its name where the lines are not."""
    left, right = ax.get_xlim()
    start = max(left, need("matplotlib.dates", extra="plot").date2num(split))
    ax.axvspan(start, right, color=HELD_OUT, zorder=0, linewidth=0)
    ax.annotate(
        "held out",
        (start, float(at_top)),
        xycoords=("data", "axes fraction"),
        xytext=(6, -6 if at_top else 6),
        textcoords="offset points",
        color=QUIET,
        va="top" if at_top else "bottom",
    )
