"""The only doors to data frames: enter, tally, leave.

A frame of any library comes in as a lazy narwhals frame; marks are summed where the data live; only sums come over as
arrays; answers leave as a frame of the caller's library. What comes in lazy leaves as the eager frame that its library
is at home with: Polars lazy as Polars, DuckDB, Ibis and PySpark as pyarrow, Dask as pandas.
"""

from __future__ import annotations

import math
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, TypeAlias

import narwhals.stable.v2 as nw
import numpy as np
from numpy.typing import NDArray

from custrel.errors import SchemaError, nearest
from custrel.settle import settled, with_missing, with_room, without_dictionaries

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = [
    "LINE_BREAK",
    "collect",
    "enter",
    "enter_values",
    "fits",
    "leave",
    "major",
    "mark",
    "number_or_text",
    "plain",
    "quickest",
    "read_columns",
    "read_covariates",
    "readable_covariates",
    "require",
    "stack",
    "tally",
    "with_nothing",
]

LazyFrame: TypeAlias = "nw.LazyFrame[Any]"

_AT_HOME_WITH = {"duckdb": "pyarrow", "ibis": "pyarrow", "pyspark": "pyarrow", "sqlframe": "pyarrow", "dask": "pandas"}
_UNSPEAKABLE = {"pyspark": ".`", "duckdb": '"'}
_ENGINES = "pandas, Polars, pyarrow, DuckDB, Dask, PySpark or Ibis"


@cache
def major(library: str) -> int:
    """Major version of an installed library."""
    return int(version(library).partition(".")[0])


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
    unspeakable = _UNSPEAKABLE.get(library, "")
    if library == "duckdb" and major("duckdb") >= 2:
        unspeakable = ""
    if odd := [name for name in names if set(name) & set(unspeakable)]:
        raise SchemaError(
            f"{library} takes {' or '.join(unspeakable)} in a name for its own language; rename {odd[0]!r}"
        )
    settle = {"pandas": settled, "dask": settled, "pyarrow": without_dictionaries}.get(library)
    return (nw.from_native(settle(data)) if settle else frame).lazy(), _AT_HOME_WITH.get(library, library)


def enter_values(values: Any, name: str) -> LazyFrame | None:
    """Numbers in a list, a tuple, an array or a series as a frame of one column; None if it is something else.

    None and NaN are missing.

    Raises
    ------
    SchemaError
        If one of them is no number.

    Examples
    --------
    >>> enter_values([9, None, 3], "score").collect().to_native()
       score
    0    9.0
    1    NaN
    2    3.0
    """
    series = nw.from_native(values, allow_series=True, pass_through=True)
    if isinstance(series, nw.Series):
        values = series.to_list()
    if not isinstance(values, list | tuple | range | np.ndarray):
        return None
    if np.ndim(values) != 1:
        raise SchemaError(f"expected a list of numbers or a frame, found {np.ndim(values)} dimensions")
    told = [plain(one) for one in values]
    odd = [one for one in told if not (one is None or isinstance(one, int | float | Decimal))]
    if odd:
        raise SchemaError(
            f"expected numbers; {len(odd):,} of {len(told):,} are not, the first is {odd[0]!r} "
            f"({type(odd[0]).__name__}): make numbers of them, and None of what was not answered"
        )
    flags = told and all(isinstance(one, bool) for one in told)
    numbers = np.array(
        told if flags else [np.nan if one is None else float(one) for one in told], dtype=bool if flags else float
    )
    return enter(nw.from_dict({name: numbers}, backend="pandas").to_native())[0]


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


LINE_BREAK = "[\\n\\r\u0085\u2028\u2029]"
"""Python and Java let ``$`` stand before a last one, too."""


def fits(text: nw.Expr, pattern: str) -> nw.Expr:
    """Whether the whole of a text has a form that begins with ``^`` and ends with ``$``."""
    return text.str.contains(pattern) & ~text.str.contains(LINE_BREAK)


def with_nothing(frame: LazyFrame, dtypes: Mapping[str, Any]) -> LazyFrame:
    """The frame with columns in which every value is missing, of these types."""
    for name, dtype in dtypes.items():
        if frame.implementation.value in {"pandas", "dask"} and _cannot_be_missing(dtype):
            frame = nw.from_native(with_missing(frame.to_native(), name, flags=dtype == nw.Boolean)).lazy()
        else:
            frame = frame.with_columns(_nothing(frame.collect_schema().names()[0], dtype).alias(name))
    return frame


def _cannot_be_missing(dtype: Any) -> bool:
    return bool(dtype == nw.Boolean or dtype.is_integer())


