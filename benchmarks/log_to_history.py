"""A log of purchases to a history, beside lifetimes and group-bys: `python benchmarks/log_to_history.py`.

ROWS=10000000 says how many rows (0.0875 customers a row), SPEND=1 or 0 whether amounts are read, ROUNDS=3 how often.
The engines' own group-bys count days and add amounts in two stages; they check nothing, and know no first purchase.
Libraries are imported before the clock starts.
"""

import os
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import contest
import numpy as np

ROWS = int(os.environ.get("ROWS", "10000000"))
SPEND = os.environ.get("SPEND", "1") == "1"
FILE = Path(tempfile.gettempdir()) / f"custrel-log-{ROWS}.parquet"
UNTIL = "2021-12-31"
Task = tuple[Callable[[], Any], Callable[[Any], str]]


def make() -> None:
    """Purchases of customers who differ in how often they buy, over two years, in no order."""
    import polars as pl

    rng = np.random.default_rng(1)
    customers = int(0.0875 * ROWS)
    weight = np.cumsum(rng.gamma(0.6, size=customers))
    who = np.searchsorted(weight, rng.random(ROWS) * weight[-1])
    second = rng.integers(0, 730 * 86_400, ROWS)
    when = np.datetime64("2020-01-01", "us") + second * np.timedelta64(1_000_000, "us")
    pl.DataFrame({"id": who, "date": when, "spend": np.round(rng.gamma(2.0, 15.0, ROWS) + 1, 2)}).write_parquet(FILE)


def _history(df: Any) -> Task:
    import pyarrow as pa  # noqa: F401  # sums leave DuckDB through it

    from custrel import Interactions

    columns = {"customer_id": "id", "occurred_at": "date", "amount": "spend" if SPEND else None}
    return lambda: Interactions.from_frame(df, kind="purchase", columns=columns).history(until=UNTIL), _said


def _said(h: Any) -> str:
    spend = "" if h.spend is None else f"; mean spend {np.nanmean(h.spend):.4f}"
    return f"{h}{spend}"


def ours_polars(file: str) -> Task:
    """Custrel on a lazy Polars frame in memory."""
    import polars as pl

    df = pl.read_parquet(file).lazy()
    return _history(df)


def ours_duckdb(file: str) -> Task:
    """Custrel on a DuckDB table in memory."""
    import duckdb

    con = duckdb.connect()
    con.execute(f"create table log as select * from '{file}'")
    return _history(con.table("log"))


def ours_pandas(file: str) -> Task:
    """Custrel on pandas."""
    import pandas as pd

    df = pd.read_parquet(file)
    return _history(df)


def bare_polars(file: str) -> Task:
    """Two group-bys of Polars."""
    import polars as pl

    df = pl.read_parquet(file).lazy()
    money = [pl.col("spend").sum()] if SPEND else []
    days = df.with_columns(day=pl.col("date").dt.date()).group_by("id", "day").agg(*money)
    sums = days.group_by("id").agg(
        pl.len(), *[m.alias("total") for m in money], first=pl.col("day").min(), last=pl.col("day").max()
    )
    return sums.collect, lambda table: f"{table.height:,} customers"


def bare_duckdb(file: str) -> Task:
    """Two group-bys of DuckDB."""
    import duckdb

    con = duckdb.connect()
    con.execute(f"create table log as select * from '{file}'")
    money, total = (", sum(spend) spend", ", sum(spend)") if SPEND else ("", "")
    days = f"select id, date::date as day{money} from log group by all"
    query = f"select id, count(*), min(day), max(day){total} from ({days}) group by id"
    return lambda: con.sql(query).fetchnumpy(), lambda table: f"{len(table['id']):,} customers"


def theirs(file: str) -> Task:
    """The summary of lifetimes."""
    warnings.simplefilter("ignore")
    import pandas as pd
    from lifetimes.utils import summary_data_from_transaction_data

    df = pd.read_parquet(file)
    money = {"monetary_value_col": "spend"} if SPEND else {}
    return lambda: summary_data_from_transaction_data(
        df, "id", "date", observation_period_end=UNTIL, **money
    ), lambda table: f"{len(table):,} customers"


if __name__ == "__main__":
    if not FILE.exists():
        make()
    contest.run(
        {
            "custrel on Polars": ours_polars,
            "custrel on DuckDB": ours_duckdb,
            "custrel on pandas": ours_pandas,
            "Polars": bare_polars,
            "DuckDB": bare_duckdb,
            "lifetimes": theirs,
        },
        str(FILE),
    )
