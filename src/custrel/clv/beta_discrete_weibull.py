r"""Beta-discrete-Weibull (BdW): how likely a customer is to leave changes the longer they stay.

A customer leaves at the first renewal with a probability :math:`\theta` of their own, spread among customers as
Beta(alpha, beta), and survives t renewals with :math:`(1 - \theta)^{t^c}`: with c above 1 their own chance to leave
grows with each renewal, with c below 1 it falls, and with c = 1 this is the shifted-beta-geometric law.

It wants what that law wants, and three renewals or more. Prefer it where a cohort's retention falls before it rises, or
where the shifted-beta-geometric law misses the last years seen: it forecasts better on short series, too.

References
----------
.. [1] Fader, P. S., Hardie, B. G. S., Liu, Y., Davin, J., & Steenburgh, T. (2018). "How to Project Customer Retention"
   Revisited: The Role of Duration Dependence. Journal of Interactive Marketing 43, 1-16.
   https://doi.org/10.1016/j.intmar.2018.01.002
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar, NamedTuple, Self

import numpy as np

from custrel.clv.contractual import ContractLaw
from custrel.stats.moves import Likelier
from custrel.stats.special import RECURRENCES, beta_mean, digamma_rising, log_beta_ratio, second_differences

if TYPE_CHECKING:
    from collections.abc import Mapping

    from custrel.clv.tenures import Tenures
    from custrel.stats.estimate import Array

__all__ = ["BetaDiscreteWeibull"]

HIGHEST = 345.0  # exp(345) is 1e149: beyond, S falls as exp(-alpha log u), and log u is all that is needed


@dataclass(frozen=True, eq=False)
class BetaDiscreteWeibull(ContractLaw):
    r"""The beta-discrete-Weibull law of Fader, Hardie, Liu, Davin and Steenburgh (2018) [1]_.

    Parameters
    ----------
    alpha, beta
        Parameters of the beta distribution of leaving at the first renewal: its mean is alpha / (alpha + beta).
    c
        Duration dependence: above 1 a customer's own chance to leave grows with each renewal, below 1 it falls.
    unit
        Length of a period, needed to discount; a fitted law knows it.

    Raises
    ------
    DomainError
        If a parameter is not positive and finite.

    References
    ----------
    .. [1] Fader, P. S., Hardie, B. G. S., Liu, Y., Davin, J., & Steenburgh, T. (2018). "How to Project Customer
       Retention" Revisited: The Role of Duration Dependence. Journal of Interactive Marketing 43, 1-16.
       https://doi.org/10.1016/j.intmar.2018.01.002

    Examples
    --------
    Four years of the "high end" customers, and the share predicted to be here after ten; 42.7 were.

    >>> from custrel.clv.tenures import Tenures
    >>> fit = BetaDiscreteWeibull.fit(Tenures.from_survivors([1000, 869, 743, 653, 593], unit="year"))
    >>> fit
    Fit of BetaDiscreteWeibull to 1,000 customers: alpha = 0.2593, beta = 1.723, c = 1.584; log-likelihood -1,222.75
    >>> round(100 * float(fit.model.survival(10)), 1)
    41.8
    """

    alpha: float | Array
    beta: float | Array
    c: float | Array

    betas = (("alpha", "beta"),)
    moves = MappingProxyType({"dropout": Likelier("alpha", "beta")})
    limits: ClassVar[Mapping[tuple[str, bool], str]] = MappingProxyType(
        {
            ("alpha", True): " (customers do not differ in how likely they are to leave)",
            ("alpha", False): " (some customers leave at the first renewals, the others never)",
            ("beta", True): " (customers do not differ in how likely they are to leave)",
            ("beta", False): " (all leave at the first renewal, or else never)",
            ("c", True): " (whoever may leave and renews once leaves at the next renewal)",
            ("c", False): " (who renews once never leaves)",
        }
    )

    @property
    def duration_dependence(self) -> float | Array:
        """The parameter c."""
        return self.c

    def log_conditional_survival(self, t: float | Array, age: float | Array) -> Array:
        r""":math:`\log B(\alpha, \beta + (age + t)^c) - \log B(\alpha, \beta + age^c)`"""
        clock = _clock(self.c, t, age)
        return log_beta_ratio(self.alpha, self.beta + clock.u, clock.gap) - self.alpha * clock.beyond

    def score(self, tenures: Tenures) -> Array:
        """Derivatives of `log_likelihood` in alpha, beta, c, for parameters that are numbers."""
        renewed = self._renewals(tenures)
        none, once = np.zeros_like(renewed), np.ones_like(renewed)
        stays, stays_once_more = self._slopes(np.stack([renewed, once]), np.stack([none, renewed])).swapaxes(0, 1)
        fall = -self.log_conditional_survival(once, renewed)
        return np.asarray(stays - np.where(tenures.ended, np.exp(-fall) / -np.expm1(-fall), 0.0) * stays_once_more)

    def _slopes(self, t: Array, age: Array) -> Array:
        """Derivatives of `log_conditional_survival`."""
        alpha, beta, c = self
        clock, slope = _clock(c, t, age), _clock_slope(c, t, age)
        z = beta + clock.u
        by_alpha, by_gap = _digamma_rising(z + alpha, clock.gap), _digamma_rising(z + clock.gap, alpha)
        by_z = _slope_in_z(alpha, z, clock.gap)
        by_c = by_z * slope.u + by_gap * slope.gap + alpha * slope.beyond
        return -np.stack([by_alpha + clock.beyond, by_z, by_c])

    def rest(self, age: Array, start: float) -> Array:
        """S falls as time to the power of -alpha c in the end: the integral of its ratio to that power.

        From one half before `start`, as the sum over whole numbers is the integral there but for their spacing, which
        is nothing against their size.
        """
        alpha, beta, c, age = np.broadcast_arrays(*self, age)
        return _integral(alpha, beta, c, age, start - 0.5)

    @classmethod
    def starts(cls, tenures: Tenures) -> list[Self]:
        """The mean rate of leaving of the data, without duration dependence and with either kind."""
        p = tenures.lost.sum() / (tenures.weights @ tenures.age)
        return [cls(p * k, (1 - p) * k, c) for k, c in ((2.0, 1.0), (0.5, 1.5), (20.0, 0.7))]


class _Clock(NamedTuple):
    """u(age); how much u grows from there; and the growth of log u where u itself grows no more, being too large."""

    u: Array
    gap: Array
    beyond: Array


def _clock(c: float | Array, t: float | Array, age: float | Array) -> _Clock:
    """What t periods from that age are on the law's own clock, on which time to the power of c passes."""
    with np.errstate(divide="ignore", invalid="ignore"):
        before, after, longer = c * np.log(age), c * np.log(np.add(age, t)), c * np.log1p(np.divide(t, age))
        longer = np.where(np.add(age, t) > 0, longer, 0.0)
        beyond = np.minimum(longer, np.maximum(after - HIGHEST, 0))
        gap = np.exp(np.minimum(after, HIGHEST)) * -np.expm1(beyond - longer)
    return _Clock(np.exp(np.minimum(before, HIGHEST)), gap, beyond)


