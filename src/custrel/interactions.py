"""Interactions: a validated log, one frame a kind, joined by customer_id; and the sums that laws are made of."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import reduce
from math import isfinite
from typing import TYPE_CHECKING, Any, Self
from zoneinfo import ZoneInfo

import narwhals.stable.v2 as nw
import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from custrel.audit import Audit, Finding
from custrel.errors import DomainError, PromiseError, SchemaError, one_of
from custrel.frames import collect, leave, plain, quickest, tally, with_nothing
from custrel.history import DAYS, History
from custrel.intake import Rules, Sheet, admit, checked, kind_of
from custrel.moments import GRAINS, checked_zone, edge, moment_of, period_of, start_of
from custrel.promises import columns_of
from custrel.records import INTERACTIONS, KINDS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from custrel.frames import LazyFrame
    from custrel.stats.estimate import Array

__all__ = ["Interactions", "PeriodCounts", "PurchaseCounts"]


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


@dataclass(frozen=True, eq=False, repr=False)
class Interactions:
    """A log of interactions that kept its promises. Make one with `from_frame`, `from_records` or `concat`.

    Parameters
    ----------
    sheets
        One frame a kind, under canonical names, living where the caller's frame lives.
    audit
        What was read, kept and dropped, by reason.
    tz
        The zone of the log's clock: times without a zone are on it, and days begin at its midnight.

    Examples
    --------
    >>> import pandas as pd
    >>> df = pd.DataFrame(
    ...     {"id": ["c1", "c1", "c2"], "date": ["1997-01-01", "1997-08-02", "1997-01-02"], "spend": [29.33, 14.96, 5.0]}
    ... )
    >>> log = Interactions.from_frame(
    ...     df, kind="purchase", columns={"customer_id": "id", "occurred_at": "date", "amount": "spend"}
    ... )
    >>> log
    Interactions: 3 purchase
    >>> h = log.history(until="1997-09-30", unit="day")
    >>> h.customer_id.tolist(), h.x.tolist(), h.t_x.tolist(), h.T.tolist()
    (['c1', 'c2'], [1.0, 0.0], [213.0, 0.0], [272.0, 271.0])
    """

    sheets: Mapping[str, Sheet]
    audit: Audit = field(default_factory=lambda: Audit(0, 0))
    tz: str = "UTC"

    # -- in ---------------------------------------------------------------------------------------------------------

    @classmethod
    def from_frame(
        cls,
        data: Any,
        *,
        kind: str,
        columns: Mapping[str, str | None] | None = None,
        tz: str = "UTC",
        time_format: str | None = None,
        as_of: Any = None,
        on_invalid: str = "raise",
    ) -> Self:
        """Read a frame whose rows are interactions of one kind.

        Parameters
        ----------
        data
            A frame of pandas, Polars (eager or lazy), pyarrow, DuckDB, Dask, PySpark or Ibis. It is not changed; a lazy
            one stays where it lives. Columns that are no field of the kind are kept beside ours.
        kind
            Which kind: purchase, refund, support_contact, case, complaint, survey_response, review, referral,
            marketing_touch, self_service or subscription.
        columns
            Field of the kind to column of the frame, where their names differ. None says that the log does not have
            the field, though the kind asks for it: ``{"amount": None}`` reads a log of purchases without money.
        tz
            Zone of the log's clock. Times without a zone are taken to be on it; those with one are converted to it.
        time_format
            How text that is not ISO 8601 is written, such as ``"%d/%m/%Y"``; text that could be read in two ways is
            refused without it.
        as_of
            Rows later than this are invalid: they had not happened yet.
        on_invalid
            ``"raise"``, or ``"drop"`` to go on without the rows that break a promise; `audit` counts them by reason.

        Raises
        ------
        SchemaError
            If a column is missing, or holds what its field cannot be.
        PromiseError
            If rows break a promise, with their counts and examples by reason.
        """
        rules = Rules(checked_zone(tz), time_format, as_of, on_invalid)
        sheet, audit = admit(data, kind, {} if columns is None else columns, rules)
        return cls({kind: sheet}, audit, tz)

    @classmethod
    def from_records(
        cls,
        records: Iterable[Any],
        *,
        tz: str = "UTC",
        as_of: Any = None,
        on_invalid: str = "raise",
        like: str = "pandas",
    ) -> Self:
        """Read records, or dictionaries that can become records, of any kinds.

        Parameters
        ----------
        records
            Models of `custrel.records`, or dictionaries with their `kind`.
        tz
            Zone of the log's clock; times are converted to it, and those of dictionaries may lack a zone.
        as_of, on_invalid
            As for `from_frame`.
        like
            The library to hold the log.

        Raises
        ------
        PromiseError
            If a dictionary cannot become a record, or rows break a promise together (an id twice, two currencies).

        Examples
        --------
        >>> from datetime import datetime, timezone
        >>> from custrel import Purchase
        >>> p = Purchase(
        ...     customer_id="c1", occurred_at=datetime(2024, 5, 1, tzinfo=timezone.utc), amount="12.50", currency="USD"
        ... )
        >>> log = Interactions.from_records([p])
        >>> log.to_records() == [p]
        True
        """
        rules = Rules(checked_zone(tz), None, as_of, on_invalid)
        if not isinstance(records, Iterable):
            raise SchemaError(f"expected a list of records or dictionaries, found {type(records).__name__}")
        models, refused = _validated(list(records), rules)
        by_kind: dict[str, list[Any]] = {}
        for model in models:
            by_kind.setdefault(model.kind, []).append(model)
        sheets, audit = {}, refused
        for kind, rows in by_kind.items():
            sheets[kind], one = admit(_columns_of_records(rows, kind, tz, like), kind, {}, rules)
            audit += one
        return cls(sheets, audit, tz)

    @classmethod
    def concat(cls, logs: Iterable[Interactions]) -> Interactions:
        """Several logs as one; rows of the same kind come to stand under each other, and are checked together.

        Raises
        ------
        SchemaError
            If the logs are on different clocks, or rows of one kind live in different libraries.
        PromiseError
            If rows break a promise together (an id twice, two currencies).
        """
        logs = list(logs)
        given: list[Any] = logs
        if other := [type(log).__name__ for log in given if not isinstance(log, Interactions)]:
            raise SchemaError(f"concat needs logs (Interactions), found {other[0]}")
        if len({log.tz for log in logs}) != 1:
            raise SchemaError(
                f"concat needs one or more logs on one clock; found tz {sorted({log.tz for log in logs})}"
            )
        by_kind: dict[str, list[Sheet]] = {}
        for log in logs:
            for kind, sheet in log.sheets.items():
                by_kind.setdefault(kind, []).append(sheet)
        sheets = {
            kind: checked(_stacked(parts), Rules(logs[0].tz))[0] if parts[1:] else parts[0]
            for kind, parts in by_kind.items()
        }
        return cls(sheets, reduce(Audit.__add__, (log.audit for log in logs)), logs[0].tz)

    # -- what there is ----------------------------------------------------------------------------------------------

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds that the log holds."""
        return tuple(self.sheets)

    def __len__(self) -> int:
        return sum(sheet.rows for sheet in self.sheets.values())

    def __repr__(self) -> str:
        rows = ", ".join(f"{sheet.rows:,} {kind}" for kind, sheet in self.sheets.items())
        return f"Interactions: {rows or 'none'}"

    def only(self, *kinds: str) -> Self:
        """The log of these kinds alone."""
        return replace(self, sheets={kind: self._sheet(kind) for kind in kinds})

    def _sheet(self, kind: str) -> Sheet:
        kind_of(kind)
        if kind not in self.sheets:
            raise SchemaError(f"this log has no {kind!r}; it has {', '.join(self.kinds) or 'nothing'}")
        return self.sheets[kind]

    # -- out --------------------------------------------------------------------------------------------------------

    def to_frame(self, kind: str | None = None) -> Any:
        """The rows of one kind under canonical names, as a frame of the caller's library.

        A lazy frame comes back as the eager frame its library is at home with; `lazy_frame` leaves it where it lives.

        Parameters
        ----------
        kind
            Which kind; may be left out if the log holds one.
        """
        sheet = self._one(kind)
        eager = sheet.frame.collect()
        return (
            eager.to_native()
            if eager.implementation.value == sheet.like
            else leave(collect(eager.lazy()), like=sheet.like)
        )

    def lazy_frame(self, kind: str | None = None) -> Any:
        """The rows of one kind where they live: the caller's own lazy frame (the eager one if it was eager)."""
        return self._one(kind).frame.to_native()

    def _one(self, kind: str | None) -> Sheet:
        if kind is None and len(self.kinds) != 1:
            raise SchemaError(f"say which kind: this log has {', '.join(self.kinds) or 'nothing'}")
        return self._sheet(kind or self.kinds[0])

    def to_records(self) -> list[Any]:
        """The rows as records, kind by kind; columns that are no field come back in `attributes`.

        Raises
        ------
        SchemaError
            If a field that the record needs is not in the log.
        """
        return [record for sheet in self.sheets.values() for record in _records_of(sheet, self.tz)]

    # -- sums -------------------------------------------------------------------------------------------------------

    def history(
        self,
        *,
        until: Any,
        since: Any = None,
        unit: str = "week",
        grain: str = "day",
        spend: str = "repeat",
        log_gaps: bool = False,
        customers: Any = None,
    ) -> History:
        """What a law of purchases needs to know of each customer, as seen at the end of observation.

        Parameters
        ----------
        until
            End of observation: a date (its last moment), a datetime or ISO text. Never the last purchase by default.
        since
            Leave out whole customers whose first purchase came before this: their counts would begin in the middle.
        unit
            Unit of t_x and T: hour, day, week, month (365.25 / 12 days) or year (365.25 days).
        grain
            Purchases of one customer within one grain are one purchase with their amounts added: microsecond, second,
            minute, hour, day or week.
        spend
            Mean value over ``"repeat"`` purchases, or over ``"all"`` with the first one.
        log_gaps
            Whether to add the logarithms of the times between purchases, which laws of regular purchasing need.
        customers
            Only these ids, in this order (or the history whose customers are wanted).

        Returns
        -------
        History with a row for each customer who bought by `until`, in order of customer_id. Its `counts` say how many
        purchases were merged into a grain, came after `until`, or belong to customers left out.

        Raises
        ------
        SchemaError
            If the log has no purchases.
        DomainError
            If an argument is none of those above, or nobody bought by `until`.
        """
        one_of("unit", unit, DAYS)
        one_of("spend", spend, ["repeat", "all"])
        one_of("grain", grain, GRAINS)
        sheet = self._sheet("purchase")
        end = self._period(until, "until", grain, end=True)
        baskets = _baskets(sheet, grain, nw.col("__period") <= end)
        people = _people(baskets, first_basket=spend == "repeat")
        sums = collect(people, sort=["customer_id"])
        counts = {"after_until": sheet.rows - int(sums["rows"].sum()), "merged": int((sums["rows"] - sums["x"]).sum())}
        sums |= {"log_gaps": _log_gaps(baskets, sums, DAYS[grain] / DAYS[unit])} if log_gaps else {}
        sums, counts = _chosen(sums, counts, None if since is None else self._period(since, "since", grain), customers)
        if not len(sums["x"]):
            raise DomainError(
                f"no customer of this log bought by until={until!r}" + (" from since on" if since is not None else "")
            )
        return _history_of(sums, end, unit, grain, spend, sheet.like, str(until), counts)

    def purchases_between(self, start: Any, end: Any, *, grain: str = "day", customers: Any = None) -> PurchaseCounts:
        """How often customers bought from `start` to `end`, both included; what a forecast is held against.

        Parameters
        ----------
        start, end
            Dates (a date's last moment for `end`), datetimes or ISO text.
        grain
            As for `history`.
        customers
            Ids, or a history, whose customers are wanted, in this order, with 0 for those who did not buy; if not
            given, those who bought.
        """
        sheet = self._sheet("purchase")
        low, high = self._period(start, "start", grain), self._period(end, "end", grain, end=True)
        within = (nw.col("__period") >= low) & (nw.col("__period") <= high)
        sums = collect(_people(_baskets(sheet, grain, within), first_basket=False), sort=["customer_id"])
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

    def purchases_by_period(self, *, until: Any, born_until: Any, grain: str = "day") -> PeriodCounts:
        """First and repeat purchases of the customers born by a date, period by period.

        Parameters
        ----------
        until
            Last period to count.
        born_until
            Only customers whose first purchase came by then.
        grain
            As for `history`; also the length of a period.
        """
        sheet = self._sheet("purchase")
        end, born = (
            self._period(until, "until", grain, end=True),
            self._period(born_until, "born_until", grain, end=True),
        )
        baskets = _baskets(sheet, grain, nw.col("__period") <= end)
        people = _people(baskets, first_basket=False).filter(nw.col("first") <= born)
        births = collect(tally(people, ["first"]), sort=["first"])
        theirs = baskets.join(people.select("customer_id"), on="customer_id", how="semi")
        bought = collect(tally(theirs, ["__period"]), sort=["__period"])
        if not len(births["n"]):
            raise DomainError(f"no customer of this log bought by born_until={born_until!r}")
        first, size = int(births["first"][0]), end - int(births["first"][0]) + 1
        if size > _MOST_PERIODS:
            raise DomainError(f"{size:,} periods of one {grain} are more than {_MOST_PERIODS:,}: take a longer grain")
        born_in, bought_in = np.zeros(size, dtype=np.int64), np.zeros(size, dtype=np.int64)
        born_in[births["first"].astype(np.int64) - first] = births["n"]
        bought_in[bought["__period"].astype(np.int64) - first] = bought["n"]
        step = np.timedelta64(GRAINS[grain] * 1_000_000 or 1, "us")
        starts = np.datetime64(moment_of(first, grain), "us") + np.arange(size) * step
        return PeriodCounts(starts, born_in, bought_in - born_in, sheet.like)

    def _period(self, moment: Any, name: str, grain: str, *, end: bool = False) -> int:
        return edge(start_of(moment, name=name, tz=self.tz, end=end), grain, name=name)


