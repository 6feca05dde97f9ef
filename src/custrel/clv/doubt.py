"""Doubt: how far may what a law expects be off, as the data leave its parameters open? Per customer, and in total.

Each draw of the parameters is a law that the data allow; what it answers is an answer that they allow. In one draw all
customers move together: if the truth has them buy more often than the fit says, all do. So the bounds of a total come
from the total in each draw. They are a little closer than the sums of the customers' bounds, and much wider than if
each customer were off by chance, one this way and another that way.

This is doubt about what is *expected*. What customers *will* do scatters around it: that is asked of `forecast`.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from custrel.checked import checked_count, checked_level
from custrel.clv.groups import grouped
from custrel.clv.tenures import Tenures
from custrel.errors import DomainError, nearest, one_of
from custrel.fit import Fit
from custrel.frames import leave
from custrel.history import History, checked_history
from custrel.posterior import Posterior

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from numpy.typing import NDArray

    from custrel.clv.groups import Groups
    from custrel.stats.estimate import Array

__all__ = [
    "CELLS",
    "Drawn",
    "checked_customers",
    "drawn_from",
    "kind_of",
    "order_statistics",
    "predict",
    "refuse_shared_rows",
    "shared_rows",
]

CELLS = 1 << 17  # draws x customers held at a time: a core's cache holds them
SUMS = 1 << 21  # draws x groups held at a time
_NOT_A_FIGURE = {
    *("alike", "future", "living", "log_conditional_survival", "log_level", "log_likelihood", "p_alive_now", "rest"),
    *("score", "sum_of_survival"),
}


@dataclass(frozen=True, eq=False)
class Drawn:
    """Draws of a law's parameters, and the law as it was fitted, where they come from a fit.

    Parameters
    ----------
    law
        The law; its parameters have the shape ``(draws, 1)``.
    fitted
        The law with numbers for parameters, or None.
    draws
        How many draws.
    """

    law: Any
    fitted: Any
    draws: int

    def answers(self, question: Callable[[Any], Array], rows: int) -> tuple[Array, Array]:
        """What is expected of so many rows, and that in each draw, ``(draws, rows)``; a posterior expects the mean."""
        each = np.broadcast_to(question(self.law), (self.draws, rows))
        return (each.mean(axis=0) if self.fitted is None else np.broadcast_to(question(self.fitted), rows)), each


def drawn_from(fit: Any, draws: int, seed: int, *, asked: str) -> Drawn:
    """Draws of a fit by Laplace's approximation, or those of a posterior, which has its own.

    >>> drawn_from("BGNBD", 100, 0, asked="predict")
    Traceback (most recent call last):
    custrel.errors.DomainError: predict needs a Fit, as a law's fit makes, or a Posterior of one, got 'BGNBD'
    """
    if isinstance(fit, Posterior):
        return Drawn(fit.model, None, fit.draws)
    if not isinstance(fit, Fit):
        raise DomainError(f"{asked} needs a Fit, as a law's fit makes, or a Posterior of one, got {fit!r:.80}")
    count = checked_count("draws", draws, least=2)
    return Drawn(fit.draws(count, seed=checked_count("seed", seed, least=0)), fit.model, count)


@dataclass(frozen=True, eq=False)
class _Question:
    """A method of a law, and what it is asked beside the customers, some of it for each of them."""

    method: str
    place: str
    given: Mapping[str, Any]
    own: Mapping[str, NDArray[Any]]

    def take(self, rows: Any) -> _Question:
        """The same of some customers."""
        return replace(self, own={name: values[rows] for name, values in self.own.items()})

    def of(self, h: Any) -> Callable[[Any], Array]:
        """What a law answers of these customers."""
        asked = {self.place: h.age if self.place == "age" else h, **self.given, **self.own}
        told = self.place == "age"  # ages do not carry covariates to a law that wants them; a history does
        return lambda law: np.asarray(getattr(law.of(h) if told and hasattr(law, "law") else law, self.method)(**asked))


def predict(
    fit: Any,
    quantity: str,
    h: Any,
    *asked: Any,
    level: float = 0.9,
    draws: int = 1000,
    seed: int = 0,
    by: Any = None,
    **named: Any,
) -> Any:
    """What a law expects of each customer, or of groups of them in total, and how far that may be off.

    The interval is of the doubt about the parameters alone: of what is expected, not of what will happen.

    Parameters
    ----------
    fit
        A `Fit`, whose parameters are drawn by Laplace's approximation, or a `Posterior`, whose own draws are taken.
    quantity
        The law's method by name: ``"p_alive"``, ``"p_active"``, ``"expected_purchases"``, ``"probability"``,
        ``"discounted_expected_purchases"``, ``"mean_purchase_rate"``, ``"mean_dropout"`` and others of laws of
        purchases; ``"expected_spend"`` of laws of spend; ``"conditional_survival"``, ``"expected_residual_lifetime"``
        and others of laws of contracts.
    h
        The history; of laws of contracts the `Tenures` of contracts that are open, whose ages are asked.
    *asked, **named
        What else the method is asked, the history left out: a horizon, a number of purchases, a discount rate. Each
        may be one, or an array of one for each customer.
    level
        The share of the draws between low and high, as many below as above.
    draws, seed
        How many draws, and where they start. A `Posterior` has its own.
    by
        None for a row for each customer. For totals: ``"all"``; or labels, one for each customer in the history's
        order; or several by name, as ``{"channel": ..., "year": ...}``. Totals of probabilities are expected numbers
        of customers, such as those alive; divided by n a total and its bounds are a mean and its bounds.

    Returns
    -------
    Frame of the history's library, a row for each customer: customer_id (of tenures age and n), value, low, high; or
    for each group: its label under ``group`` or the names given, n (its customers), value, low, high. The value is that
    at the fitted parameters, of a posterior the mean over its draws.

    Raises
    ------
    DomainError
        If the law has no such method, something is asked that it does not take, or the labels do not fit.

    Notes
    -----
    Customers with equal histories are asked about once. Memory does not grow with customers, draws x groups are held
    for so many groups at a time.

    Examples
    --------
    >>> from custrel import clv
    >>> from custrel.datasets import cdnow_summary
    >>> h = cdnow_summary()
    >>> fit = clv.BGNBD.fit(h)
    >>> predict(fit, "expected_purchases", h.take([0, 2]), 39).round(2)
      customer_id  value   low  high
    0       00004   1.23  1.16  1.31
    1       00021   0.20  0.17  0.24
    >>> predict(fit, "expected_purchases", h, 39, by="all").round(0)
      group     n   value     low    high
    0   all  2357  1653.0  1529.0  1784.0
    """
    level = checked_level(level)
    drawn = drawn_from(fit, draws, seed, asked="predict")
    question = _question(drawn.law, quantity, h, asked, named)
    if by is None:
        refuse_shared_rows(h)
        value, low, high = _of_each(drawn, question, h, level)
        return leave({**_who(h), "value": value, "low": low, "high": high}, like=h.like)
    groups = grouped(by, len(h))
    value, low, high = _of_groups(drawn, question, h, groups, level)
    return leave(groups.columns(h.weights) | {"value": value, "low": low, "high": high}, like=h.like)


def _who(h: Any) -> dict[str, NDArray[Any]]:
    return {"age": h.age, "n": h.weights} if isinstance(h, Tenures) else {"customer_id": h.customer_id}


def refuse_shared_rows(h: Any) -> None:
    """Refuse rows that stand for several customers where each is asked about."""
    if isinstance(h, History) and np.any(h.weights != 1):
        raise DomainError(
            f"this history has {h.customers:,.0f} customers in {len(h):,} distinct rows, so nobody can be told apart: "
            "give the history from before distinct(), or ask for totals with by="
        )


def _question(law: Any, quantity: Any, h: Any, asked: tuple[Any, ...], named: Mapping[str, Any]) -> _Question:
    """What is asked, under the names of the method's own parameters, or what is wrong with it."""
    place, kind = _place(h), kind_of(law)
    one_of(f"quantity, a method of {kind.__name__},", quantity, _quantities(kind, place))
    wanted = dict(list(inspect.signature(getattr(kind, quantity)).parameters.items())[1:])
    free = [name for name, one in wanted.items() if name != place and one.kind is not one.KEYWORD_ONLY]
    if len(asked) > len(free):
        raise DomainError(
            f"{quantity} takes {', '.join(free) or 'nothing'} beside the customers, got {len(asked)} more"
        )
    given = dict(zip(free, asked, strict=False))
    for name in named:
        if name in given or name == place:
            raise DomainError(f"{quantity} was given {name} twice")
        if name not in wanted:
            raise DomainError(f"{quantity} takes no {name!r}{nearest(name, wanted)}")
    given |= named
    missing = [name for name, one in wanted.items() if one.default is one.empty and name not in {place, *given}]
    if missing:
        raise DomainError(f"{quantity} must be asked with {' and '.join(missing)}")
    own = {name: np.asarray(value) for name, value in given.items() if np.ndim(value)}
    for name, values in own.items():
        if values.shape != (len(h),):
            raise DomainError(
                f"{quantity}: {name} must be one, or one for each of {len(h):,} customers, got shape {values.shape}"
            )
    return _Question(quantity, place, {name: value for name, value in given.items() if name not in own}, own)


