"""Calibration: of customers who bought equally often, do as many purchases come as were expected?"""

from __future__ import annotations

from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from custrel.errors import DomainError
from custrel.plots.canvas import DATA, MODEL, canvas, name_ends, numbers

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike, NDArray

    from custrel.history import History
    from custrel.stats.estimate import Array

__all__ = ["calibration"]

WIDE = 12  # beside more groups than that, the numbers of customers would run into each other


def calibration(
    h: History,
    expected: ArrayLike,
    actual: ArrayLike,
    *,
    most: int = 7,
    level: float = 0.95,
    ax: Axes | None = None,
) -> Axes:
    r"""Mean purchases in held-out time, as they came and as expected, by the number of purchases before.

    The bars are normal intervals of the mean that came, from the scatter among the customers of the group,
    on the log scale so that they never reach below 0. A group of one, or where nobody bought, has no bar.

    Parameters
    ----------
    h
        The history that the expectation was made from, a row for each customer.
    expected, actual
        Purchases of each customer in the held-out time, in the order of `h`.
    most
        Customers with so many repeat purchases, or more, are one group.
    level
        The share of repeats in which such a bar holds the true mean.
    ax
        Where to draw; a new figure if not given.

    Returns
    -------
    matplotlib.axes.Axes
        The picture; its first line is what was expected, its second what came.

    Raises
    ------
    DomainError
        If an array does not fit the history, holds what no count can be, or the history was made `distinct`.
    MissingExtraError
        If matplotlib is not installed.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from custrel import History
    >>> h = History(x=[0, 0, 1, 9], t_x=[0, 0, 3, 38], T=[39, 39, 39, 39])
    >>> ax = calibration(h, expected=[0.2, 0.4, 0.5, 6.0], actual=[0, 1, 1, 5])
    >>> [label.get_text() for label in ax.get_xticklabels()]
    ['0\n2', '1\n1', '7+\n1']
    >>> ax.lines[0].get_ydata()
    array([0.3, 0.5, 6. ])
    >>> plt.close(ax.figure)
    """
    if not len(h) or h.n is not None:
        raise DomainError("calibration wants a history with a row for each customer, one or more (not h.distinct())")
    if most < 1 or not 0 < level < 1:
        raise DomainError(f"most must be 1 or more and level between 0 and 1; got most={most!r}, level={level!r}")
    expected, actual = (numbers(k, v, h.x.shape) for k, v in (("expected", expected), ("actual", actual)))
    size, came, low, high, said = _by_group(np.minimum(h.x, most).astype(np.intp), actual, expected, level)
    groups = np.flatnonzero(size)
    place = np.arange(groups.size)
    room = groups.size <= WIDE
    ax = canvas(
        ax,
        title="Held-out purchases, as they came and as expected",
        x=f"repeat purchases before{', and customers who made so many' if room else ''}",
        y="mean purchases of a customer",
    )
    ax.plot(place, said[groups], color=MODEL, marker="o", markersize=4, linewidth=2)
    ax.errorbar(
        place,
        came[groups],
        yerr=np.stack([came - low, high - came])[:, groups],
        fmt="o",
        markersize=4.5,
        color=DATA,
        capsize=3,
    )
    last = groups[-1]
    name_ends(
        ax,
        place[-1],
        {f"came ({100 * level:g} % interval)": (came[last], DATA), "expected": (said[last], MODEL)},
    )
    counts = [f"\n{size[group]:,}" if room else "" for group in groups]
    ax.set_xticks(place, [f"{group}{'+' if group == most else ''}{n}" for group, n in zip(groups, counts, strict=True)])
    ax.margins(y=0.1)
    ax.set_ylim(bottom=0)
    return ax


def _by_group(
    group: NDArray[np.intp], actual: Array, expected: Array, level: float
) -> tuple[NDArray[np.intp], Array, Array, Array, Array]:
    """Customers of each group, their mean of what came with its bounds, and of what was expected."""
    size = np.bincount(group)
    with np.errstate(invalid="ignore", divide="ignore"):
        came, said = (np.bincount(group, weights=values) / size for values in (actual, expected))
        scatter = np.bincount(group, weights=(actual - came[group]) ** 2) / (size - 1)
        half = NormalDist().inv_cdf(0.5 + level / 2) * np.sqrt(scatter / size) / came
    return size, came, came * np.exp(-half), came * np.exp(half), said
