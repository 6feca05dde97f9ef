"""Futures: purchases to come, drawn by the story, where the clocks of purchases and of leaving change their pace."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from custrel.clv.story import Future

if TYPE_CHECKING:
    from collections.abc import Iterator

    from custrel.clv.time_varying.clocks import Clock
    from custrel.clv.time_varying.paths import CovariatePaths
    from custrel.clv.time_varying.pieces import Numbers
    from custrel.stats.draw import SharedNumbers
    from custrel.stats.estimate import Array

__all__ = ["ClockFuture", "moment_when", "places", "shown_at"]


@dataclass(frozen=True, eq=False, kw_only=True)
class ClockFuture(Future):
    """A `Future` whose rate is that of purchases by their clock.

    Parameters
    ----------
    paths
        What is to come of the covariates.
    clock
        The clock of purchases.
    """

    paths: CovariatePaths
    clock: Clock

    def purchases(self, t: float, numbers: SharedNumbers) -> Iterator[tuple[Array, Array]]:
        """Purchases by the clock, each at the moment at which the clock shows its time."""
        ends = np.minimum(np.broadcast_to(self.leaves_at, self.rate.shape), t)
        by_clock = Future(self.rate, self.stays_for, shown_at(self.paths, self.clock, *places(ends), ends))
        for cells, shown in by_clock.purchases(np.inf, numbers):
            yield cells, moment_when(self.paths, self.clock, *np.divmod(cells, len(self.paths)), shown)


def places(each: Array) -> tuple[Numbers, Numbers]:
    """The draw and the customer of each cell."""
    draw, customer = np.meshgrid(*map(np.arange, each.shape), indexing="ij")
    return draw, customer


def shown_at(paths: CovariatePaths, clock: Clock, draw: Numbers, customer: Numbers, moment: Array) -> Array:
    """What the clock shows at a moment, in some draws, of some customers."""
    piece = _piece(paths, paths.start, draw, customer, moment)
    before, rate = (_of(one, draw, piece) for one in (clock.before, clock.rate))
    return np.asarray(before + rate * (moment - paths.start[piece]))


def moment_when(paths: CovariatePaths, clock: Clock, draw: Numbers, customer: Numbers, shown: Array) -> Array:
    """When it shows that.

    >>> from custrel.clv.time_varying.clocks import Clock
    >>> from custrel.clv.time_varying.paths import CovariatePaths
    >>> from custrel.history import PurchaseTimes
    >>> nobody = PurchaseTimes(customer=np.zeros(0, dtype=int), time=np.zeros(0), T=np.array([9.0]))
    >>> paths = CovariatePaths.along(nobody, customer=[0, 0], start=[0, 2], covariates={"sale": [0, 1]})
    >>> clock = Clock.of(paths, np.log([1.0, 3.0]))  # it shows 2 at 2, and 5 at 3
    >>> moment_when(paths, clock, np.array([0, 0]), np.array([0, 0]), np.array([1.0, 5.0]))
    array([1., 3.])
    """
    piece = _piece(paths, clock.before, draw, customer, shown)
    before, rate = (_of(one, draw, piece) for one in (clock.before, clock.rate))
    return np.asarray(paths.start[piece] + (shown - before) / rate)


def _of(values: Array, draw: Numbers, piece: Numbers) -> Array:
    return np.asarray(values[draw, piece] if values.ndim > 1 else values[piece])


def _piece(paths: CovariatePaths, begins: Array, draw: Numbers, customer: Numbers, value: Array) -> Numbers:
    """The last of the customer's pieces that begins at the value or before it, by halving."""
    low, high = paths.first[customer], np.append(paths.first[1:], paths.customer.size)[customer] - 1
    while np.any(low < high):
        middle = (low + high + 1) // 2
        there = _of(begins, draw, middle) <= value
        low, high = np.where(there, middle, low), np.where(there, high, middle - 1)
    return np.asarray(low)
