r"""Sarmanov: two gamma distributed rates that go together, by how two coins fall.

At a rate :math:`\lambda` nothing happens within a time c, the delay, with chance :math:`e^{-c\lambda}`. So a customer
has two coins: one says whether they buy within the delay, one whether they leave. Sarmanov's density of both rates,

.. math:: g_1(\lambda)\, g_2(\mu)\, \big[1 + m\, (e^{-c\lambda} - \phi_1)\, (e^{-c\mu} - \phi_2)\big] ,

makes each of the four cases in which the coins may fall so many times as likely as by chance: with :math:`w = m \phi_1
\phi_2` and the odds :math:`q = (1 - \phi) / \phi`, both events 1 + w times, only a purchase :math:`1 - w q_2`, only
leaving :math:`1 - w q_1`, and neither :math:`1 + w q_1 q_2` times. The bounds of m are those at which a weight is 0.

What is asked of such customers is the mean of these weights under independent gamma distributions, over the moment of
leaving where that is unknown: nothing but positive numbers is added. (As a sum of four laws with signs it would cancel:
where purchases within the delay are rare, w is large.)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from custrel.clv.nbd import log_counts
from custrel.clv.paretonbd import ParetoNBD
from custrel.stats.quadrature import FALL, hill_integral, smooth_integral

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from numpy.typing import NDArray

    from custrel.stats.estimate import Array

__all__ = [
    "Bound",
    "Cases",
    "Coins",
    "Rounded",
    "Together",
    "chances_of",
    "mean_weight",
    "means_over_time",
    "watched_for",
]

_MOST = float(np.log(1e4))  # how many times as likely as by chance a case may be
_FAR = 600.0  # exp(600), times any parameter, is a number still
_BACK = 64.0  # exp(-64) is 1e-28


# -- the coins --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Bound:
    """The logarithm of what w is divided by at most: so many times the log odds of each coin, and the rest.

    Parameters
    ----------
    buys, leaves
        How often it counts the log odds of buying within the delay, and those of leaving.
    rest
        What it is beyond.

    Examples
    --------
    >>> Bound(1.0, 0.5, -1.0).at((2.0, 3.0))
    2.5
    """

    buys: float | Array
    leaves: float | Array
    rest: float | Array

    def at(self, odds: tuple[float | Array, float | Array]) -> Any:
        """Its value by the log odds of both coins."""
        return self.buys * odds[0] + self.leaves * odds[1] + self.rest


@dataclass(frozen=True)
class Rounded:
    """All bounds of each customer, the corners where two meet rounded: a little lower than the lowest, and smooth.

    Parameters
    ----------
    width
        Of a corner, in log odds.

    Examples
    --------
    Where both odds are one, w is below its bound of 1 by the logarithm of 2, times the width.

    >>> coins = Coins(ParetoNBD(1.0, 1.0, 1.0, 1.0), 1.0, 1.0, by=Rounded(0.01))
    >>> float(coins.w.round(6)), float(np.exp(-0.01 * np.log(2)).round(6))
    (0.993092, 0.993092)
    """

    width: float


_RISING = Bound(1, 0, 0.0), Bound(0, 1, 0.0), Bound(1, 1, -_MOST), Bound(1, 1, -_MOST)
_FALLING = Bound(0, 0, 0.0), Bound(1, 1, 0.0), Bound(1, 0, -_MOST), Bound(0, 1, -_MOST)


@dataclass(frozen=True, eq=False)
class Coins:
    """Whether customers buy, and whether they leave, within the delay; and how far both go together.

    Parameters
    ----------
    rates
        The law of customers whose rates are independent.
    dependence
        From -1 to 1, which part of its bound m takes.
    delay
        The c of the family.
    by
        The bound to go by, or all with rounded corners; if not given, the lowest of all.
    """

    rates: ParetoNBD
    dependence: float | Array
    delay: float | Array
    by: Bound | Rounded | None = None

    @property
    def exponents(self) -> tuple[Array, Array]:
        """Minus the logarithms of the chances of no purchase, and of not leaving."""
        r, alpha, s, beta = self.rates
        return np.asarray(r * np.log1p(self.delay / alpha)), np.asarray(s * np.log1p(self.delay / beta))

    @property
    def log_odds(self) -> tuple[Array, Array]:
        """Of a purchase, and of leaving."""
        still, stays = self.exponents
        return still + np.log(-np.expm1(-still)), stays + np.log(-np.expm1(-stays))

    def slopes(self) -> Array:
        """Derivatives of both log odds in r, alpha, s, beta, ``(2, 4)``, or for each customer beside."""
        r, alpha, s, beta = self.rates
        still, stays = (-np.expm1(-exponent) for exponent in self.exponents)
        own = (
            np.log1p(self.delay / alpha) / still,
            -r * self.delay / (alpha * (alpha + self.delay)) / still,
            np.log1p(self.delay / beta) / stays,
            -s * self.delay / (beta * (beta + self.delay)) / stays,
        )
        one, two, three, four, no = np.broadcast_arrays(*own, 0.0)
        return np.array([[one, two, no, no], [no, no, three, four]])

    @property
    def bound(self) -> Bound:
        """The one to go by: the lowest, or between two where they meet."""
        if isinstance(self.by, Bound):
            return self.by
        odds, up = np.broadcast_arrays(*self.log_odds), np.asarray(self.dependence) >= 0
        ways = [
            Bound(*(np.where(up, *both) for both in zip(*(vars(one).values() for one in pair), strict=True)))
            for pair in zip(_RISING, _FALLING, strict=True)
        ]
        heights = np.stack([way.at((odds[0], odds[1])) for way in ways])
        top = heights.max(axis=0)
        lowest = heights == top if self.by is None else np.exp((heights - top) / self.by.width)
        shares = lowest / lowest.sum(axis=0)
        i, j, rest = (
            sum(map(np.multiply, shares, parts)) for parts in zip(*(vars(way).values() for way in ways), strict=True)
        )
        if self.by is None:
            return Bound(i, j, rest)
        return Bound(i, j, top + self.by.width * np.log(lowest.sum(axis=0)) - i * odds[0] - j * odds[1])

    @property
    def w(self) -> Array:
        """The product m phi_1 phi_2, of a size to count with however rare the events are."""
        return np.asarray(self.dependence * np.exp(-self.bound.at(self.log_odds)))

    def cases(self) -> Cases:
        """The weights of the four cases."""
        buys, leaves = self.log_odds
        bound = self.bound.at((buys, leaves))
        w, one, other, rest = (self.dependence * np.exp(odds - bound) for odds in (0.0, buys, leaves, buys + leaves))
        return Cases(1 + w, 1 - other, 1 - one, 1 + rest, self.delay)

    def slopes_of_cases(self) -> Array:
        """Derivatives of the four weights at this dependence, in r, alpha, s, beta."""
        buys, leaves = self.slopes()
        bound = self.bound.buys * buys + self.bound.leaves * leaves
        both, only_buys, only_leaves, neither, _ = self.cases()
        ways = (
            (both, -bound),
            (only_buys, leaves - bound),
            (only_leaves, buys - bound),
            (neither, buys + leaves - bound),
        )
        return np.stack([(weight - 1) * slope for weight, slope in ways])


@dataclass(frozen=True, eq=False)
class Cases:
    """How many times as likely as by chance each of the four cases is.

    Parameters
    ----------
    both, buys, leaves, neither
        Weights, 0 or more: of who buys and leaves within the delay, who only buys, who only leaves, who does neither.
    delay
        The c of the family.
    """

    both: Array
    buys: Array
    leaves: Array
    neither: Array
    delay: float | Array

    def __iter__(self) -> Iterator[Any]:
        return iter((self.both, self.buys, self.leaves, self.neither, self.delay))

    def given(self, *rates: Any) -> Cases:
        """The same of customers whose rates are known to be Gamma(m, A) and Gamma(k, B) by chance."""
        total = mean_weight(*rates, *self)
        return Cases(self.both / total, self.buys / total, self.leaves / total, self.neither / total, self.delay)

    def drawn(self, m: Any, A: Any, k: Any, B: Any, u: Array) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Who buys and who leaves within the delay, by one uniform number each."""
        (silent, active), (stay, go) = chances_of(m, A, self.delay), chances_of(k, B, self.delay)
        four = (
            self.both * active * go,
            self.buys * active * stay,
            self.leaves * silent * go,
            self.neither * silent * stay,
        )
        both, buys, leaves, total = np.cumsum(np.broadcast_arrays(*four), axis=0)
        return u * total < buys, (u * total < both) | ((u * total >= buys) & (u * total < leaves))


