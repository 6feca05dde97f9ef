"""What every law of purchases has in common: from a few equations of the paper to all that is asked of a customer.

A law with sums added is a law again: a customer who bought x times within T, and is still there, is a new customer
under the updated law `living(h)`. So each quantity is written once, for a new customer, and the conditional one follows
as P(alive) times it.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace
from functools import wraps
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self

import numpy as np

from custrel.clv.horizon import FORGOTTEN, OF_NEW, asked_of_new, discount_per_unit, horizon_in, whole_numbers
from custrel.clv.timed import TimedLaw
from custrel.covariates import asked_of
from custrel.errors import ConvergenceError, DomainError
from custrel.fit import Fit, fit_law
from custrel.history import checked_history
from custrel.stats.special import same_for_all

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from custrel.clv.story import Future
    from custrel.history import History, PurchaseTimes
    from custrel.stats.draw import SharedNumbers
    from custrel.stats.estimate import Array

__all__ = ["LIMITS_OF_RATES", "Living", "PurchaseLaw", "log_gaps_of"]

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(48)
_LAST = 700.0  # exp(-700) is all but the smallest number there is

LIMITS_OF_RATES: Mapping[tuple[str, bool], str] = MappingProxyType(
    {
        ("r", True): " (customers do not differ in how often they buy)",
        ("r", False): " (a few customers buy nearly all, the others nothing)",
        ("alpha", True): " (their mean rate stays, its spread vanishes)",
        ("alpha", False): " (a few customers buy nearly all, the others nothing)",
    }
)
"""What it means when a parameter of purchase rates that are Gamma(r, alpha) runs to infinity, or to zero."""


class Living(Protocol):
    """What a customer who is still there will do, counted from now: a law of purchases, or a mixture of them."""

    def survival_of_new(self, t: float | Array) -> Array:
        """Probability of not leaving within t."""

    def expected_purchases_of_new(self, t: float | Array) -> Array:
        """Expected purchases within t."""

    def activity_of_new(self, t: float | Array) -> Array:
        """Probability of a purchase within t."""

    def probability_of_new(self, n: int | Array, t: float | Array) -> Array:
        """Probability of n purchases within t."""

    def probability_later_of_new(self, n: int | Array, t: float | Array, since: Array) -> Array:
        """Probability of being still there at `since`, and of n purchases within t after it."""

    def discounted_purchases_of_new(self, t: Array, delta: float) -> Array:
        """Expected purchases within t, discounted at the continuous rate delta."""


@dataclass(frozen=True, eq=False)
class PurchaseLaw(TimedLaw):
    """A law of repeat purchases in continuous time; a law's file gives the abstract equations.

    Wherever a history `h` is taken, the answer has the shape ``(customers,)``, or ``(draws, customers)`` where the
    parameters are draws. A fitted law knows the unit of its times and refuses a history in another one; a law made from
    numbers takes the unit of any history for its own.
    """

    needs_log_gaps: ClassVar[bool] = False
    """Whether the times between purchases tell the law more than their number and the last one do."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name in _OF_A_HISTORY & vars(cls).keys():
            setattr(cls, name, _in_one_unit(vars(cls)[name]))
        for name in OF_NEW & vars(cls).keys():
            setattr(cls, name, asked_of_new(vars(cls)[name]))

    @abstractmethod
    def log_likelihood(self, h: History) -> Array:
        """Log-likelihood of each row of the history."""

    @abstractmethod
    def p_alive_now(self, h: History) -> Array:
        """Probability that the customer has not left by T."""

    @abstractmethod
    def living(self, h: History) -> Living:
        """The law of a customer who is still there at T, given what they did so far."""

    @abstractmethod
    def survival_of_new(self, t: float | Array) -> Array:
        """Probability that a new customer has not left within t of the first purchase."""

    @abstractmethod
    def mean_purchase_rate(self, h: History) -> Array:
        """Posterior mean of the customer's rate of purchases while there."""

    @abstractmethod
    def mean_dropout(self, h: History) -> Array:
        """Posterior mean of what makes the customer leave: a rate, or a probability at each chance."""

    @property
    @abstractmethod
    def time_scale(self) -> float | Array:
        """The time on whose scale the law's curves bend."""

    @abstractmethod
    def expected_purchases_of_new(self, t: float | Array) -> Array:
        """Expected purchases of a new customer within t of the first one (which does not count)."""

    @abstractmethod
    def probability_of_new(self, n: int | Array, t: float | Array) -> Array:
        """Probability that a new customer makes n purchases within t of the first one."""

    @abstractmethod
    def probability_later_of_new(self, n: int | Array, t: float | Array, since: Array) -> Array:
        """Probability that a new customer is still there at `since`, and makes n purchases within t after it."""

    @abstractmethod
    def future(self, h: History, numbers: SharedNumbers) -> Future:
        """One future of each customer in each draw, given the history."""

    @abstractmethod
    def simulate(self, T: Array, rng: np.random.Generator, *, unit: str | None = None) -> PurchaseTimes:
        """New customers, one for each T."""

    @classmethod
    @abstractmethod
    def starts(cls, h: History) -> list[Self]:
        """Where to start the search; the first is of the scale of the data."""

    @classmethod
    def fit(
        cls,
        h: History,
        *,
        purchase: str | Sequence[str] | None = None,
        dropout: str | Sequence[str] | None = None,
        shared: str | Sequence[str] = (),
    ) -> Fit[Self]:
        """The parameters with the highest likelihood.

        Parameters
        ----------
        h
            The history; equal rows are summed first.
        purchase, dropout
            Covariates that move how often customers buy, and how soon they leave: names of columns that the history
            knows (`History.with_covariates`), or a formula such as ``"age + C(region)"``. The model is then a
            `WithCovariates`, which asks this law of each customer.
        shared
            Covariates whose effect is to be the same on both.

        Raises
        ------
        ConvergenceError
            If the likelihood has no peak; the message says why.
        DomainError
            If a covariate is unknown, missing for some customers, the same for all, or a combination of others.
        """
        columns = {"purchase": purchase, "dropout": dropout}
        known, moved = asked_of(cls, checked_history(h, law=cls.__name__), columns, shared)
        data = cls._told_by(known)
        return fit_law(data, [replace(start, unit=data.unit) for start in cls.starts(data)], moved=moved)

    @classmethod
    def _told_by(cls, told: History) -> History:
        """What the history tells this law, equal rows summed."""
        data = (told if cls.needs_log_gaps else replace(told, log_gaps=None)).distinct()
        if not np.any(data.x > 0):
            nobody = f"none of {told.customers:,.0f} customers bought twice"
            raise ConvergenceError(f"{cls.__name__}: {nobody}, so nothing tells how often they buy or when they leave")
        return data

    def p_alive(self, h: History, t: float | str | Array = 0.0) -> Array:
        """Probability that the customer has not left by T, or by a time t after T.

        Parameters
        ----------
        h
            The history.
        t
            How long after T, in the unit of the history, or a duration such as ``"365D"``.
        """
        t = horizon_in(h, t)
        now = self.p_alive_now(h)
        if np.ndim(t) == 0 and t == 0:
            return now
        return np.asarray(now * self._of_the_living(h, lambda law: law.survival_of_new(t), t))

    def p_active(self, h: History, t: float | str | Array) -> Array:
        """Probability of at least one purchase within t after T.

        Unlike P(alive) this separates customers who bought once: some laws give them all P(alive) = 1.
        """
        t = horizon_in(h, t)
        return self.p_alive_now(h) * self._of_the_living(h, lambda law: law.activity_of_new(t), t)

    def activity_of_new(self, t: float | Array) -> Array:
        """Probability that a new customer makes a purchase within t of the first one."""
        return 1 - self.probability_of_new(0, t)

    def expected_purchases(self, h: History, t: float | str | Array) -> Array:
        """Expected purchases within t after T, given the history: P(alive) times those of the living.

        Parameters
        ----------
        h
            The history.
        t
            Horizon in the unit of the history, or a duration such as ``"365D"``; inf asks for all purchases to come,
            whose expectation is inf where those who hardly ever leave outweigh all others.
        """
        t = horizon_in(h, t, endless=True)
        return _if_alive(self.p_alive_now(h), self._of_the_living(h, lambda law: law.expected_purchases_of_new(t), t))

    def _of_the_living(self, h: History, quantity: Callable[[Living], Array], *asked: float | Array) -> Array:
        """A quantity of `living(h)`, evaluated once for all customers whose `living` is the same."""
        if not same_for_all(*self, *asked):
            return quantity(self.living(h))
        alike, rows = self.alike(h)
        return np.asarray(quantity(self.living(alike))[..., rows])

    def alike_here(self, h: History) -> tuple[History, NDArray[np.intp]]:
        """The same, a row for each customer where customers have parameters of their own."""
        return self.alike(h) if same_for_all(*self) else (h, np.arange(len(h)))

    def alike(self, h: History) -> tuple[History, NDArray[np.intp]]:
        """A row for all customers whose `living` is the same, and each one's row: x and T alone decide it."""
        return replace(h, t_x=np.where(h.x > 0, h.T, 0.0), log_gaps=None, covariates={}).collapse()

    def probability(
        self, n: int | Array, h: History, t: float | str | Array, *, since: float | str | Array = 0.0
    ) -> Array:
        """Probability of exactly n purchases within t after T, given the history.

        Parameters
        ----------
        n
            Number of purchases.
        h
            The history.
        t
            Length of the interval in the unit of the history, or a duration such as ``"365D"``.
        since
            When the interval begins, after T.
        """
        alive, n, t, since = self.p_alive_now(h), whole_numbers(n), horizon_in(h, t), horizon_in(h, since)
        if np.ndim(since) == 0 and since == 0:
            now = self._of_the_living(h, lambda law: law.probability_of_new(n, t), n, t)
            return np.asarray(alive * now + (1 - alive) * (n == 0))
        later = self._of_the_living(h, lambda law: law.probability_later_of_new(n, t, np.asarray(since)), n, t, since)
        stays = self._of_the_living(h, lambda law: law.survival_of_new(since), since)
        return np.asarray(alive * later + (1 - alive * stays) * (n == 0))

    def discounted_expected_purchases(
        self, h: History, t: float | str | Array, *, annual_discount_rate: float
    ) -> Array:
        r"""Expected purchases within t after T, each worth :math:`e^{-\delta s}` at time s.

        Integration by parts, :math:`e^{-\delta t} E(t) + \delta \int_0^t e^{-\delta s} E(s)\, ds`, needs no more than
        the expectation E; on a logarithmic scale of time the integrand is smooth. At rate 0 it is `expected_purchases`.

        Parameters
        ----------
        h
            The history.
        t
            Horizon in the unit of the history, or a duration such as ``"365D"``; inf for all purchases to come (DERT,
            the discounted expected residual transactions of Fader, Hardie & Lee 2005).
        annual_discount_rate
            Effective annual rate: 0.10 makes a value in a year worth 1/1.10.
        """
        delta = discount_per_unit(annual_discount_rate, h.unit)
        t = np.asarray(horizon_in(h, t, endless=True), dtype=float)
        living = self._of_the_living(h, lambda law: law.discounted_purchases_of_new(t, delta), t)
        return _if_alive(self.p_alive_now(h), living)

    def discounted_purchases_of_new(self, t: Array, delta: float) -> Array:
        """Expected purchases of a new customer within t of the first one, discounted at the continuous rate delta."""
        if delta == 0:
            return self.expected_purchases_of_new(t)
        last = np.minimum(t, _LAST / delta)
        total = np.exp(-delta * last) * self.expected_purchases_of_new(last)
        scale = np.asarray(self.time_scale)
        widest = np.log1p(np.minimum(t, FORGOTTEN / delta) / scale)
        for node, weight in zip((_NODES + 1) / 2, _WEIGHTS / 2, strict=True):
            s = scale * np.expm1(node * widest)
            share = weight * widest * delta * (s + scale) * np.exp(-delta * s)
            total = total + share * self.expected_purchases_of_new(s)
        return np.asarray(total)


def _if_alive(alive: Array, living: Array) -> Array:
    """What is expected of the living, times P(alive); inf stays inf where that is too small for a float."""
    endless = np.isinf(living)
    return np.where(endless, np.inf, alive * np.where(endless, 0.0, living))


def log_gaps_of(h: History, law: str) -> Array:
    """The sum of the logarithms of the times between purchases, without which a law of regular purchases is blind."""
    if h.log_gaps is None:
        raise DomainError(
            f"{law} needs the sum of the logarithms of the times between purchases, which this history does not carry: "
            "make it with log.history(..., log_gaps=True)"
        )
    return h.log_gaps


_OF_A_HISTORY = {"log_likelihood", "score", "p_alive_now", "living", "mean_purchase_rate", "mean_dropout", "future"}
"""The equations of a law's file that read a history; all others ask these."""


def _in_one_unit(equation: Callable[..., Any]) -> Callable[..., Any]:
    """The same equation, which refuses a history whose unit of time is not the law's."""

    @wraps(equation)
    def checked(self: PurchaseLaw, h: History, *others: Any) -> Any:
        self.refuse_another_unit(h.unit, "the history counts")
        return equation(self, h, *others)

    return checked
