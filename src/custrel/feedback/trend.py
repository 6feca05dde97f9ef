r"""Trend: does a score rise or fall over its periods, and where does it stand when chance is smoothed away?

`trend_test` asks for one direction, by a line through the values, each weighted by its answers, or by ranks alone
(Mann and Kendall [1]_ [2]_, with Sen's slope [3]_). `smoothed` follows a level that may wander: what is seen of a
period is the level and the chance of its answers, whose variance is known,

.. math:: y_t = \mu_t + \varepsilon_t, \quad \mu_{t + g} = \mu_t + \eta_t, \quad
   \operatorname{Var} \varepsilon_t = s^2 / m_t, \quad \operatorname{Var} \eta_t = g \, q

for m answers with the variance :math:`s^2` of one, pooled over the periods, and g periods from one value to the next.
The Kalman filter gives the likelihood of q, and the smoother the level and its error, given all values [4]_.

References
----------
.. [1] Mann, H. B. (1945). Nonparametric Tests Against Trend. Econometrica 13(3), 245-259.
   https://doi.org/10.2307/1907187
.. [2] Kendall, M. G. (1975). Rank Correlation Methods, 4th ed. Griffin.
.. [3] Sen, P. K. (1968). Estimates of the Regression Coefficient Based on Kendall's Tau. Journal of the American
   Statistical Association 63(324), 1379-1389. https://doi.org/10.1080/01621459.1968.10480934
.. [4] Durbin, J., & Koopman, S. J. (2012). Time Series Analysis by State Space Methods, 2nd ed. Oxford University
   Press. Chapter 2. https://doi.org/10.1093/acprof:oso/9780199641178.001.0001
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import ndtr, ndtri, stdtr, stdtrit

from custrel.checked import checked_level
from custrel.errors import one_of
from custrel.feedback.control_chart import ENDS, Series, read, widening
from custrel.frames import leave

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from custrel.stats.estimate import Array

__all__ = ["kendall", "line", "local_level", "smoothed", "step_variance", "trend_test"]

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
def smoothed(periods: Any, by: str | Sequence[str] = (), *, level: float = 0.95, kind: str | None = None) -> Any:
    """The level of a score in each period, given the values of all periods, for each group.

    Parameters
    ----------
    periods, by, kind
        A table of periods, as for `control_chart`, the columns of its groups, and what its values are.
    level
        Level of the intervals.

    Returns
    -------
    A frame of the caller's library, in the order of groups and periods, with the columns of the groups, period, value
    (the level), low, high, observed (the value of the table), n, step (how far the level moves from one period to the
    next: the standard deviation) and kind. A period of the table without answers has a level, too, with a wider
    interval; where the table lacks a period, the level has the more time to move. A group with answers in one period
    only has no level.

    Raises
    ------
    SchemaError
        If a column is missing, or holds something else.
    DomainError
        If no group has answers in two periods, a period stands twice in a group, or an argument is none of those above.

    Notes
    -----
    How far the level moves is what makes the values likeliest. Often that is 0: then the values scatter no more than
    their answers explain, and the level is the pooled value in every period. The intervals take that step for known,
    so with few periods they are somewhat narrow. If all answers are alike, nothing says how they scatter, and the
    level is missing.

    Examples
    --------
    >>> import pandas as pd
    >>> months = pd.DataFrame({"period": [1, 2, 3], "value": [0.45, 0.55, 0.5], "n": [100, 100, 100]})
    >>> smoothed(months, kind="share").round(3)  # no more scatter than chance: 0.5 ± 1.96 sqrt(0.5 * 0.5 / 300)
       period  value    low   high  observed    n  step   kind
    0       1    0.5  0.443  0.557      0.45  100   0.0  share
    1       2    0.5  0.443  0.557      0.55  100   0.0  share
    2       3    0.5  0.443  0.557      0.50  100   0.0  share
    """
    z = -float(ndtri(0.5 - checked_level(level) / 2))
    table = read(periods, by, kind, purpose="smoothing")
    found = [_smoothed(one) for one in table.series]
    value, error, step = (np.concatenate([one[part] for one in found]) for part in range(3))
    low, high = (np.clip(value + side * z * error, *ENDS[table.kind]) for side in (-1, 1))
    columns = {"value": value, "low": low, "high": high, "observed": table.columns["value"], "n": table.n, "step": step}
    return table.leave(columns | {"kind": np.full(value.size, table.kind, dtype=object)})


def _smoothed(series: Series) -> tuple[Array, Array, Array]:
    """Level, its standard error and the standard deviation of a step, in each period."""
    known, nothing = series.known, np.full(series.value.size, np.nan)
    if known.sum() < 2:
        return nothing, nothing, nothing
    _, spread = series.pooled(known)
    if not spread > 0:
        return nothing, nothing, nothing
    variance = np.where(known, spread / series.size, np.inf)
    q = step_variance(series.at[known], series.value[known], variance[known])
    level, error = local_level(series.at, np.where(known, series.value, 0), variance, q)
    return level, error, np.full(nothing.size, np.sqrt(q))


def local_level(at: Array, value: Array, variance: Array, q: float) -> tuple[Array, Array]:
    """The level at each time and its standard error, given all values; where the variance is infinite, there is none.

    >>> at, value = np.arange(3.0), np.array([0.0, 2.0, 0.0])
    >>> level, error = local_level(at, value, np.ones(3), q=1.0)
    >>> level.round(6)  # 2 a = b and 3 b - 2 a = 2
    array([0.5, 1. , 0.5])
    """
    first = int(np.argmax(np.isfinite(variance)))
    a, P, _, _ = _filtered(at[first:], value[first:], variance[first:], np.asarray(q))
    level, V = [a[-1]], [P[-1]]
    for filtered, seen, gap in zip(a[-2::-1], P[-2::-1], np.diff(at[first:])[::-1], strict=True):
        back = seen / (seen + q * gap)
        V.append(seen + back**2 * (V[-1] - seen - q * gap))
        level.append(filtered + back * (level[-1] - filtered))
    before = at[first] - at[:first]  # nothing is known of these but what comes later
    error = np.sqrt(np.concatenate([V[-1] + q * before, V[::-1]]))
    return np.concatenate([np.full(first, level[-1]), level[::-1]]), error


def _filtered(at: Array, value: Array, variance: Array, q: Array) -> tuple[list[Array], list[Array], Array, Array]:
    """Level given the values so far, and its variance; surprise of each value after the first, and its variance."""
    a, P = [value[0] + 0 * q], [variance[0] + 0 * q]
    surprises, F = [], []
    for gap, y, noise in zip(np.diff(at), value[1:], variance[1:], strict=True):
        ahead = P[-1] + q * gap
        surprises.append(y - a[-1])
        F.append(ahead + noise)
        gain = ahead / F[-1]
        a.append(a[-1] + gain * surprises[-1])
        P.append(ahead * (1 - gain))
    return a, P, np.array(surprises), np.array(F)


def step_variance(at: Array, value: Array, variance: Array) -> float:
    r"""The q that makes the values likeliest: of :math:`-\tfrac12 \sum_{t > 1} (\log F_t + v_t^2 / F_t)` the peak.

    >>> round(step_variance(np.arange(2.0), np.array([0.0, 3.0]), np.ones(2)), 6)  # F = 1 + 1 + q is 3 squared
    7.0
    """
    from scipy.optimize import minimize_scalar  # which takes a tenth of a second to import

    def unlikely(q: Any) -> Array:
        _, _, surprise, F = _filtered(at, value, variance, np.asarray(q, dtype=np.float64))
        return np.asarray(0.5 * np.sum(np.log(F) + surprise**2 / F, axis=0))

    farthest = float(np.max(np.diff(value) ** 2 / np.diff(at)))
    if farthest == 0:
        return 0.0
    low = min(np.log(variance.mean()), np.log(farthest)) - 14
    logs = np.linspace(low, np.log(farthest) + 1, 60)
    peak = int(np.argmin(unlikely(np.exp(logs))))
    bounds = logs[max(peak - 1, 0)], logs[min(peak + 1, 59)]
    found = minimize_scalar(lambda log_q: float(unlikely(np.exp(log_q))), bounds=bounds, options={"xatol": 1e-10})
    # At almost no step the likelihood is flat, and 0 as good.
    return float(np.exp(found.x)) if found.fun < float(unlikely(0.0)) - 1e-9 else 0.0
