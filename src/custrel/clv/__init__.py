"""How much is a customer worth?"""

from custrel.clv.bgnbd import BGNBD
from custrel.clv.compare import compare
from custrel.clv.gammagamma import GammaGamma
from custrel.clv.lifetime_value import LifetimeValue
from custrel.clv.mbgnbd import MBGNBD
from custrel.clv.nbd import NBD
from custrel.clv.paretonbd import ParetoNBD
from custrel.clv.tracking import tracking

__all__ = ["BGNBD", "MBGNBD", "NBD", "GammaGamma", "LifetimeValue", "ParetoNBD", "compare", "tracking"]
