"""Ratings: several numbers of each answer. At this door they are looked at, and rows become sums.

Each column is counted from its mean, in units of its range: then no large number drowns a small difference, and none is
too large to be squared.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from operator import and_
from typing import TYPE_CHECKING, Any

import narwhals.stable.v2 as nw
import numpy as np

from custrel.errors import DomainError, PromiseError, SchemaError
from custrel.frames import collect, enter, mark, quickest, require, tally
from custrel.interactions import Interactions
from custrel.stats.cross_products import CrossProducts, resampled

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from custrel.frames import LazyFrame
    from custrel.stats.estimate import Array

__all__ = ["Ratings", "cross_products_of", "ratings_of", "samples_of"]

_WEIGHT, _WHO = "__weight", "__who"


@dataclass(frozen=True, eq=False)
class Ratings:
    """Rows in which nothing is missing, and what was seen of them.

    Parameters
    ----------
    rows
        Where the data live: a column for each name, in order, called by its number; weights and customers if known.
    names
        What the caller calls the columns.
    n, excluded
        How many rows count, and in how many something is missing.
    low, high, mean
        Of each column, ``(columns,)``; means are weighted.
    weighted, known
        Whether there are weights, and whether it is known who answered.
    like
        The library in which answers leave.
    """

    rows: LazyFrame
    names: Sequence[str]
    n: int
    excluded: int
    low: Array
    high: Array
    mean: Array
    weighted: bool
    known: bool
    like: str

    @property
    def range(self) -> Array:
        """Of each column, ``(columns,)``."""
        return self.high - self.low

    def scaled(self) -> list[nw.Expr]:
        """Each column from its mean, in units of its range."""
        pivots = zip(self.mean.tolist(), self.range.tolist(), strict=True)
        return [(nw.col(_name(place)) - mean) * (1 / span) for place, (mean, span) in enumerate(pivots)]

    def weight(self) -> nw.Expr:
        """Of each row."""
        return nw.col(_WEIGHT) if self.weighted else nw.lit(1.0)


def ratings_of(data: Any, names: Sequence[str], *, weight: str | None, customer_id: str | None, drop: bool) -> Ratings:
    """Read columns of numbers from a frame of any library or a log, the last of them what the others are to explain.

    Raises
    ------
    SchemaError
        If a column is missing, or does not hold numbers.
    PromiseError
        If values are missing and not to be dropped, or infinite, or a weight is none.
    DomainError
        If there are too few rows, or a column is constant.
    """
    rows, like = _entered(data, names, weight, customer_id)
    known = _WHO in rows.collect_schema().names()
    seen = _seen(rows, len(names), weighted=weight is not None)
    missing = {name: int(seen[f"missing_{place}"]) for place, name in enumerate(names)}
    total, n = int(seen["n"]), int(seen["complete"])
    if total > n and not drop:
        raise PromiseError(
            f"{total - n:,} of {total:,} answers lack {_listed(missing)}: leave them out, counted, by missing='drop', "
            "or fill in what is missing first"
        )
    _refuse_odd(seen, names, weight)
    _refuse_few(seen, missing, len(names))
    low, high, sums = (
        np.array([seen[f"{what}_{place}"] for place in range(len(names))]) for what in ("low", "high", "sum")
    )
    for name, least, most in zip(names, low, high, strict=True):
        if least == most:
            raise DomainError(
                f"column {name!r} is constant: it is {least:g} in all {n:,} answers, so nothing goes with it"
            )
    complete = rows.filter(_complete(len(names)))
    return Ratings(complete, names, n, total - n, low, high, sums / seen["w"], weight is not None, known, like)


def cross_products_of(ratings: Ratings) -> CrossProducts:
    """Cross products of the columns from their means, in units of their ranges; summed where the data live."""
    w, z = ratings.weight(), ratings.scaled()
    q = len(z)
    up, across = np.triu_indices(q)
    marks = {"w": w, **{f"sum_{i}": w * z[i] for i in range(q)}}
    marks |= {f"product_{i}_{j}": w * z[i] * z[j] for i, j in zip(up.tolist(), across.tolist(), strict=True)}
    # A column beside the marks: a weight of 1 alone would be a number, not a mark of every row.
    sums = collect(tally(ratings.rows, sums={**marks, "w": w + 0 * z[0]}))
    products = np.zeros((q, q))
    products[up, across] = products[across, up] = [float(sums[name][0]) for name in marks if name.startswith("product")]
    return CrossProducts(
        np.array(float(sums["w"][0])), np.array([float(sums[f"sum_{i}"][0]) for i in range(q)]), products
    )


def samples_of(ratings: Ratings, *, repeats: int, seed: int) -> CrossProducts:
    """The same of samples drawn from the customers, where they are known, or else from the answers.

    Raises
    ------
    DomainError
        If there are no more customers than columns.
    """
    columns = {_name(place): scaled for place, scaled in enumerate(ratings.scaled())}
    kept = ([_WHO] if ratings.known else []) + ([_WEIGHT] if ratings.weighted else [])
    rows = mark(ratings.rows, *kept, **columns)
    table = collect(rows if ratings.known else tally(rows, [*columns, *kept]))
    z = np.stack([table[name].astype(np.float64) for name in columns], axis=1)
    w = table[_WEIGHT].astype(np.float64) if ratings.weighted else np.ones(len(z))
    who = _codes(table[_WHO]) if ratings.known else np.full(len(z), -1)
    # Engines give rows in any order; a seed must give the same samples.
    order = np.lexsort((w, *z.T, who))
    who, n = who[order], table["n"].astype(np.int64)[order] if "n" in table else np.ones(len(z), dtype=np.int64)
    first = np.flatnonzero(np.r_[True, (who[1:] != who[:-1]) | (who[1:] < 0)])
    if n[first].sum() <= z.shape[1]:
        raise DomainError(
            f"a bootstrap of {z.shape[1] - 1} drivers wants more than {z.shape[1]} customers and found "
            f"{n[first].sum()}: ask more of them, or take interval=None"
        )
    return resampled(z[order], w[order], n[first], first, repeats=repeats, seed=seed)


# -- the door ----------------------------------------------------------------------------------------------------------


def _entered(data: Any, names: Sequence[str], weight: str | None, customer_id: str | None) -> tuple[LazyFrame, str]:
    """The columns under names of our own."""
    if isinstance(data, Interactions):
        frame, like = _of_log(data)
    else:
        frame, like = enter(data)
    if customer_id == "customer_id" and customer_id not in frame.collect_schema().names():
        customer_id = None
    require(frame, [*names, *(name for name in (weight, customer_id) if name)], purpose="key drivers")
    columns = {_name(place): _number(frame, name) for place, name in enumerate(names)}
    columns |= {_WEIGHT: _number(frame, weight)} if weight else {}
    columns |= {_WHO: nw.col(customer_id)} if customer_id else {}
    return quickest(mark(frame, **columns)), like


def _of_log(log: Interactions) -> tuple[LazyFrame, str]:
    """The survey responses of a log, if they are all of one survey."""
    sheet = log.only("survey_response").sheets["survey_response"]
    surveys = sorted(map(str, collect(tally(sheet.frame, ["survey_kind"]))["survey_kind"].tolist()))
    if len(surveys) > 1:
        raise SchemaError(
            f"this log has answers to several surveys, {', '.join(map(repr, surveys))}: give it the rows of one of them"
        )
    return sheet.frame, sheet.like


def _number(frame: LazyFrame, name: str) -> nw.Expr:
    """A column of numbers or flags, what is NaN being missing."""
    dtype = frame.collect_schema()[name]
    if not (dtype.is_numeric() or dtype in {nw.Boolean, nw.Unknown}):
        raise SchemaError(
            f"column {name!r} must hold numbers or flags; found {dtype}: make numbers of answers that have an order, "
            "and of others a flag for each answer but one"
        )
    number = nw.col(name).cast(nw.Float64)
    return number if dtype.is_integer() or dtype == nw.Boolean else nw.when(~number.is_nan()).then(number)


def _name(place: int) -> str:
    return f"__rating_{place}"


def _codes(who: NDArray[Any]) -> NDArray[np.int64]:
    """A number for each customer, in their order; -1 where nobody is named."""
    import pandas as pd

    return pd.factorize(who, sort=True)[0].astype(np.int64)


# -- what is seen ------------------------------------------------------------------------------------------------------


def _complete(q: int) -> nw.Expr:
    return reduce(and_, (~nw.col(_name(place)).is_null() for place in range(q)))


def _seen(rows: LazyFrame, q: int, *, weighted: bool) -> dict[str, float]:
    """How many values are missing or infinite; and of the rows in which none is missing the ends and sums."""
    there, infinity = _complete(q), float("inf")
    x = {place: nw.when(there).then(nw.col(_name(place))) for place in range(q)}
    w = nw.col(_WEIGHT) if weighted else nw.lit(1.0)
    one = nw.when(there).then(w)
    sums = {"complete": there, "w": one, "w2": one * one} | {f"sum_{place}": w * values for place, values in x.items()}
    sums |= {f"missing_{place}": nw.col(_name(place)).is_null() for place in x}
    sums |= {f"infinite_{place}": (values.abs() == infinity).fill_null(value=False) for place, values in x.items()}
    if weighted:
        sums["unweighed"] = there & ~((w >= 0) & (w < infinity)).fill_null(value=False)
    lows = {f"low_{place}": values for place, values in x.items()}
    highs = {f"high_{place}": values for place, values in x.items()}
    found = collect(tally(rows, sums=sums, lows=lows, highs=highs))
    return {
        name: 0.0 if values[0] is None else float(np.nan_to_num(float(values[0]), posinf=np.inf))
        for name, values in found.items()
    }


def _listed(missing: Mapping[str, int]) -> str:
    return ", ".join(f"{name!r} ({count:,})" for name, count in missing.items() if count)


def _refuse_odd(seen: Mapping[str, float], names: Sequence[str], weight: str | None) -> None:
    if found := int(seen.get("unweighed", 0)):
        raise PromiseError(
            f"weight={weight!r} must be a number of 0 or more for every answer; it is not for {found:,} of "
            f"{int(seen['complete']):,}"
        )
    for place, name in enumerate(names):
        if found := int(seen[f"infinite_{place}"]):
            raise PromiseError(f"column {name!r} holds {found:,} infinite values: mend these, or make them missing")


def _refuse_few(seen: Mapping[str, float], missing: Mapping[str, int], q: int) -> None:
    """Refuse as many answers as could be explained without remainder, whatever they were."""
    effective = seen["w"] ** 2 / seen["w2"] if seen["w2"] else 0.0
    if effective > q:
        return
    n = int(seen["complete"])
    of_weights = f", which with these weights say as much as {effective:.1f}" if round(effective) != n else ""
    lacking = f" in which nothing is missing (missing: {_listed(missing)})" if any(missing.values()) else ""
    raise DomainError(
        f"key drivers want more than {q} answers for {q - 1} drivers; there are {n:,}{lacking}{of_weights}"
    )
