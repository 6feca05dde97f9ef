"""A number with its doubt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["Array", "Estimate"]

Array: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """What was estimated, between which bounds, from how many.

    Parameters
    ----------
    value
        The estimate.
    low, high
        Bounds of the interval.
    n
        How many observations it rests on.
    method
        How the interval was made.
    level
        The share of repeats in which such an interval holds the truth.

    Examples
    --------
    >>> Estimate(0.25, 0.18, 0.33, n=120, method="wilson", level=0.95)
    0.25 (0.18 to 0.33, 95 % wilson, n = 120)
    """

    value: float
    low: float
    high: float
    n: int
    method: str
    level: float

    def __repr__(self) -> str:
        bounds = f"{self.low:.4g} to {self.high:.4g}"
        return f"{self.value:.4g} ({bounds}, {100 * self.level:g} % {self.method}, n = {self.n})"
