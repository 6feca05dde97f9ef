"""PIT histogram: does each customer's count fall where the law says such counts fall?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from custrel.errors import DomainError, SchemaError
from custrel.plots.canvas import DATA, MODEL, canvas, numbers_in

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from custrel.stats.estimate import Array

__all__ = ["pit_histogram"]


def pit_histogram(frame: Any, *, ax: Axes | None = None) -> Axes:
    """Shares of customers by where their counts fall in what a law foretold; level bars say that it is right.

    Bars that rise at both ends say that customers differ more than the law knows; in the middle, that they differ less;
    on the right, that more came than was foretold.

    Parameters
    ----------
    frame
        The table of `clv.randomised_pit`, in any library: columns above, upto, share, low and high. Between low and
        high lie the bars of a law that is right, all but a few.
    ax
        Where to draw; a new figure if not given.

    Returns
    -------
    matplotlib.axes.Axes
        The picture; its bars are the shares.

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
    >>> import pandas as pd
    >>> halves = {"above": [0.0, 0.5], "upto": [0.5, 1.0], "share": [0.53, 0.47], "low": [0.48] * 2, "high": [0.52] * 2}
    >>> ax = pit_histogram(pd.DataFrame(halves))
    >>> print(ax.get_title(loc="left"))
    2 of 2 bars lie outside the band of a law that is right
    >>> plt.close(ax.figure)
    """
    above, upto, share, low, high = _columns(frame)
    out = int(np.sum((share < low) | (share > high)))
    ax = canvas(
        ax,
        title=f"{out} of {share.size} bars lie outside the band of a law that is right",
        x="where purchases fall in what was foretold (PIT): 0 lowest, 1 highest",
        y="share of customers",
    )
    ax.bar(above, share, width=upto - above, align="edge", color=DATA, alpha=0.35, edgecolor="white", linewidth=1)
    edges = np.concatenate([above, upto[-1:]])
    for bounds in (low, high):
        ax.stairs(bounds, edges, baseline=None, color=MODEL, linewidth=1)
    ax.fill_between(edges, np.append(low, low[-1]), np.append(high, high[-1]), step="post", color=MODEL, alpha=0.25)
    _name_band(ax, edges[-1], (low[-1] + high[-1]) / 2)
    ax.yaxis.set_major_formatter(lambda y, _: f"{100 * y:.3g} %")
    ax.set_xlim(edges[0], edges[-1])
    ax.set_ylim(0, 1.1 * max(share.max(), high.max()))
    return ax


def _name_band(ax: Axes, x: float, y: float) -> None:
    ax.annotate(
        "band of a law\nthat is right",
        (x, y),
        xytext=(7, 0),
        textcoords="offset points",
        color=MODEL,
        va="center",
        annotation_clip=False,
    )


def _columns(frame: Any) -> list[Array]:
    """The columns as numbers, from the lowest bin to the highest."""
    names = ["above", "upto", "share", "low", "high"]
    columns = numbers_in(frame, names, picture="a PIT histogram")
    if not columns.size:
        raise DomainError("a PIT histogram wants one bin or more; this frame has no rows")
    if not np.isfinite(columns).all():
        raise SchemaError("a PIT histogram wants a number in every column and row; some are missing")
    return list(columns[:, np.argsort(columns[0])])
