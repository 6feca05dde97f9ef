r"""Net difference: between which bounds does the difference of two shares, or of two net shares, lie?

With estimates :math:`\hat\theta` of before (1) and after (2), their bounds l and u, and their correlation
:math:`\hat\rho`, which is 0 for other customers:

- *hybrid*: the bounds of both are put together, so that each side of the difference is as wide as the sides that make
  it [1]_; of Wilson's bounds this is Newcombe's tenth method [2]_. Near its level for few observations and for lopsided
  ones, as the bounds are of which it is made.
- *adjusted*: Wald's, after something is added to both: 3/4, 3/2 and 3/4 to promoters, passives and detractors [3]_, 1
  to those in a share and 1 to the others [4]_.
- *wald*: standard errors either side; when all are alike it claims to know. For comparison.

Each p is that of its interval: the interval of level 1 - p ends at 0.

References
----------
.. [1] Zou, G. Y., & Donner, A. (2008). Construction of Confidence Limits about Effect Measures: A General Approach.
   Statistics in Medicine 27(10), 1693-1702. https://doi.org/10.1002/sim.3095
.. [2] Newcombe, R. G. (1998). Interval Estimation for the Difference between Independent Proportions: Comparison of
   Eleven Methods. Statistics in Medicine 17(8), 873-890.
   https://doi.org/10.1002/(SICI)1097-0258(19980430)17:8<873::AID-SIM779>3.0.CO;2-I
.. [3] Rocks, B. (2016). Interval Estimation for the "Net Promoter Score". The American Statistician 70(4), 365-372.
   https://doi.org/10.1080/00031305.2016.1198124
.. [4] Agresti, A., & Caffo, B. (2000). Simple and Effective Confidence Intervals for Proportions and Differences of
   Proportions Result from Adding Two Successes and Two Failures. The American Statistician 54(4), 280-288.
   https://doi.org/10.1080/00031305.2000.10474560
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self, TypeVar

import numpy as np
from scipy.special import ndtr, ndtri

from custrel.stats.net_share import highest_not_rejected, variance_given

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from custrel.stats.estimate import Array

__all__ = ["Difference", "NetShare", "Share", "Side", "adjusted", "adjusted_moments", "hybrid", "together", "wald"]

S = TypeVar("S", bound="Side")
_HALVINGS = 60


class Difference(NamedTuple):
    """Bounds of after less before, and p."""

    low: Array
    high: Array
    p: Array


@dataclass(frozen=True, eq=False)
class Side(ABC):
    """What was found before, or after, in arrays of one shape: how far its bounds lie, what adjusting makes of it."""

    ends: ClassVar[tuple[float, float]]
    """Between which numbers a difference of two such lies."""

    @property
    @abstractmethod
    def value(self) -> Array:
        """The estimate."""

    @abstractmethod
    def below(self, z: float) -> Array:
        """How far down its bound lies, z standard errors away."""

    @abstractmethod
    def above(self, z: float) -> Array:
        """How far up."""

    @abstractmethod
    def z_below(self, x: Array) -> Array:
        """How many standard errors away a bound lies that reaches so far down."""

    @abstractmethod
    def z_above(self, x: Array) -> Array:
        """Up."""

    @abstractmethod
    def adjusted(self) -> tuple[Array, Array]:
        """The estimate and its variance after something was added."""

    def at(self, places: Any) -> Self:
        """Some of them."""
        return type(self)(*(getattr(self, one.name)[places] for one in fields(self)))

    def mixed(self, other: Self, mine: NDArray[np.bool_]) -> Self:
        """Those of mine where I am asked, else the other's."""
        return type(self)(*(np.where(mine, getattr(self, one.name), getattr(other, one.name)) for one in fields(self)))


