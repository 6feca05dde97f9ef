"""Silent: who left without a word?

Most who are dissatisfied do not complain: they leave. A customer left silently if, in the time before, they neither
complained nor answered a survey nor wrote a review. What leaving means the caller says, by giving who left and when.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import narwhals.stable.v2 as nw
import numpy as np

from custrel.checked import checked_level
from custrel.errors import DomainError, SchemaError
from custrel.feedback.loop.events import answered, coded, events_of, events_of_frame, last_moment
from custrel.feedback.loop.followed import Asked, earliest_after, grouped
from custrel.feedback.reading.measured import Interval
from custrel.frames import leave
from custrel.moments import grains, start_of
from custrel.spans import span_in_microseconds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from custrel.frames import LazyFrame
    from custrel.interactions import Interactions

__all__ = ["silent_customers", "who_left_silently"]

_VOICES = ("complaint", "survey_response", "review", "support_contact", "case")
_ABOUT = ("support_contact", "case")
_EPOCH = np.datetime64("0001-01-01", "us")


def silent_customers(
    log: Interactions,
    churned: Any,
    within: Any = "90D",
    by: str | Sequence[str] = (),
    *,
    as_of: Any,
    since: Any = None,
    left_at: str = "left_at",
    topics: Sequence[str] = ("complaint",),
    interval: str = "wilson",
    level: float = 0.95,
    seed: int = 0,
) -> Any:
    """Share of those who left that left without a complaint, an answer or a review in the time before, for each group.

    Parameters
    ----------
    log
        A log with some of these: complaints, survey responses, reviews, support contacts and cases. An invitation that
        was not answered is no word of the customer.
    churned
        Who left: a frame with the column ``customer_id`` and the time they left, or a list of ids that had left by
        `as_of`.
    within
        How long before leaving a word counts, such as ``"90D"``; its first and last moment count.
    by
        Columns of `churned` that make groups.
    as_of
        End of observation: a date (its last moment), a datetime or ISO text.
    since
        Beginning of observation, if the log does not know of all words before: who left so soon after it that the time
        before reaches behind it is counted apart.
    left_at
        Column of `churned` with the time each left; a date is its first moment.
    topics
        What a support contact or a case is about when it counts as a complaint.
    interval
        ``"wilson"``, ``"jeffreys"``, ``"clopper_pearson"``, ``"agresti_coull"``, ``"wald"`` or ``"bootstrap"``.
    level, seed
        Level of the interval, and seed of the bootstrap.

    Returns
    -------
    A frame of the log's library with the columns of `by`, value, low, high, n (who left), silent (how many of them left
    silently), standard_error, n_effective, excluded_too_early (before it could be known), excluded_after_as_of, and
    heard: the kinds of words that the log knows of.

    Raises
    ------
    SchemaError
        If the log knows of no words, a column is missing, or a time cannot be read.
    DomainError
        If an argument is none of those above.

    See Also
    --------
    who_left_silently : The customers themselves.

    Examples
    --------
    Of three who left, ana complained the day before:

    >>> import pandas as pd
    >>> from custrel import Interactions
    >>> complaints = pd.DataFrame({"customer_id": ["ana", "bo"], "occurred_at": ["2024-04-30", "2023-01-01"]})
    >>> log = Interactions.from_frame(complaints, kind="complaint")
    >>> left = pd.DataFrame({"customer_id": ["ana", "bo", "cy"], "left_at": "2024-05-01"})
    >>> found = silent_customers(log, left, within="90D", as_of="2024-05-31")
    >>> found[["value", "low", "high", "n", "silent", "heard"]].round(3)
       value    low   high  n  silent      heard
    0  0.667  0.208  0.939  3       2  complaint
    """
    how = Interval(interval, checked_level(level), seed)
    columns = (by,) if isinstance(by, str) else tuple(by)
    left = _read(log, churned, within, columns, as_of=as_of, since=since, left_at=left_at, topics=topics)
    kept = left.asked.those(left.known)
    silent = left.silent[left.known]
    heard = np.full(kept.groups.size, ", ".join(left.heard), dtype=object)
    return replace(kept, who=coded(kept.who)[0]).told(
        silent,
        how,
        left.like,
        also={"silent": kept.count(silent)},
        last={
            "excluded_too_early": left.asked.count(left.early),
            "excluded_after_as_of": left.asked.count(left.late),
            "heard": heard,
        },
    )


def who_left_silently(
    log: Interactions,
    churned: Any,
    within: Any = "90D",
    *,
    as_of: Any,
    since: Any = None,
    left_at: str = "left_at",
    topics: Sequence[str] = ("complaint",),
) -> Any:
    """The customers that `silent_customers` counts as silent.

    Parameters
    ----------
    log, churned, within, as_of, since, left_at, topics
        As for `silent_customers`.

    Returns
    -------
    A frame of the log's library with customer_id and left_at, in order of both.

    Examples
    --------
    >>> import pandas as pd
    >>> from custrel import Interactions
    >>> complaints = pd.DataFrame({"customer_id": ["ana"], "occurred_at": ["2024-04-30"]})
    >>> log = Interactions.from_frame(complaints, kind="complaint")
    >>> left = pd.DataFrame({"customer_id": ["cy", "ana", "bo"], "left_at": "2024-05-01"})
    >>> who_left_silently(log, left, as_of="2024-05-31")
      customer_id    left_at
    0          bo 2024-05-01
    1          cy 2024-05-01
    """
    left = _read(log, churned, within, (), as_of=as_of, since=since, left_at=left_at, topics=topics)
    silent = left.asked.those(left.known & left.silent)
    order = np.lexsort((silent.when, _order(silent.who)))
    moments = _EPOCH + silent.when[order].astype("m8[us]")
    return leave({"customer_id": silent.who[order], "left_at": moments}, like=left.like)


@dataclass(frozen=True, eq=False)
class _Left:
    """Who left, of whom that is known, who was silent, and the kinds of words that could have been heard."""

    asked: Asked
    early: NDArray[np.bool_]
    late: NDArray[np.bool_]
    silent: NDArray[np.bool_]
    heard: tuple[str, ...]
    like: str

    @property
    def known(self) -> NDArray[np.bool_]:
        """Whose time before leaving lies within the observation."""
        return ~self.early & ~self.late


def _read(
    log: Interactions,
    churned: Any,
    within: Any,
    by: tuple[str, ...],
    *,
    as_of: Any,
    since: Any,
    left_at: str,
    topics: Sequence[str],
) -> _Left:
    length, end = span_in_microseconds(within, name="within"), last_moment(as_of, log.tz)
    asked = _leavers(churned, by, left_at, log.tz, end)
    if isinstance(topics, str):
        raise DomainError(f"topics must be a list of topics, such as ['complaint'], got {topics!r}")
    words, heard, like = _words(log, topics)
    who, of = coded(asked.who, words["who"])
    first = earliest_after(who, asked.when - length - 1, of, words["when"])
    begin = 0 if since is None else grains(start_of(since, name="since", tz=log.tz), "microsecond")
    late = asked.when > end
    return _Left(asked, (asked.when - length < begin) & ~late, late, first > asked.when, heard, like)


def _leavers(churned: Any, by: tuple[str, ...], left_at: str, tz: str, end: int) -> Asked:
    if isinstance(churned, list | tuple | np.ndarray):
        if by:
            raise SchemaError(
                f"by={list(by)!r} needs a frame of those who left, with these columns; found a list of ids"
            )
        who = np.array(churned, dtype=object)
        if twice := who.size - len(set(who.tolist())):
            raise DomainError(f"churned must name each customer once; {twice:,} of {who.size:,} ids stand there again")
        events = {"who": who, "when": np.full(who.size, end, dtype=np.int64)}
    else:
        events = events_of_frame(churned, *by, at=left_at, tz=tz, purpose="churned")
    groups, number = grouped({name: events[name] for name in by}, events["when"].size)
    return Asked(groups, number, events["who"], events["when"])


def _words(log: Interactions, topics: Sequence[str]) -> tuple[dict[str, NDArray[Any]], tuple[str, ...], str]:
    """Who said something when; the kinds of it that the log knows of, and the log's library."""
    rows = {kind: _said(log.sheets[kind].frame, kind, topics) for kind in _VOICES if kind in log.kinds}
    found = {kind: events_of(frame) for kind, frame in rows.items() if frame is not None}
    if not found:
        raise SchemaError(
            f"this log knows of no words: it has {', '.join(log.kinds) or 'nothing'}; one of {', '.join(_VOICES)} is "
            "needed, the last two with a topic"
        )
    words = {name: np.concatenate([part[name] for part in found.values()]) for name in ("who", "when")}
    return words, tuple(found), log.sheets[next(iter(found))].like


def _said(frame: LazyFrame, kind: str, topics: Sequence[str]) -> LazyFrame | None:
    """The rows of a kind in which a customer says how it was; None if the log cannot tell."""
    if kind == "survey_response":
        return frame.filter(answered(frame))
    if kind not in _ABOUT:
        return frame
    if "topic" not in frame.collect_schema().names():
        return None
    return frame.filter(nw.col("topic").is_in(list(topics)).fill_null(value=False))


def _order(ids: NDArray[Any]) -> NDArray[np.int64]:
    import pandas as pd

    return pd.factorize(ids, sort=True)[0].astype(np.int64)
