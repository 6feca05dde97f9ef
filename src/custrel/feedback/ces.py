r"""Customer effort: was it easy to get what they came for?

Two questions bear this name, and point opposite ways. Version 1: "How much effort did you personally have to put
forth?", from 1, very low, to 5, very high: *low is good* [1]_. Version 2: "The company made it easy for me to handle my
issue", from 1, strongly disagree, to 7, strongly agree: *high is good* [2]_. So the version must be said.

References
----------
.. [1] Dixon, M., Freeman, K., & Toman, N. (2010). Stop Trying to Delight Your Customers. Harvard Business Review
   88(7/8), 116-122.
.. [2] Dixon, M., Toman, N., & DeLisi, R. (2013). The Effortless Experience. Portfolio.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Unpack

from custrel.errors import DomainError, one_of
from custrel.feedback.csat import POINTS, box, mean_points, share_of_boxes
from custrel.feedback.reading.question import Question, Reading, Scale

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["ces"]

SCALES = {1: (1, 5), 2: (1, 7)}
"""The scale that each version was published with."""
BETTER = {1: "lower", 2: "higher"}


def ces(
    answers: Any,
    score: str = "score",
    by: str | Sequence[str] = (),
    *,
    version: int,
    scale: tuple[float, float] | None = None,
    measure: str = "mean",
    interval: str | None = None,
    level: float = 0.95,
    **reading: Unpack[Reading],
) -> Any:
    """Customer effort score of answers, for each group.

    Parameters
    ----------
    answers
        A frame of any library with a row for each answer (or invitation: a missing score is nobody's answer), a log
        with survey responses, or a list of scores.
    score
        Column of the scores: whole points of the scale.
    by
        Columns of the groups.
    version
        1: how much effort it was, low is good; 2: how far one agrees that it was easy, high is good.
    scale
        Lowest and highest score that was offered; 1 to 5 in version 1 and 1 to 7 in version 2 if not given.
    measure
        ``"mean"`` in points; ``"easy"``: share of those on the good side of the middle, such as 5 to 7 of 7.
    interval
        Of a mean ``"t"`` (the default) or ``"bootstrap"``; of a share as for `csat`.
    level
        Level of the interval.
    **reading
        How the answers are read: time windows, weights, customers, invitations, and more; see `Reading`.

    Returns
    -------
    A frame of the caller's library as that of `csat`, with the columns version and better (``"lower"`` or
    ``"higher"``); of a list, an `Estimate`.

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
    >>> ces([7, 6, 5, 2], version=2)
    5 (1.563 to 7, 95 % t, n = 4)
    >>> ces([7, 6, 5, 2], version=2, measure="easy")
    0.75 (0.3006 to 0.9544, 95 % wilson, n = 4)
    """
    if version not in (1, 2):
        raise DomainError(f"version must be 1 (effort: low is good) or 2 (it was easy: high is good), got {version!r}")
    one_of("measure", measure, ["mean", "easy"])
    asked_on = Scale(SCALES[version] if scale is None else scale)
    said: dict[str, Any] = {"measure": measure, "version": str(version), "better": BETTER[version]}
    if measure == "mean":
        question = Question.of(score, by, asked_on, POINTS, reading, flags=False, survey="ces")
        return mean_points(answers, question, interval, level, **said)
    middle = (asked_on.low + asked_on.high) / 2
    easy = [point for point in asked_on.points() if (point > middle if version == 2 else point < middle)]
    question = Question.of(score, by, asked_on, box(easy), reading, flags=True, survey="ces")
    return share_of_boxes(answers, question, interval, level, **said, boxes=", ".join(map(str, easy)))
