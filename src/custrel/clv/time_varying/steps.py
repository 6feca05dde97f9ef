"""Steps: covariates that hold from one moment until the next, as frames of any library tell them.

A row says what holds from its moment on: for its customer, or for all where the frame names no customers; without a
moment it always holds. So a frame needs rows where something changes, and no others. All moments become whole numbers
of grains, counted from the end of observation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import narwhals.stable.v2 as nw
import numpy as np
from numpy.typing import NDArray

from custrel.clv.time_varying.calendar import Calendar, Whole
from custrel.clv.time_varying.pieces import Numbers, in_force
from custrel.errors import SchemaError, nearest
from custrel.frames import collect, enter, mark, number_or_text, plain, readable_covariates, tally
from custrel.moments import period_of
from custrel.readable import readable_moment

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from custrel.frames import LazyFrame

__all__ = ["Steps", "changes_of", "number_of", "read_all"]

_ALWAYS = -(1 << 62)  # grains: before all that is
_AFTER, _MOMENT, _WHO = "__custrel_after", "__custrel_moment", "__custrel_who"


@dataclass(frozen=True, eq=False)
class Steps:
    """What holds from when on, in order of customers and moments.

    Parameters
    ----------
    customer
        Number of the customer of each row, ``(rows,)``; None where all customers have the same.
    since
        From which grain on, ``(rows,)``.
    covariates
        What holds, by name.
    strange
        How many rows were of customers who are not among ours.

    Examples
    --------
    Christmas on day 3 and 4, for a customer who is watched from day 1 to day 9:

    >>> season = Steps(None, np.array([0, 3, 5]), {"christmas": np.array([0.0, 1.0, 0.0])})
    >>> season.changes(np.array([1]), np.array([9]))
    (array([0, 0]), array([3, 5]))
    >>> season.held(np.array([0, 0]), np.array([2, 3]))
    array([0, 1])
    """

    customer: Numbers | None
    since: Whole
    covariates: Mapping[str, NDArray[Any]]
    strange: int = 0

    @property
    def always(self) -> bool:
        """Whether they never change."""
        return bool(np.all(self.since == _ALWAYS))

    def changes(self, first: Whole, last: Whole) -> tuple[Numbers, Whole]:
        """Customers, and moments after the first and up to the last one of theirs in which something changes."""
        if self.customer is not None:
            some = (self.since > first[self.customer]) & (self.since <= last[self.customer])
            return self.customer[some], self.since[some]
        low, high = (np.searchsorted(self.since, edge, side="right") for edge in (first, last))
        n = np.maximum(high - low, 0)
        who = np.repeat(np.arange(n.size), n)
        return who, self.since[np.arange(who.size) - np.repeat(np.cumsum(n) - n, n) + np.repeat(low, n)]

    def held(self, customer: Numbers, moment: Whole) -> Numbers:
        """Which row holds for these customers at these moments; -1 before their first one."""
        if self.customer is None:
            return np.asarray(np.searchsorted(self.since, moment, side="right") - 1)
        return in_force(self.customer, self.since, customer, moment)


def changes_of(steps: Sequence[Steps], first: Whole, last: Whole) -> tuple[Numbers, Whole]:
    """Customers and moments at which a piece begins, the first one of each among them; each once and in order."""
    pairs = [(np.arange(first.size), first), *(one.changes(first, last) for one in steps)]
    who, when = (np.concatenate(side) for side in zip(*pairs, strict=True))
    order = np.lexsort((when, who))
    who, when = who[order], when[order]
    new = np.ones(who.size, dtype=np.bool_)
    new[1:] = (np.diff(who) != 0) | (np.diff(when) != 0)
    return who[new], when[new]


def read_all(
    covariates: Any, calendar: Calendar, customers: NDArray[Any], columns: Sequence[str] | None
) -> list[Steps]:
    """Frames, or a single one, each of which tells of covariates of its own.

    Parameters
    ----------
    covariates
        Any frame, or a list of frames.
    calendar
        How their moments are counted, and what their columns are called.
    customers
        Who the customers are.
    columns
        Which columns; all but those of moments and customers if not given.

    Raises
    ------
    SchemaError
        If a column cannot be read, or values, moments or customers are missing, or two rows tell of one moment, or two
        frames of one covariate.
    """
    frames = list(covariates) if isinstance(covariates, list | tuple) else [covariates]
    steps = [_read(frame, calendar, customers, columns) for frame in frames]
    names = [name for one in steps for name in one.covariates]
    if twice := [name for name in names if names.count(name) > 1]:
        raise SchemaError(f"covariate {twice[0]!r} stands in two frames: name those to take with columns=[...]")
    return steps


def _read(data: Any, calendar: Calendar, customers: NDArray[Any], columns: Sequence[str] | None) -> Steps:
    frame, _ = enter(data)
    there = frame.collect_schema().names()
    timed, own = calendar.time in there, calendar.customer_id in there
    wanted = [name for name in there if name not in {calendar.time, calendar.customer_id}]
    wanted = [name for name in wanted if columns is None or name in columns]
    if not wanted:
        near = nearest(columns[0], there) if columns else ""
        raise SchemaError(f"a frame of covariates holds {', '.join(map(repr, there)) or 'nothing'}: no covariate{near}")
    frame = _with_moments(frame, calendar) if timed else frame
    keys = ([(_AFTER, _AFTER)] if timed else []) + ([(_WHO, calendar.customer_id)] if own else [])
    found = collect(
        frame.select(**readable_covariates(frame, wanted), **{ours: nw.col(theirs) for ours, theirs in keys})
    )
    rows = found[wanted[0]].size
    known = {name: number_or_text(name, found[name]) for name in wanted}
    _refuse_missing(known | ({calendar.customer_id: found[_WHO]} if own else {}), rows)
    since = _in_grains(found[_AFTER], calendar) if timed else np.full(rows, _ALWAYS)
    steps = _sorted(number_of(found[_WHO], customers) if own else None, since, known)
    _refuse_twice(steps, rows, calendar)
    return steps


def _with_moments(frame: LazyFrame, calendar: Calendar) -> LazyFrame:
    """The frame with microseconds from the origin of the calendar to the moments of its column."""
    name, dtype = calendar.time, frame.collect_schema()[calendar.time]
    if not isinstance(dtype, nw.Date | nw.Datetime | nw.String):
        raise SchemaError(f"covariates: {name!r} must hold dates, datetimes or ISO text; found {dtype}")
    read, unreadable = readable_moment(frame, name, name, tz=calendar.tz)
    marks = {"is missing": nw.col(name).is_null()}
    marks |= {} if unreadable is None else {"cannot be read as a date or time": unreadable}
    for said, broken in marks.items():
        if bad := int(collect(tally(frame, sums={"bad": broken}))["bad"][0] or 0):
            raise SchemaError(f"covariates: {name!r} {said} in {bad:,} rows")
    if read is None:
        raise SchemaError(f"covariates: {name!r} holds no date: a frame of covariates needs a row")
    others = {one: nw.col(one) for one in frame.collect_schema().names() if one != name}
    frame = mark(frame, **others, **{_MOMENT: read})
    after = period_of(_MOMENT, "microsecond", frame.implementation.value) - calendar.origin * calendar.microseconds
    return mark(frame, **others, **{_AFTER: after})


def _refuse_missing(columns: Mapping[str, NDArray[Any]], rows: int) -> None:
    if not rows:
        raise SchemaError(f"a frame of covariates has no rows, and so says nothing of {', '.join(map(repr, columns))}")
    for name, values in columns.items():
        number = values.dtype.kind == "f"
        missing = np.isnan(values) if number else np.array([plain(one) is None for one in values.tolist()], dtype=bool)
        infinite = np.isinf(values) if number else np.zeros(values.size, dtype=bool)
        for broken, said in ((missing, "missing"), (infinite, "not finite")):
            if found := int(broken.sum()):
                raise SchemaError(
                    f"covariates: {name!r} is {said} in {found:,} of {values.size:,} rows: fill it in, or leave these "
                    "rows out, so that the row before goes on to hold"
                )


def _in_grains(moments: NDArray[Any], calendar: Calendar) -> Whole:
    """Microseconds as grains, which no change may cut: purchases of one grain are one purchase."""
    whole = moments.astype(np.int64)
    if cut := int(np.sum(whole % calendar.microseconds != 0)):
        grain = calendar.grain
        raise SchemaError(
            f"covariates: {calendar.time!r} falls within a {grain} in {cut:,} of {whole.size:,} rows, and purchases of "
            f"one {grain} are one: give beginnings of {grain}s, or take a finer grain"
        )
    return np.asarray(whole // calendar.microseconds)


def _sorted(customer: Numbers | None, since: Whole, covariates: Mapping[str, NDArray[Any]]) -> Steps:
    """In order, without those of customers who are not among ours."""
    who = np.zeros(since.size, dtype=np.intp) if customer is None else customer
    strange = int(np.sum(who < 0))
    order = np.lexsort((since, who))[strange:]
    held = {name: values[order] for name, values in covariates.items()}
    return Steps(None if customer is None else who[order], since[order], held, strange)


def _refuse_twice(steps: Steps, rows: int, calendar: Calendar) -> None:
    """Each moment of a customer is told once."""
    same = np.diff(steps.since) == 0
    if steps.customer is not None:
        same &= np.diff(steps.customer) == 0
    if not same.any():
        return
    said = "" if steps.customer is None else " of one customer"
    if steps.always:
        said += f" without a moment (the frame has no column {calendar.time!r}, and so always holds)"
    if steps.customer is None:
        said += f" for all customers alike (it has no column {calendar.customer_id!r})"
    raise SchemaError(
        f"covariates: {int(same.sum()):,} of {rows:,} rows{said} tell what another one tells: which of them holds?"
    )


def number_of(ids: NDArray[Any], customers: NDArray[Any]) -> Numbers:
    """Number of each id among the customers, -1 of those who are not there.

    >>> number_of(np.array(["c2", "c9"]), np.array(["c1", "c2"]))
    array([ 1, -1])
    """
    place = {who: row for row, who in enumerate(customers.tolist())}
    found = np.array([place.get(who, -1) for who in ids.tolist()], dtype=np.intp)
    if found.size and found.max() < 0:
        raise SchemaError(
            f"covariates tell of customers such as {ids.tolist()[0]!r}, none of whom is here; ours are such as "
            f"{customers.tolist()[0]!r}"
        )
    return found
