"""Foreseen: a history that carries the paths of its customers' covariates, so far and to come.

What is asked of histories can be asked of it, by laws of any kind: it is the history of its customers, and whoever
takes some of them takes their paths along. Laws without paths do not notice them.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from custrel.errors import DomainError
from custrel.history import History

if TYPE_CHECKING:
    from custrel.clv.time_varying.paths import CovariatePaths
    from custrel.clv.time_varying.pieces import Numbers

__all__ = ["ForeseenHistory"]


@dataclass(frozen=True, eq=False, repr=False)
class ForeseenHistory(History):
    """A history with paths. `CovariatePaths.with_scenario` makes one; the other parameters are those of `History`.

    Parameters
    ----------
    paths
        What the covariates of each customer were until T.
    to_come
        What they will be, from T on.
    """

    paths: CovariatePaths = field(kw_only=True)
    to_come: CovariatePaths = field(kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.to_come) != len(self.paths):
            raise DomainError(
                f"scenario: paths must tell of each of {len(self.paths):,} customers; these are of "
                f"{len(self.to_come):,}"
            )

    @classmethod
    def of(cls, paths: CovariatePaths, to_come: CovariatePaths) -> Self:
        """The history of these paths."""
        return cls(**_columns(paths.history), paths=paths, to_come=to_come)

    def __repr__(self) -> str:
        return f"{super().__repr__()}, {' and '.join(self.paths.covariates)} known so far and to come"

    def take(self, rows: Any) -> Self:
        """Some customers with their paths."""
        found = super().take(rows)
        vars(found).update(paths=self.paths.take(rows), to_come=self.to_come.take(rows))
        return found

    def distinct(self) -> Any:
        """A history without paths: those who fit a law to paths take them from `paths`."""
        return History(**_columns(self)).distinct()

    def collapse(self) -> tuple[Self, Numbers]:
        """The same with a row for customers who are alike, also in their paths, and each customer's row."""
        alike = {"so far": self.paths.alike(), "to come": self.to_come.alike()}
        told = _columns(self) | {"covariates": {**self.covariates, **alike}}
        _, rows = History(**told).collapse()
        first = np.unique(rows, return_index=True)[1]
        n = np.bincount(rows, weights=self.weights, minlength=first.size).astype(np.float64)
        return self.take(first)._with({"n": n, "spend": None, "customer_id": np.arange(first.size)}), rows  # noqa: SLF001


def _columns(h: History) -> dict[str, Any]:
    return {one.name: getattr(h, one.name) for one in fields(History)}
