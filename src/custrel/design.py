"""Design: from what is known of each customer to the numbers that move a law, and the same way for new customers.

Numbers are counted from their mean, so that the law itself is that of a customer who is average in them; flags (0 or 1)
and categories from their first level. What a design saw when it was made it keeps: a later customer is measured from
the same mean, and a category that was never seen is refused.
"""

from __future__ import annotations

import itertools
import re
import warnings
from abc import ABC, abstractmethod
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from custrel.errors import DomainError, nearest, need

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from custrel.stats.estimate import Array

    Covariates = Mapping[str, NDArray[Any]]

__all__ = ["Design", "design_from", "design_of", "needed"]

_ALIKE = 1e-7  # of the largest singular value: columns closer to a combination of others cannot be told apart
_MOST_LEVELS = 100  # a category with more is a name
_SCALES = 1e-100, 1e100  # beyond them squares leave what a computer holds
_LISTED = 8  # columns that a sentence names
_MARKS = re.compile("\x1b\\[[0-9;]*m")  # with which formulaic colours a terminal
_POINTED = re.compile("\u29db(.*)\u29da", re.DOTALL)  # and what it points at


class Design(ABC):
    """The columns that move one process of a law.

    Attributes
    ----------
    names
        Of the columns, in order.
    spread
        Standard deviation of each among the customers it was made from: what an effect is measured in while a law is
        fitted.
    """

    names: tuple[str, ...]
    spread: tuple[float, ...]

    @property
    @abstractmethod
    def needs(self) -> tuple[str, ...]:
        """Names of the covariates that the columns are made of."""

    @property
    @abstractmethod
    def reach(self) -> tuple[float, ...]:
        """How far apart customers may well be in each column: by 1 in a flag, by two standard deviations in numbers."""

    @abstractmethod
    def matrix(self, known: Covariates) -> Array:
        """The columns of some customers, ``(customers, columns)``."""

    @abstractmethod
    def usual(self) -> dict[str, Any]:
        """The covariates of a customer who moves nothing: means of numbers, first levels of flags and categories."""

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """Plain contents."""


@dataclass(frozen=True)
class Number:
    """A covariate that is a number: one column, counted from its mean (a flag from 0)."""

    name: str
    centre: float
    spread: float

    @property
    def names(self) -> tuple[str, ...]:
        """Of its column."""
        return (self.name,)

    @property
    def spreads(self) -> tuple[float, ...]:
        """Of its column."""
        return (self.spread,)

    @property
    def reaches(self) -> tuple[float, ...]:
        """Of its column."""
        return (_reach(self.centre, self.spread),)

    def columns(self, values: NDArray[Any]) -> Array:
        """The column, ``(customers, 1)``."""
        if values.dtype.kind != "f":
            raise DomainError(f"covariate {self.name!r} was numbers where the law was fitted; found text here")
        return np.asarray(values[:, None] - self.centre)


