r"""Log-normal spend: each customer has a level of their own, which may rise or fall with how often they buy.

Single purchases of a customer are log-normal and L, their level, is their mean. Levels are log-normal among customers,
and change by the factor `doubling` when the number of purchases N (the first one included) doubles. So the mean that we
saw is drawn towards what is usual among customers who buy as often, the more so the fewer purchases it rests on.

It wants what `GammaGamma` wants: the number of purchases behind each customer's mean and that mean, above 0. Prefer it
where spend moves with frequency, or where the tail of spending asks for it: `independence` tests the first, `prefer`
sets it beside the gamma-gamma law. Customers are compared by counts, so they should have been watched about equally
long. Means of repeat purchases say nothing of those who never came back: what these spend is drawn out from the others
to N = 1. A history with ``spend="all"`` has them in the fit. Larger laws in which spend may go with frequency are those
of [2]_ and [3]_, fitted by simulation.

All is in closed form because the mean z of x purchases is taken to be log-normal, with the mean L and the coefficient
of variation of one purchase divided by :math:`\sqrt x` [1]_. For one purchase that is exact. While `within` is 0.6 or
less, expectations of the lowest, the middle and the highest customers are off by a hundredth or two; at 1 those of the
lowest are a tenth too high, and beyond it a fit warns.

References
----------
.. [1] Fenton, L. F. (1960). The Sum of Log-Normal Probability Distributions in Scatter Transmission Systems. IRE
   Transactions on Communications Systems 8(1), 57-67. https://doi.org/10.1109/TCOM.1960.1097606
.. [2] Borle, S., Singh, S. S., & Jain, D. C. (2008). Customer Lifetime Value Measurement. Management Science 54(1),
   100-112. https://doi.org/10.1287/mnsc.1070.0746
.. [3] Abe, M. (2015). Deriving Customer Lifetime Value from RFM Measures: Insights into Customer Retention and
   Acquisition. Discussion Paper CIRJE-F-962, University of Tokyo.
"""

from __future__ import annotations

import itertools
import warnings
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from scipy.special import chdtrc, ndtri

from custrel.checked import checked_level
from custrel.clv.horizon import whole_numbers
from custrel.clv.spend import SpendLaw
from custrel.errors import AssumptionWarning, ConvergenceError, one_of
from custrel.fit import Fit
from custrel.stats.estimate import Estimate
from custrel.stats.maximise import Hill, maximise
from custrel.stats.moves import Scaled

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from custrel.history import History
    from custrel.stats.draw import SharedNumbers
    from custrel.stats.estimate import Array

__all__ = ["Dependence", "LogNormalSpend"]

_HUGE = 700.0  # exp(709) is still a number
_FINEST = 1e-4  # means that differ by less than a hundredth of a percent are one
_WIDEST = 1.0  # of single purchases: beyond it their mean is far from log-normal


@dataclass(frozen=True, repr=False)
class Dependence(Estimate):
    """How one thing moves with another: an estimate, and the chance of such data if the two were independent.

    Parameters
    ----------
    p
        That chance.

    Examples
    --------
    >>> Dependence(1.2, 1.1, 1.3, n=900, method="wald", level=0.95, p=2e-5)
    1.2 (1.1 to 1.3, 95 % wald, n = 900), p = 2e-05
    """

    p: float

    def __repr__(self) -> str:
        return f"{super().__repr__()}, p = {self.p:.2g}"


