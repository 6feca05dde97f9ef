"""Canvas: what every picture is drawn on: axes, a few colours, names beside lines instead of a legend."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from custrel.errors import DomainError, SchemaError, need
from custrel.frames import collect, enter, require

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike

    from custrel.stats.estimate import Array

__all__ = ["DATA", "HELD_OUT", "MODEL", "QUIET", "canvas", "name_ends", "numbers", "numbers_in"]

# Blue against near-black differs in lightness too: it is told apart without colours, and in print.
DATA = "#262626"
"""What happened."""
MODEL = "#0072b2"
"""What a law says; the blue of Okabe and Ito, which all eyes know from black."""
QUIET = "#6e6e6e"
"""Words and lines that stand behind."""
HELD_OUT = "#f1eee6"
"""The ground of what the law has not seen."""


def new_axes(size: tuple[float, float]) -> Axes:
    """The axes of a new figure, in inches.

    >>> import matplotlib.pyplot as plt
    >>> ax = new_axes((7.0, 4.2))
    >>> plt.close(ax.figure)
    """
    ax: Axes
    _, ax = need("matplotlib.pyplot", extra="plot").subplots(figsize=size, layout="constrained")
    return ax


def canvas(ax: Axes | None, *, title: str, x: str, y: str, size: tuple[float, float] = (7.0, 4.2)) -> Axes:
    """The caller's axes, or those of a new figure, with title and labels, and no frame around it.

    >>> canvas("ax", title="", x="", y="")
    Traceback (most recent call last):
    custrel.errors.DomainError: ax must be matplotlib Axes or None, got str
    """
    if ax is None:
        ax = new_axes(size)
    kind: type[Axes] = need("matplotlib.axes", extra="plot").Axes
    if not isinstance(ax, kind):
        raise DomainError(f"ax must be matplotlib Axes or None, got {type(ax).__name__}")
    ax.set_title(title, loc="left")
    ax.set_xlabel(x)
    ax.set_ylabel(y)
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def name_ends(ax: Axes, x: Any, ends: dict[str, tuple[float, str]]) -> None:
    """Write a name, in its colour, beside the end of each of two lines; the upper one's on top.

    Parameters
    ----------
    ax
        Where the lines are.
    x
        Where they end.
    ends
        Name to the height of the line's end and its colour.
    """
    lowest_first = sorted(ends.items(), key=lambda item: item[1][0])
    for (name, (height, colour)), side in zip(lowest_first, ("top", "bottom"), strict=True):
        nudge = 1 if side == "bottom" else -1
        ax.annotate(
            name,
            (x, height),
            xytext=(7, nudge),
            textcoords="offset points",
            color=colour,
            va=side,
            annotation_clip=False,
        )


def numbers(name: str, given: ArrayLike, shape: tuple[int, ...] | None = None) -> Array:
    """Finite numbers of 0 or more, one for each customer.

    >>> numbers("clv", [3.5, -1.0])
    Traceback (most recent call last):
    custrel.errors.DomainError: clv must hold finite numbers of 0 or more; 1 of 2 are not, the first is -1.0
    """
    try:
        values = np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DomainError(f"{name} must hold numbers, one for each customer: {error}") from error
    if values.ndim != 1 or (shape is not None and values.shape != shape):
        wanted = "(customers,)" if shape is None else f"{shape}, one for each customer of the history"
        raise DomainError(f"{name} must have the shape {wanted}; got {values.shape}")
    odd = ~(np.isfinite(values) & (values >= 0))
    if odd.any():
        first = values[odd][0]
        raise DomainError(
            f"{name} must hold finite numbers of 0 or more; "
            f"{odd.sum():,} of {values.size:,} are not, the first is {first}"
        )
    return values


def numbers_in(frame: Any, names: Sequence[str], *, picture: str) -> Array:
    """Columns of a frame as numbers, a row for each of the names."""
    opened, _ = enter(frame)
    require(opened, names, purpose=picture)
    found = collect(opened.select(*names))
    try:
        return np.array([found[name].astype(np.float64) for name in names])
    except (TypeError, ValueError) as error:
        raise SchemaError(f"{picture} wants numbers in every column: {error}") from error