def _place(h: Any) -> str:
    """The name under which methods take the customers."""
    _refuse_bare_paths(h, "predict")
    if isinstance(h, History):
        return "h"
    if not isinstance(h, Tenures):
        raise DomainError(
            f"predict needs a History, as log.history(until=...) makes, or Tenures of contracts; got {type(h).__name__}"
        )
    if left := int(h.ended.sum()):
        raise DomainError(
            f"{left:,} of {len(h):,} rows are of contracts that ended, of which nothing is expected: "
            "take(~tenures.ended) leaves the open ones"
        )
    return "age"


def checked_customers(h: Any, *, asked: str) -> History:
    """The history that a law is asked about; paths of covariates must say what is to come.

    >>> from custrel.clv import CovariatePaths
    >>> from custrel.history import PurchaseTimes
    >>> times = PurchaseTimes(customer=np.array([0]), time=np.array([2.5]), T=np.array([4.0]))
    >>> paths = CovariatePaths.along(times, customer=[0], start=[0], covariates={"sale": [0]})
    >>> checked_customers(paths, asked="forecast")
    Traceback (most recent call last):
    custrel.errors.DomainError: forecast must know what is to come of these covariates: give paths.with_scenario(...)
    """
    _refuse_bare_paths(h, asked)
    return checked_history(h, law=asked)