# -- records and columns ----------------------------------------------------------------------------------------------


def _validated(records: list[Any], rules: Rules) -> tuple[list[Any], Audit]:
    """Records as they are, dictionaries made into records; those that cannot be, counted by reason."""
    context = {"tz": rules.tz}
    try:
        return INTERACTIONS.validate_python(records, context=context), Audit(0, 0)
    except ValidationError as error:
        broken: dict[int, str] = {}
        for one in error.errors(include_url=False):
            where = ".".join(str(part) for part in one["loc"][2:])
            broken.setdefault(int(one["loc"][0]), f"{where + ': ' if where else ''}{one['msg']}")
    findings: dict[str, list[int]] = {}
    for row, reason in broken.items():
        findings.setdefault(reason, []).append(row)
    counted = tuple(
        Finding(reason, len(rows), tuple({"row": row, "record": repr(records[row])[:200]} for row in rows[:3]))
        for reason, rows in findings.items()
    )
    audit = Audit(len(broken), 0, counted)
    if rules.on_invalid == "raise":
        raise PromiseError(
            f"{len(broken):,} of {len(records):,} records break a promise: " + "; ".join(map(str, counted)), audit
        )
    kept = [record for row, record in enumerate(records) if row not in broken]
    return INTERACTIONS.validate_python(kept, context=context), audit


