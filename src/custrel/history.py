"""History: what a law needs to know of each customer. The wall: frames on one side, arrays on this one."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from custrel.errors import DomainError, SchemaError, one_of
from custrel.frames import leave, number_or_text, read_columns, read_covariates
from custrel.stats.estimate import Array

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

__all__ = [
    "DAYS",
    "History",
    "PurchaseTimes",
    "checked_covariates",
    "checked_history",
    "codes_of",
    "even_log_gaps",
    "groups_of",
]

DAYS: Mapping[str, float] = MappingProxyType(
    {
        "microsecond": 1 / 86_400_000_000,
        "second": 1 / 86_400,
        "minute": 1 / 1440,
        "hour": 1 / 24,
        "day": 1.0,
        "week": 7.0,
        "month": 365.25 / 12,
        "quarter": 365.25 / 4,
        "year": 365.25,
    }
)
"""Length of each unit in days; a year is 365.25 days, a month a twelfth of it."""

_SAMPLE = 1 << 14  # rows that tell whether there are equal ones
_MANY = 1 << 20  # three whole numbers below this fit into one of 64 bits

_PER_CUSTOMER = ("customer_id", "x", "t_x", "T", "spend", "n", "log_gaps")


@dataclass(frozen=True, eq=False, repr=False)
class History:
    """For each customer: how many repeat purchases, when the last one, observed how long, and their mean value.

    Parameters
    ----------
    x
        Repeat purchases: purchases after the first one, shape ``(customers,)``.
    t_x
        Time from the first purchase to the last one, in `unit`; 0 where x is 0.
    T
        Time from the first purchase to the end of observation, in `unit`.
    spend
        Mean value of a purchase, NaN where there is none; of which purchases, `spend_of` says.
    customer_id
        Who; the row's number if not given.
    n
        How many customers share the row, 1 if not given; `distinct` sets it.
    log_gaps
        Sum of the logarithms of the times between purchases, the first purchase included; laws of regular purchasing
        need it.
    unit
        Unit of t_x and T: day, week, month, year or hour.
    grain
        Purchases of one customer within one grain were counted as one purchase.
    until
        End of observation.
    spend_of
        Whether `spend` is the mean over repeat purchases (``"repeat"``) or over all (``"all"``).
    like
        The library whose frames answers leave as.
    counts
        What was merged or left out on the way here, by reason.
    covariates
        What else is known of each customer, by name: numbers as floats, NaN where missing; text as objects, None where
        missing. `with_covariates` brings them.

    Raises
    ------
    DomainError
        If an array has another length, or a row is impossible: negative or broken counts, not 0 <= t_x <= T,
        repeat purchases without a time or a time without them.

    Examples
    --------
    >>> h = History(x=[2, 0], t_x=[30.43, 0], T=[38.86, 38.86], unit="week")
    >>> h
    History of 2 customers: 2 repeat purchases by 1 of them, watched for up to 38.86 weeks
    >>> h.x
    array([2., 0.])
    """

    x: Array
    t_x: Array
    T: Array
    spend: Array | None = None
    customer_id: NDArray[Any] | None = None
    n: Array | None = None
    log_gaps: Array | None = None
    unit: str = "week"
    grain: str = "day"
    until: str | None = None
    spend_of: str = "repeat"
    like: str = "pandas"
    counts: Mapping[str, int] = field(default_factory=dict)
    covariates: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        one_of("unit", self.unit, DAYS)
        one_of("grain", self.grain, DAYS)
        one_of("spend_of", self.spend_of, ["repeat", "all"])
        size = np.size(self.x)
        for name in _PER_CUSTOMER:
            given = getattr(self, name)
            if given is None and name == "customer_id":
                given = np.arange(size)
            if given is None:
                continue
            values = np.array(given) if name == "customer_id" else _numbers(name, given)
            if values.shape != (size,):
                raise DomainError(f"History: {name} must have shape ({size},) as x has, got {values.shape}")
            object.__setattr__(self, name, _frozen(values))
        object.__setattr__(self, "counts", dict(self.counts))
        object.__setattr__(self, "covariates", checked_covariates(self.covariates, size))
        _refuse_impossible_rows(self)

    def __len__(self) -> int:
        return int(self.x.size)

    def __repr__(self) -> str:
        who = f"{self.customers:,.0f} customers"
        rows = "" if self.n is None else f" in {len(self):,} distinct rows"
        buyers = f"{float(self.weights @ (self.x > 0)):,.0f} of them"
        longest = f"{self.T.max(initial=0):.4g} {self.unit}s"
        bought = f"{float(self.weights @ self.x):,.0f} repeat purchases by {buyers}"
        return f"History of {who}{rows}: {bought}, watched for up to {longest}"

    @property
    def weights(self) -> Array:
        """How many customers each row stands for."""
        return np.ones(len(self)) if self.n is None else self.n

    @property
    def customers(self) -> float:
        """How many customers in all."""
        return float(self.weights.sum())

    @property
    def paid(self) -> Array:
        """How many purchases each mean in `spend` rests on."""
        return self.x + (self.spend_of == "all")

    @property
    def years(self) -> float:
        """Length of the unit in years."""
        return DAYS[self.unit] / DAYS["year"]

    def take(self, rows: Any) -> Self:
        """The history of some rows: a mask, a slice or indices.

        >>> len(History(x=[2, 0], t_x=[3, 0], T=[4, 4]).take([True, False]))
        1
        """
        chosen = np.asarray(rows, dtype=None if len(rows) else int) if isinstance(rows, list) else rows
        known = {name: column for name in _PER_CUSTOMER if (column := getattr(self, name)) is not None}
        try:
            picked = {name: column[chosen] for name, column in known.items()}
        except IndexError as error:
            raise DomainError(f"take: rows must pick from {len(self):,} rows, got {rows!r:.80}: {error}") from error
        if np.ndim(picked["x"]) != 1:
            raise DomainError(f"take: rows must be a mask, a slice or a list of indices, got {rows!r:.80}")
        return self._with(picked, {name: column[chosen] for name, column in self.covariates.items()})

    def _with(self, columns: dict[str, NDArray[Any] | None], covariates: dict[str, NDArray[Any]] | None = None) -> Self:
        """The same with other columns, which hold rows of this history and so need not be checked again."""
        twin = object.__new__(type(self))
        frozen = {name: None if column is None else _frozen(column) for name, column in columns.items()}
        known = self.covariates if covariates is None else {k: _frozen(one) for k, one in covariates.items()}
        twin.__dict__.update(self.__dict__ | frozen | {"counts": dict(self.counts), "covariates": dict(known)})
        return twin

    def standing_for(self, n: Array) -> Self:
        """The same rows, each for so many customers."""
        return self._with({"n": n})

    def knowing(self, names: Iterable[str]) -> Self:
        """The same with no covariates but these."""
        return self._with({}, {name: self.covariates[name] for name in names})

    def with_covariates(
        self, frame: Any, *, columns: Sequence[str] | None = None, customer_id: str | None = None
    ) -> Self:
        """The same with what else is known of each customer, from a table with a row for each.

        Parameters
        ----------
        frame
            Any frame; it may hold customers who are not in the history.
        columns
            Which columns to take: numbers, flags or text. All but the customers if not given.
        customer_id
            The column that says who. Without it the column of that name is taken, else a pandas index that is more than
            a row number.

        Raises
        ------
        SchemaError
            If no column says who, one is missing or holds something else, or a customer has no row, or two.

        Examples
        --------
        >>> import pandas as pd
        >>> h = History(x=[2, 0], t_x=[3, 0], T=[4, 4], customer_id=["c1", "c2"])
        >>> h.with_covariates(pd.DataFrame({"customer_id": ["c2", "c1"], "age": [31, 48]})).covariates
        {'age': array([48., 31.])}
        """
        known, who = read_covariates(frame, columns, customer_id)
        if who is None:
            raise SchemaError("a table of covariates must say who each row is of: name the column by customer_id=...")
        rows = _places(np.asarray(self.customer_id), who)
        return self._with({}, {**self.covariates, **{name: values[rows] for name, values in known.items()}})

    def blocks(self, size: int) -> Iterator[Self]:
        """The history in consecutive pieces of at most `size` rows."""
        return (self.take(slice(start, start + size)) for start in range(0, len(self), size))

    def distinct(self) -> Self:
        """Equal histories as one row with their number in `n`: all that a likelihood of purchases needs.

        Whole-day data shrink three- to fifty-fold. Who is who, and what they spent, is left behind; customers of whom
        unlike covariates are known stay apart. Where none of 16,384 rows equals another, as with times in continuous
        time, rows stay as they are.

        >>> h = History(x=[0, 2, 0], t_x=[0, 3, 0], T=[4, 4, 4]).distinct()
        >>> h.x, h.n
        (array([0., 2.]), array([2., 1.]))
        """
        if not self._repeats():
            return self._with({"n": self.weights, "spend": None, "customer_id": np.arange(len(self))})
        key = None if self.n is not None else self._key()
        return self.collapse()[0] if key is None else self._distinct_by(np.sort(key))

    def _key(self) -> NDArray[np.int64] | None:
        """One whole number for x, t_x and T; None where they are not whole numbers of grains, or there is more."""
        if self.log_gaps is not None or self.covariates:
            return None
        x, t_x, T = (self._on_grid(column) for column in (self.x, self.t_x, self.T))
        return None if x is None or t_x is None or T is None else (x * _MANY + t_x) * _MANY + T

    def _repeats(self) -> bool:
        """Whether equal rows are to be found: among many rows a sample tells, and to sort them all costs more."""
        some = self.take(slice(None, None, max(1, len(self) // _SAMPLE)))
        return len(some) < _SAMPLE or len(some.collapse()[0]) < len(some)

    def _on_grid(self, column: Array) -> NDArray[np.int64] | None:
        """Counts, or times as whole numbers of grains; None where they are not exactly that, or too many."""
        per_unit = 1.0 if column is self.x else DAYS[self.unit] / DAYS.get(self.grain, 1.0)
        codes = np.rint(column * per_unit)
        exact = codes.max(initial=0) < _MANY and np.array_equal(codes / per_unit, column)
        return codes.astype(np.int64) if exact else None

    def _distinct_by(self, key: NDArray[np.int64]) -> Self:
        """Sorted keys read back as their parts: ten times quicker than sorting rows."""
        per_unit = DAYS[self.unit] / DAYS.get(self.grain, 1.0)
        starts = np.flatnonzero(np.diff(key, prepend=-1))
        n = np.diff(starts, append=key.size)
        rest, T = np.divmod(key[starts], _MANY)
        x, t_x = np.divmod(rest, _MANY)
        numbers = {"x": x.astype(np.float64), "t_x": t_x / per_unit, "T": T / per_unit, "n": n.astype(np.float64)}
        return self._with({**numbers, "spend": None, "customer_id": np.arange(n.size)})

    def collapse(self) -> tuple[Self, NDArray[np.intp]]:
        """The distinct histories, and for each customer the row that holds theirs: ``distinct.take(rows)`` is h.

        >>> History(x=[0, 2, 0], t_x=[0, 3, 0], T=[4, 4, 4]).collapse()[1]
        array([0, 1, 0])
        """
        key = self._key()
        known = (codes_of(column) for column in self.covariates.values())
        first, rows, n = groups_of((self.x, self.t_x, self.T, self.log_gaps, *known) if key is None else (key,))
        if self.n is not None:
            n = np.bincount(rows, weights=self.n, minlength=len(first))
        found = self.take(first)
        # One of our own kind: what is private to a class is not private among its values.
        return found._with({"n": n.astype(np.float64), "spend": None, "customer_id": np.arange(len(first))}), rows  # noqa: SLF001

    def to_frame(self) -> Any:
        """The history as a frame of the caller's library: customer_id, x, t_x, T, and spend where it is known.

        >>> History(x=[2], t_x=[3], T=[4], customer_id=["c1"]).to_frame()
          customer_id  x  t_x    T
        0          c1  2  3.0  4.0
        """
        columns: dict[str, Any] = {"customer_id": self.customer_id, "x": self.x.astype(np.int64)}
        columns |= {"t_x": self.t_x, "T": self.T}
        columns |= {k: getattr(self, k) for k in ("spend", "n", "log_gaps") if getattr(self, k) is not None}
        return leave(columns, like=self.like)

    @classmethod
    def from_summary(
        cls,
        frame: Any,
        *,
        unit: str,
        x: str = "x",
        t_x: str = "t_x",
        T: str = "T",
        spend: str | None = None,
        customer_id: str | None = None,
        spend_of: str = "repeat",
    ) -> Self:
        """Read a table with a row for each customer, such as other packages make.

        Parameters
        ----------
        frame
            Any frame.
        unit
            Unit of t_x and T.
        x, t_x, T, spend, customer_id
            The names that the columns have in the frame. Without `spend` there is none. Without `customer_id` the
            column of that name is taken, else a pandas index that is more than a row number, else the row's number.
        spend_of
            Whether spend is the mean over ``"repeat"`` purchases or over ``"all"``.

        Raises
        ------
        SchemaError
            If a column is missing or does not hold numbers.
        DomainError
            If a row is impossible.

        Examples
        --------
        >>> import pandas as pd
        >>> table = pd.DataFrame({"frequency": [2], "recency": [30.43], "T": [38.86]}, index=["c1"])
        >>> h = History.from_summary(table, unit="week", x="frequency", t_x="recency")
        >>> h.customer_id, h.t_x
        (array(['c1'], dtype=object), array([30.43]))
        """
        wanted = {"x": x, "t_x": t_x, "T": T} | ({} if spend is None else {"spend": spend})
        columns, who, like = read_columns(frame, wanted, customer_id)
        _refuse_repeated(who)
        if "spend" in columns:  # such tables write 0 for customers who have no purchase to average over
            known = columns["x"] + (spend_of == "all") > 0
            columns["spend"] = np.where(known, columns["spend"], np.nan)
        counted, last, watched = columns["x"], columns["t_x"], columns["T"]
        return cls(counted, last, watched, columns.get("spend"), who, unit=unit, spend_of=spend_of, like=like)


@dataclass(frozen=True, eq=False)
class PurchaseTimes:
    """Repeat purchases in continuous time: which customer, and how long after the first purchase.

    Parameters
    ----------
    customer
        Index of the customer, ``(purchases,)``, in order.
    time
        Time since that customer's first purchase, in order within a customer.
    T
        How long each customer was watched, ``(customers,)``.
    unit
        Unit of the times.

    Examples
    --------
    >>> times = PurchaseTimes(customer=np.array([0, 0, 2]), time=np.array([1.5, 2.0, 0.3]), T=np.array([4.0, 4.0, 4.0]))
    >>> times.history().x
    array([2., 0., 1.])
    >>> times.count(before=1.0)
    array([0, 0, 1])
    """

    customer: NDArray[np.intp]
    time: Array
    T: Array
    unit: str = "week"

    def count(self, *, before: float | Array) -> NDArray[np.intp]:
        """How many purchases each customer made by that time."""
        ends = np.broadcast_to(before, self.T.shape)[self.customer]
        return np.bincount(self.customer[self.time <= ends], minlength=self.T.size)

    def first(self, purchases: Array) -> PurchaseTimes:
        """Only so many first purchases of each customer.

        >>> times = PurchaseTimes(customer=np.array([0, 0, 2]), time=np.array([1.5, 2.0, 0.3]), T=np.array([4.0, 4, 4]))
        >>> times.first(np.array([1, 1, 0])).time
        array([1.5])
        """
        bought = np.bincount(self.customer, minlength=self.T.size)
        position = np.arange(self.customer.size) - np.repeat(np.cumsum(bought) - bought, bought)
        kept = position < purchases[self.customer]
        return replace(self, customer=self.customer[kept], time=self.time[kept])

    def history(self, until: float | Array | None = None, *, log_gaps: bool = False) -> History:
        """The history as seen at that time since each first purchase; at T if not given.

        Parameters
        ----------
        until
            When it is seen.
        log_gaps
            Whether it carries the sum of the logarithms of the times between purchases.

        Examples
        --------
        >>> times = PurchaseTimes(customer=np.array([0, 0]), time=np.array([2.0, 5.0]), T=np.array([9.0, 9.0]))
        >>> times.history(log_gaps=True).log_gaps.round(4)  # log 2 + log 3
        array([1.7918, 0.    ])
        """
        T = self.T if until is None else np.broadcast_to(np.asarray(until, dtype=float), self.T.shape)
        seen = self.time <= T[self.customer]
        customer, time = self.customer[seen], self.time[seen]
        t_x = np.zeros(self.T.size)
        np.maximum.at(t_x, customer, time)
        x = np.bincount(customer, minlength=self.T.size).astype(np.float64)
        sums = _sums_of_log_gaps(customer, time, self.T.size) if log_gaps else None
        return History(x=x, t_x=t_x, T=T, log_gaps=sums, unit=self.unit, grain="microsecond")


def checked_history(h: Any, *, law: str) -> History:
    """The history that a law is fitted to, or what to do to get one."""
    if not isinstance(h, History):
        raise DomainError(
            f"{law} needs a History, as log.history(until=...) or History.from_summary make; got {type(h).__name__}"
        )
    return h


def even_log_gaps(h: History) -> Array:
    """What `log_gaps` is where all times between a customer's purchases have one length: the most it can be.

    >>> even_log_gaps(History(x=[0, 2], t_x=[0, 6], T=[9, 9])).round(4)  # 2 log 3
    array([0.    , 2.1972])
    """
    return np.asarray(h.x * np.log(np.where(h.x > 0, h.t_x, 1.0) / np.maximum(h.x, 1)))


def _sums_of_log_gaps(customer: NDArray[np.intp], time: Array, customers: int) -> Array:
    first = np.diff(customer, prepend=-1) != 0
    gaps = time - np.where(first, 0.0, np.roll(time, 1))
    if bad := int(np.sum(~(gaps > 0))):
        raise DomainError(
            f"log_gaps: {bad:,} purchases come at one moment with the one before: merge them into one purchase"
        )
    return np.bincount(customer, weights=np.log(gaps), minlength=customers).astype(np.float64)


def checked_covariates(given: Mapping[str, Any], size: int) -> dict[str, NDArray[Any]]:
    """Covariates of so many customers, by name.

    >>> checked_covariates({"age": [31]}, 2)
    Traceback (most recent call last):
    custrel.errors.DomainError: covariate 'age' must have shape (2,), got (1,)
    """
    found = {name: number_or_text(name, values) for name, values in given.items()}
    for name, values in found.items():
        if values.shape != (size,):
            raise DomainError(f"covariate {name!r} must have shape ({size},), got {values.shape}")
    return {name: _frozen(values) for name, values in found.items()}


def _refuse_repeated(who: NDArray[Any] | None) -> None:
    """A table with a row for each customer has no customer twice."""
    if who is None:
        return
    counts = Counter(who.tolist())
    if again := who.size - len(counts):
        twice = next(one for one, count in counts.items() if count > 1)
        raise SchemaError(
            f"customer_id must name each customer once; {again:,} of {who.size:,} rows are of "
            f"one who has another row, such as {twice!r}: sum their purchases first, or name another column"
        )


def codes_of(values: NDArray[Any]) -> NDArray[Any]:
    """Values as they can be sorted: text as whole numbers, one for each."""
    if values.dtype.kind == "f":
        return values
    seen = {one: code for code, one in enumerate(dict.fromkeys(values.tolist()))}
    return np.fromiter((seen[one] for one in values.tolist()), dtype=np.int64, count=values.size)


def _places(wanted: NDArray[Any], there: NDArray[Any]) -> NDArray[np.intp]:
    """Where each customer stands in a table that has one row for each."""
    at = {one: row for row, one in enumerate(there.tolist())}
    if len(at) < there.size:
        raise SchemaError(
            f"a table of covariates must have one row for each customer; {there.size - len(at):,} of {there.size:,} "
            "rows are of a customer who has another one"
        )
    lacking = [one for one in wanted.tolist() if one not in at]
    if lacking:
        raise SchemaError(
            f"{len(lacking):,} of {wanted.size:,} customers of the history have no row of covariates, such as "
            f"{lacking[0]!r} (the first row of the table is of {there.tolist()[0] if there.size else 'nobody'!r}): add "
            "them, or leave them out with h.take(...)"
        )
    return np.array([at[one] for one in wanted.tolist()], dtype=np.intp)


def _numbers(name: str, given: ArrayLike) -> Array:
    try:
        return np.array(given, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DomainError(f"History: {name} must hold numbers: {error}") from error


def _frozen(values: NDArray[Any]) -> NDArray[Any]:
    values = values.view()
    values.flags.writeable = False
    return values


def _refuse_impossible_rows(h: History) -> None:
    x, t_x, T = h.x, h.t_x, h.T
    promises = {
        "x must be a whole number, 0 or more": (x >= 0) & (np.floor(x) == x) & np.isfinite(x),
        "t_x must lie between 0 and T": (t_x >= 0) & (t_x <= T),
        "T must be finite": np.isfinite(T),
        "t_x must be 0 where x is 0, and above 0 where x is not": (x > 0) == (t_x > 0),
    }
    if h.spend is not None:
        promises["spend must be finite and 0 or more, or NaN where it is not known"] = np.isnan(h.spend) | (
            (h.spend >= 0) & np.isfinite(h.spend)
        )
    if h.n is not None:
        promises["n must be above 0 and finite"] = (h.n > 0) & np.isfinite(h.n)
    if h.log_gaps is not None:
        promises["log_gaps must be finite"] = np.isfinite(h.log_gaps)
        promises[
            f"log_gaps must be 0 where x is 0, and no more than x log(t_x / x), in {h.unit}s as t_x, where x is not"
        ] = (h.log_gaps <= even_log_gaps(h) + 0.05 * (1 + x)) & ((x > 0) | (h.log_gaps == 0))
    for promise, kept in promises.items():
        if not kept.all():
            row = int(np.argmin(kept))
            shown = {name: getattr(h, name) for name in ("x", "t_x", "T", "spend", "n", "log_gaps")}
            found = ", ".join(f"{name}={values[row]:g}" for name, values in shown.items() if values is not None)
            raise DomainError(
                f"History: {promise}; {np.sum(~kept):,} of {x.size:,} rows break this: row {row} has {found}"
            )


def groups_of(columns: tuple[NDArray[Any] | None, ...]) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """First row of each group of equal rows, each row's group, each group's size; groups in order of the columns."""
    given = [column for column in columns if column is not None]
    order = np.argsort(given[0]) if len(given) == 1 else np.lexsort(given[::-1])
    new = np.zeros(order.size, dtype=bool)
    new[:1] = True
    for column in given:
        ahead = column[order]
        new[1:] |= ahead[1:] != ahead[:-1]
    rows = np.empty(order.size, dtype=np.intp)
    rows[order] = np.cumsum(new) - 1
    starts = np.flatnonzero(new)
    return order[starts], rows, np.diff(starts, append=order.size)