@dataclass(frozen=True, eq=False)
class NetShare(Side):
    """Shares of one side and of the other among n, which need not be whole; all are known if n is without end.

    >>> NetShare(np.array([0.5]), np.array([0.2]), np.array([100.0])).value
    array([0.3])
    """

    plus: Array
    minus: Array
    n: Array
    ends: ClassVar = (-2.0, 2.0)

    @property
    def value(self) -> Array:
        """The net share."""
        return self.plus - self.minus

    def below(self, z: float) -> Array:
        """Of the score interval."""
        P, N, D = self._counts()
        return np.where(np.isinf(self.n), 0.0, self.value + highest_not_rejected(D, N, P, z))

    def above(self, z: float) -> Array:
        """Of the score interval."""
        return np.where(np.isinf(self.n), 0.0, highest_not_rejected(*self._counts(), z) - self.value)

    def z_below(self, x: Array) -> Array:
        """Of the score interval."""
        return self._z(x, self.value - x)

    def z_above(self, x: Array) -> Array:
        """Of the score interval."""
        return self._z(x, self.value + x)

    def adjusted(self) -> tuple[Array, Array]:
        """With 3/4, 3/2 and 3/4 added."""
        P, N, D = (count + more for count, more in zip(self._counts(), (0.75, 1.5, 0.75), strict=True))
        n, known = P + N + D, np.isinf(self.n)
        value = (P - D) / n
        return np.where(known, self.value, value), np.where(known, 0.0, ((P + D) / n - value**2) / n)

    def _z(self, x: Array, bound: Array) -> Array:
        return _away(x, variance_given(np.clip(bound, -1, 1), *self._counts()) / _some(self.n), np.abs(bound) < 1)

    def _counts(self) -> tuple[Array, Array, Array]:
        n = np.where(np.isinf(self.n), 1.0, np.where(self.n > 0, self.n, np.nan))
        return self.plus * n, np.maximum(1 - self.plus - self.minus, 0) * n, self.minus * n


@dataclass(frozen=True, eq=False)
class Share(Side):
    """A share among n, which need not be whole; it is known if n is without end.

    >>> Share(np.array([0.75]), np.array([60.0])).above(1.959964).round(6)
    array([0.092235])
    """

    share: Array
    n: Array
    ends: ClassVar = (-1.0, 1.0)

    @property
    def value(self) -> Array:
        """The share."""
        return self.share

    def below(self, z: float) -> Array:
        """Of Wilson's interval."""
        return self._reach(z, self.share)

    def above(self, z: float) -> Array:
        """Of Wilson's interval."""
        return self._reach(z, 1 - self.share)

    def z_below(self, x: Array) -> Array:
        """Of Wilson's interval."""
        return self._z(x, self.share - x)

    def z_above(self, x: Array) -> Array:
        """Of Wilson's interval."""
        return self._z(x, self.share + x)

    def adjusted(self) -> tuple[Array, Array]:
        """With one in it and one not in it added."""
        n, known = np.where(np.isinf(self.n), 1.0, self.n) + 2, np.isinf(self.n)
        value = (self.share * (n - 2) + 1) / n
        return np.where(known, self.share, value), np.where(known, 0.0, value * (1 - value) / n)

    def _z(self, x: Array, bound: Array) -> Array:
        return _away(x, bound * (1 - bound) / _some(self.n), np.abs(bound - 0.5) < 0.5)

    def _reach(self, z: float, p: Array) -> Array:
        r""":math:`\frac{z^2 (p - 1/2) + z \sqrt{n p (1 - p) + z^2/4}}{n + z^2}` below p; above it, that of 1 - p"""
        n, known = np.where(np.isinf(self.n), 1.0, self.n), np.isinf(self.n)
        reach = (z**2 * (p - 0.5) + z * np.sqrt(n * p * (1 - p) + z**2 / 4)) / (n + z**2)
        return np.where(known, 0.0, np.maximum(reach, 0))


def _some(n: Array) -> Array:
    """n, where there are any."""
    return np.where(n > 0, n, np.nan)


def _away(x: Array, variance: Array, within: NDArray[np.bool_]) -> Array:
    """So many standard errors; without end where there is no error or nothing so far away."""
    z = np.divide(x, np.sqrt(np.maximum(variance, 0)), out=np.where(x > 0, np.inf, 0.0), where=within & (variance > 0))
    return np.asarray(np.where(np.isnan(x), np.nan, z))


