r"""By pieces: the equations of the Pareto/NBD where its clocks change their pace, in pieces in which they do not.

Within a piece that begins at :math:`y_k`, with the rates :math:`A_k` and :math:`C_k`, the clocks show
:math:`B_k + A_k w` and :math:`D_k + C_k w` after a time w. So whatever is integrated over a piece is an integral of
`ParetoNBD` with :math:`(\alpha + B_k) / A_k` for alpha and :math:`(\beta + D_k) / C_k` for beta.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import expit, gammaln

from custrel.clv.horizon import FORGOTTEN
from custrel.clv.nbd import log_counts
from custrel.clv.paretonbd import ParetoNBD, log_decay
from custrel.clv.time_varying.clocks import Pull
from custrel.stats.special import by_count, digamma_rising, log_rising

if TYPE_CHECKING:
    from custrel.clv.time_varying.clocks import Clock
    from custrel.clv.time_varying.paths import CovariatePaths
    from custrel.clv.time_varying.pieces import Numbers
    from custrel.stats.estimate import Array

__all__ = [
    "Told",
    "activity_of_new",
    "living",
    "log_likelihood",
    "p_alive",
    "probability_of_new",
    "purchases_of_new",
    "score",
    "survival_of_new",
]

LAST = 700.0  # exp(700) is all but the largest number there is


@dataclass(frozen=True)
class Told:
    """Customers, and what the clocks of purchases and of leaving show in their pieces."""

    paths: CovariatePaths
    buying: Clock
    leaving: Clock


def log_likelihood(law: ParetoNBD, told: Told) -> Array:
    """Log-likelihood of each customer: purchases at their moments, and there until T, or left in one of the pieces."""
    stays, left, _ = _silence(law, told)
    chosen = told.paths.sums(told.paths.bought * np.log(told.buying.rate))
    both = np.logaddexp(stays, told.paths.added_in_silence(left))
    return np.asarray(by_count(log_rising, law.r, told.paths.history.x) + chosen + both)


def p_alive(law: ParetoNBD, told: Told) -> Array:
    """There at T, against left in one of the pieces since the last purchase."""
    stays, left, _ = _silence(law, told)
    return np.asarray(expit(stays - told.paths.added_in_silence(left)))


def living(law: ParetoNBD, told: Told) -> ParetoNBD:
    """The law of a customer who is still there: purchases add to r, and what the clocks show to alpha and beta."""
    r, alpha, s, beta = law
    return ParetoNBD(r + told.paths.history.x, alpha + told.buying.total, s, beta + told.leaving.total)


def _silence(law: ParetoNBD, told: Told, *, means: bool = False) -> tuple[Array, Array, tuple[Array, ...]]:
    """In logarithms: there until T, for each customer; left in a silent piece, for each of these; and its means."""
    r, alpha, s, beta = law
    x, paths, buying, leaving = told.paths.history.x, told.paths, told.buying, told.leaving
    stays = -x * np.log(alpha + buying.total) - r * np.log1p(buying.total / alpha)
    stays = stays - s * np.log1p(leaving.total / beta)
    k = paths.silent
    bought, (B, A), (D, C) = x[paths.customer[k]], _at(buying, k), _at(leaving, k)
    area, *found = log_decay(r + bought, (alpha + B) / A, s + 1, (beta + D) / C, paths.length[k], means=means)
    left = np.log(s) + area - bought * np.log(alpha + B) - r * np.log1p(B / alpha) - s * np.log1p(D / beta)
    return np.asarray(stays), np.asarray(left), tuple(found)


def _at(clock: Clock, pieces: Numbers) -> tuple[Array, Array]:
    """What a clock shows at the beginning of some pieces, and how fast it goes in them."""
    return clock.before[..., pieces], clock.rate[..., pieces]


def score(law: ParetoNBD, told: Told) -> tuple[Array, dict[str, Array]]:
    """Derivatives in r, alpha, s, beta ``(4, customers)``, and in the logarithm of the rates ``(pieces,)``."""
    r, alpha, s, beta = law
    x, paths, buying, leaving = told.paths.history.x, told.paths, told.buying, told.leaving
    who, B, D = paths.customer[paths.silent], buying.before[paths.silent], leaving.before[paths.silent]
    stays, left, (more_alpha, less_alpha, more_beta, less_beta) = _silence(law, told, means=True)
    both = np.logaddexp(stays, paths.added_in_silence(left))
    here, gone = np.exp(stays - both), np.exp(left - both[who])
    m = (r + x)[who] * gone
    slow = Pull((r + x) * here / (alpha + buying.total), m * less_alpha / (alpha + B), m * (1 - less_alpha))
    k = (s + 1) * gone
    lasting = Pull(s * here / (beta + leaving.total), k * less_beta / (beta + D), k * (1 - less_beta) - gone)
    more = here * np.log1p(buying.total / alpha) + paths.sums_of_silent(gone * (np.log1p(B / alpha) + more_alpha))
    longer = here * np.log1p(leaving.total / beta) + paths.sums_of_silent(gone * (np.log1p(D / beta) + more_beta))
    own = [
        by_count(digamma_rising, r, x) - more,
        r / alpha - slow.total(paths),
        paths.sums_of_silent(gone) / s - longer,
        s / beta - lasting.total(paths),
    ]
    along = {"purchase": paths.bought - slow.along(paths, buying), "dropout": -lasting.along(paths, leaving)}
    return np.stack(own), along


def survival_of_new(law: ParetoNBD, told: Told) -> Array:
    """Probability of not leaving until T: the Pareto distribution, on the clock of leaving."""
    return np.asarray(np.exp(-law.s * np.log1p(told.leaving.total / law.beta)))


def purchases_of_new(law: ParetoNBD, told: Told, delta: float = 0.0) -> Array:
    """Expected purchases until T, each discounted at the continuous rate delta: of those who are there, by pieces."""
    r, alpha, s, beta = (told.paths.of_each(value) for value in law)
    paths, buying, leaving = told.paths, told.buying, told.leaving
    there = np.exp(-delta * paths.start - s * np.log1p(leaving.before / beta))
    piece = ParetoNBD(r, alpha / buying.rate, s, (beta + leaving.before) / leaving.rate)
    return paths.sums(there * piece.discounted_purchases_of_new(paths.length, delta))


def activity_of_new(law: ParetoNBD, told: Told) -> Array:
    """Probability of a purchase until T, by the piece of the first one: there, and without one before."""
    r, alpha, s, beta = (told.paths.of_each(value) for value in law)
    paths, buying, leaving = told.paths, told.buying, told.leaving
    there = np.exp(-r * np.log1p(buying.before / alpha) - s * np.log1p(leaving.before / beta))
    piece = ParetoNBD(r, (alpha + buying.before) / buying.rate, s, (beta + leaving.before) / leaving.rate)
    return paths.sums(there * piece.activity_of_new(paths.length))


def probability_of_new(law: ParetoNBD, told: Told, n: Array) -> Array:
    """Probability of numbers n of purchases until T, ``(n, ..., customers)``: still there, or left in a piece."""
    paths, buying, leaving = told.paths, told.buying, told.leaving
    stays = survival_of_new(law, told)
    here = stays * np.exp(log_counts(law.r, law.alpha, n.reshape(-1, *[1] * stays.ndim), buying.total))
    r, alpha, s, beta = (paths.of_each(value) for value in law)
    pieces = r, alpha / buying.rate, buying.before / buying.rate, s, (beta + leaving.before) / leaving.rate
    rows = np.broadcast_arrays(*pieces, paths.length)
    gone = _left_with(n, *(row.ravel() for row in rows)).reshape(-1, *rows[0].shape)
    return np.asarray(here + paths.sums(np.exp(-s * np.log1p(leaving.before / beta)) * gone))


def _left_with(n: Array, r: Array, alpha: Array, since: Array, s: Array, beta: Array, t: Array) -> Array:
    """Probability of leaving within t after n purchases, which began `since` before: ``(n, rows)``.

    Over the logarithm of the moment of leaving, on the scale of the shorter of both clocks, all is smooth: nodes of
    Gauss and Legendre do, the more the further it falls.
    """
    with np.errstate(over="ignore"):
        last = np.minimum(t, beta * np.expm1(np.minimum(FORGOTTEN / s, LAST)))
    end = np.log1p(last / np.minimum(alpha + since, beta))
    fall = r * np.log1p(last / (alpha + since)) + n.max(initial=0)
    size = 16 * np.ceil((12 + 4 * np.sqrt(fall) + 3 * end) / 16)
    answer, rows = np.zeros((n.size, t.size)), (r, alpha, since, s, beta, end)
    for many in np.unique(size[last > 0]):
        some = (size == many) & (last > 0)
        answer[:, some] = _at_nodes(n, int(many), *(row[some] for row in rows))
    return answer


def _at_nodes(n: Array, many: int, r: Array, alpha: Array, since: Array, s: Array, beta: Array, end: Array) -> Array:
    """The same by so many nodes."""
    ways = log_rising(r, n[:, None]) - gammaln(n[:, None] + 1)
    shorter, total = np.minimum(alpha + since, beta), np.zeros((n.size, end.size))
    for node, weight in zip(*_rule(many), strict=True):
        w = shorter * np.expm1(node * end)
        leaves = weight * end * (w + shorter) * s / beta * np.exp(-(s + 1) * np.log1p(w / beta))
        shown = since + w
        share, none = np.log(shown / (alpha + shown)), r * np.log1p(shown / alpha)
        for place, count in enumerate(n):
            total[place] += leaves * np.exp(ways[place] + count * share - none)
    return total


@cache
def _rule(many: int) -> tuple[Array, Array]:
    """Nodes and weights of Gauss and Legendre between 0 and 1."""
    nodes, weights = np.polynomial.legendre.leggauss(many)
    return (nodes + 1) / 2, weights / 2
