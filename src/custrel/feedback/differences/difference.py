r"""Difference: has the score moved, or do two crowds differ, by more than chance?

Two waves of answers, before and after, are measured as they would be alone; the bounds of the difference are made of
both [1]_. Where customers answered in both waves, what is common to their answers is no chance of the difference, and
is taken out: with :math:`e = S - \hat m W`, the error that a customer brings to a wave,

.. math:: \hat\rho = \frac{\sum e_1 e_2}{\sqrt{\sum e_1^2 \sum e_2^2}}, \qquad
   \sigma^2 = \sigma_1^2 + \sigma_2^2 - 2 \hat\rho \sigma_1 \sigma_2,

over the customers of both waves above the line, over all of a wave below it. If all answered in both, this is
:math:`\frac{G}{G - 1} \sum u^2` with :math:`u = e_2 / W_2 - e_1 / W_1`; if none did, the waves are independent.

References
----------
.. [1] Zou, G. Y., & Donner, A. (2008). Construction of Confidence Limits about Effect Measures: A General Approach.
   Statistics in Medicine 27(10), 1693-1702. https://doi.org/10.1002/sim.3095
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from custrel.checked import checked_level
from custrel.errors import DomainError, one_of
from custrel.feedback.csat import box, boxes_of
from custrel.feedback.differences.redrawn import redrawn
from custrel.feedback.differences.waves import Waves, waves_of
from custrel.feedback.nps import nps_question
from custrel.feedback.reading.groups import leave_groups
from custrel.feedback.reading.measured import Interval, Measured, net_share, share
from custrel.feedback.reading.question import Question, Reading, Scale
from custrel.feedback.reading.told import population_of
from custrel.feedback.reading.units import ratio
from custrel.stats.estimate import Estimate
from custrel.stats.net_difference import NetShare, Share, Side, adjusted, adjusted_moments, hybrid, together, wald

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import ArrayLike, NDArray

    from custrel.feedback.reading.units import Units
    from custrel.stats.estimate import Array
    from custrel.stats.net_difference import Difference

__all__ = [
    "NPS",
    "Metric",
    "csat_difference",
    "differed",
    "linearised",
    "net_promoter_difference",
    "nps_difference",
    "satisfaction_difference",
    "tied",
]


@dataclass(frozen=True)
class Metric:
    """What is compared: how it is measured, and in which unit it is told."""

    mark: Callable[[Mapping[str, Array]], Array]
    measure: Callable[[Units, Interval, Array | None], Measured]
    side: Callable[[Units, Array], Side]
    formulas: Mapping[str, Callable[..., Difference]]
    times: float

    def found(self, units: Units, level: float, population: Array | None) -> tuple[Side, Array]:
        """A wave's shares with their effective number, and its standard error."""
        measured = self.measure(units, Interval("wald", level), population)
        return self.side(units, measured.n_effective), measured.standard_error


NPS = Metric(
    mark=lambda marks: marks["promoters"] - marks["detractors"],
    measure=lambda units, how, population: net_share(units, "promoters", "detractors", how, population),
    side=lambda units, m: NetShare(units.share("promoters"), units.share("detractors"), m),
    formulas={"score": hybrid, "adjusted_wald": adjusted},
    times=100,
)
"""Net Promoter Score, in points."""

_CSAT = Metric(
    mark=lambda marks: marks["satisfied"],
    measure=lambda units, how, population: share(units, "satisfied", how, population),
    side=lambda units, m: Share(units.share("satisfied"), m),
    formulas={"wilson": hybrid, "agresti_caffo": adjusted},
    times=1,
)


# -- of answers --------------------------------------------------------------------------------------------------------


