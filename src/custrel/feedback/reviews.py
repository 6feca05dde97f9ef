"""Reviews: how many stars do customers give in public?

Those who review chose themselves: the mean is that of reviewers, not of customers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Unpack

from custrel.feedback.csat import POINTS, mean_points
from custrel.feedback.reading.question import Question, Reading, Scale

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["review_score"]


def review_score(
    reviews: Any,
    score: str = "rating",
    by: str | Sequence[str] = (),
    *,
    scale: tuple[float, float],
    normalised: bool = False,
    interval: str = "t",
    level: float = 0.95,
    **reading: Unpack[Reading],
) -> Any:
    """Mean rating of reviews, for each group.

    Parameters
    ----------
    reviews
        A frame of any library with a row for each review, a log with reviews, or a list of ratings.
    score
        Column of the ratings; half points are allowed.
    by
        Columns of the groups.
    scale
        Lowest and highest rating that can be given, such as ``(1, 5)``.
    normalised
        Whether to tell how far up the scale the mean lies, from 0 to 1, so that unlike scales can be compared.
    interval
        ``"t"`` or ``"bootstrap"``.
    level
        Level of the interval.
    **reading
        How the reviews are read: time windows, weights, customers, and more; see `Reading`.

    Returns
    -------
    A frame of the caller's library as that of `csat`; of a list, an `Estimate`.

    Raises
    ------
    SchemaError
        If a column is missing or does not hold numbers.
    PromiseError
        If ratings lie off the scale.
    DomainError
        If an argument is none of those above.

    Examples
    --------
    >>> review_score([5, 4.5, 3, 4.5], scale=(1, 5))
    4.25 (2.872 to 5, 95 % t, n = 4)
    """
    on = Scale(scale, whole=False)
    question = Question.of(score, by, on, POINTS, reading, flags=False, kind="review")
    measure = "normalised_mean" if normalised else "mean"
    return mean_points(reviews, question, interval, level, of_scale=normalised, measure=measure)