@dataclass(frozen=True, eq=False)
class LogNormalSpend(SpendLaw):
    r"""A log-normal law of mean purchase value, whose level may move with the number of purchases.

    Parameters
    ----------
    median
        Level of the middle one of the customers who bought once.
    between
        Standard deviation of the logarithms of the levels of customers who bought equally often.
    within
        Standard deviation of the logarithms of the single purchases of one customer.
    doubling
        Factor by which the level moves when the number of purchases doubles: at 1 spend and frequency are independent.

    Raises
    ------
    DomainError
        If a parameter is not positive and finite.

    References
    ----------
    .. [1] Fenton, L. F. (1960). The Sum of Log-Normal Probability Distributions in Scatter Transmission Systems. IRE
       Transactions on Communications Systems 8(1), 57-67. https://doi.org/10.1109/TCOM.1960.1097606

    Examples
    --------
    By hand: customers whose levels all but agree, at 10 for one purchase, spend 20 % more with each doubling of it.

    >>> from custrel import History
    >>> law = LogNormalSpend(median=10.0, between=1e-4, within=0.5, doubling=1.2)
    >>> law.expected_spend(History(x=[0, 1, 3], t_x=[0, 5, 5], T=[9, 9, 9], spend=[np.nan, 99.0, 99.0])).round(3)
    array([10. , 12. , 14.4])
    """

    median: float | Array
    between: float | Array
    within: float | Array
    doubling: float | Array

    moves = MappingProxyType({"spend": Scaled("median")})
    limits: ClassVar[Mapping[tuple[str, bool], str]] = MappingProxyType(
        {
            ("between", False): " (customers who buy equally often do not differ in their level)",
            ("between", True): " (levels differ beyond measure: look at the largest and the smallest means)",
            ("within", False): " (single purchases of a customer do not scatter)",
            ("within", True): " (single purchases scatter beyond measure: look at the largest and the smallest means)",
        }
    )

    def log_likelihood(self, h: History) -> Array:
        r"""Logarithm of the density of z: :math:`\log z` is normal with the variances of level and mean added up.

        NaN for customers without a mean above 0.
        """
        off, variance, _ = self._residual(h)
        return np.asarray(-np.log(self._seen(h)) - np.log(2 * np.pi * variance) / 2 - off * off / (2 * variance))

    def score(self, h: History) -> Array:
        """Derivatives of `log_likelihood` in median, between, within, doubling."""
        median, between, within, doubling = self
        off, variance, doublings = self._residual(h)
        pull = off / variance
        wider = (pull * pull - 1 / variance) / 2  # derivative in the variance
        noisier = 2 * within / (1 + (h.paid - 1) * np.exp(-within * within))
        return np.stack([pull / median, 2 * between * wider, noisier * (wider - pull / 2), pull * doublings / doubling])

    def _residual(self, h: History) -> tuple[Array, Array, Array]:
        """How far the logarithm of each mean is from what is expected, its variance, and how often N doubled."""
        noise, doublings = self._noise(h.paid), np.log2(h.x + 1)
        usual = np.log(self.doubling) * doublings - noise / 2
        return _log_ratio(self._seen(h), self.median) - usual, self.between * self.between + noise, doublings

    def _noise(self, x: Array) -> Array:
        r"""Variance of the logarithm of a mean of x purchases about its level.

        :math:`\log(1 + (e^{\omega^2} - 1) / x)`, equation of the moments in [1]_; inf where there is no purchase.
        """
        one = np.asarray(self.within) ** 2
        with np.errstate(divide="ignore"):
            # Beyond the largest exponential what is left is one - log x.
            return np.asarray(np.log1p(np.expm1(np.minimum(one, _HUGE)) / x) + np.maximum(one - _HUGE, 0))

    @classmethod
    def _seen(cls, h: History) -> Array:
        """The means that tell something; NaN elsewhere."""
        x, z = cls._known(h)
        return np.where(x > 0, z, np.nan)

    @property
    def population_mean(self) -> float | Array:
        """Mean level of the customers who bought once; where doubling is 1, of all. inf where no float holds it."""
        with np.errstate(over="ignore"):
            mean = self.median * np.exp(np.square(self.between) / 2)
        return mean if np.ndim(mean) else float(mean)

    def log_level(self, h: History) -> tuple[Array, Array]:
        """Mean and variance of the logarithm of each customer's level, which is normal given the history.

        Of customers without a mean above 0 only the number of their purchases is known.
        """
        x, z = self._known(h)
        noise, prior = self._noise(x), np.square(self.between)
        rise = np.log(self.doubling) * np.log2(h.x + 1)
        apart = _log_ratio(np.where(x > 0, z, 1.0), self.median) - rise
        trust, doubt = prior / (prior + noise), prior / (1 + prior / noise)
        # Without a purchase the noise is infinite and the trust 0; half the doubt is trust times half the noise.
        known = np.where(x > 0, trust * apart + doubt / 2, 0.0)
        return np.asarray(np.log(self.median) + rise + known), np.asarray(doubt)

    def expected_spend(self, h: History) -> Array:
        """A customer's expected level, given the mean of what they bought so far and how often they bought.

        Customers without a mean value above 0 get the mean of all who bought as often; inf where no float holds it.

        Examples
        --------
        By hand: with both variances 1 and one purchase of 100 the logarithm of the level has the mean
        (log 10 + log 100 + 1 / 2) / 2 and the variance 1 / 2, so that the level is expected at sqrt(1000) e^(1/2).

        >>> from custrel import History
        >>> law = LogNormalSpend(median=10.0, between=1.0, within=1.0, doubling=1.0)
        >>> law.expected_spend(History(x=[1, 0], t_x=[1, 0], T=[39, 39], spend=[100.0, np.nan])).round(2)
        array([52.14, 16.49])
        """
        mean, doubt = self.log_level(h)
        with np.errstate(over="ignore"):
            return np.exp(mean + doubt / 2)

    def future(self, h: History, numbers: SharedNumbers) -> tuple[Array, Iterator[Array]]:
        """One future of each customer in each draw: a level, and the factors of that level that purchases to come take.

        The level has the shape ``(draws, customers)``; each purchase's factor is a column ``(draws, 1)``.
        """
        mean, doubt = self.log_level(h)
        within = np.asarray(self.within)
        level = np.exp(mean + np.sqrt(doubt) * ndtri(numbers.uniform()))
        factors = (np.exp(within * ndtri(numbers.uniform()) - within**2 / 2) for _ in itertools.count())
        return level, factors

    def simulate(self, purchases: Array, rng: np.random.Generator, *, spend_of: str = "repeat") -> Array:
        """Mean value of that many purchases of new customers, NaN where there are none.

        Parameters
        ----------
        purchases
            How many purchases each mean rests on, as `History.paid` counts them.
        rng
            Source of randomness.
        spend_of
            Whether these are ``"repeat"`` purchases, after a first one, or ``"all"``.

        Examples
        --------
        >>> law = LogNormalSpend(median=30.0, between=0.5, within=0.6, doubling=1.0)
        >>> spend = law.simulate(np.full(200_000, 3.0), np.random.default_rng(1))
        >>> bool(abs(spend.mean() - law.population_mean) < 0.3)  # 30 e^(1/8) = 33.99
        True
        """
        one_of("spend_of", spend_of, ["repeat", "all"])
        x = whole_numbers(purchases)
        rise = np.log(self.doubling) * np.log2(np.maximum(x + (spend_of == "repeat"), 1))
        level = np.log(self.median) + rise + self.between * rng.standard_normal(x.size)
        noise = self._noise(np.maximum(x, 1))
        spend = np.exp(level + np.sqrt(noise) * rng.standard_normal(x.size) - noise / 2)
        return np.where(x > 0, spend, np.nan)

    @classmethod
    def findings(cls, data: History) -> tuple[str, ...]:
        """Nothing; but where all bought equally often, or nothing scatters, there is nothing to learn from."""
        if np.ptp(data.paid) == 0:
            raise ConvergenceError(
                f"{cls.__name__}: every mean rests on {data.paid[0]:,.0f} purchases, so nothing tells scatter among "
                "customers from scatter within one, or how spend moves with frequency"
            )
        if cls._line(data)[-1] < _FINEST:
            raise ConvergenceError(
                f"{cls.__name__}: customers who buy equally often all have the same mean, to a hundredth of a percent: "
                "neither their levels nor their single purchases scatter"
            )
        return ()

    @classmethod
    def remarks(cls, fit: Fit[Any], data: History) -> tuple[str, ...]:
        """How spend moves with frequency, and whether means are log-normal enough."""
        del data
        value, low, high = _doubling(fit, 0.95)
        factor = f"{value:.2f} ({low:.2f} to {high:.2f})"
        told = [f"Customers who buy twice as often spend {factor} times as much on a purchase."]
        within = float(fit.parameters[2])
        if within > _WIDEST:
            told.append(
                f"Single purchases scatter by within = {within:.2f}; beyond {_WIDEST:g} their means are far "
                "from log-normal, and expectations too high for customers of low means, too low for others."
            )
            warnings.warn(told[-1], AssumptionWarning, stacklevel=3)  # at the line that asked for the fit
        return tuple(told)

    @classmethod
    def starts(cls, h: History) -> list[Self]:
        """The line of log spend on log frequency, with the scatter about it shared out in several ways."""
        middle, slope, scatter = cls._line(h)
        shares = ((0.7, 0.9), (0.9, 0.4), (0.4, 1.2))
        return [cls(np.exp(middle), a * scatter, c * scatter, np.exp(slope)) for a, c in shares]

    @classmethod
    def _line(cls, h: History) -> tuple[float, float, float]:
        """Log spend on the number of doublings, by least squares: height at one purchase, slope, scatter."""
        y, weights = np.log(cls._seen(h)), h.weights / h.customers
        doublings = np.log2(h.x + 1)
        apart = doublings - weights @ doublings
        slope = float((weights @ (y * apart)) / (weights @ (apart * apart)))
        height = float(weights @ (y - slope * doublings))
        left = y - height - slope * doublings
        return height, slope, float(np.sqrt(weights @ (left * left)))

    @classmethod
    def independence(cls, h: History, *, level: float = 0.95) -> Dependence:
        """How spend moves with frequency, and the chance of such data if it did not.

        The value is `doubling`, with the interval of the fit's table. The p-value is that of the likelihood ratio test
        against the law whose doubling is 1.

        Examples
        --------
        >>> from custrel.datasets import cdnow_summary
        >>> LogNormalSpend.independence(cdnow_summary())
        1.117 (1.058 to 1.181, 95 % wald, n = 946), p = 5.9e-05
        """
        checked_level(level)
        fit, data = cls.fit(h), cls.told_by(h)
        places = [start.to_log()[:-1] for start in (fit.model, *cls.starts(data))]
        without = maximise(_Independent(fit.model, data), places).value * data.customers
        p = float(chdtrc(1, 2 * max(fit.log_likelihood - without, 0.0)))
        return Dependence(*_doubling(fit, level), n=fit.n, method="wald", level=level, p=p)


