r"""Prefer: of two laws fitted to the same customers, which tells the data better, or can the data not say?

Two laws that are not cases of each other know no likelihood ratio test. Vuong's test [1]_ asks each customer which of
them makes what they did the likelier. If neither law is nearer to the truth, the sum of the differences of their
log-likelihoods, divided by its standard error, is standard normal. A law with more parameters pays Schwarz's penalty
for them, as the BIC has it.

The answer is which law is nearer to the truth, not that either is true. Where one law is a case of the other, as the
NBD is of the BG/NBD with nobody leaving, the two may agree altogether, and then the sum is not normal: there, take a
win as it is, but of a tie think nothing.

One law with two sets of covariates, neither of which holds the other, can be judged as well. If neither set matters the
two agree, and the test seldom tells a winner: it errs towards none.

References
----------
.. [1] Vuong, Q. H. (1989). Likelihood Ratio Tests for Model Selection and Non-Nested Hypotheses. Econometrica 57(2),
   307-333. https://doi.org/10.2307/1912557
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import ndtr

from custrel.checked import checked_level
from custrel.clv.bgbb import BGBB
from custrel.clv.evidence.nested import case_by_effects
from custrel.clv.law import PurchaseLaw
from custrel.clv.spend import SpendLaw
from custrel.errors import DomainError
from custrel.fit import Fit
from custrel.history import checked_history
from custrel.stats.family import name_of

if TYPE_CHECKING:
    from custrel.history import History
    from custrel.stats.estimate import Array

__all__ = ["Preference", "prefer"]

_LISTED = 3  # effects that a name holds
_ALIKE = 1e-3  # standard error of the sum of differences: less than this tells nobody's law from the other

_KINDS: tuple[tuple[type, str], ...] = (
    (SpendLaw, "spend"),
    (BGBB, "purchases at opportunities"),
    (PurchaseLaw, "purchases at any moment"),
)


@dataclass(frozen=True)
class Preference:
    """Which of two laws the data prefer, and how surely; it prints as a sentence.

    Parameters
    ----------
    first, second
        Names of the laws.
    z
        Vuong's statistic: above 0 the first law is the better one, below 0 the second.
    p
        How likely one as far from 0 would be by chance, if both laws were equally near to the truth.
    n
        How many customers it rests on.
    level
        The data tell which where p is below 1 - level.

    Examples
    --------
    >>> Preference("BGNBD", "MBGNBD", z=-2.5, p=0.0124, n=2357, level=0.95)
    MBGNBD tells these data better than BGNBD: z = 2.50, p = 0.012, 2,357 customers
    """

    first: str
    second: str
    z: float
    p: float
    n: int
    level: float

    @property
    def better(self) -> str | None:
        """Name of the law that the data prefer, None if they do not tell.

        >>> Preference("BGNBD", "MBGNBD", z=-0.8, p=0.42, n=2357, level=0.95).better is None
        True
        """
        if self.p >= 1 - self.level:
            return None
        return self.first if self.z > 0 else self.second

    def __repr__(self) -> str:
        ahead, behind = (self.first, self.second) if self.z > 0 else (self.second, self.first)
        z, rest = f"z = {abs(self.z):.2f}", f"p = {self.p:.2g}, {self.n:,} customers"
        if self.better:
            return f"{ahead} tells these data better than {behind}: {z}, {rest}"
        return f"The data do not tell which of {self.first} and {self.second} is better: {z} for {ahead}, {rest}"


def prefer(first: Fit[Any], second: Fit[Any], h: History, *, level: float = 0.95) -> Preference:
    """Vuong's test [1]_ of two laws of one kind that were fitted to the same history.

    Parameters
    ----------
    first, second
        The two fits: of laws of spend, or of laws of purchases.
    h
        The history that both were fitted to. Rows that stand for many customers count as many.
    level
        How sure the answer must be.

    Raises
    ------
    DomainError
        If the laws are one and the same, of different kinds or cannot be told apart by anything, or if either was
        fitted to another history.

    References
    ----------
    .. [1] Vuong, Q. H. (1989). Likelihood Ratio Tests for Model Selection and Non-Nested Hypotheses. Econometrica
       57(2), 307-333. https://doi.org/10.2307/1912557

    Examples
    --------
    >>> from custrel.clv import BGNBD, NBD, ParetoNBD
    >>> from custrel.datasets import cdnow_summary
    >>> h = cdnow_summary()
    >>> prefer(BGNBD.fit(h), NBD.fit(h), h)
    BGNBD tells these data better than NBD: z = 4.97, p = 6.8e-07, 2,357 customers
    >>> prefer(BGNBD.fit(h), ParetoNBD.fit(h), h)
    The data do not tell which of BGNBD and ParetoNBD is better: z = 1.21 for BGNBD, p = 0.23, 2,357 customers
    """
    checked_level(level)
    names = _checked_pair(first, second, h)
    told = _law(first).told_by(h) if isinstance(_law(first), SpendLaw) else h
    one, other = (_likelihoods(fit, told) for fit in (first, second))
    n, apart = told.customers, one - other
    mean = float(told.weights @ apart) / n
    error = float(np.sqrt(told.weights @ (apart - mean) ** 2))  # of the sum of n differences
    if error < _ALIKE:
        raise DomainError(
            f"prefer: {' and '.join(names)} say the same of every customer, so nothing can tell them apart"
        )
    z = (n * mean - (_freedom(first) - _freedom(second)) / 2 * float(np.log(n))) / error
    return Preference(*names, z=z, p=2 * float(ndtr(-abs(z))), n=round(n), level=level)


def _checked_pair(first: Any, second: Any, h: Any) -> tuple[str, str]:
    """The names of two laws that can be set beside each other."""
    checked_history(h, law="prefer")
    for fit in (first, second):
        if not isinstance(fit, Fit) or not isinstance(_law(fit), (SpendLaw, PurchaseLaw)):
            raise DomainError(f"prefer needs two fits of laws of purchases, or of spend, got {fit!r:.80}")
    one, other = _names(first, second)
    kinds = [_kind(fit) for fit in (first, second)]
    if kinds[0] != kinds[1]:
        raise DomainError(f"prefer needs laws of one kind: {one} is a law of {kinds[0]}, {other} one of {kinds[1]}")
    return one, other


def _name(fit: Fit[Any]) -> str:
    """The law's, and of laws that come with a whole number k, which one."""
    return name_of(fit.model) + _of_k(fit)


