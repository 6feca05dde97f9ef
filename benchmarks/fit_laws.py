"""Laws fitted to simulated customers, beside the fitters of lifetimes: `python benchmarks/fit_laws.py`.

LAW=BGNBD, MBGNBD or ParetoNBD; CUSTOMERS=1000000, or cdnow for the sample that ships; TIMES=days (whole days) or
TIMES=continuous; ROUNDS=3 how often; WARM=1 fits once before the clock starts. Libraries are imported before it, too.
"""

import os
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import contest
import numpy as np

LAW = os.environ.get("LAW", "BGNBD")
CUSTOMERS = os.environ.get("CUSTOMERS", "1000000")
TIMES = os.environ.get("TIMES", "days")
WARM = os.environ.get("WARM", "0") == "1"
FILE = Path(tempfile.gettempdir()) / f"custrel-fit-{CUSTOMERS}-{TIMES}.npz"
FITTERS = {"BGNBD": "BetaGeoFitter", "MBGNBD": "ModifiedBetaGeoFitter", "ParetoNBD": "ParetoNBDFitter"}
Task = tuple[Callable[[], Any], Callable[[Any], str]]


def make() -> None:
    """CDNOW, or new customers of its law, who came at any time of the first year, watched for up to two years."""
    from custrel.clv import BGNBD
    from custrel.datasets import cdnow_summary

    if CUSTOMERS == "cdnow":
        h = cdnow_summary()
        np.savez(FILE, x=h.x, t_x=h.t_x, T=h.T)
        return
    rng = np.random.default_rng(1)
    T = rng.uniform(0, 52, int(CUSTOMERS)) + 52
    T = np.round(7 * T) / 7 if TIMES == "days" else T
    h = BGNBD(r=0.243, alpha=4.414, a=0.793, b=2.426).simulate(T, rng).history()
    t_x = np.ceil(7 * h.t_x) / 7 if TIMES == "days" else h.t_x
    np.savez(FILE, x=h.x, t_x=np.minimum(t_x, h.T), T=h.T)


def _warmed(job: Callable[[], Any], say: Callable[[Any], str]) -> Task:
    if WARM:
        job()
    return job, say


def ours(_: str) -> Task:
    """Fit of custrel."""
    from custrel import History, clv

    data = np.load(FILE)
    h = History(**{name: data[name] for name in ("x", "t_x", "T")}, unit="week")
    return _warmed(lambda: getattr(clv, LAW).fit(h), repr)


def theirs(_: str) -> Task:
    """Fit of lifetimes."""
    warnings.simplefilter("ignore")
    import lifetimes

    data = dict(np.load(FILE))
    fitter = getattr(lifetimes, FITTERS[LAW])
    fit = lambda: fitter().fit(data["x"], data["t_x"], data["T"])  # noqa: E731
    return _warmed(fit, lambda fitted: f"{fitted.params_.to_dict()}")


if __name__ == "__main__":
    if not FILE.exists():
        make()
    contest.run({"custrel": ours, "lifetimes": theirs}, str(FILE))
