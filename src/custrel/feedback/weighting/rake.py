r"""Raking: weights under which every margin has its target.

Iterative proportional fitting [1]_: for one margin after the other, weights of all cells with a label are multiplied by
the label's target over its weighted sum, round by round until all margins hold. No weights that meet the targets are
nearer to those at the beginning, in the sense of information, and the cross-product ratios of the cells stay as they
were [2]_. With one margin the first round meets it: that is post-stratification.

References
----------
.. [1] Deming, W. E., & Stephan, F. F. (1940). On a Least Squares Adjustment of a Sampled Frequency Table When the
   Expected Marginal Totals are Known. Annals of Mathematical Statistics 11(4), 427-444.
   https://doi.org/10.1214/aoms/1177731829
.. [2] Ireland, C. T., & Kullback, S. (1968). Contingency Tables with Given Marginals. Biometrika 55(1), 179-188.
   https://doi.org/10.1093/biomet/55.1.179
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from custrel.checked import checked_count, checked_number
from custrel.errors import ConvergenceError, DomainError
from custrel.feedback.weighting.cells import Sample, summed
from custrel.feedback.weighting.targets import Margin, margins_of, named, of_one_total
from custrel.feedback.weighting.weights import Weights, weights_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    from custrel.stats.estimate import Array

__all__ = ["rake", "rake_table"]


def rake_table(
    table: ArrayLike, margins: Sequence[ArrayLike], *, max_iterations: int = 1000, tolerance: float = 1e-12
) -> Array:
    """Rake a table of counts to the totals of its margins.

    Parameters
    ----------
    table
        Counts or weights, with an axis for each margin.
    margins
        For each axis of the table the totals it should have; all of one sum.
    max_iterations, tolerance
        As for `rake`.

    Raises
    ------
    DomainError
        If the margins do not fit the table, or hold what is no total.
    ConvergenceError
        If there is no such table, or more rounds are needed.

    Examples
    --------
    >>> rake_table([[40, 30], [20, 10]], [[50, 50], [55, 45]]).round(6)
    array([[25., 25.],
           [30., 20.]])
    """
    counts = np.asarray(table, dtype=np.float64)
    totals = [np.asarray(margin, dtype=np.float64) for margin in margins]
    if counts.ndim == 0 or tuple(total.size for total in totals) != counts.shape:
        raise DomainError(
            f"margins must hold a total for each place of an axis, of shape {counts.shape}, got {margins!r}"
        )
    if not (np.all(counts >= 0) and np.all(counts < np.inf)):
        raise DomainError(f"table must hold finite numbers of 0 or more, got {np.min(counts):g} to {np.max(counts):g}")
    of_axes = [_margin_of_axis(axis, total) for axis, total in enumerate(totals)]
    of_one_total(of_axes)
    there = np.flatnonzero(counts)
    codes = np.unravel_index(there, counts.shape)
    for margin, code in zip(of_axes, codes, strict=True):
        if not np.array_equal(np.bincount(code, minlength=margin.targets.size) > 0, margin.targets > 0):
            raise DomainError(f"{margin.name} must have counts where its total is above 0, and nowhere else")
    fitted, _ = _fitted(counts.ravel()[there], codes, of_axes, *_checked(max_iterations, tolerance))
    raked = np.zeros(counts.size)
    raked[there] = fitted * totals[0].sum()
    return raked.reshape(counts.shape)


def rake(
    answers: Any,
    targets: Mapping[Any, Any],
    *,
    population: str = "population",
    score: str | None = "score",
    weight: str | None = None,
    max_iterations: int = 1000,
    tolerance: float = 1e-12,
    trim: tuple[float, float] | None = None,
    name: str = "weight",
) -> Weights:
    """Weigh answers so that the labels of each column have their shares of all customers.

    Parameters
    ----------
    answers
        A frame of any library with a row for each answer (or invitation: a missing score is nobody's answer). It is not
        changed.
    targets
        For each column how many customers, or which share of them, have each of its labels: a mapping from label to
        number, or a frame with that column and the one of `population`. A tuple of columns has tuples of labels. All
        are counts of the same customers, or all are shares; totals may differ by a thousandth, as rounded ones do, and
        only proportions matter.
    population
        Column of the targets, where they are frames.
    score
        Column of the scores. Rows where it is missing have no weight; None: every row is an answer.
    weight
        Column of weights that the answers come with, made elsewhere: the ones that raking begins with.
    max_iterations
        After how many rounds to give up.
    tolerance
        By how much a label's weighted share may differ from its target.
    trim
        Lowest and highest weight, the mean being 1, such as ``(0.3, 3)``: weights beyond are brought there once all is
        raked, the others grow or shrink alike so that the mean stays 1, and `Weights.targets` tells which targets are
        then missed.
    name
        Name of the new column.

    Raises
    ------
    SchemaError
        If a column is missing, or holds what it should not.
    PromiseError
        If a label is missing, or a weight is not above 0, where there is an answer.
    DomainError
        If answers have no target, a target has no answers, a target is no number of 0 or more, or totals differ.
    ConvergenceError
        If no weights meet the targets, which empty cells can forbid, or more rounds are needed.

    Examples
    --------
    >>> import pandas as pd
    >>> df = pd.DataFrame(
    ...     {
    ...         "region": ["north"] * 70 + ["south"] * 30,
    ...         "age": ["young"] * 40 + ["old"] * 30 + ["young"] * 20 + ["old"] * 10,
    ...         "score": [9] * 100,
    ...     }
    ... )
    >>> targets = {"region": {"north": 0.5, "south": 0.5}, "age": {"young": 0.55, "old": 0.45}}
    >>> weights = rake(df, targets)
    >>> weights.cells.round(4)
      region    age   n  share  weighted  weight
    0  north    old  30    0.3      0.25  0.8333
    1  north  young  40    0.4      0.25  0.6250
    2  south    old  10    0.1      0.20  2.0000
    3  south  young  20    0.2      0.30  1.5000
    >>> weights
    Weights of 100 answers in 4 cells: from 0.625 to 2, design effect 1.21, worth 82.33 answers of equal weight
    """
    limits = _checked(max_iterations, tolerance)
    margins = margins_of(targets, population)
    by = tuple(dict.fromkeys(column for margin in margins for column in margin.columns))

    def fit(weights: Array, codes: Sequence[NDArray[np.intp]]) -> tuple[Array, int]:
        return _fitted(weights, codes, margins, *limits)

    return weights_of(Sample(answers, by, score, weight, name), margins, fit, trim)


def _checked(max_iterations: int, tolerance: float) -> tuple[int, float]:
    return checked_count("max_iterations", max_iterations), checked_number("tolerance", tolerance)


def _margin_of_axis(axis: int, totals: Array) -> Margin:
    if not (np.all(totals >= 0) and 0 < totals.sum() < np.inf):
        raise DomainError(
            f"the totals of axis {axis} must be finite numbers, 0 or more, and not all 0; got {totals.tolist()}"
        )
    return Margin((f"axis {axis}",), [(place,) for place in range(totals.size)], totals)


def _fitted(
    weights: Array, codes: Sequence[NDArray[np.intp]], margins: Sequence[Margin], max_iterations: int, tolerance: float
) -> tuple[Array, int]:
    """Weights of the cells, of sum 1, and after how many rounds their margins are the targets."""
    w = weights / weights.sum()
    for rounds in range(max_iterations + 1):
        missed = [summed(code, w, one.shares.size) - one.shares for code, one in zip(codes, margins, strict=True)]
        if max(np.max(np.abs(one)) for one in missed) <= tolerance:
            return w, rounds
        for code, margin in zip(codes, margins, strict=True) if rounds < max_iterations else ():
            w = w * (margin.shares[code] / summed(code, w, margin.shares.size)[code])
    raise ConvergenceError(_how_far_off(margins, missed, max_iterations))


def _how_far_off(margins: Sequence[Margin], missed: Sequence[Array], rounds: int) -> str:
    margin, off = max(zip(margins, missed, strict=True), key=lambda one: float(np.max(np.abs(one[1]))))
    place = int(np.argmax(np.abs(off)))
    share = margin.shares[place]
    return (
        f"after {rounds:,} rounds the weighted share of {named(margin.labels[place])} by {margin.name} is "
        f"{share + off[place]:.6g}, its target {share:.6g}: where combinations of labels have no answers there may be "
        "no weights that meet all targets. Merge labels, leave a margin out, or allow more rounds (max_iterations) or "
        "a larger error (tolerance)"
    )