def _columns_of_records(rows: list[Any], kind: str, tz: str, like: str) -> Any:
    """Records of one kind as a frame: a column for each field that any of them has; attributes as JSON text."""
    zone = ZoneInfo(tz)
    columns: dict[str, list[Any]] = {}
    for name, column in columns_of(KINDS[kind]).items():
        if name.endswith(("_low", "_high")) and name not in KINDS[kind].model_fields:
            scale, end = name.rsplit("_", 1)
            values = [None if (pair := getattr(row, scale)) is None else pair[end == "high"] for row in rows]
        else:
            values = [getattr(row, name) for row in rows]
        if column.required or any(value is not None for value in values):
            columns[name] = [_cell(value, column.holds, zone) for value in values]
    if len({type(value) for value in columns["customer_id"]}) > 1:
        raise SchemaError(
            "customer_id holds both text and whole numbers among these records; a column can hold one of them"
        )
    if any(row.attributes for row in rows):
        columns["attributes"] = [json.dumps(row.attributes) for row in rows]
    try:
        backend: Any = like
        return nw.from_dict(columns, backend=backend).to_native()
    except (OverflowError, TypeError, ValueError) as error:
        raise SchemaError(f"these records do not fit columns of {like}: {error}") from error


def _cell(value: Any, holds: str, zone: ZoneInfo) -> Any:
    if value is None:
        return None
    if holds == "moment":
        return _on_clock(value, zone)
    return float(value) if holds in {"number", "whole"} else value


