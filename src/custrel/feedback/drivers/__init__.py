"""What goes with it?"""

from custrel.feedback.drivers.key_drivers import key_drivers

__all__ = ["key_drivers"]
