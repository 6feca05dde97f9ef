"""Which mathematics do the rooms share?"""

from custrel.stats.estimate import Estimate
from custrel.stats.family import Family
from custrel.stats.maximise import Peak, maximise

__all__ = ["Estimate", "Family", "Peak", "maximise"]
