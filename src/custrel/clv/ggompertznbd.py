r"""GGompertz/NBD: while here, customers buy at random; the longer they are here, the sooner they may leave.

Each customer buys at a constant rate :math:`\lambda`. The rate of leaving for good grows with age as
:math:`\eta b e^{b t}`, so that a customer is still here after t with probability :math:`\exp(-\eta (e^{b t} - 1))`, as
Gompertz has it for mortality. Rates of buying differ among customers as Gamma(r, alpha), the :math:`\eta` as
Gamma(s, beta), and the two have nothing to do with each other; b is the same for all.

It wants, for each customer, the number of repeat purchases x, the time of the last one t_x, and the time watched T.
Prefer it to the Pareto/NBD where lifetimes have a typical length: where few leave at first and many later, as with
customers who outgrow what is sold. Among all customers the rate of leaving rises with age where beta > 1, is constant
where beta = 1, and falls where beta < 1. As b and beta go to zero together the law becomes the Pareto/NBD with
beta / b for its beta; on data that ask for no more than that, its likelihood has no peak.

The paper's own conditional expectation has an error, which [2]_ corrects; here it is P(alive) times what is expected
of the living, which has none.

References
----------
.. [1] Bemmaor, A. C., & Glady, N. (2012). Modeling Purchasing Behavior with Sudden "Death": A Flexible Customer
   Lifetime Model. Management Science 58(5), 1012-1021. https://doi.org/10.1287/mnsc.1110.1461
.. [2] Adler, J. (2022). Comment on "Modeling Purchasing Behavior with Sudden 'Death': A Flexible Customer Lifetime
   Model". Management Science. https://doi.org/10.1287/mnsc.2022.4422
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np
from scipy.special import expit

from custrel.clv.gompertz import beta_of_the_living, gone_with, over_life, wear_by
from custrel.clv.law import LIMITS_OF_RATES, PurchaseLaw
from custrel.clv.nbd import log_counts
from custrel.clv.story import Future, checked_watch, rates_of_the_living, times_of_purchases
from custrel.stats.moves import Faster
from custrel.stats.special import by_count, digamma_rising, log_rising

if TYPE_CHECKING:
    from collections.abc import Mapping

    from custrel.history import History, PurchaseTimes
    from custrel.stats.draw import SharedNumbers
    from custrel.stats.estimate import Array

__all__ = ["GGompertzNBD"]


@dataclass(frozen=True, eq=False)
class GGompertzNBD(PurchaseLaw):
    r"""The gamma / Gompertz / NBD law of Bemmaor and Glady (2012) [1]_.

    Parameters
    ----------
    r, alpha
        Shape and rate of the gamma distribution of purchase rates: their mean is r / alpha per unit of time.
    b
        How fast leaving hastens with age, per unit of time: the rate doubles every log(2) / b.
    s, beta
        Shape and rate of the gamma distribution of :math:`\eta`, which times b is the rate of leaving at the beginning.

    Raises
    ------
    DomainError
        If a parameter is not positive and finite.

    References
    ----------
    .. [1] Bemmaor, A. C., & Glady, N. (2012). Modeling Purchasing Behavior with Sudden "Death": A Flexible Customer
       Lifetime Model. Management Science 58(5), 1012-1021. https://doi.org/10.1287/mnsc.1110.1461

    Examples
    --------
    With beta = 1 survival is e^(-s b t), so a new customer buys r / (alpha s b) (1 - e^(-s b t)) times within t: 2 * 10
    * (1 - 1 / e) times, here.

    >>> law = GGompertzNBD(r=1.0, alpha=0.5, b=0.05, s=2.0, beta=1.0)
    >>> round(float(law.expected_purchases_of_new(10.0)), 6)
    12.642411
    """

    r: float | Array
    alpha: float | Array
    b: float | Array
    s: float | Array
    beta: float | Array

    gammas = (("r", "alpha"), ("s", "beta"))
    moves = MappingProxyType({"purchase": Faster("alpha"), "dropout": Faster("beta")})
    limits: ClassVar[Mapping[tuple[str, bool], str]] = MappingProxyType(
        {
            **LIMITS_OF_RATES,
            (
                "b",
                False,
            ): " (leaving does not hasten with age: the ParetoNBD, with beta / b for its beta, fits as well)",
            ("b", True): " (all leave at one age)",
            ("s", True): " (all leave at the same rate, whatever it is at their age)",
            ("s", False): " (nobody is seen to leave: a law without dropout fits as well)",
            ("beta", True): " (hardly anybody leaves at first, or all leave at the same rate of their age)",
            ("beta", False): " (most leave at once, the others hardly ever, unless b goes to zero too)",
        }
    )

    def log_likelihood(self, h: History) -> Array:
        """The likelihood of [1]_ before it is integrated: there until T, or left at a y in between."""
        r, alpha, b, s, beta = self
        (log_area,) = self._leaving(h)
        stays = -h.x * np.log(alpha + h.T) - r * np.log1p(h.T / alpha) - s * wear_by(b * h.T, beta)
        left = np.log(s) + log_area - h.x * np.log(alpha + h.t_x)
        left = left - r * np.log1p(h.t_x / alpha) - s * wear_by(b * h.t_x, beta)
        return np.asarray(by_count(log_rising, r, h.x) + np.logaddexp(stays, left))

    def score(self, h: History) -> Array:
        """Its derivatives in r, alpha, b, s, beta, for parameters that are numbers: means over when they left."""
        r, alpha, *_ = self
        x, t_x, T = h.x, h.t_x, h.T
        log_area, more, less, *worn = self._leaving(h, means=True)
        left = expit(self._log_odds_of_having_left(h, log_area))
        stayed, gone = self._slopes_if_stayed(T), self._slopes_if_left(t_x, *worn)
        return np.stack(
            [
                by_count(digamma_rising, r, x)
                - (1 - left) * np.log1p(T / alpha)
                - left * (np.log1p(t_x / alpha) + more),
                r / alpha - (r + x) * ((1 - left) / (alpha + T) + left * less / (alpha + t_x)),
                *((1 - left) * still + left * over for still, over in zip(stayed, gone, strict=True)),
            ]
        )

    def _slopes_if_stayed(self, T: Array) -> tuple[Array, ...]:
        """Derivatives in b, s, beta of the logarithm of survival until T."""
        _, _, b, s, beta = self
        age, wear = b * T, wear_by(b * T, beta)
        fresh, worn = np.exp(-wear), -np.expm1(-wear)
        return -s / b * age * (fresh / beta + worn), -wear, s / beta * worn

    def _slopes_if_left(
        self, t_x: Array, wear: Array, fresh: Array, worn: Array, time_fresh: Array, time_worn: Array
    ) -> tuple[Array, ...]:
        """Those of the logarithm of the density of leaving at y, by means over y of what comes after t_x."""
        _, _, b, s, beta = self
        age, before = b * t_x, wear_by(b * t_x, beta)
        still, gone = np.exp(-before), -np.expm1(-before)
        age_fresh = still * (age * fresh + time_fresh)
        age_worn = gone * (age + time_fresh + time_worn) + still * (age * worn + time_worn)
        in_b = 1 - age_fresh * ((1 + s) / beta - 1) - s * age_worn
        in_beta = s * (gone + still * worn) - still * fresh
        return in_b / b, 1 / s - before - wear, in_beta / beta

    def _leaving(self, h: History, *, means: bool = False) -> tuple[Array, ...]:
        r"""The integral over the moment y of leaving, relative to t_x, in logarithms; G is what `wear_by` gives.

        .. math:: \int_{t_x}^T \Big(\frac{\alpha + t_x}{\alpha + y}\Big)^{r + x} e^{-s (G(y) - G(t_x))} dG(y)
        """
        r, alpha, b, s, beta = self
        later = beta_of_the_living(b * h.t_x, beta)
        return over_life(r + h.x, b * (alpha + h.t_x), s, later, b * (h.T - h.t_x), leaving=True, means=means)

    def _log_odds_of_having_left(self, h: History, log_area: Array) -> Array:
        r, alpha, b, s, beta = self
        silence = h.T - h.t_x
        worn = s * wear_by(b * silence, beta_of_the_living(b * h.t_x, beta))
        return np.asarray(np.log(s) + log_area + (r + h.x) * np.log1p(silence / (alpha + h.t_x)) + worn)

    def p_alive_now(self, h: History) -> Array:
        """Still there at T, against left in the silence since t_x.

        Examples
        --------
        Who never buys tells nothing, so that is S(T); by hand 2 / (2 - 1 + e^(log(2) 1)) = 2 / 3.

        >>> from custrel import History
        >>> law = GGompertzNBD(r=1e-9, alpha=1.0, b=np.log(2.0), s=1.0, beta=2.0)
        >>> law.p_alive(History(x=[0], t_x=[0], T=[1])).round(4)
        array([0.6667])
        """
        (log_area,) = self._leaving(h)
        return np.asarray(expit(-self._log_odds_of_having_left(h, log_area)))

    def living(self, h: History) -> GGompertzNBD:
        """Purchases add to r and time to alpha; with age, beta comes ever nearer to 1: their rate levels off."""
        r, alpha, b, s, beta = self
        return GGompertzNBD(r + h.x, alpha + h.T, b, s, beta_of_the_living(b * h.T, beta))

    def survival_of_new(self, t: float | Array) -> Array:
        """The gamma / Gompertz distribution of [1]_: (beta / (beta - 1 + e^(b t)))^s."""
        return np.asarray(np.exp(-self.s * wear_by(self.b * np.asarray(t, dtype=float), self.beta)))

    def mean_purchase_rate(self, h: History) -> Array:
        """Posterior mean of the purchase rate, per unit of time: of those who are there, and of those who left at y."""
        r, alpha, *_ = self
        log_area, _, less, *_ = self._leaving(h, means=True)
        left = expit(self._log_odds_of_having_left(h, log_area))
        return np.asarray((r + h.x) * ((1 - left) / (alpha + h.T) + left * less / (alpha + h.t_x)))

    def mean_dropout(self, h: History) -> Array:
        r"""Posterior mean of :math:`\eta`: times b, the rate at which the customer was to leave at the beginning.

        It falls by e for each 1 / b that the customer is known to have stayed, and may come to be 0 as a float.
        """
        _, _, b, s, beta = self
        log_area, _, _, _, fresh, *_ = self._leaving(h, means=True)
        left = expit(self._log_odds_of_having_left(h, log_area))
        until, before = np.exp(-wear_by(b * h.T, beta)), np.exp(-wear_by(b * h.t_x, beta))
        return np.asarray(((1 - left) * s * until + left * (s + 1) * before * fresh) / beta)

    def expected_purchases_of_new(self, t: float | Array) -> Array:
        """The mean rate, for as long as the customer is there; with `living`, what [2]_ corrects.

        There is an end to it: the sum of all purchases to come is finite.
        """
        return self.discounted_purchases_of_new(np.asarray(t, dtype=float), 0.0)

    def discounted_purchases_of_new(self, t: Array, delta: float) -> Array:
        """The integral of the mean rate of those still there, discounted."""
        r, alpha, b, s, beta = self
        (log_area,) = over_life(0.0, 1.0, s, beta, b * t, decay=delta / b)
        return np.asarray(r / (alpha * b) * np.exp(log_area))

    def activity_of_new(self, t: float | Array) -> Array:
        """By the moment of the first purchase: the customer is still there."""
        r, alpha, b, s, beta = self
        (log_area,) = over_life(r + 1, b * alpha, s, beta, b * np.asarray(t, dtype=float))
        return np.asarray(r / (alpha * b) * np.exp(log_area))

    def probability_of_new(self, n: int | Array, t: float | Array) -> Array:
        """Made n purchases and still there, or n before leaving at a y."""
        r, alpha, b, s, beta, n, t = np.broadcast_arrays(*self, np.asarray(n, dtype=float), np.asarray(t, dtype=float))
        answer = np.array(np.exp(log_counts(r, alpha, n, t) - s * wear_by(b * t, beta)))
        some = t > 0
        answer[some] += gone_with(*(one[some] for one in (r, b * alpha, s, beta, n, b * t)))
        return answer

    def probability_later_of_new(self, n: int | Array, t: float | Array, since: Array) -> Array:
        """Whoever is still there is a customer of the beta of the living."""
        r, alpha, b, s, beta = self
        later = GGompertzNBD(r, alpha, b, s, beta_of_the_living(b * since, beta))
        return self.survival_of_new(since) * later.probability_of_new(n, t)

    @property
    def time_scale(self) -> float | Array:
        """The time by which all but 1 / e have left."""
        return wear_by(1 / np.asarray(self.s), 1 / np.asarray(self.beta)) / self.b

    def future(self, h: History, numbers: SharedNumbers) -> Future:
        """By the story: who is there buys at their own rate, and leaves at a moment of their own."""
        r, alpha, b, s, beta = self
        here = numbers.uniform() < self.p_alive_now(h)
        rate = rates_of_the_living(r, alpha, h, numbers)
        with np.errstate(divide="ignore", over="ignore"):  # an eta of 0 never leaves
            leaves = np.log1p(numbers.exponential() * beta_of_the_living(b * h.T, beta) / numbers.gamma(s)) / b
        return Future(rate, np.where(here, np.inf, 0.0), leaves)

    def simulate(self, T: Array, rng: np.random.Generator, *, unit: str | None = None) -> PurchaseTimes:
        """New customers by the story, exactly and in continuous time; parameters as for `BGNBD.simulate`.

        Examples
        --------
        >>> law = GGompertzNBD(r=0.8, alpha=1.5, b=0.12, s=0.6, beta=20.0)
        >>> times = law.simulate(np.full(100_000, 39.0), np.random.default_rng(1))
        >>> bool(abs(times.count(before=39.0).mean() - law.expected_purchases_of_new(39.0)) < 0.2)
        True
        """
        T = checked_watch(T)
        rate = rng.gamma(self.r, 1 / np.asarray(self.alpha), T.size)
        eta = rng.gamma(self.s, 1 / np.asarray(self.beta), T.size)
        with np.errstate(divide="ignore", over="ignore"):
            here = np.minimum(T, np.log1p(rng.standard_exponential(T.size) / eta) / self.b)
        return times_of_purchases(rate, here, rng, T=T, unit=unit or self.unit)

    @classmethod
    def starts(cls, h: History) -> list[Self]:
        """The mean rate of the data with several spreads; next to the ParetoNBD, and where leaving hastens soon."""
        rate, watched = (h.weights @ h.x) / (h.weights @ h.T), (h.weights @ h.T) / h.customers
        ways = ((0.8, 3.0, 0.6, 5.0), (0.8, 0.1, 0.6, 0.05), (0.3, 6.0, 1.0, 100.0))
        return [cls(r, r / rate, hastens / watched, s, beta) for r, hastens, s, beta in ways]
