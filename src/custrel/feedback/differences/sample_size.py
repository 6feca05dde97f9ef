r"""Sample size: how many answers does a margin, or the detection of a change, take?

The *margin* is half the width of the interval: :math:`n_0 = z^2 v / d^2` answers for a margin d, where v is the
variance of one answer, and :math:`n_0 / (1 + (n_0 - 1) / N)` of a population of N [1]_. A *change* of :math:`\Delta` is
detected if the interval of the difference lies on its side of 0, the chance of which is the power,
:math:`\Phi(|\Delta| \sqrt{n / V} - z)` with :math:`V = v_1 + v_2 - 2 \rho \sqrt{v_1 v_2}` [2]_.

On the scale of shares, from -1 to 1, an answer to NPS has the variance P + D - (P - D)², at most 1; an answer that is
satisfied or not has p (1 - p), at most 1/4. A margin in points is a hundred times one in shares, so `unit` must be
said.

References
----------
.. [1] Cochran, W. G. (1977). Sampling Techniques, 3rd ed. Wiley. Section 4.4.
.. [2] Fleiss, J. L., Levin, B., & Paik, M. C. (2003). Statistical Methods for Rates and Proportions, 3rd ed. Wiley.
   Chapter 4. https://doi.org/10.1002/0471445428
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from scipy.special import ndtr, ndtri

from custrel.checked import checked_count, checked_level, checked_number
from custrel.errors import DomainError, one_of

__all__ = ["power_of_change", "sample_size", "sample_size_for_change"]

_OF_A_SHARE = {"points": 100.0, "share": 1.0}
_WIDEST = {"points": 1.0, "share": 0.25}


def sample_size(
    margin: float, *, unit: str, variance: float | None = None, level: float = 0.95, population: float | None = None
) -> int:
    """How many answers give an interval of this margin: half its width.

    Parameters
    ----------
    margin
        The most that the interval may reach either side, in this unit.
    unit
        ``"points"`` of NPS, of which there are 100 either side of 0; ``"share"`` of a whole, such as CSAT.
    variance
        Of one answer, on the scale of shares: P + D - (P - D)² for NPS, p (1 - p) for a share. The largest there is if
        not given: 1 in points, 1/4 for a share.
    level
        Level of the interval.
    population
        How many customers there are, if so few that a notable part of them would answer.

    Returns
    -------
    A whole number, rounded up, of 2 or more (or the whole population).

    Raises
    ------
    DomainError
        If the margin is 0 or as wide as the scale, or an argument is none of those above.

    Examples
    --------
    >>> sample_size(5, unit="points"), sample_size(10, unit="points")
    (1537, 385)
    >>> sample_size(0.05, unit="share")
    385
    >>> sample_size(5, unit="points", population=5000)
    1176
    """
    d, v = _in_shares("margin", margin, unit), _variance(variance, unit)
    n = _quantile(level) ** 2 * v / d**2
    if population is None:
        return _up(n)
    N = checked_number("population", population)
    if N < 1:
        raise DomainError(f"population must be 1 or more, got {population!r}")
    return min(_up(n / (1 + (n - 1) / N)) if n > 1 else 2, math.floor(N))


def sample_size_for_change(
    change: float,
    *,
    unit: str,
    variance: float | tuple[float, float] | None = None,
    power: float = 0.8,
    level: float = 0.95,
    correlation: float = 0.0,
) -> int:
    """How many answers each of two waves needs, for a change to be detected with this power.

    Parameters
    ----------
    change
        After less before, in this unit.
    unit
        ``"points"`` of NPS, or ``"share"`` of a whole.
    variance
        Of one answer, on the scale of shares, as for `sample_size`; or that before and that after.
    power
        The chance that the interval of the difference lies on the side of 0 where the change is.
    level
        Level of that interval.
    correlation
        Of the two answers of a customer, if the same customers answer in both waves; 0 if others do.

    Returns
    -------
    Answers of each wave, a whole number, rounded up, of 2 or more; with a correlation, customers.

    Raises
    ------
    DomainError
        If the change is 0 or as wide as the scale, or an argument is none of those above.

    Examples
    --------
    >>> sample_size_for_change(10, unit="points", variance=0.61)
    958
    >>> sample_size_for_change(10, unit="points", variance=0.61, correlation=0.5)
    479
    """
    d, V = _in_shares("change", change, unit), _variance_of_change(variance, unit, correlation)
    if not 0 < checked_number("power", power) < 1:
        raise DomainError(f"power must lie between 0 and 1, got {power!r}")
    return _up(max(_quantile(level) + float(ndtri(power)), 0.0) ** 2 * V / d**2)


def power_of_change(
    change: float,
    n: int | tuple[int, int],
    *,
    unit: str,
    variance: float | tuple[float, float] | None = None,
    level: float = 0.95,
    correlation: float = 0.0,
) -> float:
    """The chance to detect a change with so many answers: that its interval lies on the side of 0 where the change is.

    Parameters
    ----------
    change, unit, variance, level, correlation
        As for `sample_size_for_change`.
    n
        Answers of each wave; or those before and those after, if other customers answer.

    Raises
    ------
    DomainError
        If the change is 0 or as wide as the scale, or an argument is none of those above.

    Examples
    --------
    >>> round(power_of_change(10, 958, unit="points", variance=0.61), 3)
    0.8
    >>> round(power_of_change(10, (300, 600), unit="points", variance=0.61), 3)
    0.441
    """
    d = _in_shares("change", change, unit)
    sizes = [checked_count("n", one, least=2) for one in _two("n", n)]
    if correlation and sizes[0] != sizes[1]:
        raise DomainError(f"customers who answer in both waves are as many before as after; n is {n!r}")
    v, w = (_variance(one, unit) / size for one, size in zip(_two("variance", variance), sizes, strict=True))
    V = v + w - 2 * _correlation(correlation) * math.sqrt(v * w)
    return float(ndtr(d / math.sqrt(V) - _quantile(level))) if V > 0 else 1.0


def _in_shares(name: str, amount: Any, unit: str) -> float:
    one_of("unit", unit, _OF_A_SHARE)
    whole = _OF_A_SHARE[unit] * (2 if unit == "points" else 1)
    size = checked_number(name, abs(amount) if name == "change" and isinstance(amount, int | float) else amount)
    if not 0 < size < whole:
        raise DomainError(f"{name} must lie between 0 and {whole:g} in unit={unit!r}, got {amount!r}")
    return size / _OF_A_SHARE[unit]


def _variance(variance: Any, unit: str) -> float:
    if variance is None:
        return _WIDEST[unit]
    if checked_number("variance", variance) > 1:
        raise DomainError(f"variance is that of one answer on the scale of shares, at most 1, got {variance!r}")
    return float(variance)


def _variance_of_change(variance: Any, unit: str, correlation: float) -> float:
    v, w = (_variance(one, unit) for one in _two("variance", variance))
    return v + w - 2 * _correlation(correlation) * math.sqrt(v * w)


def _two(name: str, told: Any) -> tuple[Any, Any]:
    """One for each wave."""
    if not isinstance(told, Sequence):
        return told, told
    if len(told) != 2:
        raise DomainError(f"{name} must be one number, or that before and that after, got {told!r}")
    return told[0], told[1]


def _correlation(correlation: float) -> float:
    if not -1 <= correlation <= 1:
        raise DomainError(f"correlation must lie between -1 and 1, got {correlation!r}")
    return float(correlation)


def _quantile(level: float) -> float:
    return float(ndtri(0.5 + checked_level(level) / 2))


def _up(n: float) -> int:
    """The next whole number, 2 or more; what is whole but for rounding stays."""
    return max(2, math.ceil(n * (1 - 1e-12)))
