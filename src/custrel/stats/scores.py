r"""Scores: how far forecasts of counts fell from what came. One forecast and one count for each customer.

A count is foretold by its mean, or by the chances of 0, 1, 2, ... purchases. A score of chances is proper [1]_: on
average nobody does better than who names the true ones.

References
----------
.. [1] Gneiting, T., & Raftery, A. E. (2007). Strictly Proper Scoring Rules, Prediction, and Estimation. Journal of the
   American Statistical Association 102(477), 359-378. https://doi.org/10.1198/016214506000001437
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from custrel.errors import DomainError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from custrel.stats.estimate import Array

__all__ = [
    "bias",
    "calibration_error",
    "count_scores",
    "gini",
    "lift",
    "mean_absolute_error",
    "ranked_groups",
    "root_mean_squared_error",
    "total_error",
]

TAIL = 1e-7  # chances beyond this add less than it times the mean to a score
_DIGITS = 1e-12  # relative
_STEP = 16  # counts asked for at a time, to begin with
_CELLS = 1 << 17  # counts x customers at a time, after that
_MOST = 1 << 20  # purchases that nobody makes


def total_error(expected: Array, actual: Array, *, weights: Array | None = None) -> float:
    """The sum of what was expected less that of what came, by what came; NaN where nothing came.

    >>> total_error(np.array([1.0, 2.0]), np.array([0.0, 2.0]))
    0.5
    """
    came = float(np.average(actual, weights=weights))
    return bias(expected, actual, weights=weights) / came if came else np.nan


def bias(expected: Array, actual: Array, *, weights: Array | None = None) -> float:
    """Mean of expected less actual: above 0 where too much is expected.

    >>> bias(np.array([1.0, 2.0]), np.array([0.0, 2.0]))
    0.5
    """
    return float(np.average(expected - actual, weights=weights))


def mean_absolute_error(expected: Array, actual: Array, *, weights: Array | None = None) -> float:
    """Mean distance of a customer's expectation from what came, in purchases.

    >>> mean_absolute_error(np.array([1.0, 1.0]), np.array([0.0, 4.0]))
    2.0
    """
    return float(np.average(np.abs(expected - actual), weights=weights))


def root_mean_squared_error(expected: Array, actual: Array, *, weights: Array | None = None) -> float:
    """Root of the mean squared distance, in purchases: of means, the one nearest to the truth has the smallest.

    >>> round(root_mean_squared_error(np.array([1.0, 1.0]), np.array([0.0, 4.0])), 3)  # the root of 5
    2.236
    """
    return float(np.sqrt(np.average(np.square(expected - actual), weights=weights)))


def count_scores(
    chances: Callable[[NDArray[np.intp], NDArray[np.intp]], Array], actual: NDArray[np.intp]
) -> tuple[Array, Array]:
    r"""Logarithmic score and continuous ranked probability score of each count that came.

    The first is :math:`\log P(y)`, higher is better, and -inf where the chance is 0, or too small for a float; the
    second, in purchases and lower is better, is [1]_

    .. math:: \sum_{n=0}^{\infty} \left(F(n) - 1\{y \le n\}\right)^2 .

    The CRPS of a forecast that is one number is its distance from y. The sum ends where less than 1e-7 is left of the
    chances.

    Parameters
    ----------
    chances
        Given counts n, ``(counts, 1)``, and indices of customers, their probabilities ``(counts, customers)``.
    actual
        The count y that came, ``(customers,)``.

    Raises
    ------
    DomainError
        If the chances of a million counts do not add up to 1.

    References
    ----------
    .. [1] Czado, C., Gneiting, T., & Held, L. (2009). Predictive Model Assessment for Count Data. Biometrics 65(4),
       1254-1261. https://doi.org/10.1111/j.1541-0420.2009.01191.x

    Examples
    --------
    Nothing or one purchase, at even chances, and one comes: log 1/2, and (1/2)^2 for the half that was put on nothing.

    >>> logs, crps = count_scores(lambda n, of: np.where(n < 2, 0.5, 0.0) + 0 * of, np.array([1]))
    >>> logs.round(4), crps
    (array([-0.6931]), array([0.25]))
    """
    reached, crps, came = np.zeros((3, actual.size))
    left, low, size = np.arange(actual.size), 0, _STEP
    while left.size:
        n, y = np.arange(low, low + size)[:, None], actual[left]
        p = chances(n, left)
        below = reached[left] + np.cumsum(p, axis=0)
        crps[left] += np.sum(np.square(np.where(n < y, below, 1 - below)), axis=0)
        here = np.flatnonzero((low <= y) & (y < low + size))
        came[left[here]] = p[y[here] - low, here]
        reached[left] = below[-1]
        low += size
        left = left[(below[-1] < 1 - TAIL) | (y >= low)]
        if low >= _MOST and left.size:
            found = f"those of one customer make {reached[left].min():.8g}"
            raise DomainError(f"the chances of 0 to {low - 1:,} purchases must add up to 1; {found}")
        size = max(_STEP, min(low, _CELLS // max(left.size, 1)))
    with np.errstate(divide="ignore"):
        return np.log(came), crps


def gini(expected: Array, actual: Array) -> float:
    r"""How well the order of expectations is that of what came: 1 is as well as can be, 0 as well as by lot.

    Of any two customers, the difference between what came of them is won where the order is right, and lost where it is
    wrong; equal expectations win nothing. This sum is taken by the most there is to win,

    .. math:: \frac{\sum_{i<j} \mathrm{sign}(e_i - e_j)(y_i - y_j)}{\sum_{i<j} |y_i - y_j|} ,

    which is the Gini correlation [1]_, and the area between the curve of what the first so many customers brought and
    the diagonal, by the area that the perfect order has. NaN where the same came of all.

    References
    ----------
    .. [1] Schechtman, E., & Yitzhaki, S. (1987). A measure of association based on Gini's mean difference.
       Communications in Statistics - Theory and Methods 16(1), 207-231. https://doi.org/10.1080/03610928708829359

    Examples
    --------
    The differences are 3, 3 and 0; the first is won, the second neither won nor lost.

    >>> gini(np.array([2.0, 1.0, 2.0]), np.array([3.0, 0.0, 0.0]))
    0.5
    """
    most = float(actual @ (2 * _ranks(actual) - actual.size - 1))
    return float(actual @ (2 * _ranks(expected) - actual.size - 1)) / most if most else np.nan


def lift(expected: Array, actual: Array, *, at: float = 0.1) -> float:
    """What came of the share of customers of whom most was expected, by what came of as many taken by lot.

    Where the border runs through customers of equal expectation, they count in part. NaN where nothing came.

    References
    ----------
    .. [1] Neslin, S. A., Gupta, S., Kamakura, W., Lu, J., & Mason, C. H. (2006). Defection Detection. Journal of
       Marketing Research 43(2), 204-211. https://doi.org/10.1509/jmkr.43.2.204

    Examples
    --------
    The best fifth brought 3 of 4 purchases.

    >>> lift(np.array([5.0, 1.0, 1.0, 1.0, 1.0]), np.array([3.0, 1.0, 0.0, 0.0, 0.0]), at=0.2)
    3.75
    """
    total = float(actual.sum())
    alike = _alike(-expected)
    sums = [np.cumsum(np.bincount(alike, weights=of)) for of in (np.ones(actual.size), actual)]
    customers, came = (np.concatenate([[0.0], one]) for one in sums)
    return float(np.interp(at * actual.size, customers, came)) / (at * total) if total else np.nan


def calibration_error(expected: Array, actual: Array, *, groups: int = 10) -> float:
    """Mean distance of the mean expected from the mean that came, over groups of customers from low to high.

    The groups are as many customers of the lowest expectation, as many of the next, and so on; those of equal
    expectation stay together, in the group of their middle. Each group counts by its customers. By chance alone it is
    above 0 for the true expectations too, the more so the fewer the customers.

    Examples
    --------
    Of the lower half 1 was expected and 2 came, of the upper half 3 and 3.

    >>> calibration_error(np.array([1.0, 1.0, 2.0, 4.0]), np.array([4.0, 0.0, 3.0, 3.0]), groups=2)
    0.5
    """
    apart = np.bincount(ranked_groups(expected, groups), weights=expected - actual)
    return float(np.abs(apart).sum() / expected.size)


def ranked_groups(values: Array, groups: int) -> NDArray[np.intp]:
    """0 for as many as make one of so many groups, of the lowest values, 1 for those of the next ones, and so on.

    Equal values stay together, in the group of their middle; so groups may differ in size, or be empty.

    >>> ranked_groups(np.array([3.0, 1.0, 2.0, 2.0, 2.0, 9.0]), 3)
    array([2, 0, 1, 1, 1, 2])
    """
    return ((_ranks(values) - 0.5) * groups / values.size).astype(np.intp)


def _ranks(values: Array) -> Array:
    """1 for the lowest; equal values share the mean of their ranks."""
    alike = _alike(values)
    size = np.bincount(alike)
    return np.asarray((np.cumsum(size) - (size - 1) / 2)[alike])


def _alike(values: Array) -> NDArray[np.intp]:
    """0 for all of the lowest value, 1 for those of the next one, and so on.

    What differs in the last digits alone is equal: sums of the same amounts in another order do.
    """
    order = np.argsort(values, kind="stable")
    ahead, steps = np.abs(values[order[1:]]), np.diff(values[order])
    groups = np.zeros(values.size, dtype=np.intp)
    groups[order[1:]] = np.cumsum(steps > _DIGITS * ahead)
    return groups
