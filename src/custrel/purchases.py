"""Purchases: from the rows of a log to the sums that laws of purchases are made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import narwhals.stable.v2 as nw
import numpy as np
from numpy.typing import NDArray

from custrel.errors import DomainError
from custrel.frames import collect, leave, quickest, tally
from custrel.history import DAYS, History
from custrel.moments import GRAINS, moment_of, period_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from custrel.frames import LazyFrame
    from custrel.sheets import Sheet
    from custrel.stats.estimate import Array

__all__ = ["PeriodCounts", "PurchaseCounts", "bought_between", "bought_by_period", "history_of"]

_MOST_PERIODS = 10_000_000


@dataclass(frozen=True, eq=False)
class PurchaseCounts:
    """How often each customer bought in a span of time, and for how much.

    Parameters
    ----------
    customer_id
        Who.
    purchases
        Purchases within the span; those within one grain are one.
    amount
        Their value in all, NaN if the log has no amounts.
    like
        The library whose frames answers leave as.

    Examples
    --------
    >>> counts = PurchaseCounts(np.array(["c1"]), np.array([2]), np.array([31.5]))
    >>> counts.to_frame()
      customer_id  purchases  amount
    0          c1          2    31.5
    """

    customer_id: NDArray[Any]
    purchases: NDArray[np.int64]
    amount: Array
    like: str = "pandas"

    def to_frame(self) -> Any:
        """A row for each customer, as a frame of the caller's library."""
        columns = {"customer_id": self.customer_id, "purchases": self.purchases, "amount": self.amount}
        return leave(columns, like=self.like)


@dataclass(frozen=True, eq=False)
class PeriodCounts:
    """First and repeat purchases of a group of customers by period, from the first birth on, without gaps.

    Parameters
    ----------
    start
        First moment of each period.
    births
        Customers whose first purchase fell in the period.
    repeats
        Repeat purchases in the period.
    like
        The library whose frames answers leave as.

    Examples
    --------
    >>> from custrel.datasets import cdnow
    >>> counts = cdnow().purchases_by_period(until="1998-06-30", born_until="1997-09-30")
    >>> int(counts.births.sum()), int(counts.repeats.sum())
    (2357, 4339)
    """

    start: NDArray[np.datetime64]
    births: NDArray[np.int64]
    repeats: NDArray[np.int64]
    like: str = "pandas"


def history_of(
    sheet: Sheet,
    *,
    until: int,
    since: int | None,
    unit: str,
    grain: str,
    spend: str,
    log_gaps: bool,
    customers: Any,
    observed: str,
) -> History:
    """The history of each customer who bought by a grain; `observed` is how the user called the end of observation."""
    rows = _rows(sheet, grain)
    late = int(collect(tally(rows, sums={"late": nw.col("__period") > until}))["late"][0])
    baskets = _baskets(rows, nw.col("__period") <= until)
    sums = collect(_people(baskets, first_basket=spend == "repeat"), sort=["customer_id"])
    counts = {"after_until": late, "merged": sheet.rows - late - int(sums["x"].sum())}
    sums |= {"log_gaps": _log_gaps(baskets, sums, DAYS[grain] / DAYS[unit])} if log_gaps else {}
    sums, counts = _chosen(sums, counts, since, customers)
    if not len(sums["x"]):
        begun = "" if since is None else f", for the first time from since={moment_of(since, grain)} on"
        raise DomainError(f"no customer of this log bought by until={observed}{begun}")
    return History(
        x=sums["x"].astype(np.float64) - 1,
        t_x=(sums["last"] - sums["first"]).astype(np.float64) * DAYS[grain] / DAYS[unit],
        T=(until - sums["first"]).astype(np.float64) * DAYS[grain] / DAYS[unit],
        spend=_mean_spend(sums, spend) if "amount" in sums else None,
        customer_id=sums["customer_id"],
        log_gaps=sums.get("log_gaps"),
        unit=unit,
        grain=grain,
        until=observed,
        spend_of=spend,
        like=sheet.like,
        counts=counts,
    )


def bought_between(sheet: Sheet, start: int, end: int, *, grain: str, customers: Any) -> PurchaseCounts:
    """How often customers bought from one grain to another, both included."""
    within = (nw.col("__period") >= start) & (nw.col("__period") <= end)
    sums = collect(_people(_baskets(_rows(sheet, grain), within), first_basket=False), sort=["customer_id"])
    amount = sums.get("amount", np.full(len(sums["x"]), np.nan))
    if customers is None:
        return PurchaseCounts(sums["customer_id"], sums["x"].astype(np.int64), amount, sheet.like)
    who = _ids_of(customers)
    rows, known = _places(sums["customer_id"], who)
    missing = 0.0 if "amount" in sums else np.nan
    bought = np.zeros(len(who), dtype=np.int64), np.full(len(who), missing)
    for answer, values in zip(bought, (sums["x"], amount), strict=True):
        answer[known] = values[rows[known]]
    return PurchaseCounts(who, *bought, sheet.like)


