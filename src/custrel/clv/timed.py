"""Timed: a law whose times have a unit, and which refuses data that count in another one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any

from custrel.errors import DomainError, one_of
from custrel.history import DAYS
from custrel.stats.estimate import Array
from custrel.stats.family import Family

__all__ = ["TimedLaw"]


@dataclass(frozen=True, eq=False)
class TimedLaw(Family, ABC):
    """A law of times. A fitted one knows its unit; one made from numbers knows it only if it is said.

    Parameters
    ----------
    unit
        Unit of the law's times, None if it was not said.
    """

    unit: str | None = field(default=None, kw_only=True, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.unit is not None:
            one_of("unit", self.unit, DAYS)

    def to_dict(self) -> dict[str, Any]:
        """The parameters as plain numbers or nested lists, and the unit where it is known."""
        return super().to_dict() | ({} if self.unit is None else {"unit": self.unit})

    def refuse_another_unit(self, unit: str, whose: str) -> None:
        """Refuse data whose unit of time is not the law's."""
        if self.unit not in {None, unit}:
            raise DomainError(f"this {type(self).__name__} counts {self.unit}s, {whose} {unit}s: use one unit for both")

    @abstractmethod
    def score(self, data: Any) -> Array:
        """Derivative of the log-likelihood in each parameter, ``(parameters, rows)``."""
