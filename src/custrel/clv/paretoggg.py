r"""Pareto/GGG: while here, customers buy more or less regularly; at any moment they may leave.

A customer's times between purchases are Gamma(k, rate :math:`k\lambda`): their mean is :math:`1/\lambda`, and the
larger k, the more regular they are. The customer leaves for good at a constant rate :math:`\mu`. Among customers k is
Gamma(t, gamma), :math:`\lambda` is Gamma(r, alpha) and :math:`\mu` is Gamma(s, beta), three gammas that have nothing
to do with each other. Where all have k = 1 it is the Pareto/NBD.

It wants, for each customer, the number of repeat purchases x, the time of the last one t_x, the time watched T, and
the sum of the logarithms of the times between purchases, which says how regular they are: make the history with
``log_gaps=True``. Prefer it where customers have a rhythm, each their own: the silence of a customer who bought every
Saturday says more than the same silence of one who buys at random. It is slow: it needs a minute where the Pareto/NBD
needs a second.

The paper draws from the posterior by Markov chains. Here the likelihood is an integral in which all is positive, and
its peak is found like that of every other law. What customers will buy has no closed form: it is the mean over 2,000
futures of each, drawn from the exact posterior given the parameters.

References
----------
.. [1] Platzer, M., & Reutterer, T. (2016). Ticking Away the Moments: Timing Regularity Helps to Better Predict
   Customer Activity. Marketing Science 35(5), 779-799. https://doi.org/10.1287/mksc.2015.0963
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np
from scipy.special import expit, psi

from custrel.clv.by_futures import ByFutures, GapFuture, drawn
from custrel.clv.law import Living, log_gaps_of
from custrel.clv.newborn import ByNewborn
from custrel.clv.paretonbd import ParetoNBD
from custrel.clv.regularity import Rows, by_nodes, cut_short, outlasting
from custrel.clv.story import checked_watch, times_with_gaps
from custrel.history import History
from custrel.stats.moves import Faster

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from custrel.clv.regularity import Part
    from custrel.clv.story import Future
    from custrel.history import PurchaseTimes
    from custrel.stats.draw import SharedNumbers
    from custrel.stats.estimate import Array

__all__ = ["ParetoGGG"]


@dataclass(frozen=True, eq=False)
class ParetoGGG(ByNewborn):
    r"""The Pareto / GGG law of Platzer and Reutterer (2016) [1]_.

    Whatever is expected of the time to come is a mean over 2,000 futures of each customer, the same random numbers for
    all. Against infinitely many it is off by 1 to 2 % for a customer who never came back, by half a percent for one who
    often did, and by as much for a crowd, since all share the numbers; P(active) is off by a tenth of a percent.

    Parameters
    ----------
    t, gamma
        Shape and rate of the gamma distribution of regularity k: its mean is t / gamma.
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
    .. [1] Platzer, M., & Reutterer, T. (2016). Ticking Away the Moments: Timing Regularity Helps to Better Predict
       Customer Activity. Marketing Science 35(5), 779-799. https://doi.org/10.1287/mksc.2015.0963

    Examples
    --------
    Two customers bought ten times in forty weeks and have been silent for ten. Who bought every fourth week has left.

    >>> from custrel import History
    >>> law = ParetoGGG(t=2.0, gamma=1.0, r=1.0, alpha=4.0, s=0.5, beta=10.0)
    >>> steady, erratic = 10 * np.log(4.0), 5 * np.log(1.0) + 5 * np.log(7.0)
    >>> h = History(x=[10, 10], t_x=[40, 40], T=[50, 50], log_gaps=[steady, erratic])
    >>> law.p_alive(h).round(2)
    array([0.17, 0.69])
    """

    t: float | Array
    gamma: float | Array
    r: float | Array
    alpha: float | Array
    s: float | Array
    beta: float | Array

    needs_log_gaps: ClassVar[bool] = True
    gammas = (("t", "gamma"), ("r", "alpha"), ("s", "beta"))
    moves = MappingProxyType({"purchase": Faster("alpha"), "dropout": Faster("beta")})
    limits: ClassVar[Mapping[tuple[str, bool], str]] = MappingProxyType(
        {
            **ParetoNBD.limits,
            ("t", True): " (all are equally regular)",
            ("t", False): " (a few customers are regular, the others buy all at once)",
            ("gamma", True): " (all are equally regular, or none at all)",
            ("gamma", False): " (a few customers are as regular as clocks)",
        }
    )

    def log_likelihood(self, h: History) -> Array:
        """Density of the times of purchases by the story of [1]_, summed over k, the rates and the next gap."""
        return np.asarray(np.logaddexp(*self._parts(h)) - self.s * np.log1p(h.t_x / self.beta))

    def score(self, h: History) -> Array:
        """Its derivatives in t, gamma, r, alpha, s, beta, for parameters that are numbers, by Fisher's identity."""
        t, gamma, r, alpha, s, beta = self
        log_q, less_k, log_rate, rate, later, dropout = self._posterior(h)
        return np.stack(
            [
                np.log(t) - psi(t) + log_q,
                t / gamma * less_k,
                np.log(alpha) - psi(r) + log_rate,
                r / alpha - rate,
                later - np.log1p(h.t_x / beta),
                s / beta - dropout,
            ]
        )

    def _rows(self, h: History) -> tuple[Rows, tuple[int, ...]]:
        """Parameters and data side by side, and the shape of the answers."""
        data = h.x, h.t_x, h.T, log_gaps_of(h, "ParetoGGG")
        rows = np.broadcast_arrays(*self, *data)
        return Rows(*(np.ravel(column).astype(np.float64) for column in rows)), rows[0].shape

    def _parts(self, h: History) -> tuple[Array, Array]:
        """The logarithms of both parts of the likelihood: the next gap outlasts the silence, or it was cut short.

        They are relative to survival until t_x.
        """
        rows, shape = self._rows(h)
        longer, cut = (_sums(part, rows)[0].reshape(shape) for part in (outlasting, cut_short))
        return longer, cut

    def _posterior(self, h: History) -> tuple[Array, ...]:
        """Posterior means, over both ways in which the history may have come about.

        They are those of log k and k relative to their prior means, of the logarithm of the purchase rate, of that
        rate, of what the derivative in s needs, and of the rate of leaving.
        """
        rows, shape = self._rows(h)
        (log_longer, *a), (log_cut, *b) = (_sums(part, rows, means=True) for part in (outlasting, cut_short))
        longer = expit(log_longer - log_cut)
        both = [longer * one + (1 - longer) * other for one, other in zip(a, b, strict=False)]
        gone = rows.s / (rows.beta + rows.t_x)
        means = *both, (1 - longer) * b[4], gone * (1 + (1 - longer) * b[5])
        return tuple(mean.reshape(shape) for mean in means)

    def p_alive_now(self, h: History) -> Array:
        """Probability that the customer has not left by T: the next gap outlasts the silence, and so do they."""
        log_longer, log_cut = self._parts(h)
        stayed = np.exp(-self.s * np.log1p((h.T - h.t_x) / (self.beta + h.t_x)))
        return np.asarray(stayed * expit(log_longer - log_cut))

    def mean_purchase_rate(self, h: History) -> Array:
        """Posterior mean of the purchase rate, per unit of time."""
        return self._posterior(h)[3]

    def mean_dropout(self, h: History) -> Array:
        """Posterior mean of the rate of leaving, per unit of time."""
        return self._posterior(h)[5]

    def mean_regularity(self, h: History) -> Array:
        """Posterior mean of k: 1 where purchases come at random, more where they are regular, less where in bursts.

        Examples
        --------
        >>> from custrel import History
        >>> law = ParetoGGG(t=2.0, gamma=1.0, r=1.0, alpha=4.0, s=0.5, beta=10.0)
        >>> h = History(x=[0, 10], t_x=[0, 40], T=[0, 40], log_gaps=[0.0, 10 * np.log(4.0)])
        >>> law.mean_regularity(h).round(2)
        array([2.  , 6.65])
        """
        self.refuse_another_unit(h.unit, "the history counts")
        return np.asarray(self.t / self.gamma * (1 - self._posterior(h)[1]))

    def living(self, h: History) -> Living:
        """The law of a customer who is still there at T: 2,000 futures of each, made when they are asked for."""
        rows, shape = self._rows(h)
        return ByFutures(rows, shape)

    def alike(self, h: History) -> tuple[History, NDArray[np.intp]]:
        """A row for all customers whose `living` is the same, and each one's row."""
        log_gaps_of(h, "ParetoGGG")
        return h.knowing(()).collapse()

    def survival_of_new(self, t: float | Array) -> Array:
        """The Pareto distribution: (beta / (beta + t))^s."""
        return np.asarray(np.exp(-self.s * np.log1p(np.asarray(t) / self.beta)))

    def newborn(self) -> ByFutures:
        """Futures of a customer of whom nothing is known yet."""
        given = np.broadcast_arrays(*self)
        zero = np.zeros(given[0].size)
        return ByFutures(Rows(*(np.ravel(one).astype(np.float64) for one in given), *[zero] * 4), given[0].shape)

    @property
    def time_scale(self) -> float | Array:
        """The time on which survival bends."""
        return self.beta

    def future(self, h: History, numbers: SharedNumbers) -> Future:
        """By the story: the gap they are in ends, others follow, and they leave at a moment of their own."""
        alike, who = self.alike_here(h)
        rows, shape = self._rows(alike)
        here = numbers.uniform() < self.p_alive_now(alike)
        three = [numbers.uniform() for _ in range(3)]
        if len(shape) == 1:  # one law for all draws
            each = drawn(rows, *(np.broadcast_to(one.T, (*shape, numbers.draws)) for one in three))
            k, rate, first = (one.T for one in each)
        else:
            each = drawn(rows, *(np.broadcast_to(one, shape).reshape(-1, 1) for one in three))
            k, rate, first = (one.reshape(shape) for one in each)
        with np.errstate(divide="ignore", over="ignore"):  # a rate of leaving of 0 never leaves
            leaves = numbers.exponential() * (self.beta + alike.T) / numbers.gamma(self.s)
        stays = np.where(here, np.inf, 0.0)
        given = rate, stays, np.broadcast_to(leaves, rate.shape)
        return GapFuture(*(one[:, who] for one in given), regularity=k[:, who], first=first[:, who])

    def simulate(self, T: Array, rng: np.random.Generator, *, unit: str | None = None) -> PurchaseTimes:
        """New customers by the story, exactly and in continuous time; parameters as for `BGNBD.simulate`.

        Examples
        --------
        >>> law = ParetoGGG(t=3.0, gamma=1.5, r=0.6, alpha=10.0, s=0.6, beta=12.0)
        >>> times = law.simulate(np.full(20_000, 39.0), np.random.default_rng(1))
        >>> bool(abs(times.count(before=39.0).mean() / law.expected_purchases_of_new(39.0) - 1) < 0.05)
        True
        """
        T = checked_watch(T)
        k = rng.gamma(self.t, 1 / np.asarray(self.gamma), T.size)
        rate = rng.gamma(self.r, 1 / np.asarray(self.alpha), T.size)
        leaving = rng.gamma(self.s, 1 / np.asarray(self.beta), T.size)
        with np.errstate(divide="ignore", over="ignore"):
            here = np.minimum(T, rng.standard_exponential(T.size) / leaving)
        return times_with_gaps(k, k * rate, here, rng, T=T, unit=unit or self.unit)

    @classmethod
    def starts(cls, h: History) -> list[Self]:
        """Those of the Pareto/NBD, with purchases at random, more regular ones, and bursts."""
        regular = ((3.0, 3.0), (3.0, 1.5), (1.5, 3.0))
        return [cls(t, gamma, *other) for (t, gamma), other in zip(regular, ParetoNBD.starts(h), strict=True)]


def _sums(part: Callable[..., Part], rows: Rows, *, means: bool = False) -> tuple[Array, ...]:
    """The logarithm of a part of the likelihood, and means under it."""
    answers: list[Array] = []
    for some, found in by_nodes(part, rows, means=means):
        values = [found.total(), *(_means(found, rows.take(some)) if means else ())]
        answers = answers or [np.empty(rows.x.size) for _ in values]
        for answer, value in zip(answers, values, strict=True):
            answer[some] = value
    return tuple(answers) or tuple(np.empty(0) for _ in range(7))


def _means(part: Part, rows: Rows) -> list[Array]:
    """Of log k and -k relative to their prior means, of the logarithm of the rate, of the rate, and of the rest."""
    k, m, A = rows.at(part.q)
    exceeds, less, *others = part.means
    log_rate = psi(m + k) - np.log(m + k) + np.log(m / A) - exceeds
    weight = part.weight()
    values = part.q, -np.expm1(part.q), log_rate, m / A * less, *others
    return [np.asarray(sum(weight * value)) for value in values]
