"""Value curve: how much of all value do the most valuable customers hold?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import narwhals.stable.v2 as nw
import numpy as np

from custrel.errors import DomainError, need
from custrel.frames import collect, enter, require
from custrel.plots.canvas import DATA, MODEL, QUIET, canvas, numbers

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from custrel.stats.estimate import Array

__all__ = ["value_curve"]

READ_AT = (0.1, 0.2, 0.5)


def value_curve(values: Any, *, column: str = "clv", ax: Axes | None = None) -> Axes:
    """Share of all value held by the most valuable customers, beside the line of customers of equal value.

    Parameters
    ----------
    values
        A value for each customer, or a frame of any library with a column of them, as `LifetimeValue.predict`
        returns it.
    column
        Name of that column.
    ax
        Where to draw; a new figure if not given.

    Returns
    -------
    matplotlib.axes.Axes
        The picture; its first line is that of equal values, its second the curve.

    Raises
    ------
    SchemaError
        If the column is missing.
    DomainError
        If there are no values, or one is negative or not finite.
    MissingExtraError
        If matplotlib is not installed.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> ax = value_curve([0, 60, 10, 10, 20, 0, 0, 0, 0, 0])
    >>> [words.get_text() for words in ax.texts]
    ['customers of equal value', 'top 10 % hold 60 %', 'top 20 % hold 80 %', 'top 50 % hold 100 %']
    >>> plt.close(ax.figure)
    """
    if hasattr(type(values), "columns"):
        frame, _ = enter(values)
        require(frame, [column], purpose="a value curve")
        if frame.collect_schema()[column].is_numeric():  # decimals, too
            frame = frame.with_columns(nw.col(column).cast(nw.Float64))
        values = collect(frame.select(column))[column]
    share, held = _shares(numbers(column, values))
    ax = canvas(
        ax,
        title="Who holds the value",
        x="share of customers, the most valuable first",
        y="share of their value",
        size=(5.4, 5.0),
    )
    ax.plot([0, 1], [0, 1], color=QUIET, linewidth=1, linestyle="--")
    ax.text(
        0.64,
        0.62,
        "customers of equal value",
        color=QUIET,
        rotation=45,
        rotation_mode="anchor",
        transform_rotates_text=True,
        ha="center",
        va="top",
    )
    ax.plot(share, held, color=MODEL, linewidth=2)
    _read(ax, share, held)
    ax.set(xlim=(0, 1), ylim=(0, 1.02), aspect="equal")
    percent = need("matplotlib.ticker", extra="plot").PercentFormatter
    ax.xaxis.set_major_formatter(percent(1, symbol=" %"))
    ax.yaxis.set_major_formatter(percent(1, symbol=" %"))
    return ax


def _shares(values: Array) -> tuple[Array, Array]:
    """Share of customers from none to all, and what the top so many hold; empty if that is nothing."""
    if not values.size:
        raise DomainError("a value curve wants one customer or more; got none")
    share = np.arange(values.size + 1) / values.size
    sums = np.concatenate([[0.0], np.cumsum(np.sort(values)[::-1])])
    return (share, sums / sums[-1]) if sums[-1] > 0 else (np.empty(0), np.empty(0))


def _read(ax: Axes, share: Array, held: Array) -> None:
    """A few points of the curve in words, at shares that are whole customers."""
    if not share.size:
        ax.text(0.7, 0.25, "all values are 0:\nno share to speak of", color=DATA, ha="center", va="center")
    words = (0.0, -1.0)
    for at in READ_AT:
        k = round(at * (share.size - 1))
        if k and abs(share[k] - at) < 0.01 and (at - words[0] > 0.35 or held[k] - words[1] > 0.06):
            words = at, held[k]
            ax.plot(share[k], held[k], color=DATA, marker="o", markersize=4)
            ax.annotate(
                f"top {100 * at:.0f} % hold {100 * held[k]:.0f} %",
                (share[k], held[k]),
                xytext=(8, -4),
                textcoords="offset points",
                color=DATA,
                va="top",
                bbox={"facecolor": ax.get_facecolor(), "edgecolor": "none", "pad": 1},
            )
