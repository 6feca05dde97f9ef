r"""What a history says of a customer whose times between purchases are regular: sums over regularity and the next gap.

While here, a customer's times between purchases are Gamma(k, rate :math:`k\lambda`). Given k and :math:`\lambda`, the
silence W since the last purchase is explained by the gap that was to follow it: it *outlasts* the silence, or it was
*cut short*, ending within the silence had the customer not left before. Given k, the rate :math:`\lambda` is summed in
closed form, and with :math:`m = r + k x` and :math:`A = \alpha + k t_x` the gap w has the density

.. math:: \frac{1}{B(k, m)} \frac{k}{A} \Big(\frac{k w}{A}\Big)^{k - 1} \Big(1 + \frac{k w}{A}\Big)^{-k - m} .

What is left is an integral over k and over the gap in which all is positive. The gap is a hill on the logarithmic
scale, u = log(m w / A). Over the logarithm of k, where the integrand falls to nothing on both sides, trapezoids in
equal steps converge exponentially.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import betainc, betaincc, log_expit, psi

from custrel.stats.estimate import Array
from custrel.stats.quadrature import hill_integral
from custrel.stats.special import binet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

__all__ = [
    "Part",
    "Rows",
    "by_nodes",
    "cut_short",
    "gap_hill",
    "gap_slope",
    "outlasting",
    "silent_until",
    "tail_end",
]

FALL = 24.0  # exp(-24) is 4e-11
SLACK = 3.0  # how rough the places are at which a hill is looked for
_GRID = np.linspace(0.0, 1.0, 17)[:, None]
_ROUNDS = 9  # of the search for a hill at most, each two to eight times closer
_STEP, _LONGEST = 0.65, 0.3  # of the width of the hill's top, and at all
_BAND = 8  # numbers of nodes come in multiples of this
_MOST = 512
_FLOOR = -640.0  # exp(-640) is 1e-278: a smaller k does not occur
_ROWS, _CELLS = 1024, 1 << 13  # rows, and nodes x rows, at a time
_CACHE = 768  # cells at a time: their 48 nodes stay in a core's cache
_LOG_2PI = float(np.log(2 * np.pi))
_ENDLESS = 80.0  # exp(-80) is 2e-35


@dataclass(frozen=True)
class Rows:
    """Customers and the parameters of their law, arrays of one length."""

    t: Array
    gamma: Array
    r: Array
    alpha: Array
    s: Array
    beta: Array
    x: Array
    t_x: Array
    T: Array
    log_gaps: Array

    def take(self, rows: NDArray[np.intp] | slice) -> Rows:
        """Some of them."""
        return Rows(*(column[rows] for column in vars(self).values()))

    @property
    def silence(self) -> Array:
        """Time since the last purchase."""
        return np.asarray(self.T - self.t_x)

    def at(self, q: Array) -> tuple[Array, Array, Array]:
        """At k = e^q t / gamma: k itself, and shape m and rate A of the gamma law of rates that x gaps leave."""
        k = np.exp(q + np.log(self.t / self.gamma))
        return k, self.r + k * self.x, self.alpha + k * self.t_x


@dataclass(frozen=True)
class Part:
    """One of the two ways in which a history comes about: the weight of each node of k, and means over the gap there.

    Parameters
    ----------
    q
        Logarithm of k, less that of its prior mean t / gamma, ``(nodes, rows)``.
    log_weight
        Logarithm of the node's share of the likelihood.
    means
        Means over the gap at each node.
    """

    q: Array
    log_weight: Array
    means: tuple[Array, ...]

    def total(self) -> Array:
        """Logarithm of this part of the likelihood."""
        top = self.log_weight.max(axis=0)
        with np.errstate(divide="ignore"):
            return np.asarray(top + np.log(_added(np.exp(self.log_weight - top))))

    def weight(self) -> Array:
        """The weights, which sum to 1."""
        mass = np.exp(self.log_weight - self.log_weight.max(axis=0))
        return np.asarray(mass / _added(mass))


def _added(values: Array) -> Array:
    """Sum over the nodes, one by one: NumPy's order would depend on how many rows there are."""
    return np.asarray(sum(values))


