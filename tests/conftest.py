"""What many tests are given: the CDNOW customers and a fit to them, and a frame of each library there is.

`frame_of` turns columns into such a frame; what is not installed is skipped, with the reason.
"""

import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from typing import Any

import pandas as pd
import pytest

from custrel.clv import BGNBD
from custrel.datasets import cdnow_summary

QUIET = {
    "spark.driver.host": "127.0.0.1",
    "spark.log.level": "OFF",
    "spark.sql.session.timeZone": "UTC",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    # What a large query gains by compiled code and many partitions, a small one waits for.
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.shuffle.partitions": "1",
}


@cache
def spark():
    """One Spark for all tests; Python ends it."""
    from pyspark.sql import SparkSession

    os.environ["PYSPARK_PYTHON"] = sys.executable
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    builder = SparkSession.builder.master("local[1]")
    for name, value in QUIET.items():
        builder = builder.config(name, value)
    return builder.getOrCreate()


def in_spark(table):
    import pyspark

    if int(pyspark.__version__.partition(".")[0]) >= 4:
        return spark().createDataFrame(table)
    from pyspark.sql.pandas.types import from_arrow_schema

    rows = [tuple(getattr(v, "to_pydatetime", lambda v=v: v)() for v in row.values()) for row in table.to_pylist()]
    return spark().createDataFrame(rows, from_arrow_schema(table.schema, prefer_timestamp_ntz=True))


def in_pandas_nullable(table):
    import pyarrow as pa

    names = {
        "string": pd.StringDtype(),
        "int64": pd.Int64Dtype(),
        "double": pd.Float64Dtype(),
        "bool": pd.BooleanDtype(),
    }
    return table.to_pandas(types_mapper=lambda dtype: names.get(str(dtype)) if isinstance(dtype, pa.DataType) else None)


def in_polars(table):
    import polars as pl

    return pl.from_arrow(table)


def in_chunks(table):
    """Rows in chunks of unlike lengths, as files read one after another leave them."""
    import pyarrow as pa

    third = table.num_rows // 3
    return pa.concat_tables([table.slice(0, third), table.slice(third, 1), table.slice(third + 1)])


@cache
def duck():
    """One DuckDB for all tests; its relations need it to live."""
    import duckdb

    return duckdb.connect()


def in_duckdb(table):
    return duck().from_arrow(table)


def in_ibis(table):
    import ibis

    return ibis.memtable(table)


def in_dask(table):
    import dask.dataframe as dd

    return dd.from_pandas(table.to_pandas(), npartitions=2)


@dataclass(frozen=True)
class Engine:
    """A library: how a table comes to live in it, the library its answers leave in, the modules it needs."""

    name: str
    of_table: Callable[[Any], Any]
    leaves: str
    needs: tuple[str, ...]

    def __call__(self, data: Any) -> Any:
        """A frame of a dictionary of columns, of a pandas frame or of a pyarrow table."""
        import pyarrow as pa

        if isinstance(data, pd.DataFrame):
            data = pa.Table.from_pandas(data, preserve_index=False)
        return self.of_table(pa.table(data) if isinstance(data, dict) else data)

    def is_missing(self) -> str | None:
        """Why it cannot be tested here."""
        missing = [module for module in ("pyarrow", *self.needs) if not find_spec(module)]
        if self.name == "pyspark" and not (shutil.which("java") or os.environ.get("JAVA_HOME")):
            return "PySpark needs a Java runtime"
        return f"{missing[0]} is not installed" if missing else None


ENGINES = {
    engine.name: engine
    for engine in [
        Engine("pandas", lambda table: table.to_pandas(), "pandas", ("pandas",)),
        Engine("pandas-nullable", in_pandas_nullable, "pandas", ("pandas",)),
        Engine("pandas-pyarrow", lambda table: table.to_pandas(types_mapper=pd.ArrowDtype), "pandas", ("pandas",)),
        Engine("polars", in_polars, "polars", ("polars",)),
        Engine("polars-lazy", lambda table: in_polars(table).lazy(), "polars", ("polars",)),
        Engine("pyarrow", in_chunks, "pyarrow", ("pyarrow",)),
        Engine("duckdb", in_duckdb, "pyarrow", ("duckdb",)),
        Engine("ibis", in_ibis, "pyarrow", ("ibis", "duckdb")),
        Engine("dask", in_dask, "pandas", ("dask",)),
        Engine("pyspark", in_spark, "pyarrow", ("pyspark",)),
    ]
}


@pytest.fixture(scope="session")
def cdnow():
    """The customers that all papers count."""
    return cdnow_summary()


@pytest.fixture(scope="session")
def fit(cdnow):
    """The law that most of them fit to it."""
    return BGNBD.fit(cdnow)


@pytest.fixture(params=ENGINES, scope="session")
def frame_of(request):
    """A frame of each library, of a dictionary of columns, of a pandas frame or of a pyarrow table."""
    engine = ENGINES[request.param]
    if reason := engine.is_missing():
        pytest.skip(reason)
    return engine
