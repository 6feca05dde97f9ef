r"""Gompertz: integrals over lifetimes whose rate of leaving grows with age, all in units of 1 / b.

A customer has survived the age v = b t with probability :math:`e^{-s G(v)}`, :math:`G = \log(1 + (e^v - 1) / \beta)`.
Either of v and G is the other plus a logarithm that bends but once, so nothing cancels or overflows. The integrals run
over whichever of the two the integrand is the smoother in: G where beta is 1 or more, v where it is less.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import gammaln

from custrel.stats.quadrature import FALL, smooth_integral
from custrel.stats.special import log_rising

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from custrel.stats.estimate import Array

__all__ = ["beta_of_the_living", "gone_with", "over_life", "wear_by"]

_FULL = 600.0  # exp(600) is still a float; beyond, the logarithm of e^v - 1 is v
_NONE = 1e-300


def wear_by(v: float | Array, beta: float | Array) -> Array:
    """G of survival e^(-s G) at the age v = b t: log(1 + (e^v - 1) / beta). With 1 / beta for beta, the age for a G.

    >>> np.exp(wear_by(np.log([1.0, 3.0]), 2.0)), wear_by(np.array([1e6]), 2.0).round(6)  # (1e6 - log(2))
    (array([1., 2.]), array([999999.306853]))
    """
    near = np.minimum(v, _FULL)
    return np.asarray(np.log1p(np.expm1(near) / beta) + (v - near))


def beta_of_the_living(v: float | Array, beta: float | Array) -> Array:
    """What is beta for a new customer, for one who is still there at the age v = b t."""
    return np.asarray(beta * np.exp(-np.asarray(v)) - np.expm1(-np.asarray(v)))


def over_life(
    m: float | Array,
    a: float | Array,
    s: float | Array,
    beta: float | Array,
    span: Array,
    *,
    decay: float | Array = 0.0,
    leaving: bool = False,
    means: bool = False,
) -> tuple[Array, ...]:
    r"""Logarithm of :math:`\int_0^{span} (1 + v/a)^{-m} e^{-decay\,v - s G(v)} dv`, over dG where they are leaving.

    Asked for means, also those of log(1 + v/a), 1 / (1 + v/a), G, e^-G, 1 - e^-G, v e^-G and v (1 - e^-G).
    """
    rows = np.broadcast_arrays(*(np.asarray(one, dtype=np.float64) for one in (m, a, s, beta, span, decay)))
    m, a, s, beta, span, decay = (row.ravel() for row in rows)
    end, bend = _reach(m, a, s, beta, span, decay)
    late, steep, turned = _runs(beta, leaving=leaving)
    life = _life_and_means if means else _life
    log_area, *found = smooth_integral(life, (np.zeros_like(end), end), bend, (m, a, s, decay, late, steep - 1, turned))
    return tuple(answer.reshape(rows[0].shape) for answer in (log_area + turned * np.log(steep), *found))


def _runs(beta: Array, *, leaving: bool) -> tuple[Array, Array, Array]:
    """Over which variable the integral runs: G where it bends less than v does, which is late in life, or v itself.

    The other one is d + log(1 + (steep - 1) (1 - e^-d)), and `turned` is 1 where it is the one to integrate over.
    """
    late = np.where(beta >= 1, 1.0, 0.0)
    return late, np.where(beta >= 1, beta, 1 / beta), np.abs(late - leaving)


def _reach(m: Array, a: Array, s: Array, beta: Array, span: Array, decay: Array) -> tuple[Array, Array]:
    """Where nothing is left to integrate, since the integrand falls from the beginning; and where it begins to bend."""
    late, steep, _ = _runs(beta, leaving=True)
    soon = (m + 1) / a + decay
    bend = 1 / np.where(late, s + steep * (1 + soon), soon + steep * (1 + s))
    whole = _of_age(span, beta)
    fall = FALL + np.log1p(np.minimum(whole, 1 / s) / bend)
    by_v = np.minimum(a * np.expm1(np.minimum(fall / np.maximum(m, _NONE), _FULL)), fall / np.maximum(decay, _NONE))
    by_wear = np.where(late, fall / s, wear_by(fall / s, 1 / beta))
    return np.minimum(whole, np.minimum(_of_age(by_v, beta), by_wear)), bend


def _of_age(v: Array, beta: Array) -> Array:
    """The variable that the integral runs over, at an age v."""
    return np.where(beta >= 1, wear_by(v, beta), v)


def _life(
    d: Array, m: Array, a: Array, s: Array, decay: Array, late: Array, steeper: Array, turned: Array
) -> tuple[Array, ...]:
    """Logarithm of what `over_life` integrates, relative to its beginning."""
    v, wear, more = _ages(d, late, steeper)
    return (-m * np.log1p(v / a) - decay * v - s * wear - turned * more,)


def _life_and_means(
    d: Array, m: Array, a: Array, s: Array, decay: Array, late: Array, steeper: Array, turned: Array
) -> tuple[Array, ...]:
    """The same, with what is averaged."""
    v, wear, more = _ages(d, late, steeper)
    bought, gone = np.log1p(v / a), -np.expm1(-d)
    grown = np.where(late, 1.0, 1 + steeper * gone)  # e^(wear - d), without another exp
    fresh, worn = np.exp(-d) / grown, gone * np.where(late, 1.0, 1 + steeper) / grown
    log_density = -m * bought - decay * v - s * wear - turned * more
    return log_density, bought, 1 / (1 + v / a), wear, fresh, worn, v * fresh, v * worn


def _life_after(d: Array, n: Array, m: Array, a: Array, s: Array, *others: Array) -> tuple[Array, ...]:
    """The same as `_life`, for those who had bought n times."""
    (log_density,), (_, late, steeper, _) = _life(d, m, a, s, *others), others
    return (log_density - n * np.log1p(a / _ages(d, late, steeper)[0]),)


def _ages(d: Array, late: Array, steeper: Array) -> tuple[Array, Array, Array]:
    """The age v and its G, of which d is the one; and by how much the other is more."""
    more = np.log1p(steeper * -np.expm1(-d))
    return d + late * more, d + (1 - late) * more, more


def gone_with(r: Array, a: Array, s: Array, beta: Array, n: Array, span: Array) -> Array:
    """Probability of having left before the age span, after n purchases; all of it in units of 1 / b."""
    low, high = (_of_age(np.exp(end), beta) for end in _when_gone(r, a, s, beta, n, span))
    none = np.zeros_like(s)
    _, bend = _reach(r, a, s, beta, span, none)
    late, steep, turned = _runs(beta, leaving=True)
    rows, change = (n, r, a, s, none, late, steep - 1, turned), np.full(n.shape, 2 * FALL)
    (log_area,) = smooth_integral(_life_after, (low, high), np.maximum(bend, low), rows, change=change)
    return np.asarray(np.exp(log_rising(r, n) - gammaln(n + 1) + np.log(s) + log_area + turned * np.log(steep)))


def _when_gone(r: Array, a: Array, s: Array, beta: Array, n: Array, span: Array) -> tuple[Array, Array]:
    """The logarithms of the ages between which customers leave after n purchases, were their rate of leaving constant.

    It is not, but it changes no more than beta-fold, and what is cut off is less than exp(-42) of the top.
    """
    latest = np.log(span)
    soonest = np.minimum(latest, np.log(0.5 / ((n + r) / a + s * np.maximum(1, 1 / beta))))

    def rises(u: Array) -> NDArray[np.bool_]:
        v = np.exp(u)
        return np.asarray(n + 1 > (n + r) * v / (a + v) + s * v / beta_of_the_living(v, beta))

    def height(u: Array) -> Array:
        v = np.exp(u)
        return np.asarray((n + 1) * u - (n + r) * np.log(a + v) - s * wear_by(v, beta))

    top = _last(rises, soonest, latest)
    floor = height(top) - FALL
    low, high = (_last(lambda u: np.asarray(height(u) > floor), top, end) for end in (soonest - 90, latest))
    return low, high


def _last(holds: Callable[[Array], NDArray[np.bool_]], here: Array, there: Array) -> Array:
    """Just behind where it ceases to hold on the way from here to there, by halves; there, where it never does."""
    for _ in range(24):
        middle = (here + there) / 2
        still = holds(middle)
        here, there = np.where(still, middle, here), np.where(still, there, middle)
    return there