def nps_difference(
    before: Any,
    after: Any,
    score: str = "score",
    by: str | Sequence[str] = (),
    *,
    scale: tuple[float, float] = (0, 10),
    breaks: Sequence[float] | None = None,
    interval: str = "score",
    level: float = 0.95,
    paired: str = "overlap",
    **reading: Unpack[Reading],
) -> Any:
    """By how many points the Net Promoter Score of one wave of answers, or of one crowd, lies above another's.

    Parameters
    ----------
    before, after
        Frames of any library, logs or lists, each read as `nps` reads it; a row for each answer.
    score, by, scale, breaks
        As for `nps`, in both.
    interval
        ``"score"`` puts the score intervals of both together: near its level for few answers and for lopsided ones;
        ``"adjusted_wald"`` adds 3/4, 3/2 and 3/4 to each (what then differs comes along as `adjusted_value`, with its
        error); ``"bootstrap"``; ``"wald"``, which claims too much of few answers.
    level
        Level of the interval.
    paired
        ``"overlap"``: customers who are known to have answered in both waves, in the same group, are one each, and what
        their answers have in common is taken out of the error; ``"both"``: only these customers count; ``"never"``: as
        if nobody had answered in both.
    **reading
        How the answers of both are read; see `Reading`.

    Returns
    -------
    A frame of the library of `before` with the columns of the groups; value (after less before, in points), low and
    high; p, of no difference, both tails; before, after, n_before, n_after; n_both, the customers of both waves;
    standard_error; and for each wave ``response_rate_...`` (with `invited`) and ``excluded_...`` with the number of
    answers left out by reason. Of two lists, an `Estimate`. A group that is in one wave only has missing figures, and
    n = 0 in the other.

    Raises
    ------
    SchemaError
        If a column is missing or does not hold numbers, or groups or customers are of another type in the other wave.
    PromiseError
        If scores lie off the scale or between its points.
    DomainError
        If an argument is none of those above.

    Notes
    -----
    An interval of this level lies off 0 where p is below 1 - level, and nowhere else (of a bootstrap: nearly so).

    Examples
    --------
    >>> import pandas as pd
    >>> spring = pd.DataFrame({"region": ["north"] * 10 + ["south"], "score": [9] * 5 + [0] * 5 + [10]})
    >>> autumn = pd.DataFrame({"region": ["north"] * 10, "score": [9] * 9 + [0]})
    >>> moved = nps_difference(spring, autumn, by="region")
    >>> moved[["region", "value", "low", "high", "p", "n_before", "n_after"]].round(2)
      region  value   low    high     p  n_before  n_after
    0  north   80.0  -0.47  135.18  0.05        10       10
    1  south    NaN   NaN     NaN   NaN         1        0
    """
    question = nps_question(score, by, scale, breaks, reading)
    return _told(before, after, NPS, question, Interval(interval, level, question.seed), paired)


def csat_difference(
    before: Any,
    after: Any,
    score: str = "score",
    by: str | Sequence[str] = (),
    *,
    scale: tuple[float, float],
    measure: str = "top_two_box",
    boxes: Sequence[int] | None = None,
    interval: str = "wilson",
    level: float = 0.95,
    paired: str = "overlap",
    **reading: Unpack[Reading],
) -> Any:
    """By how much the share of the satisfied in one wave of answers, or in one crowd, lies above another's.

    Parameters
    ----------
    before, after
        Frames of any library, logs or lists, each read as `csat` reads it; a row for each answer.
    score, by, scale, boxes
        As for `csat`, in both.
    measure
        ``"top_two_box"``, ``"top_box"`` or ``"good_bad"``; see `csat`.
    interval
        ``"wilson"`` puts Wilson's intervals of both together; ``"agresti_caffo"`` adds one satisfied and one who is not
        to each; ``"bootstrap"``; ``"wald"``.
    level, paired, **reading
        As for `nps_difference`.

    Returns
    -------
    A frame, or of two lists an `Estimate`, as `nps_difference` has it, in fractions; with measure and boxes.

    Raises
    ------
    SchemaError, PromiseError, DomainError
        As `nps_difference` raises them.

    Examples
    --------
    >>> csat_difference([5] * 48 + [1] * 32, [5] * 56 + [1] * 14, scale=(1, 5))
    0.2 (0.05243 to 0.3339, 95 % wilson, n = 150)
    """
    one_of("measure", measure, ["top_two_box", "top_box", "good_bad"])
    counted = boxes_of(Scale(scale), measure, boxes)
    question = Question.of(score, by, Scale(scale), box(counted), reading, flags=True, survey="csat")
    said = {"measure": measure if boxes is None else "boxes", "boxes": ", ".join(map(str, counted))}
    return _told(before, after, _CSAT, question, Interval(interval, level, question.seed), paired, **said)


