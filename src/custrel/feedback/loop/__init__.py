"""What came of it?"""

from custrel.feedback.loop.changes import ChangeTest, bowker, net_changes, stuart_maxwell
from custrel.feedback.loop.contacted import detractors_contacted
from custrel.feedback.loop.coverage import feedback_coverage
from custrel.feedback.loop.silent import silent_customers, who_left_silently
from custrel.feedback.loop.transitions import transitions

__all__ = [
    "ChangeTest",
    "bowker",
    "detractors_contacted",
    "feedback_coverage",
    "net_changes",
    "silent_customers",
    "stuart_maxwell",
    "transitions",
    "who_left_silently",
]
