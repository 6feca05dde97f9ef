r"""Response: how many of those who were asked have answered?

Of n invitations the share that was answered. Every invitation counts as one to somebody who could have answered, also
if nothing was heard of it, or it never arrived; and who gave this score has answered, whether or not they finished the
rest of the questionnaire. AAPOR calls that *Response Rate 2* [1]_,

.. math:: \mathrm{RR2} = \frac{I + P}{(I + P) + (R + NC + O) + (UH + UO)},

with complete (I) and partial (P) answers above, and below them all invitations: with those who refused (R), were not
reached (NC), did not answer for another reason (O), or of whom nobody knows whether they could have (UH, UO). Where
partial answers bear no score it is *Response Rate 1*, the lowest of the six.

A low rate does not bias a score by itself, nor does a high one protect it: what counts is whether those who answer feel
otherwise than those who do not [2]_. Where groups answer unequally, `post_stratify` and `rake` mend that much of it.

References
----------
.. [1] The American Association for Public Opinion Research (2023). Standard Definitions: Final Dispositions of Case
   Codes and Outcome Rates for Surveys, 10th ed. AAPOR.
.. [2] Groves, R. M. (2006). Nonresponse Rates and Nonresponse Bias in Household Surveys. Public Opinion Quarterly
   70(5), 646-675. https://doi.org/10.1093/poq/nfl033
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Unpack

import narwhals.stable.v2 as nw
import numpy as np

from custrel.errors import DomainError, one_of
from custrel.feedback.reading.measured import SHARE_INTERVALS, Interval, Measured, share
from custrel.feedback.reading.question import Question, Reading, Scale
from custrel.feedback.reading.rows import was_invited
from custrel.feedback.reading.told import told
from custrel.frames import collect, enter, enter_values, require
from custrel.interactions import Interactions
from custrel.stats.estimate import Estimate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from custrel.feedback.reading.answers import Answers
    from custrel.frames import LazyFrame
    from custrel.stats.estimate import Array

__all__ = ["has_answered", "response_rate"]


def response_rate(
    invitations: Any,
    score: str = "score",
    by: str | Sequence[str] = (),
    *,
    survey: str | None = None,
    interval: str = "wilson",
    level: float = 0.95,
    **reading: Unpack[Reading],
) -> Any:
    """Share of the invitations that were answered, for each group: AAPOR's Response Rate 2.

    Parameters
    ----------
    invitations
        A frame of any library with a row for each invitation, a log with survey responses, or a list of scores.
    score
        Column of the scores, of any type; where it is missing (null or NaN) nobody answered.
    by
        Columns of the groups: known of those who did not answer, too.
    survey
        Which survey of a log: ``"nps"``, ``"csat"``, ``"ces"`` or ``"other"``; all if not given.
    interval
        ``"wilson"``, ``"jeffreys"``, ``"clopper_pearson"``, ``"agresti_coull"``, ``"wald"`` or ``"bootstrap"``.
    level
        Level of the interval.
    **reading
        How the invitations are read: time windows, weights, customers, and more; see `Reading`. `invited` names a flag,
        or a time, that says which rows are invitations; the others do not count, and are told in
        ``excluded_not_invited``. With `every` let `at` name the time of the invitation: an answer that was not given
        has none.

    Returns
    -------
    A frame of the caller's library with the columns of the groups, value, low, high, n (how many were invited),
    responded (how many of them answered; not with weights, or means per customer), standard_error, n_effective, and
    with `invited` excluded_not_invited; of a list, an `Estimate`. Without invitations the figures are missing.

    Raises
    ------
    SchemaError
        If a column is missing or does not hold what it should.
    DomainError
        If an argument is none of those above.

    Notes
    -----
    Where customers are known, the interval allows for several invitations of one customer.

    Examples
    --------
    >>> import pandas as pd
    >>> df = pd.DataFrame({"region": ["north", "north", "south", "south"], "score": [10, 9, 7, None]})
    >>> response_rate(df, by="region")[["region", "value", "low", "high", "n", "responded"]].round(3)
      region  value    low   high  n  responded
    0  north    1.0  0.342  1.000  2          2
    1  south    0.5  0.095  0.905  2          1
    >>> response_rate([9, None, 3, None])
    0.5 (0.15 to 0.85, 95 % wilson, n = 4)
    """
    one_of("interval", interval, SHARE_INTERVALS)
    if "on_invalid" in reading:
        raise DomainError("response_rate takes no on_invalid: it asks whether there is a score, not which")
    invited = reading.get("invited")
    asked: Any = {name: value for name, value in reading.items() if name != "invited"}
    question = Question.of(score, by, Scale((0, 1)), {"answered": _is_one}, asked, flags=True, survey=survey)
    how = Interval(interval, level, question.seed)

    def measure(found: Answers, population: Array | None) -> Measured:
        rate = share(found.units, "answered", how, population)
        if question.weight or question.per_customer == "mean":
            return rate
        return rate.beside(responded=found.units.per_group(found.units.marks["answered"]).astype(np.int64))

    return _said(told(_flagged(invitations, score, invited), question, how, measure), invited)


def has_answered(frame: LazyFrame, score: str) -> nw.Expr:
    """Whether there is a score: neither null nor NaN.

    >>> frame, _ = enter(nw.from_dict({"score": [9.0, float("nan")]}, backend="pandas").to_native())
    >>> frame.select(has_answered(frame, "score")).collect()["score"].to_list()
    [True, False]
    """
    there = ~nw.col(score).is_null()
    floats = frame.collect_schema()[score].is_float()
    return there & ~nw.col(score).is_nan().fill_null(value=False) if floats else there


def _is_one(flags: Any) -> Any:
    return flags == 1


def _flagged(invitations: Any, score: str, invited: str | None) -> Any:
    """The invitations with 1 for a score, 0 where there is none, and nothing in rows that are no invitation."""
    if isinstance(invitations, Interactions):
        sheet = invitations.only("survey_response").sheets["survey_response"]
        there = [name for name in sheet.frame.collect_schema().names() if name not in {"scale_low", "scale_high"}]
        marked = replace(sheet, frame=_marked(sheet.frame.select(*there), score, invited))
        return replace(invitations, sheets={"survey_response": marked})
    values = enter_values(invitations, score)
    if values is None:
        return _marked(enter(invitations)[0], score, invited).to_native()
    if invited:
        raise DomainError(f"a list has no column invited={invited!r}: give a frame, or the scores of the invited alone")
    return collect(_marked(values, score, None))[score]


def _marked(frame: LazyFrame, score: str, invited: str | None) -> LazyFrame:
    require(frame, [score, *([invited] if invited else [])], purpose="a response rate")
    flag = has_answered(frame, score).cast(nw.Int64)
    return frame.with_columns((nw.when(was_invited(frame, invited)).then(flag) if invited else flag).alias(score))


def _said(told_of: Any, invited: str | None) -> Any:
    """What is told, with the rows that were no invitations under their own name; without `invited` there are none."""
    names = {"excluded_missing": "excluded_not_invited"} if invited else {}
    if isinstance(told_of, Estimate):
        return replace(told_of, also={name: one for name, one in told_of.also.items() if name != "excluded_missing"})
    frame = nw.from_native(told_of, eager_only=True)
    return (frame.rename(names) if names else frame.drop("excluded_missing")).to_native()
