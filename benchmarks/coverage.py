"""How often 90 % intervals of forecasts hold what is true, and what comes: crowds simulated from a law, each fitted.

    pip install . && python benchmarks/coverage.py

LAW=BGNBD or ParetoNBD, or both in turn; REPEATS=200 crowds of CUSTOMERS=2000, watched for 27 to 39 weeks and then for
39 more; DRAWS=100 of the parameters. The slow tests do the same with fewer crowds. Then the 39 weeks of CDNOW that were
held out.
"""

import os
import time
from collections import defaultdict

import numpy as np

from custrel import clv
from custrel.clv.doubt import predict
from custrel.clv.forecast import forecast
from custrel.datasets import cdnow

CUSTOMERS = int(os.environ.get("CUSTOMERS", "2000"))
REPEATS = int(os.environ.get("REPEATS", "200"))
DRAWS = int(os.environ.get("DRAWS", "100"))
LAWS = (
    clv.BGNBD(r=0.243, alpha=4.414, a=0.793, b=2.426, unit="week"),
    clv.ParetoNBD(r=0.553, alpha=10.58, s=0.606, beta=11.67, unit="week"),
)
WEEKS = 39.0


def crowd(law, rng, customers=CUSTOMERS):
    """A history as seen from T, and what each customer bought in the weeks after it."""
    T = rng.integers(27 * 7, 39 * 7, customers) / 7
    lives = law.simulate(T + WEEKS, rng)
    return lives.history(until=T), lives.count(before=T + WEEKS) - lives.count(before=T)


def within(table, truth):
    """Whether each truth lies between the bounds."""
    return ((table["low"] <= truth) & (truth <= table["high"])).to_numpy()


def ranks(law, h, bought, rng):
    """Randomised ranks of what came among what the law had expected: uniform if it was right (randomised PIT)."""
    below, chance = np.zeros(len(h)), np.zeros(len(h))
    for n in range(int(bought.max()) + 1):
        there = bought >= n
        p = law.probability(n, h.take(there), WEEKS).mean(axis=0)
        chance[there] = p
        below[there] += np.where(bought[there] > n, p, 0.0)
    return below + rng.random(len(h)) * chance


def judged(law, rng, customers=CUSTOMERS, draws=DRAWS):
    """What the intervals of one crowd held: by name, truths or falsehoods."""
    h, bought = crowd(law, rng, customers)
    fit = type(law).fit(h)
    table, by_x, everyone = fit.table(level=0.9), np.minimum(h.x, 9).astype(int), "all"
    held = {f"parameter {name}": [within(table, getattr(law, name))[i]] for i, name in enumerate(law.names())}
    for verb, asked in (("expected_purchases", (WEEKS,)), ("p_alive", ())):
        truth = getattr(law, verb)(h, *asked)
        held[f"{verb}, total"] = within(predict(fit, verb, h, *asked, draws=4 * draws, by=everyone), truth.sum())
        if np.ptp(truth[h.x > 0]) > 0:
            each = within(predict(fit, verb, h, *asked, draws=4 * draws), truth)
            held[f"{verb}, each of x > 0"] = each[h.x > 0]
    held["purchases, each, bounds included"] = within(forecast(fit, h, WEEKS, draws=draws), bought)
    rank = ranks(fit.draws(draws, seed=0), h, bought, rng)
    held["purchases, each, randomised"] = np.abs(rank - 0.5) < 0.45
    held["purchases, totals by x"] = within(
        forecast(fit, h, WEEKS, draws=draws, by=by_x), np.bincount(by_x, bought)[np.unique(by_x)]
    )
    held["purchases, total"] = within(forecast(fit, h, WEEKS, draws=draws, by=everyone), bought.sum())
    return held


def simulated(law):
    """Print the share of intervals that held, over all crowds."""
    began, held, rng = time.process_time(), defaultdict(list), np.random.default_rng(2026)
    for _ in range(REPEATS):
        for name, hits in judged(law, rng).items():
            held[name].append(np.mean(hits))
    seconds = time.process_time() - began
    print(f"{type(law).__name__}: {REPEATS} crowds of {CUSTOMERS:,}, {seconds:,.0f} CPU s")
    for name, shares in held.items():
        print(f"    {name:36} {np.mean(shares):6.1%} +- {np.std(shares) / np.sqrt(REPEATS):.1%}", flush=True)


def held_out(law):
    """Print the same of the customers of CDNOW."""
    log = cdnow()
    h = log.history(until="1997-09-30", unit="week")
    bought = log.purchases_between("1997-10-01", "1998-06-30", customers=h).purchases
    fit, by_x = law.fit(h), np.minimum(h.x, 9).astype(int)
    rank = ranks(fit.draws(DRAWS, seed=0), h, bought, np.random.default_rng(1))
    each = within(forecast(fit, h, WEEKS, draws=DRAWS), bought)
    print(f"{law.__name__}, CDNOW: {each.mean():.1%} of customers, {np.mean(np.abs(rank - 0.5) < 0.45):.1%} randomised")
    for by, actual in ((by_x, np.bincount(by_x, bought)), ("all", bought.sum())):
        table = forecast(fit, h, WEEKS, draws=DRAWS, by=by).assign(actual=actual)
        print(table.assign(within=within(table, actual)).round(1).to_string(index=False), flush=True)


if __name__ == "__main__":
    for law in LAWS:
        if os.environ.get("LAW", type(law).__name__) == type(law).__name__:
            simulated(law)
            held_out(type(law))