def _bare(fit: Fit[Any]) -> str:
    """The same without covariates."""
    return type(_law(fit)).__name__ + _of_k(fit)


def _of_k(fit: Fit[Any]) -> str:
    k = getattr(_law(fit), "k", None)
    return "" if k is None else f" with k = {k}"


def _names(first: Fit[Any], second: Fit[Any]) -> tuple[str, str]:
    """The names of two laws; of one law with unlike covariates, the effects that the other lacks."""
    one, other = _name(first), _name(second)
    if _bare(first) != _bare(second):
        return one, other
    of_one, of_other = first.model.names(), second.model.names()
    if set(of_one) == set(of_other):
        raise DomainError(f"prefer needs fits of two laws, got {one} twice")
    if case_by_effects(first, second) or case_by_effects(second, first):
        raise DomainError(
            f"prefer: of these fits of {_bare(first)} one has all covariates of the other, which is a case of it: ask "
            "clv.likelihood_ratio(smaller, larger), or compare fit.aic"
        )
    return (
        f"{_bare(first)} with {_few([name for name in of_one if name not in of_other])}",
        f"{_bare(second)} with {_few([name for name in of_other if name not in of_one])}",
    )


def _few(names: list[str]) -> str:
    """Some of the names, and how many more there are."""
    more = len(names) - _LISTED
    return f"{', '.join(names[:_LISTED])} and {more} more" if more > 0 else " and ".join(names)


def _law(fit: Fit[Any]) -> Any:
    """The law, without its covariates."""
    return getattr(fit.model, "law", fit.model)


def _kind(fit: Fit[Any]) -> str:
    return next(said for parent, said in _KINDS if isinstance(_law(fit), parent))


def _likelihoods(fit: Fit[Any], told: History) -> Array:
    """Each row's log-likelihood; they add up to that of the fit if the history is the one it was fitted to."""
    name, n = _name(fit), round(told.customers)
    if fit.n != n:
        raise DomainError(
            f"prefer: {name} was fitted to {fit.n:,} customers, of whom this history tells {n:,}: give the one fitted"
        )
    each = np.asarray(fit.model.log_likelihood(told))
    total = float(told.weights @ each)
    if not abs(total - fit.log_likelihood) < 1e-6 * (1 + abs(fit.log_likelihood)):
        raise DomainError(
            f"prefer: {name} was fitted to another history: its log-likelihood was {fit.log_likelihood:,.2f} there, "
            f"and is {total:,.2f} here"
        )
    return each


def _freedom(fit: Fit[Any]) -> int:
    """How many numbers the data chose."""
    return fit.parameters.size + fit.chosen