def bought_by_period(sheet: Sheet, *, until: int, born_until: int, grain: str) -> PeriodCounts:
    """First and repeat purchases of the customers born by a grain, grain by grain."""
    baskets = _baskets(_rows(sheet, grain), nw.col("__period") <= until)
    people = _people(baskets, first_basket=False).filter(nw.col("first") <= born_until)
    births = collect(tally(people, ["first"]), sort=["first"])
    theirs = baskets.join(people.select("customer_id"), on="customer_id", how="semi")
    bought = collect(tally(theirs, ["__period"]), sort=["__period"])
    if not len(births["n"]):
        raise DomainError(f"no customer of this log bought by born_until={moment_of(born_until, grain)}")
    first, size = int(births["first"][0]), until - int(births["first"][0]) + 1
    if size > _MOST_PERIODS:
        raise DomainError(f"{size:,} periods of one {grain} are more than {_MOST_PERIODS:,}: take a longer grain")
    born_in, bought_in = np.zeros(size, dtype=np.int64), np.zeros(size, dtype=np.int64)
    born_in[births["first"].astype(np.int64) - first] = births["n"]
    bought_in[bought["__period"].astype(np.int64) - first] = bought["n"]
    step = np.timedelta64(GRAINS[grain] * 1_000_000 or 1, "us")
    starts = np.datetime64(moment_of(first, grain), "us") + np.arange(size) * step
    return PeriodCounts(starts, born_in, bought_in - born_in, sheet.like)


def _rows(sheet: Sheet, grain: str) -> LazyFrame:
    """Customer, period and amount of every row."""
    period = period_of("occurred_at", grain, sheet.library).alias("__period")
    return quickest(sheet.frame.select("customer_id", period, *_money(sheet.frame)))


def _money(frame: LazyFrame) -> list[str]:
    return ["amount"] if "amount" in frame.collect_schema().names() else []


def _baskets(rows: LazyFrame, wanted: nw.Expr) -> LazyFrame:
    """Customer, period and value: what each customer bought within one grain, as one purchase."""
    sums = {name: nw.col(name) for name in _money(rows)}
    return tally(rows.filter(wanted), ["customer_id", "__period"], sums=sums)


def _people(baskets: LazyFrame, *, first_basket: bool) -> LazyFrame:
    """A row for each customer: purchases x (the first included), first and last period, amounts."""
    money = _money(baskets)
    return tally(
        baskets,
        ["customer_id"],
        sums={name: nw.col(name) for name in money},
        lows={"first": nw.col("__period")},
        highs={"last": nw.col("__period")},
        firsts={"first_amount": ("amount", "first")} if money and first_basket else None,
    ).rename({"n": "x"})


def _log_gaps(baskets: LazyFrame, sums: Mapping[str, NDArray[Any]], units: float) -> Array:
    """Sum of log times between the purchases of each customer, in the order of `sums`."""
    pairs = collect(baskets.select("customer_id", "__period"), sort=["customer_id", "__period"])
    period = pairs["__period"].astype(np.float64)
    customer = np.repeat(np.arange(len(sums["x"])), sums["x"].astype(np.intp))
    logs = np.log(np.maximum(np.diff(period, prepend=0.0), 1) * units)
    again = np.diff(customer, prepend=-1) == 0
    return np.bincount(customer[again], weights=logs[again], minlength=len(sums["x"])).astype(np.float64)


def _ids_of(customers: Any) -> NDArray[Any]:
    """The ids that were asked for, each once."""
    who = np.asarray(customers.customer_id if hasattr(customers, "customer_id") else customers)
    if who.ndim != 1:
        raise DomainError(f"customers must be a list of ids, or a history, got {customers!r:.80}")
    who = who.astype(object) if who.dtype.kind == "U" else who
    if repeated := who.size - len(set(who.tolist())):
        raise DomainError(f"customers must name each customer once; {repeated:,} of {who.size:,} ids are there again")
    return who


def _places(there: NDArray[Any], wanted: NDArray[Any]) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Row of each wanted id among those there, and whether it is there at all."""
    place = {who: row for row, who in enumerate(there.tolist())}
    rows = np.array([place.get(who, -1) for who in wanted.tolist()], dtype=np.intp)
    if len(there) and len(wanted) and type(wanted.tolist()[0]) is not type(there.tolist()[0]):
        raise DomainError(
            f"customers holds ids such as {wanted.tolist()[0]!r}; those of this log are like {there.tolist()[0]!r}"
        )
    return rows, rows >= 0


def _chosen(
    sums: dict[str, NDArray[Any]], counts: dict[str, int], since: int | None, customers: Any
) -> tuple[dict[str, NDArray[Any]], dict[str, int]]:
    """Only customers born since then, only these customers; how many were left out."""
    if since is not None:
        born = sums["first"] >= since
        counts["customers_born_before_since"] = int((~born).sum())
        sums = {name: values[born] for name, values in sums.items()}
    if customers is not None:
        rows, known = _places(sums["customer_id"], _ids_of(customers))
        counts["customers_asked_for_without_a_purchase"] = int((~known).sum())
        sums = {name: values[rows[known]] for name, values in sums.items()}
    return sums, counts


def _mean_spend(sums: Mapping[str, NDArray[Any]], spend: str) -> Array:
    """Mean value of the repeat purchases, or of all; NaN where there is none."""
    total, paid = sums["amount"].astype(np.float64), sums["x"].astype(np.float64)
    if spend == "repeat":
        total, paid = np.maximum(total - sums["first_amount"].astype(np.float64), 0), paid - 1
    return np.where(paid > 0, total / np.maximum(paid, 1), np.nan)