@dataclass(frozen=True)
class Category:
    """A covariate that is text: a column for each level but the first, 1 where a customer is of that level."""

    name: str
    levels: tuple[str, ...]
    shares: tuple[float, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Of its columns."""
        return tuple(f"{self.name}[{level}]" for level in self.levels[1:])

    @property
    def spreads(self) -> tuple[float, ...]:
        """Of its columns."""
        return tuple(float(np.sqrt(share * (1 - share))) for share in self.shares[1:])

    @property
    def reaches(self) -> tuple[float, ...]:
        """Of its columns."""
        return (1.0,) * (len(self.levels) - 1)

    def columns(self, values: NDArray[Any]) -> Array:
        """Its columns, ``(customers, levels - 1)``."""
        if values.dtype.kind == "f":
            raise DomainError(f"covariate {self.name!r} was text where the law was fitted; found numbers here")
        levels = np.asarray(self.levels, dtype=object)
        known = values[:, None] == levels
        if strange := int(np.sum(~known.any(axis=1))):
            first = values[np.argmin(known.any(axis=1))]
            raise DomainError(
                f"covariate {self.name!r} has a level that the fit never saw, {first!r}, for {strange:,} of "
                f"{values.size:,} customers{nearest(first, self.levels)}: it knows {', '.join(map(repr, self.levels))}"
            )
        return np.asarray(known[:, 1:], dtype=np.float64)


@dataclass(frozen=True)
class Columns(Design):
    """Covariates as they stand.

    Parameters
    ----------
    covariates
        Numbers and categories, in order.

    Examples
    --------
    >>> known = {"age": np.array([20.0, 40.0, 30.0]), "web": np.array(["no", "no", "yes"], dtype=object)}
    >>> design = design_of(["age", "web"], known)
    >>> design.names
    ('age', 'web[yes]')
    >>> design.matrix({"age": np.array([31.0]), "web": np.array(["yes"], dtype=object)})
    array([[1., 1.]])
    """

    covariates: tuple[Number | Category, ...]

    @property
    def names(self) -> tuple[str, ...]:  # type: ignore[override]
        """Of the columns, in order."""
        return tuple(name for one in self.covariates for name in one.names)

    @property
    def spread(self) -> tuple[float, ...]:  # type: ignore[override]
        """Standard deviation of each."""
        return tuple(spread for one in self.covariates for spread in one.spreads)

    @property
    def needs(self) -> tuple[str, ...]:
        """Names of the covariates."""
        return tuple(one.name for one in self.covariates)

    @property
    def reach(self) -> tuple[float, ...]:
        """How far apart customers may well be in each column."""
        return tuple(reach for one in self.covariates for reach in one.reaches)

    def matrix(self, known: Covariates) -> Array:
        """The columns of some customers, ``(customers, columns)``."""
        return np.concatenate([one.columns(_told(known, one.name)) for one in self.covariates], axis=1)

    def usual(self) -> dict[str, Any]:
        """Means of numbers, first levels of flags and categories."""
        return {one.name: one.centre if isinstance(one, Number) else one.levels[0] for one in self.covariates}

    def to_dict(self) -> dict[str, Any]:
        """Plain contents."""
        return {"covariates": [asdict(one) for one in self.covariates]}


@dataclass(frozen=True)
class Formula(Design):
    """Covariates in a formula such as ``"age + C(region)"``, as `formulaic` reads it.

    Parameters
    ----------
    formula
        As it was given.
    spec
        What formulaic remembers of the customers it was made from.
    names, centre, spread
        Of its columns.
    """

    formula: str
    spec: Any = field(compare=False)
    names: tuple[str, ...]
    centre: tuple[float, ...]
    spread: tuple[float, ...]

    @property
    def needs(self) -> tuple[str, ...]:
        """Names of the covariates that it names."""
        return tuple(sorted(str(name) for name in self.spec.required_variables))

    @property
    def reach(self) -> tuple[float, ...]:
        """How far apart customers may well be in each column."""
        return tuple(itertools.starmap(_reach, zip(self.centre, self.spread, strict=True)))

    def matrix(self, known: Covariates) -> Array:
        """The columns of some customers, ``(customers, columns)``."""
        columns, _ = _by_formula(self.spec, known, self.formula)
        _refuse_infinite(columns, self.names, self.formula)
        return np.asarray(columns - np.asarray(self.centre))

    def usual(self) -> dict[str, Any]:
        """Nothing: a formula wants all that it names."""
        return {}

    def to_dict(self) -> dict[str, Any]:
        """Refused: what a formula remembers has no plain form."""
        raise DomainError(
            f"a law fitted by the formula {self.formula!r} cannot be written as JSON: make its columns yourself and "
            "give them by name"
        )


def design_of(asked: Any, known: Covariates, weights: Array | None = None) -> Design:
    """The design of columns by name, or of a formula, for customers of whom so much is known.

    Parameters
    ----------
    asked
        Names of covariates, or a formula.
    known
        The covariates of all customers by name, each ``(customers,)``.
    weights
        How many customers each of these stands for, 1 if not given.

    Raises
    ------
    DomainError
        If a covariate is not known, missing for some customers, the same for all, or a combination of others.
    """
    if not isinstance(asked, str | Sequence) or not all(isinstance(name, str) for name in asked):
        raise DomainError(f"covariates must be names of columns, or a formula, got {asked!r}")
    count = len(next(iter(known.values()))) if known else 0
    if known and not count:
        raise DomainError("covariates of no customers move nothing: the history is empty")
    share = np.full(count, 1 / max(1, count)) if weights is None else weights / weights.sum()
    if isinstance(asked, str) and asked not in known:
        design: Design = _formula_of(asked, known, share)
    else:
        listed = [asked] if isinstance(asked, str) else list(asked)
        if not listed or len(set(listed)) < len(listed):
            raise DomainError(f"covariates must be one or more names, each of them once, got {asked!r}")
        design = Columns(tuple(_covariate(name, _told(known, name), share) for name in listed))
    if twice := [name for name in design.names if design.names.count(name) > 1]:
        raise DomainError(f"two columns would be called {twice[0]!r}: rename one of the covariates {asked!r}")
    _refuse_combinations(design, known, share)
    return design


def design_from(contents: Mapping[str, Any]) -> Design:
    """The design that `to_dict` wrote."""
    return Columns(tuple(_covariate_from(one) for one in contents["covariates"]))


def _covariate_from(contents: Mapping[str, Any]) -> Number | Category:
    if "levels" in contents:
        return Category(contents["name"], tuple(contents["levels"]), tuple(contents["shares"]))
    return Number(**contents)


def _told(known: Covariates, name: str) -> NDArray[Any]:
    """A covariate of which nothing is missing."""
    if name not in known:
        there = ", ".join(map(repr, known)) or "none: h.with_covariates(frame) brings them"
        raise DomainError(f"covariate {name!r} is not known of these customers{nearest(name, known)}; known: {there}")
    values = known[name]
    missing = np.isnan(values) if values.dtype.kind == "f" else values == np.array(None)
    infinite = np.isinf(values) if values.dtype.kind == "f" else np.zeros(values.size, dtype=bool)
    for broken, said in ((missing, "missing"), (infinite, "not finite")):
        if found := int(np.sum(broken)):
            raise DomainError(
                f"covariate {name!r} is {said} for {found:,} of {values.size:,} customers: fill it in, leave these "
                "customers out with h.take(...), or make 'missing' a category of its own"
            )
    return values


def _covariate(name: str, values: NDArray[Any], share: Array) -> Number | Category:
    if values.dtype.kind == "f":
        if np.all(values == values[0]):
            raise DomainError(
                f"covariate {name!r} is {values[0]:g} for all {values.size:,} customers: it moves nothing"
            )
        centre, spread = _centre_and_spread(values[:, None], share)
        return Number(name, float(centre[0]), float(spread[0]))
    levels, codes = np.unique(values, return_inverse=True)
    if levels.size < 2:
        raise DomainError(f"covariate {name!r} is {values[0]!r} for all {values.size:,} customers: it moves nothing")
    if levels.size > _MOST_LEVELS:
        raise DomainError(f"covariate {name!r} has {levels.size:,} levels, more than {_MOST_LEVELS}: group them first")
    return Category(name, tuple(levels.tolist()), tuple(np.bincount(codes, weights=share).tolist()))


def _formula_of(formula: str, known: Covariates, share: Array) -> Formula:
    """The design that a formula makes of these customers, without its constant: the law has that."""
    formulaic = need("formulaic", extra="formula")
    spec = _parsed(formulaic, formula)
    for name in sorted(map(str, spec.required_variables)):
        if name not in known and re.search(rf"\b{re.escape(name)}\s*\(", formula):
            raise DomainError(f"the formula {formula!r} calls {name!r}, which is no function that formulaic knows")
        _told(known, name)
    values, matrix = _by_formula(spec, known, formula)
    kept = [name for name in matrix.columns if name != "Intercept"]
    if not kept:
        raise DomainError(f"the formula {formula!r} names no covariate")
    _refuse_infinite(values, kept, formula)
    centre, spread = _centre_and_spread(values, share)
    return Formula(formula, matrix.model_spec, tuple(kept), tuple(centre.tolist()), tuple(spread.tolist()))


def _refuse_infinite(columns: Array, names: Sequence[str], formula: str) -> None:
    for name, column in zip(names, columns.T, strict=True):
        if broken := int(np.sum(~np.isfinite(column))):
            raise DomainError(
                f"{name!r} of the formula {formula!r} is not finite for {broken:,} of {column.size:,} customers"
            )


def _centre_and_spread(columns: Array, share: Array) -> tuple[Array, Array]:
    """Mean of each column, 0 where it is a flag, and its standard deviation."""
    size = np.abs(columns).max(axis=0)
    unit = np.where(size > 0, size, 1.0)  # what is measured in its largest value has a square
    mean = share @ (columns / unit)
    spread = unit * np.sqrt(share @ (columns / unit - mean) ** 2)
    flags = np.all((columns == 0) | (columns == 1), axis=0)
    return np.where(flags, 0.0, unit * mean), np.where(np.all(columns == columns[0], axis=0), 0.0, spread)


def _reach(centre: float, spread: float) -> float:
    """How far apart customers may well be in a column."""
    return 1.0 if centre == 0 and spread <= 1 / 2 else 2 * spread


def _by_formula(spec: Any, known: Covariates, formula: str) -> tuple[Array, Any]:
    """Columns of a formula, its constant left out."""
    import pandas as pd

    formulaic = need("formulaic", extra="formula")
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):  # it would make zeros of a level that it never saw
            warnings.simplefilter("error", formulaic.errors.DataMismatchWarning)
            matrix = spec.get_model_matrix(pd.DataFrame(dict(known)), na_action="raise")
    except (formulaic.errors.FormulaicError, formulaic.errors.DataMismatchWarning, *_BROKEN) as error:
        said = f"the formula {formula!r} cannot be worked out for these customers: {_said(error)}"
        raise DomainError(said) from error
    names = [name for name in matrix.columns if name != "Intercept"]
    return np.asarray(matrix[names], dtype=np.float64), matrix


def _refuse_combinations(design: Design, known: Covariates, share: Array) -> None:
    """Columns that are all but a combination of others have effects that no data can tell apart."""
    spread, customers = np.asarray(design.spread), share.size
    _refuse_scales(design.names, spread, customers)
    if len(design.names) >= customers:
        raise DomainError(
            f"{len(design.names):,} columns ({_listed(design.names)}) are too many for {customers:,} customers: an "
            "effect needs a customer of its own at the very least; leave columns out"
        )
    columns = design.matrix(known)
    whole = np.column_stack([np.ones(len(columns)), (columns - share @ columns) / spread])
    cross = (whole.T * share) @ whole
    size = np.linalg.svd(cross, compute_uv=False)
    if size[-1] < _ALIKE * size[0]:
        more = int(np.sum(size < _ALIKE * size[0])) - 1
        others = f", and then {more} more" if more else ""
        raise DomainError(
            f"{_listed(_alike(cross, design.names, _ALIKE * size[0]), ' and ')} tell the same of all "
            f"{customers:,} customers (one is a combination of the others): leave one out{others}"
        )


def _refuse_scales(names: Sequence[str], spread: Array, customers: int) -> None:
    """A column that is the same for all has no effect; one of a scale beyond squares has none that can be computed."""
    if not np.all(spread > 0):
        raise DomainError(f"{names[int(np.argmin(spread))]!r} is the same for all {customers:,} customers")
    for name, one in zip(names, spread, strict=True):
        if not _SCALES[0] < one < _SCALES[1]:
            raise DomainError(
                f"{name!r} has a standard deviation of {one:.3g}, beyond what can be squared: give it in other units, "
                f"divided by 1e{np.log10(one):.0f} say"
            )


def _alike(cross: Array, names: Sequence[str], least: float) -> list[str]:
    """The first columns of which one is a combination of the others."""
    ends = range(2, len(cross) + 1)
    end = ends[bisect_left(ends, 1, hi=len(ends) - 1, key=lambda k: int(np.linalg.eigvalsh(cross[:k, :k])[0] < least))]
    weight = np.abs(np.linalg.eigh(cross[:end, :end])[1][1:, 0])
    return [name for name, one in zip(names, weight, strict=False) if one > 0.05 * weight.max()]


def _listed(names: Sequence[str], last: str = ", ") -> str:
    """Some names, and how many more there are."""
    more = len(names) - _LISTED
    return ", ".join(map(repr, names[:_LISTED])) + f" and {more:,} more" if more > 0 else last.join(map(repr, names))


def needed(asked: Any, known: Iterable[str]) -> tuple[str, ...]:
    """Names of the covariates that columns by name, or a formula, are made of.

    >>> needed("age", ["age", "region"]), needed(["region"], ["age", "region"])
    (('age',), ('region',))
    """
    if not isinstance(asked, str):
        return tuple(asked)
    known = set(known)
    if asked in known:
        return (asked,)
    formulaic = need("formulaic", extra="formula")
    return tuple(sorted(known & {str(name) for name in _parsed(formulaic, asked).required_variables}))


_BROKEN = ArithmeticError, AttributeError, LookupError, SyntaxError, TypeError, ValueError
"""What the code in a formula may raise."""


def _parsed(formulaic: Any, formula: str) -> Any:
    """What formulaic makes of a formula."""
    try:
        parsed = formulaic.Formula(formula)
        sides = not hasattr(parsed, "required_variables") or type(parsed).__name__ == "StructuredFormula"
    except (formulaic.errors.FormulaicError, *_BROKEN) as error:
        raise DomainError(f"{formula!r} is neither a covariate nor a formula: {_said(error)}") from error
    if sides:
        raise DomainError(
            f"the formula {formula!r} has several sides; give what moves the process, such as 'age + C(region)'"
        )
    return parsed


def _said(error: BaseException) -> str:
    r"""What formulaic says is wrong, in one line, and the place in the formula that it points at.

    >>> _said(ValueError("Operator `+` is misplaced.\n\nage \u29db\x1b[1;31m+\x1b[0m\u29da"))
    "Operator `+` is misplaced (at '+')"
    """
    words = _MARKS.sub("", error.msg if isinstance(error, SyntaxError) else str(error))
    place = _POINTED.search(words)
    if place is None:
        return " ".join(words.split())
    said = " ".join(words[: words.rindex("\n\n", 0, place.start())].split()).rstrip(".")
    return f"{said} (at {place[1].strip()!r})"
