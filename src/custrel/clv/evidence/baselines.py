"""Baselines: the forecasts that a manager makes without a law, and that a law has to beat.

Each is a number for each customer, without its doubt: there are no chances of 0, 1, 2, ... purchases to ask for.

References
----------
.. [1] Wübben, M., & von Wangenheim, F. (2008). Instant Customer Base Analysis: Managerial Heuristics Often "Get It
   Right". Journal of Marketing 72(3), 82-93. https://doi.org/10.1509/JMKG.72.3.082
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from custrel.checked import checked_level
from custrel.clv.horizon import horizon_in
from custrel.errors import ConvergenceError, DomainError
from custrel.history import checked_history

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from custrel.history import History
    from custrel.stats.estimate import Array

__all__ = ["MeanOfAll", "RecencyRule", "SameAsBefore"]


@dataclass(frozen=True)
class MeanOfAll:
    """All buy at one rate: that of all together so far.

    Parameters
    ----------
    rate
        Repeat purchases per unit of time.

    Examples
    --------
    Three purchases in 30 weeks.

    >>> from custrel import History
    >>> h = History(x=[3, 0], t_x=[9, 0], T=[20, 10])
    >>> MeanOfAll.fit(h).expected_purchases(h, 5)
    array([0.5, 0.5])
    """

    rate: float

    @classmethod
    def fit(cls, h: History) -> Self:
        """The rate of all together.

        Raises
        ------
        ConvergenceError
            If nobody was watched for any time.
        """
        watched = float(checked_history(h, law=cls.__name__).weights @ h.T)
        if not watched:
            raise ConvergenceError(f"{cls.__name__}: {h.customers:,.0f} customers were watched for no time at all")
        return cls(float(h.weights @ h.x) / watched)

    def expected_purchases(self, h: History, t: float | str | Array) -> Array:
        """The same for all."""
        return np.asarray(np.full(len(h), self.rate) * horizon_in(h, t))


@dataclass(frozen=True)
class RecencyRule:
    """Who has been silent for too long is gone; all others go on buying as often as they did so far.

    Two rules of [1]_ in one: the hiatus, by which managers tell who is still there, and the customer's own mean
    frequency.

    Parameters
    ----------
    patience
        The longest silence of a customer who is still there, in the unit of the histories.

    References
    ----------
    .. [1] Wübben, M., & von Wangenheim, F. (2008). Instant Customer Base Analysis: Managerial Heuristics Often "Get It
       Right". Journal of Marketing 72(3), 82-93. https://doi.org/10.1509/JMKG.72.3.082

    Examples
    --------
    Both bought twice in 20 weeks; the second has been silent for 15 of them.

    >>> from custrel import History
    >>> h = History(x=[2, 2], t_x=[18, 5], T=[20, 20])
    >>> RecencyRule(patience=10.0).expected_purchases(h, 10)
    array([1., 0.])
    """

    patience: float

    @classmethod
    def fit(cls, h: History, *, patience: float | str | None = None, share: float = 0.9) -> Self:
        """The silence that is waited for.

        Parameters
        ----------
        h
            The history.
        patience
            How long, in its unit, or a duration such as ``"180D"``.
        share
            Where no patience is given it is such that this share of the customers who came back take less from one
            purchase to the next, on the average of each.
        """
        checked_history(h, law=cls.__name__)
        if patience is not None:
            return cls(float(horizon_in(h, patience)))
        checked_level(share)
        back = h.x > 0
        if not back.any():
            return cls(np.inf)
        gaps, weights = h.t_x[back] / h.x[back], h.weights[back]
        order = np.argsort(gaps)
        reached = np.searchsorted(np.cumsum(weights[order]), share * weights.sum())
        return cls(float(gaps[order][reached]))

    def expected_purchases(self, h: History, t: float | str | Array) -> Array:
        """At the rate so far, or nothing."""
        rate = np.divide(h.x, h.T, out=np.zeros(len(h)), where=h.T > 0)
        return np.asarray(np.where(h.T - h.t_x <= self.patience, rate, 0.0) * horizon_in(h, t))


@dataclass(frozen=True, eq=False)
class SameAsBefore:
    """Everybody buys as much as in the time just gone: last year's count.

    A customer who came within that time was there for a part of it, and their count covers that part alone.

    Parameters
    ----------
    purchases
        Repeat purchases of each customer in that time, ``(customers,)``.
    span
        How long it was, in the unit of the history.

    Examples
    --------
    >>> from custrel import History
    >>> h = History(x=[3, 0], t_x=[9, 0], T=[20, 10])
    >>> SameAsBefore.fit(h, purchases=[2, 0], span=10).expected_purchases(h, 5)
    array([1., 0.])
    """

    purchases: Array
    span: float

    @classmethod
    def fit(cls, h: History, *, purchases: ArrayLike, span: float) -> Self:
        """What each customer of a history bought in the span before its end; the history alone does not tell.

        Raises
        ------
        DomainError
            If there is not a number for each customer, or the span is not above 0.
        """
        counts = np.asarray(purchases, dtype=np.float64)
        if counts.shape != checked_history(h, law=cls.__name__).x.shape or not span > 0:
            raise DomainError(
                f"{cls.__name__} needs the purchases of each of {len(h):,} customers within a span above 0, "
                f"got shape {counts.shape} and span {span!r}"
            )
        return cls(counts, float(span))

    def expected_purchases(self, h: History, t: float | str | Array) -> Array:
        """The same count, for a time as long."""
        if self.purchases.shape != h.x.shape:
            raise DomainError(
                f"{type(self).__name__} knows {self.purchases.size:,} customers, the history has {len(h):,}: "
                "ask for those it was fitted to"
            )
        return np.asarray(self.purchases * (horizon_in(h, t) / self.span))
