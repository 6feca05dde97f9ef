"""By the story: customers whose purchases to come are drawn as the law tells it, new ones and known ones."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from custrel.errors import DomainError
from custrel.history import PurchaseTimes
from custrel.stats.special import same_for_all

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from custrel.history import History
    from custrel.stats.draw import SharedNumbers
    from custrel.stats.estimate import Array

__all__ = ["Future", "checked_watch", "counts_of", "rates_of_the_living", "times_of_purchases", "times_with_gaps"]


@dataclass(frozen=True, eq=False)
class Future:
    """What decides a customer's purchases to come; each field has the shape ``(draws, customers)``.

    Parameters
    ----------
    rate
        Purchases per unit of time while there.
    stays_for
        Purchases until the customer leaves: 0 for one who has left, inf where purchases do not decide it.
    leaves_at
        Time after T at which the customer leaves, inf where time does not decide it.
    """

    rate: Array
    stays_for: Array
    leaves_at: Array | float = np.inf

    def purchases(self, t: float, numbers: SharedNumbers) -> Iterator[tuple[Array, Array]]:
        """The first, second, ... purchases within t: in which cells (of the raveled shape) they happen, and when."""
        stays, (_, customers) = self.stays_for.ravel(), self.rate.shape
        ends = np.minimum(np.broadcast_to(self.leaves_at, self.rate.shape).ravel(), t)
        cells, times = np.arange(stays.size), np.zeros(stays.size)
        for position in itertools.count():
            with np.errstate(divide="ignore", over="ignore"):  # a rate of 0 never buys
                times = times + self.gap(position, np.divmod(cells, customers), numbers)
            happens = (times <= ends[cells]) & (position < stays[cells])
            cells, times = cells[happens], times[happens]
            if not cells.size:
                return
            yield cells, times

    def gap(self, position: int, place: tuple[NDArray[Any], ...], numbers: SharedNumbers) -> Array:
        """Time to the purchase at that position from the one before, or from now: of these draws, these customers."""
        del position
        return np.asarray(numbers.exponential().ravel()[place[0]] / self.rate[place])


def counts_of(x: Array, *parameters: float | Array) -> tuple[Array, NDArray[np.intp]]:
    """The counts that there are and each customer's place among them; a count for each where parameters are their own.

    >>> counts_of(np.array([3.0, 0.0, 3.0]), 1.5)
    (array([0., 3.]), array([1, 0, 1]))
    """
    return np.unique(x, return_inverse=True) if same_for_all(*parameters) else (x, np.arange(x.size))


def rates_of_the_living(r: float | Array, alpha: float | Array, h: History, numbers: SharedNumbers) -> Array:
    """Each customer's rate of purchases in each draw, made once for all who bought equally often."""
    x, who = counts_of(h.x, r)
    return np.asarray(numbers.gamma(r + x)[:, who] / (alpha + h.T))


def checked_watch(T: Any) -> Array:
    """How long each of the customers to simulate is watched.

    >>> checked_watch(-1.0)
    Traceback (most recent call last):
    custrel.errors.DomainError: T must be a list of times, 0 or more, one for each customer to simulate, got -1.0
    """
    try:
        watched = np.asarray(T, dtype=float)
        good = watched.ndim == 1 and bool(np.all((watched >= 0) & np.isfinite(watched)))
    except (TypeError, ValueError):
        good = False
    if not good:
        raise DomainError(f"T must be a list of times, 0 or more, one for each customer to simulate, got {T!r:.80}")
    return watched


def times_of_purchases(
    rate: Array, here: Array, rng: np.random.Generator, *, T: Array, unit: str | None
) -> PurchaseTimes:
    """Purchases at random of customers who each buy at a rate of their own for as long as they are here."""
    bought = rng.poisson(rate * here)
    customer = np.repeat(np.arange(T.size), bought)
    time = rng.random(customer.size) * here[customer]
    return PurchaseTimes(customer, time[np.lexsort((time, customer))], T, unit or "week")


def times_with_gaps(
    shape: Array, rate: Array, here: Array, rng: np.random.Generator, *, T: Array, unit: str | None
) -> PurchaseTimes:
    """Purchases of customers whose times between purchases are Gamma(shape, rate), for as long as they are here."""
    who, time = np.arange(T.size), np.zeros(T.size)
    customers, times = [who[:0]], [time[:0]]
    while who.size:
        with np.errstate(divide="ignore", over="ignore"):  # a rate of 0 never buys
            time = time + rng.standard_gamma(shape[who]) / rate[who]
        happens = time <= here[who]
        who, time = who[happens], time[happens]
        customers.append(who)
        times.append(time)
    customer, moment = np.concatenate(customers), np.concatenate(times)
    order = np.argsort(customer, kind="stable")  # each customer's purchases came in order
    return PurchaseTimes(customer[order], moment[order], T, unit or "week")
