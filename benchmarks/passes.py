"""What one pass over the customers costs, in nanoseconds of CPU a customer: the likelihood, and with its slopes.

    pip install . && python benchmarks/passes.py

Beside it the BG/NBD likelihood as textbooks write it, in plain NumPy with log-gamma functions of every customer.
crowd.py says how the crowd is chosen; TIMES=continuous tells a pass over rows that are all different.
"""

import time
from collections.abc import Callable
from typing import Any

import crowd
import numpy as np
from scipy.special import gammaln

from custrel import clv
from custrel.likelihood import BLOCK

LAWS = (
    clv.BGNBD(r=0.243, alpha=4.414, a=0.793, b=2.426),
    clv.MBGNBD(r=0.525, alpha=6.183, a=0.891, b=1.614),
    clv.NBD(r=0.385, alpha=12.07),
    clv.ParetoNBD(r=0.553, alpha=10.58, s=0.606, beta=11.67),
)


def plain(h: Any) -> Any:
    """Equation (6) of Fader, Hardie and Lee (2005), term by term."""
    r, alpha, a, b = LAWS[0]
    x, t_x, T = h.x, h.t_x, h.T
    bought = gammaln(r + x) - gammaln(r) + r * np.log(alpha)
    stayed = gammaln(b + x) + gammaln(a + b) - gammaln(b) - gammaln(a + b + x)
    here = -(r + x) * np.log(alpha + T)
    left = np.log(a) - np.log(b + np.maximum(x, 1) - 1) - (r + x) * np.log(alpha + t_x)
    return bought + stayed + np.logaddexp(here, np.where(x > 0, left, -np.inf))


def nanoseconds(job: Callable[[Any], Any], h: Any) -> float:
    """CPU time of one pass in blocks, the least of five, for each row."""
    blocks, times = list(h.blocks(BLOCK)), []
    for _ in range(5):
        began = time.process_time()
        for block in blocks:
            job(block)
        times.append(time.process_time() - began)
    return 1e9 * min(times) / len(h)


if __name__ == "__main__":
    h = crowd.history()
    rows = h.distinct()
    print(f"{len(h):,} customers, {len(rows):,} different rows ({len(rows) / len(h):.0%})")
    print(f"{'ns a row':28}{'likelihood':>12}{'slopes':>10}")
    print(f"{'BG/NBD in plain NumPy':28}{nanoseconds(plain, rows):12.0f}")
    for law in LAWS:
        print(
            f"{type(law).__name__:28}{nanoseconds(law.log_likelihood, rows):12.0f}{nanoseconds(law.score, rows):10.0f}"
        )
