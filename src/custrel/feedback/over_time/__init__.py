"""Is this month news?"""

from custrel.feedback.over_time.control_chart import control_chart
from custrel.feedback.over_time.smoothed import smoothed
from custrel.feedback.over_time.trend import trend_test

__all__ = ["control_chart", "smoothed", "trend_test"]
