r"""Units: what each of many independent things brings to a sum; of them shares and means are made, with their errors.

A unit brings an answer, or all answers of a customer: how many, their weight W and the weighted sum S of each mark. A
share or mean is :math:`\hat m = \sum S / \sum W`, and its variance, linearised [1]_,

.. math:: \frac{G}{G - 1} \, \frac{\sum (S - \hat m W)^2}{(\sum W)^2}

over the G units of a group: right for weights, and for many answers of one customer, which are not independent. How
many independent answers of equal weight would say as much is the *effective number*: as many as have this variance, at
the most Kish's :math:`(\sum w)^2 / \sum w^2` over the answers [2]_, and when few customers answered less by Student's
quantile [3]_.

References
----------
.. [1] Binder, D. A. (1983). On the Variances of Asymptotically Normal Estimators from Complex Surveys. International
   Statistical Review 51(3), 279-292. https://doi.org/10.2307/1402588
.. [2] Kish, L. (1965). Survey Sampling. Wiley.
.. [3] Korn, E. L., & Graubard, B. I. (1998). Confidence Intervals for Proportions with Small Expected Number of
   Positive Counts Estimated from Survey Data. Survey Methodology 24(2), 193-201.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import stdtrit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from custrel.stats.estimate import Array

__all__ = ["Units", "joined", "ratio"]

_CELLS = 4_000_000  # numbers held at a time


@dataclass(frozen=True, eq=False)
class Units:
    """Units that are alike stand in one row, with their number.

    Parameters
    ----------
    groups
        How many groups there are.
    group
        Number of the group of each row, ``(rows,)``.
    k
        How many such units there are, ``(rows,)``.
    n, w, w2
        Answers of one of them, the sum of their weights, and that of their squares, ``(rows,)``.
    marks
        By name, the weighted sum of each mark over the answers of one of them, ``(rows,)``.
    whole
        Whether a unit is one answer, whose marks are 0 or 1 times its weight.

    Examples
    --------
    Of four customers one answered twice:

    >>> units = Units(
    ...     groups=1,
    ...     group=np.zeros(3, dtype=int),
    ...     k=np.array([1.0, 2.0, 1.0]),
    ...     n=np.array([2.0, 1.0, 1.0]),
    ...     w=np.array([2.0, 1.0, 1.0]),
    ...     w2=np.array([2.0, 1.0, 1.0]),
    ...     marks={"solved": np.array([2.0, 1.0, 0.0])},
    ... )
    >>> units.answers(), units.share("solved")
    (array([5.]), array([0.8]))
    """

    groups: int
    group: NDArray[np.intp]
    k: Array
    n: Array
    w: Array
    w2: Array
    marks: Mapping[str, Array]
    whole: bool = False

    def in_order(self) -> Units:
        """The same in an order of their own, not the library's: so that a seed draws the same ones again."""
        columns = (self.k, *self.marks.values(), self.w2, self.w, self.n, self.group)
        order = np.lexsort(columns)
        moved: dict[str, Any] = {name: getattr(self, name)[order] for name in ("group", "k", "n", "w", "w2")}
        return replace(self, **moved, marks={name: sums[order] for name, sums in self.marks.items()})

    def per_group(self, of_a_unit: Array | float = 1.0) -> Array:
        """Sum over the units of each group, ``(groups,)``."""
        values = np.broadcast_to(np.asarray(of_a_unit, dtype=np.float64), self.k.shape)
        sums: Array = np.bincount(self.group, weights=self.k * values, minlength=self.groups).astype(np.float64)
        return sums

    def answers(self) -> Array:
        """How many answers each group has."""
        return self.per_group(self.n)

    def share(self, mark: str) -> Array:
        """Weighted mean of a mark in each group; NaN where there is no answer."""
        return ratio(self.per_group(self.marks[mark]), self.per_group(self.w))

    def rest(self, *marks: str) -> Array:
        """Share of what bears none of these marks, of which an answer bears one at most."""
        marked = np.sum([self.per_group(self.marks[mark]) for mark in marks], axis=0)
        return np.maximum(ratio(self.per_group(self.w) - marked, self.per_group(self.w)), 0)

    def mean_of(self, mark: Callable[[Mapping[str, Array]], Array]) -> tuple[Array, Array]:
        """Weighted mean of what is made of the marks, and its variance, linearised."""
        sums = mark(self.marks)
        mean = ratio(self.per_group(sums), self.per_group(self.w))
        G = self.per_group()
        scatter = self.per_group((sums - mean[self.group] * self.w) ** 2)
        return mean, ratio(G, G - 1) * ratio(scatter, self.per_group(self.w) ** 2)

    def effective(self, spread: Array, variance: Array, level: float) -> Array:
        """How many independent answers of equal weight would say as much.

        Parameters
        ----------
        spread
            Variance of one answer in each group, ``(groups,)``.
        variance
            Variance of the mean over them, as `mean_of` gives it, ``(groups,)``.
        level
            Level of the interval that is to be made; it decides what few customers cost.
        """
        n, G, W = self.answers(), self.per_group(), self.per_group(self.w)
        kish, of_units = self.kish(), ratio(W**2, self.per_group(self.w**2))
        seen = ratio(spread * n, variance * (n - 1))  # as many answers as have this variance
        found = np.where(variance > 0, np.fmin(seen, kish), of_units)
        return np.asarray(np.where(G > 1, found * _kept(n, G, level), 1.0) * ratio(n, n))

    def kish(self) -> Array:
        """How many answers of equal weight would say as much, if weights and answers were unrelated."""
        return ratio(self.per_group(self.w) ** 2, self.per_group(self.w2))

    def plain(self) -> NDArray[np.bool_]:
        """Whether every unit of a group is one answer, all of the same weight."""
        heaviest, lightest = np.zeros(self.groups), np.full(self.groups, np.inf)
        np.maximum.at(heaviest, self.group, self.w)
        np.minimum.at(lightest, self.group, self.w)
        return np.asarray(self.whole & (self.answers() == self.per_group()) & (heaviest == lightest))

    def as_one(self, *, whole: bool) -> Units:
        """The same, each unit with one answer: the mean of those that it has."""
        marks = {name: sums / self.n for name, sums in self.marks.items()}
        w, flags = self.w / self.n, whole and bool(np.all(self.n == 1))
        return replace(self, n=np.ones(self.n.size), w=w, w2=w**2, marks=marks, whole=flags)

    def resampled(
        self, mark: Callable[[Mapping[str, Array]], Array], *, repeats: int, seed: int
    ) -> Iterator[tuple[int, Array]]:
        """Number of each group with answers, and the weighted means of its units drawn again from its units."""
        rng, sums = np.random.default_rng(seed), mark(self.marks)
        order = np.argsort(self.group, kind="stable")
        for rows in np.split(order, np.flatnonzero(np.diff(self.group[order])) + 1):
            if rows.size:
                units = int(self.k[rows].sum())
                block = max(1, _CELLS // rows.size)
                sizes = [min(block, repeats - start) for start in range(0, repeats, block)]
                drawn = (rng.multinomial(units, self.k[rows] / units, size=size) for size in sizes)
                means = [ratio(some @ sums[rows], some @ self.w[rows]) for some in drawn]
                yield int(self.group[rows[0]]), np.concatenate(means)


def joined(parts: Sequence[Units]) -> Units:
    """Units of the same groups, read in several parts, as one table."""
    first = parts[0]
    columns: dict[str, Any] = {
        name: np.concatenate([getattr(part, name) for part in parts]) for name in ("group", "k", "n", "w", "w2")
    }
    marks = {name: np.concatenate([part.marks[name] for part in parts]) for name in first.marks}
    return replace(first, **columns, marks=marks, whole=all(part.whole for part in parts))


def _kept(n: Array, G: Array, level: float) -> Array:
    """What few units leave of many answers: the square of the ratio of their quantiles."""
    tail = 0.5 + level / 2
    many, few = (stdtrit(np.where(size > 1, size - 1, np.nan), tail) for size in (n, G))
    return np.asarray((many / few) ** 2)


def ratio(part: Array, whole: Array) -> Array:
    """A ratio; NaN where there is nothing to divide by.

    >>> ratio(np.array([1.0, 0.0]), np.array([2.0, 0.0]))
    array([0.5, nan])
    """
    return np.asarray(np.divide(part, whole, out=np.full(np.shape(part), np.nan), where=np.asarray(whole) > 0))
