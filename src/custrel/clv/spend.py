"""What laws of spend have in common: from the mean value of a customer's purchases so far to what one more is worth.

Customers without a mean above 0 tell nothing of value: they are left out of a fit, and get what the law says of those
of whom it knows no value.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from custrel.covariates import asked_of
from custrel.errors import ConvergenceError, DomainError
from custrel.fit import Fit, fit_law
from custrel.history import checked_history
from custrel.stats.family import Family

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from custrel.history import History
    from custrel.stats.draw import SharedNumbers
    from custrel.stats.estimate import Array

__all__ = ["SpendLaw"]


@dataclass(frozen=True, eq=False)
class SpendLaw(Family, ABC):
    """A law of the mean value of purchases; a law's file gives the abstract equations.

    Wherever a history `h` is taken, the answer has the shape ``(customers,)``, or ``(draws, customers)`` where the
    parameters are draws.
    """

    @abstractmethod
    def log_likelihood(self, h: History) -> Array:
        """Logarithm of the density of each row's mean value, given the number of purchases behind it."""

    @abstractmethod
    def score(self, h: History) -> Array:
        """Derivative of the log-likelihood in each parameter, ``(parameters, rows)``."""

    @property
    @abstractmethod
    def population_mean(self) -> float | Array:
        """Mean value of a purchase of a new customer, of whom no value is known."""

    @abstractmethod
    def expected_spend(self, h: History) -> Array:
        """A customer's expected mean value, given the mean of what they bought so far."""

    @abstractmethod
    def future(self, h: History, numbers: SharedNumbers) -> tuple[Array, Iterator[Array]]:
        """One future of each customer in each draw: a level, and the factors of that level that purchases to come take.

        The level has the shape ``(draws, customers)``; each purchase's factor is a column ``(draws, 1)``.
        """

    @abstractmethod
    def simulate(self, purchases: Array, rng: np.random.Generator) -> Array:
        """Mean value of that many purchases of new customers, NaN where there are none."""

    @classmethod
    @abstractmethod
    def starts(cls, h: History) -> list[Self]:
        """Where to start the search; the first is of the scale of the data."""

    @classmethod
    def findings(cls, data: History) -> tuple[str, ...]:
        """What the data that are fitted say against the law, in sentences; refuses those that no fit can come of."""
        del data
        return ()

    @classmethod
    def fit(cls, h: History, *, spend: str | Sequence[str] | None = None) -> Fit[Self]:
        """The parameters with the highest likelihood, from the customers who have a mean value above 0.

        How many were left out, and what else the law found in the data, stands in the fit's diagnosis.

        Parameters
        ----------
        h
            History with spend.
        spend
            Covariates that move how much customers spend: names of columns that the history knows
            (`History.with_covariates`), or a formula. The model is then a `WithCovariates`.

        Raises
        ------
        DomainError
            If the history carries no spend.
        ConvergenceError
            If the likelihood has no peak; the message says why.

        Warns
        -----
        AssumptionWarning
            If the data speak against what the law takes for granted.
        """
        data = cls.told_by(checked_history(h, law=cls.__name__))
        if not len(data):
            raise ConvergenceError(
                f"{cls.__name__}: none of {h.customers:,.0f} customers has a mean value above 0 to learn from"
            )
        found = cls.findings(data)
        data, moved = asked_of(cls, data, {"spend": spend}, ())
        fit = fit_law(data, cls.starts(data), (_left_out(h, data), *found), moved)
        return fit.remarked(*cls.remarks(fit, data))

    @classmethod
    def remarks(cls, fit: Fit[Any], data: History) -> tuple[str, ...]:
        """What is to be said of the parameters that were found, in sentences."""
        del fit, data
        return ()

    @classmethod
    def told_by(cls, h: History) -> History:
        """The customers who tell a law of spend something: those with a mean value above 0."""
        return h.take(cls._known(h)[0] > 0)

    @classmethod
    def _spend_of(cls, h: History) -> Array:
        if h.spend is None:
            raise DomainError(
                f"{cls.__name__} needs each customer's mean spend; this history has none "
                "(map the column 'amount' in the log)"
            )
        return h.spend

    @classmethod
    def _known(cls, h: History) -> tuple[Array, Array]:
        """Purchases and their mean value where that is above 0; elsewhere none and 0, which tell nothing of value."""
        z = np.nan_to_num(cls._spend_of(h))
        tells = (h.paid > 0) & (z > 0)
        return np.where(tells, h.paid, 0.0), np.where(tells, z, 0.0)


def _left_out(h: History, data: History) -> str:
    out = h.customers - data.customers
    return f"Fitted to {data.customers:,.0f} customers; {out:,.0f} without a mean value above 0 were left out."
