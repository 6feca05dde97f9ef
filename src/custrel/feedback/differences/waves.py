"""Waves: the answers of two times, or of two crowds, in the same groups; and which customers answered in both.

Who answered in both says something of one wave by the other: their answers go together. So two waves are read customer
by customer wherever both know them, each wave in its own library, and matched by who they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from custrel.errors import DomainError, SchemaError, one_of
from custrel.feedback.reading.answers import Answers, answers_of
from custrel.feedback.reading.groups import Groups
from custrel.frames import enter, enter_values, plain
from custrel.interactions import Interactions

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from custrel.feedback.reading.question import Question
    from custrel.feedback.reading.units import Units
    from custrel.stats.estimate import Array

__all__ = [
    "Waves",
    "aligned",
    "by_customer",
    "errors_of",
    "into",
    "knows_customers",
    "merged",
    "rows_of",
    "waves_of",
    "who_is_who",
]

PAIRED = ("overlap", "both", "never")


@dataclass(frozen=True, eq=False)
class Waves:
    """Two waves in the same groups.

    Parameters
    ----------
    groups
        Groups that are in either wave.
    before, after
        What each independent unit of a wave brings.
    both
        Rows of `before` and of `after` that are one customer's, ``(customers,)`` each.
    counts
        How many answers of a wave do not count, by reason; how many were invited, and answered.
    like
        The library in which answers leave; None for lists.
    """

    groups: Groups
    before: Units
    after: Units
    both: tuple[NDArray[np.intp], NDArray[np.intp]]
    counts: Mapping[str, NDArray[np.int64]]
    like: str | None

    def customers_in_both(self) -> NDArray[np.int64]:
        """How many customers of each group answered in both waves."""
        return np.bincount(self.before.group[self.both[0]], minlength=self.groups.size).astype(np.int64)

    def correlation(self, mark: Callable[[Mapping[str, Array]], Array]) -> Array:
        r""":math:`\sum e_1 e_2 / \sqrt{\sum e_1^2 \sum e_2^2}` with the errors :math:`e = S - \hat m W` of customers"""
        first, second = errors_of(self.before, mark), errors_of(self.after, mark)
        one, other = self.both
        shared = np.bincount(self.before.group[one], weights=first[one] * second[other], minlength=self.groups.size)
        size = np.sqrt(self.before.per_group(first**2) * self.after.per_group(second**2))
        return np.divide(shared, size, out=np.zeros(size.shape), where=size > 0).clip(-1, 1)

    def narrowed(self) -> Waves:
        """Only the customers who answered in both waves; the answers of others are counted."""
        kept = [rows_of(units, rows) for units, rows in zip((self.before, self.after), self.both, strict=True)]
        gone = {
            f"excluded_unpaired_{name}": (units.answers() - left.answers()).astype(np.int64)
            for name, units, left in zip(("before", "after"), (self.before, self.after), kept, strict=True)
        }
        rows = np.arange(self.both[0].size)
        return replace(self, before=kept[0], after=kept[1], both=(rows, rows), counts={**self.counts, **gone})


def waves_of(before: Any, after: Any, question: Question, *, paired: str = "overlap") -> Waves:
    """Read two waves: lists, frames of any libraries or logs.

    Parameters
    ----------
    before, after, question
        The answers, and what is asked of both.
    paired
        ``"overlap"``: who is known to have answered in both waves counts as one; ``"both"``: only these count;
        ``"never"``: waves are taken to be of other customers.

    Raises
    ------
    SchemaError
        If groups or customers are text in one wave and numbers in the other.
    DomainError
        If only customers of both waves are to count, and they are not known.
    """
    one_of("paired", paired, PAIRED)
    known = paired != "never" and all(knows_customers(wave, question) for wave in (before, after))
    if paired == "both" and not known:
        raise DomainError("paired='both' must know who answered: give both waves a column of customers, by customer_id")
    grain = by_customer(question) if known else question
    read = [answers_of(wave, grain) for wave in (before, after)]
    groups, number = aligned([one.groups for one in read], question.groups)
    units = [into(one.units, to, groups.size) for one, to in zip(read, number, strict=True)]
    both = _matched(read, units, question, known=known)
    counts = [
        {f"{what}_{name}": _summed(n, to, groups.size) for what, n in _counts(one).items()}
        for name, one, to in zip(("before", "after"), read, number, strict=True)
    ]
    like = read[0].like or read[1].like
    waves = Waves(groups, units[0], units[1], both, {**counts[0], **counts[1]}, like)
    return waves.narrowed() if paired == "both" else waves


def knows_customers(data: Any, question: Question) -> bool:
    """Whether answers say whose they are, or should."""
    if question.customer_id is None:
        return False
    if question.named or isinstance(data, Interactions):
        return True
    if enter_values(data, question.score) is not None:
        return False
    return question.customer_id in enter(data)[0].collect_schema().names()


def by_customer(question: Question) -> Question:
    """The same question of each customer of a group."""
    who = str(question.customer_id)
    return question if who in question.by else replace(question, by=(*question.by, who))


def errors_of(units: Units, mark: Callable[[Mapping[str, Array]], Array]) -> Array:
    r""":math:`e = S - \hat m W` of each unit"""
    sums, W = mark(units.marks), units.per_group(units.w)
    mean = np.divide(units.per_group(sums), W, out=np.zeros(W.shape), where=W > 0)
    return np.asarray(sums - mean[units.group] * units.w)


# -- the same groups ---------------------------------------------------------------------------------------------------


def aligned(parts: Sequence[Groups], names: Sequence[str]) -> tuple[Groups, list[NDArray[np.intp]]]:
    """Groups by some of their labels that any part has, in order; and which of them each part's are."""
    ends = np.cumsum([part.size for part in parts])[:-1]
    if not names:
        return Groups({}, 1), [np.zeros(part.size, dtype=np.intp) for part in parts]
    code = np.zeros(sum(part.size for part in parts), dtype=np.int64)
    labels: dict[str, NDArray[Any]] = {}
    for name in names:
        distinct, codes = _shared(name, [part.labels[name] for part in parts])
        labels[name] = distinct[codes]
        # Combined codes are made small again, so that many columns do not overflow.
        code = np.unique(code * (distinct.size + 1) + codes, return_inverse=True)[1].reshape(-1)
    _, first, number = np.unique(code, return_index=True, return_inverse=True)
    groups = Groups({name: values[first] for name, values in labels.items()}, first.size)
    return groups, np.split(number.reshape(-1), ends)


