"""What if seasons, prices and campaigns change while customers are there?"""

from custrel.clv.time_varying.law import TimeVaryingParetoNBD
from custrel.clv.time_varying.paths import CovariatePaths

__all__ = ["CovariatePaths", "TimeVaryingParetoNBD"]
