r"""Changes: of the same customers, have more or fewer become promoters or detractors, or do they only change sides?

Of the customers who answered two waves, :math:`n_{ij}` were in class i and are in class j. Each class has gained
:math:`d_i = n_{\cdot i} - n_{i \cdot}`. Stuart and Maxwell ask whether the classes are as large as before, with

.. math:: \chi^2 = d^\top S^- d, \quad S_{ii} = n_{i \cdot} + n_{\cdot i} - 2 n_{ii}, \quad S_{ij} = -(n_{ij} + n_{ji}),

in as many degrees of freedom as S has ranks [1]_ [2]_; Bowker, whether as many go from i to j as from j to i [3]_:

.. math:: \chi^2 = \sum_{i < j} \frac{(n_{ij} - n_{ji})^2}{n_{ij} + n_{ji}}.

References
----------
.. [1] Stuart, A. (1955). A Test for Homogeneity of the Marginal Distributions in a Two-Way Classification. Biometrika
   42(3/4), 412-416. https://doi.org/10.1093/biomet/42.3-4.412
.. [2] Maxwell, A. E. (1970). Comparing the Classification of Subjects by Two Independent Judges. British Journal of
   Psychiatry 116(535), 651-655. https://doi.org/10.1192/bjp.116.535.651
.. [3] Bowker, A. H. (1948). A Test for Symmetry in Contingency Tables. Journal of the American Statistical Association
   43(244), 572-574. https://doi.org/10.1080/01621459.1948.10483284
.. [4] Agresti, A., & Min, Y. (2005). Simple Improved Confidence Intervals for Comparing Matched Proportions. Statistics
   in Medicine 24(5), 729-740. https://doi.org/10.1002/sim.1781
.. [5] Fagerland, M. W., Lydersen, S., & Laake, P. (2013). The McNemar Test for Binary Matched-Pairs Data: Mid-p and
   Asymptotic Are Better Than Exact Conditional. BMC Medical Research Methodology 13, 91.
   https://doi.org/10.1186/1471-2288-13-91
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy.special import bdtr, chdtrc, ndtri

from custrel.checked import checked_level
from custrel.errors import DomainError
from custrel.feedback.loop.transitions import CLASSES, moves_of
from custrel.frames import leave

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from custrel.stats.estimate import Array

__all__ = ["ChangeTest", "bowker", "net_changes", "stuart_maxwell"]


class ChangeTest(NamedTuple):
    """A test of whether anything changed: its statistic, its degrees of freedom, and p.

    >>> ChangeTest(statistic=3.84, df=1, p_value=0.05).df
    1
    """

    statistic: float
    df: int
    p_value: float


def stuart_maxwell(counts: ArrayLike) -> ChangeTest:
    """Whether classes are as large after as before.

    Parameters
    ----------
    counts
        How many went from each class to each, ``(classes, classes)``: a row for each class before.

    Raises
    ------
    DomainError
        If counts are negative, or the table is not square.

    Examples
    --------
    Of two classes it is McNemar's test, here (12 - 4)^2 / (12 + 4):

    >>> round(stuart_maxwell([[20, 12], [4, 30]]).statistic, 6)
    4.0
    """
    n = _square(counts)
    d = n.sum(axis=0) - n.sum(axis=1)
    S = np.diag(n.sum(axis=0) + n.sum(axis=1)) - n - n.T
    df = int(np.linalg.matrix_rank(S, hermitian=True))
    return _test(float(d @ np.linalg.pinv(S, hermitian=True) @ d), df)


def bowker(counts: ArrayLike) -> ChangeTest:
    """Whether as many go from one class to another as come back.

    Parameters
    ----------
    counts
        How many went from each class to each, ``(classes, classes)``: a row for each class before.

    Raises
    ------
    DomainError
        If counts are negative, or the table is not square.

    Examples
    --------
    Everybody goes round in a circle: classes stay as large as they are, and yet nobody comes back.

    >>> circle = [[0, 8, 0], [0, 0, 8], [8, 0, 0]]
    >>> stuart_maxwell(circle).statistic, bowker(circle).statistic
    (0.0, 24.0)
    """
    n = _square(counts)
    there, back = n[np.triu_indices_from(n, 1)], n.T[np.triu_indices_from(n, 1)]
    some = there + back > 0
    return _test(float(np.sum((there - back)[some] ** 2 / (there + back)[some])), int(some.sum()))


def net_changes(
    before: Any,
    after: Any,
    score: str = "score",
    *,
    customer_id: str = "customer_id",
    at: str = "occurred_at",
    tz: str = "UTC",
    per_customer: str = "latest",
    level: float = 0.95,
) -> Any:
    """By how much the shares of promoters, passives and detractors changed among those who answered both waves.

    Parameters
    ----------
    before, after, score, customer_id, at, tz, per_customer
        As for `transitions`.
    level
        Level of the intervals, which allow for the same customers being in both waves (adjusted Wald [4]_).

    Returns
    -------
    A frame of the library of `before` with a row for each class: class, before and after (its shares), value (their
    difference), low, high, n (customers who answered both waves), p_value of that class (McNemar's, mid-p [5]_), and in
    all rows alike stuart_maxwell_p (of any change in the shares) and bowker_p (of any change of sides that is not made
    good by others). Look at these first: of three classes one differs by chance more often than a single one would.

    Raises
    ------
    SchemaError, PromiseError, DomainError
        As for `transitions`.

    Examples
    --------
    Of four customers one promoter became a detractor:

    >>> import pandas as pd
    >>> spring = pd.DataFrame({"customer_id": [1, 2, 3, 4], "score": [10, 9, 8, 0]})
    >>> autumn = pd.DataFrame({"customer_id": [1, 2, 3, 4], "score": [9, 3, 8, 2]})
    >>> net_changes(spring, autumn)[["class", "before", "after", "value", "low", "high", "n"]].round(3)
           class  before  after  value    low   high  n
    0   promoter    0.50   0.25  -0.25 -0.609  0.276  4
    1    passive    0.25   0.25   0.00 -0.327  0.327  4
    2  detractor    0.25   0.50   0.25 -0.276  0.609  4
    """
    checked_level(level)
    moves = moves_of(before, after, score, customer_id=customer_id, at=at, tz=tz, per_customer=per_customer)
    counts = moves.n[:3, :3].astype(np.float64)
    lost, gained = counts.sum(axis=1) - np.diag(counts), counts.sum(axis=0) - np.diag(counts)
    n = np.full(3, counts.sum())
    some = np.where(n > 0, n, np.nan)
    low, high = _bounds(lost, gained, some, level)
    columns = {
        "class": np.array(CLASSES, dtype=object),
        "before": counts.sum(axis=1) / some,
        "after": counts.sum(axis=0) / some,
        "value": (gained - lost) / some,
        "low": low,
        "high": high,
        "n": n.astype(np.int64),
        "p_value": _mid_p(lost, gained) * some / some,
        "stuart_maxwell_p": stuart_maxwell(counts).p_value * some / some,
        "bowker_p": bowker(counts).p_value * some / some,
    }
    missing = [name for name, values in columns.items() if values.dtype.kind == "f"]
    return leave(columns, like=moves.like, missing=missing)


def _square(counts: ArrayLike) -> Array:
    n = np.asarray(counts, dtype=np.float64)
    if n.ndim != 2 or n.shape[0] != n.shape[1] or not np.all((n >= 0) & np.isfinite(n)):
        raise DomainError(f"counts must be a square table of numbers of 0 or more, got {counts!r:.80}")
    return n


def _test(statistic: float, df: int) -> ChangeTest:
    """The test; where nobody moved there is nothing that could have changed."""
    return ChangeTest(statistic, df, float(chdtrc(df, statistic)) if df else 1.0)


def _bounds(lost: Array, gained: Array, n: Array, level: float) -> tuple[Array, Array]:
    """Wald's interval with 1/2 added to each of the four counts of a class"""
    d = (gained - lost) / (n + 2)
    half = ndtri(0.5 + level / 2) * np.sqrt((gained + lost + 1) / (n + 2) - d**2) / np.sqrt(n + 2)
    return np.clip(d - half, -1, 1), np.clip(d + half, -1, 1)


def _mid_p(lost: Array, gained: Array) -> Array:
    """McNemar's test: those who moved went either way with equal chances; what is seen counts as half"""
    moved, fewer = lost + gained, np.minimum(lost, gained)
    up_to, below = (
        bdtr(fewer, moved.astype(int), 0.5),
        np.where(fewer > 0, bdtr(fewer - 1, moved.astype(int), 0.5), 0.0),
    )
    p = np.where(lost == gained, 1 - (up_to - below) / 2, up_to + below)
    return np.where(moved > 0, p, 1.0)
