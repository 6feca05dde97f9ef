r"""NBD: customers buy at random, and nobody ever leaves.

Each customer buys at a constant rate :math:`\lambda`; rates differ among customers as Gamma(r, alpha), so counts are
negative binomial.

It wants the number of repeat purchases x and the time watched T. Prefer it for short spans in which hardly anybody
leaves, and as what every law with leaving must beat.

References
----------
.. [1] Ehrenberg, A. S. C. (1959). The Pattern of Consumer Purchases. Journal of the Royal Statistical Society C 8(1),
   26-41. https://doi.org/10.2307/2985810
.. [2] Fader, P. S., & Hardie, B. G. S. (2005). A Note on Deriving the Pareto/NBD Model and Related Expressions. Note
   009. http://www.brucehardie.com/notes/009/
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np
from scipy.special import gammaln, xlogy

from custrel.clv.law import LIMITS_OF_RATES, PurchaseLaw
from custrel.clv.story import Future, checked_watch, rates_of_the_living, times_of_purchases
from custrel.stats.moves import Faster
from custrel.stats.special import by_count, digamma_rising, log_rising

if TYPE_CHECKING:
    from collections.abc import Mapping

    from custrel.history import History, PurchaseTimes
    from custrel.stats.draw import SharedNumbers
    from custrel.stats.estimate import Array

__all__ = ["NBD", "log_counts"]


@dataclass(frozen=True, eq=False)
class NBD(PurchaseLaw):
    r"""The negative binomial law of Ehrenberg (1959) [1]_, by the times of the purchases [2]_.

    Parameters
    ----------
    r, alpha
        Shape and rate of the gamma distribution of purchase rates: their mean is r / alpha per unit of time.

    Raises
    ------
    DomainError
        If a parameter is not positive and finite.

    References
    ----------
    .. [1] Ehrenberg, A. S. C. (1959). The Pattern of Consumer Purchases. Journal of the Royal Statistical Society C
       8(1), 26-41. https://doi.org/10.2307/2985810
    .. [2] Fader, P. S., & Hardie, B. G. S. (2005). A Note on Deriving the Pareto/NBD Model and Related Expressions.
       Note 009. http://www.brucehardie.com/notes/009/

    Examples
    --------
    A customer who bought twice in 8 weeks is expected to buy (r + 2) / (alpha + 8) times a week.

    >>> from custrel import History
    >>> NBD(r=1.0, alpha=4.0).expected_purchases(History(x=[2], t_x=[5], T=[8]), 12)
    array([3.])
    """

    r: float | Array
    alpha: float | Array

    gammas = (("r", "alpha"),)
    moves = MappingProxyType({"purchase": Faster("alpha")})
    limits: ClassVar[Mapping[tuple[str, bool], str]] = LIMITS_OF_RATES

    def log_likelihood(self, h: History) -> Array:
        """Equation (11) of [2]_ averaged over the rates: of the times of purchases, comparable with all other laws."""
        r, alpha = self
        buys = by_count(log_rising, r, h.x)
        return np.asarray(buys - h.x * np.log(alpha + h.T) - r * np.log1p(h.T / alpha))

    def score(self, h: History) -> Array:
        """Its derivatives in r and alpha."""
        r, alpha = self
        more = by_count(digamma_rising, r, h.x) - np.log1p(h.T / alpha)
        return np.stack([more, (r * h.T / alpha - h.x) / (alpha + h.T)])

    def p_alive_now(self, h: History) -> Array:
        """Exactly 1: nobody leaves."""
        return np.ones(np.broadcast_shapes(np.shape(self.r), np.shape(self.alpha), h.x.shape))

    def living(self, h: History) -> NBD:
        """Purchases add to r and time to alpha."""
        return NBD(self.r + h.x, self.alpha + h.T)

    def survival_of_new(self, t: float | Array) -> Array:
        """Exactly 1: nobody leaves."""
        return np.ones(np.broadcast_shapes(np.shape(self.r), np.shape(self.alpha), np.shape(t)))

    def mean_purchase_rate(self, h: History) -> Array:
        """Posterior mean of the purchase rate, (r + x) / (alpha + T) per unit of time."""
        return np.asarray((self.r + h.x) / (self.alpha + h.T))

    def mean_dropout(self, h: History) -> Array:
        """Exactly 0: nobody leaves."""
        return 1 - self.p_alive_now(h)

    def expected_purchases_of_new(self, t: float | Array) -> Array:
        """The mean rate r / alpha, for so long."""
        return np.asarray(self.r / self.alpha * np.asarray(t))

    def activity_of_new(self, t: float | Array) -> Array:
        """One less the chance of no purchase, however small."""
        return np.asarray(-np.expm1(-self.r * np.log1p(np.asarray(t) / self.alpha)))

    def probability_of_new(self, n: int | Array, t: float | Array) -> Array:
        """The negative binomial distribution [1]_."""
        return np.asarray(np.exp(log_counts(self.r, self.alpha, np.asarray(n, dtype=float), np.asarray(t))))

    def probability_later_of_new(self, n: int | Array, t: float | Array, since: Array) -> Array:
        """The same as at any other time."""
        return self.probability_of_new(n, np.broadcast_arrays(t, since)[0])

    def discounted_purchases_of_new(self, t: Array, delta: float) -> Array:
        """The mean rate, times the worth of 1 per unit of time for so long."""
        span = t if delta == 0 else -np.expm1(-delta * t) / delta
        return self.expected_purchases_of_new(span)

    @property
    def time_scale(self) -> float | Array:
        """The time in which a customer of rate 1 / alpha buys once."""
        return self.alpha

    def future(self, h: History, numbers: SharedNumbers) -> Future:
        """By the story: each buys at their own rate, for ever."""
        rate = rates_of_the_living(self.r, self.alpha, h, numbers)
        return Future(rate, np.full(rate.shape, np.inf))

    def simulate(self, T: Array, rng: np.random.Generator, *, unit: str | None = None) -> PurchaseTimes:
        """New customers by the story, exactly and in continuous time; parameters as for `BGNBD.simulate`.

        Examples
        --------
        >>> times = NBD(r=2.0, alpha=4.0).simulate(np.full(100_000, 10.0), np.random.default_rng(1))
        >>> bool(abs(times.count(before=10.0).mean() - 5.0) < 0.05)
        True
        """
        T = checked_watch(T)
        rate = rng.gamma(self.r, 1 / np.asarray(self.alpha), T.size)
        return times_of_purchases(rate, T, rng, T=T, unit=unit or self.unit)

    @classmethod
    def starts(cls, h: History) -> list[Self]:
        """The mean rate of the data with several spreads."""
        rate = (h.weights @ h.x) / (h.weights @ h.T)
        return [cls(r, r / rate) for r in (1.0, 0.3, 3.0)]


def log_counts(r: float | Array, alpha: float | Array, n: Array, t: Array) -> Array:
    """Logarithm of the negative binomial probability of n purchases within t.

    >>> np.exp(log_counts(1.0, 4.0, np.array([0.0, 1.0]), np.array(12.0)))  # 4 / 16, and 4 / 16 of the rest
    array([0.25  , 0.1875])
    """
    share = t / np.add(alpha, t)
    return np.asarray(log_rising(r, n) - gammaln(n + 1) - r * np.log1p(t / np.asarray(alpha)) + xlogy(n, share))
