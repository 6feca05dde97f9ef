"""BG/NBD fitted to simulated customers, beside lifetimes' BetaGeoFitter: `python benchmarks/fit_bgnbd.py`.

CUSTOMERS=1000000 and TIMES=days (whole days) or TIMES=continuous say of what; ROUNDS=3 how often.
"""

import os
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import contest
import numpy as np

CUSTOMERS = int(os.environ.get("CUSTOMERS", "1000000"))
TIMES = os.environ.get("TIMES", "days")
FILE = Path(tempfile.gettempdir()) / f"custrel-fit-{CUSTOMERS}-{TIMES}.npz"


def make() -> None:
    """New customers of the CDNOW law, who came at any time of the first year, watched for up to two years."""
    from custrel.clv import BGNBD

    rng = np.random.default_rng(1)
    T = rng.uniform(0, 52, CUSTOMERS) + 52
    T = np.round(7 * T) / 7 if TIMES == "days" else T
    h = BGNBD(r=0.243, alpha=4.414, a=0.793, b=2.426).simulate(T, rng).history()
    t_x = np.ceil(7 * h.t_x) / 7 if TIMES == "days" else h.t_x
    np.savez(FILE, x=h.x, t_x=np.minimum(t_x, h.T), T=h.T)


def ours(_: str) -> tuple[Callable[[], Any], Callable[[Any], str]]:
    """Fit of custrel."""
    from custrel import History, clv

    data = np.load(FILE)
    h = History(**{name: data[name] for name in ("x", "t_x", "T")}, unit="week")
    return lambda: clv.BGNBD.fit(h), repr


def theirs(_: str) -> tuple[Callable[[], Any], Callable[[Any], str]]:
    """Fit of lifetimes."""
    warnings.simplefilter("ignore")
    from lifetimes import BetaGeoFitter

    data = dict(np.load(FILE))
    return lambda: BetaGeoFitter().fit(data["x"], data["t_x"], data["T"]), lambda fitter: f"{fitter.params_.to_dict()}"


if __name__ == "__main__":
    if not FILE.exists():
        make()
    contest.run({"custrel": ours, "lifetimes": theirs}, str(FILE))