def _shared(name: str, columns: Sequence[NDArray[Any]]) -> tuple[NDArray[Any], NDArray[np.intp]]:
    """The distinct labels of a column, in order, a missing one last; and which of them each row bears, part by part."""
    import pandas as pd

    found = [pd.factorize(column, use_na_sentinel=False) for column in columns]
    told = [[plain(one) for one in distinct] for _, distinct in found]
    try:
        every = sorted({one for part in told for one in part}, key=lambda one: (one is None, one))
    except TypeError as error:
        kinds = sorted({type(one).__name__ for part in told for one in part if one is not None})
        raise SchemaError(
            f"column {name!r} must hold labels of one type in both waves; found {', '.join(kinds)}"
        ) from error
    place = {one: i for i, one in enumerate(every)}
    codes = [
        np.array([place[one] for one in part], dtype=np.intp)[code] for (code, _), part in zip(found, told, strict=True)
    ]
    moments = bool(every) and all(isinstance(one, datetime) for one in every)
    values = np.array(every, dtype="M8[us]") if moments else np.empty(len(every), dtype=object)
    values[:] = every
    return values, np.concatenate(codes)


def into(units: Units, number: NDArray[np.intp], size: int) -> Units:
    """The same units in other groups."""
    return replace(units, groups=size, group=number[units.group])


def _summed(n: NDArray[np.int64], number: NDArray[np.intp], size: int) -> NDArray[np.int64]:
    return np.bincount(number, weights=n, minlength=size).astype(np.int64)


def _counts(answers: Answers) -> dict[str, NDArray[np.int64]]:
    asked = {"invited": answers.invited, "responded": answers.responded}
    return {**answers.excluded, **{name: n for name, n in asked.items() if n is not None}}


# -- the same customers ------------------------------------------------------------------------------------------------


def who_is_who(parts: Sequence[Answers], customer_id: str) -> list[NDArray[np.intp]]:
    """A number for each unit that says which customer it is, the same in all parts; -1 if nobody knows.

    Raises
    ------
    SchemaError
        If customers are text in one part and numbers in another, where none would be found again.
    """
    import pandas as pd

    ids = [part.groups.labels[customer_id] for part in parts]
    kinds = {kind for one in ids if (kind := _kind(one))}
    if len(kinds) > 1:
        raise SchemaError(
            f"column {customer_id!r} holds {' in one wave and '.join(sorted(kinds))} in the other: cast one"
        )
    same = len({one.dtype for one in ids}) == 1
    codes = pd.factorize(np.concatenate(ids if same else [one.astype(object) for one in ids]))[0]
    split = np.split(codes, np.cumsum([one.size for one in ids])[:-1])
    return [code[part.units.group] for code, part in zip(split, parts, strict=True)]


def _kind(ids: NDArray[Any]) -> str | None:
    some = next((one for one in map(plain, ids) if one is not None), None)
    return (
        None
        if some is None
        else "text"
        if isinstance(some, str)
        else "numbers"
        if isinstance(some, int | float)
        else type(some).__name__
    )


def _matched(
    read: Sequence[Answers], units: Sequence[Units], question: Question, *, known: bool
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows of both waves that are the same customer in the same group."""
    nobody = np.zeros(0, dtype=np.intp)
    if not known:
        return nobody, nobody
    who = who_is_who(read, str(question.customer_id))
    many = max((int(one.max(initial=-1)) for one in who), default=-1) + 1
    keys = [unit.group * many + one for unit, one in zip(units, who, strict=True)]
    there = [np.flatnonzero(one >= 0) for one in who]
    one, other = (key[rows] for key, rows in zip(keys, there, strict=True))
    _, first, second = np.intersect1d(one, other, assume_unique=True, return_indices=True)
    return there[0][first], there[1][second]


def rows_of(units: Units, rows: NDArray[np.intp]) -> Units:
    """Some of the units."""
    columns = {name: getattr(units, name)[rows] for name in ("group", "k", "n", "w", "w2")}
    return replace(units, **columns, marks={name: values[rows] for name, values in units.marks.items()})


def merged(units: Units, who: NDArray[np.intp]) -> tuple[Units, NDArray[np.intp]]:
    """Units of one group, all of one customer's added up in one; and who each then is."""
    place = np.where(who >= 0, who, who.max(initial=-1) + 1 + np.arange(who.size))
    _, first, number = np.unique(place, return_index=True, return_inverse=True)
    number = number.reshape(-1)

    def added(values: Array) -> Array:
        return np.asarray(np.bincount(number, weights=values, minlength=first.size), dtype=np.float64)

    n, w, w2 = added(units.n), added(units.w), added(units.w2)
    marks = {name: added(values) for name, values in units.marks.items()}
    return replace(units, group=units.group[first], k=units.k[first], n=n, w=w, w2=w2, marks=marks), who[first]
