r"""Trend: does a score rise or fall over its periods?

By a line through the values, each weighted by its answers, or by ranks alone (Mann and Kendall [1]_ [2]_, with Sen's
slope [3]_).

References
----------
.. [1] Mann, H. B. (1945). Nonparametric Tests Against Trend. Econometrica 13(3), 245-259.
   https://doi.org/10.2307/1907187
.. [2] Kendall, M. G. (1975). Rank Correlation Methods, 4th ed. Griffin.
.. [3] Sen, P. K. (1968). Estimates of the Regression Coefficient Based on Kendall's Tau. Journal of the American
   Statistical Association 63(324), 1379-1389. https://doi.org/10.1080/01621459.1968.10480934
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import ndtr, ndtri, stdtr, stdtrit

from custrel.checked import checked_level
from custrel.errors import one_of
from custrel.feedback.over_time.control_chart import widening
from custrel.feedback.over_time.periods import Series, read
from custrel.frames import leave

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from custrel.stats.estimate import Array

__all__ = ["kendall", "line", "trend_test"]

EXACT = 30
"""Up to so many periods the chances of all orders are counted."""


def trend_test(
    periods: Any,
    by: str | Sequence[str] = (),
    *,
    method: str = "regression",
    over_dispersion: bool | str = "auto",
    level: float = 0.95,
    kind: str | None = None,
) -> Any:
    """Whether a score rises or falls over its periods, for each group.

    Parameters
    ----------
    periods, by, kind
        A table of periods, as for `control_chart`, the columns of its groups, and what its values are.
    method
        ``"regression"``: a straight line through the values, each weighted by its answers; ``"mann_kendall"``: ranks,
        for any trend that keeps its direction, with Sen's median slope; every period then counts alike.
    over_dispersion
        Of the line, ``"auto"``: errors are widened by the scatter around it where that is above what answers explain,
        and Student's quantile is taken; True: always; False: never.
    level
        Level of the interval.

    Returns
    -------
    A frame of the caller's library with a row for each group: the columns of the groups, value (the change from one
    period to the next), low, high, n (periods with answers), p (two-sided), per (what a period is: ``"month"``),
    over_dispersion (scatter around the line, by what answers explain; missing for ranks) and method. Where less than
    two periods have answers, or all answers are alike, nothing is known.

    Raises
    ------
    SchemaError
        If a column is missing, or holds something else.
    DomainError
        If no group has answers in two periods, a period stands twice in a group, or an argument is none of those above.

    Notes
    -----
    Ranks: with up to 30 periods p counts all orders in which these values could have come, ties included; beyond, it is
    that of a normal curve, with ties and continuity allowed for. Both tests take the periods for independent: a score
    that wanders shows trends that end tomorrow.

    Examples
    --------
    >>> import pandas as pd
    >>> months = pd.DataFrame({"period": [1, 2, 3], "value": [0.4, 0.5, 0.6], "n": [100, 100, 100]})
    >>> found = trend_test(months, kind="share")
    >>> found[["value", "low", "high", "n", "p"]].round(4)  # 0.1 ± 1.96 sqrt(0.5 * 0.5 / 100 / 2)
       value     low    high  n       p
    0    0.1  0.0307  0.1693  3  0.0047
    >>> round(float(trend_test(months, kind="share", method="mann_kendall")["p"].iloc[0]), 4)  # 2 of 6 orders
    0.3333
    """
    one_of("method", method, ["regression", "mann_kendall"])
    one_of("over_dispersion", over_dispersion, ["auto", True, False])
    checked_level(level)
    table = read(periods, by, kind, purpose="a test for trend")
    told = [_told(one, method, level, over_dispersion=over_dispersion) for one in table.series]
    columns: dict[str, NDArray[Any]] = {
        name: np.array([one[name] for one in told], dtype=np.float64) for name in told[0] if name != "method"
    }
    columns["n"] = columns["n"].astype(np.int64)
    columns["per"] = np.full(len(told), table.per, dtype=object)
    columns["method"] = np.array([one["method"] for one in told], dtype=object)
    return leave({**table.groups, **columns}, like=table.like, missing=["value", "low", "high", "p", "over_dispersion"])


def _told(series: Series, method: str, level: float, *, over_dispersion: bool | str) -> dict[str, Any]:
    known = series.known
    at, value, n = series.at[known], series.value[known], int(known.sum())
    spread = series.pooled(known)[1] if n >= 2 else np.nan
    if not spread > 0:
        slope = low = high = p = scatter = np.nan
        said = method
    elif method == "regression":
        found = line(at, value, spread / series.size[known], level, over_dispersion=over_dispersion)
        (slope, low, high, p, scatter), said = found, method
    else:
        slope, low, high, p = kendall(at, value, level)
        scatter, said = np.nan, f"mann_kendall, {'exact' if n <= EXACT else 'normal'}"
    return {"value": slope, "low": low, "high": high, "n": n, "p": p, "over_dispersion": scatter, "method": said}


def line(
    at: Array, value: Array, variance: Array, level: float, *, over_dispersion: bool | str
) -> tuple[float, float, float, float, float]:
    r"""Slope :math:`b = \sum w (t - \bar t) y / \sum w (t - \bar t)^2`, its bounds and p, and the scatter

    With :math:`w = 1 / \operatorname{Var} y`, b has the variance :math:`1 / \sum w (t - \bar t)^2`, times the square of
    the scatter :math:`\sqrt{\sum w (y - \hat y)^2 / (k - 2)}` if that is allowed for.

    >>> [round(one, 4) for one in line(np.arange(3.0), np.array([1.0, 2, 6]), np.ones(3), 0.95, over_dispersion=False)]
    [2.5, 1.1141, 3.8859, 0.0004, 1.2247]
    """
    w, free = 1 / variance, at.size - 2
    t = at - np.average(at, weights=w)
    slope, error = float(np.sum(w * t * value) / np.sum(w * t**2)), 1 / float(np.sqrt(np.sum(w * t**2)))
    left = value - np.average(value, weights=w) - slope * t
    scatter = float(np.sqrt(np.sum(w * left**2) / free)) if free else float("nan")
    factor = widening(scatter, asked=over_dispersion)
    error *= factor
    z = abs(slope) / error
    if over_dispersion and factor == scatter:
        half, p = -float(stdtrit(free, 0.5 - level / 2)) * error, 2 * float(stdtr(free, -z))
    else:
        half, p = -float(ndtri(0.5 - level / 2)) * error, 2 * float(ndtr(-z))
    return slope, slope - half, slope + half, p, scatter


# -- ranks -------------------------------------------------------------------------------------------------------------
def kendall(at: Array, value: Array, level: float) -> tuple[float, float, float, float]:
    """Sen's slope, its bounds, and p of Mann's and Kendall's test, for values in the order of their times.

    The bounds are those between which the test, of the values less a line, does not reject the line's slope; with few
    periods it rejects none, and they are infinite.

    >>> kendall(np.arange(4.0), np.array([1.0, 2.0, 4.0, 3.0]), 0.95)  # S = 4: one order in 24 has 6, three have 4
    (0.8333333333333333, -inf, inf, 0.3333333333333333)
    """
    earlier, later = np.triu_indices(at.size, 1)
    rises = value[later] - value[earlier]
    slopes = np.sort(rises / (at[later] - at[earlier]))
    ties = np.unique(value, return_counts=True)[1]
    p = _chance_beyond(abs(float(np.sign(rises).sum())), ties)
    # Values less a line have no ties.
    kept = _highest_kept(np.ones(at.size, dtype=np.int64), level)
    out = int((slopes.size - kept) // 2)
    low, high = (slopes[out - 1], slopes[slopes.size - out]) if out > 0 else (-np.inf, np.inf)
    return float(np.median(slopes)), float(low), float(high), p


def _chance_beyond(S: float, ties: NDArray[np.int64]) -> float:
    """Chance of such an S or one farther from 0."""
    if ties.sum() <= EXACT:
        sums, chance = _null(ties)
        return float(min(1.0, chance[np.abs(sums) >= S].sum()))
    return 2 * float(ndtr(-max(S - 1, 0) / np.sqrt(_variance(ties)))) if S else 1.0


def _highest_kept(ties: NDArray[np.int64], level: float) -> float:
    """The highest S that is not rejected."""
    if ties.sum() <= EXACT:
        sums, chance = _null(ties)
        return float(next(S for S in sorted(sums, reverse=True) if chance[np.abs(sums) >= S].sum() > 1 - level))
    return -float(ndtri(0.5 - level / 2) * np.sqrt(_variance(ties)))


def _variance(ties: NDArray[np.int64]) -> float:
    r""":math:`[n (n - 1) (2 n + 5) - \sum t (t - 1) (2 t + 5)] / 18`"""
    n = ties.sum()
    return float(n * (n - 1) * (2 * n + 5) - np.sum(ties * (ties - 1) * (2 * ties + 5))) / 18


def _null(ties: NDArray[np.int64]) -> tuple[Array, Array]:
    r"""All sums S and their chances: those of inversions, whose numbers are the coefficients of

    :math:`\prod_{i \leq n} (1 - x^i) / \prod_t \prod_{i \leq t} (1 - x^i)`, where t values are alike.

    >>> _null(np.array([1, 1, 1]))
    (array([ 3.,  1., -1., -3.]), array([0.16666667, 0.33333333, 0.33333333, 0.16666667]))
    """
    n = int(ties.sum())
    pairs = (n * (n - 1) - int(np.sum(ties * (ties - 1)))) // 2
    orders = np.zeros(pairs + 1, dtype=object)  # whole numbers of any length
    orders[0] = 1
    for i in range(1, min(n, pairs) + 1):
        orders[i:] = orders[i:] - orders[:-i]
    for i in (one for t in ties.tolist() for one in range(1, t + 1)):
        for first in range(min(i, pairs + 1)):
            orders[first::i] = np.cumsum(orders[first::i])
    all_ = orders.sum()
    return np.arange(pairs, -pairs - 1.0, -2.0), np.array([one / all_ for one in orders], dtype=np.float64)


# -- a level that wanders ----------------------------------------------------------------------------------------------