def _told(before: Any, after: Any, metric: Metric, question: Question, how: Interval, paired: str, **said: str) -> Any:
    checked_level(how.level)
    one_of("interval", how.name, [*metric.formulas, "bootstrap", "wald"])
    if how.name == "bootstrap" and question.population is not None:
        raise DomainError(
            "a bootstrap of a difference knows no population: take another interval, or leave population out"
        )
    questions = [question, *([replace(question, by=())] if question.totals else [])]
    parts = []
    for one in questions:
        waves = waves_of(before, after, one, paired=paired)
        columns = _columns(waves, metric, one, how)
        columns |= {name: np.full(waves.groups.size, text, dtype=object) for name, text in said.items()}
        columns |= {"total": np.full(waves.groups.size, not one.by)} if question.totals else {}
        waves.groups.refuse(list(columns))
        parts.append((waves.groups, columns))
    if waves.like is not None:
        return leave_groups(parts, waves.like)
    row = {name: values.tolist()[0] for name, values in parts[0][1].items()}
    value, low, high = (row.pop(name) for name in ("value", "low", "high"))
    return Estimate(value, low, high, row["n_before"] + row["n_after"], how.name, how.level, also=row)


def _columns(waves: Waves, metric: Metric, question: Question, how: Interval) -> dict[str, NDArray[Any]]:
    """What is told of each group."""
    population = population_of(waves.groups, question)
    units, both = (waves.before, waves.after), waves.customers_in_both()
    sides, errors = zip(*(metric.found(one, how.level, population) for one in units), strict=True)
    correlation = waves.correlation(metric.mark)
    error = tied(errors, [linearised(one) for one in units], both, correlation)
    asked = how if how.name != "bootstrap" else replace(how, name="wald")
    columns: dict[str, NDArray[Any]] = dict(differed(metric, sides, error, asked, correlation))
    if how.name == "bootstrap":
        drawn = redrawn(waves, metric.mark, how)
        columns |= {"low": metric.times * drawn[0], "high": metric.times * drawn[1], "p": drawn[2]}
    error = columns.pop("standard_error")
    n = {f"n_{name}": one.answers().astype(np.int64) for name, one in zip(("before", "after"), units, strict=True)}
    return {**columns, **n, "n_both": both, "standard_error": error, **_rates(waves)}


def linearised(units: Units) -> Array:
    r""":math:`\sqrt{G / (G - 1)}` where an error was reckoned without it"""
    G = units.per_group()
    return np.sqrt(np.divide(G, G - 1, out=np.ones(G.shape), where=(G > 1) & units.plain()))


def tied(errors: Sequence[Array], factors: Sequence[Array], both: NDArray[np.int64], correlation: Array) -> Array:
    """The error of a difference, of the waves' own, which these factors raise where customers answered in both."""
    first, second = (error * np.where(both > 0, more, 1.0) for error, more in zip(errors, factors, strict=True))
    return together(first, second, correlation)


def _rates(waves: Waves) -> dict[str, NDArray[Any]]:
    """Response rates, and what was left out."""
    counts, rates = dict(waves.counts), {}
    for name in ("before", "after"):
        if f"invited_{name}" in counts:
            invited, responded = counts.pop(f"invited_{name}"), counts.pop(f"responded_{name}")
            rates[f"response_rate_{name}"] = responded / np.where(invited > 0, invited, np.nan)
    return {**rates, **counts}


# -- of counts ---------------------------------------------------------------------------------------------------------


def net_promoter_difference(
    before: Sequence[ArrayLike], after: Sequence[ArrayLike], *, interval: str = "score", level: float = 0.95
) -> Estimate:
    """Difference of two Net Promoter Scores of counts, of other customers, in points.

    Parameters
    ----------
    before, after
        Promoters, passives and detractors, ``(...)`` each.
    interval
        ``"score"``, ``"adjusted_wald"`` or ``"wald"``; see `nps_difference`.
    level
        Level of the interval.

    Returns
    -------
    Estimate with `p`, `before`, `after`, `n_before`, `n_after` and `standard_error` beside it.

    Raises
    ------
    DomainError
        If there are not three counts of 0 or more, or there is no such interval.

    Examples
    --------
    >>> moved = net_promoter_difference((50, 30, 20), (60, 20, 20), interval="wald")
    >>> moved
    10 (-11.91 to 31.91, 95 % wald, n = 200)
    >>> round(moved["p"], 6)
    0.371093
    """
    (P, N, D), (Q, M, E) = (_counted(name, one, 3) for name, one in (("before", before), ("after", after)))
    sizes = P + N + D, Q + M + E
    sides = (
        NetShare(ratio(P, sizes[0]), ratio(D, sizes[0]), sizes[0]),
        NetShare(ratio(Q, sizes[1]), ratio(E, sizes[1]), sizes[1]),
    )
    spreads = [one.plus + one.minus - one.value**2 for one in sides]
    return _of_counts(NPS, sides, spreads, Interval(interval, level))


