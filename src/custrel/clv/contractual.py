r"""What laws of contracts have in common: when a period ends a customer renews, or leaves for good and says so.

Each customer has a probability :math:`\theta` of their own, spread among customers as Beta(alpha, beta), and survives t
renewals with :math:`(1 - \theta)^{u(t)}`. So a crowd survives with :math:`S(t) = B(\alpha, \beta + u(t)) / B(\alpha,
\beta)`, and a law's file says what u is: t itself in the shifted-beta-geometric law, :math:`t^c` in the beta-discrete-
Weibull law. All else follows from the chance to be still here t periods after a given age.

A customer of age n has renewed n times; T = t means that they left at the end of period t, so S(t) is P(T > t).

References
----------
.. [1] Fader, P. S., & Hardie, B. G. S. (2007). How to Project Customer Retention. Journal of Interactive Marketing
   21(1), 76-90. https://doi.org/10.1002/dir.20074
.. [2] Fader, P. S., & Hardie, B. G. S. (2010). Customer-Base Valuation in a Contractual Setting: The Perils of Ignoring
   Heterogeneity. Marketing Science 29(1), 85-93. https://doi.org/10.1287/mksc.1080.0482
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Self

import numpy as np

from custrel.checked import checked_count, checked_number
from custrel.clv.horizon import FORGOTTEN, discount_per_unit
from custrel.clv.tenures import Tenures, numbers, whole_periods
from custrel.clv.timed import TimedLaw
from custrel.covariates import asked_of
from custrel.errors import ConvergenceError, DomainError
from custrel.fit import Fit, fit_law
from custrel.stats.special import same_for_all

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from custrel.stats.estimate import Array

__all__ = ["ContractLaw", "parts_of"]

LONGEST = 2.0**51  # periods: up to here floats count one by one, and halves too
ROOM = 1 << 18  # numbers held at a time where many nodes meet many customers
NODES = 20  # of a block of whole numbers


@dataclass(frozen=True, eq=False)
class ContractLaw(TimedLaw):
    """A law of contracts that are renewed from period to period; a law's file gives the abstract equations.

    Ages and times are whole periods, numbers or arrays, and broadcast with the parameters. A fitted law knows the
    length of its period; a law made from numbers needs `unit` where something is discounted.

    Parameters
    ----------
    alpha, beta
        Parameters of the beta distribution of leaving at the first renewal.
    unit
        Length of a period: day, week, month, quarter or year; None if it was not said.
    """

    alpha: float | Array
    beta: float | Array

    # -- what a law's file gives --------------------------------------------------------------------------------------

    @property
    @abstractmethod
    def duration_dependence(self) -> float | Array:
        """The exponent c of u(t): above 1 each customer is the likelier to leave the longer they have been here."""

    @abstractmethod
    def log_conditional_survival(self, t: float | Array, age: float | Array) -> Array:
        """Logarithm of S(age + t) / S(age)."""

    @abstractmethod
    def rest(self, age: Array, start: float) -> Array:
        """The sum of S(age + k) / S(age) over all k from a large `start` on; inf where there is none."""

    @classmethod
    @abstractmethod
    def starts(cls, tenures: Tenures) -> list[Self]:
        """Where to start the search; the first is of the scale of the data."""

    # -- who is still here --------------------------------------------------------------------------------------------

    def survival(self, t: int | Array) -> Array:
        """S(t), the share of new customers who renew t times: 1 at t = 0."""
        return self.conditional_survival(t, 0)

    def conditional_survival(self, t: int | Array, age: int | Array) -> Array:
        """S(age + t) / S(age), the probability that a customer of that age is here t periods later: 1 at t = 0."""
        return np.exp(self.log_conditional_survival(whole_periods("t", t), whole_periods("age", age)))

    def retention_rate(self, t: int | Array) -> Array:
        """r(t) = S(t) / S(t - 1), equation (8) of [1]_: of those in their t-th period, the share who renew at its end.

        The rates of a crowd rise with t even where nobody's own chance does: who is likely to leave has left.
        """
        return np.exp(self.log_conditional_survival(1, whole_periods("t", t, least=1) - 1))

    def churn_probability(self, t: int | Array) -> Array:
        """P(T = t), equation (7) of [1]_: the share of new customers who leave at the end of their t-th period."""
        before = whole_periods("t", t, least=1) - 1
        return np.exp(self.log_conditional_survival(before, 0)) * -np.expm1(self.log_conditional_survival(1, before))

    def log_likelihood(self, tenures: Tenures) -> Array:
        """Log-likelihood of a customer of each row: P(T = age) of those who left, S(age) of those still here."""
        renewed = self._renewals(tenures)
        leaves = _log1mexp(-self.log_conditional_survival(1, renewed))
        return np.asarray(self.log_conditional_survival(renewed, 0) + np.where(tenures.ended, leaves, 0.0))

    def _renewals(self, tenures: Tenures) -> Array:
        """How often each row's customers are known to have renewed, by the law's own clock."""
        self.refuse_another_unit(tenures.unit, "the tenures count")
        return tenures.age - tenures.ended

    # -- how long, and what that is worth -----------------------------------------------------------------------------

    def expected_lifetime(self, *, horizon: float = np.inf) -> Array:
        """Expected periods that a new customer pays for, the first included: E(T) where the horizon is infinite.

        E(T) is finite only where alpha c > 1 (c = 1 in the shifted-beta-geometric law); elsewhere so many customers
        hardly ever leave that the mean has no finite value, and the answer is inf. A finite horizon always has one.

        Parameters
        ----------
        horizon
            How many periods are counted.
        """
        return self.sum_of_survival(np.zeros(()), horizon, 0.0)

    def expected_residual_lifetime(self, age: int | Array, *, horizon: float = np.inf) -> Array:
        """Expected renewals still to come from a customer of that age, within a horizon of so many renewals.

        Without a horizon it is finite only where alpha c > 1, else inf, as in `expected_lifetime`.
        """
        return self._residual(whole_periods("age", age), horizon, 0.0)

    def discounted_expected_lifetime(self, *, annual_discount_rate: float, horizon: float = np.inf) -> Array:
        r"""DEL of a new customer [2]_: :math:`\sum_{t \ge 0} S(t) / (1 + d)^t`, d being the rate per period.

        Payments are due at the beginning of each period. The first, at time 0, is certain, counted and not discounted.
        Times a payment it is the value of a customer to be acquired.

        Parameters
        ----------
        annual_discount_rate
            Effective annual rate: 0.10 makes a value in a year worth 1/1.10. It is converted to the law's unit.
        horizon
            How many payments are counted.

        Raises
        ------
        DomainError
            If the law does not know the length of its period.
        """
        return self.sum_of_survival(np.zeros(()), horizon, self._rate(annual_discount_rate))

    def discounted_expected_residual_lifetime(
        self, age: int | Array, *, annual_discount_rate: float, horizon: float = np.inf, due_in: float = 0.0
    ) -> Array:
        r"""DERL, equation (6) of [2]_, of a customer who has renewed `age` times: payments to come, at present value.

        It counts renewals only: :math:`\sum_{k \ge 0} S(n + 1 + k) / S(n) / (1 + d)^k` with n = age. As in the paper
        the customer stands at the end of the period that is paid for, so the next payment is due now: uncertain,
        counted, and not discounted. (The paper's n is age + 1, the number of the period that ends.) With age 0 and
        ``due_in=1`` it is DEL less the first payment.

        Parameters
        ----------
        age
            Renewals made.
        annual_discount_rate
            Effective annual rate, converted to the law's unit.
        horizon
            How many payments are counted.
        due_in
            Periods until the next payment is due: 0 at the moment of renewal, 1 just after a payment.

        Raises
        ------
        DomainError
            If the law does not know the length of its period.
        """
        delta = self._rate(annual_discount_rate)
        wait = np.exp(-delta * checked_number("due_in", due_in))
        return np.asarray(wait * self._residual(whole_periods("age", age), horizon, delta))

    def _rate(self, annual_discount_rate: float) -> float:
        if self.unit is None:
            raise DomainError(
                f"to discount, the length of a period must be known: {type(self).__name__}(..., unit='year') or 'month'"
            )
        return discount_per_unit(annual_discount_rate, self.unit)

    def _residual(self, age: Array, horizon: float, delta: float) -> Array:
        r"""The sum of :math:`e^{-\delta k} S(age + 1 + k) / S(age)`."""

        def to_come(age: Array) -> Array:
            return np.exp(self.log_conditional_survival(1, age)) * self.sum_of_survival(age + 1, horizon, delta)

        return self._for_each_age(to_come, age)

    def _for_each_age(self, quantity: Callable[[Array], Array], age: Array) -> Array:
        """A quantity evaluated once for each distinct age, where it depends on nothing else."""
        if age.ndim != 1 or not same_for_all(*self):
            return quantity(age)
        ages, who = np.unique(age, return_inverse=True)
        return np.asarray(quantity(ages)[..., who])

    def sum_of_survival(self, age: Array, horizon: float, delta: float) -> Array:
        r"""The sum of :math:`e^{-\delta k} S(age + k) / S(age)` over k = 0, 1, ..., horizon - 1."""
        if np.size(self.duration_dependence) > 1:
            return self._sum_for_each(age, horizon, delta)
        c, ends = float(self.duration_dependence), _counted(horizon, delta)
        shape = np.broadcast_shapes(*(np.shape(value) for value in self), age.shape)
        if ends == np.inf and np.all(np.asarray(self.alpha) * c <= 1):
            return np.full(shape, np.inf)
        # Where all terms count: to where nobody is left, or S is all but a power of time.
        reach, gone = 2.0 ** min(1000.0, 40 / min(1.0, c)) if ends == np.inf else ends, self._all_gone(age)
        k, weight = _whole_numbers(min(reach, gone), int(np.ceil(max(3.0, c) / 3)))
        weight = weight * np.exp(-delta * k)
        endless = ends == np.inf and gone > reach
        total, column = self.rest(age, reach) if endless else np.zeros(shape), (-1, *(1,) * len(shape))
        for some in parts_of(k.size, max(1, ROOM // max(1, int(np.prod(shape))))):
            survives = np.exp(self.log_conditional_survival(k[some].reshape(column), age))
            for term in weight[some].reshape(column) * survives:
                total = total + term  # one by one: an answer does not depend on who else is asked for
        return np.asarray(total)

    def _sum_for_each(self, age: Array, horizon: float, delta: float) -> Array:
        """The same for each c by itself, as c decides which terms are taken."""
        rows = np.broadcast_arrays(*self, age)
        each = zip(*(row.ravel() for row in rows), strict=True)
        sums = [type(self)(*map(float, law)).sum_of_survival(np.asarray(old), horizon, delta) for *law, old in each]
        return np.array(sums).reshape(rows[0].shape)

    def _all_gone(self, age: Array) -> float:
        """Periods, 64 or more, after which all terms to come add up to less than exp(-45); inf where they never do."""
        alpha, beta, c = np.asarray(self.alpha), np.asarray(self.beta), float(self.duration_dependence)
        if np.any(alpha * c <= 1) or not age.size:
            return np.inf if age.size else 64.0
        clock = np.logaddexp(np.log(1 + alpha + beta), c * np.log(np.maximum(age, 1)))
        return max(64.0, float(np.ceil(np.exp(min(700.0, float(np.max((60 + alpha * clock) / (alpha * c - 1))))))))

    # -- data ---------------------------------------------------------------------------------------------------------

    def simulate(self, n: int, rng: np.random.Generator, *, watched: float | Array = np.inf) -> Tenures:
        """New customers by the story, exactly: the renewal at the end of period `watched` is the last one seen.

        Parameters
        ----------
        n
            How many customers.
        rng
            Source of randomness.
        watched
            How many periods each of them is watched, a number or ``(n,)``; without it all are until they leave, or
            until period 2**51, since lifetimes may exceed what a float can count.

        Returns
        -------
        Tenures of n rows in the law's unit; year where it has none.
        """
        size = checked_count("n", n)
        theta = rng.beta(self.alpha, self.beta, size)
        with np.errstate(divide="ignore", over="ignore"):
            lasts = (rng.standard_exponential(size) / -np.log1p(-theta)) ** (1 / np.asarray(self.duration_dependence))
        T = np.maximum(1.0, np.ceil(lasts))
        until = np.minimum(_endless_or_whole("watched", watched), LONGEST)
        return Tenures(np.minimum(T, until), until >= T, unit=self.unit or "year")

    @classmethod
    def fit(cls, tenures: Tenures, *, dropout: str | Sequence[str] | None = None) -> Fit[Self]:
        """The parameters with the highest likelihood.

        Parameters
        ----------
        tenures
            The tenures; equal rows are summed first, and open contracts in their first period left out.
        dropout
            Covariates that move how soon customers leave: names of columns that the tenures know, or a formula. The
            model is then a `WithCovariates`, which asks this law of each row.

        Raises
        ------
        ConvergenceError
            If the likelihood has no peak; the message says why.
        """
        telling = _telling(tenures, cls)
        known, moved = asked_of(cls, telling, {"dropout": dropout}, ())
        told = known.distinct()
        starts = [replace(start, unit=told.unit) for start in cls.starts(told)]
        return fit_law(told, starts, _left_out(tenures, told), moved)


def _counted(horizon: float, delta: float) -> float:
    """How many terms of a discounted sum count."""
    if np.ndim(horizon):
        raise DomainError(f"horizon must be one number of periods, or inf, got {horizon!r}")
    return min(float(_endless_or_whole("horizon", horizon)), np.ceil(FORGOTTEN / delta) if delta else np.inf)


def parts_of(size: int, room: int) -> list[slice]:
    """Slices of at most `room` that cover so many rows; one where there is none.

    >>> parts_of(5, 2)
    [slice(0, 2, None), slice(2, 4, None), slice(4, 6, None)]
    """
    return [slice(start, start + room) for start in range(0, max(1, size), room)]


def _endless_or_whole(name: str, given: float | Array) -> Array:
    """Whole periods, or inf."""
    values = numbers(name, given)
    endless = values == np.inf
    return np.where(endless, np.inf, whole_periods(name, np.where(endless, 0, values)))


def _telling(tenures: Tenures, law: type[ContractLaw]) -> Tenures:
    """The rows that tell something, or why there are too few for the law."""
    if not isinstance(tenures, Tenures):
        raise DomainError(
            f"{law.__name__} needs Tenures, as Tenures.from_survivors or Tenures.from_spans make; "
            f"got {type(tenures).__name__}"
        )
    who, k, last = f"{tenures.customers:,.10g} customers", len(law.names()), int(tenures.age.max())
    if tenures.customers <= 1:
        raise DomainError(
            f"{law.__name__}: the customers add up to {tenures.customers:g}; of shares, give the counts or percentages"
        )
    if last == 0:
        raise ConvergenceError(f"{law.__name__}: none of {who} has come to a renewal")
    if not tenures.ended.any():
        raise ConvergenceError(f"{law.__name__}: none of {who} left, so nothing tells when they do")
    if last < k:
        raise ConvergenceError(
            f"{law.__name__}: renewals are seen at {last} age{'s' * (last > 1)}, which cannot tell {k} parameters; "
            f"watch the {who} for {k} {tenures.unit}s or more"
        )
    return tenures.take(tenures.age > 0)


def _left_out(tenures: Tenures, told: Tenures) -> tuple[str, ...]:
    young = tenures.customers - told.customers
    said = f"{young:,.10g} customers in their first {told.unit} tell nothing yet and were left out."
    return (said,) * (young > 0)


def _log1mexp(g: Array) -> Array:
    """log(1 - exp(-g)) for g > 0, small or large."""
    return np.where(g < np.log(2), np.log(-np.expm1(-g)), np.log1p(-np.exp(-np.maximum(g, np.log(2)))))


@lru_cache(maxsize=64)
def _whole_numbers(length: float, narrow: int) -> tuple[Array, Array]:
    """Nodes and weights that sum a smooth curve over the whole numbers 0, 1, ..., length - 1.

    Up to 64 each number is a node. Beyond, blocks as wide as the place where they begin (or that, divided by `narrow`)
    are summed by Gauss's rule for whole numbers, whose orthogonal polynomials are the discrete Chebyshev ones: exact
    for curves that are polynomials of degree 39 within a block.
    """
    edges = [min(length, 64.0)]
    while edges[-1] < length:
        edges.append(min(length, edges[-1] + max(float(NODES), edges[-1] // narrow)))
    starts, widths = np.array(edges[:-1])[:, None], np.diff(edges)[:, None]
    j = np.arange(1.0, NODES)
    beside = j * np.sqrt(np.maximum(1 - (j / widths) ** 2, 0) / (4 * j**2 - 1))
    jacobi = np.zeros((len(widths), NODES, NODES))
    jacobi[:, np.arange(1, NODES), np.arange(NODES - 1)] = beside  # eigh reads the lower half
    places, vectors = np.linalg.eigh(jacobi)
    nodes, weights = starts + (widths - 1 + widths * places) / 2, widths * vectors[:, 0] ** 2
    few = np.arange(edges[0])
    return np.concatenate([few, nodes.ravel()]), np.concatenate([np.ones_like(few), weights.ravel()])
