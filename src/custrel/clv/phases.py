r"""Phases: what a regular buyer does next, given how far the next purchase has come.

A purchase takes k events of a Poisson process with rate :math:`\lambda`, and j of them may have happened since the last
one. Rates are Gamma(r, alpha), and after a purchase the customer leaves with a probability p of their own, Beta(a, b).
So the n-th purchase is the event nk - j, and with :math:`S_n = B(a, b + n) / B(a, b)`, the chance to pass n times,

.. math:: E = \sum_{n \ge 1} S_{n-1}\, I_z(nk - j, r), \quad z = t / (\alpha + t),

where :math:`I_z` is the regularised incomplete beta function: the negative binomial chance of so many events. All other
quantities are such sums, too. Their terms are positive and smooth in n, so where they are many, an integral over n
takes the place of the sum; what it misses is as small as exp(-38), by Poisson's summation formula.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import betainc, betaincc, erfc, gammaln

from custrel.clv.bgnbd import ever
from custrel.stats.quadrature import hill_integral
from custrel.stats.special import binet, log_beta_ratio
from custrel.stats.steps import longest_first

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from custrel.stats.estimate import Array

__all__ = ["Phases", "log_chances_of_phases"]

_FEW = 64.0  # terms that are summed one by one
_COUNTED = 1000.0  # events that are counted one by one
_ROWS = 1024  # whose nodes are held at a time
_SOFT = 1.5  # width of the passage from the sum to the integral: exp(-2 (pi 1.5)^2) is 5e-20
_REACH = 14.0  # nine such widths
_STEP = 0.75  # widest panel of the integral, on the logarithmic scale of n
_GRID = np.linspace(0.0, 1.0, 12)[:, None]
_FALL = 46.0  # exp(-46) is 1e-20
_LEAST = -690.0  # exp(-690) is nearly the smallest number there is
_ABREAST = np.arange(16.0)  # terms that are looked at together
_PANELS = 3  # that are looked at together
_PLACES = (np.arange(_PANELS)[:, None] + 0.5 + np.polynomial.legendre.leggauss(16)[0] / 2).ravel()
_WEIGHTS = np.tile(np.polynomial.legendre.leggauss(16)[1] / 2, _PANELS)
_MORE_PLACES, _MORE_WEIGHTS = np.polynomial.legendre.leggauss(48)


@dataclass(frozen=True, eq=False)
class Phases:
    """A customer who is still there, with the chances of their phases: what is expected of them from now on.

    Parameters
    ----------
    r, alpha, a, b
        As in the law, updated by what the customer did; in phase j, r is larger by j.
    k
        Events that a purchase takes.
    chances
        Of each phase, on the last axis; a new customer is in phase 0.
    """

    r: float | Array
    alpha: float | Array
    a: float | Array
    b: float | Array
    k: int
    chances: Array

    def _mean(self, quantity: Callable[..., Array], *asked: float | Array) -> Array:
        """The mean over the phases of a quantity(k, j, r, alpha, a, b, *asked) of rows."""
        j = np.arange(self.chances.shape[-1], dtype=np.float64)
        known = [np.asarray(one, dtype=np.float64)[..., None] for one in (self.r, self.alpha, self.a, self.b, *asked)]
        chances, j, *rows = np.broadcast_arrays(self.chances, j, *known)
        some = chances > 0
        r, *others = (one[some] for one in rows)
        values = np.zeros(chances.shape)
        values[some] = quantity(self.k, j[some], r + j[some], *others)
        # Python's sum adds phase by phase; NumPy's order would depend on how many rows there are.
        return np.asarray(sum(chances[..., i] * values[..., i] for i in range(chances.shape[-1])))

    def expected_purchases_of_new(self, t: float | Array) -> Array:
        """The sum over n of the chances that an n-th purchase happens."""
        return self._mean(_expected, t, 0.0)

    def discounted_purchases_of_new(self, t: float | Array, delta: float) -> Array:
        """The same, each chance discounted at the continuous rate delta from the moment of the purchase."""
        return self._mean(_expected, t, delta)

    def activity_of_new(self, t: float | Array) -> Array:
        """The first purchase takes k - j events, and nobody leaves before it."""
        return self._mean(_active, t)

    def survival_of_new(self, t: float | Array) -> Array:
        """Made n purchases and stayed, for all n."""
        return self._mean(_survival, t)

    def probability_of_new(self, n: int | Array, t: float | Array) -> Array:
        """Still here after n purchases, or left at the n-th."""
        return self._mean(_counts, n, t)

    def probability_later_of_new(self, n: int | Array, t: float | Array, since: float | Array) -> Array:
        """Made m purchases until `since` and stayed, and n after it, for all m."""
        return self._mean(_later, n, t, since)


def log_chances_of_phases(r: Array, y: Array, k: int) -> tuple[Array, Array]:
    r"""Logarithm of :math:`\sum_{j<k} (r)_j y^j / j!`, and each term's share of it on the last axis.

    >>> total, shares = log_chances_of_phases(np.array(2.0), np.array(0.5), 2)  # 1 + 2 / 2
    >>> round(float(np.exp(total)), 6), shares
    (2.0, array([0.5, 0.5]))
    """
    i = np.arange(k - 1.0)
    with np.errstate(divide="ignore"):
        steps = np.log((r[..., None] + i) / (i + 1)) + np.log(y)[..., None]
    logs = np.concatenate([np.zeros((*steps.shape[:-1], 1)), np.cumsum(steps, axis=-1)], axis=-1)
    highest = logs.max(axis=-1)
    shares = np.exp(logs - highest[..., None])
    total = np.asarray(sum(shares[..., j] for j in range(k)))
    return highest + np.log(total), shares / total[..., None]


# -- quantities of rows: k, the phase j, the parameters, what is asked ------------------------------------------------


def _active(k: int, j: Array, r: Array, alpha: Array, a: Array, b: Array, t: Array) -> Array:
    del a, b
    return _at_least(k - j, r, t / alpha)


def _counts(k: int, j: Array, r: Array, alpha: Array, a: Array, b: Array, n: Array, t: Array) -> Array:
    u = t / alpha
    stayed, left = _passed_and_left(a, b, n)
    here = _in_a_row(n * k - j, r, u, k)
    return np.asarray(stayed * here + left * _at_least(n * k - j, r, u))


def _expected(k: int, j: Array, r: Array, alpha: Array, a: Array, b: Array, t: Array, delta: Array) -> Array:
    with np.errstate(divide="ignore"):
        u = np.minimum(t, 1.4 * _FALL / delta) / alpha
    answer, worth = np.where(np.isposinf(u), ever(a, b), 0.0), delta * alpha
    counted = _few_events(r, u) & (delta == 0)
    answer[counted], _ = _over_events(k, *(one[counted] for one in (j, r, a, b, u)))
    back = _few_events_back(k, r, u, worth)
    answer[back] = _over_events_back(k, *(one[back] for one in (j, r, a, b, u, worth)))
    some = (u > 0) & np.isfinite(u) & ~counted & ~back
    j, r, a, b, u, worth = (one[some] for one in (j, r, a, b, u, worth))

    def term(n: Array, j: Array, r: Array, a: Array, b: Array, u: Array, worth: Array) -> Array:
        events = n * k - j
        happens = _discounted(events, r, u, worth) if np.any(worth) else _at_least(events, r, u)
        return np.asarray(np.exp(log_beta_ratio(a, b, n - 1)) * happens)

    # The terms fall; where customers differ little, they do so most of all as n passes what t has room for.
    drop = np.sqrt((1 + u) / (r * u))
    knee = np.exp(np.log(r * u / k) - 10 * drop)
    answer[some] = _sum(term, np.ones_like(u), knee, np.ceil(_most(r, u) / k) + 1, k, (j, r, a, b, u, worth))
    return answer


def _survival(k: int, j: Array, r: Array, alpha: Array, a: Array, b: Array, t: Array) -> Array:
    u = t / alpha
    counted = _few_events(r, u)
    answer = np.zeros(u.shape)
    _, answer[counted] = _over_events(k, *(one[counted] for one in (j, r, a, b, u)))
    some = ~counted
    j, r, a, b, u = (one[some] for one in (j, r, a, b, u))
    answer[some] = _sum_of_hill(_stays, k, (j, r, a, b, u, np.zeros_like(u), np.full_like(u, -1.0)), falls=True)
    return answer


def _few_events(r: Array, u: Array) -> NDArray[np.bool_]:
    """Where they are soon counted, and the chance of none is no less than a float can be."""
    return (u > 0) & np.isfinite(u) & (_most(r, u) < _COUNTED) & (r * np.log1p(u) < -_LEAST)


def _over_events(k: int, j: Array, r: Array, a: Array, b: Array, u: Array) -> tuple[Array, ...]:
    """Expected purchases, and the chance of still being there: means over the number m of events, one by one."""
    return longest_first(partial(_walk_on, k), (j, r, a, b, u, _most(r, u)))


def _walk_on(k: int, j: Array, r: Array, a: Array, b: Array, u: Array, last: Array) -> tuple[Array, ...]:
    chance, z = np.exp(-r * np.log1p(u)), u / (1 + u)
    passed, until = np.ones_like(u), np.zeros_like(u)  # S_n, and the sum of all before it
    purchases, there, n = np.zeros_like(u), np.zeros_like(u), np.zeros_like(u)
    for m in range(int(last.max(initial=0)) + 1):
        on = slice(0, int(np.searchsorted(-last, -m, side="right")))  # whoever has events to come
        if m:
            chance[on] *= (r[on] + (m - 1)) / m * z[on]
            bought = (j[on] + m) % k == 0
            until[on] += bought * passed[on]
            passed[on] *= np.where(bought, (b[on] + n[on]) / (a[on] + b[on] + n[on]), 1.0)
            n[on] += bought
        purchases[on] += chance[on] * until[on]
        there[on] += chance[on] * passed[on]
    return purchases, there


def _few_events_back(k: int, r: Array, u: Array, worth: Array) -> NDArray[np.bool_]:
    """Where events are soon counted back from the last, whose chance neither fades nor is less than a float can be."""
    finite = np.where(np.isfinite(u), u, 0.0)
    some = (worth > 0) & (finite > 0) & (worth * finite < 5)
    last = _last(k, r[some], u[some], worth[some])
    some[some] = (last < _COUNTED) & (_log_exactly(last, r[some], u[some]) > _LEAST)
    return some


def _last(k: int, r: Array, u: Array, worth: Array) -> Array:
    """More events than there will be, but for a chance of 1e-20 of that of a purchase; and so many more that it fades.

    On the way back what was left out grows as (d u)^m / m! at most.
    """
    return np.ceil(k + 14 + 6 * worth * u + _most(r, u, least=0.0))


def _over_events_back(k: int, j: Array, r: Array, a: Array, b: Array, u: Array, worth: Array) -> Array:
    r"""Discounted expected purchases, event by event from the last one back.

    With :math:`P_m(y)` the chance of m events within y and d the worth, integration by parts gives the discounted
    chance of m events or more, :math:`H_m`, and the discounted time with m of them, :math:`K_m`, from terms that are
    all positive:

    .. math:: (r + m) K_m = (m + 1) K_{m+1} + H_{m+1}, \quad H_m = H_{m+1} + e^{-d u} P_m(u) + d K_m .
    """
    (found,) = longest_first(partial(_walk_back, k), (j, r, a, b, u, worth, _last(k, r, u, worth)))
    return found


def _walk_back(k: int, j: Array, r: Array, a: Array, b: Array, u: Array, worth: Array, last: Array) -> tuple[Array]:
    chance, step = np.exp(_log_exactly(last, r, u) - worth * u), 1 + 1 / u
    later, spent, found = np.zeros_like(u), np.zeros_like(u), np.zeros_like(u)
    for m in range(int(last.max(initial=0)), 0, -1):
        on = slice(0, int(np.searchsorted(-last, -m, side="right")))  # whoever may have so many events
        spent[on] = ((m + 1) * spent[on] + later[on]) / (r[on] + m)
        later[on] += chance[on] + worth[on] * spent[on]
        chance[on] *= m / (r[on] + (m - 1)) * step[on]
        bought = np.flatnonzero((j[on] + m) % k == 0)
        passed = b[bought] + (j[bought] + m) / k - 1
        found[bought] = later[bought] + passed / (a[bought] + passed) * found[bought]
    return (found,)


def _later(k: int, j: Array, r: Array, alpha: Array, a: Array, b: Array, n: Array, t: Array, since: Array) -> Array:
    """So many purchases within t after `since`."""
    answer = np.zeros(n.shape)
    some = np.flatnonzero(_at_least(n * k - k + 1, r, t / alpha) > 0)  # where it is 0 in floats, so is what follows
    rows = tuple(row[some] for row in (j, r, a, b, since / alpha, t / (alpha + since), n))
    answer[some] = _sum_of_hill(_stays, k, rows, falls=True)
    bought = rows[-1] > 0
    answer[some[bought]] += _sum_of_hill(_leaves, k, tuple(row[bought] for row in rows), falls=False)
    return answer


def _stays(k: int, m: Array, j: Array, r: Array, a: Array, b: Array, u: Array, v: Array, n: Array) -> Array:
    """Made m purchases in the first time, n in the second, and is still there."""
    total = np.zeros(np.broadcast_shapes(m.shape, j.shape))
    some = np.maximum(n, 0.0)
    for i, here in enumerate(_log_run(m * k - j, r, u, k)):
        then = _in_a_row(some * k - i, r + np.maximum(m * k - j + i, 0.0), v, k) if np.any(n >= 0) else 1.0
        total += np.exp(here) * np.where(n >= 0, then, 1.0)
    return np.asarray(np.exp(log_beta_ratio(a, b, m + some)) * total)


def _leaves(k: int, m: Array, j: Array, r: Array, a: Array, b: Array, u: Array, v: Array, n: Array) -> Array:
    """Made m purchases in the first time, and left at the n-th in the second."""
    total = np.zeros(np.broadcast_shapes(m.shape, j.shape))
    for i, here in enumerate(_log_run(m * k - j, r, u, k)):
        total += np.exp(here) * _at_least(n * k - i, r + np.maximum(m * k - j + i, 0.0), v)
    return np.asarray(np.exp(log_beta_ratio(a, b, m + n - 1)) * (a / (a + b + m + n - 1)) * total)


# -- chances of events ------------------------------------------------------------------------------------------------


def _passed_and_left(a: Array, b: Array, n: Array) -> tuple[Array, Array]:
    """Probability of having passed n chances to leave; and of leaving at the n-th."""
    before = np.maximum(n - 1, 0.0)
    left = np.exp(log_beta_ratio(a, b, before)) * (a / (a + b + before))
    return np.exp(log_beta_ratio(a, b, n)), np.where(n > 0, left, 0.0)


def _at_least(m: Array, r: Array, u: Array) -> Array:
    """Probability of m events or more within a time of u alpha."""
    m, r, u = np.broadcast_arrays(m, r, u)
    answer = np.ones(m.shape)
    low, high = (m > 0) & (u < 1), (m > 0) & (u >= 1)
    answer[low] = betainc(m[low], r[low], u[low] / (1 + u[low]))
    answer[high] = betaincc(r[high], m[high], 1 / (1 + u[high]))  # 1 / (1 + u) keeps the digits that 1 - z loses
    return answer


def _in_a_row(m: Array, r: Array, u: Array, k: int) -> Array:
    """Probability of m, m + 1, ..., m + k - 1 events within a time of u alpha."""
    total = np.full(np.broadcast_shapes(m.shape, r.shape, u.shape), -np.inf)
    for one in _log_run(m, r, u, k):
        total = np.logaddexp(total, one)
    return np.asarray(np.exp(total))


def _log_run(m: Array, r: Array, u: Array, k: int) -> Iterator[Array]:
    """Logarithms of the probabilities of m, m + 1, ..., m + k - 1 events; nobody makes less than 0."""
    first = np.maximum(m, 0.0)
    one = _log_exactly(first, r, u)
    with np.errstate(divide="ignore"):
        log_z = -np.log1p(1 / u)
    for i in range(k):
        here = m + i
        more = np.log((r + here - 1) / np.maximum(here, 1.0), where=here > first, out=np.zeros(one.shape))
        one = np.where(here > first, one + more + log_z, one)
        yield np.where(here < 0, -np.inf, one)


def _log_exactly(m: Array, r: Array, u: Array) -> Array:
    """Logarithm of the probability of m events within a time of u alpha."""
    some = np.maximum(m, 0.5)
    log_chance = _log_height(r, some) + _fall(r, some, _log_ratio(u, r, some)) - np.log(some)
    return np.where(m > 0, log_chance, -r * np.log1p(u))


def _log_ratio(u: Array, r: Array, m: Array) -> Array:
    """Logarithm of u over m / r, where m events are most likely."""
    with np.errstate(divide="ignore"):
        return np.asarray(np.clip(np.log(u * (r / m)), _LEAST, -_LEAST))


def _fall(r: Array, m: Array, y: Array) -> Array:
    r""":math:`m y - (r + m) \log(1 + m (e^y - 1) / (r + m))`, which is the same with r and m exchanged and -y."""
    less, more, y = np.minimum(r, m), np.maximum(r, m), np.where(m <= r, y, -y)
    return np.asarray(less * y - (less + more) * np.log1p(less / (less + more) * np.expm1(y)))


def _log_height(r: Array, m: Array) -> Array:
    """Logarithm of 1 / B(r, m), times z^m (1 - z)^r where that is highest."""
    return np.asarray(0.5 * np.log(r * (m / (r + m)) / (2 * np.pi)) + binet(r + m) - binet(r) - binet(m))


def _discounted(m: Array, r: Array, u: Array, worth: Array) -> Array:
    """Chance of m events within a time of u alpha, discounted at the rate worth / alpha: over the log of the moment."""
    shape = np.broadcast_shapes(m.shape, r.shape)
    m, r, u, worth = (np.broadcast_to(one, shape).ravel() for one in (m, r, u, worth))
    d, end = worth * (m / r), _log_ratio(u, r, m)
    top = 2 * m * r / ((d + m) * r + np.sqrt(np.square((d + m) * r) + 4 * d * m * m * r))
    top = np.minimum(np.log(top), end)
    far = np.minimum(top, -np.log1p(m / r)) - 64
    log_area, *_ = hill_integral(_hill, _slope, (far, end), top, (m, r, d))
    return np.asarray(np.exp(_log_height(r, m) + log_area).reshape(shape))


def _hill(y: Array, m: Array, r: Array, d: Array) -> tuple[Array]:
    return (_fall(r, m, y) - d * np.exp(y),)


def _slope(y: Array, m: Array, r: Array, d: Array) -> Array:
    return np.asarray(-m * np.expm1(y) / (1 + m / r * np.exp(y)) - d * np.exp(y))


# -- sums over n ------------------------------------------------------------------------------------------------------


def _most(r: Array, u: Array, *, least: float = 1.0) -> Array:
    """More events than there will be within a time of u alpha, but for a chance of 1e-20 of itself."""
    mean = r * u
    with np.errstate(divide="ignore"):
        falls = 1 / np.log1p(1 / u)
    return np.asarray(mean + 10 * np.sqrt(mean) * np.sqrt(1 + u) + _FALL * np.maximum(falls, least))


def _sum(term: Callable[..., Array], first: Array, knee: Array, last: Array, k: int, rows: tuple[Array, ...]) -> Array:
    """Sum of term(n, *rows) over whole n from first to last, for each row; beyond the knee it bends more sharply."""
    answer = np.zeros(first.shape)
    for start in range(0, first.size, _ROWS):
        part = slice(start, start + _ROWS)
        given = tuple(row[part] for row in rows)
        answer[part] = _sum_of_rows(term, first[part], knee[part], last[part], k, given)
    return answer


def _sum_of_rows(
    term: Callable[..., Array], first: Array, knee: Array, last: Array, k: int, rows: tuple[Array, ...]
) -> Array:
    """One by one up to the bend of a soft window, and on from there by an integral; or all one by one, where few."""
    bend = 2.0 * max(8, k) + _REACH
    few, near = last - first < _FEW, first < bend + _REACH
    singly = np.where(few, last, np.where(near, bend + _REACH, first - 1))
    total = np.zeros(first.shape)
    for ahead in range(0, int(np.max(singly - first, initial=-1.0)) + 1, _ABREAST.size):
        some = np.flatnonzero(first + ahead <= singly)
        n = first[some, None] + ahead + _ABREAST
        share = (n <= singly[some, None]) * np.where(few[some, None], 1.0, _window(bend - n))
        part = share * term(n, *(row[some, None] for row in rows))
        total[some] += sum(part.T)
    many = np.flatnonzero(~few)
    if many.size:
        given = tuple(row[many] for row in rows)
        total[many] += _integral(term, first[many], knee[many], last[many], near[many], bend, given)
    return total


def _window(ahead: Array) -> Array:
    """From 0 to 1 as `ahead` grows through 0."""
    return np.asarray(0.5 * erfc(-ahead / (_SOFT * np.sqrt(2))))


def _integral(
    term: Callable[..., Array],
    first: Array,
    knee: Array,
    last: Array,
    near: NDArray[np.bool_],
    bend: float,
    rows: tuple[Array, ...],
) -> Array:
    """Integral of the terms over n, times the window where it begins near 0; panels on the logarithmic scale of n."""
    total = np.zeros(first.shape)
    n = bend + _REACH * _MORE_PLACES[None, :]
    part = _MORE_WEIGHTS * _window(n - bend) * term(n, *(row[near, None] for row in rows))
    total[near] = _REACH * sum(part.T)
    start = np.log(np.where(near, bend + _REACH, first - 0.5))
    end = np.log(last + 0.5)
    middle = np.clip(np.log(np.maximum(knee, 1.0)), start, end)
    return total + _by_panels(term, start, middle, 1, rows) + _by_panels(term, middle, end, 8, rows)


def _by_panels(term: Callable[..., Array], low: Array, high: Array, least: int, rows: tuple[Array, ...]) -> Array:
    """Integral between two logarithms of n, by so many panels at least."""
    total = np.zeros(low.shape)
    panels = np.where(high > low, np.maximum(np.ceil((high - low) / _STEP), least), 0)
    step = (high - low) / np.maximum(panels, 1)
    for panel in range(0, int(panels.max(initial=0)), _PANELS):
        some = np.flatnonzero(panel < panels)
        ahead = panel + _PLACES
        inside = ahead < panels[some, None]
        n = np.exp(low[some, None] + np.where(inside, ahead, 0.5) * step[some, None])
        part = np.where(inside, _WEIGHTS * n, 0.0) * term(n, *(row[some, None] for row in rows))
        total[some] += step[some] * sum(part.T)
    return total


def _sum_of_hill(term: Callable[..., Array], k: int, rows: tuple[Array, ...], *, falls: bool) -> Array:
    """Sum over m of term(k, m, *rows), which rises to one top and falls: m purchases in one time, n in the next."""
    _, r, _, _, u, v, n = rows
    likely = _most(r + np.maximum(n, 0.0) * k, u / (1 + v * (1 + u)))  # whoever buys n in the second buys often
    most = np.maximum(_most(r, u), likely)
    most = np.ceil(np.where(u > 0, most, 0.0) / k) + 1
    first, last = np.zeros_like(most), most.copy()
    many = most > _FEW
    if np.any(many):
        given = tuple(row[many] for row in rows)
        first[many], last[many] = _span(lambda m: _height(k, m, *given, falls=falls), most[many])
    return _sum(partial(term, k), first, first, last, k, rows)


def _height(
    k: int, m: Array, j: Array, r: Array, a: Array, b: Array, u: Array, v: Array, n: Array, *, falls: bool
) -> Array:
    """The logarithm of such a term, as far as it decides where the top is."""
    events, later = np.maximum(m * k - j + k / 2, 0.5), np.maximum(n * k, 0.5)
    stays = gammaln(b + m + np.maximum(n, 0.0)) - gammaln(a + b + m + np.maximum(n, 0.0))
    here = _fall(r, events, _log_ratio(u, r, events))
    ratio = _log_ratio(v, r + events, later)
    bought = _fall(r + events, later, ratio if falls else np.minimum(ratio, 0.0))
    none = np.where(n < 0, 0.0, -(r + events) * np.log1p(v))
    return np.asarray(stays + here + np.where(n > 0, bought, none))


def _span(height: Callable[[Array], Array], most: Array) -> tuple[Array, Array]:
    """Between which whole numbers a hill rises and falls, by a chance of 1e-20 of itself."""
    top = _top(height, most)
    floor = height(top) - _FALL - 4
    first = np.maximum(np.floor(_where_it_falls(height, floor, top, np.zeros_like(top))) - 1, 0)
    return first, np.ceil(_where_it_falls(height, floor, top, most)) + 1


def _top(height: Callable[[Array], Array], most: Array) -> Array:
    """Where a hill over m, from 0 to the most, is highest: on a grid, drawn ever closer around its best place."""
    low, high = np.zeros_like(most), np.log1p(most)
    for _ in range(11):
        grid = low + _GRID * (high - low)
        best = np.argmax(height(np.expm1(grid)), axis=0)
        ends = np.maximum(best - 1, 0), np.minimum(best + 1, len(_GRID) - 1)
        low, high = (np.take_along_axis(grid, end[None], axis=0)[0] for end in ends)
    return np.asarray(np.expm1((low + high) / 2))


def _where_it_falls(height: Callable[[Array], Array], floor: Array, top: Array, end: Array) -> Array:
    """The place between the top and the end where the hill falls to the floor, or the end."""
    inside, outside = np.log1p(top), np.log1p(end)
    for _ in range(7):
        grid = inside + _GRID * (outside - inside)
        above = np.sum(height(np.expm1(grid)) >= floor, axis=0)  # the first places, since the hill has one top
        ends = np.clip(above - 1, 0, None), np.minimum(above, len(_GRID) - 1)
        inside, outside = (np.take_along_axis(grid, end[None], axis=0)[0] for end in ends)
    return np.asarray(np.expm1(outside))
