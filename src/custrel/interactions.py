"""Interactions: a validated log, one frame a kind, joined by customer_id; and the sums that laws are made of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import TYPE_CHECKING, Any, Self

from custrel.audit import Audit
from custrel.errors import SchemaError, one_of
from custrel.frames import collect, leave
from custrel.history import DAYS, History
from custrel.intake import admit, checked, kind_of
from custrel.moments import GRAINS, checked_zone, edge, start_of
from custrel.purchases import PeriodCounts, PurchaseCounts, bought_between, bought_by_period, history_of
from custrel.rows import columns_of_records, records_of, validated
from custrel.sheets import Rules, Sheet, stacked

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Interactions"]


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
        models, refused = validated(list(records), rules)
        by_kind: dict[str, list[Any]] = {}
        for model in models:
            by_kind.setdefault(model.kind, []).append(model)
        sheets, audit = {}, refused
        for kind, rows in by_kind.items():
            sheets[kind], one = admit(columns_of_records(rows, kind, tz, like), kind, {}, rules)
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
            kind: checked(stacked(parts), Rules(logs[0].tz))[0] if parts[1:] else parts[0]
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
        return [record for sheet in self.sheets.values() for record in records_of(sheet, self.tz)]

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
        return history_of(
            self._sheet("purchase"),
            until=self._period(until, "until", grain, end=True),
            since=None if since is None else self._period(since, "since", grain),
            unit=unit,
            grain=grain,
            spend=spend,
            log_gaps=log_gaps,
            customers=customers,
            observed=str(until),
        )

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
        low, high = self._period(start, "start", grain), self._period(end, "end", grain, end=True)
        return bought_between(self._sheet("purchase"), low, high, grain=grain, customers=customers)

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
        last = self._period(until, "until", grain, end=True)
        born = self._period(born_until, "born_until", grain, end=True)
        return bought_by_period(sheet, until=last, born_until=born, grain=grain)

    def _period(self, moment: Any, name: str, grain: str, *, end: bool = False) -> int:
        return edge(start_of(moment, name=name, tz=self.tz, end=end), grain, name=name)
