"""Groups: which customers are asked about together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np

from custrel.errors import DomainError
from custrel.frames import plain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from custrel.stats.estimate import Array

__all__ = ["Groups", "grouped"]

TAKEN = ("n", "value", "low", "high", "clv")


@dataclass(frozen=True, eq=False)
class Groups:
    """Groups of customers in the order of their labels.

    Parameters
    ----------
    labels
        Columns of labels, a row for each group.
    of
        Number of each customer's group, ``(customers,)``.
    """

    labels: Mapping[str, NDArray[Any]]
    of: NDArray[np.intp]

    def __len__(self) -> int:
        return len(next(iter(self.labels.values())))

    def sums(self, each: Array) -> Array:
        """Sum over the customers of each group.

        >>> grouped(["b", "a", "b"], 3).sums(np.array([1.0, 2.0, 4.0]))
        array([2., 5.])
        """
        return np.bincount(self.of, weights=each, minlength=len(self)).astype(np.float64)

    def columns(self, weights: Array) -> dict[str, NDArray[Any]]:
        """The labels, and how many customers each group has.

        >>> grouped(["b", "a", "b"], 3).columns(np.ones(3))["n"]
        array([1, 2])
        """
        n = self.sums(weights)
        return {**self.labels, "n": n.astype(np.int64) if np.array_equal(n, np.rint(n)) else n}

    def parts(self, size: int) -> Iterator[tuple[slice, NDArray[np.intp]]]:
        """At most `size` groups at a time, and their customers, group by group.

        >>> [rows.tolist() for _, rows in grouped(["b", "a", "b"], 3).parts(1)]
        [[1], [0, 2]]
        """
        order = np.argsort(self.of, kind="stable")
        ends = np.searchsorted(self.of[order], np.arange(len(self) + 1))
        for start in range(0, len(self), size):
            stop = min(start + size, len(self))
            yield slice(start, stop), order[ends[start] : ends[stop]]

    def members(
        self, some: slice, rows: NDArray[np.intp], place: NDArray[np.intp], weights: Array, shared: int
    ) -> Members:
        """How many customers of each of some groups share each of so many rows.

        Parameters
        ----------
        some, rows
            One of `parts`.
        place
            The shared row of each of these customers.
        weights
            How many each of all customers stands for.
        shared
            How many shared rows there are.
        """
        from scipy.sparse import csc_array

        where = self.of[rows] - some.start, place
        return Members(csc_array((weights[rows], where), shape=(some.stop - some.start, shared)))


class Members:
    """How many customers of each group share each row."""

    def __init__(self, counts: Any) -> None:
        self.counts = counts

    def sums(self, each: Array, part: Any) -> Array:
        """Sums over groups, on the last axis, of what some of the rows answer."""
        *ahead, rows = each.shape
        flat = np.ascontiguousarray(each.reshape(int(np.prod(ahead)), rows).T)
        return np.asarray((self.counts[:, part] @ flat).T.reshape(*ahead, -1))


def grouped(by: Any, customers: int) -> Groups:
    """The groups that the caller asks for.

    Parameters
    ----------
    by
        ``"all"`` for one group of all; or labels, one for each customer; or several such by name, of which each
        combination that is there is a group.
    customers
        How many there are.

    >>> grouped({"x": [2, 1, 2]}, 3).labels
    {'x': array([1, 2])}
    """
    if isinstance(by, str):
        if by != "all":
            raise DomainError(f"by must be 'all', or labels, one for each customer, got {by!r}")
        return Groups({"group": np.array(["all"], dtype=object)}, np.zeros(customers, dtype=np.intp))
    named = dict(by) if isinstance(by, Mapping) else {"group": by}
    if taken := [name for name in named if name in TAKEN]:
        raise DomainError(f"by: a column of the answer is called {taken[0]!r} already: choose another name")
    if not named:
        raise DomainError("by names no labels: give 'all', or labels, one for each customer")
    sides = [_coded(name, labels, customers) for name, labels in named.items()]
    code = np.zeros(customers, dtype=np.int64)
    for labels, codes in sides:
        code = code * max(1, len(labels)) + codes
    first, of = np.unique(code, return_index=True, return_inverse=True)[1:]
    columns = {name: labels[codes[first]] for name, (labels, codes) in zip(named, sides, strict=True)}
    return Groups(columns, of.reshape(-1))


def _coded(name: str, given: Any, customers: int) -> tuple[NDArray[Any], NDArray[np.intp]]:
    """The labels that there are, in order, and the number of each customer's."""
    labels = np.asarray(given)
    if labels.dtype.kind in "US":  # NumPy writes a NaN, or a number, among text as text
        labels = np.asarray(given, dtype=object)
    if labels.shape != (customers,):
        raise DomainError(
            f"by: {name!r} must hold one label for each of {customers:,} customers, got shape {labels.shape}: name "
            "several such, as {'channel': ..., 'year': ...}"
        )
    if labels.dtype.kind in "biuf":
        values, codes = np.unique(labels, return_inverse=True)
    elif labels.dtype.kind in "mM":
        values, codes = np.unique(labels.astype(_known_unit(labels.dtype)), return_inverse=True)
    else:
        values, codes = _sorted(name, labels.tolist())
    missing = np.array([plain(value) is None for value in values], dtype=bool)
    if missing.any():
        raise DomainError(
            f"by: {name!r} is missing for {np.sum(missing[codes]):,} of {customers:,} customers: give them a label"
        )
    return values, codes


