r"""Heterogeneity: do the groups differ at all, and which of them from which?

If all G groups had one score :math:`\delta`, the squares of their distances from it, each by its error, would add up to
about a chi-square of G - 1 degrees of freedom [1]_:

.. math:: Q = \min_\delta \sum_g \frac{n_g (\hat\Delta_g - \delta)^2}{\tilde V_g(\delta)},

where :math:`\tilde V_g(\delta)` is the variance of an answer under the likeliest shares of the group that have this
score, as in its score interval. With the variance that was found in its place, Q is Wald's, of inverse variances. Of Q,
:math:`I^2 = 1 - (G - 1) / Q` is what chance does not explain [2]_.

Customers who answered in several groups tie these together: with the correlations R of the groups' errors, the sum
becomes :math:`z' R^{-1} z`.

References
----------
.. [1] Cochran, W. G. (1954). The Combination of Estimates from Different Experiments. Biometrics 10(1), 101-129.
   https://doi.org/10.2307/3001666
.. [2] Higgins, J. P. T., & Thompson, S. G. (2002). Quantifying Heterogeneity in a Meta-Analysis. Statistics in Medicine
   21(11), 1539-1558. https://doi.org/10.1002/sim.1186
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
from scipy.special import chdtrc

from custrel.checked import checked_level
from custrel.errors import DomainError, one_of
from custrel.feedback.differences.difference import NPS, differed, linearised, tied
from custrel.feedback.differences.waves import (
    Waves,
    aligned,
    by_customer,
    errors_of,
    into,
    knows_customers,
    merged,
    rows_of,
    who_is_who,
)
from custrel.feedback.nps import nps_question
from custrel.feedback.reading.answers import Answers, answers_of
from custrel.feedback.reading.groups import Groups, leave_groups
from custrel.feedback.reading.measured import Interval
from custrel.feedback.reading.question import Reading
from custrel.feedback.reading.told import population_of
from custrel.stats.multiplicity import ADJUSTMENTS
from custrel.stats.net_difference import NetShare
from custrel.stats.net_share import variance_given

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from custrel.feedback.reading.question import Question
    from custrel.feedback.reading.units import Units
    from custrel.stats.estimate import Array

__all__ = ["Heterogeneity", "heterogeneity"]

_STEPS, _ROUNDS = 200, 5  # of the search for the common score: to about the last digit that its Q shows
_MOST = 1e12  # answers of a group that is known in full, for errors to divide by


@dataclass(frozen=True)
class Heterogeneity:
    """Whether groups differ, and a table of their comparisons.

    Parameters
    ----------
    chi_square, df, p
        Q, its degrees of freedom, and the chance of so much if no group differed.
    i_squared
        Share of Q that chance does not explain.
    groups, n
        How many groups with answers there are, and how many answers.
    table
        A frame with a row for each comparison.

    Examples
    --------
    >>> Heterogeneity(chi_square=9.0, df=2, p=0.0111, i_squared=0.778, groups=3, n=300, table=None)
    chi-square 9 on 2 df, p = 0.0111, I² = 77.8 % (3 groups, n = 300)
    """

    chi_square: float
    df: int
    p: float
    i_squared: float
    groups: int
    n: int
    table: Any

    def __repr__(self) -> str:
        told = f"chi-square {self.chi_square:.4g} on {self.df} df, p = {self.p:.3g}, I² = {100 * self.i_squared:.3g} %"
        return f"{told} ({self.groups} groups, n = {self.n})"


def heterogeneity(
    answers: Any,
    score: str = "score",
    by: str | Sequence[str] = (),
    *,
    scale: tuple[float, float] = (0, 10),
    breaks: Sequence[float] | None = None,
    compare: str = "pairs",
    adjust: str = "holm",
    interval: str = "score",
    level: float = 0.95,
    **reading: Unpack[Reading],
) -> Heterogeneity:
    """Whether groups differ in their Net Promoter Score by more than chance, and which.

    Parameters
    ----------
    answers, score, scale, breaks
        As for `nps`.
    by
        Columns of the groups; with `every`, time windows are groups too.
    compare
        ``"pairs"``: each group with each later one; ``"rest"``: each group with all others together.
    adjust
        How `p_adjusted` allows for so many comparisons: ``"holm"``, against any false alarm, or
        ``"benjamini_hochberg"``, against many among the alarms.
    interval
        ``"score"``, which holds its level in small, lopsided and unlike groups; ``"adjusted_wald"`` or ``"wald"``. Of
        the chi-square as of the comparisons.
    level
        Level of the intervals, each by itself.
    **reading
        How the answers are read; see `Reading`.

    Returns
    -------
    Heterogeneity, whose table has the columns of the groups, and for pairs these with ``_other`` for the second group;
    value (the first less the second, in points), low, high, p, p_adjusted, nps and nps_other, n and n_other, n_both
    (customers who answered in both), standard_error. Groups without answers have missing figures.

    Raises
    ------
    SchemaError, PromiseError
        As `nps` raises them.
    DomainError
        If fewer than two groups have answers, Wald's error of several is 0, or an argument is none of those above.

    Examples
    --------
    >>> import pandas as pd
    >>> df = pd.DataFrame({"region": ["east"] * 10 + ["west"] * 10, "score": [9] * 9 + [0] + [9] * 3 + [0] * 7})
    >>> found = heterogeneity(df, by="region")
    >>> found
    chi-square 7.416 on 1 df, p = 0.00646, I² = 86.5 % (2 groups, n = 20)
    >>> found.table[["region", "region_other", "value", "low", "high", "p_adjusted"]].round(3)
      region region_other  value     low     high  p_adjusted
    0   east         west  120.0  34.105  161.804       0.005
    """
    one_of("compare", compare, ["pairs", "rest"])
    one_of("adjust", adjust, ADJUSTMENTS)
    one_of("interval", interval, [*NPS.formulas, "wald"])
    question = nps_question(score, by, scale, breaks, reading)
    how = Interval(interval, checked_level(level), question.seed)
    if not question.groups or question.totals:
        raise DomainError("heterogeneity compares groups: name their columns by=..., and ask for no totals")
    crowds, like = _read(answers, question)
    tested = _tested(crowds, how)
    groups, columns = (_pairs if compare == "pairs" else _rest)(crowds, how)
    told = {name: columns.pop(name) for name in ("value", "low", "high", "p")}
    told |= {"p_adjusted": ADJUSTMENTS[adjust](told["p"]), **columns}
    groups.refuse(list(told))
    return replace(tested, table=leave_groups([(groups, told)], like))


@dataclass(frozen=True, eq=False)
class _Crowds:
    """Groups, their units, who each unit is (-1: nobody known), and how large their populations are."""

    groups: Groups
    units: Units
    who: NDArray[np.intp]
    population: Array | None


def _read(data: Any, question: Question) -> tuple[_Crowds, str]:
    """Groups customer by customer, where these are known."""
    known = knows_customers(data, question)
    found: Answers = answers_of(data, by_customer(question) if known else question)
    groups, (number,) = aligned([found.groups], question.groups)
    units = into(found.units, number, groups.size)
    who = who_is_who([found], str(question.customer_id))[0] if known else np.full(units.k.size, -1)
    return _Crowds(groups, units, who, population_of(groups, question)), str(found.like)


# -- whether any differ ------------------------------------------------------------------------------------------------


def _tested(crowds: _Crowds, how: Interval) -> Heterogeneity:
    there = crowds.units.answers() > 0
    if there.sum() < 2:
        raise DomainError(f"heterogeneity needs two groups with answers or more, found {int(there.sum())}")
    side, error = NPS.found(crowds.units, how.level, crowds.population)
    correlations, _ = _ties(crowds)
    precision = np.linalg.pinv(correlations[np.ix_(there, there)], hermitian=True)
    Q = _least(side.at(there), error[there], precision, how)  # type: ignore[arg-type]
    df = int(np.linalg.matrix_rank(precision, hermitian=True)) - 1
    i_squared = max(0.0, 1 - df / Q) if Q > 0 else 0.0
    n = int(crowds.units.answers().sum())
    return Heterogeneity(Q, df, float(chdtrc(df, Q)), i_squared, int(there.sum()), n, None)


def _least(side: NetShare, error: Array, precision: Array, how: Interval) -> float:
    """The least :math:`z' R^{-1} z` over all scores that the groups could have in common."""
    if how.name == "score":
        return _least_of_scores(side, precision)
    value, variance = side.adjusted() if how.name == "adjusted_wald" else (side.value, error**2)
    known = variance == 0
    if np.unique(value[known]).size > 1:
        raise DomainError(f"{how.name} takes groups whose answers are all alike for known: take interval='score'")
    weight = np.divide(1.0, np.sqrt(variance), out=np.zeros(value.size), where=~known)
    common = value[known][0] if known.any() else (weight @ precision @ (weight * value)) / (weight @ precision @ weight)
    z = weight * (value - common)
    return float(z @ precision @ z)


def _least_of_scores(side: NetShare, precision: Array) -> float:
    """The same with the variances of the score interval, which change with the score: searched in ever finer steps."""
    n, value = np.minimum(side.n, _MOST), side.value
    counts = side.plus * n, np.maximum(1 - side.plus - side.minus, 0) * n, side.minus * n
    low, high, least = float(value.min()), float(value.max()), np.inf
    for _ in range(_ROUNDS):
        tried = np.linspace(low, high, _STEPS + 1)[:, None]
        spread = variance_given(np.broadcast_to(tried, (tried.size, value.size)), *counts)
        off = value - tried
        z = np.divide(off, np.sqrt(spread / n), out=np.where(off == 0, 0.0, np.inf), where=spread > 0)
        possible = np.isfinite(z).all(axis=1)
        Q = np.einsum("ig,gh,ih->i", z[possible], precision, z[possible])
        best, step = float(tried[possible][np.argmin(Q), 0]), (high - low) / _STEPS
        low, high, least = max(low, best - step), min(high, best + step), min(least, float(Q.min()))
    return max(least, 0.0)


def _ties(crowds: _Crowds) -> tuple[Array, NDArray[np.int64]]:
    """Correlations of the groups' errors, and how many customers each two groups share."""
    from scipy.sparse import csr_matrix

    size, units, known = crowds.groups.size, crowds.units, crowds.who >= 0
    if not known.any():
        return np.eye(size), np.zeros((size, size), dtype=np.int64)
    error = errors_of(units, NPS.mark)
    whole = np.sqrt(units.per_group(error**2))[units.group]
    scaled = np.divide(error, whole, out=np.zeros(error.size), where=whole > 0)[known]
    shape, place = (int(crowds.who.max()) + 1, size), (crowds.who[known], units.group[known])
    errors, there = csr_matrix((scaled, place), shape), csr_matrix((np.ones(scaled.size), place), shape)
    correlations = (errors.T @ errors).toarray().clip(-1, 1)
    np.fill_diagonal(correlations, 1.0)
    return correlations, (there.T @ there).toarray().astype(np.int64)


