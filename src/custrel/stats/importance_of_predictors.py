r"""Importance of predictors: how much of the variance that a regression explains goes with each of them?

Predictors that go together share what they explain, and there is more than one way to divide it. Both of these ways use
correlations alone, never give less than nothing, and sum to :math:`R^2`.

- *relative weights*: the predictors are replaced by the uncorrelated variables nearest to them,
  :math:`\Lambda = R^{1/2}` being the correlations of the two sets. What each of those explains,
  :math:`\beta = \Lambda^{-1} r` squared, goes back to the predictors by their squared correlations [1]_,

  .. math:: \varepsilon_j = \sum_k \lambda_{jk}^2 \beta_k^2 .

- *lmg*: what a predictor adds to :math:`R^2`, averaged over all orders in which they can come [2]_ [3]_; this is the
  Shapley value of :math:`R^2`. There are :math:`2^p` sets of p predictors to be gone through.

References
----------
.. [1] Johnson, J. W. (2000). A Heuristic Method for Estimating the Relative Weight of Predictor Variables in Multiple
   Regression. Multivariate Behavioral Research 35(1), 1-19. https://doi.org/10.1207/S15327906MBR3501_1
.. [2] Lindeman, R. H., Merenda, P. F., & Gold, R. Z. (1980). Introduction to Bivariate and Multivariate Analysis.
   Scott, Foresman.
.. [3] Grömping, U. (2006). Relative Importance for Linear Regression in R: The Package relaimpo. Journal of Statistical
   Software 17(1). https://doi.org/10.18637/jss.v017.i01
"""

from __future__ import annotations

from math import comb
from typing import TYPE_CHECKING

import numpy as np

from custrel.errors import DomainError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import ArrayLike

    from custrel.stats.estimate import Array

__all__ = ["IMPORTANCE", "MOST_OF_LMG", "lmg", "relative_weights", "variance_inflation"]

MOST_OF_LMG = 15
"""Predictors that `lmg` takes at most."""

_NOTHING = 1e-10  # of a predictor's variance: what is left of one that others tell, but for rounding
_BLOCK = 2**16  # sets of predictors that are gone through at a time: they stay in the cache


def relative_weights(R: ArrayLike, r: ArrayLike) -> Array:
    r""":math:`\varepsilon_j = \sum_k \lambda_{jk}^2 \beta_k^2` [1]_

    Parameters
    ----------
    R
        Correlations of the predictors, ``(..., p, p)``.
    r
        Correlations of each with the outcome, ``(..., p)``.

    Returns
    -------
    The share of the outcome's variance that goes with each predictor, ``(..., p)``; they sum to :math:`R^2`.

    Raises
    ------
    DomainError
        If these cannot be the correlations of one set of data.

    References
    ----------
    .. [1] Johnson, J. W. (2000). A Heuristic Method for Estimating the Relative Weight of Predictor Variables in
       Multiple Regression. Multivariate Behavioral Research 35(1), 1-19. https://doi.org/10.1207/S15327906MBR3501_1

    Examples
    --------
    Predictors without a correlation keep their squared correlations with the outcome; two that are alike share.

    >>> relative_weights([[1, 0], [0, 1]], [0.5, 0.3]).round(4)
    array([0.25, 0.09])
    >>> relative_weights([[1, 0.6, 0.3], [0.6, 1, 0.4], [0.3, 0.4, 1]], [0.5, 0.4, 0.3]).round(6)
    array([0.164781, 0.071926, 0.044941])
    """
    R, r = _checked(R, r)
    eigenvalues, Q = np.linalg.eigh(R)
    root = np.sqrt(np.maximum(eigenvalues, 0))[..., None, :]
    inverse = np.divide(1, root, out=np.zeros_like(root), where=root**2 > _NOTHING)
    back = np.swapaxes(Q, -1, -2)
    lambdas, betas = (Q * root) @ back, (Q * inverse) @ (back @ r[..., None])
    weights: Array = (lambdas**2 @ betas**2)[..., 0]
    return weights


