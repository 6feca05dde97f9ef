"""NPS bars: of whom is each group's Net Promoter Score made, and how well is it known?"""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import numpy as np

from custrel.errors import DomainError, SchemaError
from custrel.frames import collect, enter, plain, require
from custrel.plots.canvas import DATA, MODEL, QUIET, canvas

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from custrel.stats.estimate import Array

__all__ = ["nps_bars"]

# Okabe and Ito's vermilion and blue, with grey between: all eyes tell them apart; each bears its percentage.
SHARES = {"detractors": ("#d55e00", "white"), "passives": ("#d9d9d9", DATA), "promoters": (MODEL, "white")}
"""Colour of each share, and of the words on it."""
NARROW = 0.065  # a share too small for its percentage
_NUMBERS = ("value", "low", "high", "n", *SHARES)
_LINE, _LINES = 26, 2  # letters in a line of a group's name, and lines
_WIDE, _SCORES = 1.66, (1.12, 1.66)  # how wide the picture is, and where its scores stand, by the width of a bar
_TITLE = "Net Promoter Score, and the answers it is made of"


def nps_bars(frame: Any, *, by: str | Sequence[str] | None = None, ax: Axes | None = None) -> Axes:
    r"""Shares of detractors, passives and promoters of each group, and beside them its score with the interval.

    Parameters
    ----------
    frame
        What `feedback.nps` returns, in any library: columns value, low, high, n, promoters, passives, detractors, and
        those of the groups.
    by
        Columns that name a group; all that stand before ``value`` if not given. The row of all groups together, where
        the column ``total`` says so, is named ``all``.
    ax
        Where to draw; a new figure if not given. The scores stand in axes within it, at its right.

    Returns
    -------
    matplotlib.axes.Axes
        The picture: the axes of the shares, a bar for each row from top to bottom; those of the scores are its only
        child axes.

    Raises
    ------
    SchemaError
        If a column is missing or holds something else.
    DomainError
        If the frame has no rows, or in none of them there are answers.
    MissingExtraError
        If matplotlib is not installed.

    Notes
    -----
    Net Promoter, NPS and Net Promoter Score are trademarks of Bain & Company, Inc., Satmetrix Systems, Inc. and Fred
    Reichheld.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from custrel import feedback
    >>> import pandas as pd
    >>> df = pd.DataFrame({"region": ["north", "north", "south", "south"], "score": [10, 9, 7, 0]})
    >>> ax = nps_bars(feedback.nps(df, by="region"))
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['north\nn = 2', 'south\nn = 2']
    >>> plt.close(ax.figure)
    """
    rows = _rows(frame, by)
    place = np.arange(len(rows.names))
    ax = canvas(ax, title="", x="", y=rows.of, size=(9.5, 1.7 + 0.52 * len(rows.names)))
    ax.set_title(_TITLE, loc="left", pad=24)  # above the legend
    ax.set_yticks(place, rows.names)
    ax.set_ylim(len(rows.names) - 0.4, -0.6)
    _draw_shares(ax, place, rows)
    _draw_scores(ax, place, rows)
    return ax


@dataclass(frozen=True, eq=False)
class _Rows:
    """What each bar is called, and its numbers; and what the bars are of."""

    names: list[str]
    of: str
    numbers: dict[str, Array]


def _rows(frame: Any, by: str | Sequence[str] | None) -> _Rows:
    opened, _ = enter(frame)
    require(opened, _NUMBERS, purpose="a picture of NPS")
    there = opened.collect_schema().names()
    groups = there[: there.index("value")] if by is None else [by] if isinstance(by, str) else list(by)
    require(opened, groups, purpose="a picture of NPS")
    total = ["total"] if "total" in there and "total" not in groups else []
    columns = collect(opened.select(*groups, *total, *_NUMBERS))
    try:
        numbers = {name: columns[name].astype(np.float64) for name in _NUMBERS}
    except (TypeError, ValueError) as error:
        raise SchemaError(f"a picture of NPS wants numbers in {', '.join(_NUMBERS)}: {error}") from error
    if not np.isfinite(numbers["value"]).any():
        raise DomainError(f"a picture of NPS wants a group with answers; none of {numbers['n'].size:,} rows has any")
    together = columns["total"].astype(bool) if total else np.zeros(numbers["n"].size, dtype=bool)
    names = _names([columns[name] for name in groups], together, numbers["n"])
    return _Rows(names, ", ".join(groups) or "answers", numbers)


