r"""Goodness of fit: did as many customers buy 0, 1, 2, ... times as the law expects?

Customer i, watched for :math:`T_i`, falls into the cells with chances :math:`p_i`, so the numbers expected are
:math:`\sum_i p_i`. What came differs from them by d, by chance alone with the covariance
:math:`V = \sum_i \mathrm{diag}(p_i) - p_i p_i^\top`, and its size is :math:`Q = d^\top V^- d`. Where all are watched
equally long this is Pearson's :math:`\sum d^2 / e`; where they are not, Pearson's is a little less.

A law that was fitted to these customers is nearer to them than the true one would be. Had its k parameters been fitted
to the counts in c cells, each would take a degree of freedom. They are fitted to each customer's purchases and their
times, and take less [1]_: Q is distributed as a sum of squared normals with weights, c - 1 - k of them 1 and k between
0 and 1. The weights are the eigenvalues of :math:`V^{-1/2} (V - G \Sigma G^\top) V^{-1/2}` with the slopes G of what is
expected in the parameters, and their covariance :math:`\Sigma`. p is exact for this sum, and its mean stands as the
degrees of freedom. Papers count c - 1 - k: with that, a true law is found wanting too often, a Pareto/NBD on 8 cells
about once in five times where it should be once in twenty.

References
----------
.. [1] Chernoff, H., & Lehmann, E. L. (1954). The Use of Maximum Likelihood Estimates in :math:`\chi^2` Tests for
   Goodness of Fit. Annals of Mathematical Statistics 25(3), 579-586. https://doi.org/10.1214/aoms/1177728726
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import chdtrc

from custrel.checked import checked_count, checked_level, checked_number
from custrel.clv.evidence.cells import counted, expected_counts, first_of_cells, top_of
from custrel.clv.evidence.chances import law_of
from custrel.errors import DomainError
from custrel.fit import Fit
from custrel.frames import leave
from custrel.stats.squares import tail_of_squares

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from custrel.clv.law import PurchaseLaw
    from custrel.history import History
    from custrel.stats.estimate import Array

__all__ = ["GoodnessOfFit", "chi_square_of_counts"]

_FEW = 0.01  # of all customers are expected in the last cell, if it is not said where it begins
_STEP = 0.2  # standard errors of the parameters, over which slopes are taken
_TELLS = 1.0  # degrees of freedom: with less, what was fitted leaves next to nothing to test


@dataclass(frozen=True, eq=False, repr=False)
class GoodnessOfFit:
    """How many customers bought how often, beside how many a law expects; it prints as a sentence.

    Parameters
    ----------
    law
        Name of the law.
    statistic
        How far what came is from what was expected, Q; Pearson's where all customers are watched equally long.
    degrees
        Mean of the statistic if the law is right; NaN, as p, where too few cells are left to tell.
    p
        How likely a statistic as large would be by chance, if the law is right.
    n
        How many customers it rests on.
    level
        The law is found wanting where p is below 1 - level.
    first
        The least number of purchases of each cell, ``(cells,)``; the last cell holds all who bought more, too.
    actual, expected
        How many customers came in each cell, and how many the law expects, ``(cells,)``.
    taken
        How many numbers were fitted to these customers.
    like
        The library whose frames answers leave as.

    Examples
    --------
    >>> cells = np.arange(3), np.array([70.0, 20.0, 10.0]), np.array([66.0, 23.0, 11.0])
    >>> GoodnessOfFit("NBD", 0.725, 2.0, 0.696, 100, 0.95, *cells)
    How often 100 customers bought differs from what NBD expects no more than by chance: chi-square 0.72, 2 degrees of
    freedom, p = 0.7
    """

    law: str
    statistic: float
    degrees: float
    p: float
    n: int
    level: float
    first: NDArray[np.intp]
    actual: Array
    expected: Array
    taken: int = 0
    like: str = "pandas"

    @property
    def wanting(self) -> bool:
        """Whether the data speak against the law.

        >>> cells = np.arange(3), np.array([70.0, 20.0, 10.0]), np.array([66.0, 23.0, 11.0])
        >>> GoodnessOfFit("NBD", 0.725, 2.0, 0.696, 100, 0.95, *cells).wanting
        False
        """
        return self.p < 1 - self.level

    @property
    def pearson(self) -> float:
        """Pearson's statistic, which papers print: the contributions of the cells, summed."""
        return float(self._contributions().sum())

    @property
    def bounds(self) -> tuple[float, float]:
        """The same p if each number fitted took a degree of freedom, as papers count; and if none did.

        >>> cells = np.arange(3), np.array([70.0, 20.0, 10.0]), np.array([66.0, 23.0, 11.0])
        >>> [round(p, 3) for p in GoodnessOfFit("NBD", 0.725, 1.4, 0.55, 100, 0.95, *cells, taken=1).bounds]
        [0.395, 0.696]
        """
        degrees = self.first.size - 1
        low, high = (float(chdtrc(max(one, 0), self.statistic)) for one in (degrees - self.taken, degrees))
        return low, high

    def table(self) -> Any:
        """A row for each cell, as a frame: purchases ("0", "1", ..., "7+"), actual, expected, contribution.

        >>> cells = np.array([0, 1, 3]), np.array([70.0, 20.0, 10.0]), np.array([66.0, 23.0, 11.0])
        >>> GoodnessOfFit("NBD", 0.725, 2.0, 0.696, 100, 0.95, *cells).table().round(3)
          purchases  actual  expected  contribution
        0         0      70      66.0         0.242
        1    1 to 2      20      23.0         0.391
        2        3+      10      11.0         0.091
        """
        whole = np.all(self.actual == np.floor(self.actual))
        columns = {
            "purchases": np.array(self._names(), dtype=object),
            "actual": self.actual.astype(np.int64) if whole else self.actual,
            "expected": self.expected,
            "contribution": self._contributions(),
        }
        return leave(columns, like=self.like)

    def _contributions(self) -> Array:
        return np.asarray((self.actual - self.expected) ** 2 / self.expected)

    def _names(self) -> list[str]:
        last = [*(self.first[1:] - 1).tolist(), None]
        return [
            f"{low}+" if high is None else f"{low}" if low == high else f"{low} to {high}"
            for low, high in zip(self.first.tolist(), last, strict=True)
        ]

    def __repr__(self) -> str:
        who = f"How often {self.n:,} customers bought"
        if np.isnan(self.p):
            cells = f"{self.first.size} cell{'s' * (self.first.size != 1)}"
            return (
                f"{who} cannot tell whether {self.law} is right: {cells} of enough customers leave too little to test"
            )
        rest = f"chi-square {self.statistic:.2f}, {self.degrees:.3g} degrees of freedom, p = {self.p:.2g}"
        if not self.wanting:
            return f"{who} differs from what {self.law} expects no more than by chance: {rest}"
        worst = int(np.argmax(self._contributions()))
        came = f"{self.actual[worst]:,.0f} bought {self._names()[worst]} times, not {self.expected[worst]:,.0f}"
        return f"{who} differs from what {self.law} expects by more than chance, above all {came}: {rest}"