def lmg(R: ArrayLike, r: ArrayLike) -> Array:
    r""":math:`\sum_{S \not\ni j} \frac{|S|! (p - 1 - |S|)!}{p!} \left[ R^2(S \cup \{j\}) - R^2(S) \right]`

    Parameters
    ----------
    R
        Correlations of the predictors, ``(..., p, p)``, 15 of them at most.
    r
        Correlations of each with the outcome, ``(..., p)``.

    Returns
    -------
    The share of the outcome's variance that goes with each predictor, ``(..., p)``; they sum to :math:`R^2`.

    Raises
    ------
    DomainError
        If these cannot be the correlations of one set of data, or there are too many predictors.

    Examples
    --------
    The two explain 0.28. The first explains 0.25 alone and 0.28 - 0.16 = 0.12 after the second: 0.185 on average.

    >>> lmg([[1, 0.5], [0.5, 1]], [0.5, 0.4]).round(6)
    array([0.185, 0.095])
    """
    R, r = _checked(R, r)
    p = r.shape[-1]
    if p > MOST_OF_LMG:
        raise DomainError(
            f"lmg goes through all sets of predictors, 2^{p} of them; it takes {MOST_OF_LMG} at most and got {p}: "
            "leave some out, or take relative weights, which cost no more for many"
        )
    joint = np.moveaxis(_joint(R, r).reshape(-1, p + 1, p + 1), 0, -1)
    part, rows = _part_in_the_mean_gain(p), max(1, _BLOCK // 2**p)
    blocks = [part @ _explained_by_sets(joint[..., start : start + rows]) for start in range(0, joint.shape[-1], rows)]
    return np.concatenate(blocks, axis=1).T.reshape(r.shape)


def _explained_by_sets(joint: Array) -> Array:
    r""":math:`R^2` of every set of predictors, ``(2^p, rows)``; bit j of a set's number says whether j is in it.

    One predictor after the other is swept out of half of the sets, and left out of the other half: what remains of the
    later ones and of the outcome, which stands last, is all that has to be kept. `joint` is ``(p + 1, p + 1, rows)``.
    """
    left = joint
    for _ in range(len(joint) - 1):
        own, along, without = left[0, 0], left[0, 1:], left[1:, 1:]
        inverse = np.divide(1, own, out=np.zeros_like(own), where=own > _NOTHING)
        swept = without - (inverse * along)[:, None] * along
        left = np.concatenate([without, swept], axis=-1)
    explained: Array = 1 - left[0, 0]
    return explained.reshape(-1, joint.shape[-1])


def _part_in_the_mean_gain(p: int) -> Array:
    """By how much the :math:`R^2` of each set counts for each predictor, ``(p, 2^p)``: with it for, without against."""
    within = (np.arange(2**p) >> np.arange(p)[:, None]) & 1
    others = within.sum(axis=0) - within
    orders = np.array([1 / (p * comb(p - 1, size)) for size in range(p)])
    part: Array = np.where(within == 1, 1, -1) * orders[np.minimum(others, p - 1)]
    return part


def variance_inflation(R: ArrayLike) -> Array:
    """Diagonal of the inverse: 1 / (1 - R^2) of each predictor from the others, very large if they tell it exactly.

    >>> variance_inflation([[1, 0.6, 0], [0.6, 1, 0], [0, 0, 1]]).round(4)
    array([1.5625, 1.5625, 1.    ])
    """
    eigenvalues, Q = np.linalg.eigh(np.asarray(R, dtype=np.float64))
    factors: Array = (Q**2 @ (1 / np.maximum(eigenvalues, 1e-15))[..., None])[..., 0]
    return factors


IMPORTANCE: Mapping[str, Callable[[ArrayLike, ArrayLike], Array]] = {"relative_weights": relative_weights, "lmg": lmg}
"""Each way to divide what is explained, by its name."""


def _joint(R: Array, r: Array) -> Array:
    """Correlations of the predictors and, last, the outcome."""
    wide = np.concatenate([R, r[..., None]], axis=-1)
    last = np.concatenate([r, np.ones((*r.shape[:-1], 1))], axis=-1)
    return np.concatenate([wide, last[..., None, :]], axis=-2)


def _checked(R: ArrayLike, r: ArrayLike) -> tuple[Array, Array]:
    try:
        R, r = np.asarray(R, dtype=np.float64), np.asarray(r, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DomainError(f"correlations must be numbers, in an array: {error}") from error
    p = r.shape[-1] if r.ndim else 0
    if not p or R.shape != (*r.shape, p):
        raise DomainError(f"correlations must have the shapes (..., p, p) and (..., p), got {R.shape} and {r.shape}")
    ones = np.allclose(np.diagonal(R, axis1=-2, axis2=-1), 1, rtol=0, atol=1e-8)
    if not (
        np.isfinite(R).all() and np.isfinite(r).all() and ones and np.allclose(R, np.swapaxes(R, -1, -2), atol=1e-8)
    ):
        raise DomainError("correlations of predictors must be finite and symmetric, with 1 on the diagonal")
    least = float(np.linalg.eigvalsh(_joint(R, r)).min(initial=0))
    if least < -1e-8:
        raise DomainError(
            f"no data have these correlations at once: the least eigenvalue is {least:.3g}, which cannot be below 0. "
            "Were they rounded, or each taken from other rows?"
        )
    return R, r