def _known(q: Array, rows: Rows) -> Array:
    r"""Logarithm of the density of q and of the gaps so far: gamma functions by what Stirling's formula leaves over.

    .. math:: \frac{\gamma^t k^t e^{-\gamma k}}{\Gamma(t)} \cdot \frac{k^{kx} e^{(k-1) G}}{\Gamma(k)^x} \cdot
              \frac{\alpha^r \Gamma(m)}{\Gamma(r) A^m}
    """
    k, m, A = rows.at(q)
    t, r, x = rows.t, rows.r, rows.x
    prior = t * (q - np.expm1(q)) + 0.5 * (np.log(t) - _LOG_2PI) - binet(t)
    even = k * (rows.log_gaps + x * np.log(m / A)) - rows.log_gaps
    shapes = x * (0.5 * (np.log(k) - _LOG_2PI) - binet(k)) - 0.5 * np.log1p(k * x / r) + binet(m) - binet(r)
    return np.asarray(prior + even + shapes + r * (np.log1p(k * x / r) - np.log1p(k * rows.t_x / rows.alpha)))


# -- the next gap -----------------------------------------------------------------------------------------------------


def exceeds(u: Array, k: Array, m: Array) -> Array:
    """log(1 + k w / A) for the gap w = (A / m) e^u, less its value at u = 0."""
    near = np.log1p(k / (k + m) * np.expm1(np.minimum(u, 30.0)))
    far = u - np.log1p(m / k) + np.log1p(m / k * np.exp(-np.maximum(u, 30.0)))
    return np.where(u > 30, far, near)


def gap_hill(u: Array, k: Array, m: Array) -> Array:
    """Logarithm of the density of u, relative to its top at 0."""
    return np.asarray(k * u - (k + m) * exceeds(u, k, m))


def gap_slope(u: Array, k: Array, m: Array) -> Array:
    """Its derivative."""
    rare = np.exp(-np.abs(u))
    falls = k * m * (rare - 1)
    return np.asarray(np.where(u > 0, falls / (k + m * rare), -falls / (k * rare + m)))


def _gap_height(k: Array, m: Array) -> Array:
    """Logarithm of the density of u at 0."""
    return np.asarray(0.5 * (np.log(k) - np.log1p(k / m) - _LOG_2PI) - binet(k) - binet(m) + binet(k + m))


def _ends(k: Array, m: Array) -> tuple[Array, Array]:
    """Beyond which the density of u has fallen to nothing."""
    left, right = (k + m) * np.log1p(k / m) + _ENDLESS, (k + m) * np.log1p(m / k) + _ENDLESS
    return np.asarray(-left / k), np.asarray(right / m)


def tail_end(k: Array, m: Array, top: Array, side: int, fall: float) -> Array:
    """Where the hill has fallen by so much from its height at `top`, on the left (-1) or right (1) of it.

    Newton's steps from outside never pass by.
    """
    u = top + side * (np.maximum(0.0, side * (_ends(k, m)[side > 0] - top)) + _ENDLESS / np.where(side > 0, m, k))
    floor = gap_hill(top, k, m) - fall
    for _ in range(14):
        u = u - (gap_hill(u, k, m) - floor) / gap_slope(u, k, m)
    return np.asarray(u)


def silent_until(rows: Rows, k: Array, m: Array, A: Array) -> Array:
    """The u of a gap as long as the silence, or where gaps begin if there is none."""
    first, _ = _ends(k, m)
    w = np.broadcast_to(rows.silence, m.shape)
    return np.where(w > 0, np.maximum(first, np.log(np.where(w > 0, w, 1.0) / A * m)), first)


def outlasting(q: Array, rows: Rows, *, means: bool) -> Part:
    """The next gap outlasts the silence; means of `exceeds` and of exp(-exceeds)."""
    k, m, A = rows.at(q)
    begin = silent_until(rows, k, m, A)
    beyond = _share_beyond(k, m, begin)
    flat = [one.ravel() for one in (k, m, begin)]
    found = [np.log(np.maximum(beyond, 1e-300)).ravel(), *(np.empty(k.size) for _ in range(2 * means))]
    _fill(found[:1], np.flatnonzero(beyond.ravel() < 1e-30), _longer_by_hill, flat, means=False)
    if means:
        share = beyond.ravel()
        plain = np.where(flat[2] > 0, _is_plain(*flat) & (share > 1e-100), share > 0.02)
        _fill(found[1:], np.flatnonzero(plain), _means_by_one_piece, flat, means=True)
        _fill(found[1:], np.flatnonzero(~plain), _means_by_hill, flat, means=True)
        exact = share > 1e-30
        tilted = _share_beyond(k, m + 1, begin + np.log1p(1 / m)).ravel()
        found[2][exact] = tilted[exact] / share[exact]
    log_beyond, *others = (one.reshape(k.shape) for one in found)
    return Part(q, _known(q, rows) + log_beyond, tuple(others))


