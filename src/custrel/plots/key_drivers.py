"""Key drivers: which matter, and on which of these do we do badly?"""

from __future__ import annotations

from dataclasses import dataclass, replace
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np

from custrel.errors import DomainError, SchemaError, need
from custrel.frames import collect, enter, require
from custrel.plots.canvas import DATA, MODEL, QUIET, canvas, numbers_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib.axes import Axes
    from matplotlib.text import Annotation

    from custrel.stats.estimate import Array

__all__ = ["key_drivers"]

_NUMBERS = ("value", "low", "high", "performance", "importance_cut", "performance_cut", "r_squared")
_WIDE = 24  # characters: a longer name goes on in the next line
_DISTANCES = (6, 12, 20, 30, 44, 60)  # points from a driver to its name
_PER_POINT = 1.5  # as bad as so many square points hidden
_TIED = 8  # points: a name farther away is tied to its driver by a line
_DIRECTIONS = ((1, 0), (-1, 0), (0.7, 0.7), (-0.7, 0.7), (0.7, -0.7), (-0.7, -0.7), (0, 1), (0, -1))
_CORNERS = {
    "concentrate here": (0, 1),
    "keep up": (1, 1),
    "low priority": (0, 0),
    "possible overkill": (1, 0),
}
"""Where the name of each quadrant stands: left or right, below or above."""


@dataclass(frozen=True, eq=False)
class _Box:
    """A rectangle on the paper, in points."""

    x0: float
    y0: float
    x1: float
    y1: float

    def shared_with(self, other: _Box, room: float = 2.0) -> float:
        """Area that the two share when one has some room around it."""
        width = min(self.x1, other.x1) - max(self.x0, other.x0) + room
        height = min(self.y1, other.y1) - max(self.y0, other.y0) + room
        return max(width, 0.0) * max(height, 0.0)

    def apart_from(self, other: _Box) -> float:
        """Least distance between the two."""
        across = max(self.x0 - other.x1, other.x0 - self.x1, 0.0)
        return float(np.hypot(across, max(self.y0 - other.y1, other.y0 - self.y1, 0.0)))


def key_drivers(frame: Any, *, ax: Axes | None = None) -> Axes:
    """Importance of each driver, with its interval, against its performance.

    Dashed lines at the two means part four quadrants; what lies in the upper left matters, and we do badly at it.

    Parameters
    ----------
    frame
        What `feedback.key_drivers` returns, in any library.
    ax
        Where to draw; a new figure if not given. Names are put where they have room on the figure as it is: give it
        its size first.

    Returns
    -------
    matplotlib.axes.Axes
        The picture; its first collection are the drivers, in the order of the frame.

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
    >>> from custrel import feedback
    >>> df = pd.DataFrame({"staff": [1, 1, 3, 3] * 2, "price": [3, 5, 3, 5] * 2})
    >>> df["score"] = 4 + 2 * df["staff"] + df["price"]
    >>> found = feedback.key_drivers(df, drivers=["price", "staff"], scale=(1, 5), repeats=200)
    >>> ax = key_drivers(found)
    >>> ax.collections[0].get_offsets().data.round(2).tolist()
    [[0.25, 0.8], [0.75, 0.2]]
    >>> ax.get_title(loc="left")
    'Key drivers: association, not cause'
    >>> plt.close(ax.figure)
    """
    names, table = _read(frame)
    value, low, high, performance, importance_cut, performance_cut, r_squared = table
    ax = canvas(
        ax,
        title="Key drivers: association, not cause",
        x="performance: mean, from 0 to 1 of the scale",
        y=f"importance: share of the outcome's variance\n(in all {100 * r_squared[0]:.0f} % go with the drivers)",
        size=(7.4, 5.2),
    )
    ax.scatter(performance, value, s=34, color=MODEL, zorder=3)
    known = np.isfinite(low) & np.isfinite(high)
    ax.vlines(performance[known], low[known], high[known], color=MODEL, linewidth=1.2, alpha=0.55, zorder=2)
    _set_limits(ax, table, longest=max(len(line) for name in names for line in fill(name, _WIDE).split("\n")))
    ax.axvline(performance_cut[0], color=QUIET, linewidth=0.8, linestyle="--", zorder=0)
    ax.axhline(importance_cut[0], color=QUIET, linewidth=0.8, linestyle="--", zorder=0)
    corners = [_name_corner(ax, name, place) for name, place in _CORNERS.items()]
    drivers = np.stack([performance, value, low, high])
    _name_drivers(ax, names, drivers, _Ground.of(ax, drivers, (performance_cut[0], importance_cut[0]), corners))
    return ax


def _read(frame: Any) -> tuple[list[str], Array]:
    picture = "a picture of key drivers"
    table = numbers_in(frame, _NUMBERS, picture=picture)
    opened, _ = enter(frame)
    require(opened, ["driver"], purpose=picture)
    names = [str(one) for one in collect(opened.select("driver"))["driver"].tolist()]
    if not names:
        raise DomainError(f"{picture} wants one driver or more; this frame has no rows")
    if not np.isfinite(table[[0, 3, 4, 5, 6]]).all():
        raise SchemaError(f"{picture} wants a value and a performance of every driver; some are missing")
    return names, table


