"""What does it look like?

One picture a function. Each takes numbers, a result frame or a history, draws on `ax` or a figure of its own,
and returns the Axes; none shows, saves or changes a setting of matplotlib.
"""

from custrel.plots.backtest import backtest
from custrel.plots.calibration import calibration
from custrel.plots.deciles import deciles
from custrel.plots.feedback_trend import feedback_trend
from custrel.plots.frequency_recency import frequency_recency
from custrel.plots.key_drivers import key_drivers
from custrel.plots.nps_bars import nps_bars
from custrel.plots.pit_histogram import pit_histogram
from custrel.plots.purchase_counts import purchase_counts
from custrel.plots.tracking import tracking
from custrel.plots.value_curve import value_curve

__all__ = [
    "backtest",
    "calibration",
    "deciles",
    "feedback_trend",
    "frequency_recency",
    "key_drivers",
    "nps_bars",
    "pit_histogram",
    "purchase_counts",
    "tracking",
    "value_curve",
]
