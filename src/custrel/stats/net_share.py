r"""Net share: between which bounds does a share less an opposite share lie, such as promoters less detractors?

Of n, P stand on one side, D on the other and N on neither; :math:`\Delta = (P - D) / n`. All take arrays, and counts
that are not whole. Bounds lie within -1 and 1; of no observations (n = 0) nothing is known, and the bounds are NaN.

- *score*: the :math:`\Delta` that a score test does not reject, whose variance uses the likeliest shares that have
  this :math:`\Delta` [1]_. Near its level for few observations and for lopsided ones; the default.
- *adjusted_wald*: Wald's, after 3/4 are added to P and to D and 3/2 to N [2]_.
- *dirichlet*: the middle of the posterior under a Dirichlet prior, one of each unless said otherwise.
- *wald* and *t*: standard errors either side; when all are alike they claim to know. For comparison.

References
----------
.. [1] Tango, T. (1998). Equivalence Test and Confidence Interval for the Difference in Proportions for the
   Paired-Sample Design. Statistics in Medicine 17(8), 891-908.
   https://doi.org/10.1002/(SICI)1097-0258(19980430)17:8<891::AID-SIM780>3.0.CO;2-B
.. [2] Rocks, B. (2016). Interval Estimation for the "Net Promoter Score". The American Statistician 70(4), 365-372.
   https://doi.org/10.1080/00031305.2016.1198124
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import betainc, betaincinv, ndtri, stdtrit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import ArrayLike

    from custrel.stats.estimate import Array

__all__ = [
    "BOUNDS_OF_A_NET_SHARE",
    "adjusted_wald",
    "dirichlet",
    "dirichlet_moments",
    "highest_not_rejected",
    "score",
    "t",
    "variance_given",
    "wald",
]

_HALVINGS = 60  # of an interval of length 2: down to the last digit
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(48)


def score(P: ArrayLike, N: ArrayLike, D: ArrayLike, *, level: float = 0.95) -> tuple[Array, Array]:
    r"""The :math:`\Delta` with :math:`n (\hat\Delta - \Delta)^2 \leq z^2 (2 \tilde p_D + \Delta - \Delta^2)`

    >>> low, high = score(3, 2, 1)
    >>> round(float(low), 6), round(float(high), 6)
    (-0.311074, 0.753957)
    """
    P, N, D = _counts(P, N, D)
    z = float(ndtri(0.5 + level / 2))
    return -highest_not_rejected(D, N, P, z), highest_not_rejected(P, N, D, z)


def highest_not_rejected(P: Array, N: Array, D: Array, z: float) -> Array:
    r"""The upper bound of the score interval, z standard errors away; the lower one is that of the sides changed.

    >>> round(float(highest_not_rejected(np.array(3.0), np.array(2.0), np.array(1.0), 1.959964)), 6)
    0.753957
    """
    n = P + N + D
    found = (P - D) / n
    low, high = found, np.ones_like(found)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        kept = np.sqrt(n) * (middle - found) <= z * np.sqrt(variance_given(middle, P, N, D))
        low, high = np.where(kept, middle, low), np.where(kept, high, middle)
    return np.where(np.isnan(n), np.nan, (low + high) / 2)


def variance_given(delta: Array, P: Array, N: Array, D: Array) -> Array:
    r""":math:`2 \tilde p_D + \Delta - \Delta^2` at the likeliest of all shares that differ by :math:`\Delta`"""
    n = P + N + D
    # The larger root of 2 n p^2 + half p - D delta (1 - delta) = 0, of two forms the one that does not cancel.
    half, product = (2 * n - P + D) * delta - P - D, D * delta * (1 - delta)
    root = np.sqrt(np.maximum(half**2 + 8 * n * product, 0))
    p_D = np.where(half <= 0, (root - half) / (4 * n), 2 * product / np.where(half > 0, half + root, 1))
    return np.maximum(2 * p_D + delta - delta**2, 0)


def wald(P: ArrayLike, N: ArrayLike, D: ArrayLike, *, level: float = 0.95) -> tuple[Array, Array]:
    r""":math:`\hat\Delta \mp z \sqrt{(\hat p_P + \hat p_D - \hat\Delta^2) / n}`

    >>> [round(float(bound), 6) for bound in wald(15, 12, 9)]
    [-0.094435, 0.427768]
    """
    P, N, D = _counts(P, N, D)
    return _around(P, N, D, float(ndtri(0.5 + level / 2)))


def t(P: ArrayLike, N: ArrayLike, D: ArrayLike, *, level: float = 0.95) -> tuple[Array, Array]:
    """The same as a mean of ones, zeros and minus ones, with Student's quantile; one observation says nothing.

    >>> [round(float(bound), 6) for bound in t(15, 12, 9)]
    [-0.107616, 0.440949]
    """
    P, N, D = _counts(P, N, D)
    n = P + N + D
    quantile = np.asarray(stdtrit(np.where(n > 1, n - 1, np.nan), 0.5 + level / 2), dtype=np.float64)
    low, high = _around(P, N, D, quantile * np.sqrt(n / np.where(n > 1, n - 1, np.nan)))
    return np.where(n <= 1, -1.0, low), np.where(n <= 1, 1.0, high)


def adjusted_wald(P: ArrayLike, N: ArrayLike, D: ArrayLike, *, level: float = 0.95) -> tuple[Array, Array]:
    """Wald's with 3/4, 3/2 and 3/4 added to the counts

    >>> [round(float(bound), 6) for bound in adjusted_wald(0, 5, 0)]
    [-0.300057, 0.300057]
    """
    P, N, D = _counts(P, N, D)
    return _around(P + 0.75, N + 1.5, D + 0.75, float(ndtri(0.5 + level / 2)))


def dirichlet_moments(
    P: ArrayLike, N: ArrayLike, D: ArrayLike, *, prior: tuple[float, float, float] = (1.0, 1.0, 1.0)
) -> tuple[Array, Array]:
    """Mean and standard deviation of the posterior; without observations those of the prior.

    >>> mean, deviation = dirichlet_moments(3, 2, 1)
    >>> round(float(mean), 6), round(float(deviation), 6)
    (0.222222, 0.248452)
    """
    P, N, D = (np.asarray(count, dtype=np.float64) + seen for count, seen in zip((P, N, D), prior, strict=True))
    n = P + N + D
    mean = (P - D) / n
    return mean, np.sqrt(((P + D) / n - mean**2) / (n + 1))


def dirichlet(
    P: ArrayLike,
    N: ArrayLike,
    D: ArrayLike,
    *,
    level: float = 0.95,
    prior: tuple[float, float, float] = (1.0, 1.0, 1.0),
) -> tuple[Array, Array]:
    """Quantiles of the posterior, by quadrature over the share that takes a side

    >>> [round(float(bound), 4) for bound in dirichlet(3, 2, 1)]
    [-0.2913, 0.6739]
    """
    P, N, D = (count + seen for count, seen in zip(_counts(P, N, D), prior, strict=True))
    tail = 0.5 - level / 2
    return -_quantile(D, N, P, 1 - tail), _quantile(P, N, D, 1 - tail)


def _quantile(P: Array, N: Array, D: Array, chance: float) -> Array:
    low, high = -np.ones_like(P), np.ones_like(P)
    for _ in range(_HALVINGS // 2):
        middle = (low + high) / 2
        below = _chance_below(middle, P, N, D) < chance
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return np.where(np.isnan(P), np.nan, (low + high) / 2)


def _chance_below(delta: Array, P: Array, N: Array, D: Array) -> Array:
    r""":math:`P(V (2B - 1) \leq \Delta)`: V takes a side, of which B takes the first; both are betas, independent"""
    upper = np.abs(delta)
    few = betainc(P + D, N, upper)  # V below |delta|: B cannot reach past it
    share = (few + (1 - few) * (1 + _NODES.reshape(-1, *([1] * delta.ndim))) / 2).clip(0, 1)
    V = betaincinv(P + D, N, share)
    B = np.clip((1 + delta / np.maximum(V, 1e-300)) / 2, 0, 1)
    rest = np.tensordot(_WEIGHTS / 2, betainc(P, D, B), axes=1) * (1 - few)
    return np.where(delta > 0, few, 0.0) + rest


BOUNDS_OF_A_NET_SHARE: Mapping[str, Callable[..., tuple[Array, Array]]] = {
    "score": score,
    "adjusted_wald": adjusted_wald,
    "wald": wald,
    "t": t,
    "dirichlet": dirichlet,
}
"""Each way to bound a net share, by its name."""


def _counts(P: ArrayLike, N: ArrayLike, D: ArrayLike) -> tuple[Array, Array, Array]:
    P, N, D = np.broadcast_arrays(*(np.asarray(count, dtype=np.float64) for count in (P, N, D)))
    some = np.where(P + N + D > 0, 1.0, np.nan)
    return P * some, N * some, D * some


def _around(P: Array, N: Array, D: Array, times: Array | float) -> tuple[Array, Array]:
    n = P + N + D
    delta = (P - D) / n
    half = times * np.sqrt(((P + D) / n - delta**2).clip(0) / n)
    return np.clip(delta - half, -1.0, 1.0), np.clip(delta + half, -1.0, 1.0)