def _set_limits(ax: Axes, table: Array, *, longest: int) -> None:
    """Room for names on all sides, the more the longer they are, and for the words in the corners."""
    value, _, high, performance, _, performance_cut, _ = table
    left, right = min(performance.min(), performance_cut[0]), max(performance.max(), performance_cut[0])
    top = max(np.nanmax(np.append(high, value)), 1e-6)
    room = max((0.2 + 0.015 * longest) * (right - left), 0.04)
    ax.set_xlim(left - room, right + room)
    ax.set_ylim(-0.12 * top, 1.12 * top)


def _name_corner(ax: Axes, name: str, place: tuple[int, int]) -> Annotation:
    right, up = place
    words = ax.annotate(
        name.upper(),
        place,
        xycoords="axes fraction",
        xytext=(-4 if right else 4, -4 if up else 4),
        textcoords="offset points",
        ha="right" if right else "left",
        va="top" if up else "bottom",
        color=QUIET,
        fontsize="small",
    )
    words.set_in_layout(False)
    return words


# -- names -----------------------------------------------------------------------------------------------------------


def _name_drivers(ax: Axes, names: list[str], drivers: Array, ground: _Ground) -> None:
    """A name beside each driver, the most important first; one that stands apart is tied to it by a line."""
    for place in np.argsort(-drivers[1], kind="stable").tolist():
        words = ax.annotate(
            fill(names[place], _WIDE),
            (drivers[0, place], drivers[1, place]),
            xytext=(0, 0),
            textcoords="offset points",
            color=DATA,
            fontsize="small",
            arrowprops={"arrowstyle": "-", "color": QUIET, "linewidth": 0.6, "shrinkA": 1, "shrinkB": 3},
        )
        words.set_in_layout(False)
        dot = ground.dots[place]
        best = min(
            _places(dot, ground.box(words)), key=lambda box: ground.hidden(box) + _PER_POINT * box.apart_from(dot)
        )
        words.set_position((best.x0 - (dot.x0 + dot.x1) / 2, best.y0 - (dot.y0 + dot.y1) / 2))
        if words.arrow_patch:
            words.arrow_patch.set_visible(best.apart_from(dot) > _TIED)
        ground.words.append(best)


def _places(dot: _Box, words: _Box) -> Iterator[_Box]:
    """Where a name of this size may stand around a driver."""
    x, y, width, height = (dot.x0 + dot.x1) / 2, (dot.y0 + dot.y1) / 2, words.x1 - words.x0, words.y1 - words.y0
    for distance in _DISTANCES:
        for right, up in _DIRECTIONS:
            left = x + right * distance - (width if right < 0 else width / 2 if right == 0 else 0)
            below = y + up * distance - (height if up < 0 else height / 2 if up == 0 else 0)
            yield _Box(left, below, left + width, below + height)


@dataclass(frozen=True, eq=False)
class _Ground:
    """What is on the paper already, in points."""

    points: float
    axes: _Box
    words: list[_Box]
    dots: list[_Box]
    lines: list[_Box]

    @classmethod
    def of(cls, ax: Axes, drivers: Array, cuts: tuple[float, float], corners: list[Annotation]) -> _Ground:
        """Of axes that bear dots, their intervals, the two lines and the names of the quadrants."""
        ax.figure.figure.draw_without_rendering()  # only now is it known where the axes lie
        points = ax.figure.figure.dpi / 72
        bare = cls(points, _box(ax, points), [_box(words, points) for words in corners], [], [])
        x, y, low, high = drivers[0], *np.where(np.isfinite(drivers[1:]), drivers[1:], drivers[1])
        at, lower, upper = (ax.transData.transform(np.stack([x, end], axis=1)) / points for end in (y, low, high))
        dots = [_Box(left - 4, below - 4, left + 4, below + 4) for left, below in at]
        bars = [_Box(left, bottom, left, top) for (left, bottom), (_, top) in zip(lower, upper, strict=True)]
        across, up = ax.transData.transform(cuts) / points
        crossing = [_Box(across, bare.axes.y0, across, bare.axes.y1), _Box(bare.axes.x0, up, bare.axes.x1, up)]
        return replace(bare, dots=dots, lines=bars + crossing)

    def box(self, words: Annotation) -> _Box:
        """Where words stand."""
        return _box(words, self.points)

    def hidden(self, box: _Box) -> float:
        """How bad it is to write there: over other words, outside, over a driver, and least over a line."""
        outside = (box.x1 - box.x0) * (box.y1 - box.y0) - box.shared_with(self.axes, room=0)
        words, dots, lines = (sum(map(box.shared_with, there)) for there in (self.words, self.dots, self.lines))
        return 100 * (outside + words) + 20 * dots + 2 * lines


def _box(artist: Any, points: float) -> _Box:
    text = need("matplotlib.text", extra="plot").Text
    box = text.get_window_extent(artist) if isinstance(artist, text) else artist.get_window_extent()
    return _Box(*(one / points for one in (box.x0, box.y0, box.x1, box.y1)))