def stack(frames: Sequence[LazyFrame]) -> LazyFrame:
    """Frames of one library under each other; a column that one of them lacks is missing there.

    Columns of one name must hold one type.

    Examples
    --------
    >>> import pandas as pd
    >>> calls, mails = pd.DataFrame({"channel": ["call"], "wait": [30]}), pd.DataFrame({"channel": ["mail"]})
    >>> stack([enter(calls)[0], enter(mails)[0]]).collect().to_native()
      channel  wait
    0    call    30
    0    mail  <NA>
    """
    schemas = [dict(frame.collect_schema()) for frame in frames]
    every: dict[str, Any] = {name: dtype for schema in schemas for name, dtype in schema.items()}
    partial = {name: dtype for name, dtype in every.items() if any(name not in schema for schema in schemas)}
    if frames[0].implementation.value in {"pandas", "dask"}:
        flags = {name: dtype == nw.Boolean for name, dtype in partial.items() if _cannot_be_missing(dtype)}
        roomy: list[LazyFrame] = [nw.from_native(with_room(frame.to_native(), flags)).lazy() for frame in frames]
        return nw.concat(roomy, how="diagonal").select(*every)
    filled = [
        with_nothing(frame, {name: dtype for name, dtype in partial.items() if name not in schema})
        for frame, schema in zip(frames, schemas, strict=True)
    ]
    return nw.concat([frame.select(*every) for frame in filled], how="vertical")


def _nothing(column: str, dtype: Any) -> nw.Expr:
    """Nulls of a type; a null of none is more than some engines can cast."""
    never = nw.col(column).is_null() & ~nw.col(column).is_null()
    return nw.when(never).then(nw.lit(_SOME.get(dtype.base_type(), 0 if dtype.is_integer() else None))).cast(dtype)


_SOME: Mapping[Any, Any] = {
    nw.Boolean: False,
    nw.Date: date(1970, 1, 1),
    nw.Datetime: datetime(1970, 1, 1),  # noqa: DTZ001  # clock time
    nw.Float64: 0.0,
    nw.String: "",
}
"""Any value of a type."""


def plain(value: Any) -> Any:
    """One value of any frame as Python's own; None if it is missing.

    >>> plain(np.float64(2.5)), plain(np.float64("nan")), plain(np.datetime64("1997-01-01"))
    (2.5, None, datetime.date(1997, 1, 1))
    """
    if type(value).__name__ in {"NAType", "NaTType"} or (isinstance(value, np.datetime64) and np.isnat(value)):
        return None
    if isinstance(value, np.datetime64) and value.dtype == "M8[ns]":
        value = value.astype("M8[us]")
    if hasattr(value, "to_pydatetime"):
        return value.to_pydatetime(warn=False)
    value = value.tolist() if hasattr(value, "tolist") else value
    return None if isinstance(value, float) and math.isnan(value) else value


def mark(frame: LazyFrame, *kept: str, **marks: nw.Expr) -> LazyFrame:
    """Some columns of a frame, and marks: expressions whose value for a row depends on that row alone.

    Dask marks partition by partition: its plan of many expressions would cost more than they do.

    Examples
    --------
    >>> import pandas as pd
    >>> frame, _ = enter(pd.DataFrame({"channel": ["call", "mail"], "wait": [30, 0]}))
    >>> mark(frame, "channel", waited=nw.col("wait") > 0).collect().to_native()
      channel  waited
    0    call    True
    1    mail   False
    """
    if frame.implementation.value != "dask":
        return frame.select(*kept, **marks)

    def marked(part: Any) -> Any:
        return nw.from_native(part).select(*kept, **marks).to_native()

    whole: LazyFrame = nw.from_native(frame.to_native().map_partitions(marked)).lazy()
    return whole


