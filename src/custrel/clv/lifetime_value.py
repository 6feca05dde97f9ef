"""LifetimeValue: what each customer is worth over a horizon, with the doubt of all that goes into it."""

from __future__ import annotations

from inspect import isabstract
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from custrel import serial
from custrel.checked import checked_count, checked_level, checked_number
from custrel.clv.bgnbd import BGNBD
from custrel.clv.doubt import checked_customers, order_statistics
from custrel.clv.gammagamma import GammaGamma
from custrel.clv.groups import grouped
from custrel.clv.horizon import discount_per_unit, horizon_in
from custrel.clv.law import PurchaseLaw
from custrel.clv.spend import SpendLaw
from custrel.errors import DomainError, NotFittedError, nearest
from custrel.fit import Fit
from custrel.frames import leave
from custrel.stats.draw import SharedNumbers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from custrel.clv.groups import Groups
    from custrel.history import History
    from custrel.stats.estimate import Array

__all__ = ["LifetimeValue"]

SUMS = 1 << 20  # draws x groups held at a time
CELLS = 1 << 17  # draws x customers held at a time: a core's cache holds them


@serial.storable
class LifetimeValue:
    """Expected discounted margin of each customer's purchases to come: a law of purchases times a law of spend.

    Parameters
    ----------
    purchases
        Law of purchases.
    spend
        Law of mean purchase value.

    Attributes
    ----------
    purchases_, spend_
        The two fits, after `fit`.

    Examples
    --------
    >>> from custrel.datasets import cdnow_summary
    >>> h = cdnow_summary()
    >>> ltv = LifetimeValue(purchases=BGNBD, spend=GammaGamma).fit(h)
    >>> table = ltv.predict(h, horizon=39, margin=0.3, annual_discount_rate=0.10, level=0.9)
    >>> list(table.columns)
    ['customer_id', 'p_alive', 'expected_purchases', 'expected_spend', 'clv', 'low', 'high']
    """

    def __init__(self, purchases: type[PurchaseLaw] = BGNBD, spend: type[SpendLaw] = GammaGamma) -> None:
        self.purchases = purchases
        self.spend = spend

    @classmethod
    def of(cls, purchases: Fit[Any], spend: Fit[Any]) -> Self:
        """The estimator of two fits that are there already: laws with covariates come so.

        A fit of `TimeVaryingParetoNBD` is asked about the history of `CovariatePaths.with_scenario`.

        Examples
        --------
        >>> from custrel.datasets import cdnow_summary
        >>> h = cdnow_summary()
        >>> LifetimeValue.of(BGNBD.fit(h), GammaGamma.fit(h))
        LifetimeValue(purchases=BGNBD, spend=GammaGamma)
        """
        for name, fit in (("purchases", purchases), ("spend", spend)):
            if not isinstance(fit, Fit):
                raise DomainError(
                    f"LifetimeValue.of: {name} must be a fit, such as BGNBD.fit(history), got {fit!r:.80}"
                )
        kinds = [type(getattr(fit.model, "law", fit.model)) for fit in (purchases, spend)]
        _check_law("purchases", kinds[0], PurchaseLaw)
        _check_law("spend", kinds[1], SpendLaw)
        made = cls(*kinds)
        made.purchases_, made.spend_ = purchases, spend
        return made

    def get_params(self, deep: bool = True) -> dict[str, Any]:  # noqa: FBT001, FBT002 - scikit-learn's own signature
        """The two laws, as scikit-learn asks for them."""
        del deep
        return {"purchases": self.purchases, "spend": self.spend}

    def set_params(self, **params: Any) -> Self:
        """Set laws by name, as scikit-learn does."""
        for name, value in params.items():
            if name not in self.get_params():
                raise DomainError(f"LifetimeValue has no parameter {name!r}{nearest(name, self.get_params())}")
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        names = (getattr(law, "__name__", repr(law)) for law in (self.purchases, self.spend))
        return "LifetimeValue(purchases={}, spend={})".format(*names)

    def fit(self, h: History, y: None = None) -> Self:
        """Fit both laws.

        Parameters
        ----------
        h
            History with spend.
        y
            Not used.

        Raises
        ------
        ConvergenceError
            If a likelihood has no peak.
        DomainError
            If the history carries no spend.
        """
        del y
        for fit in (getattr(self, "purchases_", None), getattr(self, "spend_", None)):
            if fit is not None and hasattr(fit.model, "designs"):
                raise DomainError(
                    "this LifetimeValue was made of fits with covariates, which fit() would lose: fit the laws again, "
                    "and make a new one with LifetimeValue.of"
                )
        _check_law("purchases", self.purchases, PurchaseLaw)
        _check_law("spend", self.spend, SpendLaw)
        fits = self.purchases.fit(h), self.spend.fit(h)  # both or neither: a failed fit leaves the old ones alone
        self.purchases_: Fit[Any] = fits[0]
        self.spend_: Fit[Any] = fits[1]
        return self

    def predict(
        self,
        h: History,
        *,
        horizon: float | str,
        annual_discount_rate: float = 0.0,
        margin: float = 1.0,
        level: float | None = 0.9,
        draws: int = 1000,
        seed: int = 0,
        by: Any = None,
    ) -> Any:
        """What each customer, or each group of them, is worth from the end of observation to the horizon.

        Parameters
        ----------
        h
            The customers; a customer's figures do not depend on who else is in it.
        horizon
            In the unit of the history, or a duration such as ``"365D"``.
        annual_discount_rate
            Effective annual rate; a purchase is discounted from its own moment, continuously.
        margin
            Share of the purchase value that is earned.
        level
            The share of customers whose realised value should fall between low and high: the interval carries the
            doubt about the parameters, the chance in their purchases and in the value of each. None leaves it out.
        draws, seed
            How many futures each interval is made of, and where they start. All customers share them, so their bounds
            move together with the seed: by about a tenth of themselves with 1,000 draws, a hundredth with 100,000.
        by
            None for a row for each customer. For totals: ``"all"``; or labels, one for each customer in the history's
            order; or several by name, as ``{"channel": ..., "year": ...}``.

        Returns
        -------
        A frame of the caller's library, a row for each customer in the history's order: customer_id, p_alive,
        expected_purchases (within the horizon, not discounted), expected_spend (mean value of a purchase), clv
        (margin x expected_spend x discounted expected purchases), low, high. With `by` a row for each group: its
        label under ``group`` or the names given, n (its customers), and the sums of p_alive (how many are expected to
        be there), expected_purchases and clv, with the bounds of the sum, which are closer than the sums of bounds.
        """
        purchases, spend = self._models()
        checked_number("margin", margin)
        checked_customers(h, asked="LifetimeValue")
        t = horizon_in(h, horizon)
        if np.ndim(t):
            raise DomainError(f"horizon must be one number or duration, got an array of shape {np.shape(t)}")
        expected_spend = spend.expected_spend(h)
        worth = purchases.discounted_expected_purchases(h, t, annual_discount_rate=annual_discount_rate)
        columns = {
            "customer_id": h.customer_id,
            "p_alive": purchases.p_alive(h),
            "expected_purchases": purchases.expected_purchases(h, t),
            "expected_spend": expected_spend,
            "clv": margin * expected_spend * worth,
        }
        groups = None if by is None else grouped(by, len(h))
        if groups is not None:
            _refuse_taken(groups.columns(h.weights), columns)
            sums = {name: groups.sums(h.weights * columns[name]) for name in ("p_alive", "expected_purchases", "clv")}
            columns = {**groups.columns(h.weights), **sums}
        if level is not None:
            ask = float(t), annual_discount_rate, checked_level(level), draws, seed
            low, high = self._bounds(h, *ask) if groups is None else self._bounds_of_groups(h, groups, *ask)
            columns |= {"low": margin * low, "high": margin * high}
        return leave(columns, like=h.like)

    def _models(self) -> tuple[Any, SpendLaw]:
        purchases, spend = self._fits()
        return purchases.model, spend.model

    def _fits(self) -> tuple[Fit[Any], Fit[Any]]:
        if not hasattr(self, "purchases_"):
            raise NotFittedError("LifetimeValue: call fit(history) first")
        return self.purchases_, self.spend_

    def _drawn(self, draws: int, seed: int) -> tuple[Any, Any]:
        seed = checked_count("seed", seed, least=0)
        return self.purchases_.draws(draws, seed=seed), self.spend_.draws(draws, seed=seed + 1)

    def _bounds(self, h: History, t: float, rate: float, level: float, draws: int, seed: int) -> tuple[Array, Array]:
        """Quantiles of the realised value, block by block, so that memory does not grow with customers or horizon."""
        laws, delta = self._drawn(draws, seed), discount_per_unit(rate, h.unit)
        tails = [(1 - level) / 2, (1 + level) / 2]
        numbers = SharedNumbers(draws, seed)
        order = np.argsort(h.x, kind="stable")  # customers of one count share most of the work
        parts = [
            np.quantile(_futures(block, laws, t, delta, numbers.again()), tails, axis=0)
            for block in h.take(order).blocks(max(1, CELLS // draws))
        ]
        bounds = np.empty((2, len(h)))
        bounds[:, order] = np.concatenate([bounds[:, :0], *parts], axis=1)
        return bounds[0], bounds[1]

    def _bounds_of_groups(
        self, h: History, groups: Groups, t: float, rate: float, level: float, draws: int, seed: int
    ) -> tuple[Array, Array]:
        """Quantiles of the realised value of groups, as many of them at a time as have room for their draws."""
        laws, found = self._drawn(draws, seed), np.empty((2, len(groups)))
        for some, rows in groups.parts(max(1, SUMS // draws)):
            sums = _Sums(self.purchases_.model, draws, seed, some.stop - some.start)
            for block, of in _alike_together(h, rows, groups.of[rows] - some.start, max(1, CELLS // draws)):
                sums.add(block, of, laws, t, rate)
            found[:, some] = order_statistics(sums.totals(), level)
        return found[0], found[1]

    def to_dict(self) -> dict[str, Any]:
        """Plain contents of both fits."""
        purchases, spend = self._fits()
        return {"purchases": serial.to_plain(purchases), "spend": serial.to_plain(spend)}

    @classmethod
    def from_dict(cls, contents: dict[str, Any]) -> Self:
        """The fitted estimator that `to_dict` wrote."""
        purchases, spend = (serial.from_plain(contents[name]) for name in ("purchases", "spend"))
        return cls.of(purchases, spend)

    def to_json(self) -> str:
        """JSON text that `custrel.from_json` reads."""
        return serial.to_json(self)


def _futures(h: History, laws: tuple[Any, SpendLaw], t: float, delta: float, numbers: SharedNumbers) -> Array:
    """Realised discounted value of each customer in each draw, ``(draws, customers)``: live the futures, and add up."""
    purchases, spend = laws
    future = purchases.future(h, numbers)
    level, values = spend.future(h, numbers)
    total = np.zeros(level.size)
    for (cells, times), value in zip(future.purchases(t, numbers), values, strict=False):
        total[cells] += value.ravel()[cells // len(h)] * np.exp(-delta * times)
    return total.reshape(level.shape) * level


class _Sums:
    """Realised values of groups in each draw: what the draw expects of a group, times how chance has it.

    Futures of all customers are made of the same random numbers, so each customer's are shuffled before they are
    added up: what one has in a draw says nothing of what another has. The parameters, in which all move together,
    enter by the group's expectation in the draw. A group's numbers are its own, whichever others are asked about.
    """

    def __init__(self, fitted: Any, draws: int, seed: int, groups: int) -> None:
        self.fitted = fitted
        self.numbers = SharedNumbers(draws, seed)
        self.shuffles: dict[int, np.random.Generator] = {}
        self.seed = seed
        self.expected, self.realised = np.zeros((draws, groups)), np.zeros((draws, groups))

    def add(self, h: History, of: NDArray[np.intp], laws: tuple[Any, SpendLaw], t: float, rate: float) -> None:
        """Add some customers, who stand group by group."""
        purchases, spend = laws
        lives = _futures(h, laws, t, discount_per_unit(rate, h.unit), self.numbers.again())
        worth = purchases.expected_purchases(h, t) * spend.expected_spend(h) * self._discount(h, t, rate)
        starts = np.flatnonzero(np.diff(of, prepend=-1))
        for group, start, stop in zip(of[starts], starts, [*starts[1:], of.size], strict=True):
            shuffle = self.shuffles.setdefault(int(group), np.random.default_rng((self.seed, 2)))
            self.realised[:, group] += shuffle.permuted(lives[:, start:stop], axis=0).sum(axis=1)
            self.expected[:, group] += worth[:, start:stop].sum(axis=1)

    def _discount(self, h: History, t: float, rate: float) -> Array:
        """What a purchase is discounted by on average: at the fitted parameters, on which it hardly depends."""
        if rate == 0:
            return np.ones(len(h))
        bought = self.fitted.expected_purchases(h, t)
        worth = self.fitted.discounted_expected_purchases(h, t, annual_discount_rate=rate)
        return np.asarray(worth / np.where(bought > 0, bought, 1.0))

    def totals(self) -> Array:
        """The realised value of each group in each draw."""
        usual = self.realised.mean(axis=0)
        chance = self.realised / np.where(usual > 0, usual, 1.0)
        endless = np.isinf(self.expected)  # a draw in which purchases have no finite mean value
        return np.where(endless, np.inf, np.where(endless, 0.0, self.expected) * chance)


def _alike_together(
    h: History, rows: NDArray[np.intp], of: NDArray[np.intp], size: int
) -> Iterator[tuple[History, NDArray[np.intp]]]:
    """So many customers at a time, by group and then by what they did, however the history has them."""
    if np.any(h.weights != np.rint(h.weights)):
        raise DomainError("n must be whole numbers of customers where their futures are added up")
    many = np.repeat(np.arange(rows.size), h.weights[rows].astype(np.intp))
    rows, of = rows[many], of[many]
    spend = np.zeros(rows.size) if h.spend is None else np.nan_to_num(h.spend[rows], nan=-1.0)
    order = np.lexsort((spend, h.t_x[rows], h.T[rows], h.x[rows], of))
    for start in range(0, order.size, size):
        some = order[start : start + size]
        yield h.take(rows[some]), of[some]


def _refuse_taken(labels: dict[str, Any], columns: dict[str, Any]) -> None:
    for name in labels.keys() & columns.keys():
        raise DomainError(f"by: a column of labels cannot be called {name!r}, as one of the answer is: rename it")


def _check_law(name: str, law: Any, parent: type) -> None:
    if not (isinstance(law, type) and issubclass(law, parent)) or isabstract(law):
        raise DomainError(
            f"LifetimeValue: {name} must be a law such as BGNBD or GammaGamma, the class, got {law!r:.80}: fits, and "
            "laws with covariates that change, come by LifetimeValue.of(fit, fit)"
        )
