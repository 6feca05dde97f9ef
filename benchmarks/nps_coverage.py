"""How often the 95 % intervals of NPS hold the true score, by the number of answers: reckoned, not simulated.

    pip install ".[plot]" && python benchmarks/nps_coverage.py picture.png

For each n all counts of promoters, passives and detractors are listed, with their chance; coverage is the sum of the
chances of those whose interval holds the truth. (Counts that come less often than once in 10^12 are left out.) About 25
CPU seconds, nearly all of them for the Dirichlet interval.
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from scipy.special import gammaln, xlogy

from custrel.stats.net_share import BOUNDS_OF_A_NET_SHARE, dirichlet_moments

TRUTHS = {"balanced": (0.40, 0.30, 0.30), "lopsided": (0.95, 0.04, 0.01)}
"""Shares of promoters, passives and detractors."""
SIZES = (5, 7, 10, 14, 20, 30, 50, 70, 100, 140, 200)
# Standard deviations of a posterior: at 95 % all its intervals reach beyond the one, and none beyond the other.
NEAR, FAR = 1.4, 3.0
# Okabe and Ito's colours, each with a dash of its own: all eyes tell them apart.
LINES = {
    "score": ("#0072b2", "-", 2.4),
    "adjusted_wald": ("#009e73", "--", 1.6),
    "dirichlet": ("#cc79a7", "-.", 1.6),
    "t": ("#e69f00", ":", 2.0),
    "wald": ("#d55e00", (0, (6, 2)), 1.6),
}


def chances(n, truth):
    """All counts of n answers, and how likely each is."""
    P, D = (counts.ravel() for counts in np.mgrid[0 : n + 1, 0 : n + 1])
    counts = np.array([P, n - P - D, D])[:, n >= P + D]
    logs = gammaln(n + 1) + (xlogy(counts, np.reshape(truth, (3, 1))) - gammaln(counts + 1)).sum(axis=0)
    chance = np.exp(logs)
    return counts[:, chance > 1e-12], chance[chance > 1e-12]


def coverage(interval, n, truth, level=0.95):
    """Chance that the interval holds the true net share."""
    counts, chance = chances(n, truth)
    return float(chance[holds(interval, counts, truth[0] - truth[2], level)].sum())


def holds(interval, counts, net, level):
    """Whether the interval of each of these counts holds this net share."""
    if interval == "dirichlet":  # dear: only where the truth is neither at the middle of the posterior nor far out
        mean, deviation = dirichlet_moments(*counts)
        off = np.abs(net - mean) / deviation
        held, asked = off < NEAR, (off >= NEAR) & (off < FAR)
    else:
        held, asked = np.zeros(counts.shape[1], dtype=bool), np.ones(counts.shape[1], dtype=bool)
    low, high = BOUNDS_OF_A_NET_SHARE[interval](*counts[:, asked], level=level)
    held[asked] = (low <= net) & (net <= high)
    return held


def coverages(sizes=SIZES):
    """Coverage of each interval at each number of answers, by truth."""
    return {
        name: {interval: [coverage(interval, n, truth) for n in sizes] for interval in LINES}
        for name, truth in TRUTHS.items()
    }


def draw(found, sizes=SIZES):
    """A picture for each truth, side by side."""
    figure, pictures = plt.subplots(1, 2, figsize=(8.4, 4.0), sharey=True, layout="constrained")
    for ax, (name, lines) in zip(pictures, found.items(), strict=True):
        for interval, held in lines.items():
            colour, dash, width = LINES[interval]
            ax.plot(sizes, held, color=colour, linestyle=dash, linewidth=width, label=interval)
        ax.axhline(0.95, color="#767676", linewidth=0.8, zorder=0)
        shares = ", ".join(f"{100 * share:.0f} %" for share in TRUTHS[name])
        ax.set_title(f"{name}: {shares}", loc="left", fontsize="medium")
        ax.set(xscale="log", xlabel="answers")
        ax.set_xticks((5, 10, 20, 50, 100, 200), ("5", "10", "20", "50", "100", "200"))
        ax.minorticks_off()
        ax.spines[["top", "right"]].set_visible(False)
    pictures[0].set_ylabel("share of 95 % intervals that hold the truth")
    pictures[0].yaxis.set_major_formatter(lambda share, _: f"{100 * share:.0f} %")
    pictures[1].legend(frameon=False, loc="lower right")
    return figure


def show(found, sizes=SIZES):
    """Print the same in figures."""
    for name, lines in found.items():
        print(f"{name} {TRUTHS[name]}, n = {sizes}")
        for interval, held in lines.items():
            print(f"    {interval:14}", *(f"{share:6.1%}" for share in held))


if __name__ == "__main__":
    found = coverages()
    show(found)
    if sys.argv[1:]:
        draw(found).savefig(Path(sys.argv[1]), dpi=120)