def chi_square_of_counts(
    fit: Fit[Any] | PurchaseLaw,
    h: History,
    *,
    most: int | None = None,
    least_expected: float = 5.0,
    level: float = 0.95,
) -> GoodnessOfFit:
    r"""Chi-square test of how many customers bought 0, 1, 2, ... times within T.

    Parameters
    ----------
    fit
        A fit to this history; its parameters are nearer to the data than true ones, which the test takes into account
        [1]_. What was chosen beside them, such as a whole number k, is taken for known: p is a little too large then.
        Or a bare law, whose parameters are taken as they stand.
    h
        The history. Rows that stand for many customers count as many.
    most
        Customers with so many repeat purchases, or more, are one cell; if not given, those beyond whom fewer than one
        customer in a hundred is expected, or who bought more than any customer did.
    least_expected
        Cells of fewer expected customers are merged with those below them.
    level
        How sure the answer must be before a law is found wanting.

    Returns
    -------
    GoodnessOfFit
        Its `p` is NaN where so few cells are left, fewer than 2 or hardly more than parameters that were fitted, that
        any law would pass.

    Raises
    ------
    DomainError
        If the fit was made to another history, or the law has draws for parameters.

    References
    ----------
    .. [1] Chernoff, H., & Lehmann, E. L. (1954). The Use of Maximum Likelihood Estimates in :math:`\chi^2` Tests for
       Goodness of Fit. Annals of Mathematical Statistics 25(3), 579-586. https://doi.org/10.1214/aoms/1177728726

    Examples
    --------
    Figure 2 of Fader, Hardie & Lee (2005), whose chi-square is 4.82:

    >>> from custrel.clv import BGNBD
    >>> from custrel.datasets import cdnow_summary
    >>> h = cdnow_summary()
    >>> found = chi_square_of_counts(BGNBD.fit(h), h, most=7)
    >>> found
    How often 2,357 customers bought differs from what BGNBD expects no more than by chance: chi-square 4.82, 4.61
    degrees of freedom, p = 0.38
    >>> found.table().round(1)
      purchases  actual  expected  contribution
    0         0    1411    1407.7           0.0
    1         1     439     460.3           1.0
    2         2     214     192.5           2.4
    3         3     100     101.2           0.0
    4         4      62      59.8           0.1
    5         5      38      38.1           0.0
    6         6      29      25.5           0.5
    7        7+      64      71.9           0.9
    """
    law = _checked(fit, h)
    checked_level(level)
    enough = checked_number("least_expected", least_expected)
    top = top_of(law, h, max(enough, _FEW * h.customers)) if most is None else checked_count("most", most)
    first, actual, expected, covariance = _cells(law, h, top, enough)
    moved = _moved(fit, h, top, first) if isinstance(fit, Fit) else np.zeros((first.size, 0))
    statistic, weights = _distance(actual - expected, covariance, moved)
    degrees, p = float(weights.sum()), np.nan
    if degrees < _TELLS:
        degrees = np.nan
    else:
        p = tail_of_squares(statistic, weights)
    taken = fit.parameters.size + fit.chosen if isinstance(fit, Fit) else 0
    figures = statistic, degrees, p, round(h.customers), level
    return GoodnessOfFit(_name(law), *figures, first, actual, expected, taken=taken, like=h.like)


