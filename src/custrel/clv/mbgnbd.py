r"""MBG/NBD: while here, customers buy at random; after any purchase, the first one too, they may leave.

As in the BG/NBD each customer buys at a constant rate :math:`\lambda`, Gamma(r, alpha) among customers, and leaves
after a purchase with a probability p of their own, Beta(a, b) among customers. But the first chance to leave comes at
once.

It wants, for each customer, the number of repeat purchases x, the time of the last one t_x, and the time watched T.
Prefer it to the BG/NBD where many buy once and never again: it lets them leave, so their P(alive) is less than 1.

Whoever passed the first chance is a customer of the BG/NBD with b + 1, which is all that is needed: the paper's own
conditional expectation has an error, which its erratum [2]_ and this identity mend.

References
----------
.. [1] Batislam, E. P., Denizel, M., & Filiztekin, A. (2007). Empirical Validation and Comparison of Models for Customer
   Base Analysis. International Journal of Research in Marketing 24(3), 201-209.
   https://doi.org/10.1016/j.ijresmar.2006.12.005
.. [2] Wagner, U., & Hoppe, D. (2008). Erratum on the MBG/NBD Model. International Journal of Research in Marketing
   25(3), 225-226. https://doi.org/10.1016/j.ijresmar.2008.03.003
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from custrel.clv.bgnbd import (
    BGNBD,
    future_by_chances,
    geometric,
    log_likelihood_by_chances,
    log_odds_of_having_left,
    rate_by_last_seen,
    score_by_chances,
)
from custrel.clv.law import PurchaseLaw
from custrel.clv.story import checked_watch, times_of_purchases
from custrel.stats.moves import Faster, Likelier
from custrel.stats.special import logistic

if TYPE_CHECKING:
    from collections.abc import Mapping

    from custrel.clv.story import Future
    from custrel.history import History, PurchaseTimes
    from custrel.stats.draw import SharedNumbers
    from custrel.stats.estimate import Array

__all__ = ["MBGNBD"]


@dataclass(frozen=True, eq=False)
class MBGNBD(PurchaseLaw):
    r"""The modified beta-geometric / NBD law of Batislam, Denizel and Filiztekin (2007) [1]_.

    Parameters
    ----------
    r, alpha
        Shape and rate of the gamma distribution of purchase rates: their mean is r / alpha per unit of time.
    a, b
        Parameters of the beta distribution of leaving after a purchase: its mean is a / (a + b).

    Raises
    ------
    DomainError
        If a parameter is not positive and finite.

    References
    ----------
    .. [1] Batislam, E. P., Denizel, M., & Filiztekin, A. (2007). Empirical Validation and Comparison of Models for
       Customer Base Analysis. International Journal of Research in Marketing 24(3), 201-209.
       https://doi.org/10.1016/j.ijresmar.2006.12.005

    Examples
    --------
    Of customers who all leave with probability 1/2, half pass the first chance.

    >>> from custrel import History
    >>> law = MBGNBD(r=1.0, alpha=1.0, a=1e6, b=1e6)
    >>> round(float(law.p_alive(History(x=[0], t_x=[0], T=[0]))[0]), 4)
    0.5
    """

    r: float | Array
    alpha: float | Array
    a: float | Array
    b: float | Array

    gammas = (("r", "alpha"),)
    betas = (("a", "b"),)
    moves = MappingProxyType({"purchase": Faster("alpha"), "dropout": Likelier("a", "b")})
    limits: ClassVar[Mapping[tuple[str, bool], str]] = MappingProxyType(
        {**BGNBD.limits, ("b", False): " (most leave at once, unless a goes too)"}
    )

    def log_likelihood(self, h: History) -> Array:
        """Equation (5) of [1]_: still there and silent since t_x, or left just after the last purchase."""
        return log_likelihood_by_chances(self, h, before=1)

    def score(self, h: History) -> Array:
        """Derivatives of equation (5) in r, alpha, a, b, for parameters that are numbers."""
        return score_by_chances(self, h, before=1)

    def p_alive_now(self, h: History) -> Array:
        """Probability that the customer has not left by T, also less than 1 without a repeat purchase.

        Examples
        --------
        By hand: 1 / (1 + a / (b + x) ((alpha + T) / (alpha + t_x))^(r + x)) = 1 / (1 + 2 / 3 (8 / 4)^1) = 3 / 7.

        >>> from custrel import History
        >>> law = MBGNBD(r=1.0, alpha=4.0, a=2.0, b=3.0)
        >>> law.p_alive(History(x=[0], t_x=[0], T=[4])).round(4)
        array([0.4286])
        """
        return logistic(-log_odds_of_having_left(self, h, before=1))

    def living(self, h: History) -> BGNBD:
        """Purchases add to r and time to alpha; each of the x + 1 chances to leave that was not taken adds to b."""
        r, alpha, a, b = self
        return BGNBD(r + h.x, alpha + h.T, a, b + h.x + 1)

    def _passed(self) -> tuple[float | Array, BGNBD]:
        """Probability of passing the first chance to leave, and the law of those who did."""
        r, alpha, a, b = self
        return b / (a + b), BGNBD(r, alpha, a, b + 1)

    def survival_of_new(self, t: float | Array) -> Array:
        """Passed the first chance, and stayed since."""
        passed, law = self._passed()
        return np.asarray(passed * law.survival_of_new(t))

    def mean_purchase_rate(self, h: History) -> Array:
        """Posterior mean of the purchase rate: those who are there showed it until T, those who left until t_x."""
        return rate_by_last_seen(self, h)

    def mean_dropout(self, h: History) -> Array:
        """Posterior mean of the probability of leaving after a purchase: those who left took their last chance."""
        _, _, a, b = self
        return np.asarray((a + 1 - self.p_alive_now(h)) / (a + b + h.x + 1))

    def expected_purchases_of_new(self, t: float | Array) -> Array:
        """Equation (9) of [1]_: those of the BG/NBD, by whoever passed the first chance to leave."""
        passed, law = self._passed()
        return np.asarray(passed * law.expected_purchases_of_new(t))

    def activity_of_new(self, t: float | Array) -> Array:
        """Passed the first chance to leave, and bought."""
        passed, law = self._passed()
        return np.asarray(passed * law.activity_of_new(t))

    def probability_of_new(self, n: int | Array, t: float | Array) -> Array:
        """Equation (8) of [1]_: passed the first chance to leave and bought n times, or left at once."""
        passed, law = self._passed()
        return np.asarray(passed * law.probability_of_new(n, t) + (1 - passed) * (np.asarray(n) == 0))

    def probability_later_of_new(self, n: int | Array, t: float | Array, since: Array) -> Array:
        """Passed the first chance to leave, and all others."""
        passed, law = self._passed()
        return np.asarray(passed * law.probability_later_of_new(n, t, since))

    @property
    def time_scale(self) -> float | Array:
        """The time of a purchase at the mean rate, or alpha where that is less."""
        return self.alpha / (1 + self.r)

    def future(self, h: History, numbers: SharedNumbers) -> Future:
        """By the story: who is there buys at their own rate, and leaves after a purchase with their own probability."""
        return future_by_chances(self, h, numbers, before=1)

    def simulate(self, T: Array, rng: np.random.Generator, *, unit: str | None = None) -> PurchaseTimes:
        """New customers by the story, exactly and in continuous time; parameters as for `BGNBD.simulate`.

        Examples
        --------
        >>> law = MBGNBD(r=0.525, alpha=6.183, a=0.891, b=1.614)
        >>> times = law.simulate(np.full(100_000, 39.0), np.random.default_rng(1))
        >>> bool(abs(times.count(before=39.0).mean() - law.expected_purchases_of_new(39.0)) < 0.03)
        True
        """
        T = checked_watch(T)
        rate = rng.gamma(self.r, 1 / np.asarray(self.alpha), T.size)
        stays_for = geometric(rng.beta(self.a, self.b, T.size), 1 - rng.random(T.size)) - 1
        return times_of_purchases(rate, T, rng, T=T, unit=unit or self.unit).first(stays_for)

    @classmethod
    def starts(cls, h: History) -> list[Self]:
        """Those of the BG/NBD."""
        return [cls(*start) for start in BGNBD.starts(h)]
