"""Is the law right, and which one is better?"""

from custrel.clv.evidence.backtest import backtest
from custrel.clv.evidence.baselines import MeanOfAll, RecencyRule, SameAsBefore
from custrel.clv.evidence.compare import compare
from custrel.clv.evidence.deciles import calibration_by_deciles
from custrel.clv.evidence.goodness import GoodnessOfFit, chi_square_of_counts
from custrel.clv.evidence.likelihood_ratio import LikelihoodRatio, likelihood_ratio
from custrel.clv.evidence.penalty import PenaltyPath, penalty_path
from custrel.clv.evidence.pit import RandomisedPIT, randomised_pit
from custrel.clv.evidence.prefer import Preference, prefer
from custrel.clv.evidence.tracking import tracking

__all__ = [
    "GoodnessOfFit",
    "LikelihoodRatio",
    "MeanOfAll",
    "PenaltyPath",
    "Preference",
    "RandomisedPIT",
    "RecencyRule",
    "SameAsBefore",
    "backtest",
    "calibration_by_deciles",
    "chi_square_of_counts",
    "compare",
    "likelihood_ratio",
    "penalty_path",
    "prefer",
    "randomised_pit",
    "tracking",
]
