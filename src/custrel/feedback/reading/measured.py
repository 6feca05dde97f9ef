r"""Measured: a share, a net share or a mean of each group, with its interval, made of units.

The formulas of an interval take counts. Weighted or clustered answers enter them as their shares times their effective
number; a finite population of N customers, of whom n answered, raises that number by :math:`(N - 1) / (N - n)` [1]_.

References
----------
.. [1] Cochran, W. G. (1977). Sampling Techniques, 3rd ed. Wiley. Section 3.2 and exercise 3.7.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtri, stdtrit

from custrel.errors import DomainError, one_of
from custrel.stats.net_share import BOUNDS_OF_A_NET_SHARE, dirichlet_moments
from custrel.stats.proportion import BOUNDS_OF_A_SHARE

if TYPE_CHECKING:
    from collections.abc import Callable

    from custrel.feedback.reading.units import Units
    from custrel.stats.estimate import Array

__all__ = ["MEAN_INTERVALS", "NET_INTERVALS", "SHARE_INTERVALS", "Interval", "Measured", "mean", "net_share", "share"]

NET_INTERVALS = (*BOUNDS_OF_A_NET_SHARE, "bootstrap")
SHARE_INTERVALS = (*BOUNDS_OF_A_SHARE, "bootstrap")
MEAN_INTERVALS = ("t", "bootstrap")
REPEATS = 2000


@dataclass(frozen=True)
class Interval:
    """How an interval is to be made: by which name, at which level, with which seed."""

    name: str
    level: float
    seed: int = 0

    @property
    def tail(self) -> float:
        """What lies above the upper bound."""
        return 0.5 - self.level / 2


@dataclass(frozen=True, eq=False)
class Measured:
    """What was found of each group, ``(groups,)`` each."""

    value: Array
    low: Array
    high: Array
    standard_error: Array
    n_effective: Array
    also: Mapping[str, Array]

    def times(self, factor: float) -> Measured:
        """The same in another unit."""
        value, low, high, error = (factor * one for one in (self.value, self.low, self.high, self.standard_error))
        return Measured(
            value, low, high, error, self.n_effective, {name: factor * one for name, one in self.also.items()}
        )

    def less(self, points: float) -> Measured:
        """The same counted from another beginning."""
        value, low, high = (one - points for one in (self.value, self.low, self.high))
        return replace(self, value=value, low=low, high=high)

    def beside(self, **more: Array) -> Measured:
        """The same with other things that are known of the groups."""
        return replace(self, also={**more, **self.also})


def net_share(units: Units, plus: str, minus: str, interval: Interval, population: Array | None = None) -> Measured:
    """Share of one mark less that of another."""
    one_of("interval", interval.name, NET_INTERVALS)
    P, D = units.share(plus), units.share(minus)
    net = _Mean.of(units, lambda marks: marks[plus] - marks[minus], P + D - (P - D) ** 2, population)
    shares = (P, units.rest(plus, minus), D)
    low, high = net.bounds(interval, BOUNDS_OF_A_NET_SHARE, shares, (-1.0, 1.0))
    also = {}
    if interval.name == "dirichlet":
        m = net.effective(interval.level)
        mean, deviation = dirichlet_moments(*(np.nan_to_num(one * np.where(np.isinf(m), 1e300, m)) for one in shares))
        also = {"posterior_mean": mean, "posterior_sd": deviation}
    return Measured(net.value, low, high, net.standard_error, net.told(interval.level), also)


def share(units: Units, mark: str, interval: Interval, population: Array | None = None) -> Measured:
    """Share of a mark."""
    one_of("interval", interval.name, SHARE_INTERVALS)
    p = units.share(mark)
    found = _Mean.of(units, lambda marks: marks[mark], p * (1 - p), population)
    low, high = found.bounds(interval, BOUNDS_OF_A_SHARE, (p, np.ones(p.shape)), (0.0, 1.0))
    return Measured(p, low, high, found.standard_error, found.told(interval.level), {})


def mean(units: Units, interval: Interval, ends: tuple[float, float], population: Array | None = None) -> Measured:
    """Mean of the marks ``points``; ``squares`` are those of the points."""
    one_of("interval", interval.name, MEAN_INTERVALS)
    spread = units.share("squares") - units.share("points") ** 2
    found = _Mean.of(units, lambda marks: marks["points"], np.maximum(spread, 0), population)
    low, high = found.bounds(interval, {}, (), ends)
    return Measured(found.value, low, high, found.standard_error, found.told(interval.level), {})


@dataclass(frozen=True, eq=False)
class _Mean:
    """A weighted mean of something that is made of the marks, with its variance."""

    units: Units
    mark: Callable[[Mapping[str, Array]], Array]
    spread: Array
    value: Array
    variance: Array
    remaining: Array
    """Share of the variance that is left when so much of the population has answered."""

    @classmethod
    def of(
        cls, units: Units, mark: Callable[[Mapping[str, Array]], Array], spread: Array, population: Array | None
    ) -> _Mean:
        value, variance = units.mean_of(mark)
        return cls(units, mark, spread, value, variance, _remaining(units.per_group(), population))

    @property
    def standard_error(self) -> Array:
        n = self.units.answers()
        simple = np.divide(self.spread, n, out=np.full(n.shape, np.nan), where=n > 1)
        return np.sqrt(np.where(self.units.plain(), simple, self.variance) * self.remaining)

    def effective(self, level: float) -> Array:
        with np.errstate(divide="ignore"):  # when all have answered, as good as without end
            return self.units.effective(self.spread, self.variance, level) / self.remaining

    def told(self, level: float) -> Array:
        """The effective number that is told: Kish's, unless answers of one customer are more alike than others."""
        with np.errstate(divide="ignore"):
            kish = self.units.kish() / self.remaining
        return np.where(self.units.answers() == self.units.per_group(), kish, self.effective(level))

    def bounds(
        self,
        interval: Interval,
        formulas: Mapping[str, Callable[..., tuple[Array, Array]]],
        shares: tuple[Array, ...],
        ends: tuple[float, float],
    ) -> tuple[Array, Array]:
        if interval.name == "bootstrap":
            return self._drawn(interval, ends)
        if interval.name in {"wald", "t"}:
            return self._around(interval, ends)
        m = self.effective(interval.level)
        all_known = np.isinf(m)
        counts = (one * np.where(all_known, 1, m) for one in shares)
        low, high = formulas[interval.name](*counts, level=interval.level)
        return np.where(all_known, self.value, low), np.where(all_known, self.value, high)

    def _around(self, interval: Interval, ends: tuple[float, float]) -> tuple[Array, Array]:
        """Standard errors either side; by Student's quantile one unit says nothing."""
        if interval.name == "wald":
            half = -float(ndtri(interval.tail)) * np.where(np.isnan(self.standard_error), np.inf, self.standard_error)
        else:
            G = self.units.per_group()
            quantile = np.asarray(-stdtrit(np.maximum(G - 1, 1), interval.tail), dtype=np.float64)
            half = np.where(G == 1, np.inf, quantile * np.sqrt(self.variance * self.remaining))
        half = np.where(self.remaining > 0, half, 0.0)
        return np.clip(self.value - half, *ends), np.clip(self.value + half, *ends)

    def _drawn(self, interval: Interval, ends: tuple[float, float]) -> tuple[Array, Array]:
        """Quantiles of the means of units drawn again; one unit says nothing."""
        low, high = np.full((2, self.units.groups), np.nan)
        for group, means in self.units.resampled(self.mark, repeats=REPEATS, seed=interval.seed):
            off = (means - self.value[group]) * np.sqrt(self.remaining[group])
            low[group], high[group] = self.value[group] + np.quantile(off, [interval.tail, 1 - interval.tail])
        alone = (self.units.per_group() == 1) & (self.remaining > 0)
        return np.where(alone, ends[0], low), np.where(alone, ends[1], high)


def _remaining(n: Array, population: Array | None) -> Array:
    """:math:`(N - n) / (N - 1)`"""
    if population is None:
        return np.ones(n.shape)
    if np.any(population < n):
        short = int(np.argmax(population < n))
        raise DomainError(f"population must be {n[short]:g}, as many as answered, or more; got {population[short]:g}")
    return (population - n) / np.maximum(population - 1, 1)
