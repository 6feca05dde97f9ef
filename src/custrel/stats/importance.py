"""Importance: independent draws from a density that is known but for a factor, when its peak is known.

A t distribution about the peak proposes places, and the density weighs them. Narrower ones about places of that round,
chosen by their weights and drawn together a little so that the spread stays what it is, propose the next, and so once
more [1]_: they follow a density that is skew. A wide one beside them sees what they would miss. So many draws as are
asked for are taken in equal steps through the last weights.

References
----------
.. [1] West, M. (1993). Approximating Posterior Distributions by Mixtures. Journal of the Royal Statistical Society B
   55(2), 409-422. https://doi.org/10.1111/j.2517-6161.1993.tb01911.x
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import logsumexp

from custrel.stats.estimate import Array
from custrel.stats.tails import smoothed_weights

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

__all__ = ["Drawn", "importance_draws", "summit"]

_FREEDOM = 5.0  # of the t distributions: tails heavier than those of a likelihood
_FIRST = 500  # places of the first round, and of the second
_CENTRES = 200
_WIDTH = 0.7  # of the narrower ones
_WIDER = 1.5  # of one more, which reaches where the others do not
_DEFENCE = 0.1  # places of that one, for each of the others
_TOLD = 5  # draws for each parameter, that a round must be worth to tell the next one anything
_REACH = 0.05  # of a width: how far apart differences are taken
_CLIMBS = 40
_LEAP = 3.0  # widths: the longest step
_THERE = 0.02  # a step so short leads nowhere else
_FLATTEST = 1e-3  # a curvature below this is that of another place
_MORE = 1.4  # places for each draw


@dataclass(frozen=True)
class Drawn:
    """Draws of a density, and what they are worth.

    Parameters
    ----------
    places
        ``(draws, parameters)``.
    effective
        How many independent draws they are worth.
    k
        Shape of the tail of the weights they were chosen by: beyond 0.7 they are not to be trusted.
    """

    places: Array
    effective: float
    k: float


def importance_draws(
    log_density: Callable[[Array], Array], centre: Array, covariance: Array, n: int, rng: np.random.Generator
) -> Drawn:
    """Draws of a density with one peak.

    Parameters
    ----------
    log_density
        Of places ``(places, parameters)``, but for a constant; -inf where there is none.
    centre, covariance
        Where the peak is, and how wide it is about.
    n
        How many draws.
    rng
        Source of randomness.

    Examples
    --------
    >>> drawn = importance_draws(
    ...     lambda q: -(q**2).sum(axis=1) / 2, np.array([0.5]), 2 * np.eye(1), 2000, np.random.default_rng(1)
    ... )
    >>> bool(abs(drawn.places.mean()) < 0.05), bool(abs(drawn.places.var() - 1) < 0.05), drawn.effective > 1500
    (True, True, True)
    """
    proposals, many = [_Proposal(centre[None], _root(covariance))], int(_MORE * max(n, _FIRST))
    places, weights, k = _round(log_density, proposals, [_FIRST], rng)
    for size in (_FIRST, many):
        if 1 / np.square(weights).sum() > _TOLD * centre.size:
            proposals = _about(places, weights)
        counts = [size, int(_DEFENCE * size)][: len(proposals)]
        places, weights, k = _round(log_density, proposals, counts, rng)
    chosen = _chosen(weights, n, rng.random())
    effective = min(1 / np.square(weights).sum(), n**2 / np.square(np.bincount(chosen)).sum())
    return Drawn(places[rng.permutation(chosen)], float(effective), k)


def summit(log_density: Callable[[Array], Array], centre: Array, covariance: Array) -> tuple[Array, Array]:
    """Where a density is highest, and how wide it is there, from a place and a width that are about right.

    Newton's steps by differences, on the scale of the width that was given.

    Examples
    --------
    >>> place, width = summit(lambda q: -((q - 3) ** 2).sum(axis=1) / 8, np.array([0.0]), np.eye(1))
    >>> place.round(6), width.round(6)
    (array([3.]), array([[4.]]))
    """
    root, place = _root(covariance), centre
    offsets, pairs = _stencil(centre.size)
    for _ in range(_CLIMBS):
        heights = log_density(place + offsets @ root.T)
        if not np.all(np.isfinite(heights)):
            break
        slope, curve = _derivatives(heights, pairs)
        size, axes = np.linalg.eigh(curve)
        steep = np.maximum(np.abs(size), _FLATTEST)
        root = root @ (axes / np.sqrt(steep))
        step = axes.T @ slope / np.sqrt(steep)
        far = float(np.linalg.norm(step))
        place = place + root @ (step * min(1.0, _LEAP / max(far, _THERE)))
        if far < _THERE:
            break
    return place, root @ root.T


def _stencil(size: int) -> tuple[Array, list[tuple[int, int]]]:
    """Steps from a place: none, along each axis, back, and along each two."""
    pairs = [(i, j) for i in range(size) for j in range(i)]
    axes = _REACH * np.eye(size)
    both = [axes[i] + axes[j] for i, j in pairs]
    return np.concatenate([np.zeros((1, size)), axes, -axes, np.array(both).reshape(-1, size)]), pairs


def _derivatives(heights: Array, pairs: list[tuple[int, int]]) -> tuple[Array, Array]:
    """Slope and curvature at the middle of a stencil."""
    size = (len(heights) - 1 - len(pairs)) // 2
    here, ahead, back, both = np.split(heights, [1, 1 + size, 1 + 2 * size])
    curve = np.diag((ahead - 2 * here + back) / _REACH**2)
    for (i, j), height in zip(pairs, both, strict=True):
        curve[i, j] = curve[j, i] = (height - ahead[i] - ahead[j] + here[0]) / _REACH**2
    return (ahead - back) / (2 * _REACH), curve


def _chosen(weights: Array, n: int, first: float) -> NDArray[np.intp]:
    """So many places, in equal steps through their weights."""
    return np.minimum(np.searchsorted(np.cumsum(weights), (np.arange(n) + first) / n), weights.size - 1)


def _about(places: Array, weights: Array) -> list[_Proposal]:
    """Narrow proposals about weighted places, and the wide one."""
    middle = weights @ places
    root = _root(np.atleast_2d(np.cov(places.T, aweights=weights)))
    centres = middle + np.sqrt(1 - _WIDTH**2) * (places[_chosen(weights, _CENTRES, 0.5)] - middle)
    return [_Proposal(centres, _WIDTH * root), _Proposal(middle[None], _WIDER * root)]


def _root(covariance: Array) -> Array:
    return np.asarray(np.linalg.cholesky(covariance), dtype=np.float64)


@dataclass(frozen=True)
class _Proposal:
    """t distributions of one width, the root of a covariance, about several centres, each as likely as the others."""

    centres: Array
    root: Array

    def draw(self, n: int, rng: np.random.Generator) -> Array:
        size = self.centres.shape[1]
        steps = rng.standard_normal((n, size)) / np.sqrt(rng.chisquare(_FREEDOM, (n, 1)) / _FREEDOM)
        return self.centres[np.arange(n) % len(self.centres)] + steps @ self.root.T

    def log_density(self, places: Array) -> Array:
        """But for a constant that all widths share."""
        size = self.centres.shape[1]
        here, there = (np.linalg.solve(self.root, one.T).T for one in (places, self.centres))
        far = sum(np.square(here[:, None, i] - there[:, i]) for i in range(size))
        found = logsumexp(-(_FREEDOM + size) / 2 * np.log1p(far / _FREEDOM), axis=1)
        return np.asarray(found - np.log(len(self.centres)) - np.log(np.diag(self.root)).sum())


def _round(
    log_density: Callable[[Array], Array], proposals: list[_Proposal], counts: list[int], rng: np.random.Generator
) -> tuple[Array, Array, float]:
    """So many places of each proposal, their weights under the mixture of all, and the k of the weights' tail."""
    pairs = list(zip(proposals, counts, strict=True))
    places = np.concatenate([proposal.draw(n, rng) for proposal, n in pairs])
    proposed = logsumexp([proposal.log_density(places) + np.log(n) for proposal, n in pairs], axis=0)
    return places, *smoothed_weights(log_density(places) - proposed)