def _on_clock(moment: datetime, zone: ZoneInfo) -> datetime:
    try:
        return moment.astimezone(zone).replace(tzinfo=None)
    except OverflowError as error:
        raise SchemaError(f"{moment.isoformat()} lies beyond the years 1 to 9999 on the clock of {zone}") from error


def _records_of(sheet: Sheet, tz: str) -> list[Any]:
    zone, model = ZoneInfo(tz), kind_of(sheet.kind)
    fields = columns_of(model)
    eager = sheet.frame.collect()
    # An old narwhals lists pandas' nanosecond times as whole numbers; arrays know what they hold.
    columns = {one.name: one.to_numpy() if one.dtype == nw.Datetime else one.to_list() for one in eager.iter_columns()}
    absent = [name for name, column in fields.items() if column.required and name not in columns]
    if absent:
        raise SchemaError(f"a record of kind {sheet.kind!r} needs {absent[0]!r}, which this log does not have")
    values = zip(*columns.values(), strict=True)
    rows = [_record(dict(zip(columns, row, strict=True)), fields, zone, sheet.kind) for row in values]
    try:
        return list(INTERACTIONS.validate_python(rows))
    except ValidationError as error:
        found = error.errors(include_url=False)[0]
        raise PromiseError(
            f"row {found['loc'][0]} of kind {sheet.kind!r} cannot be a record: {found['msg']}"
        ) from error


