r"""Tails: whether a few importance weights decide all, and the weights mended where they may be.

The largest weights are taken for a sample of a generalised Pareto distribution, whose shape k says how many moments the
weights have: below 1/2 their variance is finite, above 0.7 no sample of a usable size gets the mean right. Their order
statistics under that distribution take the place of the weights themselves.

References
----------
.. [1] Zhang, J., & Stephens, M. A. (2009). A New and Efficient Estimation Method for the Generalized Pareto
   Distribution. Technometrics 51(3), 316-325. https://doi.org/10.1198/tech.2009.08017
.. [2] Vehtari, A., Simpson, D., Gelman, A., Yao, Y., & Gabry, J. (2024). Pareto Smoothed Importance Sampling. Journal
   of Machine Learning Research 25(72), 1-58. https://jmlr.org/papers/v25/19-556.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from custrel.stats.special import expm1_ratio

if TYPE_CHECKING:
    from custrel.stats.estimate import Array

__all__ = ["generalised_pareto", "smoothed_weights"]

_PRIOR = 3.0  # of the location of theta in [1]_
_LEAST = 5  # weights that a tail is told from
_EQUAL = 5.0  # times their mean: with k of 1/2, the largest of a thousand would be 16 times


def generalised_pareto(excess: Array) -> tuple[float, float]:
    r"""Shape k and scale :math:`\sigma` of :math:`F(x) = 1 - (1 + k x / \sigma)^{-1/k}`, as [1]_ estimates them.

    Parameters
    ----------
    excess
        How far each observation lies above the threshold, above 0.

    Examples
    --------
    Quantiles of the distribution with k = 1/2 and scale 1:

    >>> u = (np.arange(2000) + 0.5) / 2000
    >>> k, scale = generalised_pareto(((1 - u) ** -0.5 - 1) / 0.5)
    >>> round(k, 2), round(scale, 2)
    (0.5, 1.0)
    """
    x = np.sort(excess)
    n, quartile = x.size, x[int(x.size / 4 + 0.5) - 1]
    j = np.arange(1.0, 31 + int(np.sqrt(n)))
    theta = 1 / x[-1] + (1 - np.sqrt(j.size / (j - 0.5))) / (_PRIOR * quartile)
    shape = np.log1p(-theta[:, None] * x).mean(axis=1)
    profile = n * (np.log(-theta / shape) - shape - 1)
    likely = np.exp(profile - profile.max())
    best = float(theta @ likely / likely.sum())
    k = float(np.log1p(-best * x).mean())
    return k, -k / best


def smoothed_weights(log_weights: Array) -> tuple[Array, float]:
    """Importance weights that add up to 1, their tail smoothed as in [2]_, and the k of the tail.

    The k is drawn a little towards 1/2, as [2]_ has it. It is 0, and the weights stay as they are, where they are too
    few to have a tail, or none is more than five times their mean.

    Examples
    --------
    >>> weights, k = smoothed_weights(np.zeros(4))
    >>> weights, k
    (array([0.25, 0.25, 0.25, 0.25]), 0.0)
    """
    weights = np.exp(log_weights - log_weights.max())
    size = int(min(0.2 * weights.size, 3 * np.sqrt(weights.size)))
    order = np.argsort(weights, kind="stable")
    k = 0.0
    if size >= _LEAST and weights.mean() < 1 / _EQUAL:
        tail, threshold = order[-size:], weights[order[-size - 1]]
        excess = weights[tail] - threshold
        if excess[0] > 0:
            k, scale = generalised_pareto(excess)
            k = (k * size + 5) / (size + 10)
            u = (np.arange(size) + 0.5) / size
            weights[tail] = np.minimum(threshold + scale * expm1_ratio(k, -np.log1p(-u)), 1.0)
    return weights / weights.sum(), k
