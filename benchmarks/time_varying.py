"""Covariates that change: CPU seconds to the peak, for 600 customers, 104 weeks, 3 covariates on purchases and leaving.

    pip install . && OMP_NUM_THREADS=1 python benchmarks/time_varying.py

CUSTOMERS=600, WEEKS=104, CROWDS=3. Each crowd prints the seconds, the height of the peak beside that of the law without
covariates, and two proofs that it is one: the largest slope that is left, and how far climbs from elsewhere end below.
"""

import os
import time

import numpy as np

from custrel.clv.paretonbd import ParetoNBD
from custrel.clv.time_varying.law import TimeVaryingParetoNBD
from custrel.clv.time_varying.paths import CovariatePaths
from custrel.design import design_of
from custrel.history import PurchaseTimes
from custrel.likelihood import Likelihood
from custrel.stats.maximise import top_near

CUSTOMERS = int(os.environ.get("CUSTOMERS", "600"))
WEEKS = int(os.environ.get("WEEKS", "104"))
CROWDS = int(os.environ.get("CROWDS", "3"))
NAMES = ["season", "mail", "price"]
EFFECTS = np.array([0.6, 0.4, -0.1, -0.3, -0.6, 0.1])


def crowd(seed: int) -> CovariatePaths:
    """Customers who were all watched for so many weeks, and whose covariates change every week."""
    rng = np.random.default_rng(seed)
    n, weeks = CUSTOMERS, np.tile(np.arange(WEEKS), CUSTOMERS)
    known = {
        "season": np.sin(2 * np.pi * (weeks + np.repeat(rng.integers(0, 52, n), WEEKS)) / 52),
        "mail": (np.cumsum(rng.random((n, WEEKS)) < 0.05, axis=1).ravel() % 2).astype(float),  # switched now and then
        "price": rng.normal(10.0, 2.0, weeks.size),
    }
    told = {"customer": np.repeat(np.arange(n), WEEKS), "start": weeks, "covariates": known}
    nobody = PurchaseTimes(np.zeros(0, dtype=int), np.zeros(0), T=np.full(n, float(WEEKS)))
    paths = CovariatePaths.along(nobody, **told)
    design = design_of(NAMES, paths.covariates)
    law = TimeVaryingParetoNBD(
        ParetoNBD(r=0.8, alpha=8.0, s=0.7, beta=15.0), EFFECTS, {"purchase": design, "dropout": design}
    )
    return CovariatePaths.along(law.simulate(paths, rng), **told)


def report(seed: int) -> None:
    """One crowd's fit, and what proves it."""
    paths = crowd(seed)
    began = time.process_time()
    fit = TimeVaryingParetoNBD.fit(paths, purchase=NAMES, dropout=NAMES)
    seconds = time.process_time() - began
    hill = Likelihood(fit.model, fit.data)
    place, rng = fit.model.to_log(), np.random.default_rng(seed)
    heights = [top_near(hill, place + 0.5 * rng.standard_normal(place.size))[1] for _ in range(3)]
    below = fit.log_likelihood - fit.n * max(heights)
    off = (fit.model.effects - EFFECTS) / fit.standard_errors[4:]
    print(paths)
    print(f"  {seconds:.1f} CPU s; log-likelihood {fit.log_likelihood:,.4f}; ", end="")
    print(f"without covariates {ParetoNBD.fit(paths.history).log_likelihood:,.4f}")
    print(f"  {fit.diagnosis}")
    print(f"  the best of 3 climbs from half a unit away, on the log scale, ends {below:.1e} below")
    print(f"  effects, in standard errors off the truth: {np.array2string(off, precision=1)}", flush=True)


if __name__ == "__main__":
    for seed in range(CROWDS):
        report(seed)
