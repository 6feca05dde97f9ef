"""Told: what was measured, as a frame with a row for each group, in the caller's library; of a list as an estimate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from custrel.checked import checked_level, checked_number
from custrel.errors import DomainError
from custrel.feedback.reading.answers import answers_of
from custrel.feedback.reading.groups import leave_groups
from custrel.stats.estimate import Estimate

if TYPE_CHECKING:
    from collections.abc import Callable

    from custrel.feedback.reading.answers import Answers
    from custrel.feedback.reading.groups import Groups
    from custrel.feedback.reading.measured import Interval, Measured
    from custrel.feedback.reading.question import Question
    from custrel.stats.estimate import Array

__all__ = ["estimate_of", "population_of", "told"]


def told(
    data: Any,
    question: Question,
    interval: Interval,
    measure: Callable[[Answers, Array | None], Measured],
    /,
    **said: str,
) -> Any:
    """Read the answers, measure them, and tell what was found.

    Parameters
    ----------
    data, question
        The answers, and what is asked of them.
    interval
        How the interval is made.
    measure
        What to make of the answers and of the size of the population, if that is known.
    said
        Columns that say the same of every group, such as which points count as satisfied.
    """
    checked_level(interval.level)
    questions = [question, *([replace(question, by=())] if question.totals and question.by else [])]
    parts = [_part(answers_of(data, one), one, measure, said) for one in questions]
    like = parts[0][0].like
    if like is None:
        return estimate_of(parts[0][1], interval)
    return leave_groups([(answers.groups, columns) for answers, columns in parts], like)


def _part(
    answers: Answers, question: Question, measure: Callable[[Answers, Array | None], Measured], said: Mapping[str, str]
) -> tuple[Answers, dict[str, Any]]:
    found = measure(answers, population_of(answers.groups, question))
    size = answers.groups.size
    columns: dict[str, Any] = {
        "value": found.value,
        "low": found.low,
        "high": found.high,
        "n": answers.units.answers().astype(np.int64),
        **found.also,
        "standard_error": found.standard_error,
        "n_effective": found.n_effective,
    }
    if answers.invited is not None and answers.responded is not None:
        asked = np.where(answers.invited > 0, answers.invited, np.nan)
        columns["response_rate"] = answers.responded / asked
    columns |= answers.excluded
    columns |= {name: np.full(size, text, dtype=object) for name, text in said.items()}
    if question.totals:
        columns["total"] = np.full(size, not question.by)
    answers.groups.refuse(list(columns))
    return answers, columns


def population_of(groups: Groups, question: Question) -> Array | None:
    """How many customers each group has, as the caller says."""
    told = question.population
    if told is None:
        return None
    if not isinstance(told, Mapping):
        return np.full(groups.size, checked_number("population", told))
    if not question.by and not question.totals:
        raise DomainError("population says how many customers each group has, but by names no groups: give one number")
    if not question.by:
        return np.full(groups.size, sum(checked_number("population", one) for one in told.values()))
    labels = zip(*(groups.labels[name].tolist() for name in question.by), strict=True)
    keys = [label if len(label) > 1 else label[0] for label in labels]
    if absent := [key for key in keys if key not in told]:
        raise DomainError(f"population must say how many customers each group has; it does not for {absent[0]!r}")
    return np.array([checked_number("population", told[key]) for key in keys])


def estimate_of(columns: Mapping[str, Any], interval: Interval) -> Estimate:
    """The only row, of a plain list."""
    row = {name: values.tolist()[0] for name, values in columns.items()}
    value, low, high, n = (row.pop(name) for name in ("value", "low", "high", "n"))
    return Estimate(value, low, high, n, interval.name, interval.level, also=row)
