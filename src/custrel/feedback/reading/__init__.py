"""How are answers read, and measured?"""

from custrel.feedback.reading.question import Reading, Scale
from custrel.feedback.reading.units import Units

__all__ = ["Reading", "Scale", "Units"]
