r"""Gamma-Gamma: each customer has a mean purchase value of their own, and single purchases scatter around it.

Values of one customer are Gamma(p, :math:`\nu`); :math:`\nu` differs among customers as Gamma(q, gamma). So the mean
that we saw is drawn towards the mean of all, the more so the fewer purchases it rests on.

It wants the number of purchases behind each customer's mean and that mean, of customers who have one, all above 0. It
assumes that how much is spent has nothing to do with how often: `independence` gives the figure. Where the two move
together, take `LogNormalSpend`.

References
----------
.. [1] Fader, P. S., & Hardie, B. G. S. (2013). The Gamma-Gamma Model of Monetary Value. Note 025.
   http://www.brucehardie.com/notes/025/
.. [2] Fader, P. S., Hardie, B. G. S., & Lee, K. L. (2005). RFM and CLV: Using Iso-Value Curves for Customer Base
   Analysis. Journal of Marketing Research 42(4), 415-430. https://doi.org/10.1509/jmkr.2005.42.4.415
"""

from __future__ import annotations

import itertools
import warnings
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from scipy.special import gammaln, ndtri

from custrel.checked import checked_level
from custrel.clv.horizon import whole_numbers
from custrel.clv.spend import SpendLaw
from custrel.clv.story import counts_of
from custrel.errors import AssumptionWarning
from custrel.intervals import wald
from custrel.stats.estimate import Estimate
from custrel.stats.moves import Scaled
from custrel.stats.special import by_count, digamma_rising, log_rising

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from custrel.fit import Fit
    from custrel.history import History
    from custrel.stats.draw import SharedNumbers
    from custrel.stats.estimate import Array

__all__ = ["GammaGamma"]

NOTABLE = 0.3  # a correlation from which on independence is not a fair account of the data


