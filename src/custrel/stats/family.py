"""A law is a value: a few positive parameters whose methods are the paper's equations.

A parameter is a number (one crowd), an array ``(customers,)`` (each their own) or ``(draws, 1)`` (a posterior);
NumPy's broadcasting makes one formula serve all three.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, fields
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from custrel import serial
from custrel.errors import DomainError, one_of
from custrel.stats.estimate import Array

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from custrel.stats.moves import Move

__all__ = ["Family", "name_of"]


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
    moves: ClassVar[Mapping[str, Move]] = MappingProxyType({})
    """How what is known of a customer moves each process of the law."""

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

    def hastened(self, process: str, z: float | Array) -> Self:
        """The law of customers one of whose processes is moved by a number of theirs; at 0 nothing changes.

        Parameters
        ----------
        process
            One of `moves`.
        z
            By how much, ``(customers,)`` or ``(draws, customers)``.
        """
        one_of("process", process, self.moves)
        return self._with(self.moves[process].parameters(self, np.asarray(z, dtype=np.float64)))

    @property
    def said(self) -> str:
        """The parameters in words, and what was chosen beside them."""
        shown = [field.name for field in fields(self) if field.repr]
        return ", ".join(f"{name} = {getattr(self, name):.4g}" for name in shown)

    @classmethod
    def from_log(cls, position: Array) -> Self:
        """The law at a place on the log scale, shape ``(parameters,)`` or ``(draws, parameters)``."""
        return cls(*_from_log(position))

    def at_log(self, position: Array) -> Self:
        """The same law at another place on the log scale: what it knows beside its parameters stays."""
        return self._with(dict(zip(self.names(), _from_log(position), strict=True)))

    def _with(self, parameters: Mapping[str, Any]) -> Self:
        """The same law with other parameters."""
        made = copy(self)  # a third of the time of dataclasses.replace, and a fit asks fifty times
        vars(made).update(parameters)
        made.__post_init__()
        return made

    @staticmethod
    def end_of(name: str, away: float) -> str:
        """Where a parameter runs that has gone so far from where it started on the log scale."""
        del name
        return "infinity" if away > 0 else "zero"

    def values(self, position: Array) -> Array:
        """The parameters at a place on the log scale, side by side."""
        return np.exp(position)

    def stretch(self, position: Array) -> Array:
        """How fast each parameter grows with its place on the log scale."""
        return np.exp(position)

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


def name_of(law: Any) -> str:
    """The name of a law, and whether covariates move it."""
    name = type(law).__name__
    return f"{type(law.law).__name__} with covariates" if name == "WithCovariates" else name


def _from_log(position: Array) -> list[Any]:
    """Each parameter's value, or its column of draws."""
    values = np.exp(np.moveaxis(np.asarray(position), -1, 0))
    return [value[..., None] for value in values] if values.ndim > 1 else values.tolist()