def _record(row: dict[str, Any], fields: Mapping[str, Any], zone: ZoneInfo, kind: str) -> dict[str, Any]:
    """One row of a frame as the dictionary of a record."""
    said = {name: value for name, cell in row.items() if (value := plain(cell)) is not None}
    record: dict[str, Any] = {"kind": kind}
    attributes = _attributes(said.pop("attributes", {}))
    for name, value in said.items():
        if name not in fields:
            attributes[name] = _for_json(value)
        elif fields[name].holds == "moment":
            record[name] = value.replace(tzinfo=zone)
        elif fields[name].holds == "number":
            record[name] = repr(float(value)) if not name.endswith(("_low", "_high")) else float(value)
        else:
            record[name] = value
    for name in [name for name in record if name.endswith("_low") and name in fields]:
        scale = name.removesuffix("_low")
        record[scale] = (record.pop(name), record.pop(f"{scale}_high"))
    return record | ({"attributes": attributes} if attributes else {})


def _attributes(said: Any) -> dict[str, Any]:
    """What a column named attributes says: an object in JSON is taken apart, anything else is one attribute."""
    try:
        read = json.loads(said) if isinstance(said, str) else said
    except ValueError:
        read = said
    return read if isinstance(read, dict) else {"attributes": _for_json(said)}


