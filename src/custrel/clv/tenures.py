"""Tenures: how many periods contracts have lasted, and whether they ended. What a contractual law is fitted to.

Time runs in periods, from one renewal to the next. A customer pays for a period when it begins; at its end they renew
or leave. Age t is the end of the t-th period: who leaves there has T = t, who renews has T > t. Nobody leaves at age 0,
where all begin.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self

import narwhals.stable.v2 as nw
import numpy as np
from numpy.typing import ArrayLike, NDArray

from custrel.errors import DomainError, SchemaError, one_of
from custrel.frames import collect, enter, leave, number_or_text, readable_covariates, require, tally
from custrel.history import DAYS, checked_covariates, codes_of, groups_of
from custrel.stats.estimate import Array

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

__all__ = ["Tenures", "numbers", "whole_periods"]


@dataclass(frozen=True, eq=False, repr=False)
class Tenures:
    """For each row: an age in whole periods, whether its customers left there or were still here, and how many.

    Parameters
    ----------
    age
        Periods completed, ``(rows,)``: where `ended`, T itself, the period at whose end they left, 1 or more; elsewhere
        the renewals made by the time they were last seen, so that T > age (right-censored).
    ended
        Whether the contract ended there, ``(rows,)``.
    n
        How many customers the row stands for, 1 if not given. Percentages serve the parameters as well as counts do,
        since only ratios matter there; but standard errors, AIC and BIC are those of as many customers as the numbers
        add up to: of 100 where a cohort begins at 100, however large it was.
    unit
        Length of a period: day, week, month, quarter or year.
    like
        The library whose frames answers leave as.
    covariates
        What else is known of each row's customers, by name, each ``(rows,)``: numbers, flags or text.

    Raises
    ------
    DomainError
        If there is no row, an array has another length, or a row is impossible: an age that is no whole number of
        periods, an end at age 0, a number of customers that is not above 0.

    Examples
    --------
    Of 1,000 customers 369 left after the first year and 163 after the second; 468 have renewed twice.

    >>> tenures = Tenures(age=[1, 2, 2], ended=[True, True, False], n=[369, 163, 468], unit="year")
    >>> tenures
    Tenures of 1,000 customers: 532 left, 468 still here, ages of up to 2 years
    >>> tenures.lost, tenures.kept
    (array([369., 163.,   0.]), array([  0.,   0., 468.]))
    """

    age: Array
    ended: NDArray[np.bool_]
    n: Array | None = None
    unit: str = field(kw_only=True)
    like: str = field(default="pandas", kw_only=True)
    covariates: Mapping[str, NDArray[Any]] = field(default_factory=dict, kw_only=True)

    def __post_init__(self) -> None:
        one_of("unit", self.unit, DAYS)
        columns = {"age": whole_periods("age", self.age), "ended": _flags(self.ended)}
        if self.n is not None:
            columns["n"] = numbers("n, the customers of each row,", self.n)
        for name, values in columns.items():
            if values.ndim != 1 or values.shape != columns["age"].shape:
                raise DomainError(f"Tenures: age, ended and n must have one length each; {name} has {values.shape}")
            values.flags.writeable = False
            object.__setattr__(self, name, values)
        object.__setattr__(self, "covariates", checked_covariates(self.covariates, len(self)))
        _refuse_impossible_rows(self)

    def __len__(self) -> int:
        return int(self.age.size)

    def __repr__(self) -> str:
        left, here, young = (f"{float(n.sum()):,.10g}" for n in (self.lost, self.kept, self.kept[self.age == 0]))
        first = "" if young == "0" else f" ({young} of them in their first {self.unit})"
        longest = f"ages of up to {self.age.max():,.10g} {self.unit}s"
        return f"Tenures of {self.customers:,.10g} customers: {left} left, {here} still here{first}, {longest}"

    @property
    def weights(self) -> Array:
        """How many customers each row stands for."""
        return np.ones(len(self)) if self.n is None else self.n

    @property
    def customers(self) -> float:
        """How many customers in all."""
        return float(np.round(self.weights.sum(), 6))  # tenths of a percent would else add up to 99.99999999999999

    @property
    def lost(self) -> Array:
        """How many left at each row's age."""
        return np.where(self.ended, self.weights, 0.0)

    @property
    def kept(self) -> Array:
        """How many were still here when last seen, at each row's age."""
        return np.where(self.ended, 0.0, self.weights)

    def take(self, rows: Any) -> Self:
        """The tenures of some rows: a mask, a slice or indices.

        >>> len(Tenures(age=[1, 2], ended=[True, False], unit="month").take([True, False]))
        1
        """
        chosen = np.asarray(rows) if isinstance(rows, list) else rows
        n = None if self.n is None else self.n[chosen]
        known = {name: values[chosen] for name, values in self.covariates.items()}
        return replace(self, age=self.age[chosen], ended=self.ended[chosen], n=n, covariates=known)

    def knowing(self, names: Iterable[str]) -> Self:
        """The same with no covariates but these."""
        return replace(self, covariates={name: self.covariates[name] for name in names})

    def standing_for(self, n: Array) -> Self:
        """The same rows, each for so many customers."""
        return replace(self, n=n)

    def blocks(self, size: int) -> Iterator[Self]:
        """The tenures in consecutive pieces of at most `size` rows."""
        return (self.take(slice(start, start + size)) for start in range(0, len(self), size))

    def distinct(self) -> Self:
        """Equal rows as one, with their number in `n`: all that a likelihood needs.

        >>> Tenures(age=[2, 1, 2], ended=[False, True, False], unit="month").distinct().n
        array([1., 2.])
        """
        first, rows, _ = groups_of((self.age, self.ended, *map(codes_of, self.covariates.values())))
        n = np.bincount(rows, weights=self.weights).astype(np.float64)
        return self.take(first).standing_for(n)

    def to_frame(self) -> Any:
        """How many left and how many were last seen at each age, as a frame of the caller's library.

        >>> Tenures.from_survivors([1000, 631, 468], unit="year").to_frame()
           age   lost   kept
        0  1.0  369.0    0.0
        1  2.0  163.0  468.0
        """
        age, rows = np.unique(self.age, return_inverse=True)
        lost, kept = (np.bincount(rows, weights=n) for n in (self.lost, self.kept))
        return leave({"age": age, "lost": lost, "kept": kept}, like=self.like)

    @classmethod
    def from_survivors(cls, survivors: Iterable[Any], *, unit: str, like: str = "pandas") -> Self:
        """Read how many of a cohort were left at age 0, 1, 2, ..., or the same of several cohorts.

        Parameters
        ----------
        survivors
            Counts that never rise, beginning with the size of the cohort: ``[1000, 631, 468]``; or a list of such
            lists, each read up to its own end. Percentages will do; what they do to standard errors stands under `n`
            of `Tenures`.
        unit
            Length of a period.
        like
            The library whose frames answers leave as.

        Raises
        ------
        DomainError
            If counts rise, are negative or no numbers, or a cohort is empty.

        Examples
        --------
        >>> Tenures.from_survivors([[1000, 631, 468], [800, 520]], unit="year")
        Tenures of 1,800 customers: 812 left, 988 still here, ages of up to 2 years
        """
        cohorts = _cohorts(survivors)
        ages = [np.arange(counts.size) for counts in cohorts]
        age = np.concatenate([*(age[1:] for age in ages), [age[-1] for age in ages]])
        n = np.concatenate([*(-np.diff(counts) for counts in cohorts), [counts[-1] for counts in cohorts]])
        ended = np.arange(age.size) < age.size - len(cohorts)
        there = n > 0
        return cls(age[there], ended[there], n[there], unit=unit, like=like).distinct()

    @classmethod
    def from_spans(
        cls, frame: Any, *, unit: str, span: str = "span", ended: str = "ended", covariates: Sequence[str] = ()
    ) -> Self:
        """Read a table with a row for each customer; equal rows are summed where the data live.

        Parameters
        ----------
        frame
            Any frame.
        unit
            Length of a period.
        span
            Column of whole periods. Of a contract that ended: how many it lasted in all, the one in which it ended
            included, so 1 or more. Of one that is open: how many are completed and renewed after, the one that runs
            not included; 0 in its first period, which tells nothing and is allowed.
        ended
            Column that says whether the contract ended: true or false, 1 or 0.
        covariates
            Columns of what else is known of the customers: numbers, flags or text.

        Raises
        ------
        SchemaError
            If a column is missing, or does not hold numbers and flags without gaps.
        DomainError
            If there is no row, a span is no whole number, or a contract ended with a span of 0.

        Examples
        --------
        >>> import pandas as pd
        >>> contracts = pd.DataFrame({"months": [1, 3, 3, 0], "cancelled": [True, False, True, False]})
        >>> Tenures.from_spans(contracts, span="months", ended="cancelled", unit="month")
        Tenures of 4 customers: 2 left, 2 still here (1 of them in their first month), ages of up to 3 months
        """
        rows, like = enter(frame)
        require(rows, [span, ended, *covariates], purpose="a table of contracts")
        _refuse_other_types(rows, span, ended)
        columns = {"span": nw.col(span), "ended": nw.col(ended), **readable_covariates(rows, covariates)}
        found = collect(tally(rows.select(**columns), list(columns)))
        spans = _without_gaps(found["span"], f"column {span!r} (span) must hold whole periods")
        flags = _without_gaps(found["ended"], f"column {ended!r} (ended) must hold true or false, or 1 and 0", (0, 1))
        spans = whole_periods(f"column {span!r} (span)", spans)
        known = {name: number_or_text(name, found[name]) for name in covariates}
        n = found["n"].astype(np.float64)
        return cls(spans, flags == 1, n, unit=unit, like=like, covariates=known).distinct()


