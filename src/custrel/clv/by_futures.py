r"""By futures: what customers with gamma times between purchases will do, as means over futures of each.

A future is a regularity k, a rate :math:`\lambda`, the rest of the gap that the customer is in, and the gaps that
follow, drawn from their posterior given that the customer is there. When the customer leaves is not drawn: each
purchase counts with the probability that they are still there. All questions are asked of the same futures, so the
answers agree with each other to the last digit: chances sum to 1, their mean is the expectation, and a discount rate
of 0 discounts nothing.

The first 100 purchases of a future come at random; the later ones evenly, at the rate of that future.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import gammaincinv, ndtri

from custrel.clv.regularity import Rows, by_nodes, gap_hill, outlasting, silent_until, tail_end
from custrel.clv.story import Future
from custrel.stats.draw import SharedNumbers
from custrel.stats.estimate import Array
from custrel.stats.special import expm1_ratio

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from custrel.clv.regularity import Part

__all__ = ["FUTURES", "ByFutures", "GapFuture", "drawn"]

FUTURES = 2_000
"""How many futures of each customer the means are taken over."""

EACH = 100
"""Purchases of a future that come at random; later ones come evenly."""

_SEED = 35_779
_FIRST, _A_GAP = 3, 4  # columns of random numbers that a future takes, and each gap
_CELLS = 1 << 17  # customers x futures at a time
_PLACES = np.linspace(0.0, 1.0, 129)  # at which the distribution of the next gap is known
_SINGLY = 16  # even purchases that are added up one by one
_AT_ONCE = 1e-300  # no purchase comes before time begins
_DEEP = 22.0  # exp(-22) is 3e-10: a part of the gap's distribution that no future meets


@dataclass(frozen=True)
class _Futures:
    """Futures side by side, a row for each question asked; all fields ``(rows, futures)`` but s and scale ``(rows,)``.

    Parameters
    ----------
    k, rate
        Regularity, and purchases per unit of time while there.
    first
        Time of the next purchase.
    s, scale
        The chance of being still there at t is (1 + t / scale)^-s.
    """

    k: Array
    rate: Array
    first: Array
    s: Array
    scale: Array

    def take(self, rows: NDArray[np.intp]) -> _Futures:
        """Some of them, or some more than once."""
        return _Futures(*(one[rows] for one in vars(self).values()))

    def worth(self, time: Array, rows: NDArray[np.intp], delta: float = 0.0) -> Array:
        """The chance of being still there at a time, discounted."""
        with np.errstate(over="ignore"):
            return np.asarray(np.exp(-self.s[rows] * np.log1p(time / self.scale[rows]) - delta * time))

    def moments(self, until: Array) -> Iterator[tuple[int, NDArray[np.intp], Array]]:
        """The first, second, ... purchase: its number, in which cells it happens by then, and when."""
        _, futures = self.k.shape
        cells, times, k = np.arange(self.k.size), self.first.ravel(), self.k.ravel()
        pace = k * self.rate.ravel()
        for number in range(1, EACH + 1):
            happens = (times <= until[cells // futures]) & (times < np.inf)
            cells, times = cells[happens], times[happens]
            if not cells.size:
                return
            yield number, cells, times
            chance = [_column(_FIRST + _A_GAP * number + one)[cells % futures] for one in range(_A_GAP)]
            with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
                gaps = _gamma(k[cells], chance) / pace[cells]
            times = times + np.where(pace[cells] > 0, gaps, np.inf)  # a pace of 0 never buys

    def even(self, cells: NDArray[np.intp], times: Array) -> tuple[Array, Array]:
        """After the last purchase that comes at random: the time where even ones begin, and the time between them.

        The first comes after a gap of 1 - 1 / (2 k), at least 1/2, which makes their number right on average.
        """
        gap = 1 / self.rate.ravel()[cells]
        return times - np.minimum(0.5 / self.k.ravel()[cells], 0.5) * gap, gap

    def even_worth(self, cells: NDArray[np.intp], times: Array, until: Array, delta: float) -> Array:
        """The worth of all even purchases by then: some by themselves, the others by Euler and Maclaurin's sum."""
        rows = cells // self.k.shape[1]
        start, gap = self.even(cells, times)
        total = np.zeros(cells.size)
        for number in range(1, _SINGLY + 1):
            time = start + number * gap
            total += np.where(time <= until[rows], self.worth(time, rows, delta), 0.0)
        last = np.floor(np.maximum(until[rows] - start, 0.0) / gap)
        some = np.flatnonzero(last > _SINGLY)
        rows, gap = rows[some], gap[some]
        low, high = start[some] + (_SINGLY + 0.5) * gap, start[some] + (last[some] + 0.5) * gap
        bent = self._slope(low, rows, delta) - self._slope(high, rows, delta)
        total[some] += self._area(low, high, rows, delta) / gap + gap / 24 * bent
        return total

    def _slope(self, time: Array, rows: NDArray[np.intp], delta: float) -> Array:
        """Derivative of the worth; 0 at the end of time."""
        some = np.where(time < np.inf, time, 0.0)
        steep = -(self.s[rows] / (self.scale[rows] + some) + delta) * self.worth(some, rows, delta)
        return np.where(time < np.inf, steep, 0.0)

    def _area(self, low: Array, high: Array, rows: NDArray[np.intp], delta: float) -> Array:
        """Integral of the worth."""
        s, scale = self.s[rows], self.scale[rows] + low
        if delta == 0:
            with np.errstate(over="ignore"):
                return self.worth(low, rows) * scale * expm1_ratio(1 - s, np.log1p((high - low) / scale))
        steep = delta + s / scale
        widest = np.log1p(np.minimum(high - low, _FORGOTTEN / delta) * steep)
        total = np.zeros(low.size)
        for place, weight in zip(*_RULE, strict=True):
            grown = np.expm1(widest * place)
            total += weight * widest * (1 + grown) * self.worth(low + grown / steep, rows, delta)
        return total / steep


