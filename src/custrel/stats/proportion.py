r"""Proportion: between which bounds does a share lie, of which k of n were seen?

All take arrays, and counts that are not whole: weighted or clustered answers count as fewer, equally good ones. Bounds
lie within 0 and 1; of no observations (n = 0) nothing is known, and the bounds are NaN.

- *wilson*: the shares that a score test does not reject [1]_. Near its level for all n; the default.
- *agresti_coull*: Wald's interval around Wilson's middle, never narrower than Wilson's [2]_.
- *jeffreys*: the middle of the posterior under Jeffreys' prior; a bound at 0 or n seen is 0 or 1 [3]_.
- *clopper_pearson*: never holds less often than its level says, and mostly more often [4]_.
- *wald*: one, two standard errors either side; of none seen it claims to know the share to be 0. For comparison.

References
----------
.. [1] Wilson, E. B. (1927). Probable Inference, the Law of Succession, and Statistical Inference. Journal of the
   American Statistical Association 22(158), 209-212. https://doi.org/10.1080/01621459.1927.10502953
.. [2] Agresti, A., & Coull, B. A. (1998). Approximate Is Better than "Exact" for Interval Estimation of Binomial
   Proportions. The American Statistician 52(2), 119-126. https://doi.org/10.1080/00031305.1998.10480550
.. [3] Brown, L. D., Cai, T. T., & DasGupta, A. (2001). Interval Estimation for a Binomial Proportion. Statistical
   Science 16(2), 101-133. https://doi.org/10.1214/ss/1009213286
.. [4] Clopper, C. J., & Pearson, E. S. (1934). The Use of Confidence or Fiducial Limits Illustrated in the Case of the
   Binomial. Biometrika 26(4), 404-413. https://doi.org/10.1093/biomet/26.4.404
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import betaincinv, ndtri

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import ArrayLike

    from custrel.stats.estimate import Array

__all__ = ["BOUNDS_OF_A_SHARE", "agresti_coull", "clopper_pearson", "jeffreys", "wald", "wilson"]


def wilson(k: ArrayLike, n: ArrayLike, *, level: float = 0.95) -> tuple[Array, Array]:
    r""":math:`\frac{k + z^2/2 \mp z \sqrt{k(n-k)/n + z^2/4}}{n + z^2}`

    >>> low, high = wilson(45, 60)
    >>> round(float(low), 6), round(float(high), 6)
    (0.627679, 0.842235)
    """
    k, n, z = _counts(k, n, level)
    half = z * np.sqrt(k * (1 - k / n) + z**2 / 4)
    low, high = _within((k + z**2 / 2 - half) / (n + z**2), (k + z**2 / 2 + half) / (n + z**2))
    return np.where(k == 0, 0.0, low), np.where(k == n, 1.0, high)


def agresti_coull(k: ArrayLike, n: ArrayLike, *, level: float = 0.95) -> tuple[Array, Array]:
    r"""Wald's around :math:`\tilde p = (k + z^2/2) / \tilde n`, as if of :math:`\tilde n = n + z^2`

    >>> [round(float(bound), 4) for bound in agresti_coull(0, 10)]
    [0.0, 0.3209]
    """
    k, n, z = _counts(k, n, level)
    return _around((k + z**2 / 2) / (n + z**2), n + z**2, z)


def wald(k: ArrayLike, n: ArrayLike, *, level: float = 0.95) -> tuple[Array, Array]:
    r""":math:`\hat p \mp z \sqrt{\hat p (1 - \hat p) / n}`

    >>> [round(float(bound), 4) for bound in wald(45, 60)]
    [0.6404, 0.8596]
    """
    k, n, z = _counts(k, n, level)
    return _around(k / n, n, z)


def jeffreys(k: ArrayLike, n: ArrayLike, *, level: float = 0.95) -> tuple[Array, Array]:
    r"""Quantiles of :math:`\mathrm{Beta}(k + 1/2, n - k + 1/2)`

    >>> [round(float(bound), 6) for bound in jeffreys(45, 60)]
    [0.630485, 0.846059]
    """
    k, n, _ = _counts(k, n, level)
    low, high = (betaincinv(k + 0.5, n - k + 0.5, tail) for tail in (0.5 - level / 2, 0.5 + level / 2))
    # Between two counts, where weighted answers may lie, the bounds at 0 and n would leave the share outside.
    return np.where(k == 0, 0.0, np.minimum(low, k / n)), np.where(k == n, 1.0, np.maximum(high, k / n))


def clopper_pearson(k: ArrayLike, n: ArrayLike, *, level: float = 0.95) -> tuple[Array, Array]:
    r"""The shares under which k or more, and k or fewer, come with a chance of half of what the level leaves

    >>> [round(float(bound), 6) for bound in clopper_pearson(7, 8)]
    [0.47349, 0.99684]
    """
    k, n, _ = _counts(k, n, level)
    some, room = np.where(k > 0, k, np.nan), np.where(n > k, n - k, np.nan)
    low, high = betaincinv(some, n - k + 1, 0.5 - level / 2), betaincinv(k + 1, room, 0.5 + level / 2)
    return np.where(k == 0, 0.0, low), np.where(k == n, 1.0, high)


BOUNDS_OF_A_SHARE: Mapping[str, Callable[..., tuple[Array, Array]]] = {
    "wilson": wilson,
    "jeffreys": jeffreys,
    "clopper_pearson": clopper_pearson,
    "agresti_coull": agresti_coull,
    "wald": wald,
}
"""Each way to bound a share, by its name."""


def _counts(k: ArrayLike, n: ArrayLike, level: float) -> tuple[Array, Array, float]:
    k, n = np.broadcast_arrays(np.asarray(k, dtype=np.float64), np.asarray(n, dtype=np.float64))
    return np.where(n > 0, k, np.nan), np.where(n > 0, n, np.nan), float(ndtri(0.5 + level / 2))


def _around(p: Array, n: Array, z: float) -> tuple[Array, Array]:
    half = z * np.sqrt(p * (1 - p) / n)
    return _within(p - half, p + half)


def _within(low: Array, high: Array) -> tuple[Array, Array]:
    return np.clip(low, 0.0, 1.0), np.clip(high, 0.0, 1.0)
