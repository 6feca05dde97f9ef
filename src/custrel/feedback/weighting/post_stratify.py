r"""Post-stratification: each cell of answers counts by its share of all customers.

An answer of cell c, which holds :math:`N_c` of N customers and :math:`n_c` of n answers, has the weight
:math:`w_c = (N_c / N) / (n_c / n)`, and the weighted mean is :math:`\sum_c (N_c / N) \bar y_c` [1]_.

References
----------
.. [1] Holt, D., & Smith, T. M. F. (1979). Post Stratification. Journal of the Royal Statistical Society A 142(1),
   33-46. https://doi.org/10.2307/2344652
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from custrel.feedback.weighting.cells import Sample, summed
from custrel.feedback.weighting.targets import Margin
from custrel.feedback.weighting.weights import Weights, weights_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from custrel.stats.estimate import Array

__all__ = ["post_stratify"]


def post_stratify(
    answers: Any,
    by: str | Sequence[str],
    targets: Any,
    *,
    population: str = "population",
    score: str | None = "score",
    weight: str | None = None,
    trim: tuple[float, float] | None = None,
    name: str = "weight",
) -> Weights:
    """Weigh answers so that each cell has its share of all customers.

    Parameters
    ----------
    answers
        A frame of any library with a row for each answer (or invitation: a missing score is nobody's answer). It is not
        changed.
    by
        Columns whose labels make a cell.
    targets
        How many customers, or which share of them, each cell holds: a mapping from its label (of several columns a
        tuple) to a number, or a frame with the columns of `by` and that of `population`. Numbers of which none is above
        1 are shares and must add up to 1 (to within 0.001, for they may be rounded); others are counts. Only their
        proportions matter.
    population
        Column of the targets, if they are a frame.
    score
        Column of the scores. Rows where it is missing have no weight; None: every row is an answer.
    weight
        Column of weights that the answers come with, made elsewhere: in a cell they keep their proportions.
    trim
        Lowest and highest weight, the mean being 1, such as ``(0.3, 3)``: weights beyond are brought there, the others
        grow or shrink alike so that the mean stays 1, and `Weights.targets` tells which targets are then missed.
    name
        Name of the new column.

    Raises
    ------
    SchemaError
        If a column is missing, or holds what it should not.
    PromiseError
        If a label is missing, or a weight is not above 0, where there is an answer.
    DomainError
        If answers have no target, a target has no answers, or a target is no number of 0 or more.

    Examples
    --------
    Of 100 answers 80 come from the north, where the score is 50; of all customers only half live there:

    >>> import pandas as pd
    >>> from custrel.feedback import nps
    >>> df = pd.DataFrame(
    ...     {"region": ["north"] * 80 + ["south"] * 20, "score": [9] * 40 + [7] * 40 + [7] * 18 + [6] * 2}
    ... )
    >>> nps(df)["value"].item()
    38.0
    >>> weights = post_stratify(df, by="region", targets={"north": 6_000, "south": 6_000})
    >>> weights
    Weights of 100 answers in 2 cells: from 0.625 to 2.5, design effect 1.56, worth 64 answers of equal weight
    >>> nps(weights.frame, weight="weight")["value"].round(6).item()
    20.0
    """
    margin = Margin.of(by, targets, population)
    sample = Sample(answers, margin.columns, score, weight, name)

    def fit(weights: Array, codes: Sequence[NDArray[np.intp]]) -> tuple[Array, int]:
        (cell,) = codes
        return weights * (margin.shares[cell] / summed(cell, weights, margin.shares.size)[cell]), 1

    return weights_of(sample, [margin], fit, trim)