def _refuse_bare_paths(h: Any, asked: str) -> None:
    if hasattr(h, "with_scenario"):
        raise DomainError(f"{asked} must know what is to come of these covariates: give paths.with_scenario(...)")


def kind_of(law: Any) -> type:
    """The class whose methods a law answers with: of one with covariates that of the law which they move."""
    return type(law) if hasattr(type(law), "expected_purchases") else type(getattr(law, "law", law))


def _quantities(kind: type, place: str) -> list[str]:
    """The methods of a law that give a figure of each customer."""
    names = [name for name in dir(kind) if not name.startswith("_") and name not in _NOT_A_FIGURE]
    methods = {name: getattr(kind, name) for name in names}
    return [
        name for name, one in methods.items() if inspect.isfunction(one) and place in inspect.signature(one).parameters
    ]


def shared_rows(law: Any, h: Any) -> tuple[Any, NDArray[np.intp]]:
    """A row for all customers of whom a law of purchases says the same, and each one's row.

    Rows that differ in the time of the last purchase alone stand together: of the living, the law says the same there.

    >>> from custrel.clv import NBD
    >>> h = History(x=[2, 0, 2, 2], t_x=[3, 0, 3, 1], T=[4, 4, 4, 4])
    >>> shared_rows(NBD(1.0, 4.0), h)[1]
    array([2, 0, 2, 1])
    """
    told = h if getattr(kind_of(law), "needs_log_gaps", False) else replace(h, log_gaps=None)
    shared, place = told.collapse()
    order = np.lexsort((shared.t_x, shared.T, shared.x))
    back = np.empty_like(order)
    back[order] = np.arange(order.size)
    return shared.take(order), back[place]


def _shared(law: Any, question: _Question, h: Any) -> tuple[Any, NDArray[np.intp]]:
    if question.own or not hasattr(kind_of(law), "expected_purchases"):  # spend and tenures are cheap to ask row by row
        return h, np.arange(len(h))
    return shared_rows(law, h)


def order_statistics(values: Array, level: float) -> tuple[Array, Array]:
    """The draws between which such a share of them lies, along the first axis.

    Unlike interpolated quantiles they have a value too where some draws are infinite.

    >>> order_statistics(np.array([[3.0], [1.0], [np.inf], [2.0]]), 0.5)
    (array([1.]), array([3.]))
    """
    tails = (1 - level) / 2, (1 + level) / 2
    ranks = [max(0, int(np.ceil(p * len(values) - 1e-9)) - 1) for p in tails]
    low, high = np.partition(values, ranks, axis=0)[ranks]
    return low, high


def _answers(drawn: Drawn, question: _Question, h: Any) -> Iterator[tuple[slice, Array, Array]]:
    """Rows, what is expected of them, and that in each draw: so many at a time that memory stays bounded."""
    size = max(1, CELLS // drawn.draws)
    for start in range(0, len(h), size):
        part = slice(start, start + size)
        some = h.take(part)
        yield part, *drawn.answers(question.take(part).of(some), len(some))


def _of_each(drawn: Drawn, question: _Question, h: Any, level: float) -> Array:
    shared, place = _shared(drawn.law, question, h)
    found = np.empty((3, len(shared)))
    for part, value, draws in _answers(drawn, question, shared):
        found[:, part] = value, *order_statistics(draws, level)
    return found[:, place]


def _of_groups(drawn: Drawn, question: _Question, h: Any, groups: Groups, level: float) -> Array:
    """The same of sums over groups: as many groups at a time as have room for their draws."""
    found = np.empty((3, len(groups)))
    for some, rows in groups.parts(max(1, SUMS // drawn.draws)):
        shared, place = _shared(drawn.law, question, h.take(rows))
        members = groups.members(some, rows, place, h.weights, len(shared))
        sums, total = np.zeros((drawn.draws, some.stop - some.start)), np.zeros(some.stop - some.start)
        for part, value, draws in _answers(drawn, question.take(rows), shared):
            sums += members.sums(draws, part)
            total += members.sums(value, part)
        found[:, some] = total, *order_statistics(sums, level)
    return found
