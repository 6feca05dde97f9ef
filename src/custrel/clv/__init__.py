"""How much is a customer worth?"""

from custrel.clv.bgnbd import BGNBD
from custrel.clv.gammagamma import GammaGamma
from custrel.clv.lifetime_value import LifetimeValue
from custrel.clv.tracking import tracking

__all__ = ["BGNBD", "GammaGamma", "LifetimeValue", "tracking"]
