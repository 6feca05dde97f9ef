"""How much is a customer worth?"""

from custrel.clv.beta_discrete_weibull import BetaDiscreteWeibull
from custrel.clv.bgbb import BGBB
from custrel.clv.bgcnbdk import BGCNBDk
from custrel.clv.bgnbd import BGNBD
from custrel.clv.correlatedparetonbd import CorrelatedParetoNBD
from custrel.clv.doubt import predict
from custrel.clv.evidence import (
    GoodnessOfFit,
    LikelihoodRatio,
    MeanOfAll,
    PenaltyPath,
    Preference,
    RandomisedPIT,
    RecencyRule,
    SameAsBefore,
    backtest,
    calibration_by_deciles,
    chi_square_of_counts,
    compare,
    likelihood_ratio,
    penalty_path,
    prefer,
    randomised_pit,
    tracking,
)
from custrel.clv.forecast import forecast
from custrel.clv.gammagamma import GammaGamma
from custrel.clv.ggompertznbd import GGompertzNBD
from custrel.clv.lifetime_value import LifetimeValue
from custrel.clv.lognormalspend import LogNormalSpend
from custrel.clv.mbgcnbdk import MBGCNBDk
from custrel.clv.mbgnbd import MBGNBD
from custrel.clv.nbd import NBD
from custrel.clv.paretoggg import ParetoGGG
from custrel.clv.paretonbd import ParetoNBD
from custrel.clv.shifted_beta_geometric import ShiftedBetaGeometric
from custrel.clv.tenures import Tenures
from custrel.clv.time_varying import CovariatePaths, TimeVaryingParetoNBD

__all__ = [
    "BGBB",
    "BGNBD",
    "MBGNBD",
    "NBD",
    "BGCNBDk",
    "BetaDiscreteWeibull",
    "CorrelatedParetoNBD",
    "CovariatePaths",
    "GGompertzNBD",
    "GammaGamma",
    "GoodnessOfFit",
    "LifetimeValue",
    "LikelihoodRatio",
    "LogNormalSpend",
    "MBGCNBDk",
    "MeanOfAll",
    "ParetoGGG",
    "ParetoNBD",
    "PenaltyPath",
    "Preference",
    "RandomisedPIT",
    "RecencyRule",
    "SameAsBefore",
    "ShiftedBetaGeometric",
    "Tenures",
    "TimeVaryingParetoNBD",
    "backtest",
    "calibration_by_deciles",
    "chi_square_of_counts",
    "compare",
    "forecast",
    "likelihood_ratio",
    "penalty_path",
    "predict",
    "prefer",
    "randomised_pit",
    "tracking",
]
