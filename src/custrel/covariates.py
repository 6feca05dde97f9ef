"""Covariates: a law whose processes are moved by what is known of each customer.

A law with covariates builds the law of each customer, and asks that: the formulas are those of the law. It answers the
same questions as the law, of customers whose history carries the covariates, and tells the law of any customer at all,
also of one who is yet to come.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, field, replace
from inspect import isfunction
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

import numpy as np

from custrel import serial
from custrel.design import Design, design_from, design_of
from custrel.errors import DomainError, nearest
from custrel.frames import number_or_text, read_covariates
from custrel.stats.estimate import Array
from custrel.stats.family import Family

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from custrel.likelihood import Rows

__all__ = ["Asked", "MovedRows", "WithCovariates", "asked_of"]

Law = TypeVar("Law", bound=Family)

PARTED = 8.0  # exp(8) is 3,000: no law that fits parts customers by as much, one whose likelihood has no peak does
FARTHEST = 30.0  # exp(30) is 1e13: no customer is moved by more, so that all stays finite while a law is fitted


@dataclass(frozen=True, eq=False)
class MovedRows:
    """Rows that a law is fitted to, and beside them the columns of each process that is moved.

    Parameters
    ----------
    told
        Histories, or tenures.
    columns
        For each process ``(rows, columns)``.
    """

    told: Rows
    columns: Mapping[str, Array]

    def __len__(self) -> int:
        return len(self.told)

    @property
    def unit(self) -> str:
        """Unit of their times."""
        return self.told.unit

    @property
    def like(self) -> str:
        """The library whose frames answers leave as."""
        return self.told.like

    @property
    def weights(self) -> Array:
        """How many customers each row stands for."""
        return self.told.weights

    @property
    def customers(self) -> float:
        """How many in all."""
        return self.told.customers

    def take(self, rows: Any) -> Self:
        """Some rows."""
        return replace(self, told=self.told.take(rows), columns={p: one[rows] for p, one in self.columns.items()})

    def blocks(self, size: int) -> Iterator[Self]:
        """Consecutive pieces of at most so many rows."""
        return (self.take(slice(start, start + size)) for start in range(0, len(self), size))

    def standing_for(self, n: Array) -> Self:
        """The same rows, each for so many customers."""
        return replace(self, told=self.told.standing_for(n))


@serial.storable
@dataclass(frozen=True, eq=False, repr=False)
class WithCovariates(Generic[Law]):
    r"""A law, and how what is known of a customer moves its processes.

    Parameters
    ----------
    law
        The law of a customer who is average in all numbers, and of the first level in all flags and categories.
    effects
        By how much a process moves for each unit of a covariate, ``(effects,)``, or ``(draws, effects)``.
    designs
        For each process the columns that move it.
    shared
        Covariates whose effect is one on all processes.

    Examples
    --------
    Customers from the web buy twice as fast:

    >>> from custrel.clv import NBD
    >>> known = {"web": np.array([0.0, 1.0])}
    >>> law = WithCovariates(NBD(r=0.4, alpha=12.0), np.log([2.0]), {"purchase": design_of(["web"], known)})
    >>> law.of(known).alpha
    array([12.,  6.])
    >>> law.like(web=1)
    NBD(r=0.4, alpha=6.0)
    """

    law: Law
    effects: Array
    designs: Mapping[str, Design]
    shared: tuple[str, ...] = ()
    _places: Mapping[str, Array] = field(init=False)
    _named: tuple[str, ...] = field(init=False)
    _spread: Array = field(init=False)

    def __post_init__(self) -> None:
        places, named, spread = _layout(self.designs, self.shared)
        effects = np.array(self.effects, dtype=np.float64)
        effects.flags.writeable = False
        if effects.shape[-1:] != (len(named),) or not np.all(np.isfinite(effects)):
            raise DomainError(f"WithCovariates: effects must be {len(named)} finite numbers, got {self.effects!r:.80}")
        for name, value in (("effects", effects), ("_places", places), ("_named", named), ("_spread", spread)):
            object.__setattr__(self, name, value)

    def names(self) -> tuple[str, ...]:
        """The law's parameters, then the effects: the process, and the covariate that moves it."""
        return (*self.law.names(), *self._named)

    def __iter__(self) -> Iterator[Any]:
        yield from self.law
        many = self.effects.ndim > 1
        yield from (self.effects[:, i : i + 1] if many else float(self.effects[i]) for i in range(len(self._named)))

    def __repr__(self) -> str:
        return f"{self.law!r} with covariates: {self.said_of_effects}"

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, WithCovariates)
            and (self.law, self.shared, dict(self.designs)) == (other.law, other.shared, dict(other.designs))
            and np.array_equal(self.effects, other.effects)
        )

    def __hash__(self) -> int:
        return hash((self.law, self.effects.tobytes()))

    @property
    def said(self) -> str:
        """The parameters in words."""
        return f"{self.law.said}, {self.said_of_effects}"

    @property
    def said_of_effects(self) -> str:
        """The effects in words."""
        if self.effects.ndim > 1:
            return f"{len(self.effects):,} draws of {', '.join(self._named)}"
        return ", ".join(f"{name} {value:+.4g}" for name, value in zip(self._named, self.effects, strict=True))

    @property
    def unit(self) -> str | None:
        """Unit of the law's times."""
        return getattr(self.law, "unit", None)

    @property
    def gammas(self) -> tuple[tuple[str, str], ...]:
        """Of the law."""
        return self.law.gammas

    @property
    def betas(self) -> tuple[tuple[str, str], ...]:
        """Of the law."""
        return self.law.betas

    # -- the law of each customer --------------------------------------------------------------------------------------

    def of(self, known: Any) -> Law:
        """The law of each customer: its moved parameters have the shape ``(customers,)``.

        Parameters
        ----------
        known
            A history that carries the covariates, any frame with a column for each, or arrays by name. Customers who
            are yet to come need no more than that.
        """
        columns = known.columns if isinstance(known, MovedRows) else self._columns(known)
        return _moved(self.law, self._shifts(columns))

    def like(self, **covariates: float | str) -> Law:
        """The law of one customer of whom so much is known.

        Numbers that are not given are at their mean, flags and categories at their first level.
        """
        found: Any = self.of(self._of_one(covariates))
        alone: Law = replace(found, **{name: _single(getattr(found, name)) for name in found.names()})
        return alone

    def _of_one(self, covariates: Mapping[str, Any]) -> dict[str, Any]:
        """One customer's covariates."""
        usual: dict[str, Any] = {}
        for design in self.designs.values():
            usual |= design.usual()
        names = _needs_of(self.designs)
        for name in covariates:
            if name not in names:
                raise DomainError(f"this law knows no covariate {name!r}{nearest(name, names)}: {', '.join(names)}")
        if lacking := [name for name in names if name not in usual and name not in covariates]:
            raise DomainError(f"like: a formula asks for {' and '.join(lacking)}, too: what is usual it cannot tell")
        return {name: number_or_text(name, [value]) for name, value in {**usual, **covariates}.items()}

    def _columns(self, known: Any) -> dict[str, Array]:
        told = _known_of(known, _needs_of(self.designs))
        return {process: design.matrix(told) for process, design in self.designs.items()}

    def _shifts(self, columns: Mapping[str, Array]) -> dict[str, Array]:
        """By how much each process of each customer is moved."""
        return {process: self._shift(x, self._places[process]) for process, x in columns.items()}

    def _shift(self, x: Array, places: Array) -> Array:
        """Column by column, so that a customer's sum does not depend on who else is asked about."""
        z = np.zeros((*self.effects.shape[:-1], len(x)))
        for place, column in zip(places, x.T, strict=True):
            z = z + self.effects[..., place, None] * column
        return np.clip(z, -FARTHEST, FARTHEST)

    def __getattr__(self, verb: str) -> Any:
        """What the law answers, asked of each customer's law; the history must carry the covariates."""
        if verb.startswith("_"):
            raise AttributeError(verb)
        equation = getattr(type(self.law), verb, None)
        if not isfunction(equation):
            raise AttributeError(f"{type(self).__name__} of a {type(self.law).__name__} has no {verb!r}")

        def asked(*given: Any, **named: Any) -> Any:
            whose = [one for one in (*given, *named.values()) if hasattr(one, "covariates")]
            if not whose:
                raise DomainError(
                    f"{verb} of which customers? A law with covariates answers for a history that carries them; for "
                    f"others ask .of(frame).{verb}(...) or .like(...).{verb}(...)"
                )
            return equation(self.of(whose[0]), *given, **named)

        return asked

    # -- what a likelihood asks ----------------------------------------------------------------------------------------

    def log_likelihood(self, rows: Any) -> Array:
        """Log-likelihood of each row."""
        told: Any = self.of(rows)
        return np.asarray(told.log_likelihood(rows.told if isinstance(rows, MovedRows) else rows))

    def score(self, rows: Any) -> Array:
        """Its derivatives in the law's parameters and in the effects, ``(parameters, rows)``."""
        if not isinstance(rows, MovedRows):
            rows = MovedRows(rows, self._columns(rows))
        slopes = _slopes(self.law, rows.told, self._shifts(rows.columns))
        k = len(self.law.names())
        answer = np.zeros((k + len(self._named), len(rows)))
        answer[:k] = slopes[:k] / np.asarray(tuple(self.law))[:, None]
        for (process, x), slope in zip(rows.columns.items(), slopes[k:], strict=True):
            answer[k + self._places[process]] += slope * x.T
        return answer

    def log_hessian(self, rows: MovedRows, *, step: float, central: bool) -> Array:
        """Second derivatives of the sum over the rows, on the scale of `to_log`.

        Each row's own are differences in the law's parameters and in what moves each process: as many passes as these,
        however many covariates there are.
        """
        shifts, k = self._shifts(rows.columns), len(self.law.names())
        ahead = self._stepped(rows.told, shifts, step)
        behind = (
            self._stepped(rows.told, shifts, -step)
            if central
            else itertools.repeat(_slopes(self.law, rows.told, shifts), k + len(shifts))
        )
        width = 2 * step if central else step
        apart = [rows.weights * (there - back) / width for there, back in zip(ahead, behind, strict=True)]
        return self._gathered(apart, rows.columns, k)

    def _stepped(self, told: Any, shifts: Mapping[str, Array], step: float) -> Iterator[Array]:
        """`_slopes` a step along each of its own directions."""
        place = self.law.to_log()
        for move in step * np.eye(place.size):
            yield _slopes(self.law.at_log(place + move), told, shifts)
        for process, z in shifts.items():
            yield _slopes(self.law, told, {**shifts, process: z + step})

    def _gathered(self, apart: list[Array], columns: Mapping[str, Array], k: int) -> Array:
        """Rows' second derivatives summed into those of parameters and effects."""
        size = k + len(self._named)
        total = np.zeros((size, size))
        rows = apart[0].shape[-1]
        ways = [(np.array([i]), np.ones((rows, 1))) for i in range(k)]
        ways += [(k + self._places[p], x / self._spread[self._places[p]]) for p, x in columns.items()]
        for (at, x), row in zip(ways, apart, strict=True):
            for (to, y), cell in zip(ways, row, strict=True):
                np.add.at(total, np.ix_(at, to), (x.T * cell) @ y)
        return np.asarray((total + total.T) / 2)

    # -- the scale on which a search moves -----------------------------------------------------------------------------

    def at_log(self, position: Array) -> Self:
        """The same at another place: logarithms of the law's parameters, then effects of a standard deviation each."""
        position, k = np.asarray(position), len(self.law.names())
        made = copy(self)
        effects = position[..., k:] / self._spread
        effects.flags.writeable = False
        vars(made).update(law=self.law.at_log(position[..., :k]), effects=effects)
        return made

    def to_log(self) -> Array:
        """Where it is on that scale."""
        return np.concatenate([self.law.to_log(), self.effects * self._spread])

    @property
    def limits(self) -> Mapping[tuple[str, bool], str]:
        """What it means when a parameter of the law runs to infinity, or to zero."""
        return getattr(self.law, "limits", {})

    def end_of(self, name: str, away: float) -> str:
        """Where a parameter, or an effect, runs."""
        if name in self.law.names():
            return self.law.end_of(name, away)
        return f"{'' if away > 0 else '-'}infinity"

    def running(self, position: Array) -> NDArray[np.bool_]:
        """Which effects have run away: they part customers by more than any two that are alike could be."""
        reach = _layout(self.designs, self.shared, of="reach")[2]
        return np.asarray(np.abs(position[len(self.law.names()) :] / self._spread * reach) > PARTED)

    def values(self, position: Array) -> Array:
        """The parameters at a place on that scale, side by side."""
        k = len(self.law.names())
        return np.concatenate([self.law.values(position[..., :k]), position[..., k:] / self._spread], axis=-1)

    def stretch(self, position: Array) -> Array:
        """How fast each parameter grows on that scale."""
        k = len(self.law.names())
        tail = np.broadcast_to(1 / self._spread, (*position.shape[:-1], self._spread.size))
        return np.concatenate([self.law.stretch(position[..., :k]), tail], axis=-1)

    def to_dict(self) -> dict[str, Any]:
        """Plain contents."""
        designs = {process: design.to_dict() for process, design in self.designs.items()}
        plain = {"law": serial.to_plain(self.law), "effects": self.effects.tolist()}
        return {**plain, "designs": designs, "shared": list(self.shared)}

    @classmethod
    def from_dict(cls, contents: dict[str, Any]) -> Self:
        """The law that `to_dict` wrote."""
        designs = {process: design_from(design) for process, design in contents["designs"].items()}
        effects, shared = np.asarray(contents["effects"]), tuple(contents["shared"])
        return cls(serial.from_plain(contents["law"]), effects, designs, shared)

    def to_json(self) -> str:
        """JSON text that `custrel.from_json` reads."""
        return serial.to_json(self)


