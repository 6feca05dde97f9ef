r"""BG/BB: at every opportunity customers buy or let it pass, for as long as they are here.

Time goes in opportunities: years with an appeal for donations, cruises, conferences. Before each of them, the first one
too, a customer leaves for good with a probability :math:`\theta` of their own; whoever is still there buys with a
probability p of their own. They differ among customers as Beta(gamma, delta) and Beta(alpha, beta).

It wants, for each customer, the number of opportunities x at which they bought, the one at which they last did t_x, and
the number of opportunities watched T (the paper's n), all counted from the first purchase on, which is none of them.
Prefer it where purchases can only happen at certain times, or are counted by the period, at most one in each.

References
----------
.. [1] Fader, P. S., Hardie, B. G. S., & Shang, J. (2010). Customer-Base Analysis in a Discrete-Time Noncontractual
   Setting. Marketing Science 29(6), 1086-1108. https://doi.org/10.1287/mksc.1100.0580
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from scipy.special import xlog1py

from custrel.clv.bgnbd import geometric
from custrel.clv.horizon import horizon_in
from custrel.clv.law import PurchaseLaw
from custrel.clv.story import Future, checked_watch
from custrel.errors import DomainError
from custrel.history import PurchaseTimes
from custrel.stats.moves import Likelier
from custrel.stats.special import beta_mean, digamma_rising, log_beta_ratio
from custrel.stats.steps import longest_first

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from custrel.history import History
    from custrel.stats.draw import SharedNumbers
    from custrel.stats.estimate import Array

__all__ = ["BGBB"]

_FORGOTTEN = 745.0  # exp(-745) is the smallest number there is


@dataclass(frozen=True, eq=False)
class BGBB(PurchaseLaw):
    r"""The beta-geometric / beta-Bernoulli law of Fader, Hardie and Shang (2010) [1]_.

    Wherever a time or a horizon is taken it is a whole number of opportunities; `unit` is the time between two.

    Parameters
    ----------
    alpha, beta
        Parameters of the beta distribution of buying at an opportunity: its mean is alpha / (alpha + beta).
    gamma, delta
        Parameters of the beta distribution of leaving before an opportunity: its mean is gamma / (gamma + delta).

    Raises
    ------
    DomainError
        If a parameter is not positive and finite.

    References
    ----------
    .. [1] Fader, P. S., Hardie, B. G. S., & Shang, J. (2010). Customer-Base Analysis in a Discrete-Time Noncontractual
       Setting. Marketing Science 29(6), 1086-1108. https://doi.org/10.1287/mksc.1100.0580

    Examples
    --------
    By hand: with all four parameters 1 a new customer is there at opportunity j with probability 1 / (1 + j) and then
    buys with probability 1 / 2, so that (1 / 2 + 1 / 3 + 1 / 4) / 2 purchases are expected of the first three.

    >>> round(float(BGBB(alpha=1.0, beta=1.0, gamma=1.0, delta=1.0).expected_purchases_of_new(3)), 6)
    0.541667
    """

    alpha: float | Array
    beta: float | Array
    gamma: float | Array
    delta: float | Array

    betas = (("alpha", "beta"), ("gamma", "delta"))
    moves = MappingProxyType({"purchase": Likelier("alpha", "beta"), "dropout": Likelier("gamma", "delta")})
    limits: ClassVar[Mapping[tuple[str, bool], str]] = MappingProxyType(
        {
            ("alpha", True): " (customers do not differ in how likely they are to buy)",
            ("alpha", False): " (a few customers buy at every opportunity, the others never)",
            ("beta", True): " (customers do not differ in how likely they are to buy, or hardly ever buy)",
            ("beta", False): " (whoever is there buys at nearly every opportunity)",
            ("gamma", True): " (all leave with one probability, 1 unless delta grows too)",
            ("gamma", False): " (nobody is seen to leave: a law without dropout fits as well)",
            ("delta", True): " (nobody is seen to leave, or all leave with one probability)",
            ("delta", False): " (most leave before the first opportunity, the others hardly ever)",
        }
    )

    def log_likelihood(self, h: History) -> Array:
        """Equation (5) of [1]_: of buying x times, the last time at t_x, and of the silence since.

        It is that of one order of the purchases, which all orders share: only x, t_x and T matter.
        """
        alpha, beta, gamma, delta = self
        silence, _ = self._silence(h)
        passed = h.t_x - h.x
        bought = log_beta_ratio(alpha, beta, passed) + log_beta_ratio(beta + passed, alpha, h.x)
        return np.asarray(bought + log_beta_ratio(gamma, delta, h.t_x) + silence)

    def _silence(self, h: History) -> tuple[Array, Array]:
        """Logarithm of the chance to see no purchase after t_x, given what came before; and, given both, P(there at T).

        Divided by the chance of what came before, no term of equation (5) is above 1: nothing overflows or cancels.
        """
        left, bought, there = longest_first(_fates, self._since_the_last(h))
        # The three chances add up to 1: the logarithm is taken from whichever side keeps its digits.
        log_chance = np.where(bought < 0.5, np.log1p(-np.minimum(bought, 0.5)), np.log(left + there))
        return log_chance, there / (left + there)

    def _since_the_last(self, h: History) -> tuple[Array, ...]:
        """Parameters of the beta distributions of those who were there at t_x, and how long they have been silent."""
        alpha, beta, gamma, delta = self
        _refuse_other_than_opportunities(h)
        return np.broadcast_arrays(alpha + h.x, beta + (h.t_x - h.x), gamma, delta + h.t_x, h.T - h.t_x)

    def score(self, h: History) -> Array:
        """Derivatives of equation (5) in its parameters, which are numbers: means over when the customer left."""
        alpha, beta, gamma, delta = self
        x, t_x = h.x, h.t_x
        left, buying, passing, leaving, staying = longest_first(_mean_slopes, self._since_the_last(h))
        chances, risks = digamma_rising(alpha + beta, t_x), digamma_rising(gamma + delta, t_x)
        return np.stack(
            [
                digamma_rising(alpha, x) - chances - buying,
                digamma_rising(beta, t_x - x) - chances + passing,
                left / gamma - risks - leaving,
                digamma_rising(delta, t_x) - risks + staying,
            ]
        )

    def p_alive_now(self, h: History) -> Array:
        """Probability that the customer was there at opportunity T, the last one watched.

        What the law expects rests on it: whoever was there at T is a new customer under `living`, who may leave before
        the next opportunity. `p_alive` asks whether they are there at that one.

        Examples
        --------
        With all four parameters 1, half leave before the first opportunity, and a quarter is there and does not buy.

        >>> from custrel import History
        >>> BGBB(alpha=1.0, beta=1.0, gamma=1.0, delta=1.0).p_alive_now(History(x=[0], t_x=[0], T=[1])).round(4)
        array([0.3333])
        """
        return self._silence(h)[1]

    def p_alive(self, h: History, t: float | str | Array = 0.0) -> Array:
        """Equation (11) of [1]_: probability that the customer is there at opportunity T + 1, or T + 1 + t.

        As in the paper it counts the chance to leave before that opportunity, so it is below 1 even just after a
        purchase.

        Parameters
        ----------
        h
            The history.
        t
            How many opportunities later, or a duration that comes to a whole number of them.

        Examples
        --------
        Donors of table 3 of [1]_, one who gave in each of six years, and one who never gave again:

        >>> from custrel import History
        >>> law = BGBB(alpha=1.204, beta=0.750, gamma=0.657, delta=2.783)
        >>> law.p_alive(History(x=[6, 0], t_x=[6, 0], T=[6, 6], unit="year")).round(2)
        array([0.93, 0.11])
        """
        t = horizon_in(h, t)
        return np.asarray(self.p_alive_now(h) * self.living(h).survival_of_new(t))

    def living(self, h: History) -> BGBB:
        """Who was there at T: purchases add to alpha, opportunities passed to beta, and each not left at to delta."""
        alpha, beta, gamma, delta = self
        _refuse_other_than_opportunities(h)
        return BGBB(alpha + h.x, beta + (h.T - h.x), gamma, delta + h.T)

    def survival_of_new(self, t: float | Array) -> Array:
        """Probability that a new customer is there at opportunity t + 1, as P(alive) has it."""
        return np.exp(log_beta_ratio(self.gamma, self.delta, _whole(t) + 1))

    def mean_purchase_rate(self, h: History) -> Array:
        """Posterior mean of p, from a likelihood that is tilted by it."""
        tilted = replace(self, alpha=self.alpha + 1)
        gain = tilted.log_likelihood(h) - self.log_likelihood(h)
        return np.asarray(self.alpha / (self.alpha + self.beta) * np.exp(gain))

    def mean_dropout(self, h: History) -> Array:
        """Posterior mean of theta, from a likelihood that is tilted by it."""
        tilted = replace(self, gamma=self.gamma + 1)
        gain = tilted.log_likelihood(h) - self.log_likelihood(h)
        return np.asarray(self.gamma / (self.gamma + self.delta) * np.exp(gain))

    def expected_purchases_of_new(self, t: float | Array) -> Array:
        """Equation (8) of [1]_; with `living` and P(there at T), equation (13). It is a harmonic sum at gamma = 1."""
        alpha, beta, gamma, delta = self
        t = _whole(t, endless=True)
        # So small a number stands for 0 that the quotient has its limit to the last digit.
        excess = np.where(gamma == 1, 1e-30, gamma - 1)
        within = -np.expm1(log_beta_ratio(excess, delta + 1, np.where(np.isinf(t), 0.0, t))) / excess
        ever = np.where(excess > 1e-30, 1 / np.maximum(excess, 1e-30), np.inf)
        return np.asarray(alpha / (alpha + beta) * delta * np.where(np.isinf(t), ever, within))

    def probability_of_new(self, n: int | Array, t: float | Array) -> Array:
        """Equation (7) of [1]_: there at the first opportunity and n purchases, or gone before it."""
        alpha, beta, gamma, delta = self
        gone = (np.asarray(n) == 0) * (gamma / (gamma + delta))
        there = _there_and_bought(alpha, beta, gamma, delta, np.asarray(n, dtype=float), _whole(t))
        return np.asarray(np.minimum(there + gone, 1.0))  # rounding may carry a sum past 1

    def probability_later_of_new(self, n: int | Array, t: float | Array, since: Array) -> Array:
        """Whoever was there at `since` is a customer of delta + since; that they are at the next one, and buy n times.

        Still there, as P(alive) has it: at opportunity since + 1.
        """
        alpha, beta, gamma, delta = self
        since = _whole(since)
        bought = _there_and_bought(alpha, beta, gamma, delta + since, np.asarray(n, dtype=float), _whole(t))
        return np.asarray(np.exp(log_beta_ratio(gamma, delta, since)) * bought)

    def discounted_purchases_of_new(self, t: Array, delta: float) -> Array:
        r"""DERT of [1]_, and its part up to t: a purchase at opportunity j is worth :math:`e^{-\delta j}`.

        As in the paper the first opportunity to come is discounted once. Under the mean over theta the sum is geometric
        with ratio :math:`w = e^{-\delta} (1 - \theta)`.
        """
        t = _whole(t, endless=True)
        if delta == 0:
            return self.expected_purchases_of_new(t)
        last = np.minimum(t, min(_FORGOTTEN / delta, 1e300))

        def worth(theta: Array, last: Array) -> Array:
            log_power = xlog1py(last, -theta) - delta * last
            return np.asarray(np.expm1(log_power) / (np.expm1(-delta) - np.exp(-delta) * theta))

        first = self.alpha / (self.alpha + self.beta) * (self.delta / (self.gamma + self.delta)) * np.exp(-delta)
        return np.asarray(first * beta_mean(worth, self.gamma, self.delta + 1, last))

    @property
    def time_scale(self) -> float | Array:
        """The opportunities on which survival bends."""
        return self.delta + 1

    def future(self, h: History, numbers: SharedNumbers) -> Future:
        """By the story: who was there at T leaves with their own probability, and buys with their own until then."""
        alpha, beta, gamma, delta = self
        alike, who = self.alike_here(h)
        here = numbers.uniform() < self.p_alive_now(h)
        p = numbers.beta(alpha + alike.x, beta + (alike.T - alike.x))[:, who]
        theta = numbers.beta(gamma, delta + alike.T)[:, who]
        last = np.where(here, geometric(theta, numbers.uniform()) - 1, 0.0)
        return _Opportunities(p, np.full(p.shape, np.inf), last)

    def simulate(self, T: Array, rng: np.random.Generator, *, unit: str | None = None) -> PurchaseTimes:
        """New customers by the story, with exactly T opportunities each.

        Parameters
        ----------
        T
            How many opportunities to watch each of them, ``(customers,)``.
        rng
            Source of randomness.
        unit
            Time between two opportunities; the law's own, or week where neither this nor the law says it.

        Returns
        -------
        Purchases at the times 1, ..., T.

        Examples
        --------
        >>> law = BGBB(alpha=1.204, beta=0.750, gamma=0.657, delta=2.783)
        >>> times = law.simulate(np.full(100_000, 6), np.random.default_rng(1), unit="year")
        >>> bool(abs(times.count(before=6).mean() - law.expected_purchases_of_new(6)) < 0.03)
        True
        """
        T = _whole(checked_watch(T))
        p, theta = rng.beta(self.alpha, self.beta, T.size), rng.beta(self.gamma, self.delta, T.size)
        there = np.minimum(T, geometric(theta, 1 - rng.random(T.size)) - 1).astype(np.intp)
        customer = np.repeat(np.arange(T.size), there)
        time = 1 + np.arange(customer.size) - np.repeat(np.cumsum(there) - there, there)
        buys = rng.random(customer.size) < p[customer]
        return PurchaseTimes(customer[buys], time[buys].astype(np.float64), T, unit or self.unit or "week")

    @classmethod
    def starts(cls, h: History) -> list[Self]:
        """The mean rate of the data with several spreads, and several ways to leave."""
        p, watched = (h.weights @ h.x + 0.5) / (h.weights @ h.T + 1), (h.weights @ h.T) / h.customers
        spreads = ((2.0, 0.7, 0.7), (0.5, 2.0, 3.0), (10.0, 0.3, 0.1))
        return [cls(k * p, k * (1 - p), gamma, longer * watched) for k, gamma, longer in spreads]


@dataclass(frozen=True, eq=False)
class _Opportunities(Future):
    """A future in steps: `rate` is the probability of buying at each, `leaves_at` the last one they are there at."""

    def purchases(self, t: float, numbers: SharedNumbers) -> Iterator[tuple[Array, Array]]:
        p, ends = self.rate.ravel(), np.minimum(self.leaves_at, t).ravel()
        cells: Any = np.arange(p.size)
        times, customers = np.zeros(p.size), self.rate.shape[-1]
        while cells.size:
            times = times + geometric(p[cells], numbers.uniform().ravel()[cells // customers])
            happens = times <= ends[cells]
            cells, times = cells[happens], times[happens]
            yield cells, times


def _steps(lags: Array) -> Iterator[tuple[int, slice]]:
    """0, 1, ..., and the rows that are silent for longer: one step for all of them, however many."""
    ended = np.cumsum(np.bincount(lags.astype(np.intp)))
    return ((i, slice(lags.size - gone)) for i, gone in enumerate(ended[:-1]))


def _fates(buys: Array, passes: Array, leaves: Array, stays: Array, lags: Array) -> tuple[Array, ...]:
    """Chances of a customer within so many opportunities: to leave without a purchase, to buy, and neither."""
    chances, risks = buys + passes, leaves + stays
    left, bought, there = np.zeros(lags.size), np.zeros(lags.size), np.ones(lags.size)
    for i, rows in _steps(lags):
        risk, chance = there[rows] / (risks[rows] + i), 1 / (chances[rows] + i)
        left[rows] += risk * leaves[rows]
        here = risk * (stays[rows] + i)
        bought[rows] += here * chance * buys[rows]
        there[rows] = here * chance * (passes[rows] + i)
    return left, bought, there


def _mean_slopes(buys: Array, passes: Array, leaves: Array, stays: Array, lags: Array) -> tuple[Array, ...]:
    """Probability of having left in the silence; and slopes of the chance of it, as means over when they left."""
    chances, risks = buys + passes, leaves + stays
    left, there = np.zeros(lags.size), np.ones(lags.size)
    slopes, total = np.zeros((4, lags.size)), np.zeros((4, lags.size))
    for i, rows in _steps(lags):
        chance, risk, passed, stayed = (one[rows] + i for one in (chances, risks, passes, stays))
        leaves_now = there[rows] * leaves[rows] / risk
        left[rows] += leaves_now
        total[:, rows] += leaves_now * slopes[:, rows]
        total[2, rows] += leaves_now / risk  # leaving is an event of one more risk
        total[3, rows] -= leaves_now / risk
        slopes[0, rows] += 1 / chance
        slopes[1, rows] += buys[rows] / (passed * chance)
        slopes[2, rows] += 1 / risk
        slopes[3, rows] += leaves[rows] / (stayed * risk)
        there[rows] *= stayed / risk * (passed / chance)
    total += there * slopes
    return left / (left + there), *(total / (left + there))


def _there_and_bought(
    alpha: float | Array, beta: float | Array, gamma: float | Array, delta: float | Array, n: Array, t: Array
) -> Array:
    """Probability to be there at the first of t opportunities, and to buy at n: by the last one i they are there at."""
    first = np.maximum(n, 1.0)
    start = log_beta_ratio(alpha, beta, first - n) + log_beta_ratio(beta + (first - n), alpha, n)
    start = start + log_beta_ratio(gamma, delta, first)
    # Mantissa and power of 2 apart: 5,000 purchases in a row may have no chance that a float can hold.
    power = np.floor(start / np.log(2)).astype(np.int32)
    term = np.exp(start - power * np.log(2))
    total = np.exp(log_beta_ratio(gamma, delta, 1.0)) * ((n == 0) & (t == 0))
    for i in (first + k for k in range(int(np.max(t - first, initial=-1)) + 1)):
        chance, risk = alpha + beta + i, gamma + delta + i
        ends = np.where(i < t, gamma / risk, i == t)
        total = total + np.ldexp(term, power) * ends
        grown = term * ((i + 1) / (i + 1 - n)) * ((beta + (i - n)) / chance) * ((delta + i) / risk)
        term, shift = np.frexp(grown)
        power = power + shift
    return np.asarray(total)


def _whole(t: float | Array, *, endless: bool = False) -> Array:
    """Numbers of opportunities."""
    t = np.asarray(t, dtype=float)
    good = (t >= 0) & (np.floor(t) == t) & (np.isfinite(t) | endless)
    if not np.all(good):
        found = t[~good].flat[0]
        raise DomainError(
            f"BGBB: a horizon must be a whole number of opportunities, 0 or more, got {found:g}; "
            "a duration must come to whole units"
        )
    return t


def _refuse_other_than_opportunities(h: History) -> None:
    promises = {
        "t_x and T must be whole numbers of opportunities": (np.floor(h.t_x) == h.t_x) & (np.floor(h.T) == h.T),
        "x must not be above t_x, as there is one purchase at most at each opportunity": h.x <= h.t_x,
    }
    for promise, kept in promises.items():
        if not np.all(kept):
            row = int(np.argmin(kept))
            found = ", ".join(f"{name}={getattr(h, name)[row]:g}" for name in ("x", "t_x", "T"))
            raise DomainError(
                f"BGBB: {promise}; {np.sum(~kept):,} of {len(h):,} rows break this: row {row} has {found}; "
                "count opportunities, or take a law in continuous time"
            )
