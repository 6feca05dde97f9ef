"""Multiplicity: of many comparisons, which still say something?

Of twenty comparisons of groups that are alike, one has p below 0.05. An adjusted p may be read as if it were the only
one: *Holm's* below 0.05 keep the chance of any false alarm at 5 % at most, whatever the comparisons have to do with
each other [1]_; *Benjamini and Hochberg's* keep the expected share of false alarms among the alarms there, if the
comparisons are independent or rise together [2]_.

References
----------
.. [1] Holm, S. (1979). A Simple Sequentially Rejective Multiple Test Procedure. Scandinavian Journal of Statistics
   6(2), 65-70. https://www.jstor.org/stable/4615733
.. [2] Benjamini, Y., & Hochberg, Y. (1995). Controlling the False Discovery Rate: A Practical and Powerful Approach to
   Multiple Testing. Journal of the Royal Statistical Society B 57(1), 289-300.
   https://doi.org/10.1111/j.2517-6161.1995.tb02031.x
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from custrel.errors import DomainError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import ArrayLike

    from custrel.stats.estimate import Array

__all__ = ["ADJUSTMENTS", "benjamini_hochberg", "holm"]


def holm(p: ArrayLike) -> Array:
    r""":math:`\tilde p_{(i)} = \max_{j \leq i} \min(1, (m - j + 1) \, p_{(j)})`; comparisons without p (NaN) are none

    Raises
    ------
    DomainError
        If a p lies outside 0 to 1.

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03])
    array([0.03, 0.06, 0.06])
    """
    return _among_known(p, _holm)


def benjamini_hochberg(p: ArrayLike) -> Array:
    r""":math:`\tilde p_{(i)} = \min_{j \geq i} \min(1, m \, p_{(j)} / j)`; comparisons without p (NaN) are none

    Raises
    ------
    DomainError
        If a p lies outside 0 to 1.

    Examples
    --------
    >>> benjamini_hochberg([0.01, 0.04, 0.03])
    array([0.03, 0.04, 0.04])
    """
    from scipy.stats import false_discovery_control

    return _among_known(p, false_discovery_control)


ADJUSTMENTS: Mapping[str, Callable[[ArrayLike], Array]] = {"holm": holm, "benjamini_hochberg": benjamini_hochberg}
"""Each way to adjust, by its name."""


def _among_known(p: ArrayLike, adjust: Callable[[Array], Array]) -> Array:
    adjusted = np.array(p, dtype=np.float64)
    known = ~np.isnan(adjusted)
    if np.any((adjusted[known] < 0) | (adjusted[known] > 1)):
        raise DomainError(f"p must lie between 0 and 1, got {adjusted[known].min():g} to {adjusted[known].max():g}")
    if known.any():
        adjusted[known] = adjust(adjusted[known])
    return adjusted


def _holm(p: Array) -> Array:
    order, m = np.argsort(p), p.size
    adjusted = np.empty(m)
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(m, 0, -1)), 1)
    return adjusted
