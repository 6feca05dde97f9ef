r"""Cross products: the sums of which covariances and correlations are made, of one sample or of many drawn from it.

Columns are counted from a pivot near their means, which takes nothing from a covariance and keeps large means from
drowning it. A drawn sample has as many units (answers, or customers with all their answers) as there are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from custrel.stats.estimate import Array

__all__ = ["CrossProducts", "resampled"]

_CONSTANT = 1e-12  # of the mean square about the pivot: a variance that is rounding alone
_UNITS = 4096  # that are drawn from at a time


@dataclass(frozen=True, eq=False)
class CrossProducts:
    r""":math:`\sum w`, :math:`\sum w x` and :math:`\sum w x x'` of q columns.

    Parameters
    ----------
    weight
        ``(...)``.
    sums
        ``(..., q)``.
    products
        ``(..., q, q)``.

    Examples
    --------
    >>> x = np.array([[1.0, 2.0], [2.0, 4.0], [3.0, 6.0]])
    >>> CrossProducts(np.array(3.0), x.sum(axis=0), x.T @ x).covariance().round(4)
    array([[0.6667, 1.3333],
           [1.3333, 2.6667]])
    """

    weight: Array
    sums: Array
    products: Array

    def mean(self) -> Array:
        """Mean of each column, from the pivot on, ``(..., q)``."""
        return self._of_a_row(self.sums)

    def covariance(self) -> Array:
        """Covariances with the divisor n, ``(..., q, q)``; what is rounding alone is 0."""
        mean, square = self.mean(), self._of_a_row(self.products)
        raw = square - mean[..., None] * mean[..., None, :]
        own = np.einsum("...ii->...i", raw)
        varies = own > _CONSTANT * np.einsum("...ii->...i", square)
        covariance: Array = raw * varies[..., None] * varies[..., None, :]
        return covariance

    def correlations(self) -> Array:
        """Correlations, ``(..., q, q)``; those of a column that is constant are 0."""
        covariance = self.covariance()
        deviation = np.sqrt(np.einsum("...ii->...i", covariance))
        inverse = np.divide(1, deviation, out=np.zeros_like(deviation), where=deviation > 0)
        correlations: Array = covariance * inverse[..., None] * inverse[..., None, :]
        np.einsum("...ii->...i", correlations)[...] = 1
        return np.clip(correlations, -1, 1)

    def _of_a_row(self, sums: Array) -> Array:
        """Sums by weight; 0 of a sample in which nothing weighs anything."""
        weight = np.expand_dims(self.weight, tuple(range(self.weight.ndim - sums.ndim, 0)))
        of_a_row: Array = np.divide(sums, weight, out=np.zeros_like(sums), where=weight > 0)
        return of_a_row


def resampled(
    x: Array, w: Array, k: NDArray[np.int64], first: NDArray[np.intp], *, repeats: int, seed: int
) -> CrossProducts:
    """Cross products of samples drawn, with replacement, from the units of a sample.

    Parameters
    ----------
    x, w
        Rows and their weights, ``(rows, q)`` and ``(rows,)``; those of one unit follow each other.
    k
        How many units each of the units stands for, ``(units,)``.
    first
        Where the rows of each unit begin, ``(units,)``.
    repeats
        How many samples.
    seed
        Seed of the draws.
    """
    rng, q = np.random.default_rng(seed), x.shape[1]
    up, across = np.triu_indices(q)
    starts = np.arange(0, k.size, _UNITS)
    of_blocks = np.add.reduceat(k, starts)
    totals = rng.multinomial(of_blocks.sum(), of_blocks / of_blocks.sum(), size=repeats)
    found = np.zeros((repeats, 1 + q + up.size))
    for start, total in zip(starts, totals.T, strict=True):
        units = slice(start, start + _UNITS)
        begin, end = first[start], first[start + _UNITS] if start + _UNITS < k.size else len(x)
        rows, weight = x[begin:end], w[begin:end, None]
        marks = weight * np.hstack([np.ones_like(weight), rows, rows[:, up] * rows[:, across]])
        found += _drawn(rng, k[units], total) @ np.add.reduceat(marks, first[units] - begin)
    products = np.zeros((repeats, q, q))
    products[:, up, across] = products[:, across, up] = found[:, 1 + q :]
    return CrossProducts(found[:, 0], found[:, 1 : 1 + q], products)


def _drawn(rng: np.random.Generator, k: NDArray[np.int64], total: NDArray[np.int64]) -> Array:
    """How often each unit comes when so many are drawn, for each total, ``(repeats, units)``."""
    if np.any(k > 1):
        return rng.multinomial(total, k / k.sum()).astype(np.float64)
    # One draw after the other costs a quarter of what binomial numbers do.
    repeat = np.repeat(np.arange(total.size) * k.size, total)
    which = repeat + rng.integers(k.size, size=repeat.size)
    return np.bincount(which, minlength=total.size * k.size).reshape(total.size, k.size).astype(np.float64)