def _known_unit(dtype: Any) -> str:
    """A unit of times that every library knows: days, or microseconds and finer."""
    unit = np.datetime_data(dtype)[0]
    if dtype.kind == "M" and unit in {"Y", "M", "W", "D"}:
        return "M8[D]"
    return f"{dtype.kind}8[{unit if unit in {'ms', 'us', 'ns'} else 'us'}]"


def _sorted(name: str, labels: list[Any]) -> tuple[NDArray[Any], NDArray[np.intp]]:
    """Labels of Python's own types in order: all of one kind, which every library can hold."""
    place: dict[Any, int] = {}
    codes = np.array([place.setdefault(label, len(place)) for label in labels], dtype=np.intp)
    values = np.empty(len(place), dtype=object)
    values[:] = list(place)
    if any(plain(value) is None for value in values):  # a label that is missing has no place in an order
        return values, codes
    kinds = {_kind(found): found for found in set(map(type, labels))}
    if len(kinds) > 1:
        raise DomainError(
            f"by: labels of {name!r} must be of one kind; found {' and '.join(sorted(kinds))}: make all of them text"
        )
    try:
        order = np.array(sorted(range(len(place)), key=values.__getitem__), dtype=np.intp)
    except TypeError as error:
        raise DomainError(f"by: labels of {name!r} must have an order: {error}; make them text") from error
    back = np.empty_like(order)
    back[order] = np.arange(order.size)
    return _held(values[order], next(iter(kinds), "text")), back[codes]


_KINDS: tuple[tuple[Any, str], ...] = (
    (bool | np.bool_, "flags"),
    (Integral | float | np.floating, "numbers"),
    (str, "text"),
    (bytes, "bytes"),
    (datetime, "datetimes"),
    (date, "dates"),
    (timedelta, "spans"),
    (Decimal, "decimals"),
)
"""Labels that every library can hold."""


def _kind(found: type) -> str:
    return next((said for parent, said in _KINDS if issubclass(found, parent)), found.__name__)


def _held(values: NDArray[Any], kind: str) -> NDArray[Any]:
    """Numbers as an array of them; what not every library can hold, as a period or an interval of pandas, as text."""
    if kind == "numbers":
        numbers = np.array(values.tolist())
        if numbers.dtype.kind in "iu" or (numbers.dtype.kind == "f" and all(numbers == values)):
            return numbers
    if kind in {said for _, said in _KINDS} - {"numbers"}:
        return values
    return np.array([str(value) for value in values], dtype=object)
