r"""Pareto/NBD: while here, customers buy at random; at any moment they may leave.

Each customer buys at a constant rate :math:`\lambda` and leaves for good at a constant rate :math:`\mu`. Rates of
buying differ among customers as Gamma(r, alpha), rates of leaving as Gamma(s, beta), and the two have nothing to do
with each other.

It wants, for each customer, the number of repeat purchases x, the time of the last one t_x, and the time watched T.
Prefer it where customers leave whether they buy or not, so that one who never came back may well be gone: the law all
others are measured by.

The papers print differences of hypergeometric functions, which cancel as t_x nears T and overflow for large x. Here
stands what they are the value of, an integral over the moment of leaving in which all is positive.

References
----------
.. [1] Schmittlein, D. C., Morrison, D. G., & Colombo, R. (1987). Counting Your Customers: Who Are They and What Will
   They Do Next? Management Science 33(1), 1-24. https://doi.org/10.1287/mnsc.33.1.1
.. [2] Fader, P. S., & Hardie, B. G. S. (2005). A Note on Deriving the Pareto/NBD Model and Related Expressions. Note
   009. http://www.brucehardie.com/notes/009/
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np
from scipy.special import expit

from custrel.clv.law import LIMITS_OF_RATES, PurchaseLaw
from custrel.clv.nbd import log_counts
from custrel.clv.story import Future, checked_watch, rates_of_the_living, times_of_purchases
from custrel.stats.moves import Faster
from custrel.stats.quadrature import hill_integral
from custrel.stats.special import by_count, digamma_rising, expm1_ratio, log_rising

if TYPE_CHECKING:
    from collections.abc import Mapping

    from custrel.history import History, PurchaseTimes
    from custrel.stats.draw import SharedNumbers
    from custrel.stats.estimate import Array

__all__ = ["ParetoNBD"]


@dataclass(frozen=True, eq=False)
class ParetoNBD(PurchaseLaw):
    r"""The Pareto / NBD law of Schmittlein, Morrison and Colombo (1987) [1]_, in the letters of [2]_.

    Parameters
    ----------
    r, alpha
        Shape and rate of the gamma distribution of purchase rates: their mean is r / alpha per unit of time.
    s, beta
        Shape and rate of the gamma distribution of rates of leaving: their mean is s / beta per unit of time.

    Raises
    ------
    DomainError
        If a parameter is not positive and finite.

    References
    ----------
    .. [1] Schmittlein, D. C., Morrison, D. G., & Colombo, R. (1987). Counting Your Customers: Who Are They and What
       Will They Do Next? Management Science 33(1), 1-24. https://doi.org/10.1287/mnsc.33.1.1
    .. [2] Fader, P. S., & Hardie, B. G. S. (2005). A Note on Deriving the Pareto/NBD Model and Related Expressions.
       Note 009. http://www.brucehardie.com/notes/009/

    Examples
    --------
    The CDNOW customers, and what a new one buys in 39 weeks: r beta / (alpha (s - 1)) (1 - (beta / (beta + 39))^(s-1)).

    >>> law = ParetoNBD(r=0.553, alpha=10.578, s=0.606, beta=11.669)
    >>> round(float(law.expected_purchases_of_new(39.0)), 3)
    1.213
    """

    r: float | Array
    alpha: float | Array
    s: float | Array
    beta: float | Array

    gammas = (("r", "alpha"), ("s", "beta"))
    moves = MappingProxyType({"purchase": Faster("alpha"), "dropout": Faster("beta")})
    limits: ClassVar[Mapping[tuple[str, bool], str]] = MappingProxyType(
        {
            **LIMITS_OF_RATES,
            ("s", True): " (all leave at one rate)",
            ("s", False): " (nobody is seen to leave: a law without dropout fits as well)",
            ("beta", True): " (nobody is seen to leave, or all leave at one rate)",
            ("beta", False): " (most leave at once, the others hardly ever)",
        }
    )

    def log_likelihood(self, h: History) -> Array:
        """Equations (16) to (18) of [2]_ before they are integrated: there until T, or left at a y in between."""
        r, alpha, s, beta = self
        stays = -h.x * np.log(alpha + h.T) - r * np.log1p(h.T / alpha) - s * np.log1p(h.T / beta)
        (log_area,) = self._leaving(h)
        left = np.log(s) + log_area - h.x * np.log(alpha + h.t_x)
        left = left - r * np.log1p(h.t_x / alpha) - s * np.log1p(h.t_x / beta)
        return np.asarray(by_count(log_rising, r, h.x) + np.logaddexp(stays, left))

    def score(self, h: History) -> Array:
        """Its derivatives in r, alpha, s, beta, for parameters that are numbers: means over the moment of leaving."""
        r, alpha, s, beta = self
        x, t_x, T = h.x, h.t_x, h.T
        log_area, more_alpha, less_alpha, more_beta, less_beta = self._leaving(h, means=True)
        left = expit(self._log_odds_of_having_left(h, log_area))
        return np.stack(
            [
                by_count(digamma_rising, r, x)
                - (1 - left) * np.log1p(T / alpha)
                - left * (np.log1p(t_x / alpha) + more_alpha),
                r / alpha - (r + x) * ((1 - left) / (alpha + T) + left * less_alpha / (alpha + t_x)),
                left / s - (1 - left) * np.log1p(T / beta) - left * (np.log1p(t_x / beta) + more_beta),
                s / beta - (1 - left) * s / (beta + T) - left * (s + 1) * less_beta / (beta + t_x),
            ]
        )

    def _leaving(self, h: History, *, means: bool = False) -> tuple[Array, ...]:
        r"""The integral over the moment y of leaving, relative to the density at t_x, in logarithms.

        .. math:: \int_{t_x}^T \Big(\frac{\alpha + t_x}{\alpha + y}\Big)^{r + x}
                  \Big(\frac{\beta + t_x}{\beta + y}\Big)^{s + 1} \frac{dy}{\beta + t_x}
        """
        r, alpha, s, beta = self
        return log_decay(r + h.x, alpha + h.t_x, s + 1, beta + h.t_x, h.T - h.t_x, means=means)

    def _log_odds_of_having_left(self, h: History, log_area: Array) -> Array:
        r, alpha, s, beta = self
        silence = h.T - h.t_x
        lasted = (r + h.x) * np.log1p(silence / (alpha + h.t_x)) + s * np.log1p(silence / (beta + h.t_x))
        return np.asarray(np.log(s) + log_area + lasted)

    def p_alive_now(self, h: History) -> Array:
        """Equation (A.1) of [2]_: still there at T, against left in the silence since t_x.

        Examples
        --------
        >>> from custrel import History
        >>> law = ParetoNBD(r=0.553, alpha=10.578, s=0.606, beta=11.669)
        >>> law.p_alive(History(x=[2, 0], t_x=[30.43, 0], T=[38.86, 38.86])).round(3)
        array([0.869, 0.295])
        """
        (log_area,) = self._leaving(h)
        return np.asarray(expit(-self._log_odds_of_having_left(h, log_area)))

    def living(self, h: History) -> ParetoNBD:
        """Purchases add to r; time adds to alpha and, since nobody left in it, to beta."""
        r, alpha, s, beta = self
        return ParetoNBD(r + h.x, alpha + h.T, s, beta + h.T)

    def survival_of_new(self, t: float | Array) -> Array:
        """The Pareto distribution: (beta / (beta + t))^s."""
        return np.asarray(np.exp(-self.s * np.log1p(np.asarray(t) / self.beta)))

    def mean_purchase_rate(self, h: History) -> Array:
        """Posterior mean of the purchase rate, per unit of time: of those who are there, and of those who left at y."""
        r, alpha, _, _ = self
        log_area, _, less_alpha, _, _ = self._leaving(h, means=True)
        left = expit(self._log_odds_of_having_left(h, log_area))
        return np.asarray((r + h.x) * ((1 - left) / (alpha + h.T) + left * less_alpha / (alpha + h.t_x)))

    def mean_dropout(self, h: History) -> Array:
        """Posterior mean of the rate of leaving, per unit of time: those who left show that theirs was high."""
        _, _, s, beta = self
        log_area, _, _, _, less_beta = self._leaving(h, means=True)
        left = expit(self._log_odds_of_having_left(h, log_area))
        return np.asarray((1 - left) * s / (beta + h.T) + left * (s + 1) * less_beta / (beta + h.t_x))

    def expected_purchases_of_new(self, t: float | Array) -> Array:
        """Equation (27) of [2]_; with `living`, equation (41). It is a logarithm at s = 1."""
        r, alpha, s, beta = self
        return np.asarray(-r * beta / alpha * expm1_ratio(s - 1, -np.log1p(np.asarray(t) / beta)))

    def activity_of_new(self, t: float | Array) -> Array:
        """Equation (25) of [2]_ for n = 0, by the moment of the first purchase: the customer is still there."""
        r, alpha, s, beta = self
        (log_area,) = log_decay(r + 1, alpha, s, beta, np.asarray(t, dtype=float))
        return np.asarray(r / alpha * beta * np.exp(log_area))

    def probability_of_new(self, n: int | Array, t: float | Array) -> Array:
        """Equation (25) of [2]_ before it is integrated: n purchases and still there, or n before leaving at a y."""
        r, alpha, s, beta, n, t = np.broadcast_arrays(*self, np.asarray(n, dtype=float), np.asarray(t, dtype=float))
        here = np.exp(log_counts(r, alpha, n, t)) * self.survival_of_new(t)
        some = t > 0
        answer = np.array(here)
        answer[some] += gone_with(*(one[some] for one in (r, alpha, s, beta, n, t)))
        return answer

    def probability_later_of_new(self, n: int | Array, t: float | Array, since: Array) -> Array:
        """Whoever is still there is a customer of beta + since, and leaves the less easily."""
        later = ParetoNBD(self.r, self.alpha, self.s, self.beta + since)
        return self.survival_of_new(since) * later.probability_of_new(n, t)

    def discounted_purchases_of_new(self, t: Array, delta: float) -> Array:
        """Equation (45) of [2]_, and its part up to t: the integral of the rate of those still there, discounted."""
        r, alpha, s, beta, t = np.broadcast_arrays(*self, t)
        if delta == 0:
            return self.expected_purchases_of_new(t)
        decay, shape = (delta * beta).ravel(), t.shape
        never = np.log1p((60 + 4 * np.log1p(1 / decay)) / decay)  # by then it has fallen to nothing
        end = np.minimum(np.log1p(t / beta).ravel(), never)
        top = np.minimum(end, np.log(np.maximum((1 - s.ravel()) / decay, 1)))
        rows = s.ravel(), decay
        log_area, *_ = hill_integral(_worth, _worth_slope, (np.zeros_like(end), end), top, rows)
        return np.asarray(r * beta / alpha * np.exp(log_area).reshape(shape))

    @property
    def time_scale(self) -> float | Array:
        """The time on which survival bends."""
        return self.beta

    def future(self, h: History, numbers: SharedNumbers) -> Future:
        """By the story: who is there buys at their own rate, and leaves at a moment of their own."""
        r, alpha, s, beta = self
        here = numbers.uniform() < self.p_alive_now(h)
        rate = rates_of_the_living(r, alpha, h, numbers)
        with np.errstate(divide="ignore", over="ignore"):  # a rate of leaving of 0 never leaves
            leaves = numbers.exponential() * (beta + h.T) / numbers.gamma(s)
        return Future(rate, np.where(here, np.inf, 0.0), leaves)

    def simulate(self, T: Array, rng: np.random.Generator, *, unit: str | None = None) -> PurchaseTimes:
        """New customers by the story, exactly and in continuous time; parameters as for `BGNBD.simulate`.

        Examples
        --------
        >>> law = ParetoNBD(r=0.553, alpha=10.578, s=0.606, beta=11.669)
        >>> times = law.simulate(np.full(100_000, 39.0), np.random.default_rng(1))
        >>> bool(abs(times.count(before=39.0).mean() - law.expected_purchases_of_new(39.0)) < 0.03)
        True
        """
        T = checked_watch(T)
        rate = rng.gamma(self.r, 1 / np.asarray(self.alpha), T.size)
        leaving = rng.gamma(self.s, 1 / np.asarray(self.beta), T.size)
        with np.errstate(divide="ignore", over="ignore"):
            here = np.minimum(T, rng.standard_exponential(T.size) / leaving)
        return times_of_purchases(rate, here, rng, T=T, unit=unit or self.unit)

    @classmethod
    def starts(cls, h: History) -> list[Self]:
        """The mean rate of the data with several spreads, and several ways to leave."""
        rate, watched = (h.weights @ h.x) / (h.weights @ h.T), (h.weights @ h.T) / h.customers
        spreads = ((0.8, 0.6, 0.5), (0.3, 2.0, 3.0), (3.0, 0.3, 0.1))
        return [cls(r, r / rate, s, longer * watched) for r, s, longer in spreads]


def log_decay(
    m: float | Array, a: float | Array, k: float | Array, b: float | Array, span: Array, *, means: bool = False
) -> tuple[Array, ...]:
    r"""Logarithm of :math:`\int_0^{span} (1 + w/a)^{-m} (1 + w/b)^{-k} dw / b`, and under it four means.

    They are those of log(1 + w/a), 1 / (1 + w/a), log(1 + w/b) and 1 / (1 + w/b), which derivatives need.
    """
    rows = np.broadcast_arrays(m, a, k, b, span)
    m, a, k, b, span = (row.ravel() for row in rows)
    swapped, shorter = b < a, np.minimum(a, b)  # the scale of u is the shorter one
    rho = shorter / np.maximum(a, b)
    m, k = np.where(swapped, k, m), np.where(swapped, m, k)
    end = np.log1p(span / shorter)
    top = np.minimum(end, _top(m, k, rho))
    hill = _hill_and_means if means else _hill
    log_area, *found = hill_integral(hill, _slope, (np.zeros_like(end), end), top, (m, k, rho))
    answers = [log_area + np.where(swapped, 0.0, np.log(rho))]
    if means:
        u, less_u, more, less_more = found
        pairs = (u, more), (less_u, less_more), (more, u), (less_more, less_u)
        answers += [np.where(swapped, other, own) for own, other in pairs]
    return tuple(answer.reshape(rows[0].shape) for answer in answers)


def _hill(u: Array, m: Array, k: Array, rho: Array) -> tuple[Array, ...]:
    """Logarithm of (1 + w)^-m (1 + rho w)^-k dw over u = log(1 + w)."""
    return ((1 - m) * u - k * np.log1p(rho * np.expm1(u)),)


def _hill_and_means(u: Array, m: Array, k: Array, rho: Array) -> tuple[Array, ...]:
    """The same, with log(1 + w), 1 / (1 + w), log(1 + rho w) and 1 / (1 + rho w)."""
    w = np.expm1(u)
    more = np.log1p(rho * w)
    return (1 - m) * u - k * more, u, 1 / (1 + w), more, 1 / (1 + rho * w)


def _slope(u: Array, m: Array, k: Array, rho: Array) -> Array:
    return np.asarray((1 - m) - k / (1 + (1 - rho) * np.exp(-u) / rho))


def _top(m: Array, k: Array, rho: Array) -> Array:
    """Where the slope is 0, or 0 where it falls from the beginning."""
    return np.log(np.maximum((1 - m) * (1 - rho) / (rho * (m + k - 1)), 1.0))


def _worth(u: Array, s: Array, decay: Array) -> tuple[Array]:
    """Logarithm of (1 + w)^-s e^(-decay w) dw over u = log(1 + w)."""
    return ((1 - s) * u - decay * np.expm1(u),)


def _worth_slope(u: Array, s: Array, decay: Array) -> Array:
    return np.asarray(1 - s - decay * np.exp(u))


def gone_with(r: Array, alpha: Array, s: Array, beta: Array, n: Array, t: Array) -> Array:
    """Probability of having left before t, after n purchases: over the logarithm of the moment of leaving."""
    half, rest = ((n - s) * alpha + (1 - r) * beta) / (2 * (s + r)), (n + 1) * alpha * beta / (s + r)
    root = np.hypot(half, np.sqrt(rest))
    y = np.minimum(t, np.where(half > 0, half + root, rest / np.where(half > 0, 1.0, root - half)))
    rows = n + 1, s + 1, r + n, y / (beta + y), y / (alpha + y)
    back = np.full(t.shape, -64.0)  # as y goes to 0, the hill falls at least as fast as y
    back = back - np.log1p(y / np.minimum(alpha, beta))
    zero = np.zeros_like(back)
    log_area, *_ = hill_integral(_leaves, _leaves_slope, (back, np.log(t / y)), zero, rows)
    top = log_counts(r, alpha, n, y) + np.log(s) - s * np.log1p(y / beta) + np.log(y / (beta + y))
    return np.asarray(np.exp(top + log_area))


def _leaves(u: Array, a: Array, b: Array, c: Array, p: Array, q: Array) -> tuple[Array]:
    """The hill relative to its height at y: u is the logarithm of the moment of leaving divided by y."""
    grown = np.expm1(u)
    return (a * u - b * np.log1p(p * grown) - c * np.log1p(q * grown),)


def _leaves_slope(u: Array, a: Array, b: Array, c: Array, p: Array, q: Array) -> Array:
    grown = np.exp(-u)
    return np.asarray(a - b / (1 + (1 - p) / p * grown) - c / (1 + (1 - q) / q * grown))