def chances_of(m: Any, A: Any, delay: float | Array) -> tuple[Array, Array]:
    """Of no event within the delay at a rate that is Gamma(m, A), and of one or more.

    >>> chances_of(1.0, 3.0, 1.0)
    (array(0.75), array(0.25))
    """
    exponent = m * np.log1p(delay / A)
    return np.asarray(np.exp(-exponent)), np.asarray(-np.expm1(-exponent))


def mean_weight(m: Any, A: Any, k: Any, B: Any, both: Any, buys: Any, leaves: Any, neither: Any, delay: Any) -> Array:
    """Of customers whose rates are Gamma(m, A) and Gamma(k, B) by chance.

    >>> mean_weight(1.0, 3.0, 1.0, 1.0, 1.0, 1.0, 1.0, 5.0, 1.0)  # one and four times the chance of neither
    array(2.5)
    """
    (silent, active), (stay, go) = chances_of(m, A, delay), chances_of(k, B, delay)
    return np.asarray(go * (both * active + leaves * silent) + stay * (buys * active + neither * silent))


def watched_for(event: NDArray[np.bool_], shape: Any, scale: Any, delay: float | Array, u: Array) -> Array:
    """Until the first event at a rate that is Gamma(shape, scale) where there is one within the delay; or the delay.

    >>> watched_for(np.array([True, False]), 1.0, 3.0, 1.0, np.array([0.8, 0.8]))  # 3 / (3 + 0.75) is 1 - 0.8 / 4
    array([0.75, 1.  ])
    """
    until = scale * np.expm1(-np.log1p(u * np.expm1(-shape * np.log1p(delay / scale))) / shape)
    return np.where(event, np.minimum(until, delay), delay)


