r"""Customer satisfaction: how many are satisfied?

"How satisfied were you?", on a scale such as 1 to 5. Reports name several figures CSAT, and they are not alike: of the
answers 5, 4, 3, 2 and 1 the *top box* holds 20 %, the *top two boxes* 40 %; the *mean* is 3 points, which lies halfway
up the scale. So the figure is asked for by name, and which points count as satisfied stands beside it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from custrel.checked import checked_level, counts_of
from custrel.errors import DomainError, one_of
from custrel.feedback.reading.measured import MEAN_INTERVALS, SHARE_INTERVALS, Interval, Measured, mean, share
from custrel.feedback.reading.question import Question, Reading, Scale
from custrel.feedback.reading.told import told
from custrel.feedback.reading.units import ratio
from custrel.stats.estimate import Estimate, estimates
from custrel.stats.proportion import BOUNDS_OF_A_SHARE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

    from custrel.feedback.reading.answers import Answers
    from custrel.stats.estimate import Array

__all__ = ["POINTS", "box", "boxes_of", "csat", "mean_points", "satisfaction"]

MEASURES = ("top_two_box", "top_box", "good_bad", "mean", "normalised_mean")
POINTS = {"points": lambda points: points, "squares": lambda points: points * points}
"""The marks of which a mean is made."""


def satisfaction(satisfied: ArrayLike, n: ArrayLike, *, interval: str = "wilson", level: float = 0.95) -> Estimate:
    """Share of the satisfied, of counts.

    Parameters
    ----------
    satisfied, n
        How many are satisfied, and how many answered, ``(...)``.
    interval
        ``"wilson"``, ``"jeffreys"``, ``"clopper_pearson"``, ``"agresti_coull"`` or ``"wald"``.
    level
        Level of the interval.

    Raises
    ------
    DomainError
        If a count is negative, more are satisfied than answered, or there is no such interval.

    Examples
    --------
    >>> satisfaction(45, 60)
    0.75 (0.6277 to 0.8422, 95 % wilson, n = 60)
    """
    one_of("interval", interval, BOUNDS_OF_A_SHARE)
    k, n = counts_of(satisfied=satisfied, n=n)
    if not np.all(k <= n):
        raise DomainError(f"satisfied must lie between 0 and n, got {satisfied!r} of {n.tolist()!r}")
    low, high = BOUNDS_OF_A_SHARE[interval](k, n, level=checked_level(level))
    value = ratio(k, n)
    return estimates(value, low, high, n, interval, level)


def csat(
    answers: Any,
    score: str = "score",
    by: str | Sequence[str] = (),
    *,
    scale: tuple[float, float],
    measure: str = "top_two_box",
    boxes: Sequence[int] | None = None,
    interval: str | None = None,
    level: float = 0.95,
    **reading: Unpack[Reading],
) -> Any:
    """Customer satisfaction of answers, for each group.

    Parameters
    ----------
    answers
        A frame of any library with a row for each answer (or invitation: a missing score is nobody's answer), a log
        with survey responses, or a list of scores.
    score
        Column of the scores: whole points of the scale.
    by
        Columns of the groups.
    scale
        Lowest and highest score that was offered, such as ``(1, 5)``.
    measure
        ``"top_two_box"`` and ``"top_box"``: share of those who gave one of the two highest points, or the highest;
        ``"good_bad"``: share of the higher of two points; ``"mean"``: in points; ``"normalised_mean"``: how far up the
        scale the mean lies, from 0 to 1.
    boxes
        The points that count as satisfied, where they are others.
    interval
        Of a share ``"wilson"`` (the default), ``"jeffreys"``, ``"clopper_pearson"``, ``"agresti_coull"``, ``"wald"`` or
        ``"bootstrap"``; of a mean ``"t"`` (the default) or ``"bootstrap"``.
    level
        Level of the interval.
    **reading
        How the answers are read: time windows, weights, customers, invitations, and more; see `Reading`.

    Returns
    -------
    A frame of the caller's library with the columns of the groups, value, low, high, n, standard_error, n_effective,
    response_rate (with `invited`), ``excluded_...`` with the number of answers left out by reason, measure, and boxes
    with the points that count; of a list, an `Estimate`. Without answers the figures are missing. DuckDB, Ibis and
    PySpark get a pyarrow table, a lazy Polars frame an eager one.

    Of answers all alike, the intervals of a mean have no width: they know of no other answer.

    Raises
    ------
    SchemaError
        If a column is missing or does not hold numbers.
    PromiseError
        If scores lie off the scale or between its points.
    DomainError
        If an argument is none of those above.

    Examples
    --------
    >>> import pandas as pd
    >>> df = pd.DataFrame({"rating": [5, 4, 3, 2, 1]})
    >>> csat(df, score="rating", scale=(1, 5))[["value", "low", "high", "n", "boxes"]].round(3)
       value    low   high  n boxes
    0    0.4  0.118  0.769  5  4, 5
    >>> csat([5, 4, 3, 2, 1], scale=(1, 5), measure="mean")
    3 (1.037 to 4.963, 95 % t, n = 5)
    """
    one_of("measure", measure, MEASURES)
    if boxes is not None and "mean" in measure:
        raise DomainError(f"boxes make a share, and measure={measure!r} is none: leave one of them out")
    if "mean" in measure:
        asked = Question.of(score, by, Scale(scale), POINTS, reading, flags=False, survey="csat")
        return mean_points(answers, asked, interval, level, measure=measure, of_scale=measure == "normalised_mean")
    counted = boxes_of(Scale(scale), measure, boxes)
    asked = Question.of(score, by, Scale(scale), box(counted), reading, flags=True, survey="csat")
    said = "boxes" if boxes is not None else measure
    return share_of_boxes(answers, asked, interval, level, measure=said, boxes=", ".join(map(str, counted)))


def boxes_of(scale: Scale, measure: str, boxes: Sequence[int] | None) -> list[int]:
    """The points that count as satisfied."""
    points = scale.points()
    if boxes is not None:
        counted = sorted(set(boxes)) if isinstance(boxes, list | tuple | set | range) else []
        if not counted or not set(counted) < set(points):
            raise DomainError(f"boxes must name some, not all, of the points {points}, got {boxes!r}")
        return counted
    if measure == "good_bad" and len(points) != 2:
        raise DomainError(f"good_bad wants a scale of two points, such as (0, 1), got {scale.ends!r}")
    top = 2 if measure == "top_two_box" else 1
    if len(points) <= top:
        raise DomainError(f"top_two_box of the two points {points} would be everybody: measure='good_bad'")
    return points[-top:]


def box(counted: Sequence[int]) -> dict[str, Any]:
    """The mark of answers that gave one of these points.

    >>> box([4, 5])["satisfied"](np.array([3, 4, 5]))
    array([False,  True,  True])
    """
    if counted[-1] - counted[0] == len(counted) - 1:  # neighbours: two comparisons, however many they are
        return {"satisfied": lambda points: (points >= counted[0]) & (points <= counted[-1])}

    def among(points: Any) -> Any:
        found = points == counted[0]
        for one in counted[1:]:
            found = found | (points == one)
        return found

    return {"satisfied": among}


def share_of_boxes(answers: Any, question: Question, interval: str | None, level: float, **said: str) -> Any:
    """Tell the share of answers in the boxes."""
    how = Interval(interval or "wilson", level, question.seed)
    one_of("interval", how.name, SHARE_INTERVALS)

    def measure(found: Answers, population: Array | None) -> Measured:
        return share(found.units, "satisfied", how, population)

    return told(answers, question, how, measure, **said)


def mean_points(
    answers: Any, question: Question, interval: str | None, level: float, *, of_scale: bool = False, **said: str
) -> Any:
    """Tell the mean of the points, or how far up the scale it lies."""
    how, scale = Interval(interval or "t", level, question.seed), question.scale
    one_of("interval", how.name, MEAN_INTERVALS)

    def measure(found: Answers, population: Array | None) -> Measured:
        points = mean(found.units, how, (scale.low, scale.high), population)
        return points.less(scale.low).times(1 / (scale.high - scale.low)) if of_scale else points

    return told(answers, question, how, measure, **said)
