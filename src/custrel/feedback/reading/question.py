"""Question: what is asked of the answers, said once for every metric, and checked before a row is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypedDict

from custrel.checked import checked_count
from custrel.errors import DomainError, nearest, one_of
from custrel.feedback.reading.windows import PERIODS
from custrel.moments import checked_zone

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Question", "Reading", "Scale"]

_OWN = {"value", "low", "high", "n", "period", "total", "standard_error", "n_effective", "response_rate"}
"""What columns of every answer are called."""
PER_CUSTOMER = ("all", "latest", "first", "mean")


class Reading(TypedDict, total=False):
    """How answers are read: the keywords that every metric of this room takes.

    Examples
    --------
    >>> import pandas as pd
    >>> from custrel.feedback.nps import nps
    >>> reading: Reading = {"weight": "stands_for"}
    >>> answers = pd.DataFrame({"score": [10, 0], "stands_for": [3.0, 1.0]})
    >>> nps(answers, **reading)["value"].tolist()
    [50.0]
    """

    every: str
    """Length of a time window: day, week, month, quarter or year; the column `period` says when each begins."""
    at: str
    """Column of the time of an answer; ``occurred_at`` if not given."""
    tz: str
    """Zone of the clock on which days and months begin; UTC if not given."""
    weight: str
    """Column that says for how many customers an answer stands; answers of weight 0 are left out, counted."""
    customer_id: str | None
    """Column that says who answered; the answers of one customer are then not taken for independent. If not given, a
    column named ``customer_id`` is taken where there is one; None: each answer is somebody else's."""
    per_customer: str
    """Which answers of a customer count, in each group: ``"all"``, the ``"latest"`` or ``"first"`` alone (of several at
    one moment their mean), or the ``"mean"`` of all, so that everybody counts once."""
    invited: str
    """Column that says who was asked: a flag, or the time of the invitation (missing: was not). A log has
    ``invited_at``."""
    population: float | Mapping[Any, float]
    """How many customers each group has, if a notable part of them answered: a number, or one for each label."""
    totals: bool
    """Whether to add a row for all groups together, marked in the column `total`."""
    on_invalid: str
    """What to do with scores that the scale does not have: ``"raise"``, or ``"drop"`` to leave them out, counted."""
    seed: int
    """Seed of the bootstrap; 0 if not given."""


@dataclass(frozen=True)
class Scale:
    """The points that a score can have.

    >>> Scale((1, 5)).points()
    [1, 2, 3, 4, 5]
    """

    ends: tuple[float, float]
    whole: bool = True

    def __post_init__(self) -> None:
        try:
            low, high = map(float, self.ends)
        except (TypeError, ValueError) as error:
            raise DomainError(
                f"scale must be the lowest and highest score, such as (1, 5), got {self.ends!r}"
            ) from error
        if not -float("inf") < low < high < float("inf"):
            raise DomainError(f"scale must rise from its lowest to its highest score, got {self.ends!r}")
        if self.whole and (low != int(low) or high != int(high)):
            raise DomainError(f"scale must run from one whole number to another, got {self.ends!r}")

    def __str__(self) -> str:
        return f"{self.low:g} to {self.high:g}"

    @property
    def low(self) -> float:
        """The lowest score."""
        return float(self.ends[0])

    @property
    def high(self) -> float:
        """The highest score."""
        return float(self.ends[1])

    def points(self) -> list[int]:
        """All scores, of a scale of whole points."""
        return list(range(int(self.low), int(self.high) + 1))


@dataclass(frozen=True)
class Question:
    """What is asked: of which column, in which groups, on which scale, with which marks.

    Parameters
    ----------
    score, by, scale
        Column of the scores, columns of the groups, and the scores that there can be.
    marks
        Name to a function of scores: what of an answer is added up. Works on a column and on an array alike.
    flags
        Whether the marks are but truths or falsehoods, no two of them true of one answer.
    kind, survey
        Where the answers are in a log: the kind of its rows, and which survey.
    """

    score: str
    by: tuple[str, ...]
    scale: Scale
    marks: Mapping[str, Callable[[Any], Any]]
    flags: bool
    kind: str = "survey_response"
    survey: str | None = None
    every: str | None = None
    at: str = "occurred_at"
    tz: str = "UTC"
    weight: str | None = None
    customer_id: str | None = "customer_id"
    per_customer: str = "all"
    invited: str | None = None
    population: float | Mapping[Any, float] | None = None
    totals: bool = False
    on_invalid: str = "raise"
    seed: int = 0
    named: bool = field(default=False)
    """Whether the customers' column was named by the caller, who then expects it to be there."""

    def __post_init__(self) -> None:
        one_of("per_customer", self.per_customer, PER_CUSTOMER)
        one_of("on_invalid", self.on_invalid, ["raise", "drop"])
        checked_zone(self.tz)
        checked_count("seed", self.seed, least=0)
        if self.every is not None:
            one_of("every", self.every, PERIODS)
        if self.per_customer != "all" and self.customer_id is None:
            raise DomainError(f"per_customer={self.per_customer!r} must know who answered: give customer_id=column")
        if taken := [name for name in self.by if name in _OWN or name.startswith("__")]:
            raise DomainError(f"by={taken[0]!r} is a name of the answer's own columns: rename that column")
        if len(set(self.by)) < len(self.by):
            raise DomainError(f"by names a column twice: {list(self.by)!r}")

    @classmethod
    def of(
        cls,
        score: str,
        by: str | Sequence[str],
        scale: Scale,
        marks: Mapping[str, Callable[[Any], Any]],
        reading: Mapping[str, Any],
        **more: Any,
    ) -> Question:
        """The question that a metric asks, with the keywords of its caller."""
        known = Reading.__annotations__
        for name in reading:
            if name not in known:
                raise DomainError(f"there is no keyword {name!r}{nearest(name, known)}; there are {', '.join(known)}")
        columns = (by,) if isinstance(by, str) else by
        if not isinstance(columns, list | tuple) or not all(isinstance(name, str) for name in columns):
            raise DomainError(f"by must name columns, such as ['region'], got {by!r}")
        columns = tuple(columns)
        return cls(score, columns, scale, marks, named="customer_id" in reading, **more, **reading)

    @property
    def groups(self) -> tuple[str, ...]:
        """The columns that make a group: those of `by`, and the period."""
        return (*self.by, "period") if self.every else self.by