@dataclass(frozen=True)
class Asked:
    """What a fit was asked to move by covariates.

    Parameters
    ----------
    designs
        For each process.
    shared
        Covariates whose effect is one on all processes.
    """

    designs: Mapping[str, Design]
    shared: tuple[str, ...]

    def around(self, law: Law) -> WithCovariates[Law]:
        """A law with effects of zero."""
        count = len(_layout(self.designs, self.shared)[1])
        return WithCovariates(law, np.zeros(count), self.designs, self.shared)

    def rows(self, data: Any) -> MovedRows:
        """Rows with their columns."""
        columns = {process: design.matrix(data.covariates) for process, design in self.designs.items()}
        return MovedRows(data.knowing(()), columns)


def asked_of(
    law: type[Family], data: Any, covariates: Mapping[str, Any], shared: Sequence[str]
) -> tuple[Any, Asked | None]:
    """The data with no more covariates than are asked for, and what is asked; None where there is nothing.

    Parameters
    ----------
    law
        The law that is fitted.
    data
        Histories or tenures.
    covariates
        For each process columns by name, a formula, or None.
    shared
        Covariates whose effect is one on all processes.
    """
    asked = {process: columns for process, columns in covariates.items() if columns is not None}
    for process in asked:
        if process not in law.moves:
            raise DomainError(f"{law.__name__} has no process {process!r} to move; it has {', '.join(law.moves)}")
    shared = (shared,) if isinstance(shared, str) else tuple(shared)
    if not asked:
        if shared:
            raise DomainError(f"shared={shared!r} names covariates, but no process is moved by any")
        return data.knowing(()), None
    known = data.covariates or {}
    designs = {process: design_of(columns, known, data.weights) for process, columns in asked.items()}
    _refuse_unshared(designs, shared)
    customers = getattr(data, "customers", np.inf)  # covariates that change in time come without their customers
    _refuse_too_many(law, len(_layout(designs, shared)[1]), customers)
    return data.knowing(_needs_of(designs)), Asked(designs, shared)