def _cells(law: PurchaseLaw, h: History, top: int, enough: float) -> tuple[NDArray[np.intp], Array, Array, Array]:
    """Where cells begin, who came in each, who was expected, and the covariance of those who come by chance."""
    expected, products = expected_counts(law, h, top)
    first = first_of_cells(expected, enough)
    actual, expected, products = (np.add.reduceat(one, first) for one in (counted(h, top), expected, products))
    return first, actual, expected, np.diag(expected) - np.add.reduceat(products, first, axis=1)


def _checked(fit: Any, h: Any) -> PurchaseLaw:
    """The law, of a fit to that history."""
    law = law_of(fit, h, asked="chi_square_of_counts")
    if not len(h):
        raise DomainError("chi_square_of_counts needs a history with one customer or more; this one is empty")
    if isinstance(fit, Fit):
        n, total = round(h.customers), float(h.weights @ law.log_likelihood(h))
        if fit.n != n or not abs(total - fit.log_likelihood) < 1e-6 * (1 + abs(fit.log_likelihood)):
            raise DomainError(
                f"chi_square_of_counts: {_name(law)} was fitted to another history: its log-likelihood of {fit.n:,} "
                f"customers was {fit.log_likelihood:,.2f}, of the {n:,} here it is {total:,.2f}; give fit.model to "
                "test the law as it stands"
            )
    return law


def _name(law: PurchaseLaw) -> str:
    k = getattr(law, "k", None)
    return type(law).__name__ + ("" if k is None else f" with k = {k}")


def _moved(fit: Fit[Any], h: History, top: int, first: NDArray[np.intp]) -> Array:
    r""":math:`G \Sigma^{1/2}`: how the cells' expectations move along the axes of the doubt about the parameters."""
    place = fit.model.to_log()

    def expected(step: Array) -> Array:
        law = law_of(fit.model.at_log(place + step), h, asked="chi_square_of_counts")
        return np.asarray(np.add.reduceat(expected_counts(law, h, top)[0], first))

    axes = np.linalg.cholesky(fit.log_covariance).T
    return np.stack([(expected(_STEP * axis) - expected(-_STEP * axis)) / (2 * _STEP) for axis in axes], axis=1)


def _distance(apart: Array, covariance: Array, moved: Array) -> tuple[float, Array]:
    """The quadratic form of what came, and the weights of the squared normals it is distributed as."""
    root = np.linalg.cholesky(covariance[:-1, :-1])  # the last cell is what the others leave
    q, shifts = (np.linalg.solve(root, one[:-1]) for one in (apart, moved))
    # What was fitted is taken off; by rounding, or where the law is not quite right, it may seem more than there was.
    weights = np.clip(np.linalg.eigvalsh(np.eye(q.size) - shifts @ shifts.T), 0.0, 1.0)
    return float(q @ q), weights