def _share_beyond(k: Array, m: Array, begin: Array) -> Array:
    """The share of gaps longer than `begin`: an incomplete beta function, of whichever argument is small."""
    odds = k / m * np.exp(np.minimum(begin, 600.0))
    answer = np.empty(k.shape)
    short = odds < 1
    answer[short] = betaincc(k[short], m[short], (odds / (1 + odds))[short])
    answer[~short] = betainc(m[~short], k[~short], (1 / (1 + odds))[~short])
    return answer


def _fill(
    found: list[Array],
    some: NDArray[np.intp],
    ways: Callable[..., tuple[Array, ...]],
    cells: list[Array],
    *,
    means: bool,
) -> None:
    """Some places of the answers, a cache's load at a time."""
    for few in (some[at : at + _CACHE] for at in range(0, some.size, _CACHE)):
        for place, answer in zip(found, ways(*(one[few] for one in cells), means=means), strict=True):
            place[few] = answer


def _means_by_one_piece(k: Array, m: Array, begin: Array, *, means: bool) -> tuple[Array, ...]:
    """Over gaps beyond `begin` where that is after the top of the hill; else over all gaps less those up to it."""
    del means
    z, weight = _rule(40)
    k, m, begin = (one[:, None] for one in (k, m, begin))
    after = begin > 0
    power = np.abs(gap_slope(begin, k, m)) / 3 + 0.5 / np.sqrt(1 / k + 1 / m)
    power = np.minimum(np.where(after, m, k) / 3, power)
    u = begin - np.where(after, 1.0, -1.0) * np.log(z) / power
    more = exceeds(u, k, m)
    mass = weight / z / power * np.exp(_gap_height(k, m) + k * u - (k + m) * more)
    area, gone, less = (np.sum(one, axis=1) for one in (mass, mass * more, mass * np.exp(-more)))
    k, m, after = k[:, 0], m[:, 0], after[:, 0]
    area, less = np.where(after, area, 1 - area), np.where(after, less, 1 - less)
    gone = np.where(after, gone, psi(m + k) - psi(m) - np.log1p(k / m) - gone)
    return gone / area, less / area


def _longer_by_hill(k: Array, m: Array, begin: Array, *, means: bool) -> tuple[Array, ...]:
    """The logarithm of the share of longer gaps, and the means."""
    end = np.maximum(_ends(k, m)[1], begin + _ENDLESS / m)
    log_area, *others = hill_integral(_longer, gap_slope, (begin, end), np.maximum(begin, 0.0), (k, m))
    return _gap_height(k, m) + log_area, *(others if means else ())


def _means_by_hill(k: Array, m: Array, begin: Array, *, means: bool) -> tuple[Array, ...]:
    return _longer_by_hill(k, m, begin, means=means)[1:]


def _longer(u: Array, k: Array, m: Array) -> tuple[Array, ...]:
    more = exceeds(u, k, m)
    return k * u - (k + m) * more, more, np.exp(-more)


def cut_short(q: Array, rows: Rows, *, means: bool) -> Part:
    """The next gap would have ended within the silence, had the customer not left before.

    Means of `exceeds`, of exp(-exceeds), and for survival that falls as e^(-s a) to the end of the gap, of
    a / (e^(s a) - 1) and (1 - e^-a) / (e^(s a) - 1).
    """
    k, m, A = rows.at(q)
    given = k, m, A / m / (rows.beta + rows.t_x), np.broadcast_to(rows.s, k.shape), silent_until(rows, k, m, A)
    flat = [one.ravel() for one in given]
    found = [np.empty(k.size) for _ in range(1 + 4 * means)]
    plain = _is_plain(flat[0], flat[1], flat[4]) & (flat[2] < 3) & (flat[3] < 10)
    for some, ways in ((np.flatnonzero(plain), _cut_by_two_pieces), (np.flatnonzero(~plain), _cut_by_hill)):
        _fill(found, some, ways, flat, means=means)
    log_area, *others = (one.reshape(k.shape) for one in found)
    return Part(q, _known(q, rows) + _gap_height(k, m) + log_area, tuple(others))


