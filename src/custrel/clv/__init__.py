"""How much is a customer worth?"""

from custrel.clv.beta_discrete_weibull import BetaDiscreteWeibull
from custrel.clv.bgbb import BGBB
from custrel.clv.bgcnbdk import BGCNBDk
from custrel.clv.bgnbd import BGNBD
from custrel.clv.compare import compare
from custrel.clv.gammagamma import GammaGamma
from custrel.clv.ggompertznbd import GGompertzNBD
from custrel.clv.lifetime_value import LifetimeValue
from custrel.clv.lognormalspend import LogNormalSpend
from custrel.clv.mbgcnbdk import MBGCNBDk
from custrel.clv.mbgnbd import MBGNBD
from custrel.clv.nbd import NBD
from custrel.clv.paretoggg import ParetoGGG
from custrel.clv.paretonbd import ParetoNBD
from custrel.clv.prefer import Preference, prefer
from custrel.clv.shifted_beta_geometric import ShiftedBetaGeometric
from custrel.clv.tenures import Tenures
from custrel.clv.tracking import tracking

__all__ = [
    "BGBB",
    "BGNBD",
    "MBGNBD",
    "NBD",
    "BGCNBDk",
    "BetaDiscreteWeibull",
    "GGompertzNBD",
    "GammaGamma",
    "LifetimeValue",
    "LogNormalSpend",
    "MBGCNBDk",
    "ParetoGGG",
    "ParetoNBD",
    "Preference",
    "ShiftedBetaGeometric",
    "Tenures",
    "compare",
    "prefer",
    "tracking",
]
