"""Who did not answer, and what would they have said?"""

from custrel.feedback.weighting.post_stratify import post_stratify
from custrel.feedback.weighting.rake import rake, rake_table
from custrel.feedback.weighting.response import response_rate
from custrel.feedback.weighting.weights import Weights

__all__ = ["Weights", "post_stratify", "rake", "rake_table", "response_rate"]
