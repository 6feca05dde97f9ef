"""Matched: which target each cell of answers stands for; none may be left without the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from custrel.errors import DomainError, nearest
from custrel.feedback.weighting.cells import summed
from custrel.feedback.weighting.targets import named

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from custrel.feedback.weighting.cells import Cells
    from custrel.feedback.weighting.targets import Margin
    from custrel.stats.estimate import Array

__all__ = ["places_of"]


def places_of(cells: Cells, by: Sequence[str], margin: Margin) -> NDArray[np.intp]:
    """For each cell, whose labels are those of `by`, the place of its target, ``(cells,)``.

    Raises
    ------
    DomainError
        If answers have no target above 0, or such a target has no answers.

    Examples
    --------
    >>> from custrel.feedback.weighting.cells import Cells
    >>> from custrel.feedback.weighting.targets import Margin
    >>> one = np.ones(2)
    >>> cells = Cells([("north", "old"), ("south", "old")], {}, np.array([0, 1]), one, one, unanswered=0)
    >>> places_of(cells, ("region", "age"), Margin.of("region", {"south": 30, "north": 70}))
    array([1, 0])
    """
    columns = [by.index(name) for name in margin.columns]
    found = [tuple(label[place] for place in columns) for label in cells.labels]
    number = {label: place for place, label in enumerate(margin.labels)}
    n = cells.per_cell()
    _refuse_without_target(margin, found, n)
    codes = np.array([number[label] for label in found], dtype=np.intp)
    _refuse_without_answers(margin, summed(codes, n, len(number)))
    return codes


def _refuse_without_target(margin: Margin, found: Sequence[tuple[Any, ...]], n: Array) -> None:
    wanted = {label for label, target in zip(margin.labels, margin.targets, strict=True) if target > 0}
    answers: dict[tuple[Any, ...], float] = {}
    for label, count in zip(found, n, strict=True):
        if label not in wanted:
            answers[label] = answers.get(label, 0) + count
    if answers:
        label = next(iter(answers))
        hint = nearest(named(label), map(named, wanted))
        raise DomainError(
            f"{int(sum(answers.values())):,} of {int(n.sum()):,} answers have no target above 0 by {margin.name}: "
            f"{_listed([f'{named(one)} ({int(count):,})' for one, count in answers.items()])}{hint}; give their share "
            "of all customers, or leave these answers out"
        )


def _refuse_without_answers(margin: Margin, n: Array) -> None:
    empty = np.flatnonzero((n == 0) & (margin.targets > 0))
    if empty.size:
        listed = _listed([f"{named(margin.labels[place])} (target {margin.targets[place]:g})" for place in empty])
        raise DomainError(
            f"{empty.size:,} targets by {margin.name} have no answer that could stand for them: {listed}; merge them "
            "with labels like them, in answers and targets alike"
        )


def _listed(names: list[str], most: int = 5) -> str:
    more = [f"and {len(names) - most:,} more"] if len(names) > most else []
    return ", ".join(names[:most] + more)
