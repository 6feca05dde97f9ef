"""Backtest: how far off would each law have been, had we forecast from each of several days?"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np

from custrel.errors import DomainError, SchemaError, need, one_of
from custrel.frames import collect, enter, require
from custrel.plots.canvas import QUIET, canvas

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from custrel.stats.estimate import Array

__all__ = ["backtest"]

MEASURES = {
    "total_error": ("Error of the total", "expected less actual, by actual"),
    "mean_absolute_error": ("Mean absolute error of a customer's expectation", "purchases; lower is better"),
    "root_mean_squared_error": ("Root mean squared error of a customer's expectation", "purchases; lower is better"),
    "bias": ("Bias of a customer's expectation", "purchases, expected less actual"),
    "log_score": ("Log score of customers' counts", "mean log of the chance given; higher is better"),
    "crps": ("CRPS of customers' counts", "purchases; lower is better"),
    "gini": ("Gini of purchases", "1 is the perfect order, 0 is that by lot"),
    "lift": ("Lift of the first tenth in purchases", "times the mean of all; higher is better"),
    "calibration_error": ("Calibration error over tenths of customers", "purchases; lower is better"),
    "value_gini": ("Gini of value", "1 is the perfect order, 0 is that by lot"),
    "value_lift": ("Lift of the first tenth in value", "times the mean of all; higher is better"),
}
"""Title and meaning of each figure that can be drawn."""

# Of Okabe and Ito's colours those that a white ground bears; markers tell the laws apart without any.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
_FEW = 6  # cutoffs whose dates have room below the axis
_HEIGHT = 0.8  # of the axes that titles and labels leave


@dataclass(frozen=True)
class _Table:
    """A line for each law: its name, whether it is a baseline, its value at each cutoff, NaN where there is none."""

    cutoffs: NDArray[np.datetime64]
    laws: list[str]
    baseline: NDArray[np.bool_]
    values: Array


def backtest(frame: Any, *, measure: str = "crps", ax: Axes | None = None) -> Axes:
    """One figure of a backtest over the cutoffs, a line for each law; the baselines are grey.

    Who has no value at some cutoff, as a law without a peak, is named below the picture.

    Parameters
    ----------
    frame
        What `clv.backtest` returns, in any library: columns cutoff, law, baseline, and the one named by `measure`.
    measure
        Which figure: total_error, mean_absolute_error, root_mean_squared_error, bias, log_score, crps, gini, lift,
        calibration_error, value_gini or value_lift.
    ax
        Where to draw; a new figure if not given. Several figures side by side are several calls.

    Returns
    -------
    matplotlib.axes.Axes
        The picture; its first lines are those of the laws and baselines, in the order of the frame.

    Raises
    ------
    SchemaError
        If a column is missing or holds something else.
    DomainError
        If the measure is none of these, no row has a value of it, or a law stands at a cutoff twice.
    MissingExtraError
        If matplotlib is not installed.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from custrel import clv
    >>> from custrel.datasets import cdnow
    >>> table = clv.backtest(cdnow(), [clv.BGNBD, clv.NBD], cutoffs=["1997-06-30", "1997-09-30"], horizon=39)
    >>> ax = backtest(table, measure="total_error")
    >>> [words.get_text() for words in ax.texts]
    ['BGNBD', 'NBD', 'SameAsBefore', 'RecencyRule', 'MeanOfAll']
    >>> plt.close(ax.figure)
    """
    one_of("measure", measure, MEASURES)
    table = _table(frame, measure)
    known = np.isfinite(table.values)
    if not known.any():
        raise DomainError(f"no row of this backtest has a finite {measure!r}: draw another measure")
    title, meaning = MEASURES[measure]
    ax = canvas(ax, title=title, x="\n".join(["cutoff", *_without(table, known)]), y=meaning)
    colours = [QUIET if grey else next(colour) for colour in [cycle(COLOURS)] for grey in table.baseline]
    for values, colour, marker, grey in zip(table.values, colours, cycle(MARKERS), table.baseline, strict=False):
        style = {"linestyle": "--", "linewidth": 1} if grey else {"linewidth": 1.8}
        ax.plot(table.cutoffs, values, color=colour, marker=marker, markersize=5, **style)
    if measure in {"total_error", "bias"}:
        ax.axhline(0, color=QUIET, linewidth=0.8, zorder=0)
    _name_dates(ax, table.cutoffs)
    _name_lines(ax, table, known, colours)
    return ax


def _table(frame: Any, measure: str) -> _Table:
    names = ["cutoff", "law", "baseline", measure]
    opened, _ = enter(frame)
    require(opened, names, purpose="a picture of a backtest")
    columns = collect(opened.select(*names))
    try:
        at = columns["cutoff"].astype("datetime64[us]")
        values = columns[measure].astype(np.float64)
    except (TypeError, ValueError) as error:
        raise SchemaError(f"a backtest has dates in 'cutoff' and numbers in {measure!r}: {error}") from error
    if not at.size or np.isnat(at).any():
        raise DomainError(f"a picture of a backtest wants rows with a cutoff each; {np.isnat(at).sum()} have none")
    cutoffs, column = np.unique(at, return_inverse=True)
    laws = list(dict.fromkeys(columns["law"].tolist()))
    row = np.array([laws.index(law) for law in columns["law"].tolist()])
    if len(set(zip(row.tolist(), column.tolist(), strict=True))) < at.size:
        raise DomainError("a law stands at one cutoff twice: draw the frame of one backtest, with one horizon")
    table, baseline = np.full((len(laws), cutoffs.size), np.nan), np.zeros(len(laws), dtype=bool)
    table[row, column], baseline[row] = values, columns["baseline"].astype(bool)
    return _Table(cutoffs, laws, baseline, table)


def _without(table: _Table, known: NDArray[np.bool_]) -> list[str]:
    """Who has no finite value at how many cutoffs, in words."""
    missing = (~known).sum(axis=1)
    every = table.cutoffs.size
    said = [
        law if count == every else f"{law} at {count} of {every}"
        for law, count in zip(table.laws, missing.tolist(), strict=True)
        if count
    ]
    return [f"without a value: {', '.join(said)}"] if said else []


def _name_dates(ax: Axes, cutoffs: NDArray[np.datetime64]) -> None:
    """The cutoffs themselves where they are few."""
    dates = need("matplotlib.dates", extra="plot")
    if cutoffs.size <= _FEW:
        ax.set_xticks(cutoffs)
        ax.xaxis.set_major_formatter(dates.DateFormatter("%d %b\n%Y"))
    else:
        ax.xaxis.set_major_formatter(dates.ConciseDateFormatter(ax.xaxis.get_major_locator()))
    room = (cutoffs[-1] - cutoffs[0]) // 12 or np.timedelta64(1, "D")
    ax.set_xlim(cutoffs[0] - room, cutoffs[-1] + room)


def _name_lines(ax: Axes, table: _Table, known: NDArray[np.bool_], colours: list[str]) -> None:
    """A name beside the last value of each line, as near to its height as the other names leave room."""
    drawn = np.flatnonzero(known.any(axis=1))
    last = known.shape[1] - 1 - np.argmax(known[:, ::-1], axis=1)
    low, high = ax.get_ylim()
    heights = (table.values[drawn, last[drawn]] - low) / (high - low)
    size = need("matplotlib", extra="plot").rcParams["font.size"]
    gap = 1.3 * size * ax.figure.dpi / 72 / (_HEIGHT * ax.bbox.height)
    for row, height, place in zip(drawn, heights, spread(heights, gap), strict=True):
        ax.annotate(
            table.laws[row],
            (table.cutoffs[last[row]], low + height * (high - low)),
            xytext=(1.03, place),
            textcoords="axes fraction",
            color=colours[row],
            va="center",
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": colours[row], "linewidth": 0.6, "shrinkA": 0, "shrinkB": 4},
        )


def spread(heights: Array, gap: float) -> Array:
    """Heights moved apart to at least a gap, in their order, and within 0 and 1 where there is room for all.

    Each is pushed up by those below it, and down by those above it, and comes to stand midway.

    >>> spread(np.array([0.5, 0.45, 0.95, 1.0]), 0.1).round(3)
    array([0.525, 0.425, 0.9  , 1.   ])
    """
    order, steps = np.argsort(heights, kind="stable"), gap * np.arange(heights.size)
    apart = heights[order] - steps
    midway = (np.maximum.accumulate(apart) + np.minimum.accumulate(apart[::-1])[::-1]) / 2
    places = np.empty(heights.size)
    places[order] = np.clip(midway, 0, max(0.0, 1 - steps[-1])) + steps
    return places
