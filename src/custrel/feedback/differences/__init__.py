"""Has it moved, and do groups differ?"""

from custrel.feedback.differences.difference import (
    csat_difference,
    net_promoter_difference,
    nps_difference,
    satisfaction_difference,
)
from custrel.feedback.differences.heterogeneity import Heterogeneity, heterogeneity
from custrel.feedback.differences.sample_size import power_of_change, sample_size, sample_size_for_change

__all__ = [
    "Heterogeneity",
    "csat_difference",
    "heterogeneity",
    "net_promoter_difference",
    "nps_difference",
    "power_of_change",
    "sample_size",
    "sample_size_for_change",
    "satisfaction_difference",
]