def whole_periods(name: str, given: ArrayLike, *, least: int = 0) -> Array:
    """Whole numbers of periods, as floats.

    >>> whole_periods("age", 1.5)
    Traceback (most recent call last):
    custrel.errors.DomainError: age must be whole periods, 0 or more, got 1.5
    """
    values = numbers(name, given)
    broken = ~((values >= least) & np.isfinite(values) & (np.floor(values) == values))
    if broken.any():
        raise DomainError(f"{name} must be whole periods, {least} or more, got {values[broken].flat[0]:g}")
    return values


def numbers(name: str, given: ArrayLike) -> Array:
    """A copy as floats.

    >>> numbers("age", "old")
    Traceback (most recent call last):
    custrel.errors.DomainError: age must be numbers, got 'old'
    """
    try:
        return np.array(given, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DomainError(f"{name} must be numbers, got {given!r}") from error


def _flags(given: ArrayLike) -> NDArray[Any]:
    flags = np.array(given)
    if flags.size and flags.dtype != np.bool_:
        raise DomainError(f"Tenures: ended must be true or false for each row, got values of type {flags.dtype}")
    return flags.astype(np.bool_)


def _refuse_impossible_rows(tenures: Tenures) -> None:
    if not len(tenures):
        raise DomainError("Tenures: there is no row, so no customer to learn from")
    promises = {
        "n, the customers of each row, must be above 0 and finite": (tenures.weights > 0)
        & np.isfinite(tenures.weights),
        "a contract that ended lasted at least 1 period, the one in which it ended": ~tenures.ended
        | (tenures.age >= 1),
    }
    for promise, kept in promises.items():
        if not kept.all():
            row = int(np.argmin(kept))
            found = f"age={tenures.age[row]:g}, ended={tenures.ended[row]}, n={tenures.weights[row]:g}"
            raise DomainError(
                f"Tenures: {promise}; {np.sum(~kept):,} of {len(tenures):,} rows break this: row {row} has {found}"
            )


def _cohorts(survivors: Iterable[Any]) -> list[Array]:
    """Counts of each cohort, or why they are none."""
    if isinstance(survivors, str | bytes | Mapping) or hasattr(survivors, "columns"):
        raise DomainError(
            "survivors must be counts by age, such as [1000, 631, 468], or a list of such lists; "
            f"got a {type(survivors).__name__}: give its counts as lists"
        )
    try:
        listed = list(survivors)
        single = all(np.ndim(value) == 0 for value in listed)
        cohorts = [np.asarray(counts, dtype=np.float64) for counts in ([listed] if single else listed)]
    except (TypeError, ValueError) as error:
        raise DomainError(
            f"survivors must be counts by age, such as [1000, 631, 468], or a list of such lists: {error}"
        ) from error
    for position, counts in enumerate(cohorts):
        _refuse_impossible_counts(counts, f"cohort {position}")
    return cohorts


def _refuse_impossible_counts(counts: Array, name: str) -> None:
    if counts.ndim != 1 or not counts.size:
        raise DomainError(f"survivors: {name} must be a list of counts that begins with its size at age 0")
    if not np.all(np.isfinite(counts) & (counts >= 0)) or counts[0] == 0:
        raise DomainError(
            f"survivors: counts of {name} must be finite and 0 or more, its size above 0, got {counts.tolist()}; "
            "end its list where its record ends"
        )
    rises = np.flatnonzero(np.diff(counts) > 0)
    if rises.size:
        t = int(rises[0])
        raise DomainError(
            f"survivors: {name} rises from {counts[t]:g} at age {t} to {counts[t + 1]:g} at age {t + 1}; who has left "
            "is not counted again, so begin a cohort of their own for those who came back"
        )


def _refuse_other_types(frame: Any, span: str, ended: str) -> None:
    if span == ended:
        raise SchemaError(f"span and ended must be two columns; both are {span!r}")
    there = frame.collect_schema()
    for column, also, told in ((span, (), "numbers"), (ended, ("Boolean",), "flags")):
        dtype = there[column]
        if not (dtype.is_numeric() or str(dtype) in {"Unknown", *also}):
            raise SchemaError(f"column {column!r} must hold {told}; found {dtype}")


def _without_gaps(values: NDArray[Any], promise: str, allowed: tuple[int, ...] | None = None) -> Array:
    """Each group's value as a number; none may be missing."""
    try:
        found = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise SchemaError(f"{promise} in each row: {error}") from error
    broken = ~np.isin(found, allowed) if allowed else np.isnan(found)
    if broken.any():
        raise SchemaError(f"{promise} in each row; found {found[broken].tolist()} (nan: missing)")
    return found
