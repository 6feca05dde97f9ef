"""How do they feel?"""

from custrel.feedback.ces import ces
from custrel.feedback.csat import csat, satisfaction
from custrel.feedback.differences.difference import (
    csat_difference,
    net_promoter_difference,
    nps_difference,
    satisfaction_difference,
)
from custrel.feedback.differences.heterogeneity import Heterogeneity, heterogeneity
from custrel.feedback.differences.sample_size import power_of_change, sample_size, sample_size_for_change
from custrel.feedback.drivers.key_drivers import key_drivers
from custrel.feedback.loop.changes import ChangeTest, bowker, net_changes, stuart_maxwell
from custrel.feedback.loop.contacted import detractors_contacted
from custrel.feedback.loop.coverage import feedback_coverage
from custrel.feedback.loop.silent import silent_customers, who_left_silently
from custrel.feedback.loop.transitions import transitions
from custrel.feedback.nps import net_promoter_score, nps
from custrel.feedback.over_time.control_chart import control_chart
from custrel.feedback.over_time.smoothed import smoothed
from custrel.feedback.over_time.trend import trend_test
from custrel.feedback.reading.question import Reading
from custrel.feedback.reviews import review_score
from custrel.feedback.weighting.post_stratify import post_stratify
from custrel.feedback.weighting.rake import rake, rake_table
from custrel.feedback.weighting.response import response_rate
from custrel.feedback.weighting.weights import Weights
from custrel.stats.importance_of_predictors import lmg, relative_weights

__all__ = [
    "ChangeTest",
    "Heterogeneity",
    "Reading",
    "Weights",
    "bowker",
    "ces",
    "control_chart",
    "csat",
    "csat_difference",
    "detractors_contacted",
    "feedback_coverage",
    "heterogeneity",
    "key_drivers",
    "lmg",
    "net_changes",
    "net_promoter_difference",
    "net_promoter_score",
    "nps",
    "nps_difference",
    "post_stratify",
    "power_of_change",
    "rake",
    "rake_table",
    "relative_weights",
    "response_rate",
    "review_score",
    "sample_size",
    "sample_size_for_change",
    "satisfaction",
    "satisfaction_difference",
    "silent_customers",
    "smoothed",
    "stuart_maxwell",
    "transitions",
    "trend_test",
    "who_left_silently",
]
