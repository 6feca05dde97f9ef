"""Loop: of what customers did, what was followed by something in time?

Events are matched customer by customer by one sorted search, and the share of those that were followed is told with an
interval that allows for several events of one customer.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from custrel.feedback.reading.groups import Groups, leave_groups
from custrel.feedback.reading.measured import Interval, share
from custrel.feedback.reading.units import Units

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

__all__ = ["NEVER", "Asked", "earliest_after", "grouped", "medians", "units_of"]

NEVER = np.iinfo(np.int64).max
"""The moment of what did not happen."""


@dataclass(frozen=True, eq=False)
class Asked:
    """Events of which is asked what followed them.

    Parameters
    ----------
    groups, group
        Which groups there are, and the number of that of each event.
    who, when
        Customer and moment of each event, ``(events,)``.

    Examples
    --------
    >>> asked = Asked(Groups({}, 1), np.array([0, 0]), np.array(["c1", "c2"]), np.array([3, 8]))
    >>> asked.those(asked.when < 5).count().tolist()
    [1]
    """

    groups: Groups
    group: NDArray[np.intp]
    who: NDArray[Any]
    when: NDArray[np.int64]

    def those(self, which: NDArray[np.bool_]) -> Asked:
        """Some of the events."""
        return replace(self, group=self.group[which], who=self.who[which], when=self.when[which])

    def count(self, which: NDArray[np.bool_] | slice = slice(None)) -> NDArray[np.int64]:
        """How many of the events there are in each group."""
        return np.bincount(self.group[which], minlength=self.groups.size).astype(np.int64)

    def told(
        self, met: NDArray[np.bool_], interval: Interval, like: str, *, also: Mapping[str, Any], last: Mapping[str, Any]
    ) -> Any:
        """The share of events that met what was asked, as a frame with a row for each group.

        Parameters
        ----------
        met
            Which events did.
        interval, like
            How the interval is made, and the library of the frame.
        also, last
            Columns that stand after n, and at the end.
        """
        found = share(units_of(self.groups.size, self.group, self.who, met), "met", interval)
        columns = {"value": found.value, "low": found.low, "high": found.high, "n": self.count(), **also}
        columns |= {"standard_error": found.standard_error, "n_effective": found.n_effective, **last}
        self.groups.refuse(list(columns))
        return leave_groups([(self.groups, columns)], like)


def earliest_after(
    who: NDArray[np.int64],
    when: NDArray[np.int64],
    of: NDArray[np.int64],
    begun: NDArray[np.int64],
    ended: NDArray[np.int64] | None = None,
) -> NDArray[np.int64]:
    """The earliest end of those events of the same customer that began later than each moment; `NEVER` without any.

    Parameters
    ----------
    who, when
        Customers and moments that are asked about, ``(asked,)``.
    of, begun, ended
        Customers of the events, their beginnings and their ends, ``(events,)``; an event without end is a moment.

    Examples
    --------
    >>> found = earliest_after(np.array([0, 0, 1]), np.array([5, 8, 5]), of=np.array([0, 0]), begun=np.array([5, 7]))
    >>> np.where(found == NEVER, -1, found).tolist()
    [7, -1, -1]
    """
    ended = begun if ended is None else ended
    times = np.unique(np.concatenate([when, begun, ended]))
    width = times.size + 1

    def key(customer: NDArray[np.int64], moment: NDArray[np.int64]) -> NDArray[np.int64]:
        return customer * width + np.searchsorted(times, moment)

    starts, ends = key(of, begun), key(of, ended)
    order = np.argsort(starts, kind="stable")
    # Keys of later customers are greater, so they never stand before one of the customer's own.
    best = np.append(np.minimum.accumulate(ends[order][::-1])[::-1], NEVER)
    found = best[np.searchsorted(starts[order], key(who, when), side="right")]
    own = found // width == who
    return np.where(own, times[np.where(own, found % width, 0)], NEVER)


def grouped(labels: Mapping[str, NDArray[Any]], size: int) -> tuple[Groups, NDArray[np.intp]]:
    """The groups that rows with these labels make, in order of their labels, and the number of the group of each row.

    >>> groups, number = grouped({"channel": np.array(["phone", "chat", "phone"], dtype=object)}, 3)
    >>> groups.labels["channel"].tolist(), number.tolist()
    (['chat', 'phone'], [1, 0, 1])
    """
    import pandas as pd

    if not labels:
        return Groups({}, 1), np.zeros(size, dtype=np.intp)
    nothing = np.array(None, dtype=object)
    labels = {name: np.where(pd.isna(values), nothing, values.astype(object)) for name, values in labels.items()}
    table = pd.DataFrame(labels, dtype=object)
    number = table.groupby(list(labels), dropna=False, sort=True).ngroup().to_numpy().astype(np.intp)
    first = np.unique(number, return_index=True)[1]
    return Groups({name: values[first] for name, values in labels.items()}, first.size), number


def units_of(groups: int, group: NDArray[np.intp], who: NDArray[np.int64], met: NDArray[np.bool_]) -> Units:
    """Customers as units, with how many of their events met what was asked; those that are alike in one row.

    >>> units = units_of(1, np.array([0, 0, 0]), np.array([4, 4, 9]), np.array([True, False, True]))
    >>> units.k.tolist(), units.n.tolist(), units.share("met").round(3).tolist()
    ([1.0, 1.0], [1.0, 2.0], [0.667])
    """
    width = int(who.max(initial=0)) + 1
    pairs, place = np.unique(group * width + who, return_inverse=True)
    answers, of_each = (np.bincount(place, one, pairs.size).astype(np.int64) for one in (np.ones(who.size), met))
    most = int(answers.max(initial=0)) + 1
    alike, k = np.unique((pairs // width * most + answers) * most + of_each, return_counts=True)
    n, marks = (alike // most % most).astype(np.float64), {"met": (alike % most).astype(np.float64)}
    which, whole = (alike // most**2).astype(np.intp), bool(np.all(n == 1))
    return Units(groups, which, k.astype(np.float64), n, n, n, marks, whole=whole)


def medians(values: NDArray[Any], group: NDArray[np.intp], groups: int) -> NDArray[np.float64]:
    """Median of the values of each group; NaN where there is none.

    >>> medians(np.array([3.0, 1.0, 2.0, 8.0]), np.array([0, 0, 0, 2]), 3).tolist()
    [2.0, nan, 8.0]
    """
    n = np.bincount(group, minlength=groups)
    ordered = np.append(values[np.lexsort((values, group))], np.nan)
    begin = np.cumsum(n) - n
    lower, upper = begin + np.maximum(n - 1, 0) // 2, begin + n // 2
    return np.where(n > 0, (ordered[lower] + ordered[upper]) / 2, np.nan)
