"""The customers that all contestants are given, and what the environment says about the contest.

CUSTOMERS=1000000, or cdnow for the sample that ships; TIMES=days (whole days) or TIMES=continuous; WARM=1 does the job
once before the clock starts.
"""

import importlib.util
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

CUSTOMERS = os.environ.get("CUSTOMERS", "1000000")
TIMES = os.environ.get("TIMES", "days")
WARM = os.environ.get("WARM", "0") == "1"
FILE = Path(tempfile.gettempdir()) / f"custrel-crowd-{CUSTOMERS}-{TIMES}.npz"
Task = tuple[Callable[[], Any], Callable[[Any], str]]


def make() -> None:
    """CDNOW, or customers of its laws who came at any time of two years: watched for 1 to 730 days."""
    from custrel.clv import BGNBD, GammaGamma
    from custrel.datasets import cdnow_summary

    if CUSTOMERS == "cdnow":
        h = cdnow_summary()
        np.savez(FILE, x=h.x, t_x=h.t_x, T=h.T, spend=h.spend)
        return
    rng = np.random.default_rng(1)
    T = rng.uniform(1, 730, int(CUSTOMERS)) / 7
    T = np.ceil(7 * T) / 7 if TIMES == "days" else T
    h = BGNBD(r=0.243, alpha=4.414, a=0.793, b=2.426).simulate(T, rng).history()
    t_x = np.ceil(7 * h.t_x) / 7 if TIMES == "days" else h.t_x
    spend = GammaGamma(p=6.25, q=3.74, gamma=15.44).simulate(h.x, rng)
    np.savez(FILE, x=h.x, t_x=np.minimum(t_x, h.T), T=h.T, spend=spend)


def columns() -> dict[str, Any]:
    """x, t_x, T and spend of each customer."""
    if not FILE.exists():
        make()
    return dict(np.load(FILE))


def history() -> Any:
    """The same, as custrel has it."""
    from custrel import History

    return History(**columns(), unit="week")


def table() -> Any:
    """The same, as other packages have it."""
    import pandas as pd

    c = columns()
    known = {"frequency": c["x"], "recency": c["t_x"], "T": c["T"], "monetary_value": np.nan_to_num(c["spend"])}
    return pd.DataFrame({"customer_id": np.arange(c["x"].size), **known})


def clvkit_base() -> Any:
    """The same, as clvkit has it."""
    import pandas as pd
    from clvkit import CustomerBase

    frame = table().set_index("customer_id").assign(monetary=lambda f: f["monetary_value"].where(f["frequency"] > 0))
    end = pd.Timestamp("2026-01-01")
    return CustomerBase(
        frame, time_unit="W", observation_period_end=end, has_monetary=True, on_negative="drop", collapse="D"
    )


def warmed(job: Callable[[], Any], say: Callable[[Any], str] = repr) -> Task:
    """The job, done once before the clock starts if that was asked for."""
    if WARM:
        job()
    return job, say


def installed(contestants: dict[str, Any]) -> dict[str, Any]:
    """Those whose package is there; the others are named."""
    there = {name: job for name, job in contestants.items() if importlib.util.find_spec(name.replace("-", "_"))}
    if missing := sorted(contestants.keys() - there.keys()):
        print(f"not installed, so left out: {', '.join(missing)}")
    return there
