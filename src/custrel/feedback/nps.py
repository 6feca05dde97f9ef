r"""Net Promoter Score: how many would recommend us, less how many would not?

"How likely is it that you would recommend us to a friend or colleague?", from 0 to 10. Who answers 9 or 10 is a
promoter, who answers 6 or less a detractor, and who answers 7 or 8 is passive; with P, N and D of them,

.. math:: \mathrm{NPS} = 100 \, \frac{P - D}{P + N + D},

from -100 to 100 [1]_. With 20 answers its 95 % interval is 70 points wide: a score without one says little [2]_.

Net Promoter, NPS and Net Promoter Score are trademarks of Bain & Company, Inc., Satmetrix Systems, Inc. and Fred
Reichheld.

References
----------
.. [1] Reichheld, F. F. (2003). The One Number You Need to Grow. Harvard Business Review 81(12), 46-54.
.. [2] Rocks, B. (2016). Interval Estimation for the "Net Promoter Score". The American Statistician 70(4), 365-372.
   https://doi.org/10.1080/00031305.2016.1198124
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from custrel.checked import checked_level, counts_of
from custrel.errors import DomainError, one_of
from custrel.feedback.reading.measured import Interval, Measured, net_share
from custrel.feedback.reading.question import Question, Reading, Scale
from custrel.feedback.reading.told import told
from custrel.feedback.reading.units import ratio
from custrel.stats.estimate import Estimate, estimates
from custrel.stats.net_share import BOUNDS_OF_A_NET_SHARE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike

    from custrel.feedback.reading.answers import Answers
    from custrel.stats.estimate import Array

__all__ = ["breaks_of", "net_promoter_score", "nps", "nps_question"]


def net_promoter_score(
    promoters: ArrayLike, passives: ArrayLike, detractors: ArrayLike, *, interval: str = "score", level: float = 0.95
) -> Estimate:
    """Net Promoter Score of counts.

    Parameters
    ----------
    promoters, passives, detractors
        How many there are, ``(...)``.
    interval
        ``"score"``, ``"adjusted_wald"``, ``"dirichlet"``, ``"wald"`` or ``"t"``; see `nps`.
    level
        Level of the interval.

    Raises
    ------
    DomainError
        If a count is negative or no number, or there is no such interval.

    Examples
    --------
    >>> net_promoter_score(15, 12, 9)
    16.67 (-10.06 to 40.9, 95 % score, n = 36)
    """
    one_of("interval", interval, BOUNDS_OF_A_NET_SHARE)
    counts = counts_of(promoters=promoters, passives=passives, detractors=detractors)
    P, _, D = counts
    n = np.sum(counts, axis=0)
    low, high = BOUNDS_OF_A_NET_SHARE[interval](*counts, level=checked_level(level))
    value = ratio(P - D, n)
    return estimates(100 * value, 100 * low, 100 * high, n, interval, level)


def nps(
    answers: Any,
    score: str = "score",
    by: str | Sequence[str] = (),
    *,
    scale: tuple[float, float] = (0, 10),
    breaks: Sequence[float] | None = None,
    interval: str = "score",
    level: float = 0.95,
    **reading: Unpack[Reading],
) -> Any:
    """Net Promoter Score of answers, in points from -100 to 100, for each group.

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
        Lowest and highest score that was offered.
    breaks
        The highest score of a detractor and the highest of a passive, such as ``(6, 8)``; or these between the ends of
        the scale, such as ``(0, 6, 8, 10)``. Needed for any other scale than 0 to 10.
    interval
        ``"score"`` holds what it promises, for few answers and lopsided ones too; ``"adjusted_wald"`` nearly so, and
        can be reckoned by hand; ``"wald"``, ``"t"`` and ``"bootstrap"`` claim too much of few or lopsided answers, and
        so does, of lopsided ones, ``"dirichlet"``, the middle of the posterior under a flat prior (its mean and
        standard deviation come along). What shrinks towards the middle, ``"adjusted_wald"`` and ``"dirichlet"``, may
        lie below a score of 100.
    level
        Level of the interval.
    **reading
        How the answers are read: time windows, weights, customers, invitations, and more; see `Reading`.

    Returns
    -------
    A frame of the caller's library with the columns of the groups, value, low, high, n, the shares of promoters,
    passives and detractors, standard_error, n_effective, response_rate (with `invited`), and ``excluded_...`` with the
    number of answers left out by reason; of a list, an `Estimate`. Without answers the figures are missing. DuckDB,
    Ibis and PySpark get a pyarrow table, a lazy Polars frame an eager one.

    Raises
    ------
    SchemaError
        If a column is missing or does not hold numbers.
    PromiseError
        If scores lie off the scale or between its points.
    DomainError
        If an argument is none of those above.

    Notes
    -----
    Where customers are known, the interval allows for several answers of one customer.

    Examples
    --------
    >>> import pandas as pd
    >>> df = pd.DataFrame({"region": ["north", "north", "south", "south"], "score": [10, 9, 7, 0]})
    >>> nps(df, by=["region"])[["region", "value", "low", "high", "n"]].round(1)
      region  value   low   high  n
    0  north  100.0 -31.5  100.0  2
    1  south  -50.0 -90.5   48.6  2
    >>> nps([9, 10, 3])
    33.33 (-58.47 to 87.7, 95 % score, n = 3)
    """
    question = nps_question(score, by, scale, breaks, reading)
    how = Interval(interval, level, question.seed)

    def measure(found: Answers, population: Array | None) -> Measured:
        net = net_share(found.units, "promoters", "detractors", how, population).times(100)
        P, D = found.units.share("promoters"), found.units.share("detractors")
        return net.beside(promoters=P, passives=found.units.rest("promoters", "detractors"), detractors=D)

    return told(answers, question, how, measure)


def nps_question(
    score: str,
    by: str | Sequence[str],
    scale: tuple[float, float],
    breaks: Sequence[float] | None,
    reading: Mapping[str, Any],
) -> Question:
    """What is asked of answers for a Net Promoter Score."""
    ends, detractor, passive = breaks_of(scale, breaks)
    marks = {"promoters": lambda points: points > passive, "detractors": lambda points: points <= detractor}
    return Question.of(score, by, Scale(ends), marks, reading, flags=True, survey="nps")


def breaks_of(scale: tuple[float, float], breaks: Sequence[float] | None) -> tuple[tuple[float, float], float, float]:
    """The scale, the highest score of a detractor and that of a passive."""
    offered = Scale(scale).ends
    if breaks is None:
        if tuple(offered) != (0, 10):
            raise DomainError(f"scale={scale!r} wants breaks=(highest score of a detractor, highest of a passive)")
        return (0, 10), 6, 8
    try:
        given = tuple(float(one) for one in breaks)
    except (TypeError, ValueError) as error:
        raise DomainError(f"breaks must be numbers, such as (6, 8), got {breaks!r}") from error
    if len(given) not in {2, 4}:
        raise DomainError(f"breaks must be two numbers, or four with the ends of the scale, got {tuple(breaks)!r}")
    detractor, passive = given[-3:-1] if given[2:] else given
    ends = (given[0], given[3]) if given[2:] and tuple(scale) == (0, 10) else (float(scale[0]), float(scale[1]))
    if not ends[0] <= detractor <= passive < ends[1] or (given[3:] and given[3] != ends[1]):
        raise DomainError(f"breaks must rise within the scale {ends!r}, got {tuple(breaks)!r}")
    return ends, detractor, passive