def _doubling(fit: Fit[Any], level: float) -> tuple[float, float, float]:
    """The factor of a fit and the bounds of its interval, made on the log scale."""
    wide = ndtri(0.5 + level / 2) * np.sqrt(fit.log_covariance[3, 3])
    value, low, high = (float(fit.parameters[3] * np.exp(s * wide)) for s in (0, -1, 1))
    return value, low, high


class _Independent(Hill):
    """The mean log-likelihood with doubling held at 1, on the log scale of the other parameters."""

    def __init__(self, law: LogNormalSpend, data: History) -> None:
        self.law, self.data = law, data

    def value(self, position: Array) -> float:
        law = self.law.at_log(np.append(position, 0.0))
        return float(self.data.weights @ law.log_likelihood(self.data)) / self.data.customers

    def gradient(self, position: Array) -> Array:
        score = self.law.at_log(np.append(position, 0.0)).score(self.data)[:-1]
        return np.asarray(np.exp(position) * (score @ self.data.weights) / self.data.customers)


def _log_ratio(a: Array, b: float | Array) -> Array:
    """log(a / b), to the last digit where they nearly agree, and where their quotient is no float.

    >>> _log_ratio(np.array([1e308, 1.0]), 1e-4).round(6)  # 312 log 10, 4 log 10
    array([718.406549,   9.21034 ])
    """
    (m, j), (n, k) = np.frexp(a), np.frexp(b)
    return np.asarray(np.log(m / n) + (j - k) * np.log(2))
