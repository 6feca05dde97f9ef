"""Settle: columns of pandas, Dask and pyarrow that do not say what they hold, made to say it as other engines do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

__all__ = ["settled", "with_missing", "with_room", "without_dictionaries"]


def without_dictionaries(table: Any) -> Any:
    """A pyarrow table whose dictionaries are what their values are."""
    for place, name in enumerate(table.column_names):
        dtype = table.schema.field(place).type
        if hasattr(dtype, "index_type"):
            table = table.set_column(place, name, table.column(place).cast(dtype.value_type))
    return table


def settled(data: Any) -> Any:
    """A pandas or Dask frame whose object columns and categories say what they hold, as other engines' do."""
    changes = {name: settled for name in data.columns if (settled := _settled_column(data[name])) is not None}
    return data.assign(**changes) if changes else data


def _settled_column(column: Any) -> Any:
    """Zoned times in UTC, categories and objects as what they hold; None: leave the column as it is."""
    import pandas as pd  # here only pandas frames come by

    if isinstance(column.dtype, pd.CategoricalDtype):
        categories = column.cat.categories.dtype
        return column.astype("Int64" if pd.api.types.is_integer_dtype(categories) else categories)
    arrow: Any = getattr(column.dtype, "pyarrow_dtype", None)
    if hasattr(arrow, "index_type"):
        return column.astype(pd.ArrowDtype(arrow.value_type))
    if getattr(arrow, "tz", None):  # the clock that pandas 2.2.0 shows of these is that of UTC
        column = column.astype(pd.DatetimeTZDtype(arrow.unit, "UTC"))
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        return column.dt.tz_convert("UTC")  # narwhals does not know zones with other than letters in their names
    if column.dtype != object or not isinstance(column, pd.Series):
        return None
    settle = _OBJECTS.get(pd.api.types.infer_dtype(column, skipna=True))
    try:
        return settle(column) if settle else None
    except (ArithmeticError, TypeError, ValueError):
        return None  # what cannot be read together stays an object, which whoever needs the column refuses


def _as_times(column: Any) -> Any:
    import pandas as pd

    return pd.to_datetime(column)


_OBJECTS: Mapping[str, Callable[[Any], Any]] = {
    **dict.fromkeys(["date", "datetime", "datetime64"], _as_times),
    **dict.fromkeys(
        ["decimal", "floating", "mixed-integer-float"],
        lambda column: column.map(float, na_action="ignore").astype("float64"),
    ),
    "integer": lambda column: column.astype("Int64"),
    "boolean": lambda column: column.astype("boolean"),
}
"""How to settle an object column of pandas, by what it holds."""


def with_missing(data: Any, name: str, *, flags: bool) -> Any:
    """A frame with a column of flags or whole numbers that are all missing.

    NumPy has no missing value for these: a cast would make it true, or a number.
    """
    some = data[data.columns[0]].isna().astype("boolean")
    return data.assign(**{name: some.mask(some | ~some).astype(_nullable(flags=flags))})


def with_room(data: Any, names: Mapping[str, bool]) -> Any:
    """A frame whose columns of these names, flags or else whole numbers, have room for what is missing."""
    room = {
        name: data[name].astype(_nullable(flags=flags))
        for name, flags in names.items()
        if name in data.columns and isinstance(data[name].dtype, np.dtype)
    }
    return data.assign(**room) if room else data


def _nullable(*, flags: bool) -> str:
    return "boolean" if flags else "Int64"