def _clock_slope(c: float | Array, t: Array, age: Array) -> _Clock:
    """Derivatives of `_clock` in c."""
    clock = _clock(c, t, age)
    before, after = np.log(np.maximum(age, 1)), np.log(np.maximum(age + t, 1))
    small, large = np.where(c * before < HIGHEST, before, 0.0), np.where(c * after < HIGHEST, after, 0.0)
    longer = np.where((large > 0) & (age > 0), np.log1p(t / np.maximum(age, 1)), large - small)
    gap = clock.gap * large + clock.u * longer
    return _Clock(clock.u * small, gap, (after - large) - (before - small))


def _digamma_rising(z: Array, x: float | Array) -> Array:
    """`digamma_rising` for x however small: by the recurrence to where it does not subtract."""
    steps = z[..., None] + np.arange(RECURRENCES)
    x_ = np.asarray(x)[..., None]
    return np.asarray(np.sum(x_ / (steps + x_) / steps, axis=-1) + digamma_rising(z + RECURRENCES, x))


def _slope_in_z(a: float | Array, z: Array, d: Array) -> Array:
    """Derivative of -`log_beta_ratio` in z, by the same steps."""
    near = second_differences(np.asarray(a)[..., None], z[..., None] + np.arange(RECURRENCES), d[..., None], 1)[0]
    z = z + RECURRENCES
    one, two, _, four, _, six, _, eight = second_differences(a, z, d, 8)
    far = np.log1p(a / z * (d / (z + a + d))) + one / 2 + two / 12 - four / 120 + six / 252 - eight / 240
    return np.asarray(-(near.sum(axis=-1) + far))


def _integral(alpha: Array, beta: Array, c: Array, age: Array, start: float) -> Array:
    """The integral of S(age + t) / S(age) over all t from `start` on; inf where alpha c <= 1.

    It is taken on the scale of the power of time that S falls as, in the end or (where that is far off) from there on:
    of an integrand that hardly changes, or only falls.
    """
    clock = _clock(c, start, age)
    u = clock.u + clock.gap
    farthest = np.log1p(np.exp(HIGHEST) / u)
    at_once = c * u * digamma_rising(beta + u, alpha)
    far_off = (alpha * farthest + _fallen(farthest, alpha, beta, u) > 1) & (at_once > 1)
    power = np.where(far_off, at_once, np.maximum(alpha * c, np.nextafter(1, 2)))
    survives = np.exp(log_beta_ratio(alpha, beta + clock.u, clock.gap) - alpha * clock.beyond)
    mean = beta_mean(_against_the_power, 1.0, 1.0, alpha, beta, c, u, power, farthest)
    with np.errstate(over="ignore"):
        whole = survives * (age + start) / (power - 1) * mean
    return np.asarray(np.where(alpha * c > 1, whole, np.inf))


def _fallen(x: Array, alpha: Array, beta: Array, u: Array) -> Array:
    """Logarithm of what is left of S when the logarithm of u has grown by x."""
    return log_beta_ratio(alpha, beta + u, u * np.expm1(x))


def _against_the_power(p: Array, alpha: Array, beta: Array, c: Array, u: Array, power: Array, farthest: Array) -> Array:
    """At the time where the integral of the power has come to p."""
    with np.errstate(divide="ignore"):
        x = np.minimum(-np.log1p(-p) * c / (power - 1), farthest)
    return np.asarray(np.exp(power / c * x + _fallen(x, alpha, beta, u)))
