"""A law is a value: a few positive parameters whose methods are the paper's equations.

A parameter is a number (one crowd), an array ``(customers,)`` (each their own) or ``(draws, 1)`` (a posterior);
NumPy's broadcasting makes one formula serve all three.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, fields
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from custrel import serial
from custrel.errors import DomainError
from custrel.stats.estimate import Array

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Family"]


@dataclass(frozen=True, eq=False)
class Family:
    """Positive parameters under their names; a subclass adds the fields and the equations.

    Raises
    ------
    DomainError
        At birth, if a parameter is not positive and finite.

    Examples
    --------
    >>> @dataclass(frozen=True, eq=False)
    ... class Exponential(Family):
    ...     rate: float
    ...
    ...     def survival(self, t):
    ...         return np.exp(-self.rate * t)
    >>> Exponential(rate=[[0.1], [0.2]]).survival(np.array([1.0, 5.0, 9.0])).shape
    (2, 3)
    """

    gammas: ClassVar[tuple[tuple[str, str], ...]] = ()
    """Shape and rate of each gamma distribution that says how customers differ."""
    betas: ClassVar[tuple[tuple[str, str], ...]] = ()
    """The two parameters of each beta distribution that does."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        serial.storable(cls)

    def __post_init__(self) -> None:
        for name in self.names():
            given = getattr(self, name)
            if type(given) is float and 0 < given < np.inf:  # as nearly always while a law is fitted
                continue
            try:
                values = np.array(given, dtype=np.float64)
            except (TypeError, ValueError) as error:
                raise DomainError(
                    f"{type(self).__name__}: {name} must be a number or numbers, got {given!r}"
                ) from error
            if not np.all((values > 0) & np.isfinite(values)):
                worst = values[~((values > 0) & np.isfinite(values))].flat[0]
                raise DomainError(f"{type(self).__name__}: {name} must be positive and finite, got {worst:g}")
            values.flags.writeable = False
            object.__setattr__(self, name, values if values.ndim else float(values))

    @classmethod
    @cache
    def names(cls) -> tuple[str, ...]:
        """The parameters' names, in the paper's order: the fields that may be given by position."""
        return tuple(field.name for field in fields(cls) if not field.kw_only)

    def __iter__(self) -> Iterator[Any]:
        return (getattr(self, name) for name in self.names())

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and all(
            np.array_equal(getattr(self, field.name), getattr(other, field.name)) for field in fields(self)
        )

    def __hash__(self) -> int:
        return hash((type(self).__name__, *(np.asarray(value).tobytes() for value in self)))

    @classmethod
    def from_log(cls, position: Array) -> Self:
        """The law at a place on the log scale, shape ``(parameters,)`` or ``(draws, parameters)``."""
        return cls(*_from_log(position))

    def at_log(self, position: Array) -> Self:
        """The same law at another place on the log scale: what it knows beside its parameters stays."""
        made = copy(self)  # a third of the time of dataclasses.replace, and a fit asks fifty times
        vars(made).update(zip(self.names(), _from_log(position), strict=True))
        made.__post_init__()
        return made

    def to_log(self) -> Array:
        """The parameters on the log scale, where every place is inside the domain."""
        return np.asarray(np.log(tuple(self)))

    def to_dict(self) -> dict[str, Any]:
        """The parameters as plain numbers or nested lists."""
        return {name: np.asarray(value).tolist() for name, value in zip(self.names(), self, strict=True)}

    @classmethod
    def from_dict(cls, contents: dict[str, Any]) -> Self:
        """The law that `to_dict` wrote."""
        return cls(**contents)

    def to_json(self) -> str:
        """JSON text that `custrel.from_json` reads."""
        return serial.to_json(self)


def _from_log(position: Array) -> list[Any]:
    """Each parameter's value, or its column of draws."""
    values = np.exp(np.moveaxis(np.asarray(position), -1, 0))
    return [value[..., None] for value in values] if values.ndim > 1 else values.tolist()
