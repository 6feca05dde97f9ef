"""Cells: answers alike in all that they are weighed by; counted where they live, and given back with a weight.

Only counts of cells cross into NumPy. A frame in memory is then given a column, in its own order; to rows that live in
an engine the factor of their cell is joined there.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Any

import narwhals.stable.v2 as nw
import numpy as np

from custrel.errors import DomainError, PromiseError, SchemaError
from custrel.feedback.reading.groups import Groups
from custrel.feedback.weighting.response import has_answered
from custrel.frames import collect, enter, mark, plain, quickest, require, tally
from custrel.interactions import Interactions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from custrel.frames import LazyFrame
    from custrel.stats.estimate import Array

__all__ = ["Cells", "Sample", "summed"]

_ANSWERED, _BASE, _FACTOR = "__answered", "__base", "__factor"


def summed(place: NDArray[np.intp], values: Array, places: int) -> Array:
    """Sum of the values at each place, ``(places,)``.

    >>> summed(np.array([0, 2, 2]), np.array([1.0, 2.0, 3.0]), 4)
    array([1., 0., 5., 0.])
    """
    return np.asarray(np.bincount(place, weights=values, minlength=places), dtype=np.float64)


@dataclass(frozen=True, eq=False)
class Cells:
    """Answers counted by cell, and in it by the weight they came with.

    Parameters
    ----------
    labels
        What makes a cell: a tuple for each, ``(cells,)``.
    columns
        The same by column, as they came from the engine, ``(cells,)`` each.
    cell, k, base
        Cell of answers that are alike, how many they are, and the weight that each of them came with, ``(rows,)``.
    unanswered
        How many rows hold no answer.
    """

    labels: list[tuple[Any, ...]]
    columns: Mapping[str, NDArray[Any]]
    cell: NDArray[np.intp]
    k: Array
    base: Array
    unanswered: int

    def per_cell(self, of_an_answer: Array | float = 1.0) -> Array:
        """Sum over the answers of each cell, ``(cells,)``."""
        return summed(self.cell, self.k * of_an_answer, len(self.labels))


@dataclass(frozen=True, eq=False)
class Sample:
    """Rows of answers, and by which columns they are weighed.

    Parameters
    ----------
    data
        The caller's frame.
    by
        Columns whose labels make a cell.
    score
        Column that is missing in rows without answer; None: every row is an answer.
    weight
        Column of the weights that answers came with; None: all are 1.
    name
        The column to be added.
    """

    data: Any
    by: tuple[str, ...]
    score: str | None
    weight: str | None
    name: str

    def cells(self) -> Cells:
        """Count the answers of each cell.

        Raises
        ------
        SchemaError
            If a column is missing, or the weights are no numbers, or the column to be added is there already.
        PromiseError
            If a label is missing, or a weight is not above 0, where there is an answer.
        DomainError
            If there is no answer.
        """
        rows = self._rows()
        keys = [*self.by, *([_BASE] if self.weight else [])]
        table = collect(tally(rows, keys, sums={_ANSWERED: nw.col(_ANSWERED)}), sort=keys)
        k = np.nan_to_num(table[_ANSWERED].astype(np.float64))
        there, rows_in_all = k > 0, int(table["n"].sum())
        if not there.any():
            found = f"{self.score!r} is missing in all {rows_in_all:,} rows" if self.score else "the frame has no rows"
            raise DomainError(f"there is no answer to weigh: {found}")
        labels = list(zip(*(map(plain, table[name][there]) for name in self.by), strict=True))
        base = table[_BASE][there].astype(np.float64) if self.weight else np.ones(there.sum())
        self._refuse_odd(labels, base, k[there])
        number = {label: place for place, label in enumerate(dict.fromkeys(labels))}
        cell = np.array([number[label] for label in labels], dtype=np.intp)
        first = np.unique(cell, return_index=True)[1]
        columns = {name: table[name][there][first] for name in self.by}
        return Cells(list(number), columns, cell, k[there], base, rows_in_all - int(k.sum()))

    def weighed(self, cells: Cells, factor: Array, bounds: tuple[float, float]) -> Any:
        """The caller's frame with weights: the factor of the cell times the weight that an answer came with, in bounds.

        Parameters
        ----------
        factor
            What a cell's answers are multiplied by, ``(cells,)``.
        bounds
            Lowest and highest weight.
        """
        own = nw.from_native(self.data)
        if isinstance(own, nw.DataFrame):
            weights = nw.new_series(
                self.name, self._of_rows(cells, factor, bounds), nw.Float64, backend=own.implementation
            )
            return own.with_columns(nw.when(~weights.is_nan()).then(weights).alias(self.name)).to_native()
        return self._joined(own, cells, factor, bounds).to_native()

    def _rows(self) -> LazyFrame:
        """What is asked of the rows, under names of our own."""
        frame, _ = enter(self._frame())
        there = frame.collect_schema()
        require(frame, [*self.by, *(one for one in (self.score, self.weight) if one)], purpose="weighting")
        if self.name in there.names():
            raise SchemaError(f"there is a column {self.name!r} already: give the new one another name by name=...")
        if self.weight and not there[self.weight].is_numeric():
            raise SchemaError(f"weight={self.weight!r} must hold numbers; found {there[self.weight]}")
        return quickest(mark(frame, *self.by, **self._marks(frame)))

    def _frame(self) -> Any:
        if isinstance(self.data, Interactions):
            raise SchemaError("weights are given to rows of a frame: log.to_frame('survey_response') is one")
        return self.data

    def _marks(self, frame: LazyFrame) -> dict[str, nw.Expr]:
        every = ~nw.col(self.by[0]).is_null() | nw.col(self.by[0]).is_null()
        answered = has_answered(frame, self.score) if self.score else every
        base = {_BASE: nw.col(self.weight).cast(nw.Float64)} if self.weight else {}
        return {_ANSWERED: answered, **base}

    def _refuse_odd(self, labels: list[tuple[Any, ...]], base: Array, k: Array) -> None:
        for place, name in enumerate(self.by):
            missing = np.array([label[place] is None for label in labels])
            if missing.any():
                raise PromiseError(
                    f"column {name!r} is missing in {int(k[missing].sum()):,} of {int(k.sum()):,} answers: give these "
                    "a label, such as 'unknown' with a target of its own, or leave them out"
                )
        odd = ~((base > 0) & (base < np.inf))
        if odd.any():
            raise PromiseError(
                f"weight={self.weight!r} must be a number above 0 for every answer; it is not for "
                f"{int(k[odd].sum()):,} of {int(k.sum()):,}: leave out who stands for nobody"
            )

    def _of_rows(self, cells: Cells, factor: Array, bounds: tuple[float, float]) -> Array:
        """A weight for each row, NaN where nobody answered."""
        table = collect(self._rows())
        answered = table[_ANSWERED].astype(bool)
        labels = {name: table[name][answered] for name in self.by}
        base = table[_BASE][answered].astype(np.float64) if self.weight else 1.0
        weights = np.full(answered.size, np.nan)
        cell = Groups(cells.columns, len(cells.labels)).number_of(labels)
        weights[answered] = np.clip(factor[cell] * base, *bounds)
        return weights

    def _joined(self, own: LazyFrame, cells: Cells, factor: Array, bounds: tuple[float, float]) -> LazyFrame:
        """The same in an engine, where only the cells are told their factor, and rows meet their cell."""
        told = [
            _where(self.by, label).then(float(f)).otherwise(0.0) for label, f in zip(cells.labels, factor, strict=True)
        ]
        table = mark(tally(own, self.by), *self.by, **{_FACTOR: _summed(told)})
        marks, low, high = self._marks(own), *bounds
        weight = nw.col(_FACTOR) * marks.get(_BASE, nw.lit(1.0))
        if bounds != (0, float("inf")):
            weight = nw.when(weight < low).then(low).otherwise(nw.when(weight > high).then(high).otherwise(weight))
        joined = own.join(table, on=list(self.by), how="left")
        return joined.with_columns(nw.when(marks[_ANSWERED]).then(weight).alias(self.name)).drop(_FACTOR)


def _where(by: tuple[str, ...], label: tuple[Any, ...]) -> Any:
    return nw.when(
        reduce(lambda one, other: one & other, (nw.col(name) == part for name, part in zip(by, label, strict=True)))
    )


def _summed(terms: list[Any]) -> Any:
    """Their sum, added in pairs of pairs: engines forbid expressions that are a thousand deep."""
    while len(terms) > 1:
        pairs = [one + other for one, other in zip(terms[::2], terms[1::2], strict=False)]
        terms = pairs + terms[2 * len(pairs) :]
    return terms[0]
