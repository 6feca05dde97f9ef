"""The only doors to data frames: enter, tally, leave.

A frame of any library comes in as a lazy narwhals frame; marks are summed where the data live; only sums come over as
arrays; answers leave as a frame of the caller's library. What comes in lazy leaves as the eager frame that its library is at
home with: Polars lazy as Polars, DuckDB, Ibis and PySpark as pyarrow, Dask as pandas.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import narwhals.stable.v2 as nw
import numpy as np
from numpy.typing import NDArray

from custrel.errors import SchemaError, nearest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["collect", "enter", "leave", "read_columns", "require", "tally"]

LazyFrame: TypeAlias = "nw.LazyFrame[Any]"

_AT_HOME_WITH = {"duckdb": "pyarrow", "ibis": "pyarrow", "pyspark": "pyarrow", "sqlframe": "pyarrow", "dask": "pandas"}
_ENGINES = "pandas, Polars, pyarrow, DuckDB, Dask, PySpark or Ibis"


def enter(data: Any) -> tuple[LazyFrame, str]:
    """Open a frame of any library: the lazy frame, and the library in which answers should leave.

    Parameters
    ----------
    data
        A frame; it is never changed.

    Raises
    ------
    SchemaError
        If it is no frame that is known, or two columns share a name.

    Examples
    --------
    >>> import pandas as pd
    >>> frame, like = enter(pd.DataFrame({"customer_id": ["c1"]}))
    >>> frame.collect_schema().names(), like
    (['customer_id'], 'pandas')
    """
    try:
        frame = nw.from_native(data)
        names = frame.collect_schema().names()
    except (TypeError, nw.exceptions.NarwhalsError) as error:
        raise SchemaError(f"expected a frame of {_ENGINES}; found {type(data).__name__}: {error}") from error
    odd = [name for name in names if not isinstance(name, str)]
    if odd:
        raise SchemaError(f"column names must be text; found {odd[0]!r} ({type(odd[0]).__name__})")
    library = frame.implementation.value
    settled = nw.from_native(_settled(data)) if library in {"pandas", "dask"} else frame
    return settled.lazy(), _AT_HOME_WITH.get(library, library)


def _settled(data: Any) -> Any:
    """A pandas or Dask frame whose object columns and categories say what they hold, so that all engines read them alike."""
    changes = {name: settled for name in data.columns if (settled := _settled_column(data[name])) is not None}
    return data.assign(**changes) if changes else data


def _settled_column(column: Any) -> Any:
    """Category as what its categories are; object columns of dates, decimals or numbers as such; None: leave it."""
    import pandas as pd  # noqa: PLC0415  # here only pandas frames come by

    if isinstance(column.dtype, pd.CategoricalDtype):
        categories = column.cat.categories.dtype
        return column.astype("Int64" if pd.api.types.is_integer_dtype(categories) else categories)
    if column.dtype != object or not isinstance(column, pd.Series):
        return None
    held = pd.api.types.infer_dtype(column, skipna=True)
    if held in {"date", "datetime", "datetime64"}:
        return _as_times(column)
    if held in {"decimal", "mixed-integer-float", "floating"}:
        return column.map(float, na_action="ignore").astype("float64")
    if held == "integer":
        return _as_integers(column)
    return column.astype("boolean") if held == "boolean" else None


def _as_times(column: Any) -> Any:
    import pandas as pd  # noqa: PLC0415

    try:
        return pd.to_datetime(column)
    except (ValueError, TypeError, OverflowError) as error:
        raise SchemaError(f"column {column.name!r} holds times that cannot be read together: {error}") from error


def _as_integers(column: Any) -> Any:
    try:
        return column.astype("Int64")
    except (OverflowError, TypeError, ValueError) as error:
        raise SchemaError(f"column {column.name!r} holds whole numbers beyond 64 bits; give them as text") from error


def require(frame: LazyFrame, names: Iterable[str], *, purpose: str) -> None:
    """Refuse a frame without these columns, naming those it has and the nearest.

    Raises
    ------
    SchemaError
        If a column is missing.
    """
    there = frame.collect_schema().names()
    for name in names:
        if name not in there:
            listed = ", ".join(map(repr, there)) or "none"
            raise SchemaError(f"no column {name!r} for {purpose}{nearest(name, there)}; the frame has {listed}")


def tally(
    frame: LazyFrame,
    by: Sequence[str] = (),
    *,
    sums: Mapping[str, nw.Expr] | None = None,
    lows: Mapping[str, nw.Expr] | None = None,
    highs: Mapping[str, nw.Expr] | None = None,
) -> LazyFrame:
    """Mark every row, then take sums, lowest and highest of the marks for each group; `n` counts its rows.

    Marking and summing in two steps is the only way that runs on every engine.

    Examples
    --------
    >>> import pandas as pd
    >>> frame, _ = enter(pd.DataFrame({"channel": ["a", "b", "a"], "contacts": [1, 3, 2]}))
    >>> counts = collect(tally(frame, ["channel"], sums={"solved": nw.col("contacts") == 1}), sort=["channel"])
    >>> counts["n"].tolist(), counts["solved"].tolist()
    ([2, 1], [1, 0])
    """
    marks = {"sum": dict(sums or {}), "min": dict(lows or {}), "max": dict(highs or {})}
    named = {name: mark for group in marks.values() for name, mark in group.items()}
    marked = frame.select(*by, **named) if named or by else frame
    dtypes = marked.collect_schema()
    flags = [nw.col(name).cast(nw.Int64) for name in marks["sum"] if dtypes[name] == nw.Boolean]
    marked = marked.with_columns(*flags) if flags else marked
    answers = [getattr(nw.col(name), how)() for how, group in marks.items() for name in group]
    return marked.group_by(*by).agg(nw.len().alias("n"), *answers) if by else marked.select(nw.len().alias("n"), *answers)


def collect(frame: LazyFrame, *, sort: Sequence[str] = ()) -> dict[str, NDArray[Any]]:
    """Bring a frame of sums over the wall: its columns as arrays, rows in the order of `sort`."""
    eager = frame.sort(*sort).collect() if sort else frame.collect()
    return {name: eager[name].to_numpy() for name in eager.columns}


def leave(columns: Mapping[str, NDArray[Any]], *, like: str) -> Any:
    """Arrays as a frame of the caller's library.

    Examples
    --------
    >>> leave({"customer_id": np.array(["c1", "c2"], dtype=object), "clv": np.array([3.5, 0.0])}, like="pandas")
      customer_id  clv
    0          c1  3.5
    1          c2  0.0
    """
    plain = {name: values.tolist() if values.dtype.kind in "OUST" else values for name, values in columns.items()}
    return nw.from_dict(plain, backend=like).to_native()


def read_columns(
    data: Any, wanted: Mapping[str, str], customer_id: str | None
) -> tuple[dict[str, NDArray[np.float64]], NDArray[Any] | None, str]:
    """Columns of a table with a row for each customer, as arrays of floats, and who the customers are.

    Raises
    ------
    SchemaError
        If a column is missing or does not hold numbers.
    """
    frame, like = enter(data)
    there = frame.collect_schema()
    if customer_id is None and "customer_id" in there.names():
        customer_id = "customer_id"
    require(frame, [*wanted.values(), *([customer_id] if customer_id else [])], purpose="a table of customers")
    for ours, theirs in wanted.items():
        if not (there[theirs].is_numeric() or there[theirs] == nw.Unknown):
            raise SchemaError(f"column {theirs!r} ({ours}) must hold numbers; found {there[theirs]}")
    numbers = {ours: nw.col(theirs).cast(nw.Float64) for ours, theirs in wanted.items()}
    who = {"customer_id": nw.col(customer_id)} if customer_id else {}
    arrays = collect(frame.select(**numbers, **who))
    ids = arrays.pop("customer_id", None)
    return arrays, _index_of(data) if ids is None else ids, like


def _index_of(data: Any) -> NDArray[Any] | None:
    """A pandas index that is more than a row number."""
    index = nw.maybe_get_index(nw.from_native(data))
    return None if index is None or type(index).__name__ == "RangeIndex" else np.asarray(index)
