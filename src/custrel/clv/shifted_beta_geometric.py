r"""Shifted-beta-geometric (sBG): at each renewal a customer leaves with one probability, their own.

The probability :math:`\theta` never changes for a customer, and differs among customers as Beta(alpha, beta). Retention
of a cohort rises all the same, because those who are likely to leave do so first.

It wants how many customers left, and how many were still here, by the number of renewals made. Prefer it where
contracts end on known dates and a cohort's retention rises from the first renewal on; where it falls at first, or
rises too steeply, take the beta-discrete-Weibull law.

References
----------
.. [1] Fader, P. S., & Hardie, B. G. S. (2007). How to Project Customer Retention. Journal of Interactive Marketing
   21(1), 76-90. https://doi.org/10.1002/dir.20074
.. [2] Fader, P. S., & Hardie, B. G. S. (2010). Customer-Base Valuation in a Contractual Setting: The Perils of Ignoring
   Heterogeneity. Marketing Science 29(1), 85-93. https://doi.org/10.1287/mksc.1080.0482
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from custrel.clv.contractual import ContractLaw
from custrel.clv.tenures import whole_periods
from custrel.stats.moves import Likelier
from custrel.stats.special import digamma_rising, log_beta_ratio

if TYPE_CHECKING:
    from collections.abc import Mapping

    from custrel.clv.tenures import Tenures
    from custrel.stats.estimate import Array

__all__ = ["ShiftedBetaGeometric"]


@dataclass(frozen=True, eq=False)
class ShiftedBetaGeometric(ContractLaw):
    r"""The shifted-beta-geometric law of Fader and Hardie (2007) [1]_ [2]_.

    Parameters
    ----------
    alpha, beta
        Parameters of the beta distribution of leaving at a renewal: its mean is alpha / (alpha + beta).
    unit
        Length of a period, needed to discount; a fitted law knows it.

    Raises
    ------
    DomainError
        If a parameter is not positive and finite.

    References
    ----------
    .. [1] Fader, P. S., & Hardie, B. G. S. (2007). How to Project Customer Retention. Journal of Interactive Marketing
       21(1), 76-90. https://doi.org/10.1002/dir.20074
    .. [2] Fader, P. S., & Hardie, B. G. S. (2010). Customer-Base Valuation in a Contractual Setting: The Perils of
       Ignoring Heterogeneity. Marketing Science 29(1), 85-93. https://doi.org/10.1287/mksc.1080.0482

    Examples
    --------
    The "high end" customers of [1]_, seven years of them, and the share predicted to be here after twelve; 39.4 were.

    >>> from custrel.clv.tenures import Tenures
    >>> survivors = [1000, 869, 743, 653, 593, 551, 517, 491]
    >>> fit = ShiftedBetaGeometric.fit(Tenures.from_survivors(survivors, unit="year"))
    >>> fit
    Fit of ShiftedBetaGeometric to 1,000 customers: alpha = 0.6681, beta = 3.806; log-likelihood -1,611.16
    >>> round(100 * float(fit.model.survival(12)), 1)
    37.8

    With alpha = beta = 1 a share of 1 / (1 + t) renews t times, and DEL at 10 % is 1.1 log(11).

    >>> law = ShiftedBetaGeometric(alpha=1.0, beta=1.0, unit="year")
    >>> round(float(law.discounted_expected_lifetime(annual_discount_rate=0.10)), 4)
    2.6377
    """

    alpha: float | Array
    beta: float | Array

    betas = (("alpha", "beta"),)
    moves = MappingProxyType({"dropout": Likelier("alpha", "beta")})
    limits: ClassVar[Mapping[tuple[str, bool], str]] = MappingProxyType(
        {
            ("alpha", True): " (all leave with one probability, or ever more likely: see the beta-discrete-Weibull)",
            ("alpha", False): " (some customers leave at the first renewal, the others never)",
            ("beta", True): " (customers do not differ in how likely they are to leave)",
            ("beta", False): " (all leave at the first renewal, or else never)",
        }
    )

    @property
    def duration_dependence(self) -> float | Array:
        """1: nobody's own chance to leave changes."""
        return 1.0

    def log_conditional_survival(self, t: float | Array, age: float | Array) -> Array:
        r""":math:`\log B(\alpha, \beta + age + t) - \log B(\alpha, \beta + age)`"""
        return log_beta_ratio(self.alpha, self.beta + age, t)

    def score(self, tenures: Tenures) -> Array:
        """Derivatives of `log_likelihood` in alpha, beta, for parameters that are numbers."""
        alpha, beta = self
        chances = digamma_rising(alpha + beta, tenures.age)
        return np.stack([tenures.ended / alpha - chances, digamma_rising(beta, self._renewals(tenures)) - chances])

    def mean_churn(self, age: int | Array) -> Array:
        """Mean of the own probabilities of leaving of those who have renewed so often: 1 - r(age + 1).

        Theta given T > age is Beta(alpha, beta + age).

        Examples
        --------
        >>> law = ShiftedBetaGeometric(alpha=1.0, beta=3.0)
        >>> law.mean_churn(np.array([0, 6]))
        array([0.25, 0.1 ])
        """
        return np.asarray(self.alpha / (self.alpha + self.beta + whole_periods("age", age)))

    def rest(self, age: Array, start: float) -> Array:
        r"""In closed form: from any age n on, the sum is :math:`(\alpha + \beta + n - 1) / (\alpha - 1)`."""
        alpha, beta = np.asarray(self.alpha), np.asarray(self.beta)
        with np.errstate(divide="ignore"):
            longer = (alpha + beta + age + start - 1) / np.maximum(alpha - 1, 0)
        return np.asarray(np.exp(self.log_conditional_survival(start, age)) * longer)

    @classmethod
    def starts(cls, tenures: Tenures) -> list[Self]:
        """The mean rate of leaving of the data with several spreads."""
        p = tenures.lost.sum() / (tenures.weights @ tenures.age)
        return [cls(p * k, (1 - p) * k) for k in (2.0, 0.5, 20.0)]
