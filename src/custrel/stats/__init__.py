"""Which mathematics do the rooms share?"""

from custrel.stats.estimate import Estimate
from custrel.stats.family import Family
from custrel.stats.maximise import Hill, Peak, maximise

__all__ = ["Estimate", "Family", "Hill", "Peak", "maximise"]