@dataclass(frozen=True, eq=False)
class GammaGamma(SpendLaw):
    r"""The gamma-gamma law of mean purchase value [1]_ [2]_.

    Parameters
    ----------
    p
        Shape of one customer's purchase values: the larger, the less they scatter.
    q, gamma
        Shape and scale of the spread among customers: the mean over all of them is p gamma / (q - 1), finite for q > 1.

    Raises
    ------
    DomainError
        If a parameter is not positive and finite.

    References
    ----------
    .. [1] Fader, P. S., & Hardie, B. G. S. (2013). The Gamma-Gamma Model of Monetary Value. Note 025.
       http://www.brucehardie.com/notes/025/
    .. [2] Fader, P. S., Hardie, B. G. S., & Lee, K. L. (2005). RFM and CLV: Using Iso-Value Curves for Customer Base
       Analysis. Journal of Marketing Research 42(4), 415-430. https://doi.org/10.1509/jmkr.2005.42.4.415

    Examples
    --------
    Page 5 of [1]_: the mean over all CDNOW customers.

    >>> law = GammaGamma(p=6.25, q=3.74, gamma=15.44)
    >>> round(law.population_mean, 2)
    35.22
    """

    p: float | Array
    q: float | Array
    gamma: float | Array

    gammas = (("q", "gamma"),)
    moves = MappingProxyType({"spend": Scaled("gamma")})
    limits: ClassVar[Mapping[tuple[str, bool], str]] = MappingProxyType(
        {
            ("p", True): " (single purchases of a customer do not scatter)",
            ("q", True): " (customers do not differ in their mean value)",
            ("q", False): " (a few customers spend many times what all others do: look at the largest)",
            ("gamma", True): " (customers do not differ in their mean value)",
            ("gamma", False): " (a few customers spend many times what all others do: look at the largest)",
        }
    )

    def log_likelihood(self, h: History) -> Array:
        """Equation (1a) of [1]_: the density of the mean value z of x purchases, in logarithms."""
        p, q, gamma = self
        x, z = h.paid, self._spend_of(h)
        norm = by_count(lambda p, x: _log_norm(p * x, q), p, x)
        return np.asarray(norm - q * np.log1p(x * z / gamma) - p * x * np.log1p(gamma / (x * z)) - np.log(z))

    def score(self, h: History) -> Array:
        """Derivatives of equation (1a) in p, q, gamma."""
        p, q, gamma = self
        x, z = h.paid, self._spend_of(h)
        return np.stack(
            [
                x * (by_count(lambda p, x: digamma_rising(p * x, q), p, x) - np.log1p(gamma / (x * z))),
                by_count(lambda p, x: digamma_rising(q, p * x), p, x) - np.log1p(x * z / gamma),
                q / gamma - (p * x + q) / (gamma + x * z),
            ]
        )

    @property
    def population_mean(self) -> float | Array:
        """Mean purchase value over all customers, p gamma / (q - 1); inf where q <= 1, since no finite mean exists."""
        p, q, gamma = (np.asarray(value) for value in self)
        with np.errstate(divide="ignore"):
            mean = np.where(q > 1, p * gamma / np.maximum(q - 1, 0), np.inf)
        return mean if mean.ndim else float(mean)

    def expected_spend(self, h: History) -> Array:
        """Equation (5) of [1]_: a customer's expected mean value, given the mean of what they bought so far.

        Customers without a mean value above 0 get the mean of all; inf where that, or the customer's own
        expectation, is not finite (p x + q <= 1).

        Examples
        --------
        >>> from custrel import History
        >>> law = GammaGamma(p=6.25, q=3.74, gamma=15.44)
        >>> h = History(x=[1, 0], t_x=[1, 0], T=[39, 39], spend=[100.0, np.nan])
        >>> law.expected_spend(h).round(2)
        array([80.26, 35.22])
        """
        p, q, gamma = self
        x, z = self._known(h)
        left = p * x + q - 1
        with np.errstate(divide="ignore"):
            return np.where(left > 0, p * (gamma + x * z) / left, np.inf)

    def future(self, h: History, numbers: SharedNumbers) -> tuple[Array, Iterator[Array]]:
        """One future of each customer in each draw: a level, and the factors of that level that purchases to come take.

        The level has the shape ``(draws, customers)``; each purchase's factor is a column ``(draws, 1)``.
        """
        p, q, gamma = self
        x, z = self._known(h)
        counts, who = counts_of(x, p, q)
        level = (gamma + x * z) / numbers.gamma(p * counts + q)[:, who]
        return level, (numbers.gamma(p) for _ in itertools.count())

    def simulate(self, purchases: Array, rng: np.random.Generator) -> Array:
        """Mean value of that many purchases of new customers, NaN where there are none.

        Examples
        --------
        >>> law = GammaGamma(p=6.25, q=3.74, gamma=15.44)
        >>> spend = law.simulate(np.full(200_000, 3.0), np.random.default_rng(1))
        >>> bool(abs(spend.mean() - 35.22) < 0.5)
        True
        """
        p, q, gamma = self
        x = whole_numbers(purchases)
        nu = rng.gamma(q, 1 / np.asarray(gamma), x.size)
        return np.asarray(rng.gamma(p * np.maximum(x, 1)) / nu / np.where(x > 0, x, np.nan))

    @classmethod
    def findings(cls, data: History) -> tuple[str, ...]:
        """How far the data depart from independence of spend and frequency; a warning beyond 0.3 in absolute value."""
        rho = cls.independence(data)
        if np.isnan(rho.value):
            return ("Whether spend and frequency are independent cannot be told from these data.",)
        found = f"{rho.value:.2f} ({rho.low:.2f} to {rho.high:.2f})"
        said = f"Spend and frequency correlate at {found}; the law takes them to be independent."
        if min(abs(rho.low), abs(rho.high)) > NOTABLE and rho.low * rho.high > 0:
            said = f"{said} LogNormalSpend lets one move with the other."
            warnings.warn(said, AssumptionWarning, stacklevel=3)  # at the line that asked for the fit
        return (said,)

    @classmethod
    def remarks(cls, fit: Fit[Any], data: History) -> tuple[str, ...]:
        """Whether the mean over all customers is finite, and whether one customer's scatter could be seen."""
        _, lows, highs = wald(fit.model, fit.log_covariance, 0.95)
        q, low, high = float(fit.parameters[1]), lows[1], highs[1]
        said = []
        if low <= 1:
            figures = f"{q:.2f} ({low:.2f} to {high:.2f})"
            sure = "is 1 or less" if q <= 1 else "may be 1 or less"
            then = "has no finite value" if q <= 1 else "may have no finite value"
            said.append(f"q {sure}, {figures}: the mean over all customers {then}; look at the largest means.")
        if np.ptp(data.paid) == 0:
            said.append(
                f"Every mean rests on {data.paid[0]:,.0f} purchase{'s' * bool(data.paid[0] > 1)}: only the law's shape "
                "tells scatter among customers from scatter within one, and expected_spend leans on it."
            )
        return tuple(said)

    @classmethod
    def starts(cls, h: History) -> list[Self]:
        """The mean of the data with several spreads."""
        mean = float(np.average(cls._spend_of(h), weights=h.weights))
        return [cls(p, q, mean * (q - 1) / p) for p, q in ((4.0, 4.0), (1.0, 2.0), (10.0, 10.0))]

    @classmethod
    def independence(cls, h: History, *, level: float = 0.95) -> Estimate:
        """Correlation of mean value with the number of purchases behind it, which the law takes to be 0.

        Pearson's correlation over customers with repeat purchases, with Fisher's interval; nan where all
        customers have the same number or the same value, or there are fewer than four.

        Examples
        --------
        >>> from custrel.datasets import cdnow_summary
        >>> GammaGamma.independence(cdnow_summary())
        0.1139 (0.05052 to 0.1763, 95 % pearson, n = 946)
        """
        half = ndtri(0.5 + checked_level(level) / 2)
        data = cls.told_by(h)
        n, value, low, high = int(data.customers), np.nan, np.nan, np.nan
        if n >= 4 and np.ptp(data.paid) > 0 and np.ptp(cls._spend_of(data)) > 0:
            c = np.cov(data.paid, cls._spend_of(data) / np.max(cls._spend_of(data)), aweights=data.weights)
            rho = np.clip(c[0, 1] / np.sqrt(c[0, 0] * c[1, 1]), -1 + 1e-15, 1 - 1e-15)
            wide = half / np.sqrt(n - 3)
            value, low, high = (float(np.tanh(np.arctanh(rho) + s * wide)) for s in (0, -1, 1))
        return Estimate(value, low, high, n=n, method="pearson", level=level)


def _log_norm(a: float | Array, b: float | Array) -> Array:
    """Gamma(a + b) / (Gamma(a) Gamma(b)), in logarithms, without the cancellation where one of them is large."""
    more, less = np.maximum(a, b), np.minimum(a, b)
    return np.asarray(log_rising(more, less) - gammaln(less))