def hybrid(before: S, after: S, *, correlation: Array | float = 0.0, level: float = 0.95) -> Difference:
    r""":math:`\hat\theta_2 - \hat\theta_1 - \sqrt{x^2 + y^2 - 2 \hat\rho x y}`

    where :math:`x = \hat\theta_2 - l_2` and :math:`y = u_1 - \hat\theta_1`; likewise above, with :math:`u_2, l_1`.

    >>> before, after = Share(np.array([48 / 80]), np.array([80.0])), Share(np.array([56 / 70]), np.array([70.0]))
    >>> [bound.round(4).tolist() for bound in hybrid(before, after)]
    [[0.0524], [0.3339], [0.0081]]
    """
    z, value = float(ndtri(0.5 + level / 2)), after.value - before.value
    low = value - together(after.below(z), before.above(z), correlation)
    high = value + together(after.above(z), before.below(z), correlation)
    # Bounds of waves that go together may pass 0 more than once: p then says what the interval says.
    p, left, off = _p(before, after, correlation), 1 - level, (low > 0) | (high < 0)
    return Difference(
        *_within(low, high, before.ends),
        np.where(off, np.minimum(p, left), np.maximum(p, left)) if np.any(correlation) else p,
    )


def _p(before: S, after: S, correlation: Array | float) -> Array:
    """Two tails beyond the z at which the lower bound of the larger less the smaller is 0.

    Its sides x and y lie on an ellipse, as wide as the two are apart; where both are the same z away is searched for.
    """
    falls = after.value < before.value
    larger, smaller = before.mixed(after, falls), after.mixed(before, falls)
    low, high = np.zeros(falls.shape), np.full(falls.shape, np.pi / 2)
    for _ in range(_HALVINGS):
        angle = (low + high) / 2
        apart = (larger.value - smaller.value) / np.sqrt(np.maximum(1 - correlation * np.sin(2 * angle), 1e-300))
        one, other = larger.z_below(apart * np.cos(angle)), smaller.z_above(apart * np.sin(angle))
        low, high = np.where(one > other, angle, low), np.where(one > other, high, angle)
    return np.asarray(2 * ndtr(-np.minimum(one, other)))


def adjusted(before: S, after: S, *, correlation: Array | float = 0.0, level: float = 0.95) -> Difference:
    """Wald's of `adjusted_moments`

    >>> before, after = (NetShare(*np.array([[P], [0.2], [100.0]])) for P in (0.5, 0.6))
    >>> [bound.round(6).tolist() for bound in adjusted(before, after)]
    [[-0.11881], [0.312985], [0.378112]]
    """
    return wald(*adjusted_moments(before, after, correlation=correlation), before.ends, level=level)


def adjusted_moments(before: S, after: S, *, correlation: Array | float = 0.0) -> tuple[Array, Array]:
    """The difference and its standard error after something was added to both.

    >>> before, after = (NetShare(*np.array([[P], [0.2], [100.0]])) for P in (0.5, 0.6))
    >>> [one.round(6).tolist() for one in adjusted_moments(before, after)]
    [[0.097087], [0.110154]]
    """
    (first, of_first), (second, of_second) = before.adjusted(), after.adjusted()
    return second - first, together(np.sqrt(of_first), np.sqrt(of_second), correlation)


def wald(value: Array, standard_error: Array, ends: tuple[float, float], *, level: float = 0.95) -> Difference:
    r""":math:`\hat\Delta \mp z \sigma`

    >>> [bound.round(6).tolist() for bound in wald(np.array([0.1]), np.sqrt([0.0125]), (-2, 2))]
    [[-0.119131], [0.319131], [0.371093]]
    """
    half = ndtri(0.5 + level / 2) * standard_error
    # No error at all: what differs, differs for certain.
    far = np.where(value == 0, 0.0, np.inf)
    away = np.divide(np.abs(value), standard_error, out=far, where=standard_error > 0)
    p = np.where(np.isnan(value + standard_error), np.nan, 2 * ndtr(-away))
    return Difference(*_within(value - half, value + half, ends), p)


def together(x: Array, y: Array, correlation: Array | float) -> Array:
    r""":math:`\sqrt{x^2 + y^2 - 2 \rho x y}`: the error of a difference; of the same twice, 0

    >>> together(np.array([3.0]), np.array([4.0]), 0.0)
    array([5.])
    """
    return np.asarray(np.sqrt(np.maximum((x - y) ** 2 + 2 * (1 - correlation) * x * y, 0)))


def _within(low: Array, high: Array, ends: tuple[float, float]) -> tuple[Array, Array]:
    return np.clip(low, *ends), np.clip(high, *ends)
