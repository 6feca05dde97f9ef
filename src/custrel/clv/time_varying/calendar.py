"""Calendar: how moments are counted, as whole numbers of grains from one of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from custrel.errors import one_of
from custrel.history import DAYS
from custrel.moments import GRAINS, checked_zone, edge, start_of

if TYPE_CHECKING:
    from custrel.stats.estimate import Array

__all__ = ["Calendar", "Whole"]

Whole = NDArray[np.int64]


@dataclass(frozen=True)
class Calendar:
    """How moments are counted, and what the columns are called that tell them.

    Parameters
    ----------
    origin
        The grain from which they are counted.
    grain, unit
        Of moments, and of the times that a law counts.
    tz
        Zone of the clock.
    time, customer_id
        Names of columns.
    always
        Covariates that were told without a moment: they never change.
    """

    origin: int
    grain: str
    unit: str
    tz: str
    time: str
    customer_id: str
    always: frozenset[str] = frozenset()

    @classmethod
    def of(
        cls, moment: Any, name: str, *, grain: str, unit: str, tz: str, time: str, customer_id: str, end: bool = False
    ) -> Self:
        """Counted from a moment, which the user calls by that name."""
        one_of("grain", grain, GRAINS)
        one_of("unit", unit, DAYS)
        origin = edge(start_of(moment, name=name, tz=checked_zone(tz), end=end), grain, name=name)
        return cls(origin, grain, unit, tz, time, customer_id)

    def units(self, grains: NDArray[Any]) -> Array:
        """Whole numbers of grains in the unit, by the same steps as a history counts them."""
        return np.asarray(grains.astype(np.float64) * DAYS[self.grain] / DAYS[self.unit])

    def grains(self, units: Array) -> Whole:
        """Grains that begin within so many units."""
        return np.asarray(np.floor(units * DAYS[self.unit] / DAYS[self.grain])).astype(np.int64)

    @property
    def microseconds(self) -> int:
        """In a grain."""
        return GRAINS[self.grain] * 1_000_000 or 1
