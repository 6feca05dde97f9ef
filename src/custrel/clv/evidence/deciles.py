r"""Deciles: do those of whom much is expected buy much, and those of whom little is, little?

Customers are put in groups of equal size by what was expected of them, before anything is known of what they did. In
each group the mean that came should be the mean that was expected. A law may be right in the total and wrong here: with
too much expected of the best and too little of the others, or the reverse.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import ndtri

from custrel.checked import checked_count, checked_level
from custrel.errors import DomainError
from custrel.frames import leave
from custrel.stats.scores import ranked_groups

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from custrel.stats.estimate import Array

__all__ = ["calibration_by_deciles"]


def calibration_by_deciles(
    expected: ArrayLike, actual: Any, *, groups: int = 10, level: float = 0.95, like: str = "pandas"
) -> Any:
    r"""Mean of what was expected and of what came, in groups of customers from the least expected to the most.

    Parameters
    ----------
    expected
        What was expected of each customer, ``(customers,)``: purchases, or the probability of any.
    actual
        What each of them did, in the same order: purchases or another amount of 0 or more, what
        `Interactions.purchases_between` returns, or whether they bought (True or False).
    groups
        How many groups. Customers of whom equally much was expected stay together, in the group that the middle one of
        them falls in, so groups may differ in size, or be missing, and the order of customers does not matter.
    level
        The share of repeats in which an interval holds the true mean.
    like
        The library whose frame comes back.

    Returns
    -------
    Frame with a row for each group: group (1 is the least expected), n, expected and actual (means), low, high. The
    interval of a share of customers is Wilson's [1]_. That of a mean is normal, from the scatter in the group, and made
    on the log scale so that it never reaches below 0; a group of one customer, or where nobody bought, has none (NaN).

    Raises
    ------
    DomainError
        If the two do not fit each other, or hold what cannot be.

    References
    ----------
    .. [1] Wilson, E. B. (1927). Probable Inference, the Law of Succession, and Statistical Inference. Journal of the
       American Statistical Association 22(158), 209-212. https://doi.org/10.1080/01621459.1927.10502953

    Examples
    --------
    The two of whom most was expected bought 3 times and once, where 0.95 was expected of each on average:

    >>> calibration_by_deciles([0.2, 0.1, 1.0, 0.9], [0, 1, 3, 1], groups=2).round(2)
       group  n  expected  actual   low  high
    0      1  2      0.15     0.5  0.07  3.55
    1      2  2      0.95     2.0  0.75  5.33
    """
    count, level = checked_count("groups", groups), checked_level(level)
    given = np.asarray(getattr(actual, "purchases", actual))
    given = np.array(given.tolist()) if given.dtype == object else given  # as nullable columns come
    whether = given.dtype == bool
    said, came = _each("expected", expected), _each("actual", given)
    _refuse_unlike(said, came, whether=whether)
    group, rows = np.unique(ranked_groups(said, count), return_inverse=True)
    n: NDArray[np.intp] = np.bincount(rows)
    said, mean = (np.bincount(rows, weights=one) / n for one in (said, came))
    scatter = np.bincount(rows, weights=(came - mean[rows]) ** 2).astype(np.float64)
    low, high = _of_share(mean, n, level) if whether else _of_mean(mean, scatter, n, level)
    columns = {"group": group + 1, "n": n, "expected": said, "actual": mean, "low": low, "high": high}
    return leave(columns, like=like)


def _of_mean(mean: Array, scatter: Array, n: NDArray[np.intp], level: float) -> tuple[Array, Array]:
    """A normal interval on the log scale, from the sum of squared distances to the mean."""
    with np.errstate(invalid="ignore", divide="ignore"):
        error = np.sqrt(scatter / (n - 1) / n) / mean
    half = ndtri(0.5 + level / 2) * error
    return mean * np.exp(-half), mean * np.exp(half)


def _of_share(share: Array, n: NDArray[np.intp], level: float) -> tuple[Array, Array]:
    """Wilson's interval."""
    z2 = ndtri(0.5 + level / 2) ** 2
    middle, half = share + z2 / (2 * n), np.sqrt(z2 * (share * (1 - share) + z2 / (4 * n)) / n)
    return np.maximum(0.0, middle - half) / (1 + z2 / n), (middle + half) / (1 + z2 / n)


def _each(name: str, given: Any) -> Array:
    """Finite numbers of 0 or more, one for each customer."""
    try:
        values = np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DomainError(
            f"calibration_by_deciles: {name} must hold numbers, one for each customer: {error}"
        ) from error
    if values.ndim != 1 or not values.size:
        raise DomainError(
            f"calibration_by_deciles: {name} must hold a number for each of one customer or more, "
            f"got the shape {values.shape}"
        )
    if bad := int(np.sum(~(np.isfinite(values) & (values >= 0)))):
        raise DomainError(
            f"calibration_by_deciles: {name} must hold finite numbers, 0 or more; {bad:,} of {values.size:,} are not"
        )
    return values


def _refuse_unlike(expected: Array, actual: Array, *, whether: bool) -> None:
    if expected.shape != actual.shape:
        raise DomainError(
            "calibration_by_deciles: expected and actual must be of the same customers, "
            f"got {expected.size:,} and {actual.size:,}"
        )
    if whether and (bad := int(np.sum(expected > 1))):
        raise DomainError(
            "calibration_by_deciles: where actual says whether customers bought, expected must hold probabilities; "
            f"{bad:,} of {expected.size:,} are above 1: give numbers of purchases as actual, or p_active as expected"
        )