# -- means over the moment of leaving ---------------------------------------------------------------------------------


def means_over_time(
    of: Callable[..., tuple[Array, ...]], hill: tuple[Any, ...], span: Array, cases: Iterable[Any]
) -> tuple[Array, ...]:
    r"""Means of of(m, a + y, k, b + y, cases) under :math:`(1 + y/a)^{-m} (1 + y/b)^{-k}`, y from 0 to the span.

    Parameters
    ----------
    of
        Functions of the moment, by the gamma distributions of the rates then.
    hill
        m, a, k and b.
    span, cases
        What broadcasts with them.

    Examples
    --------
    >>> even = Cases(*np.ones(5))
    >>> means_over_time(lambda m, A, k, B, *cases: (A,), (1e-9, 1.0, 1e-9, 1.0), np.array([4.0]), even)[0].round(6)
    array([3.])
    """
    rows = np.broadcast_arrays(*hill, span, *cases)
    m, a, k, b, span, *weights = (row.ravel() for row in rows)
    high = np.minimum(span, np.minimum(*(at * np.expm1(np.minimum(FALL / p, _FAR)) for p, at in ((m, a), (k, b)))))

    def smooth(y: Array, m: Array, a: Array, k: Array, b: Array, *weights: Array) -> tuple[Array, ...]:
        return -m * np.log1p(y / a) - k * np.log1p(y / b), *of(m, a + y, k, b + y, *weights)

    fall = m * np.log1p(high / a) + k * np.log1p(high / b)
    zero = np.zeros_like(high)
    _, *found = smooth_integral(smooth, (zero, high), np.minimum(a, b), (m, a, k, b, *weights), change=fall)
    return tuple(one.reshape(rows[0].shape) for one in found)


def _after_purchases(n: Array, t: Array, there: ParetoNBD, cases: Cases) -> Array:
    """Mean weight of those who leave before t, after n purchases: over the logarithm of the moment of leaving."""
    rows = np.broadcast_arrays(*there, n, t, *cases)
    some = np.flatnonzero(rows[5].ravel() > 0)
    r, alpha, s, beta, n, t, *weights = (row.ravel()[some] for row in rows)
    half, rest = ((n - s) * alpha + (1 - r) * beta) / (2 * (s + r)), (n + 1) * alpha * beta / (s + r)
    root = np.hypot(half, np.sqrt(rest))
    top = np.minimum(t, np.where(half > 0, half + root, rest / np.where(half > 0, 1.0, root - half)))
    back = np.full(t.shape, -_BACK) - np.log1p(top / np.minimum(alpha, beta))
    known = r + n, alpha, s + 1, beta, n, top, *weights
    answer = np.ones(rows[0].shape)
    _, answer.reshape(-1)[some] = hill_integral(_leaves, _slope, (back, np.log(t / top)), np.zeros_like(back), known)
    return answer


def _leaves(u: Array, m: Array, a: Array, k: Array, b: Array, n: Array, top: Array, *cases: Array) -> tuple[Array, ...]:
    """The hill relative to its height at the top, u the logarithm of the moment divided by it; and the weight."""
    y, more = top * np.exp(u), top * np.expm1(u)
    hill = (n + 1) * u - m * np.log1p(more / (a + top)) - k * np.log1p(more / (b + top))
    return hill, mean_weight(m, a + y, k, b + y, *cases)


