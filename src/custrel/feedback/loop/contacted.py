"""Contacted: did we call back those who would not recommend us, and in time?

An answer of 0 to 6 is a detractor's. The loop is closed when the business gets in touch with the customer after the
answer and within a time. Of an answer so late that this time is not over nothing is known yet: it is counted apart,
not as one that was left alone.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import narwhals.stable.v2 as nw
import numpy as np

from custrel.checked import checked_level
from custrel.errors import DomainError, SchemaError, one_of
from custrel.feedback.loop.events import coded, events_of, events_of_frame, last_moment
from custrel.feedback.loop.followed import Asked, earliest_after, medians
from custrel.feedback.reading.answers import answers_of
from custrel.feedback.reading.measured import Interval
from custrel.feedback.reading.question import Question, Scale
from custrel.frames import enter, plain
from custrel.interactions import Interactions
from custrel.spans import span_in_microseconds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from custrel.frames import LazyFrame

__all__ = ["detractors_contacted"]

_HIGHEST = 6
_HOUR = 3_600_000_000


def detractors_contacted(
    log: Interactions,
    within: Any = "2D",
    by: str | Sequence[str] = (),
    *,
    as_of: Any,
    contacts: Any = ("support_contact",),
    direction: str | None = "outbound",
    interval: str = "wilson",
    level: float = 0.95,
    seed: int = 0,
) -> Any:
    """Share of detractors whom the business contacted within a time after their answer, for each group.

    Parameters
    ----------
    log
        A log with survey responses of the kind nps, answered from 0 to 10.
    within
        How long after the answer a contact counts, such as ``"2D"`` or ``"48h"``; its last moment counts.
    by
        Columns of the survey responses that make groups.
    as_of
        End of observation: a date (its last moment), a datetime or ISO text.
    contacts
        Kinds of the log that are contacts, or a log or a frame of contacts with the columns ``customer_id`` and
        ``occurred_at``. An attempt is a contact: give a frame to count others.
    direction
        Who began a contact that counts: ``"outbound"`` (the business), ``"inbound"``, or None for whoever did. In a
        frame without the column `direction` every contact counts.
    interval
        ``"wilson"``, ``"jeffreys"``, ``"clopper_pearson"``, ``"agresti_coull"``, ``"wald"`` or ``"bootstrap"``. All
        allow for several answers of one customer.
    level, seed
        Level of the interval, and seed of the bootstrap.

    Returns
    -------
    A frame of the log's library with the columns of the groups, value, low, high, n (detractors' answers whose time is
    over), contacted, unclear (of those not contacted: answers with a contact at their very moment, or one of which is
    not known who began it), median_hours (until the first contact, of those contacted in time), standard_error,
    n_effective and excluded_too_recent (answers whose time is not over). Without answers the figures are missing.

    Raises
    ------
    SchemaError
        If the log lacks survey responses or contacts, or does not know who began them.
    PromiseError
        If scores are none of 0 to 10.
    DomainError
        If an argument is none of those above.

    Notes
    -----
    Where times are whole days, a contact on the day of the answer stands at its very moment, and is counted as unclear.

    Examples
    --------
    Of four detractors ana was called after a day and bo after three; cy never was, and dee answered only yesterday:

    >>> import pandas as pd
    >>> answers = pd.DataFrame(
    ...     {"customer_id": ["ana", "bo", "cy", "dee"], "score": [3, 6, 0, 5], "survey_kind": "nps"}
    ... ).assign(occurred_at=["2024-05-01", "2024-05-01", "2024-05-01", "2024-05-08"])
    >>> calls = pd.DataFrame({"customer_id": ["ana", "bo"], "occurred_at": ["2024-05-02", "2024-05-04"]})
    >>> log = Interactions.from_frame(answers, kind="survey_response")
    >>> found = detractors_contacted(log, "2D", as_of="2024-05-09", contacts=calls)
    >>> found[["value", "low", "high", "n", "contacted", "median_hours", "excluded_too_recent"]].round(3)
       value    low   high  n  contacted  median_hours  excluded_too_recent
    0  0.333  0.061  0.792  3          1          24.0                    1
    """
    how, length, end = (
        Interval(interval, checked_level(level), seed),
        span_in_microseconds(within, name="within"),
        last_moment(as_of, log.tz),
    )
    every = _detractors(log, by)
    late = every.when > end - length
    touched = _contacts(log, contacts, direction)
    when, known = touched["when"], touched["known"]
    asked = every.those(~late)
    who, of = coded(asked.who, touched["who"])
    first = earliest_after(who, asked.when, of[known], when[known])
    met = first - asked.when <= length
    perhaps = ~met & (earliest_after(who, asked.when - 1, of, when) - asked.when <= length)
    return replace(asked, who=who).told(
        met,
        how,
        log.sheets["survey_response"].like,
        also={
            "contacted": asked.count(met),
            "unclear": asked.count(perhaps),
            "median_hours": medians((first - asked.when)[met] / _HOUR, asked.group[met], asked.groups.size),
        },
        last={"excluded_too_recent": every.count(late)},
    )


def _detractors(log: Interactions, by: str | Sequence[str]) -> Asked:
    """Who answered 0 to 6, when, and in which of the groups that there are."""
    marks = {"detractors": lambda points: points <= _HIGHEST}
    question = Question.of("score", by, Scale((0, 10)), marks, {"customer_id": None}, flags=True, survey="nps")
    groups = answers_of(log, question).groups
    rows = log.sheets["survey_response"].frame.filter(nw.col("survey_kind") == "nps")
    found = events_of(rows.filter((nw.col("score") <= _HIGHEST).fill_null(value=False)), *question.by)
    number = groups.number_of({name: found[name] for name in question.by}) if question.by else None
    group = np.zeros(found["when"].size, dtype=np.intp) if number is None else number
    return Asked(groups, group, found["who"], found["when"])


def _contacts(log: Interactions, contacts: Any, direction: str | None) -> dict[str, NDArray[Any]]:
    """With whom there was a contact, when, and whether it is known who began it: as asked for, or as nobody knows."""
    if direction is not None:
        one_of("direction", direction, ["outbound", "inbound"])
    kinds = (contacts,) if isinstance(contacts, str) else contacts
    if isinstance(kinds, Interactions) or (
        isinstance(kinds, list | tuple) and all(isinstance(one, str) for one in kinds)
    ):
        listed = kinds if isinstance(kinds, Interactions) else log.only(*kinds)
        if listed.tz != log.tz:
            raise SchemaError(
                f"contacts are on the clock of {listed.tz!r}, the answers on that of {log.tz!r}: read both on one"
            )
        parts = [_of_kind(sheet.frame, kind, direction) for kind, sheet in listed.sheets.items()]
    else:
        parts = [_of_frame(contacts, direction, log.tz)]
    if not parts:
        raise DomainError("contacts must name one kind of the log or more, such as 'support_contact'")
    return {name: np.concatenate([part[name] for part in parts]) for name in ("who", "when", "known")}


def _of_kind(frame: LazyFrame, kind: str, direction: str | None) -> dict[str, NDArray[Any]]:
    began = nw.col("direction")
    if direction is None:
        found = events_of(frame)
        return found | {"known": np.ones(found["when"].size, dtype=bool)}
    if "direction" not in frame.collect_schema().names():
        raise SchemaError(
            f"this log does not know who began a {kind}: it has no column 'direction'; give direction=None if whoever "
            "began counts"
        )
    rows = frame.filter(((began == direction) | began.is_null()).fill_null(value=True))
    found = events_of(rows, known=~began.is_null())
    return found | {"known": found["known"].astype(bool)}


def _of_frame(data: Any, direction: str | None, tz: str) -> dict[str, NDArray[Any]]:
    told = "direction" in enter(data)[0].collect_schema().names()
    found = events_of_frame(data, *(["direction"] if told else []), at="occurred_at", tz=tz, purpose="contacts")
    if direction is None or not told:
        return found | {"known": np.ones(found["when"].size, dtype=bool)}
    began = found.pop("direction")
    unknown = np.array([plain(one) is None for one in began.tolist()], dtype=bool)
    if odd := sorted(set(began[~unknown].tolist()) - {"inbound", "outbound"}):
        raise SchemaError(f"column 'direction' (contacts) must hold 'inbound', 'outbound' or nothing, found {odd[0]!r}")
    kept = unknown | (began == direction)
    return {name: values[kept] for name, values in {**found, "known": ~unknown}.items()}
