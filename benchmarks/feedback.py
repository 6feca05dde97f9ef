"""What NPS with intervals costs beside the engine's own group-by: 10 million answers, 1,000 groups.

    pip install ".[duckdb,polars]" && python benchmarks/feedback.py

ANSWERS=10_000_000, GROUPS=1_000, REPEATS=5. CPU seconds, the median of interleaved runs; the ratio is what counts. The
engine's own group-by counts promoters, detractors and answers, without intervals and without a look at what is missing
or off the scale.
"""

import os
import time
from statistics import median

import duckdb
import numpy as np
import polars as pl

from custrel import feedback

ANSWERS, GROUPS = (int(os.environ.get(name, size)) for name, size in (("ANSWERS", "10_000_000"), ("GROUPS", "1_000")))
REPEATS = int(os.environ.get("REPEATS", "5"))


def frames(rng):
    """Answers with groups that are numbers or names, and scores that are whole or, as some are missing, floats."""
    group, score = rng.integers(0, GROUPS, ANSWERS), rng.integers(0, 11, ANSWERS)
    numbers = pl.DataFrame({"group": group, "score": score})
    names = numbers.with_columns(pl.format("shop {}", pl.col("group")).alias("group"))
    some = numbers.with_columns(pl.when(pl.col("score") != 3).then(pl.col("score")).cast(pl.Float64))
    return {"group numbered": numbers, "group named": names, "some missing": some}


def by_polars(frame):
    score = pl.col("score")
    counts = [(score >= 9).sum().alias("promoters"), (score <= 6).sum().alias("detractors"), score.count().alias("n")]
    return frame.lazy().group_by("group").agg(*counts).collect()


def by_duckdb(relation):
    return relation.aggregate(
        '"group", sum((score >= 9)::int) as p, sum((score <= 6)::int) as d, count(score) as n', '"group"'
    ).fetchall()


def seconds(ask, frame):
    began = time.process_time()
    ask(frame)
    return time.process_time() - began


if __name__ == "__main__":
    for name, frame in frames(np.random.default_rng(0)).items():
        relation = duckdb.connect().from_arrow(frame.to_arrow())
        for engine, own, data in (("polars", by_polars, frame), ("duckdb", by_duckdb, relation)):
            took = {"own": [], "nps": []}
            for _ in range(REPEATS + 1):
                took["own"].append(seconds(own, data))
                took["nps"].append(seconds(lambda data: feedback.nps(data, by="group"), data))
            bare, ours = (median(times[1:]) for times in took.values())
            print(
                f"{name:15} {engine:7} own group-by {bare:.2f} s, nps {ours:.2f} s, ratio {ours / bare:.2f}", flush=True
            )
