r"""Weighting: answers weighed so that groups count by their share of all customers, not by how readily they answer.

Who answers differs from who was asked. If the share of each group among all customers is known, answers of a group that
answered less are given more weight. That mends the score as far as, within a group, those who answer feel as those who
do not; and it costs precision: n answers with weights w say as much as :math:`n / \mathrm{deff}` of equal weight,

.. math:: \mathrm{deff} = 1 + \mathrm{cv}^2(w) = \frac{n \sum w^2}{(\sum w)^2},

Kish's design effect of weighting [1]_. Where a few heavy answers decide, bounds on the weights (`trim`) hold that down,
and miss targets a little. Intervals of a metric with such weights take them as given. They count the scatter between
cells, which post-stratification has removed, and so are rather too wide than too narrow.

References
----------
.. [1] Kish, L. (1992). Weighting for Unequal Pi. Journal of Official Statistics 8(2), 183-200.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from custrel.errors import DomainError
from custrel.feedback.reading.groups import Groups
from custrel.feedback.weighting.cells import summed
from custrel.feedback.weighting.matched import places_of
from custrel.frames import enter, leave

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from custrel.feedback.weighting.cells import Cells, Sample
    from custrel.feedback.weighting.targets import Margin
    from custrel.stats.estimate import Array

__all__ = ["Weights", "weights_of"]

FREE = (0.0, float("inf"))
_OF_CELLS = ("n", "share", "weighted", "weight")


@dataclass(frozen=True, eq=False, repr=False)
class Weights:
    """Answers with their weights, and what the weights do.

    Parameters
    ----------
    frame
        The caller's own frame (a lazy one stays lazy, and need not keep its order) with a column of weights, of mean 1
        over the answers; missing in rows without answer.
    cells
        A row for each cell of answers that are weighed alike, in the caller's library: its labels, n, share (of the
        answers, as they came), weighted (its share as they are weighed), weight (the mean, if they came with weights).
    targets
        A row for each label that has a target: variable (the columns), label, n, share, target, weighted, and missed,
        by which weighted differs from the target.
    n, unanswered
        How many answers have a weight, and how many rows hold no answer and have none.
    low, high
        The lowest and the highest weight.
    design_effect, n_effective
        Kish's, and how many answers of equal weight would say as much.
    rounds
        After how many rounds the targets were met.
    trimmed
        How many answers have a weight that was brought within bounds.
    missed
        The largest difference between a label's weighted share and its target.

    Examples
    --------
    Of four who answered three live in the north, of all customers half:

    >>> import pandas as pd
    >>> from custrel.feedback.weighting.post_stratify import post_stratify
    >>> df = pd.DataFrame({"region": ["north", "north", "north", "south"], "score": [10, 9, 9, 3]})
    >>> weights = post_stratify(df, by="region", targets={"north": 0.5, "south": 0.5})
    >>> weights
    Weights of 4 answers in 2 cells: from 0.667 to 2, design effect 1.33, worth 3 answers of equal weight
    >>> weights.cells.round(3)
      region  n  share  weighted  weight
    0  north  3   0.75       0.5   0.667
    1  south  1   0.25       0.5   2.000
    """

    frame: Any
    cells: Any
    targets: Any
    n: int
    unanswered: int
    low: float
    high: float
    design_effect: float
    rounds: int
    trimmed: int
    missed: float

    @property
    def n_effective(self) -> float:
        """How many answers of equal weight would say as much."""
        return self.n / self.design_effect

    def __repr__(self) -> str:
        said = (
            f"Weights of {self.n:,} answers in {len(self.cells):,} cells: from {self.low:.3g} to {self.high:.3g}, "
            f"design effect {self.design_effect:.3g}, worth {self.n_effective:,.4g} answers of equal weight"
        )
        trims = f"; {self.trimmed:,} trimmed, which misses a target by up to {self.missed:.2g}" if self.trimmed else ""
        silent = f"; {self.unanswered:,} rows without answer have none" if self.unanswered else ""
        return said + trims + silent


def weights_of(
    sample: Sample,
    margins: Sequence[Margin],
    fit: Callable[[Array, Sequence[NDArray[np.intp]]], tuple[Array, int]],
    trim: tuple[float, float] | None,
) -> Weights:
    """Count the cells, fit their weights to the margins, bring them within bounds, and give them to the rows.

    Parameters
    ----------
    sample, margins
        The answers, and the targets.
    fit
        From the weight of each cell and, for each margin, the place of the cell's label among its targets to the fitted
        weight of each cell and the number of rounds.
    trim
        Lowest and highest weight, the mean being 1.

    Raises
    ------
    DomainError
        If answers have no target, or a target has no answers, or `trim` is no such pair.
    """
    bounds = _bounds(trim)
    Groups(dict.fromkeys(sample.by, np.empty(0)), 0).refuse(_OF_CELLS)
    cells = sample.cells()
    places = [places_of(cells, sample.by, margin) for margin in margins]
    before = cells.per_cell(cells.base)
    fitted, rounds = fit(before / before.sum(), places)
    factor = fitted / fitted.sum() * cells.k.sum() / before
    factor = factor * _scale(factor[cells.cell] * cells.base, cells.k, bounds)
    return _weights(sample, cells, margins, places, factor, bounds, rounds)


def _weights(
    sample: Sample,
    cells: Cells,
    margins: Sequence[Margin],
    places: Sequence[NDArray[np.intp]],
    factor: Array,
    bounds: tuple[float, float],
    rounds: int,
) -> Weights:
    """What comes of a factor for each cell."""
    untrimmed = factor[cells.cell] * cells.base
    w, k = np.clip(untrimmed, *bounds), cells.k
    shares = [sums / sums.sum() for sums in (cells.per_cell(cells.base), cells.per_cell(w))]
    targets = _table_of_targets(cells, margins, places, *shares)
    like = enter(sample.data)[1]
    return Weights(
        frame=sample.weighed(cells, factor, bounds),
        cells=leave(_table_of_cells(cells, *shares), like=like),
        targets=leave(targets, like=like),
        n=int(k.sum()),
        unanswered=cells.unanswered,
        low=float(w.min()),
        high=float(w.max()),
        design_effect=float(k.sum() * (k @ w**2) / (k @ w) ** 2),
        rounds=rounds,
        trimmed=int(k[w != untrimmed].sum()),
        missed=float(np.max(np.abs(targets["missed"]))),
    )


def _bounds(trim: tuple[float, float] | None) -> tuple[float, float]:
    if trim is None:
        return FREE
    try:
        low, high = map(float, trim)
    except (TypeError, ValueError) as error:
        raise DomainError(f"trim must be the lowest and the highest weight, such as (0.3, 3), got {trim!r}") from error
    if not 0 <= low < 1 < high:
        raise DomainError(
            f"trim must hold the mean weight, which is 1, between its bounds, the lower 0 or more, got {trim!r}"
        )
    return low, high


def _scale(w: Array, k: Array, bounds: tuple[float, float]) -> float:
    """By what weights are multiplied so that, within bounds, their mean is 1; found by halving."""
    if np.all((w >= bounds[0]) & (w <= bounds[1])):
        return 1.0
    small, large = bounds[0] / w.max(), min(bounds[1], k.sum() * w.max()) / w.min()
    while small < (middle := (small + large) / 2) < large:
        low = k @ np.clip(middle * w, *bounds) < k.sum()
        small, large = (middle, large) if low else (small, middle)
    return float(large)


# -- tables -----------------------------------------------------------------------------------------------------------


def _table_of_cells(cells: Cells, before: Array, after: Array) -> dict[str, NDArray[Any]]:
    n = cells.per_cell()
    told = (n.astype(np.int64), before, after, after * n.sum() / n)
    return {**cells.columns, **dict(zip(_OF_CELLS, told, strict=True))}


def _table_of_targets(
    cells: Cells, margins: Sequence[Margin], places: Sequence[NDArray[np.intp]], before: Array, after: Array
) -> dict[str, NDArray[Any]]:
    def joined(of_cells: Array) -> Array:
        sums = [summed(place, of_cells, one.shares.size) for one, place in zip(margins, places, strict=True)]
        return np.concatenate(sums)

    target = np.concatenate([margin.shares for margin in margins])
    return {
        "variable": np.array([margin.name for margin in margins for _ in margin.labels], dtype=object),
        "label": np.array([", ".join(map(str, label)) for margin in margins for label in margin.labels], dtype=object),
        "n": joined(cells.per_cell()).astype(np.int64),
        "share": joined(before),
        "target": target,
        "weighted": joined(after),
        "missed": joined(after) - target,
    }