def _refuse_too_many(law: type[Family], effects: int, customers: float) -> None:
    parameters = len(law.names())
    if effects + parameters > customers:
        raise DomainError(
            f"{law.__name__}: {effects:,} effects of covariates and {parameters} parameters are more than "
            f"{customers:,.0f} customers can tell: leave columns out, or hold effects to be one by shared=..."
        )


def _refuse_unshared(designs: Mapping[str, Design], shared: tuple[str, ...]) -> None:
    for name in shared:
        columns = {process: {one for one in design.names if of_one(one, {name})} for process, design in designs.items()}
        lacking = [process for process, found in columns.items() if not found]
        if lacking or len(designs) < 2:
            raise DomainError(
                f"shared: {name!r} must move two processes; it does not move {' or '.join(lacking) or 'another'}"
            )
        if len({frozenset(found) for found in columns.values()}) > 1:
            said = " and ".join(f"{process} by {', '.join(sorted(found))}" for process, found in columns.items())
            raise DomainError(f"shared: {name!r} must move both processes by the same columns; it moves {said}")


def of_one(column: str, covariates: Iterable[str]) -> bool:
    """Whether a column is of one of these covariates: ``region[north]`` is of region."""
    return any(column == name or column.startswith(f"{name}[") for name in covariates)


def _moved(law: Law, shifts: Mapping[str, Array]) -> Law:
    """The law of each customer, by how much each process of theirs is moved."""
    for process, z in shifts.items():
        law = law.hastened(process, z)
    return law


