"""Coverage: at which touchpoints do customers get to say how it was?

A touchpoint is an interaction by kind and channel: a call, a purchase in the shop. It is covered if the customer was
asked after it and answered, all within a time. A survey that names the interaction in `about` speaks of that one alone;
any other speaks of whatever the customer met with shortly before it, of several touchpoints if there were several.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import narwhals.stable.v2 as nw
import numpy as np

from custrel.checked import checked_level
from custrel.errors import DomainError, SchemaError, nearest, one_of
from custrel.feedback.loop.events import answered, coded, events_of, last_moment
from custrel.feedback.loop.followed import NEVER, Asked, earliest_after, grouped
from custrel.feedback.reading.measured import Interval
from custrel.frames import collect
from custrel.moments import period_of
from custrel.spans import span_in_microseconds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from custrel.frames import LazyFrame
    from custrel.interactions import Interactions

__all__ = ["feedback_coverage"]

_FEEDBACK = {"survey_response", "review"}


def feedback_coverage(
    log: Interactions,
    touchpoints: str | Sequence[str] | None = None,
    within: Any = "7D",
    by: str | Sequence[str] = ("channel",),
    *,
    as_of: Any,
    survey: str | None = None,
    interval: str = "wilson",
    level: float = 0.95,
    seed: int = 0,
) -> Any:
    """Share of interactions that were followed by an answer to a survey within a time, for each touchpoint.

    Parameters
    ----------
    log
        A log with survey responses and the interactions of which they may speak.
    touchpoints
        Kinds of interactions, such as ``("purchase", "support_contact")``; if not given, all of the log but survey
        responses and reviews.
    within
        How long after the interaction an invitation or answer counts, such as ``"7D"``; first and last moment count.
    by
        Columns that tell touchpoints of one kind apart; missing for a kind that lacks them.
    as_of
        End of observation: a date (its last moment), a datetime or ISO text.
    survey
        Only surveys of this kind: nps, csat, ces or other.
    interval
        ``"wilson"``, ``"jeffreys"``, ``"clopper_pearson"``, ``"agresti_coull"``, ``"wald"`` or ``"bootstrap"``. All
        allow for several interactions of one customer.
    level, seed
        Level of the interval, and seed of the bootstrap.

    Returns
    -------
    A frame of the log's library with touchpoint (the kind), the columns of `by`, value, low, high, n (interactions
    whose time is over), invited and answered (how many were followed by each), standard_error, n_effective and
    excluded_too_recent (interactions whose time is not over).

    Raises
    ------
    SchemaError
        If the log lacks survey responses or a kind of touchpoints.
    DomainError
        If an argument is none of those above.

    Notes
    -----
    Who was asked before the interaction, and answered after it, was not asked about it. A row of the log without score
    is an invitation; where `invited_at` is not known, a customer was invited when the row occurred.

    Examples
    --------
    After three calls two customers were asked, and one answered:

    >>> import pandas as pd
    >>> from custrel import Interactions
    >>> calls = pd.DataFrame({"customer_id": ["ana", "bo", "cy"], "occurred_at": "2024-05-01", "channel": "phone"})
    >>> asked = pd.DataFrame({"customer_id": ["ana", "bo"], "occurred_at": "2024-05-03", "score": [9, None]})
    >>> log = Interactions.concat(
    ...     [
    ...         Interactions.from_frame(calls, kind="support_contact"),
    ...         Interactions.from_frame(asked.assign(survey_kind="nps"), kind="survey_response"),
    ...     ]
    ... )
    >>> found = feedback_coverage(log, as_of="2024-05-31")
    >>> found[["touchpoint", "channel", "value", "low", "high", "n", "invited", "answered"]].round(3)
            touchpoint channel  value    low   high  n  invited  answered
    0  support_contact   phone  0.333  0.061  0.792  3        2         1
    """
    how, length = Interval(interval, checked_level(level), seed), span_in_microseconds(within, name="within")
    end, columns = last_moment(as_of, log.tz), (by,) if isinstance(by, str) else tuple(by)
    kinds, surveys = _kinds(log, touchpoints), _surveys(log, survey)
    every, ids = _touchpoints(log, kinds, columns)
    surveys = replace(surveys, named=_named(log, kinds, ids, surveys.about))
    late = every.when > end - length
    asked, ids = every.those(~late), ids[~late]
    invited = surveys.follow(asked, ids, surveys.invited, length)
    met = surveys.follow(asked, ids, surveys.answered, length)
    also = {"invited": asked.count(invited), "answered": asked.count(met)}
    asked = replace(asked, who=coded(asked.who)[0])
    like = log.sheets["survey_response"].like
    return asked.told(met, how, like, also=also, last={"excluded_too_recent": every.count(late)})


@dataclass(frozen=True, eq=False)
class _Surveys:
    """Invitations: whom, when sent, when answered, about what; and which name an interaction."""

    who: NDArray[Any]
    invited: NDArray[np.int64]
    answered: NDArray[np.int64]
    about: NDArray[Any]
    named: NDArray[np.bool_]

    def follow(self, asked: Asked, ids: NDArray[Any], reached: NDArray[np.int64], length: int) -> NDArray[np.bool_]:
        """Whether a survey that was sent after each interaction, or names it, reached in time what is asked for."""
        free, bound = ~self.named & (reached < NEVER), self.named & (reached < NEVER)
        who, of = coded(asked.who, self.who[free])
        by_time = earliest_after(who, asked.when - 1, of, self.invited[free], reached[free])
        what, about = coded(ids, self.about[bound])
        by_name = earliest_after(what, np.zeros_like(asked.when), about, reached[bound])
        return (by_time - asked.when <= length) | (by_name - asked.when <= length)


def _surveys(log: Interactions, survey: str | None) -> _Surveys:
    frame = log.only("survey_response").sheets["survey_response"].frame
    if survey is not None:
        one_of("survey", survey, ["nps", "csat", "ces", "other"])
        frame = frame.filter(nw.col("survey_kind") == survey)
    there = frame.collect_schema().names()
    sent = nw.col("occurred_at")
    if "invited_at" in there:
        known = ~nw.col("invited_at").is_null()
        sent = nw.when(known).then(nw.col("invited_at")).otherwise(nw.col("occurred_at"))
    frame = frame.with_columns(__sent=sent)
    marks = {"invited": period_of("__sent", "microsecond", frame.implementation.value), "answered": answered(frame)}
    found = events_of(frame, *(["about"] if "about" in there else []), **marks)
    nothing = np.full(found["when"].size, None, dtype=object)
    when = np.where(found["answered"].astype(bool), found["when"], NEVER)
    about = found.get("about", nothing)
    return _Surveys(found["who"], found["invited"].astype(np.int64), when, about, np.zeros(when.size, dtype=bool))


def _kinds(log: Interactions, touchpoints: str | Sequence[str] | None) -> list[str]:
    given = (touchpoints,) if isinstance(touchpoints, str) else touchpoints
    kinds = [kind for kind in log.kinds if kind not in _FEEDBACK] if given is None else list(given)
    if not kinds or "survey_response" in kinds:
        raise DomainError(f"touchpoints must name kinds of the log beside its surveys, got {kinds!r} of {log.kinds!r}")
    return kinds


def _touchpoints(log: Interactions, kinds: Sequence[str], by: Sequence[str]) -> tuple[Asked, NDArray[Any]]:
    """The interactions of these kinds, by kind and some columns, and their ids."""
    columns, parts = [*by, "interaction_id"], []
    sheets = log.only(*kinds).sheets
    known = {name for sheet in sheets.values() for name in sheet.frame.collect_schema().names()}
    for name in by:
        if name not in known | {"channel"}:
            raise SchemaError(f"no column {name!r} of {' or '.join(sorted(kinds))}{nearest(name, known | {'channel'})}")
    for kind, sheet in sheets.items():
        there = sheet.frame.collect_schema().names()
        found = events_of(sheet.frame, *(name for name in columns if name in there))
        size = found["when"].size
        absent = {name: np.full(size, None, dtype=object) for name in columns if name not in found}
        parts.append({"touchpoint": np.full(size, kind, dtype=object), **found, **absent})
    table = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    groups, number = grouped({name: table[name] for name in ("touchpoint", *by)}, table["when"].size)
    return Asked(groups, number, table["who"], table["when"]), table["interaction_id"]


def _named(log: Interactions, kinds: Sequence[str], ids: NDArray[Any], about: NDArray[Any]) -> NDArray[np.bool_]:
    """Whether what each survey is about is the id of an interaction of the log, asked for or not."""
    import pandas as pd

    named = pd.Series(about, dtype=object)
    others = [kind for kind in log.kinds if kind not in {*kinds, *_FEEDBACK}] if named.notna().any() else []
    known = [ids, *(_ids(log.sheets[kind].frame) for kind in others)]
    return (named.notna() & named.isin(np.concatenate([some.astype(object) for some in known]))).to_numpy(dtype=bool)


def _ids(frame: LazyFrame) -> NDArray[Any]:
    if "interaction_id" not in frame.collect_schema().names():
        return np.array([], dtype=object)
    return collect(frame.select("interaction_id"))["interaction_id"]