# -- which differ ------------------------------------------------------------------------------------------------------


def _pairs(crowds: _Crowds, how: Interval) -> tuple[Groups, dict[str, NDArray[Any]]]:
    """Each group with each later one."""
    side, error = NPS.found(crowds.units, how.level, crowds.population)
    correlations, shared = _ties(crowds)
    one, other = np.triu_indices(crowds.groups.size, 1)
    correlation, both, factor = correlations[one, other], shared[one, other], linearised(crowds.units)
    joint = tied((error[other], error[one]), (factor[other], factor[one]), both, correlation)
    found = differed(NPS, (side.at(other), side.at(one)), joint, how, correlation)
    labels = {name: values[one] for name, values in crowds.groups.labels.items()}
    labels |= {f"{name}_other": values[other] for name, values in crowds.groups.labels.items()}
    n = crowds.units.answers().astype(np.int64)
    return Groups(labels, one.size), _named(found, n[one], n[other], both)


def _rest(crowds: _Crowds, how: Interval) -> tuple[Groups, dict[str, NDArray[Any]]]:
    """Each group with all others together."""
    n = crowds.units.answers().astype(np.int64)
    parts = [_against_rest(crowds, one, how) for one in range(crowds.groups.size)]
    rest, own, errors, correlation, both = (list(column) for column in zip(*parts, strict=True))
    sides = [_stacked(one) for one in (rest, own)]
    found = differed(NPS, (sides[0], sides[1]), np.array(errors), how, np.array(correlation))
    return crowds.groups, _named(found, n, n.sum() - n, np.array(both))