def _slopes(law: Any, told: Any, shifts: Mapping[str, Array]) -> Array:
    """Derivatives of each row in the logarithms of the law's own parameters, then in what moves each process."""
    names = law.names()
    raw = dict(zip(names, _moved(law, shifts).score(told), strict=True))
    logs = {name: getattr(law, name) * raw[name] for name in names}
    moved = []
    for process, z in shifts.items():
        own, along = law.moves[process].chain(law, z, raw)
        logs |= own
        moved.append(along)
    return np.stack([*logs.values(), *moved])


def _needs_of(designs: Mapping[str, Design]) -> dict[str, None]:
    """Names of the covariates that designs are made of, in order."""
    return dict.fromkeys(name for design in designs.values() for name in design.needs)


def _layout(
    designs: Mapping[str, Design], shared: Iterable[str], of: str = "spread"
) -> tuple[dict[str, Any], tuple[str, ...], Array]:
    """Which effect moves which column of each process; the effects' names, and the spread, or reach, of each column."""
    common = set(shared)
    effects: dict[str, float] = {}
    places: dict[str, Any] = {}
    for process, design in designs.items():
        found = []
        for column, size in zip(design.names, getattr(design, of), strict=True):
            whose = " and ".join(designs) if of_one(column, common) else process
            name = f"{whose}: {column}"
            effects.setdefault(name, size)
            found.append(list(effects).index(name))
        places[process] = np.array(found)
    return places, tuple(effects), np.array(list(effects.values()))


def _single(value: float | Array) -> float | Array:
    """A parameter of one customer, ``(1,)``, as a number; of one in each draw, ``(draws, 1)``, as it is."""
    return value if np.ndim(value) != 1 else float(np.asarray(value)[0])


def _known_of(known: Any, needs: Iterable[str]) -> Mapping[str, Any]:
    """The covariates that are needed of a history, a mapping or a frame."""
    if isinstance(known, Mapping):
        told = {name: number_or_text(name, known[name]) for name in needs if name in known}
        if len({values.size for values in told.values()}) > 1:
            sizes = ", ".join(f"{name!r} {values.size:,}" for name, values in told.items())
            raise DomainError(f"covariates must have one value for each customer, all of them as many, got {sizes}")
        return told
    if isinstance(getattr(known, "covariates", None), Mapping):
        carried: Mapping[str, Any] = known.covariates
        return carried
    return read_covariates(known, list(needs))[0]