def satisfaction_difference(
    before: Sequence[ArrayLike], after: Sequence[ArrayLike], *, interval: str = "wilson", level: float = 0.95
) -> Estimate:
    """Difference of two shares of the satisfied, of counts, of other customers.

    Parameters
    ----------
    before, after
        How many are satisfied, and how many answered, ``(...)`` each.
    interval
        ``"wilson"``, ``"agresti_caffo"`` or ``"wald"``; see `csat_difference`.
    level
        Level of the interval.

    Returns
    -------
    Estimate with `p`, `before`, `after`, `n_before`, `n_after` and `standard_error` beside it.

    Raises
    ------
    DomainError
        If there are not two counts of 0 or more, more are satisfied than answered, or there is no such interval.

    Examples
    --------
    >>> satisfaction_difference((48, 80), (56, 70))
    0.2 (0.05243 to 0.3339, 95 % wilson, n = 150)
    """
    (k, n), (j, m) = (_counted(name, one, 2) for name, one in (("before", before), ("after", after)))
    if np.any(k > n) or np.any(j > m):
        raise DomainError(f"no more can be satisfied than answered, got {before!r} and {after!r}")
    sides = Share(ratio(k, n), n), Share(ratio(j, m), m)
    return _of_counts(_CSAT, sides, [one.share * (1 - one.share) for one in sides], Interval(interval, level))


def _counted(name: str, counts: Sequence[ArrayLike], wanted: int) -> list[Array]:
    told = [np.asarray(count, dtype=np.float64) for count in counts]
    if len(told) != wanted or not all(np.all(count >= 0) for count in told):
        raise DomainError(f"{name} must be {wanted} counts of 0 or more, got {counts!r}")
    return [np.array(count) for count in np.broadcast_arrays(*told)]


def _of_counts(metric: Metric, sides: tuple[Side, Side], spreads: Sequence[Array], how: Interval) -> Estimate:
    one_of("interval", how.name, [*metric.formulas, "wald"])
    checked_level(how.level)
    sizes = [np.asarray(one.n) for one in sides]  # type: ignore[attr-defined]
    first, second = (np.sqrt(ratio(spread, n)) for spread, n in zip(spreads, sizes, strict=True))
    found = differed(metric, sides, together(first, second, 0.0), how, 0.0)
    row: dict[str, Any] = {name: one if one.ndim else one.item() for name, one in found.items()}
    value, low, high = (row.pop(name) for name in ("value", "low", "high"))
    n: list[Any] = [one if one.ndim else int(one) for one in sizes]
    return Estimate(value, low, high, n[0] + n[1], how.name, how.level, also={**row, "n_before": n[0], "n_after": n[1]})


def differed(
    metric: Metric, sides: tuple[Any, Any], error: Array, how: Interval, correlation: Array | float
) -> dict[str, Array]:
    """The columns of a difference, in the unit of the metric."""
    before, after = sides
    value, more = after.value - before.value, {}
    if how.name == "wald":
        found = wald(value, error, before.ends, level=how.level)
    else:
        found = metric.formulas[how.name](before, after, correlation=correlation, level=how.level)
    if metric.formulas.get(how.name) is adjusted:
        moved = adjusted_moments(before, after, correlation=correlation)
        more = dict(zip(("adjusted_value", "adjusted_standard_error"), moved, strict=True))
    columns = {"value": value, "low": found.low, "high": found.high, "before": before.value, "after": after.value}
    scaled = {name: metric.times * one for name, one in {**columns, "standard_error": error, **more}.items()}
    first = ("value", "low", "high")
    return {**{name: scaled.pop(name) for name in first}, "p": found.p, **scaled}