def _for_json(value: Any) -> Any:
    """A value as JSON can hold it; what JSON has no word for as text."""
    if isinstance(value, dict):
        return {str(name): _for_json(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_for_json(inner) for inner in value]
    value = plain(value)
    if isinstance(value, bool | int | str | None) or (isinstance(value, float) and isfinite(value)):
        return value
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _stacked(parts: list[Sheet]) -> Sheet:
    """Sheets of one kind under each other; a column that one of them lacks is empty there."""
    if len({part.library for part in parts}) > 1:
        found = sorted({part.library for part in parts})
        raise SchemaError(
            f"rows of kind {parts[0].kind!r} live in {' and '.join(found)}: bring them into one library first"
        )
    schemas = [dict(part.frame.collect_schema()) for part in parts]
    merged: dict[str, Any] = {}
    for schema in schemas:
        merged |= {name: _common(name, merged.get(name, dtype), dtype) for name, dtype in schema.items()}
    frames = []
    for part, schema in zip(parts, schemas, strict=True):
        frame = with_nothing(part.frame, {name: dtype for name, dtype in merged.items() if name not in schema})
        casts = [nw.col(name).cast(merged[name]) for name, dtype in schema.items() if dtype != merged[name]]
        frames.append((frame.with_columns(*casts) if casts else frame).select(*merged))
    try:
        return replace(parts[0], frame=nw.concat(frames, how="vertical"))
    except Exception as error:  # each engine has errors of its own
        raise SchemaError(f"rows of kind {parts[0].kind!r} cannot stand under each other: {error}") from error


def _common(name: str, one: Any, other: Any) -> Any:
    """The type that holds what two columns of one name hold."""
    if one == other or isinstance(other, nw.Unknown):
        return one
    if isinstance(one, nw.Unknown):
        return other
    if isinstance(one, nw.Datetime) and isinstance(other, nw.Datetime):
        return nw.Datetime("us")
    if name != "customer_id" and one.is_numeric() and other.is_numeric():
        return nw.Float64()
    raise SchemaError(f"column {name!r} holds {one} in one log and {other} in another: cast one of them")


# -- from rows to sums ------------------------------------------------------------------------------------------------


def _baskets(sheet: Sheet, grain: str, wanted: nw.Expr) -> LazyFrame:
    """Customer, period and value: what each customer bought within one grain, as one purchase."""
    period = period_of("occurred_at", grain, sheet.library).alias("__period")
    money = ["amount"] if "amount" in sheet.frame.collect_schema().names() else []
    rows = quickest(sheet.frame.select("customer_id", period, *money)).filter(wanted)
    sums = {name: nw.col(name) for name in money}
    return tally(rows, ["customer_id", "__period"], sums=sums)


def _people(baskets: LazyFrame, *, first_basket: bool) -> LazyFrame:
    """A row for each customer: purchases x (the first included), first and last period, rows, amounts."""
    money = ["amount"] if "amount" in baskets.collect_schema().names() else []
    return tally(
        baskets,
        ["customer_id"],
        sums={"rows": nw.col("n"), **{name: nw.col(name) for name in money}},
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


_MOST_PERIODS = 10_000_000


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


def _history_of(
    sums: Mapping[str, NDArray[Any]],
    end: int,
    unit: str,
    grain: str,
    spend: str,
    like: str,
    until: str,
    counts: dict[str, int],
) -> History:
    first, last = sums["first"].astype(np.float64), sums["last"].astype(np.float64)
    x = sums["x"].astype(np.float64) - 1
    mean = None
    if "amount" in sums:
        paid = x if spend == "repeat" else x + 1
        total = sums["amount"].astype(np.float64) - (
            sums["first_amount"].astype(np.float64) if spend == "repeat" else 0.0
        )
        mean = np.where(paid > 0, np.maximum(total, 0) / np.maximum(paid, 1), np.nan)
    days = DAYS[grain]
    return History(
        x=x,
        t_x=(last - first) * days / DAYS[unit],
        T=(end - first) * days / DAYS[unit],
        spend=mean,
        customer_id=sums["customer_id"],
        log_gaps=sums.get("log_gaps"),
        unit=unit,
        grain=grain,
        until=until,
        spend_of=spend,
        like=like,
        counts=counts,
    )
