"""Windows: the days, weeks, months, quarters or years in which answers came."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import narwhals.stable.v2 as nw
import numpy as np

from custrel.moments import GRAINS, moment_of, period_of, whole_lengths

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["PERIODS", "beginnings", "window_of"]

PERIODS = ("day", "week", "month", "quarter", "year")
_MONTHS = {"month": 1, "quarter": 3, "year": 12}


def window_of(column: str, every: str, library: str) -> nw.Expr:
    """Which window each datetime of a column falls in, as a whole number."""
    if every in GRAINS:
        return period_of(column, every, library).cast(nw.Int64)
    months = 12 * nw.col(column).dt.year().cast(nw.Int64) + nw.col(column).dt.month().cast(nw.Int64) - 1
    return whole_lengths(months, _MONTHS[every])


def beginnings(windows: NDArray[Any], every: str) -> NDArray[np.datetime64]:
    """The first day of each window.

    >>> beginnings(np.array([24_289, 24_290]), "month").astype(str).tolist()
    ['2024-02-01T00:00:00.000000', '2024-03-01T00:00:00.000000']
    """
    whole = windows.astype(np.int64)
    if every in GRAINS:
        return np.array([moment_of(one, every) for one in whole.tolist()], dtype="M8[us]")
    return (whole * _MONTHS[every] - 12 * 1970).astype("M8[M]").astype("M8[us]")
