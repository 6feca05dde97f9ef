r"""BG/NBD: while here, customers buy at random; after any purchase they may leave.

Each customer buys at a constant rate :math:`\lambda`, so purchases are Poisson, and after every repeat purchase leaves
for good with a probability p of their own. Rates differ among customers as Gamma(r, alpha), probabilities p as
Beta(a, b).

It wants, for each customer, the number of repeat purchases x, the time of the last one t_x, and the time watched T.
Prefer it where purchases come at any moment and nobody tells us that they leave; it is quick, and as good as the
Pareto/NBD on most data. A customer who never came back has P(alive) = 1 in this law, since leaving needs a repeat
purchase: ask `p_active` instead, or take a law that lets customers leave at once.

References
----------
.. [1] Fader, P. S., Hardie, B. G. S., & Lee, K. L. (2005). "Counting Your Customers" the Easy Way: An Alternative to
   the Pareto/NBD Model. Marketing Science 24(2), 275-284. https://doi.org/10.1287/mksc.1040.0098
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np
from scipy.special import betainc, xlog1py

from custrel.clv.law import LIMITS_OF_RATES, PurchaseLaw
from custrel.clv.nbd import log_counts
from custrel.clv.story import Future, checked_watch, counts_of, rates_of_the_living, times_of_purchases
from custrel.stats.moves import Faster, Likelier
from custrel.stats.special import add_logs, beta_mean, by_count, digamma_rising, expm1_ratio, log_rising, logistic

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from custrel.clv.mbgnbd import MBGNBD
    from custrel.history import History, PurchaseTimes
    from custrel.stats.draw import SharedNumbers
    from custrel.stats.estimate import Array

__all__ = [
    "BGNBD",
    "ever",
    "future_by_chances",
    "geometric",
    "log_likelihood_by_chances",
    "log_odds_of_having_left",
    "rate_by_last_seen",
    "score_by_chances",
]


@dataclass(frozen=True, eq=False)
class BGNBD(PurchaseLaw):
    r"""The beta-geometric / NBD law of Fader, Hardie and Lee (2005) [1]_.

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
    .. [1] Fader, P. S., Hardie, B. G. S., & Lee, K. L. (2005). "Counting Your Customers" the Easy Way: An Alternative
       to the Pareto/NBD Model. Marketing Science 24(2), 275-284. https://doi.org/10.1287/mksc.1040.0098

    Examples
    --------
    Table 2 of [1]_ gives the parameters of the CDNOW customers; equation (9) is what a new one buys in 39 weeks.

    >>> law = BGNBD(r=0.243, alpha=4.414, a=0.793, b=2.426)
    >>> round(float(law.expected_purchases_of_new(39.0)), 3)
    1.197
    """

    r: float | Array
    alpha: float | Array
    a: float | Array
    b: float | Array

    gammas = (("r", "alpha"),)
    betas = (("a", "b"),)
    moves = MappingProxyType({"purchase": Faster("alpha"), "dropout": Likelier("a", "b")})
    limits: ClassVar[Mapping[tuple[str, bool], str]] = MappingProxyType(
        {
            **LIMITS_OF_RATES,
            ("a", False): " (nobody is seen to leave, unless b goes too: a law without dropout fits as well)",
            (
                "a",
                True,
            ): " (all leave with one probability, 1 unless b grows too: few data do not show that customers differ)",
            ("b", True): " (nobody is seen to leave, or all leave with one probability)",
            ("b", False): " (all leave at their first chance, unless a goes too)",
        }
    )

    def log_likelihood(self, h: History) -> Array:
        """Equation (6) of [1]_: still there and silent since t_x, or left just after the last purchase."""
        return log_likelihood_by_chances(self, h, before=0)

    def score(self, h: History) -> Array:
        """Derivatives of equation (6) in r, alpha, a, b, for parameters that are numbers."""
        return score_by_chances(self, h, before=0)

    def p_alive_now(self, h: History) -> Array:
        """Probability that the customer has not left by T (Fader, Hardie & Lee 2008, note 021).

        It is exactly 1 for customers without a repeat purchase: in this law nobody leaves before one.

        Examples
        --------
        >>> from custrel import History
        >>> law = BGNBD(r=0.243, alpha=4.414, a=0.793, b=2.426)
        >>> law.p_alive(History(x=[2, 0], t_x=[30.43, 0], T=[38.86, 38.86])).round(3)
        array([0.727, 1.   ])
        """
        return logistic(-log_odds_of_having_left(self, h, before=0))

    def living(self, h: History) -> BGNBD:
        """Purchases add to r and time to alpha; each of the x chances to leave that was not taken adds to b."""
        r, alpha, a, b = self
        return BGNBD(r + h.x, alpha + h.T, a, b + h.x)

    def survival_of_new(self, t: float | Array) -> Array:
        r"""Mean over p of :math:`(\alpha / (\alpha + p t))^r`: no purchase yet at which the customer leaves."""

        def stays(p: Array, r: Array, alpha: Array, t: Array) -> Array:
            return np.exp(-r * np.log1p(p * (t / alpha)))

        return beta_mean(stays, self.a, self.b, self.r, self.alpha, t)

    def mean_purchase_rate(self, h: History) -> Array:
        """Posterior mean of the purchase rate: those who are there showed it until T, those who left until t_x."""
        return rate_by_last_seen(self, h)

    def mean_dropout(self, h: History) -> Array:
        """Posterior mean of the probability of leaving after a purchase: those who left took their last chance."""
        _, _, a, b = self
        return np.asarray((a + 1 - self.p_alive_now(h)) / (a + b + h.x))

    def expected_purchases_of_new(self, t: float | Array) -> Array:
        r"""Equation (9) of [1]_; with `living`, equation (10).

        As printed it is (a+b-1)/(a-1) times a difference that cancels, and has no value at a = 1. Euler's
        transformation of the hypergeometric function leaves, with :math:`c = a + b - 1`,
        :math:`z = t / (\alpha + t)` and :math:`L = \log(1 - z)`,

        .. math:: c\,\frac{1 - e^{(a-1)L}}{a - 1}
                  - e^{(a-1)L} \sum_{n \ge 1} \frac{(a)_{n-1} (c - r)_n}{(c + 1)_{n-1}} \frac{z^n}{n!} .
        """
        r, alpha, a, b, t = np.broadcast_arrays(*self, np.asarray(t, dtype=float))
        if np.any(np.isposinf(t)):
            return np.where(np.isposinf(t), ever(a, b), self.expected_purchases_of_new(np.where(np.isposinf(t), 0, t)))
        answer = np.empty(t.shape)
        long = _series_is_long(r, a, b, t / (alpha + t))
        answer[~long] = _by_series(r[~long], alpha[~long], a[~long], b[~long], t[~long])
        answer[long] = _by_mean_over_p(r[long], alpha[long], a[long], b[long], t[long])
        return answer

    def activity_of_new(self, t: float | Array) -> Array:
        """One less the chance of no purchase, however small: nobody leaves before the first."""
        return np.asarray(-np.expm1(-self.r * np.log1p(np.asarray(t) / self.alpha)))

    def probability_of_new(self, n: int | Array, t: float | Array) -> Array:
        """Equation (8) of [1]_: still here after n purchases, or left at the n-th."""
        r, alpha, a, b = self
        n, t = np.asarray(n, dtype=float), np.asarray(t, dtype=float)
        bought = log_counts(r, alpha, n, t)
        stayed = log_rising(b, n) - log_rising(a + b, n)
        k = np.maximum(n, 1)
        left = a / (b + k - 1) * np.exp(log_rising(b, k) - log_rising(a + b, k)) * betainc(k, r, t / (alpha + t))
        return np.asarray(np.exp(bought + stayed) + np.where(n > 0, left, 0.0))

    def probability_later_of_new(self, n: int | Array, t: float | Array, since: Array) -> Array:
        """Equation (8) of [1]_ with p given, under the rates of those who are still there, and its mean over p."""

        def bought(p: Array, r: Array, alpha: Array, n: Array, t: Array, since: Array) -> Array:
            lasted = alpha + p * since
            stays = np.exp(xlog1py(n, -p) + log_counts(r, lasted, n, t))
            k = np.maximum(n, 1)
            leaves = p * np.exp(xlog1py(k - 1, -p)) * betainc(k, r, t / (lasted + t))
            return np.asarray(np.exp(-r * np.log1p(p * (since / alpha))) * (stays + np.where(n > 0, leaves, 0.0)))

        return beta_mean(bought, self.a, self.b, self.r, self.alpha, n, t, since)

    @property
    def time_scale(self) -> float | Array:
        """The time of a purchase at the mean rate, or alpha where that is less."""
        return self.alpha / (1 + self.r)

    def future(self, h: History, numbers: SharedNumbers) -> Future:
        """By the story: who is there buys at their own rate, and leaves after a purchase with their own probability."""
        return future_by_chances(self, h, numbers, before=0)

    def simulate(self, T: Array, rng: np.random.Generator, *, unit: str | None = None) -> PurchaseTimes:
        """New customers by the story, exactly and in continuous time.

        Parameters
        ----------
        T
            How long to watch each of them, ``(customers,)``.
        rng
            Source of randomness.
        unit
            Unit of the times; the law's own, or week where neither this nor the law says it.

        Examples
        --------
        >>> law = BGNBD(r=0.243, alpha=4.414, a=0.793, b=2.426)
        >>> times = law.simulate(np.full(100_000, 39.0), np.random.default_rng(1))
        >>> bool(abs(times.count(before=39.0).mean() - law.expected_purchases_of_new(39.0)) < 0.03)
        True
        """
        T = checked_watch(T)
        rate = rng.gamma(self.r, 1 / np.asarray(self.alpha), T.size)
        stays_for = geometric(rng.beta(self.a, self.b, T.size), 1 - rng.random(T.size))
        lives = times_of_purchases(rate, T, rng, T=T, unit=unit or self.unit)
        return lives.first(stays_for)

    @classmethod
    def starts(cls, h: History) -> list[Self]:
        """The mean rate of the data with several spreads, and several ways to leave."""
        rate = (h.weights @ h.x) / (h.weights @ h.T)
        spreads = ((1.0, 1.0, 2.0), (0.3, 0.5, 3.0), (3.0, 1.0, 1.0))
        return [cls(r, r / rate, a, b) for r, a, b in spreads]


def log_likelihood_by_chances(law: BGNBD | MBGNBD, h: History, *, before: int) -> Array:
    """Of purchases at random by customers who passed a chance to leave at each, and so many before the first repeat."""
    r, alpha, a, b = law
    x, t_x, T = h.x, h.t_x, h.T
    passed, last = by_count(partial(_chances, before=before), (r, a, b), x)
    stays = -x * np.log(alpha + T) - r * np.log1p(T / alpha)
    left = last - x * np.log(alpha + t_x) - r * np.log1p(t_x / alpha)
    return np.asarray(passed + add_logs(stays, left))


def _chances(r: float | Array, a: float | Array, b: float | Array, x: Array, *, before: int) -> Array:
    """Log of (r)_x and of m chances passed, (b)_m / (a + b)_m; and of the last one taken instead, a / (b + m - 1)."""
    m = x + before
    passed = log_rising(r, x) + log_rising(b, m) - log_rising(a + b, m)
    return np.stack(np.broadcast_arrays(passed, _log_last(a, b, m)))


def _log_last(a: float | Array, b: float | Array, m: Array) -> Array:
    return np.where(m > 0, np.log(a / (b + np.maximum(m, 1) - 1)), -np.inf)


def log_odds_of_having_left(law: BGNBD | MBGNBD, h: History, *, before: int) -> Array:
    """Left just after the last purchase, against stayed and bought nothing since."""
    r, alpha, a, b = law
    _, last = by_count(partial(_chances, before=before), (r, a, b), h.x)
    return np.asarray(last + (r + h.x) * np.log1p((h.T - h.t_x) / (alpha + h.t_x)))


def score_by_chances(law: BGNBD | MBGNBD, h: History, *, before: int) -> Array:
    """Derivatives of `log_likelihood_by_chances` in r, alpha, a, b."""
    r, alpha, a, b = law
    x, t_x, T = h.x, h.t_x, h.T
    silence = np.log1p((T - t_x) / (alpha + t_x))
    last, in_r, in_a, in_b, less = by_count(partial(_slopes_of_chances, before=before), (r, a, b), x)
    left = logistic(last + (r + x) * silence)
    return np.stack(
        [
            in_r - np.log1p(T / alpha) + left * silence,
            (r * T / alpha - x - left * (r + x) * (T - t_x) / (alpha + t_x)) / (alpha + T),
            left / a - in_a,
            in_b - left * less,
        ]
    )


def _slopes_of_chances(r: float, a: float, b: float, x: Array, *, before: int) -> Array:
    """The last chance of `_chances`; derivatives of those passed in r, -a and b, and of the last one in -b."""
    m = x + before
    leaves = digamma_rising(a + b, m)
    stays = digamma_rising(b, m) - leaves
    return np.stack([_log_last(a, b, m), digamma_rising(r, x), leaves, stays, 1 / (b + np.maximum(m, 1) - 1)])


def rate_by_last_seen(law: BGNBD | MBGNBD, h: History) -> Array:
    """Posterior mean of the purchase rate where customers leave only just after a purchase."""
    alive = law.p_alive_now(h)
    return np.asarray((law.r + h.x) * (alive / (law.alpha + h.T) + (1 - alive) / (law.alpha + h.t_x)))


def future_by_chances(law: BGNBD | MBGNBD, h: History, numbers: SharedNumbers, *, before: int) -> Future:
    """One future of each customer, who passed a chance to leave at each of x purchases, and so many before them."""
    x, who = counts_of(h.x, law.a, law.b)
    here = numbers.uniform() < law.p_alive_now(h)
    rate = rates_of_the_living(law.r, law.alpha, h, numbers)
    p = numbers.beta(law.a, law.b + x + before)[:, who]
    return Future(rate, np.where(here, geometric(p, numbers.uniform()), 0))


def geometric(p: Array, u: Array) -> Array:
    """Purchases until leaving, by the inverse of their distribution, also for p so small that 1 - p rounds to 1."""
    with np.errstate(divide="ignore", over="ignore"):
        return np.maximum(1, np.ceil(np.log(u) / np.log1p(-p)))


def _series_is_long(r: Array, a: Array, b: Array, z: Array) -> NDArray[np.bool_]:
    """Where the series needs more than a few hundred terms, or terms much larger than its sum."""
    return (z > 0.9) | (a > 50) | ((r - (a + b - 1)) * z > 3) | (a + b > 1e4 * r)


def _by_series(r: Array, alpha: Array, a: Array, b: Array, t: Array) -> Array:
    c, z, L = a + b - 1, t / (alpha + t), -np.log1p(t / alpha)
    term = (c - r) * z
    total = term.copy()
    for n in range(1, 2000):
        term = term * ((a + n - 1) * (c - r + n) / ((c + n) * (n + 1)) * z)
        total += term
        if not np.any(np.abs(term) > 1e-17 * np.abs(total)):
            break
    return -c * expm1_ratio(a - 1, L) - np.exp((a - 1) * L) * total


def _by_mean_over_p(r: Array, alpha: Array, a: Array, b: Array, t: Array) -> Array:
    """The same, as the mean over p of what a customer buys who leaves with probability p after each purchase."""

    def bought(p: Array, r: Array, rate: Array) -> Array:
        rare = p * rate < 1e-300
        return np.where(rare, r * rate, -np.expm1(-xlog1py(r, p * rate)) / np.where(rare, 1.0, p))

    return beta_mean(bought, a, b, r, t / alpha)


def ever(a: Array, b: Array) -> Array:
    """Mean number of purchases until leaving, the mean of 1 / p: inf where too many hardly ever leave."""
    return np.where(a > 1, (a + b - 1) / np.where(a > 1, a - 1, 1.0), np.inf)
