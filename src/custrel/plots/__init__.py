"""What does it look like?

One picture a function. Each takes numbers, a result frame or a history, draws on `ax` or a figure of its own,
and returns the Axes; none shows, saves or changes a setting of matplotlib.
"""

from custrel.plots.backtest import backtest
from custrel.plots.calibration import calibration
from custrel.plots.deciles import deciles
from custrel.plots.frequency_recency import frequency_recency
from custrel.plots.pit_histogram import pit_histogram
from custrel.plots.purchase_counts import purchase_counts
from custrel.plots.tracking import tracking
from custrel.plots.value_curve import value_curve

__all__ = [
    "backtest",
    "calibration",
    "deciles",
    "frequency_recency",
    "pit_histogram",
    "purchase_counts",
    "tracking",
    "value_curve",
]
