"""Tracking: do the purchases of each period come as the law said they would?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from custrel.errors import DomainError, one_of
from custrel.frames import leave
from custrel.history import DAYS

if TYPE_CHECKING:
    from custrel.clv.law import PurchaseLaw
    from custrel.interactions import Interactions

__all__ = ["tracking"]


def tracking(
    model: PurchaseLaw, log: Interactions, *, until: Any, born_until: Any, unit: str = "week", grain: str = "day"
) -> Any:
    """Repeat purchases of a group of customers, unit by unit, beside what the law expects of new customers.

    The expectation knows nothing but when each customer was born: on a day s before the end of a period it is the sum
    over birth days of their births times E[X(s)].

    Parameters
    ----------
    model
        The law, fitted to times in `unit`.
    log
        The log.
    until
        End of the last period; a period that is not complete by then is left out.
    born_until
        Only customers whose first purchase came by then: those the law was fitted to.
    unit
        Length of a period, which begins at the first birth.
    grain
        As for `Interactions.history`.

    Returns
    -------
    Frame of the log's library with a row for each period: period (1, 2, ...), end (its last grain), actual and expected
    repeat purchases within it, actual_cumulative, expected_cumulative.

    Examples
    --------
    >>> from custrel.clv import BGNBD
    >>> from custrel.datasets import cdnow
    >>> law = BGNBD(r=0.243, alpha=4.414, a=0.793, b=2.426)
    >>> weeks = tracking(law, cdnow(), until="1998-06-30", born_until="1997-09-30")
    >>> int(weeks["actual_cumulative"].iloc[38]), round(weeks["expected_cumulative"].iloc[38])
    (2457, 2498)
    """
    one_of("unit", unit, DAYS)
    if model.unit not in {None, unit}:
        raise DomainError(f"this {type(model).__name__} counts {model.unit}s: give unit={model.unit!r}, not {unit!r}")
    counts = log.purchases_by_period(until=until, born_until=born_until, grain=grain)
    per_unit = DAYS[unit] / DAYS[grain]
    periods = int(np.floor(counts.start.size / per_unit + 1e-9))
    ends = np.ceil(per_unit * np.arange(1, periods + 1) - 1e-9).astype(np.intp) - 1
    born = np.flatnonzero(counts.births)
    ages = np.maximum(ends[:, None] - born, 0) / per_unit
    expected = model.expected_purchases_of_new(ages) @ counts.births[born]
    actual = np.cumsum(counts.repeats)[ends]
    columns = {
        "period": np.arange(1, periods + 1),
        "end": counts.start[ends],
        "actual": np.diff(actual, prepend=0),
        "expected": np.diff(expected, prepend=0.0),
        "actual_cumulative": actual,
        "expected_cumulative": expected,
    }
    return leave(columns, like=counts.like)