def _is_plain(k: Array, m: Array, end: Array) -> NDArray[np.bool_]:
    """Where a few nodes are exact to eight digits at worst, and to eleven as a rule."""
    return np.asarray((end > -300) & (end < 6) & (m > 0.1) & (k > 0.01) & (k < 100 * m) & (k < 300))


@cache
def _rule(nodes: int) -> tuple[Array, Array]:
    """Gauss and Legendre's nodes and weights on the unit interval."""
    places, weights = np.polynomial.legendre.leggauss(nodes)
    return (places + 1) / 2, weights / 2


def _cut_by_two_pieces(k: Array, m: Array, scale: Array, s: Array, end: Array, *, means: bool) -> tuple[Array, ...]:
    """Before the top of the hill of gaps and after it, each in a power of the gap that makes it nearly a polynomial."""
    z, weight = _rule(24)
    k, m, scale, s, end = (one[:, None] for one in (k, m, scale, s, end))
    width, last, over = np.sqrt(1 / k + 1 / m), np.minimum(end, 0.0), np.maximum(end, 0.0)
    power = np.minimum((k + 1) / 3, gap_slope(last, k, m) / 3 + 0.5 / width)
    power_after = np.minimum(m / 3, 0.5 / width)
    begin = np.exp(-over * power_after)
    z_after = begin + (1 - begin) * z
    u = np.concatenate([last + np.log(z) / power, -np.log(z_after) / power_after], axis=1)
    share = np.concatenate([weight / z / power, (1 - begin) * weight / z_after / power_after], axis=1)
    more = np.log1p(k / (k + m) * np.expm1(u))
    a = np.log1p(scale * np.exp(u))
    height = gap_hill(last, k, m)
    mass = share * np.exp(k * u - (k + m) * more - height) * -np.expm1(-s * a)
    total = mass.sum(axis=1)
    log_area = np.log(total) + height[:, 0]
    if not means:
        return (log_area,)
    others = more, np.exp(-more), *_of_leaving(a, s)
    return log_area, *((mass * other).sum(axis=1) / total for other in others)


def _cut_by_hill(k: Array, m: Array, scale: Array, s: Array, end: Array, *, means: bool) -> tuple[Array, ...]:
    """The same everywhere, at the cost of a search for the hill's top and ends."""
    # To the left of 0 the hill rises by k + 1, where it does not by k alone or less: before its top, or for scale > 1.
    begin = np.minimum(end, 0.0) - ((k + m) * np.log1p(k / m) + _ENDLESS) / (k + 1) - np.log1p(scale)
    top = np.minimum(_top(k, m, scale, s), end)
    found = hill_integral(_leaving, _leaving_slope, (begin, end), top, (k, m, scale, s))
    return found if means else found[:1]


def _of_leaving(a: Array, s: Array) -> tuple[Array, Array]:
    odds = np.expm1(np.clip(s * a, 1e-300, 700.0))
    return a / odds, -np.expm1(-a) / odds


def _risen(u: Array, scale: Array) -> tuple[Array, Array]:
    """log(scale e^u), and log(1 + scale e^u), never 0."""
    v = u + np.log(scale)
    return v, np.where(v > 30, v, np.log1p(np.exp(np.clip(v, -690.0, 30.0))))


def _leaving(u: Array, k: Array, m: Array, scale: Array, s: Array) -> tuple[Array, ...]:
    more, (v, a) = exceeds(u, k, m), _risen(u, scale)
    rising = np.where(v < -600, v + np.log(s), np.log(-np.expm1(-s * a)))
    return k * u - (k + m) * more + rising, more, np.exp(-more), *_of_leaving(a, s)


def _leaving_slope(u: Array, k: Array, m: Array, scale: Array, s: Array) -> Array:
    v, a = _risen(u, scale)
    odds = np.expm1(np.minimum(s * a, 700.0)) * (1 + np.exp(np.minimum(-v, 690.0)))
    return np.asarray(gap_slope(u, k, m) + np.where(v < -600, 1.0, s / odds))


def _top(k: Array, m: Array, scale: Array, s: Array) -> Array:
    """Where the hill of those who left is highest: to the right of 0, by halving."""
    low, high = np.zeros(k.shape), np.maximum(_ends(k, m)[1], 1.0)
    for _ in range(40):
        middle = np.expm1((np.log1p(low) + np.log1p(high)) / 2)
        rising = _leaving_slope(middle, k, m, scale, s) > 0
        low, high = np.where(rising, middle, low), np.where(rising, high, middle)
    return low


