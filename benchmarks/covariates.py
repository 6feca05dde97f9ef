"""What ten covariates of a hundred thousand customers cost: CPU seconds of a fit, and whether it found the truth.

python benchmarks/covariates.py; CUSTOMERS and COVARIATES choose the size, LAW one of the laws.
"""

import os
import resource
import time
from dataclasses import replace

import numpy as np

from custrel import clv

CUSTOMERS = int(os.environ.get("CUSTOMERS", "100000"))
COVARIATES = int(os.environ.get("COVARIATES", "10"))
LAWS = {
    "BGNBD": clv.BGNBD(r=0.8, alpha=4.0, a=0.8, b=2.4),
    "MBGNBD": clv.MBGNBD(r=0.8, alpha=4.0, a=0.8, b=2.4),
    "ParetoNBD": clv.ParetoNBD(r=0.8, alpha=6.0, s=0.8, beta=12.0),
    "GammaGamma": clv.GammaGamma(p=6.0, q=4.0, gamma=15.0),
}


def crowd(law, rng):
    """Customers of a law whose processes are moved by numbers and flags, and the effects that move them."""
    known = rng.normal(size=(CUSTOMERS, COVARIATES))
    known[:, ::2] = known[:, ::2] > 0
    effects = {process: rng.normal(0, 0.2, COVARIATES) for process in law.moves}
    moved = law
    for process, effect in effects.items():
        moved = moved.hastened(process, known @ effect)
    T = rng.uniform(10, 104, CUSTOMERS)
    buyers = LAWS["BGNBD"] if "spend" in law.moves else moved
    h = buyers.simulate(T, rng).history()
    spend = moved.simulate(h.x, rng) if "spend" in law.moves else None
    names = [f"x{column}" for column in range(COVARIATES)]
    return replace(h, spend=spend, covariates=dict(zip(names, known.T, strict=True))), effects


for name in [os.environ["LAW"]] if "LAW" in os.environ else LAWS:
    law = LAWS[name]
    h, effects = crowd(law, np.random.default_rng(1))
    begun = time.process_time()
    fit = type(law).fit(h, **{process: list(h.covariates) for process in law.moves})
    seconds = time.process_time() - begun
    k = len(law.names())
    off = (fit.parameters[k:] - np.concatenate(list(effects.values()))) / fit.standard_errors[k:]
    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"{name:10} {len(h):,} customers, {off.size} effects: {seconds:5.1f} CPU s, at most {size:.2f} GB")
    print(f"{'':10} root mean square of (effect found - true) / standard error: {np.sqrt(np.mean(off**2)):.2f}")
    print(f"{'':10} {str(fit.diagnosis).splitlines()[0]}")
