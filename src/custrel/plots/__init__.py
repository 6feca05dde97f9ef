"""What does it look like?

One picture a function. Each takes numbers, a result frame or a history, draws on `ax` or a figure of its own,
and returns the Axes; none shows, saves or changes a setting of matplotlib.
"""

from custrel.plots.calibration import calibration
from custrel.plots.frequency_recency import frequency_recency
from custrel.plots.tracking import tracking
from custrel.plots.value_curve import value_curve

__all__ = ["calibration", "frequency_recency", "tracking", "value_curve"]
