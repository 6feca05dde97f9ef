"""A number with its doubt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["Array", "Estimate", "estimates"]

Array: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """What was estimated, between which bounds, from how many.

    Parameters
    ----------
    value
        The estimate; NaN if there was nothing to estimate it from.
    low, high
        Bounds of the interval.
    n
        How many observations it rests on.
    method
        How the interval was made.
    level
        The share of repeats in which such an interval holds the truth.
    also
        What else is known of it by name, such as what was left out and why.

    Notes
    -----
    All may be arrays: estimates side by side. ``estimate["value"]`` reads it by name, as a row of a frame is read.

    Examples
    --------
    >>> estimate = Estimate(0.25, 0.18, 0.33, n=120, method="wilson", level=0.95, also={"excluded_missing": 4})
    >>> estimate
    0.25 (0.18 to 0.33, 95 % wilson, n = 120)
    >>> estimate["low"], estimate["excluded_missing"]
    (0.18, 4)
    """

    value: float
    low: float
    high: float
    n: int
    method: str
    level: float
    also: Mapping[str, Any] = field(default_factory=dict, kw_only=True)

    def __getitem__(self, name: str) -> Any:
        return self.also[name] if name in self.also else vars(self)[name]

    def __repr__(self) -> str:
        columns = np.broadcast_arrays(*(np.asarray(column) for column in (self.value, self.low, self.high, self.n)))
        rows = zip(*(column.ravel().tolist() for column in columns), strict=True)
        how = f"{100 * self.level:g} % {self.method}"
        return "\n".join(f"{value:.4g} ({low:.4g} to {high:.4g}, {how}, n = {n})" for value, low, high, n in rows)


def estimates(value: Any, low: Any, high: Any, n: Any, method: str, level: float) -> Estimate:
    """An estimate of numbers, or of arrays: estimates side by side.

    >>> estimates(np.array(0.5), np.array(0.2), np.array(0.8), np.array(9.0), "wilson", 0.95).n
    9
    """
    value, low, high, n = (np.asarray(one) for one in (value, low, high, n))
    whole = n.astype(np.int64) if np.all(n == np.floor(n)) else n
    plain: list[Any] = [one if one.ndim else one.item() for one in (value, low, high, whole)]
    return Estimate(plain[0], plain[1], plain[2], plain[3], method, level)
