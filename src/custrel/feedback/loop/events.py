"""Events: who did what when, as arrays. At this door the rows of a log, or of a frame, become moments.

Only customer, moment and marks of the rows that are asked for are brought over the wall; a moment is a whole number of
microseconds on the log's clock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import narwhals.stable.v2 as nw
import numpy as np

from custrel.errors import SchemaError
from custrel.frames import collect, enter, mark, require
from custrel.moments import grains, period_of, start_of
from custrel.readable import with_moments

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from custrel.frames import LazyFrame

__all__ = ["answered", "coded", "events_of", "events_of_frame", "last_moment", "refuse_nobody"]

_DATE, _WHO, _WHEN = "__date", "__who", "__when"


def events_of(frame: LazyFrame, *kept: str, **marks: nw.Expr) -> dict[str, NDArray[Any]]:
    """Customers (`who`), moments (`when`), marks and some columns of the rows of a log.

    Parameters
    ----------
    frame
        Rows of a log.
    *kept
        Columns that are kept as they are.
    **marks
        Expressions of a row.
    """
    marks = {f"__{name}": one for name, one in marks.items()}
    whose = {_WHO: nw.col("customer_id"), _WHEN: period_of("occurred_at", "microsecond", frame.implementation.value)}
    found = collect(mark(frame, *kept, **whose, **marks))
    events = {"who": found[_WHO], "when": found[_WHEN].astype(np.int64)}
    return events | {name.removeprefix("__"): found[name] for name in marks} | {name: found[name] for name in kept}


def events_of_frame(
    data: Any, *kept: str, customer_id: str = "customer_id", at: str, tz: str, purpose: str
) -> dict[str, NDArray[Any]]:
    """Customers (`who`), moments (`when`) and some columns of a frame of any library.

    Raises
    ------
    SchemaError
        If a column is missing, a time cannot be read, or a row is nobody's.

    Examples
    --------
    >>> import pandas as pd
    >>> left = pd.DataFrame({"customer_id": ["c1", "c2"], "left_at": ["2024-05-01", "2024-05-02"]})
    >>> events = events_of_frame(left, at="left_at", tz="UTC", purpose="churned")
    >>> events["who"].tolist(), np.diff(events["when"]).tolist()
    (['c1', 'c2'], [86400000000])
    """
    frame = enter(data)[0]
    require(frame, [customer_id, at, *kept], purpose=purpose)
    frame = with_moments(frame, at, name=_DATE, tz=tz)
    whose = {_WHO: nw.col(customer_id), _WHEN: period_of(_DATE, "microsecond", frame.implementation.value)}
    found = collect(mark(frame, *kept, **whose))
    refuse_nobody(found[_WHO], customer_id, purpose)
    return {"who": found[_WHO], "when": found[_WHEN].astype(np.int64)} | {name: found[name] for name in kept}


def answered(frame: LazyFrame) -> nw.Expr:
    """Whether each row of a log's surveys is an answer; without a column of scores none is."""
    named = "score" in frame.collect_schema().names()
    return ~nw.col("score").is_null() if named else nw.col("occurred_at").is_null()


def refuse_nobody(ids: NDArray[Any], column: str, purpose: str) -> None:
    """Refuse rows that do not say whose they are.

    >>> refuse_nobody(np.array(["c1", None], dtype=object), "id", "contacts")
    Traceback (most recent call last):
    custrel.errors.SchemaError: column 'id' (contacts) is missing in 1 of 2 rows: say whose they are, or leave them out
    """
    import pandas as pd

    if bad := int(pd.isna(ids).sum()):
        raise SchemaError(
            f"column {column!r} ({purpose}) is missing in {bad:,} of {ids.size:,} rows: "
            "say whose they are, or leave them out"
        )


def last_moment(as_of: Any, tz: str) -> int:
    """The end of observation; of a bare date its last microsecond.

    >>> last_moment("2024-05-02", "UTC") - last_moment("2024-05-01", "UTC")
    86400000000
    """
    return grains(start_of(as_of, name="as_of", tz=tz, end=True), "microsecond")


def coded(*ids: NDArray[Any]) -> list[NDArray[np.int64]]:
    """Numbers for ids: the same for the same id wherever it stands, -1 for a missing one.

    Raises
    ------
    SchemaError
        If ids are text here and numbers there, so that none could be the same.

    Examples
    --------
    >>> one, other = coded(np.array(["c7", "c1"]), np.array(["c1", "c9"]))
    >>> one.tolist(), other.tolist()
    ([0, 1], [1, 2])
    """
    import pandas as pd

    told = {pd.api.types.infer_dtype(some, skipna=True) for some in ids if len(some)}
    if "string" in told and told & {"integer", "floating"}:
        raise SchemaError(
            "customer_id is text in one table and a number in another, so that none is the same: cast one"
        )
    alike = len({some.dtype for some in ids}) == 1
    codes, _ = pd.factorize(np.concatenate(ids if alike else [some.astype(object) for some in ids]))
    return np.split(codes.astype(np.int64), np.cumsum([some.size for some in ids])[:-1])
