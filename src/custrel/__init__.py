"""What do your customers' interactions say? What they are worth, whether they leave, how they feel."""

from custrel import clv, datasets, errors, feedback, plots
from custrel.audit import Audit
from custrel.covariates import WithCovariates
from custrel.fit import Fit
from custrel.history import History
from custrel.influence import Influence
from custrel.interactions import Interactions
from custrel.posterior import Posterior
from custrel.records import (
    Case,
    Complaint,
    Customer,
    Interaction,
    MarketingTouch,
    Purchase,
    Referral,
    Refund,
    Review,
    SelfService,
    Subscription,
    SupportContact,
    SurveyResponse,
)
from custrel.serial import from_json
from custrel.stats import Estimate

__version__ = "0.1.0"

__all__ = [
    "Audit",
    "Case",
    "Complaint",
    "Customer",
    "Estimate",
    "Fit",
    "History",
    "Influence",
    "Interaction",
    "Interactions",
    "MarketingTouch",
    "Posterior",
    "Purchase",
    "Referral",
    "Refund",
    "Review",
    "SelfService",
    "Subscription",
    "SupportContact",
    "SurveyResponse",
    "WithCovariates",
    "clv",
    "datasets",
    "errors",
    "feedback",
    "from_json",
    "plots",
]