def tally(
    frame: LazyFrame,
    by: Sequence[str] = (),
    *,
    sums: Mapping[str, nw.Expr] | None = None,
    lows: Mapping[str, nw.Expr] | None = None,
    highs: Mapping[str, nw.Expr] | None = None,
    firsts: Mapping[str, tuple[str, str]] | None = None,
) -> LazyFrame:
    """Mark every row, then take sums, lowest and highest of the marks for each group; `n` counts its rows.

    `firsts` names a column and a low: the column's value in the group's only row where that low is reached.

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
    marked = mark(frame, *by, **named) if named or by else frame
    dtypes = marked.collect_schema()
    flags = [nw.col(name).cast(nw.Int64) for name in marks["sum"] if dtypes[name] == nw.Boolean]
    answers = [getattr(nw.col(name), how)() for how, group in marks.items() for name in group]
    late = frame.implementation.value in {"polars", "duckdb"}  # they count flags sooner than they cast them
    marked = marked if late or not flags else marked.with_columns(*flags)
    if not by:
        return _sums_of_64_bits(marked.select(nw.len().alias("n"), *answers))
    if firsts and frame.implementation.value == "duckdb":
        return _tally_in_duckdb(frame, by, marks, firsts)
    tallied = _sums_of_64_bits(marked.group_by(*by).agg(nw.len().alias("n"), *answers))
    tallied = tallied.with_columns(*flags) if late and flags else tallied
    for name, (value, low) in (firsts or {}).items():
        values = frame.select(*by, **{low: (lows or {})[low], name: nw.col(value)})
        tallied = tallied.join(values, on=[*by, low], how="left")
    return tallied


def _tally_in_duckdb(
    frame: LazyFrame,
    by: Sequence[str],
    marks: Mapping[str, Mapping[str, nw.Expr]],
    firsts: Mapping[str, tuple[str, str]],
) -> LazyFrame:
    """The same by DuckDB's own arg_min: it computes a frame that is joined to itself twice."""
    named = {name: mark for group in marks.values() for name, mark in group.items()}
    marked = frame.select(*by, **named, **{name: nw.col(value) for name, (value, _) in firsts.items()})
    answers = [f'{how}("{name}") as "{name}"' for how, group in marks.items() for name in group]
    answers += [f'arg_min("{name}", "{low}") as "{name}"' for name, (_, low) in firsts.items()]
    groups = ", ".join(f'"{name}"' for name in by)
    return _sums_of_64_bits(
        nw.from_native(marked.to_native().aggregate(f"{groups}, count(*) as n, {', '.join(answers)}", groups))
    )


def _sums_of_64_bits(frame: LazyFrame) -> LazyFrame:
    """DuckDB adds whole numbers up in 128 bits, which NumPy could hold as objects only."""
    wide = [nw.col(name).cast(nw.Int64) for name, dtype in frame.collect_schema().items() if dtype == nw.Int128]
    return frame.with_columns(*wide) if wide else frame


def quickest(frame: LazyFrame) -> LazyFrame:
    """Rows of pandas and pyarrow in Polars, where it is installed: grouping there costs half."""
    if frame.implementation.value in {"pandas", "pyarrow"} and find_spec("polars") and find_spec("pyarrow"):
        return frame.collect().lazy("polars")
    return frame


def collect(frame: LazyFrame, *, sort: Sequence[str] = (), labels: Sequence[str] = ()) -> dict[str, NDArray[Any]]:
    """Bring a frame of sums over the wall: its columns as arrays, rows in the order of `sort`.

    Whole numbers among `labels` stay whole where one of them is missing; otherwise they would become floats.
    """
    # NumPy orders whole numbers sooner than engines do.
    whole = len(sort) == 1 and frame.collect_schema()[sort[0]].is_integer()
    eager = frame.sort(*sort).collect() if sort and not whole else frame.collect()
    if whole and eager[sort[0]].null_count():
        eager, whole = eager.sort(*sort), False
    columns = {name: eager[name].to_numpy() for name in eager.columns}
    for name in labels:
        if eager.schema[name].is_integer() and eager[name].null_count():
            columns[name] = np.array(eager[name].to_list(), dtype=object)
    if not whole:
        return columns
    order = np.argsort(columns[sort[0]], kind="stable")
    return {name: values[order] for name, values in columns.items()}


def leave(columns: Mapping[str, NDArray[Any]], *, like: str, missing: Sequence[str] = ()) -> Any:
    """Arrays as a frame of the caller's library; NaN in the columns named as `missing` is what it calls missing.

    Examples
    --------
    >>> leave({"customer_id": np.array(["c1", "c2"], dtype=object), "clv": np.array([3.5, 0.0])}, like="pandas")
      customer_id  clv
    0          c1  3.5
    1          c2  0.0
    """
    plain = {name: values.tolist() if values.dtype.kind in "OUST" else values for name, values in columns.items()}
    backend: Any = like  # narwhals' own type is a list of names
    if like == "pandas":
        plain = {name: _with_room_for_missing(values) for name, values in plain.items()}
    frame = nw.from_dict(plain, backend=backend)
    if like == "pandas" or not (odd := [name for name in missing if np.isnan(columns[name]).any()]):
        return frame.to_native()
    return frame.with_columns(*(nw.when(~nw.col(name).is_nan()).then(nw.col(name)) for name in odd)).to_native()


