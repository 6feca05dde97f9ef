"""Deciles: do those of whom much is expected buy much, and those of whom little is, little?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from custrel.errors import DomainError, SchemaError, need
from custrel.plots.canvas import DATA, MODEL, canvas, name_ends, numbers_in

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from custrel.stats.estimate import Array

__all__ = ["deciles"]

WIDE = 12  # beside more groups than that, the numbers of customers would run into each other


def deciles(frame: Any, *, of: str = "mean purchases of a customer", ax: Axes | None = None) -> Axes:
    """Means of groups of customers, as they came with their intervals, beside what was expected of each group.

    Parameters
    ----------
    frame
        What `clv.calibration_by_deciles` returns, in any library: columns group, n, expected, actual, low and high.
    of
        What the means are of, in words, such as ``"share of customers who bought"``.
    ax
        Where to draw; a new figure if not given.

    Returns
    -------
    matplotlib.axes.Axes
        The picture; its first line is what was expected, its second what came.

    Raises
    ------
    SchemaError
        If a column is missing or holds something else.
    DomainError
        If the frame has no rows.
    MissingExtraError
        If matplotlib is not installed.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from custrel.clv.evidence.deciles import calibration_by_deciles
    >>> groups = calibration_by_deciles([0.2, 0.1, 1.0, 0.9], [0, 1, 3, 1], groups=2)
    >>> ax = deciles(groups)
    >>> ax.lines[1].get_ydata()
    array([0.5, 2. ])
    >>> plt.close(ax.figure)
    """
    group, n, expected, actual, low, high = _columns(frame)
    room = group.size <= WIDE
    ax = canvas(
        ax,
        title="Groups of customers by what was expected of them, and what came",
        x=f"group, from the least expected to the most{', and its customers' if room else ''}",
        y=of,
    )
    ax.plot(group, expected, color=MODEL, marker="o", markersize=4, linewidth=2)
    reach = np.stack([actual - low, high - actual])
    ax.errorbar(group, actual, yerr=reach, fmt="o", markersize=4.5, color=DATA, capsize=3)
    name_ends(ax, group[-1], {"came": (actual[-1], DATA), "expected": (expected[-1], MODEL)})
    if room:
        ax.set_xticks(group, [f"{g:.0f}\n{size:,.0f}" for g, size in zip(group, n, strict=True)])
    else:
        ax.xaxis.set_major_locator(need("matplotlib.ticker", extra="plot").MaxNLocator(integer=True))
    ax.margins(y=0.1)
    ax.set_ylim(bottom=0)
    return ax


def _columns(frame: Any) -> list[Array]:
    """The columns as numbers, in the order of the groups."""
    names = ["group", "n", "expected", "actual", "low", "high"]
    columns = numbers_in(frame, names, picture="a picture of deciles")
    if not columns.size:
        raise DomainError("a picture of deciles wants one group or more; this frame has no rows")
    if not np.isfinite(columns[:4]).all():
        raise SchemaError("a picture of deciles wants numbers in group, n, expected and actual; some are missing")
    return list(columns[:, np.argsort(columns[0])])
