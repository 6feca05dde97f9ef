r"""Squares: the distribution of a sum of squared normal numbers, each with a weight of its own."""

from __future__ import annotations

import numpy as np

from custrel.stats.estimate import Array

__all__ = ["tail_of_squares"]

_NODES, _STEP = np.linspace(-9.0, 9.0, 401, retstep=True)


def tail_of_squares(q: float, weights: Array) -> float:
    r"""Probability that :math:`\sum_j w_j Z_j^2` is above q, for independent standard normal Z and weights from 0 up.

    With weights of 1 the sum is :math:`\chi^2`. Its moment generating function :math:`M(s)` gives the probability as

    .. math:: \frac{1}{2 \pi i} \int M(s)\, e^{-q s}\, \frac{ds}{s}

    along any curve from below to above that crosses the real axis between 0 and the first branch point, at half the
    inverse of the largest weight. This one crosses where the integrand is least, and bends away around the branch
    points, where it falls like a Gaussian: some four hundred nodes are good for nine digits, far out in the tail too.

    Parameters
    ----------
    q
        Any number; below 0 the probability is 1.
    weights
        The weights, one of them above 0.

    Examples
    --------
    Two squares are exponential, and two pairs of weights a and b leave (a exp(-q / 2a) - b exp(-q / 2b)) / (a - b).

    >>> round(tail_of_squares(3.0, np.array([1.0, 1.0])), 6), round(float(np.exp(-1.5)), 6)
    (0.22313, 0.22313)
    >>> round(tail_of_squares(3.0, np.array([1.0, 1.0, 0.5, 0.5])), 6), round(float(2 * np.exp(-1.5) - np.exp(-3)), 6)
    (0.396473, 0.396473)
    """
    if q <= 0:
        return 1.0
    w = weights[weights > 1e-12 * weights.max()]
    end = 0.5 / float(w.max())
    crosses = _least(q, w, end)
    width = min(crosses, end - crosses)
    v, along = width * np.sinh(_NODES), width * np.cosh(_NODES)
    s = crosses + v**2 / (2 * end) + 1j * v
    log_m = -0.5 * np.log(1 - 2 * np.multiply.outer(s, w)).sum(axis=-1)
    total = np.sum(np.exp(log_m - q * s) / s * along * (v / end + 1j)).imag
    return float(np.clip(total * _STEP / (2 * np.pi), 0.0, 1.0))


def _least(q: float, w: Array, end: float) -> float:
    """Where on the real axis the integrand is least: its logarithm is convex between 0 and the end."""
    low, high = 0.0, end
    for _ in range(60):
        s = (low + high) / 2
        falls = np.sum(w / (1 - 2 * w * s)) < q + 1 / s
        low, high = (s, high) if falls else (low, s)
    return (low + high) / 2
