r"""Chains: random walks that know a density but for a factor, whether they agree, and how many draws they are worth.

Walkers move along the lines through two of each other (differential evolution) or stretch the line to a third, so that
no scale has to be given and any tilt of the density is walked as easily as none.

References
----------
.. [1] Goodman, J., & Weare, J. (2010). Ensemble Samplers with Affine Invariance. Communications in Applied Mathematics
   and Computational Science 5(1), 65-80. https://doi.org/10.2140/camcos.2010.5.65
.. [2] ter Braak, C. J. F. (2006). A Markov Chain Monte Carlo Version of the Genetic Algorithm Differential Evolution.
   Statistics and Computing 16, 239-249. https://doi.org/10.1007/s11222-006-8769-1
.. [3] Vehtari, A., Gelman, A., Simpson, D., Carpenter, B., & Buerkner, P.-C. (2021). Rank-Normalization, Folding, and
   Localization: An Improved R-hat for Assessing Convergence of MCMC. Bayesian Analysis 16(2), 667-718.
   https://doi.org/10.1214/20-BA1221
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from custrel.stats.estimate import Array

__all__ = ["effective_draws", "split_r_hat", "walk"]

_STRETCH = 2.0  # the a of [1]_
_NOISE = 1e-5  # of the spread between walkers: keeps moves from lying on a lattice


def walk(
    log_density: Callable[[Array], Array], start: Array, steps: int, rng: np.random.Generator
) -> tuple[Array, Array]:
    """Walk from the start so many steps; each walker's places, ``(walkers, steps, parameters)``, and where they end.

    Half of the walkers move at a time, along lines through the other half: by [2]_ and, every fourth step, [1]_.

    Parameters
    ----------
    log_density
        Of places ``(places, parameters)``, but for a constant; -inf where there is none.
    start
        Where the walkers start, ``(walkers, parameters)``: an even number, more than twice the parameters.
    steps
        How many steps.
    rng
        Source of randomness.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> places, _ = walk(lambda q: -(q**2).sum(axis=1) / 2, rng.normal(size=(20, 2)), 2000, rng)
    >>> bool(np.all(np.abs(places.var(axis=(0, 1)) - 1) < 0.1))
    True
    """
    places, height = start.copy(), log_density(start)
    walkers, size = start.shape
    half = walkers // 2
    path = np.empty((walkers, steps, size))
    for step in range(steps):
        for mine, others in ((slice(0, half), slice(half, walkers)), (slice(half, walkers), slice(0, half))):
            move = _stretched if step % 4 == 3 else _crossed
            ahead, gain = move(places[mine], places[others], rng)
            there = log_density(ahead)
            with np.errstate(invalid="ignore"):
                goes = np.log(rng.random(half)) < gain + there - height[mine]
            places[mine] = np.where(goes[:, None], ahead, places[mine])
            height[mine] = np.where(goes, there, height[mine])
        path[:, step] = places
    return path, places


def _stretched(here: Array, others: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """Along the line to another walker; the factor is 1 / sqrt(z) distributed between 1 / a and a."""
    z = (1 + (_STRETCH - 1) * rng.random(len(here))) ** 2 / _STRETCH
    towards = others[rng.integers(len(others), size=len(here))]
    return towards + z[:, None] * (here - towards), (here.shape[1] - 1) * np.log(z)


def _crossed(here: Array, others: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """By the difference of two other walkers, times 2.38 / sqrt(2 d)."""
    first = rng.integers(len(others), size=len(here))
    second = (first + rng.integers(1, len(others), size=len(here))) % len(others)
    scale = 2.38 / np.sqrt(2 * here.shape[1]) * np.exp(0.1 * rng.standard_normal(len(here)))
    wobble = _NOISE * others.std(axis=0) * rng.standard_normal(here.shape)
    return here + scale[:, None] * (others[first] - others[second]) + wobble, np.zeros(len(here))


def split_r_hat(chains: Array) -> Array:
    r"""How much wider all halves of the chains are together than each by itself, of each parameter; 1 when they agree.

    The split :math:`\hat R = \sqrt{(\frac{n-1}{n} W + \frac{1}{n} B) / W}` of [3]_, of variances within and between.

    Parameters
    ----------
    chains
        ``(chains, steps, parameters)``.

    Examples
    --------
    By hand: the halves 0, 2 and 2, 4 have the variance W = 2 and means 1 and 3, so B / n = 2.

    >>> split_r_hat(np.array([[[0.0], [2.0], [2.0], [4.0]]])).round(6)  # sqrt((1 + 2) / 2)
    array([1.224745])
    """
    n = chains.shape[1] // 2
    halves = np.concatenate([chains[:, :n], chains[:, -n:]])
    within, between = halves.var(axis=1, ddof=1).mean(axis=0), halves.mean(axis=1).var(axis=0, ddof=1)
    return np.asarray(np.sqrt(((n - 1) / n * within + between) / within))


def effective_draws(chains: Array) -> Array:
    r"""How many independent draws the chains are worth, of each parameter: their number over :math:`1 + 2 \sum \rho_t`.

    The autocorrelations are those of all chains together, as in [3]_, added up in pairs until a pair is negative, no
    pair counted for more than the one before it.

    Parameters
    ----------
    chains
        ``(chains, steps, parameters)``.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> bool(abs(effective_draws(rng.normal(size=(8, 1000, 1)))[0] / 8000 - 1) < 0.1)
    True
    """
    m, n, _ = chains.shape
    centred = chains - chains.mean(axis=1, keepdims=True)
    power = np.abs(np.fft.rfft(centred, 2 * n, axis=1)) ** 2
    covariance = np.fft.irfft(power, axis=1)[:, :n].mean(axis=0) / n
    within = covariance[0] * n / (n - 1)
    spread = covariance[0] + (chains.mean(axis=1).var(axis=0, ddof=1) if m > 1 else 0.0)
    rho = 1 - (within - covariance) / spread
    rho[0] = 1
    pairs = rho[: n - n % 2].reshape(-1, 2, chains.shape[2]).sum(axis=1)
    kept = np.minimum.accumulate(np.where(np.cumsum(pairs < 0, axis=0) > 0, 0.0, pairs), axis=0)
    return np.asarray(m * n / (2 * kept.sum(axis=0) - 1))
