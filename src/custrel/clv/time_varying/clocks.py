"""Clocks: covariates that change make a process go faster or slower, as if it had a clock of its own.

In a piece of time in which nothing changes a clock runs evenly. So what a law says in terms of time it says here in
terms of what two clocks show: that of purchases, and that of leaving.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from custrel.clv.time_varying.paths import CovariatePaths
from custrel.clv.time_varying.pieces import distinct_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from custrel.design import Design
    from custrel.stats.estimate import Array

__all__ = ["Clock", "Levels", "MovedPaths", "Pull"]


@dataclass(frozen=True)
class Levels:
    """The distinct rows of covariates, each for the time that it held: what a design is made of.

    Parameters
    ----------
    covariates
        The rows, by name.
    weights
        For how long each held, over all customers.
    """

    covariates: Mapping[str, NDArray[Any]]
    weights: Array

    @classmethod
    def of(cls, paths: CovariatePaths) -> Self:
        """Those of some customers."""
        return cls(paths.covariates, paths.time_at_levels)

    def knowing(self, names: Iterable[str]) -> Self:
        """The same rows with no covariates but these."""
        names = set(names)
        return replace(self, covariates={name: one for name, one in self.covariates.items() if name in names})


class MovedPaths(CovariatePaths):
    """Paths whose covariates are the columns that move each process, ``(levels, columns)``."""

    @classmethod
    def of_designs(cls, paths: CovariatePaths, designs: Mapping[str, Design]) -> Self:
        """Paths with the columns of each process."""
        columns = {process: design.matrix(paths.covariates) for process, design in designs.items()}
        pieces = paths.customer, paths.start, paths.level, paths.bought
        return cls(paths.history, *pieces, columns, paths.calendar)

    def still(self) -> dict[str, NDArray[np.bool_]]:
        """Which columns never change for anybody."""
        again = np.diff(self.customer) == 0
        one, next_one = self.level[:-1][again], self.level[1:][again]
        return {process: np.all(x[one] == x[next_one], axis=0) for process, x in self.covariates.items()}

    def without_change(self) -> Self:
        """The same with zeros in all columns that change, and no more pieces than these make."""
        still = self.still()
        columns = {process: x * still[process] for process, x in self.covariates.items()}
        flat = {f"{process} {i}": one for process, x in columns.items() for i, one in enumerate(x.T)}
        level, _ = distinct_rows({name: one[self.level] for name, one in flat.items()}, self.level.size)
        first = np.unique(level, return_index=True)[1]
        return self.rejoined(level, {process: x[self.level[first]] for process, x in columns.items()})


@dataclass(frozen=True)
class Clock:
    """How fast a process goes in each piece, what its clock shows when the piece begins, and at T.

    Parameters
    ----------
    rate, before
        Of each piece, ``(pieces,)`` or ``(draws, pieces)``.
    total
        Of each customer, ``(customers,)`` or ``(draws, customers)``.
    """

    rate: Array
    before: Array
    total: Array

    @classmethod
    def of(cls, paths: CovariatePaths, shift: Array | None) -> Self:
        """The clock of a process that each level of covariates moves by so much."""
        rate = np.ones(paths.level.size) if shift is None else np.exp(shift)[..., paths.level]
        return cls(rate, *paths.running(rate * paths.length))


@dataclass(frozen=True)
class Pull:
    """How the likelihood falls as the clock of a process goes on: derivatives, with their sign turned.

    Parameters
    ----------
    end
        By what the clock shows at T, ``(customers,)``.
    each
        By what it shows when a silent piece begins, ``(silent pieces,)``.
    within
        By the logarithm of its rate in the silent piece, the clock at the beginning held fast.
    """

    end: Array
    each: Array
    within: Array

    def total(self, paths: CovariatePaths) -> Array:
        """By what the clock shows at the very beginning."""
        return np.asarray(self.end + paths.sums_of_silent(self.each))

    def along(self, paths: CovariatePaths, clock: Clock) -> Array:
        """By the logarithm of the rate in each piece: it moves the clock at the beginning of all later ones."""
        each, within = np.zeros(clock.rate.size), np.zeros(clock.rate.size)
        each[paths.silent], within[paths.silent] = self.each, self.within
        before, total = paths.running(each)
        later = self.end[paths.customer] + (total[paths.customer] - before - each)
        return np.asarray(clock.rate * paths.length * later + within)
