"""Answers: who was asked, who answered what. Here rows become counts.

What is brought over the wall is a table of *units*: things that are independent of each other, all those that are alike
in one row with their number. A unit is an answer or, where customers are known, a customer with the sums of their
answers. Shares, means, their errors and their bootstraps are all made of such tables, however the answers were
weighted, clustered or chosen.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import narwhals.stable.v2 as nw
import numpy as np

from custrel.feedback.reading.counts import countable, counted, valid
from custrel.feedback.reading.groups import Groups
from custrel.feedback.reading.rows import SCORE, WEIGHT, WHEN, WHO, rows_of
from custrel.feedback.reading.units import Units, joined
from custrel.feedback.reading.windows import beginnings
from custrel.frames import collect, tally

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from custrel.feedback.reading.question import Question
    from custrel.frames import LazyFrame

__all__ = ["Answers", "answers_of"]


@dataclass(frozen=True, eq=False)
class Answers:
    """What was counted of each group.

    Parameters
    ----------
    groups
        Which groups there are.
    excluded
        By reason, how many answers of each group do not count, ``(groups,)``.
    invited, responded
        How many were invited, and how many of these answered; None if invitations are not known.
    units
        What each independent unit brings to each mark.
    like
        The library in which answers leave; None for a list.
    """

    groups: Groups
    excluded: Mapping[str, NDArray[np.int64]]
    invited: NDArray[np.int64] | None
    responded: NDArray[np.int64] | None
    units: Units
    like: str | None


def answers_of(data: Any, question: Question) -> Answers:
    """Read answers from a list of scores, a frame of any library or a log.

    Raises
    ------
    SchemaError
        If a column is missing, or does not hold numbers.
    PromiseError
        If scores lie off the scale, or between its points, and `on_invalid` is ``"raise"``.
    """
    rows, question, like = rows_of(data, question)
    rows, labels, counts = counted(rows, question)
    groups = Groups(labels, counts["n"].size)
    odd = {f"excluded_{name}": counts[name] for name in ("off_scale", "between_points")}
    weightless = {"excluded_weightless": counts["weightless"]} if question.weight else {}
    left = counts["answered"] - sum(odd.values()) - sum(weightless.values())
    excluded = {"excluded_missing": counts["n"] - counts["answered"], **(odd if question.on_invalid == "drop" else {})}
    excluded |= weightless
    if countable(question) and np.array_equal(left, counts["answered"]):
        units = _of_counts(counts, groups, question)
    else:
        units = _of_rows(valid(rows, question), groups, question).in_order()
    if question.per_customer in {"latest", "first"}:
        excluded["excluded_superseded"] = left - units.answers().astype(np.int64)
    if question.every:
        starts = beginnings(groups.labels["period"], question.every)
        groups = replace(groups, labels={**groups.labels, "period": starts})
    return Answers(groups, excluded, counts.get("invited"), counts.get("responded"), units, like)


def _of_counts(counts: Mapping[str, NDArray[Any]], groups: Groups, question: Question) -> Units:
    """Answers that bear one mark or none, of their counts."""
    of_marks = [counts[f"mark_{name}"] for name in question.marks]
    k = np.stack([*of_marks, counts["answered"] - np.sum(of_marks, axis=0)]).astype(np.float64)
    which, group = np.nonzero(k)
    ones = np.ones(group.size)
    marks = {name: (which == place).astype(np.float64) for place, name in enumerate(question.marks)}
    return Units(groups.size, group, k[which, group], ones, ones, ones, marks, whole=True)


def _of_rows(rows: LazyFrame, groups: Groups, question: Question) -> Units:
    """Units as they were read: customers, and answers of nobody known."""
    if question.customer_id is None:
        return _of_answers(rows, groups, question)
    anonymous = nw.col(WHO).is_null()
    customers = _of_customers(rows.filter(~anonymous), groups, question)
    return joined([customers, _of_answers(rows.filter(anonymous), groups, question)])


def _of_answers(rows: LazyFrame, groups: Groups, question: Question) -> Units:
    table = collect(
        tally(rows, [*question.groups, SCORE, *([WEIGHT] if question.weight else [])]), labels=question.groups
    )
    k, score = table["n"].astype(np.float64), table[SCORE].astype(np.float64)
    w = table[WEIGHT].astype(np.float64) if question.weight else np.ones(k.size)
    marks = {name: w * marked(score) for name, marked in question.marks.items()}
    return Units(groups.size, _group(groups, table), k, np.ones(k.size), w, w**2, marks, whole=question.flags)


def _of_customers(rows: LazyFrame, groups: Groups, question: Question) -> Units:
    """Customers whose sums are alike, counted; where everybody counts once, the mean of their answers."""
    rows = _chosen(rows, question) if question.per_customer in {"latest", "first"} else rows
    weight, score = nw.col(WEIGHT) if question.weight else nw.lit(1.0), nw.col(SCORE).cast(nw.Float64)
    sums = {f"__mark_{name}": weight * marked(score).cast(nw.Float64) for name, marked in question.marks.items()}
    sums |= {"__w": weight, "__w2": weight * weight} if question.weight else {}
    of_each = tally(rows, [*question.groups, WHO], sums=sums)
    of_each = of_each.select(*question.groups, *sums, __answers=nw.col("n"))
    table = collect(tally(of_each, [*question.groups, *sums, "__answers"]), labels=question.groups)
    numbers = {name: table[name].astype(np.float64) for name in [*sums, "__answers", "n"]}
    n = numbers["__answers"]
    marks = {name: numbers[f"__mark_{name}"] for name in question.marks}
    units = Units(
        groups.size, _group(groups, table), numbers["n"], n, numbers.get("__w", n), numbers.get("__w2", n), marks
    )
    return (
        replace(units, whole=question.flags) if question.per_customer == "all" else units.as_one(whole=question.flags)
    )


def _chosen(rows: LazyFrame, question: Question) -> LazyFrame:
    """The latest, or the first, answer of each customer in each group; of several at one moment all."""
    # A missing label is equal to no other in a join, so labels are joined as text beside whether they are missing.
    named = {f"__label_{i}": nw.col(one).cast(nw.String).fill_null("") for i, one in enumerate(question.groups)}
    absent = {f"__absent_{i}": nw.col(one).is_null() for i, one in enumerate(question.groups)}
    rows = rows.with_columns(**named, **absent) if named else rows
    keys = [*named, *absent, WHO]
    when = {WHEN: nw.col(WHEN)}
    chosen = tally(rows, keys, highs=when) if question.per_customer == "latest" else tally(rows, keys, lows=when)
    return rows.join(chosen.select(*keys, WHEN), on=[*keys, WHEN], how="semi")


def _group(groups: Groups, table: Mapping[str, NDArray[Any]]) -> NDArray[np.intp]:
    if not groups.labels:
        return np.zeros(table["n"].size, dtype=np.intp)
    return groups.number_of(table)