@dataclass(frozen=True)
class ByFutures:
    """The law of customers who are still there, by `FUTURES` futures of each: all that is asked of a `PurchaseLaw`.

    Parameters
    ----------
    rows
        Customers and the parameters of their law, in one row each.
    shape
        The shape of the answers.
    """

    rows: Rows
    shape: tuple[int, ...]

    @property
    def time_scale(self) -> Array:
        """The time on which survival bends."""
        return np.asarray(self.rows.beta + self.rows.T).reshape(self.shape)

    def survival_of_new(self, t: float | Array) -> Array:
        """The Pareto distribution, exactly."""
        s, beta = (np.reshape(one, self.shape) for one in (self.rows.s, self.rows.beta + self.rows.T))
        return np.asarray(np.exp(-s * np.log1p(np.asarray(t) / beta)))

    def expected_purchases_of_new(self, t: float | Array) -> Array:
        """The chances of being still there at each purchase, added up, and their mean over the futures."""
        return self.discounted_purchases_of_new(np.asarray(t, dtype=float), 0.0)

    def discounted_purchases_of_new(self, t: Array, delta: float) -> Array:
        """The same, each discounted from its own moment."""

        def worth(futures: _Futures, until: Array) -> Array:
            total = np.zeros(until.size)
            for number, cells, times in futures.moments(until):
                rows = cells // FUTURES
                value = futures.worth(times, rows, delta)
                if number == EACH:
                    value = value + futures.even_worth(cells, times, until, delta)
                total += np.bincount(rows, weights=value, minlength=until.size)
            return total / FUTURES

        return self._asked(worth, t)

    def activity_of_new(self, t: float | Array) -> Array:
        """The chance of being still there at the first purchase."""
        return self._reached(np.asarray(1), t, np.asarray(0.0))

    def probability_of_new(self, n: int | Array, t: float | Array) -> Array:
        """Still there at the n-th purchase, less still there at the one after it."""
        return self.probability_later_of_new(n, t, np.asarray(0.0))

    def probability_later_of_new(self, n: int | Array, t: float | Array, since: Array) -> Array:
        """The same of the purchases that come later than `since`."""
        n = np.asarray(n)
        return np.asarray(self._reached(n, t, since) - self._reached(n + 1, t, since))

    def _reached(self, n: Array, t: float | Array, since: Array) -> Array:
        """Probability of being there at `since`, and of making an n-th purchase after it and within t."""
        wanted, which = np.unique(n, return_inverse=True)
        which = which.reshape(np.shape(n))

        def reached(futures: _Futures, until: Array, since: Array) -> Array:
            return _ladder(futures, wanted, until, since)

        since = np.asarray(since, dtype=float)
        steps = self._asked(reached, since + np.asarray(t, dtype=float), since, answers=wanted.size)
        which, *_ = np.broadcast_arrays(which, steps[0])
        steps = np.broadcast_to(steps, (wanted.size, *which.shape))
        return np.asarray(np.take_along_axis(steps, which[None], axis=0)[0])

    def _asked(self, question: Callable[..., Array], *asked: Array, answers: int = 0) -> Array:
        """A question asked of each customer's futures, block by block; with several answers they come first."""
        shape = np.broadcast_shapes(self.shape, *(np.shape(one) for one in asked))
        size = self.rows.x.size
        who = np.broadcast_to(np.arange(size).reshape(self.shape), shape).ravel()
        flat = [np.broadcast_to(one, shape).ravel() for one in asked]
        found = np.empty((max(answers, 1), who.size))
        place = np.empty(size, dtype=np.intp)
        for some, futures in self._made():
            place[:] = -1
            place[some] = np.arange(some.size)
            mine = np.flatnonzero(place[who] >= 0)
            for start in range(0, mine.size, _CELLS // FUTURES):
                few = mine[start : start + _CELLS // FUTURES]
                found[:, few] = question(futures.take(place[who[few]]), *(one[few] for one in flat))
        return found.reshape((answers, *shape) if answers else shape)

    def _made(self) -> Iterator[tuple[NDArray[np.intp], _Futures]]:
        """The futures of some customers at a time."""
        for some, part in by_nodes(outlasting, self.rows):
            rows = self.rows.take(some)
            k, rate, first = _from_nodes(part, rows, *(_column(one) for one in range(_FIRST)))
            yield some, _Futures(k, rate, first, rows.s, rows.beta + rows.T)


_FORGOTTEN = 45.0  # exp(-45) is 3e-20: what comes later is worth nothing
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(40)
_RULE = (_NODES + 1) / 2, _WEIGHTS / 2


def _ladder(futures: _Futures, wanted: Array, until: Array, since: Array) -> Array:
    """Chance of being there at each wanted purchase after `since`, and that it comes by then: ``(wanted, rows)``."""
    sums = np.zeros((wanted.size, until.size))
    sums[wanted == 0] = futures.worth(since, np.arange(since.size))
    before = np.zeros(futures.k.size)  # purchases that come too early
    for number, cells, times in futures.moments(until):
        rows = cells // FUTURES
        early = times <= np.where(since > 0, since, -1.0)[rows]
        before[cells[early]] = number
        step = np.searchsorted(wanted, number - before[cells]).clip(max=wanted.size - 1)
        counts = ~early & (wanted[step] == number - before[cells])
        np.add.at(sums, (step[counts], rows[counts]), futures.worth(times, rows)[counts] / FUTURES)
        if number == EACH:
            _even_ladder(futures, wanted, (until, since), (cells, times, before[cells]), sums)
    return sums


def _even_ladder(
    futures: _Futures, wanted: Array, span: tuple[Array, Array], at: tuple[NDArray[np.intp], Array, Array], sums: Array
) -> None:
    """Add the purchases that come evenly."""
    (until, since), (cells, times, before) = span, at
    rows = cells // FUTURES
    start, gap = futures.even(cells, times)
    skipped = np.floor(np.maximum(since[rows] - start, 0.0) / gap)
    before = np.where(skipped > 0, EACH + skipped, before)
    for step in np.flatnonzero(wanted > 0):
        position = wanted[step] + before - EACH
        time = start + position * gap
        if not np.any(time <= until[rows]):
            return
        counts = (position >= 1) & (time <= until[rows])
        value = futures.worth(time[counts], rows[counts]) / FUTURES
        sums[step] += np.bincount(rows[counts], weights=value, minlength=until.size)


@dataclass(frozen=True, eq=False, kw_only=True)
class GapFuture(Future):
    """A `Future` in which times between purchases are gamma, and the customer is in the middle of one.

    Parameters
    ----------
    regularity
        Shape k of the gamma distribution of times between purchases.
    first
        Time after T of the next purchase.
    """

    regularity: Array
    first: Array

    def gap(self, position: int, place: tuple[NDArray[Any], ...], numbers: SharedNumbers) -> Array:
        """What is left of the gap that they are in, and then gamma."""
        if not position:
            return np.asarray(self.first[place])
        k, chance = self.regularity[place], [numbers.uniform().ravel()[place[0]] for _ in range(_A_GAP)]
        return np.asarray(_gamma(k, chance) / (k * self.rate[place]))


@cache
def _column(at: int) -> Array:
    """Uniform numbers, one for each future, the same for all customers."""
    return SharedNumbers(FUTURES, _SEED + at).uniform().ravel()


def _gamma(k: Array, chance: list[Array]) -> Array:
    """Gamma numbers of shape k and unit rate, of four uniform numbers each.

    Marsaglia and Tsang's way for k + 1, of whose proposals nineteen in twenty are taken; the inverse distribution
    function for the others; and then Gamma(k) is Gamma(k + 1) U^(1/k).
    """
    normal, accept, spare, power = chance
    normal = ndtri(normal)
    d = k + 2 / 3
    v = (1 + normal / np.sqrt(9 * d)) ** 3
    taken = v > 0
    log_v = np.log(np.where(taken, v, 1.0))
    taken &= np.log(accept) < normal * normal / 2 + d * (1 - v + log_v)
    one_more = d * v
    one_more[~taken] = gammaincinv(k[~taken] + 1, spare[~taken])
    return np.asarray(one_more * np.exp(np.log(power) / k))


def drawn(rows: Rows, *uniform: Array) -> tuple[Array, Array, Array]:
    """Regularity, rate and rest of the gap of customers who are there, by three uniform numbers each, ``(rows, 1)``."""
    found = tuple(np.empty(uniform[0].shape) for _ in range(3))
    for some, part in by_nodes(outlasting, rows):
        parts = _from_nodes(part, rows.take(some), *(one[some] for one in uniform))
        for place, values in zip(found, parts, strict=True):
            place[some] = values
    return found[0], found[1], found[2]


def _from_nodes(part: Part, rows: Rows, regularity: Array, gap: Array, total: Array) -> tuple[Array, Array, Array]:
    """A node of k by its weight; then the gap, given that it outlasts the silence; then the rate.

    With gamma numbers the sum says nothing of the ratio: given the gap w, the rate is Gamma(m + k, A + k w).
    """
    share = np.cumsum(part.weight(), axis=0)
    node = np.minimum(np.sum(share[:, :, None] < regularity * share[-1][:, None], axis=0), len(share) - 1)
    k, m, A = rows.at(part.q)
    begin = silent_until(rows, k, m, A)
    row = np.arange(node.shape[0])[:, None]
    if node.shape[1] < len(share):  # few futures: only their own nodes
        k, m, A, begin = (one[node, row] for one in (k, m, A, begin))
        u = _beyond(k, m, begin, tuple(np.indices(node.shape)), gap)
    else:
        u = _beyond(k, m, begin, (node, row), gap)
        k, m, A, begin = (one[node, row] for one in (k, m, A, begin))
    with np.errstate(over="ignore"):  # a gap may be endless
        rate = gammaincinv(m + k, np.broadcast_to(total, k.shape)) / A / (1 + k / m * np.exp(u))
        rest = np.exp(u) * -np.expm1(np.minimum(begin - u, 0.0)) * (A / m)
    return k, rate, np.maximum(rest, _AT_ONCE)


def _beyond(k: Array, m: Array, begin: Array, chosen: tuple[Any, ...], chance: Array) -> Array:
    """The u of a gap that is longer than `begin`, by the inverse of its distribution at the chosen nodes.

    The density is known at equal steps, between which its logarithm is taken as linear.
    """
    top = np.maximum(begin, 0.0)
    start = np.maximum(begin, tail_end(k, m, top, -1, _DEEP))
    step = (tail_end(k, m, top, 1, _DEEP) - start) / (_PLACES.size - 1)
    grid = start[..., None] + step[..., None] * np.arange(_PLACES.size)
    height = gap_hill(grid, k[..., None], m[..., None]) - gap_hill(top, k, m)[..., None]
    rise = np.diff(height)
    mass = np.cumsum(np.exp(height[..., :-1]) * expm1_ratio(rise, np.ones(())), axis=-1)
    sought = chance * mass[(*chosen, -1)]
    cell = np.zeros(sought.shape, dtype=np.intp)
    for jump in (64, 32, 16, 8, 4, 2, 1):
        cell += jump * (mass[(*chosen, cell + jump - 1)] < sought)
    cell = np.minimum(cell, _PLACES.size - 2)
    low = np.where(cell > 0, mass[(*chosen, np.maximum(cell - 1, 0))], 0.0)
    within = np.clip((sought - low) / (mass[(*chosen, cell)] - low), 0.0, 1.0)
    bend = rise[(*chosen, cell)]
    flat = np.abs(bend) < 1e-9
    inside = np.where(flat, within, np.log1p(within * np.expm1(bend)) / np.where(flat, 1.0, bend))
    return np.asarray(start[chosen] + (cell + inside) * step[chosen])