def _names(labels: list[NDArray[Any]], together: NDArray[np.bool_], n: Array) -> list[str]:
    """What stands beside each bar: the labels of the group, and its answers."""
    rows = zip(*(column.tolist() for column in labels), strict=True) if labels else [("all",)] * n.size
    said = ["all" if every else ", ".join(_said(one) for one in row) for row, every in zip(rows, together, strict=True)]
    return [f"{_in_lines(name)}\nn = {count:,.10g}" for name, count in zip(said, np.nan_to_num(n), strict=True)]


def _said(label: Any) -> str:
    """A label in words; a day without its midnight."""
    told = plain(label)
    return "missing" if told is None else str(told).removesuffix(" 00:00:00")


def _in_lines(name: str) -> str:
    """A long name in short lines, cut where they are too many."""
    return "\n".join(wrap(name, _LINE, max_lines=_LINES, placeholder=" …"))


def _draw_shares(ax: Axes, place: NDArray[np.intp], rows: _Rows) -> None:
    left = np.zeros(place.size)
    for name, (colour, on_it) in SHARES.items():
        share = np.nan_to_num(rows.numbers[name])
        bars = ax.barh(place, share, left=left, height=0.62, color=colour, label=name)
        ax.bar_label(
            bars, [f"{100 * one:.0f} %" if one >= NARROW else "" for one in share], label_type="center", color=on_it
        )
        left = left + share
    for row in np.flatnonzero(~np.isfinite(rows.numbers["value"])):
        ax.annotate("no answers", (0, place[row]), xytext=(4, 0), textcoords="offset points", color=QUIET, va="center")
    ax.set_xlim(0, _WIDE)
    ax.set_xticks([0, 0.25, 0.5, 0.75, 1])
    ax.set_xlabel("share of answers", x=0.5 / _WIDE)
    ax.spines["bottom"].set_bounds(0, 1)
    ax.xaxis.set_major_formatter(lambda share, _: f"{100 * share:.0f} %")
    ax.tick_params(left=False)
    ax.spines["left"].set_visible(False)
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, frameon=False, borderaxespad=0, handlelength=1)


def _draw_scores(ax: Axes, place: NDArray[np.intp], rows: _Rows) -> None:
    value, low, high = (rows.numbers[name] for name in ("value", "low", "high"))
    start, end = (one / _WIDE for one in _SCORES)
    scores = ax.inset_axes((start, 0, end - start, 1), sharey=ax)
    scores.axvline(0, color=QUIET, linewidth=0.8, zorder=0)
    reach = np.stack([value - low, high - value]).clip(0)
    scores.errorbar(value, place, xerr=reach, fmt="o", markersize=5, color=DATA, capsize=3)
    for x, y in zip(value, place, strict=True):
        if np.isfinite(x):
            said = f"{round(x):+d}".replace("+0", "0").replace("-", "\N{MINUS SIGN}")
            words = scores.annotate(said, (x, y), xytext=(0, 6), textcoords="offset points", ha="center", va="bottom")
            words.set_bbox({"facecolor": ax.get_facecolor(), "edgecolor": "none", "pad": 0.5})
    scores.set_xlim(-112, 112)
    scores.set_xticks([-100, -50, 0, 50, 100])
    scores.set_xlabel("score and interval, points")
    scores.tick_params(left=False, labelleft=False)
    scores.spines[["top", "right", "left"]].set_visible(False)