def _slope(u: Array, m: Array, a: Array, k: Array, b: Array, n: Array, top: Array, *cases: Array) -> Array:
    del cases
    less = np.exp(-u) / top
    return np.asarray(n + 1 - m / (1 + a * less) - k / (1 + b * less))


def _time_of_those_who_leave(s: Any, beta: Any, delay: float | Array, t: Array, delta: float) -> Array:
    """Expected time until t, discounted, at whose moments customers are there but leave within a delay."""
    rows = np.broadcast_arrays(s, beta, delay, t)
    s, beta, delay, t = (row.ravel() for row in rows)
    fade = FALL / delta if delta else np.inf
    end = beta * np.expm1(np.minimum((FALL + np.log1p(s * delay / beta)) / s, _FAR))
    high = np.minimum(np.minimum(t, fade), end)

    def smooth(y: Array, s: Array, beta: Array, delay: Array) -> tuple[Array]:
        _, go = chances_of(s, beta + y, delay)
        return (-s * np.log1p(y / beta) - delta * y + np.log(go),)

    fall = s * np.log1p(high / beta) + delta * high
    (found,) = smooth_integral(smooth, (np.zeros_like(high), high), beta, (s, beta, delay), change=fall)
    return np.asarray(np.exp(found).reshape(rows[0].shape))


# -- what they will do ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Together:
    """What customers do from now on whose rates go together: all that is asked of a `Living`.

    Parameters
    ----------
    there
        Their law if the rates were independent.
    cases
        The weights of the four cases.
    """

    there: ParetoNBD
    cases: Cases

    def survival_of_new(self, t: float | Array) -> Array:
        """The Pareto distribution, times the mean weight of those who stayed so long."""
        r, alpha, s, beta = self.there
        return np.asarray(self.there.survival_of_new(t) * mean_weight(r, alpha, s, beta + np.asarray(t), *self.cases))

    def expected_purchases_of_new(self, t: float | Array) -> Array:
        """The mean rate of those still there, summed over time."""
        return self.discounted_purchases_of_new(np.asarray(t, dtype=float), 0.0)

    def discounted_purchases_of_new(self, t: Array, delta: float) -> Array:
        """Of those who would stay for a delay after the moment, which is a Pareto/NBD, and of those who would not."""
        r, alpha, s, beta = self.there
        both, buys, leaves, neither, delay = self.cases
        silent, active = chances_of(r + 1, alpha, delay)
        stay, _ = chances_of(s, beta, delay)
        longer = ParetoNBD(r, alpha, s, beta + delay)
        shape = np.broadcast_shapes(np.shape(stay), *map(np.shape, self.there), np.shape(t))
        weight = np.broadcast_to(stay * (buys * active + neither * silent), shape)
        first = np.where(weight > 0, longer.discounted_purchases_of_new(np.broadcast_to(t, shape), delta), 0.0)
        last = r / alpha * _time_of_those_who_leave(s, beta, delay, t, delta)
        return np.asarray(weight * first + (both * active + leaves * silent) * last)

    def activity_of_new(self, t: float | Array) -> Array:
        """By the moment of the first purchase, at which the customer is still there."""
        r, alpha, s, beta = self.there
        (weight,) = means_over_time(
            lambda *known: (mean_weight(*known),), (r + 1, alpha, s, beta), np.asarray(t, dtype=float), self.cases
        )
        return np.asarray(self.there.activity_of_new(t) * weight)

    def probability_of_new(self, n: int | Array, t: float | Array) -> Array:
        """So many purchases and still there, or so many before leaving."""
        n, t = np.asarray(n, dtype=float), np.asarray(t, dtype=float)
        r, alpha, s, beta = self.there
        here = np.exp(log_counts(r, alpha, n, t)) * self.there.survival_of_new(t)
        gone = np.maximum(self.there.probability_of_new(n, t) - here, 0.0)
        staying = mean_weight(r + n, alpha + t, s, beta + t, *self.cases)
        return np.asarray(here * staying + gone * _after_purchases(n, t, self.there, self.cases))

    def probability_later_of_new(self, n: int | Array, t: float | Array, since: Array) -> Array:
        """Whoever is still there is a customer of beta + since."""
        r, alpha, s, beta = self.there
        later = Together(ParetoNBD(r, alpha, s, beta + since), self.cases)
        return np.asarray(self.there.survival_of_new(since) * later.probability_of_new(n, t))
