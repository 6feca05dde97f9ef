"""Paths: customers whose covariates change, each told in pieces of time in which nothing changes.

A row for each customer and week is what other programs ask for. Here a customer has as many pieces as there are
changes: periods of equal covariates are one piece, and one more cut stands at the last purchase, from which on a
customer may have left. Of the purchases a law needs no more than how many fell in each piece.

A value holds from its moment until the next one (*carry forward*). A purchase at the very moment of a change belongs to
the piece that begins there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from custrel.checked import checked_number
from custrel.clv.time_varying.calendar import Calendar
from custrel.clv.time_varying.foreseen import ForeseenHistory
from custrel.clv.time_varying.pieces import Numbers, distinct_rows, in_force, joined, running_sums
from custrel.clv.time_varying.scenario import FOREVER, ahead
from custrel.clv.time_varying.steps import changes_of, number_of, read_all
from custrel.errors import DomainError, SchemaError, nearest
from custrel.frames import collect, enter, leave, number_or_text, quickest, tally
from custrel.history import DAYS, History
from custrel.moments import period_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from custrel.clv.time_varying.steps import Steps
    from custrel.history import PurchaseTimes
    from custrel.interactions import Interactions
    from custrel.stats.estimate import Array

__all__ = ["CovariatePaths"]


@dataclass(frozen=True, eq=False, repr=False)
class CovariatePaths:
    """Customers with covariates that change. Make one with `of`, `of_new` or `along`.

    Parameters
    ----------
    history
        What the customers bought: x, t_x and T of each.
    customer
        Number of the customer of each piece, in order, ``(pieces,)``.
    start
        When the piece begins, in the unit of the history since the customer's first purchase, ``(pieces,)``. It ends
        where the customer's next one begins, or at T.
    level
        Which of the distinct rows of covariates holds in it, ``(pieces,)``.
    bought
        Repeat purchases in it, ``(pieces,)``.
    covariates
        The distinct rows of covariates, by name: each ``(levels,)``.
    calendar
        How dates are counted; None where times were given as numbers.

    Examples
    --------
    Who bought on 1 and on 22 December was watched for two weeks before the season, and for two in it:

    >>> import pandas as pd
    >>> from custrel import Interactions
    >>> bought = pd.DataFrame({"customer_id": ["c1", "c1"], "occurred_at": ["2023-12-01", "2023-12-22"]})
    >>> log = Interactions.from_frame(bought, kind="purchase", columns={"amount": None, "currency": None})
    >>> season = pd.DataFrame({"date": ["2023-01-01", "2023-12-15"], "christmas": [False, True]})
    >>> paths = CovariatePaths.of(log, season, until="2023-12-29")
    >>> paths
    CovariatePaths of 1 customer: 1 repeat purchase, christmas in 3 pieces, watched for up to 4 weeks
    >>> paths.to_frame()
      customer_id  start  length  purchases  christmas
    0          c1    0.0     2.0          0        0.0
    1          c1    2.0     1.0          0        1.0
    2          c1    3.0     1.0          1        1.0
    """

    history: History
    customer: Numbers
    start: Array
    level: Numbers
    bought: Array
    covariates: Mapping[str, NDArray[Any]]
    calendar: Calendar | None = None
    length: Array = field(init=False)
    first: Numbers = field(init=False)
    silent: Numbers = field(init=False)
    first_silent: Numbers = field(init=False)

    def __post_init__(self) -> None:
        n = np.bincount(self.customer, minlength=len(self.history))
        first = np.cumsum(n) - n
        ends = np.append(self.start, 0.0)[1:]
        ends[first + n - 1] = self.history.T
        silent = np.flatnonzero(self.start >= self.history.t_x[self.customer])
        after = np.bincount(self.customer[silent], minlength=n.size)
        own = {"length": ends - self.start, "first": first, "silent": silent, "first_silent": np.cumsum(after) - after}
        for name, values in own.items():
            object.__setattr__(self, name, values)

    # -- in ------------------------------------------------------------------------------------------------------------

    @classmethod
    def of(
        cls,
        log: Interactions,
        covariates: Any,
        *,
        until: Any,
        unit: str = "week",
        grain: str = "day",
        since: Any = None,
        customers: Any = None,
        columns: Sequence[str] | None = None,
        time: str = "date",
        customer_id: str = "customer_id",
    ) -> Self:
        """Customers of a log, and what frames say of them.

        Parameters
        ----------
        log
            The log.
        covariates
            A frame of any library, or several: a row for each change. One with the column `customer_id` tells of each
            customer, one without it of all alike (a season). A row holds from `time` on until the next one; those of a
            frame without that column always hold (an age, a region).
        until, unit, grain, since, customers
            As for `Interactions.history`. Values change at the beginning of a grain.
        columns
            Which covariates to take: numbers, flags or text. All columns if not given.
        time, customer_id
            What these columns are called.

        Returns
        -------
        The `history.counts` say how many rows of covariates came after `until`, or were of other customers.

        Raises
        ------
        SchemaError
            If a column is missing or holds something else, values are missing, two rows tell of one moment, or a
            customer's first purchase comes before the first row that tells of them.
        """
        h = log.history(until=until, unit=unit, grain=grain, since=since, customers=customers)
        told: dict[str, Any] = {"grain": grain, "unit": unit, "tz": log.tz, "time": time, "customer_id": customer_id}
        calendar = Calendar.of(until, "until", **told, end=True)
        steps = read_all(covariates, calendar, np.asarray(h.customer_id), columns)
        buyer, moment = _purchases(log, h, calendar)
        first = np.diff(buyer, prepend=-1) > 0
        born = moment[first]
        bought = buyer[~first], calendar.units((moment - born[buyer])[~first])
        h = replace(h, counts={**h.counts, **_left_out(steps)})
        return cls._told(h, steps, born, np.zeros_like(born), columns, calendar, bought)

    @classmethod
    def of_new(
        cls,
        covariates: Any,
        *,
        first_purchase: Any,
        t: float,
        unit: str = "week",
        grain: str = "day",
        customers: Sequence[Any] = (0,),
        columns: Sequence[str] | None = None,
        time: str = "date",
        customer_id: str = "customer_id",
        tz: str = "UTC",
    ) -> Self:
        """New customers whose covariates frames foretell: what a law is asked of who is yet to come.

        Parameters
        ----------
        covariates, unit, grain, columns, time, customer_id
            As for `of`.
        first_purchase
            Day of their first purchase.
        t
            How far to look from there, in the unit.
        customers
            Their ids; one customer if not given, of whom all frames tell.
        tz
            Zone of the clock.

        Examples
        --------
        >>> import pandas as pd
        >>> season = pd.DataFrame({"date": ["2023-01-01", "2023-12-15"], "christmas": [False, True]})
        >>> CovariatePaths.of_new(season, first_purchase="2023-12-08", t=3).length
        array([1., 2.])
        """
        told: dict[str, Any] = {"grain": grain, "unit": unit, "tz": tz, "time": time, "customer_id": customer_id}
        calendar = Calendar.of(first_purchase, "first_purchase", **told)
        who = np.asarray(customers)
        zeros, T = np.zeros(who.size), np.full(who.size, checked_number("t", t))
        h = History(x=zeros, t_x=zeros, T=T, customer_id=who, unit=unit, grain=grain)
        steps = read_all(covariates, calendar, who, columns)
        nobody = np.zeros(0, dtype=np.intp), np.zeros(0)
        return cls._told(h, steps, zeros.astype(np.int64), calendar.grains(T), columns, calendar, nobody)

    @classmethod
    def along(cls, times: PurchaseTimes, *, customer: Any, start: Any, covariates: Mapping[str, Any]) -> Self:
        """Purchases at any moments of customers whose covariates are given as arrays.

        Parameters
        ----------
        times
            The repeat purchases; without any they are a pattern for `TimeVaryingParetoNBD.simulate`.
        customer, start
            Whose values hold from when on, since that customer's first purchase: ``(rows,)`` each.
        covariates
            What holds, by name, ``(rows,)`` each.

        Examples
        --------
        >>> from custrel.history import PurchaseTimes
        >>> times = PurchaseTimes(customer=np.array([0]), time=np.array([2.5]), T=np.array([4.0]))
        >>> paths = CovariatePaths.along(times, customer=[0, 0], start=[0.0, 3.0], covariates={"sale": [0, 1]})
        >>> paths.start, paths.bought
        (array([0. , 2.5, 3. ]), array([0., 1., 0.]))
        """
        who, since = np.asarray(customer, dtype=np.intp), np.asarray(start, dtype=np.float64)
        known = {name: number_or_text(name, values) for name, values in covariates.items()}
        _refuse_broken(who, since, known, times.T)
        order = np.lexsort((since, who))
        level, table = distinct_rows({name: values[order] for name, values in known.items()}, who.size)
        return cls.cut(times.history(), (who[order], since[order], level), table, bought=(times.customer, times.time))

    @classmethod
    def _told(
        cls,
        h: History,
        steps: list[Steps],
        born: NDArray[np.int64],
        last: NDArray[np.int64],
        columns: Sequence[str] | None,
        calendar: Calendar,
        bought: tuple[Numbers, Array],
    ) -> Self:
        """What holds from when on until the last moment, of customers who were born at these moments."""
        _refuse_lacking(columns or (), [name for one in steps for name in one.covariates])
        who, when = changes_of(steps, born, last)
        held = [(one, one.held(who, when)) for one in steps]
        _refuse_unknown_beginnings(held, who, len(h))
        known = {name: values[row] for one, row in held for name, values in one.covariates.items()}
        level, table = distinct_rows(known, who.size)
        always = frozenset(name for one in steps if one.always for name in one.covariates)
        start = calendar.units(when - born[who])
        return cls.cut(h, (who, start, level), table, bought=bought, calendar=replace(calendar, always=always))

    @classmethod
    def cut(
        cls,
        h: History,
        pieces: tuple[Numbers, Array, Numbers],
        table: Mapping[str, NDArray[Any]],
        *,
        bought: tuple[Numbers, Array] | None = None,
        calendar: Calendar | None = None,
    ) -> Self:
        """Paths of pieces (customer, start, level) and purchases (customer, time), both sorted.

        Pieces are joined where nothing changes, and cut at the last purchase.
        """
        customer, start, level = joined(*pieces, h.t_x)
        held = np.zeros(0, dtype=np.intp) if bought is None else in_force(customer, start, *bought)
        counts = np.bincount(held, minlength=customer.size).astype(np.float64)
        return cls(h, customer, start, level, counts, table, calendar)

    def with_scenario(self, scenario: Any, *, whole: bool = False) -> ForeseenHistory:
        """The history of these customers that carries their paths, and what is to come.

        That is what `LifetimeValue`, `predict` and `forecast` take, with a fit of `TimeVaryingParetoNBD`.

        Parameters
        ----------
        scenario
            As for `TimeVaryingParetoNBD.expected_purchases`: frames with rows after the end of observation,
            ``"carry_forward"``, or paths that begin at T.
        whole
            Whether the frames tell of the past, too, as those that these paths are made of: then what is told of the
            past stays as it was, and what they are silent of goes on.

        Raises
        ------
        DomainError
            If the scenario says nothing of a covariate or a customer, or tells of the past.

        Examples
        --------
        >>> from custrel.history import PurchaseTimes
        >>> times = PurchaseTimes(customer=np.array([0]), time=np.array([2.5]), T=np.array([4.0]))
        >>> paths = CovariatePaths.along(times, customer=[0, 0], start=[0.0, 3.0], covariates={"sale": [0, 1]})
        >>> paths.with_scenario("carry_forward").to_come.to_frame()["sale"].tolist()
        [1.0]
        """
        if isinstance(scenario, CovariatePaths):
            return ForeseenHistory.of(self, scenario)
        span = FOREVER * DAYS["year"] / DAYS[self.unit]
        return ForeseenHistory.of(self, ahead(self, span, scenario, whole=whole))

    # -- what there is -------------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self.history)

    def __repr__(self) -> str:
        n, x = self.customers, float(self.weights @ self.history.x)
        who = f"{n:,.0f} customer{'s' * (n != 1)}: {x:,.0f} repeat purchase{'s' * (x != 1)}"
        told = f"{', '.join(self.covariates)} in {self.customer.size:,} pieces"
        return f"CovariatePaths of {who}, {told}, watched for up to {self.history.T.max(initial=0):.4g} {self.unit}s"

    @property
    def unit(self) -> str:
        """Unit of the times."""
        return self.history.unit

    @property
    def like(self) -> str:
        """The library whose frames answers leave as."""
        return self.history.like

    @property
    def customer_id(self) -> NDArray[Any]:
        """Who."""
        return np.asarray(self.history.customer_id)

    @property
    def weights(self) -> Array:
        """How many customers each row stands for."""
        return self.history.weights

    @property
    def customers(self) -> float:
        """How many in all."""
        return self.history.customers

    @property
    def time_at_levels(self) -> Array:
        """For how long each of the distinct rows of covariates held, over all customers."""
        spent = self.length * self.weights[self.customer]
        return np.bincount(self.level, weights=spent, minlength=int(self.level.max(initial=-1)) + 1).astype(np.float64)

    def to_frame(self) -> Any:
        """The pieces as a frame of the caller's library, a row each."""
        told = {name: values[self.level] for name, values in self.covariates.items()}
        own = {"customer_id": self.customer_id[self.customer], "start": self.start, "length": self.length}
        return leave({**own, "purchases": self.bought.astype(np.int64), **told}, like=self.like)

    # -- some of it ----------------------------------------------------------------------------------------------------

    def take(self, rows: Any) -> Self:
        """Some customers: a mask, a slice or indices."""
        chosen = np.arange(len(self))[np.asarray(rows, dtype=np.intp) if isinstance(rows, list) and not rows else rows]
        n = np.diff(self.first, append=self.customer.size)[chosen]
        pieces = np.repeat(self.first[chosen] - (np.cumsum(n) - n), n) + np.arange(n.sum())
        levels, level = np.unique(self.level[pieces], return_inverse=True)
        return replace(
            self,
            history=self.history.take(rows),
            customer=np.repeat(np.arange(n.size), n),
            start=self.start[pieces],
            level=level.reshape(-1),
            bought=self.bought[pieces],
            covariates={name: values[levels] for name, values in self.covariates.items()},
        )

    def blocks(self, size: int) -> Iterator[Self]:
        """Consecutive customers, so many at a time as have no more than so many pieces."""
        return (self.take(part) for part in self.parts(size))

    def parts(self, size: int) -> Iterator[slice]:
        """Which customers these are."""
        most = int(np.diff(self.first, append=self.customer.size).max(initial=1))
        step = max(1, size // most)
        return (slice(start, start + step) for start in range(0, max(1, len(self)), step))

    def standing_for(self, n: Array) -> Self:
        """The same rows, each for so many customers."""
        return replace(self, history=self.history.standing_for(n))

    def knowing(self, names: Iterable[str]) -> Self:
        """The same with no covariates but these: what they leave unchanged is one piece again."""
        known = {name: self.covariates[name][self.level] for name in names}
        return self.rejoined(*distinct_rows(known, self.customer.size))

    def rejoined(self, level: Numbers, table: Mapping[str, NDArray[Any]]) -> Self:
        """The same with other rows of covariates in its pieces; pieces between which nothing changes become one."""
        customer, start, level = joined(self.customer, self.start, level, self.history.t_x)
        held = in_force(customer, start, self.customer, self.start)
        bought = np.bincount(held, weights=self.bought, minlength=customer.size).astype(np.float64)
        return replace(self, customer=customer, start=start, level=level, bought=bought, covariates=table)

    def alike(self) -> Numbers:
        """A number for each customer, the same for those who are equal."""
        h, place = self.history, np.arange(self.customer.size) - self.first[self.customer]
        table = np.full((len(self), int(place.max(initial=0)) + 2), -1)
        table[:, 0], _ = distinct_rows({"x": h.x, "t_x": h.t_x, "T": h.T}, len(self))
        own = {"start": self.start, "level": self.level, "bought": self.bought}
        table[self.customer, place + 1], _ = distinct_rows(own, self.start.size)
        return np.asarray(np.unique(table, axis=0, return_inverse=True)[1].reshape(-1))

    def distinct(self) -> Self:
        """Equal customers as one row with their number in `history.n`: all that a likelihood needs."""
        _, first, group = np.unique(self.alike(), return_index=True, return_inverse=True)
        n = np.bincount(group.reshape(-1), weights=self.weights, minlength=first.size)
        return self.take(first).standing_for(n.astype(np.float64))

    # -- sums over each customer's pieces, the last axis of what is summed ---------------------------------------------

    def sums(self, each: Array) -> Array:
        """Over all pieces."""
        return np.asarray(np.add.reduceat(each, self.first, axis=-1))

    def running(self, each: Array) -> tuple[Array, Array]:
        """Up to the beginning of each piece, and over all of them."""
        return running_sums(each, self.customer, self.first)

    def sums_of_silent(self, each: Array) -> Array:
        """Over the silent pieces, those from the last purchase on, of numbers for these alone."""
        return np.asarray(np.add.reduceat(each, self.first_silent, axis=-1))

    def added_in_silence(self, logs: Array) -> Array:
        """The logarithm of such a sum, of logarithms."""
        return np.asarray(np.logaddexp.reduceat(logs, self.first_silent, axis=-1))

    def of_each(self, value: float | Array) -> float | Array:
        """A parameter of each customer as one of each piece; numbers and columns of draws as they are."""
        return value if np.shape(value)[-1:] in {(), (1,)} else np.asarray(value)[..., self.customer]


def _purchases(log: Interactions, h: History, calendar: Calendar) -> tuple[Numbers, NDArray[np.int64]]:
    """Customer and grain of every purchase until the end of observation, in order."""
    frame, _ = enter(log.lazy_frame("purchase"))
    period = period_of("occurred_at", calendar.grain, frame.implementation.value).alias("__period")
    rows = collect(tally(quickest(frame.select("customer_id", period)), ["customer_id", "__period"]))
    buyer = number_of(rows["customer_id"], np.asarray(h.customer_id))
    moment = rows["__period"].astype(np.int64) - calendar.origin
    some = (buyer >= 0) & (moment <= 0)
    order = np.lexsort((moment[some], buyer[some]))
    return buyer[some][order], moment[some][order]


def _left_out(steps: list[Steps]) -> dict[str, int]:
    """How many rows say nothing of these customers until the end of observation."""
    after = sum(int(np.sum(one.since > 0)) for one in steps)
    return {"covariates_after_until": after, "covariates_of_other_customers": sum(one.strange for one in steps)}


def _refuse_lacking(wanted: Sequence[str], names: list[str]) -> None:
    for name in wanted:
        if name not in names:
            there = ", ".join(map(repr, names))
            raise SchemaError(f"no covariate {name!r}{nearest(name, names)}; the frames have {there}")


def _refuse_unknown_beginnings(held: list[tuple[Steps, Numbers]], who: Numbers, customers: int) -> None:
    for one, row in held:
        if lacking := np.unique(who[row < 0]).size:
            raise SchemaError(
                f"covariates: nothing says what {' and '.join(map(repr, one.covariates))} was at the first purchase of "
                f"{lacking:,} of {customers:,} customers: add a row from then, or an earlier one, or leave these "
                "customers out with customers=[...]"
            )


def _refuse_broken(who: Numbers, since: Array, known: Mapping[str, NDArray[Any]], T: Array) -> None:
    sizes = {who.size, since.size, *(values.size for values in known.values())}
    if len(sizes) > 1 or not known:
        raise DomainError(f"along: customer, start and each covariate must have one length, got {sorted(sizes)}")
    if not np.all((who >= 0) & (who < T.size)):
        raise DomainError(f"along: customer must number the {T.size:,} customers of times from 0, got {who.max()}")
    if beyond := int(np.sum(~((since >= 0) & (since <= T[who])))):
        raise DomainError(f"along: start must lie between 0 and T; {beyond:,} of {since.size:,} rows do not")
    if lacking := T.size - np.unique(who[since == 0]).size:
        raise DomainError(f"along: {lacking:,} of {T.size:,} customers have no row that starts at 0")
    if twice := who.size - np.unique(np.stack([who, since]), axis=1).shape[1]:
        raise DomainError(f"along: {twice:,} of {who.size:,} rows start where another one of that customer does")
    for name, values in known.items():
        broken = ~np.isfinite(values) if values.dtype.kind == "f" else values == np.array(None)
        if found := int(np.sum(broken)):
            raise DomainError(f"along: {name!r} is missing or not finite in {found:,} of {values.size:,} rows")
