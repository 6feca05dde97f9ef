"""Purchase counts: did as many customers buy 0, 1, 2, ... times as the law expects?"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from custrel.errors import DomainError, SchemaError
from custrel.frames import collect, enter, require
from custrel.plots.canvas import DATA, MODEL, canvas, numbers

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from custrel.stats.estimate import Array

__all__ = ["purchase_counts"]

MOST_NAMES = 20  # below an axis, before they run into each other


def purchase_counts(frame: Any, *, ax: Axes | None = None) -> Axes:
    """Bars of how many customers bought 0, 1, 2, ... times, beside bars of how many were expected to.

    Parameters
    ----------
    frame
        The table of `clv.chi_square_of_counts`, in any library: columns purchases ("0", "1", ..., "7+"), actual and
        expected.
    ax
        Where to draw; a new figure if not given.

    Returns
    -------
    matplotlib.axes.Axes
        The picture; its first bars are what came, its second what was expected.

    Raises
    ------
    SchemaError
        If a column is missing or holds something else.
    DomainError
        If the frame has no rows, or numbers that no customers can be.
    MissingExtraError
        If matplotlib is not installed.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> import pandas as pd
    >>> cells = pd.DataFrame({"purchases": ["0", "1", "2+"], "actual": [70, 20, 10], "expected": [66.2, 22.5, 11.3]})
    >>> ax = purchase_counts(cells)
    >>> [float(bar.get_height()) for bar in ax.containers[1]]
    [66.2, 22.5, 11.3]
    >>> plt.close(ax.figure)
    """
    names, actual, expected = _columns(frame)
    place = np.arange(actual.size)
    ax = canvas(
        ax,
        title=f"How often {actual.sum():,.0f} customers bought, as it came and as expected",
        x="repeat purchases",
        y="customers",
    )
    ax.bar(place - 0.2, actual, width=0.38, color=DATA)
    ax.bar(place + 0.2, expected, width=0.38, color=MODEL)
    shown = place[:: (-place.size) // MOST_NAMES][::-1]  # the last one always
    ax.set_xticks(shown, [names[i] if shown.size == place.size else names[i].partition(" ")[0] for i in shown])
    ax.yaxis.set_major_formatter("{x:,.10g}")
    ax.set_ylim(0, 1.15 * max(actual.max(), expected.max(), 1e-9))
    _name_bars(ax, right=int(np.argmax(actual + expected)) <= (place.size - 1) / 2)
    return ax


def _columns(frame: Any) -> tuple[list[str], Array, Array]:
    """Names of the cells in order, and how many came and were expected in each."""
    opened, _ = enter(frame)
    columns = ["purchases", "actual", "expected"]
    require(opened, columns, purpose="a picture of purchase counts")
    cells = collect(opened.select(*columns))
    names = [str(name) for name in cells["purchases"]]
    first = [re.match("[0-9]+", name) for name in names]
    if odd := [name for name, found in zip(names, first, strict=True) if not found]:
        raise SchemaError(
            f"a picture of purchase counts wants names such as '0' or '7+' in 'purchases', found {odd[0]!r}"
        )
    if not names:
        raise DomainError("a picture of purchase counts wants one cell or more; this frame has no rows")
    order = np.argsort([int(found[0]) for found in first if found])
    actual, expected = (numbers(name, cells[name])[order] for name in columns[1:])
    return [names[i] for i in order], actual, expected


def _name_bars(ax: Axes, *, right: bool) -> None:
    """What each colour is, in the upper corner that the highest bars leave free."""
    for line, (name, colour) in enumerate((("came", DATA), ("expected", MODEL))):
        ax.annotate(
            name,
            (float(right), 1.0),
            xycoords="axes fraction",
            xytext=(-6 if right else 6, -4 - 15 * line),
            textcoords="offset points",
            color=colour,
            ha="right" if right else "left",
            va="top",
            weight="bold",
        )