# -- regularity -------------------------------------------------------------------------------------------------------


def by_nodes(part: Callable[..., Part], rows: Rows, *, means: bool = False) -> Iterator[tuple[NDArray[np.intp], Part]]:
    """A part of the likelihood, for some rows at a time: which, and the part at nodes of their own."""
    for at in range(0, rows.x.size, _ROWS):
        for some, found in _of_a_block(part, rows.take(slice(at, at + _ROWS)), means=means):
            yield some + at, found


def _of_a_block(part: Callable[..., Part], rows: Rows, *, means: bool) -> Iterator[tuple[NDArray[np.intp], Part]]:
    """Rows that need the same number of nodes go together."""
    start, end, step = _range(_roughly_outlasting if part is outlasting else _roughly_cut_short, rows)
    nodes = np.minimum(_BAND * np.ceil((end - start) / (step * _BAND)).astype(np.intp), _MOST)
    for many in np.unique(nodes).tolist():
        alike = np.flatnonzero(nodes == many)
        size = max(1, _CELLS // many)
        for some in (alike[at : at + size] for at in range(0, alike.size, size)):
            width = (end - start)[some]
            found = part(start[some] + width * ((np.arange(many) + 0.5) / many)[:, None], rows.take(some), means=means)
            yield some, Part(found.q, found.log_weight + np.log(width / many), found.means)


def _range(roughly: Callable[[Array, Rows], Array], rows: Rows) -> tuple[Array, Array, Array]:
    """Where the hill over q begins and ends, and the step that its top asks for."""
    low = np.maximum(_FLOOR - np.log(rows.t / rows.gamma), -2e5)
    high = np.log1p((60 + 40 * rows.x) / rows.t) + 1
    wide = np.arange(low.size)
    for _ in range(_ROUNDS):
        begin, gap = low[wide], (high - low)[wide] / (len(_GRID) - 1)
        height = roughly(begin + gap * np.arange(len(_GRID))[:, None], rows.take(wide))
        counts = height > height.max(axis=0) - FALL - SLACK
        first, last = counts.argmax(axis=0), len(_GRID) - 1 - counts[::-1].argmax(axis=0)
        low[wide] = begin + gap * np.maximum(first - 1, 0)
        high[wide] = begin + gap * np.minimum(last + 1, len(_GRID) - 1)
        wide = wide[last - first < len(_GRID) / 2]
        if not wide.size:
            break
    grid = low + (high - low) * _GRID
    height, gap = roughly(grid, rows), (high - low) / (len(_GRID) - 1)
    near_top = (height > height.max(axis=0) - 2)[1:-1]
    steepest = np.max(-np.diff(height, 2, axis=0), axis=0, initial=1e-300, where=near_top)
    return low, high, np.minimum(_LONGEST, _STEP * gap / np.sqrt(steepest))


def _roughly_outlasting(q: Array, rows: Rows) -> Array:
    """The logarithm of the integrand to within a few units: the density of the gap at the silence, times a width."""
    k, m, A = rows.at(q)
    u = silent_until(rows, k, m, A)
    after, before = np.maximum(u, 0.0), np.minimum(u, 0.0)
    blunt = np.sqrt(1 / k + 1 / m)
    right = np.minimum(np.minimum(blunt, np.log1p(m / k)) + 1 / m, 1 / np.maximum(-gap_slope(after, k, m), 1e-300))
    width = right + np.minimum(-np.expm1(k * before) / k, blunt + 1 / k)
    return np.asarray(_known(q, rows) + log_expit(_gap_height(k, m) + gap_hill(after, k, m) + np.log(width)))


def _roughly_cut_short(q: Array, rows: Rows) -> Array:
    """The same for gaps up to the silence; where k is small most gaps are nothing, and in those nobody leaves."""
    k, m, A = rows.at(q)
    before = np.minimum(silent_until(rows, k, m, A), 0.0)
    width = np.minimum(np.sqrt(1 / k + 1 / m) + 1 / k, 1 / np.maximum(gap_slope(before, k, m), 1e-300))
    ended = log_expit(_gap_height(k, m) + gap_hill(before, k, m) + np.log(width))
    return np.asarray(_known(q, rows) + ended + np.log(k / (1 + k)))