def _with_room_for_missing(values: Any) -> Any:
    """Whole numbers of which some are missing, which pandas would take for floats."""
    if not isinstance(values, list) or {type(one) for one in values} != {int, type(None)}:
        return values
    import pandas as pd

    return pd.array(values, dtype="Int64")


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


def read_covariates(
    data: Any, columns: Sequence[str] | None = None, customer_id: str | None = None
) -> tuple[dict[str, NDArray[Any]], NDArray[Any] | None]:
    """What is known of each customer, from a table with a row for each, and who they are.

    Parameters
    ----------
    data
        Any frame.
    columns
        Which columns; all but the customers if not given.
    customer_id
        The column that says who. Without it the column of that name is taken, else a pandas index that is more than a
        row number; where there is none of these, nobody is told who they are.

    Raises
    ------
    SchemaError
        If a column is missing, or holds neither numbers nor flags nor text.
    """
    frame, _ = enter(_with_named_categories(data))
    names = frame.collect_schema().names()
    if customer_id is None and "customer_id" in names:
        customer_id = "customer_id"
    listed = [columns] if isinstance(columns, str) else names if columns is None else columns
    wanted = [name for name in listed if name != customer_id]
    require(frame, [*wanted, *([customer_id] if customer_id else [])], purpose="a table of covariates")
    who = {customer_id: nw.col(customer_id)} if customer_id else {}
    found = collect(frame.select(**readable_covariates(frame, wanted), **who))
    ids = found.pop(customer_id) if customer_id else None
    known = {name: number_or_text(name, values) for name, values in found.items()}
    return known, _named_index_of(data) if ids is None else ids


def readable_covariates(frame: LazyFrame, names: Iterable[str]) -> dict[str, nw.Expr]:
    """Columns of numbers or flags as floats, and of text as it is."""
    there, read = frame.collect_schema(), {}
    for name in names:
        dtype = there[name]
        if dtype.is_numeric() or dtype == nw.Boolean:
            read[name] = nw.col(name).cast(nw.Float64)
        elif dtype in (nw.Categorical, nw.Enum):
            read[name] = nw.col(name).cast(nw.String)
        elif dtype in {nw.String, nw.Object, nw.Unknown}:
            read[name] = nw.col(name)
        else:
            promise = f"covariate {name!r} must hold numbers, flags or text; found {dtype}"
            raise SchemaError(f"{promise}: make it a number, or leave it out by columns=[...]")
    return read


def number_or_text(name: str, given: Any) -> NDArray[Any]:
    """Values of a covariate: numbers and flags as floats, all else as text; missing ones NaN, or None.

    >>> number_or_text("web", [True, False])
    array([1., 0.])
    """
    values = np.asarray(given)
    if values.dtype.kind in "US":  # NumPy writes a NaN, or a number, among text as text
        values = np.asarray(given, dtype=object)
    if values.ndim != 1:
        raise SchemaError(f"covariate {name!r} must have a value for each customer, got shape {values.shape}")
    if values.dtype.kind in "fiub":
        return values.astype(np.float64)
    told = [plain(one) for one in values.tolist()] if values.dtype.kind in "OUST" else [b""]
    if all(one is None or isinstance(one, str) for one in told):
        return np.array(told, dtype=object)
    if all(one is None or isinstance(one, bool | int | float) for one in told):
        return np.array([np.nan if one is None else one for one in told], dtype=np.float64)
    raise SchemaError(f"covariate {name!r} must hold numbers, flags or text, found {values.dtype}: {given!r:.80}")


def _with_named_categories(data: Any) -> Any:
    """A pandas frame whose categories are text, also those of numbers: a category is never a quantity."""
    import pandas as pd

    if not isinstance(data, pd.DataFrame):
        return data
    coded = [name for name, dtype in data.dtypes.items() if isinstance(dtype, pd.CategoricalDtype)]
    if not coded:
        return data
    named = data.copy(deep=False)
    for name in coded:
        named[name] = named[name].cat.rename_categories([str(one) for one in named[name].cat.categories])
    return named


def _named_index_of(data: Any) -> NDArray[Any] | None:
    """A pandas index that says who: one of text, or one that has a name; unnamed numbers are of rows."""
    index = nw.maybe_get_index(nw.from_native(data))
    return None if index is None or (index.name is None and index.dtype.kind in "iu") else np.asarray(index)


def _index_of(data: Any) -> NDArray[Any] | None:
    """A pandas index that is more than a row number."""
    index = nw.maybe_get_index(nw.from_native(data))
    rows = index is None or (type(index).__name__ == "RangeIndex" and index.name is None)
    return None if rows else np.asarray(index)
