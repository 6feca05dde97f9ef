"""Frequency and recency: how likely is a customer still there, by how often and how recently they bought?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from custrel.errors import DomainError, need
from custrel.history import History
from custrel.plots.canvas import DATA, QUIET, canvas

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from custrel.stats.estimate import Array

__all__ = ["frequency_recency"]

ROWS = 60  # more cannot be told apart; fewer where T has fewer whole units
WIDE = 30  # with more columns than that, a word does not fit into one


class KnowsWhoIsAlive(Protocol):
    """Any law with a probability that a customer is still there."""

    def p_alive(self, h: History, /) -> Array:
        """Probability that the customer has not left by T."""


def frequency_recency(
    model: KnowsWhoIsAlive, T: float, *, max_x: int = 20, unit: str | None = None, ax: Axes | None = None
) -> Axes:
    """P(alive) of customers watched for T, by how often they came back and when they last did.

    Cells that no customer can be in stay blank: repeat purchases without a time, or a time without them.

    Parameters
    ----------
    model
        A law with `p_alive`, of one crowd: its parameters are numbers.
    T
        How long the customers were watched, in `unit`.
    max_x
        Most repeat purchases to show.
    unit
        Unit of the law's time; week where neither this nor the law says it.
    ax
        Where to draw; a new figure if not given.

    Returns
    -------
    matplotlib.axes.Axes
        The picture; its first collection holds the probabilities.

    Raises
    ------
    DomainError
        If T is not positive, `max_x` not 1 or more, or the law answers with more than a number a customer.
    MissingExtraError
        If matplotlib is not installed.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from custrel.clv import BGNBD
    >>> law = BGNBD(r=0.243, alpha=4.414, a=0.793, b=2.426)
    >>> ax = frequency_recency(law, T=39)
    >>> ax.get_xlabel(), ax.get_ylabel()
    ('repeat purchases x', 'last purchase, weeks after the first')
    >>> p = ax.collections[0].get_array()
    >>> p.shape  # last purchases in week 0 to 39, 0 to 20 repeat purchases
    (40, 21)
    >>> float(p[39, 1].round(2)), bool(p.mask[39, 0])
    (0.75, True)
    >>> plt.close(ax.figure)
    """
    _refuse(T, max_x)
    unit = unit or getattr(model, "unit", None) or "week"
    x, t_x = np.arange(max_x + 1.0), _times(float(T))
    p = _probabilities(model, x, t_x, float(T), unit)
    ax = canvas(
        ax,
        title=f"P(alive) of a customer first seen {T:g} {unit}{'' if T == 1 else 's'} ago",
        x="repeat purchases x",
        y=f"last purchase, {unit}s after the first",
        size=(7.0, 4.8),
    )
    half = t_x[1] / 2
    mesh = ax.pcolormesh(x, t_x, p, cmap="YlGnBu", vmin=0, vmax=1, shading="nearest", rasterized=True)
    ax.set_ylim(-half, t_x[-1] + half)
    ax.xaxis.set_major_locator(need("matplotlib.ticker", extra="plot").MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    _mark_half(ax, x, t_x, p)
    if max_x <= WIDE:
        ax.annotate("nobody can be here", (0, T / 2), color=QUIET, rotation=90, ha="center", va="center")
    bar = ax.figure.colorbar(mesh, ax=ax, label="probability of being still there")
    bar.outline.set_visible(False)
    return ax


def _refuse(T: Any, max_x: Any) -> None:
    if not (isinstance(T, int | float | np.number) and np.isfinite(T) and T > 0):
        raise DomainError(f"T must be one positive number, the time since the first purchase; got {T!r}")
    if not (isinstance(max_x, int | np.integer) and max_x >= 1):
        raise DomainError(f"max_x must be a whole number, 1 or more; got {max_x!r}")


def _times(T: float) -> Array:
    """From 0 to T: whole units where T is a few dozen of them, else as many steps as can be told apart."""
    whole = int(T) if int(T) == T and ROWS / 4 <= T <= ROWS else ROWS
    return np.linspace(0, T, whole + 1)


def _probabilities(model: KnowsWhoIsAlive, x: Array, t_x: Array, T: float, unit: str) -> np.ma.MaskedArray[Any, Any]:
    """P(alive) at each (t_x, x); masked where repeat purchases and their time do not go together."""
    times, purchases = np.meshgrid(t_x, x, indexing="ij")
    possible = (purchases > 0) == (times > 0)
    h = History(x=purchases[possible], t_x=times[possible], T=np.full(possible.sum(), T), unit=unit)
    answer = np.asarray(model.p_alive(h))
    if answer.shape != (len(h),):
        raise DomainError(f"a heat map shows one law with numbers as parameters; p_alive gave the shape {answer.shape}")
    p = np.zeros(possible.shape)
    p[possible] = answer
    return np.ma.MaskedArray(p, mask=~possible)


def _mark_half(ax: Axes, x: Array, t_x: Array, p: np.ma.MaskedArray[Any, Any]) -> None:
    """A line where being still there is as likely as not, if there is such a place."""
    seen = p[1:, 1:]
    if min(seen.shape) > 1 and seen.min() < 0.5 < seen.max():
        line = ax.contour(x[1:], t_x[1:], seen, levels=[0.5], colors=[DATA], linewidths=1)
        ax.clabel(line, fmt={0.5: "as likely as not"}, fontsize="small")
