"""How often 90 % intervals hold the truth: crowds simulated from a law, each fitted by itself.

    pip install . && python benchmarks/recovery.py

LAW=BGNBD or another, or all in turn; CUSTOMERS=20000 in each of REPEATS=200 crowds. The slow tests do the same with
smaller crowds.
"""

import os
import time

import numpy as np
from scipy.special import ndtri

from custrel import clv

CUSTOMERS = int(os.environ.get("CUSTOMERS", "20000"))
REPEATS = int(os.environ.get("REPEATS", "200"))
LAWS = (
    clv.BGNBD(r=0.243, alpha=4.414, a=0.793, b=2.426),
    clv.MBGNBD(r=0.525, alpha=6.183, a=0.891, b=1.614),
    clv.NBD(r=0.385, alpha=12.07),
    clv.ParetoNBD(r=0.553, alpha=10.58, s=0.606, beta=11.67),
    clv.BGBB(alpha=1.204, beta=0.750, gamma=0.657, delta=2.783),
    clv.BGCNBDk(r=0.6, alpha=1.5, a=0.8, b=2.4, k=2),
    clv.MBGCNBDk(r=0.9, alpha=2.0, a=0.9, b=1.6, k=3),
    clv.GGompertzNBD(r=0.8, alpha=1.5, b=0.12, s=0.6, beta=20.0),
)


def recover(law: clv.BGNBD) -> None:
    """Fit so many crowds of a law, and say how often each parameter's interval held it."""
    rng, held, began = np.random.default_rng(2026), [], time.process_time()
    for _ in range(REPEATS):
        T = rng.integers(6, 13, CUSTOMERS) if isinstance(law, clv.BGBB) else rng.uniform(30.0, 80.0, CUSTOMERS)
        h = law.simulate(T, rng).history(log_gaps=law.needs_log_gaps)
        fit = type(law).fit(h, **({"k": law.k} if hasattr(law, "k") else {}))
        off = (fit.model.to_log() - law.to_log()) / np.sqrt(np.diag(fit.log_covariance))
        held.append(np.abs(off) < ndtri(0.95))
    share = ", ".join(f"{name} {value:.1%}" for name, value in zip(law.names(), np.mean(held, axis=0), strict=True))
    seconds = time.process_time() - began
    print(f"{type(law).__name__:14} {share}  ({REPEATS} crowds of {CUSTOMERS:,}, {seconds:,.0f} CPU s)", flush=True)


if __name__ == "__main__":
    for law in LAWS:
        if os.environ.get("LAW", type(law).__name__) == type(law).__name__:
            recover(law)