def _against_rest(crowds: _Crowds, one: int, how: Interval) -> tuple[Any, Any, float, float, int]:
    """The rest and the group, the error of their difference, their correlation, and how many customers they share."""
    mine = crowds.units.group == one
    waves = _as_waves(crowds, mine)
    N = crowds.population
    rest, first = NPS.found(waves.before, how.level, None if N is None else np.array([N.sum() - N[one]]))
    own, second = NPS.found(waves.after, how.level, None if N is None else N[[one]])
    both, correlation = waves.customers_in_both(), waves.correlation(NPS.mark)
    joint = tied((first, second), (linearised(waves.before), linearised(waves.after)), both, correlation)
    return rest, own, float(joint[0]), float(correlation[0]), int(both[0])


def _as_waves(crowds: _Crowds, mine: NDArray[np.bool_]) -> Waves:
    """The others, with all answers of a customer in one unit, and the group, as two waves."""
    group, who = rows_of(crowds.units, np.flatnonzero(mine)), crowds.who[mine]
    rest, others = merged(rows_of(crowds.units, np.flatnonzero(~mine)), crowds.who[~mine])
    known = [np.flatnonzero(one >= 0) for one in (others, who)]
    _, first, second = np.intersect1d(others[known[0]], who[known[1]], assume_unique=True, return_indices=True)
    units = [replace(one, groups=1, group=np.zeros(one.k.size, dtype=np.intp)) for one in (rest, group)]
    return Waves(Groups({}, 1), units[0], units[1], (known[0][first], known[1][second]), {}, None)


def _stacked(sides: Sequence[NetShare]) -> NetShare:
    return NetShare(*(np.concatenate([getattr(one, name) for one in sides]) for name in ("plus", "minus", "n")))


def _named(
    found: dict[str, Array], n: NDArray[np.int64], n_other: NDArray[np.int64], both: NDArray[np.int64]
) -> dict[str, NDArray[Any]]:
    named: dict[str, NDArray[Any]] = {
        {"before": "nps_other", "after": "nps"}.get(name, name): one for name, one in found.items()
    }
    error = named.pop("standard_error")
    return {**named, "n": n, "n_other": n_other, "n_both": both, "standard_error": error}
