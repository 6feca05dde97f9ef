r"""Smoothed: where does a score stand when the chance of its answers is taken out?

The level may wander. What is seen of a period is the level and the chance of its answers, whose variance is known,

.. math:: y_t = \mu_t + \varepsilon_t, \quad \mu_{t + g} = \mu_t + \eta_t, \quad
   \operatorname{Var} \varepsilon_t = s^2 / m_t, \quad \operatorname{Var} \eta_t = g \, q

for m answers with the variance :math:`s^2` of one, pooled over the periods, and g periods from one value to the next.
The Kalman filter gives the likelihood of q, and the smoother the level and its error, given all values [1]_.

References
----------
.. [1] Durbin, J., & Koopman, S. J. (2012). Time Series Analysis by State Space Methods, 2nd ed. Oxford University
   Press. Chapter 2. https://doi.org/10.1093/acprof:oso/9780199641178.001.0001
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import ndtri

from custrel.checked import checked_level
from custrel.feedback.over_time.periods import ENDS, Series, read

if TYPE_CHECKING:
    from collections.abc import Sequence

    from custrel.stats.estimate import Array

__all__ = ["local_level", "smoothed", "step_variance"]


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
