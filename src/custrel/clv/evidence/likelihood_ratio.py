r"""Likelihood ratio: of two laws, one a case of the other, do the data ask for the larger one?

The larger law always tells the data as well, or better. How much better it would do by chance, if the smaller one were
true, three methods say: a table of chi-squares where there is one (`nested` says where), a split of the customers, and
simulated crowds (`crowds` says how).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from custrel.checked import checked_count, checked_level
from custrel.clv.evidence.crowds import by_crowds, by_split
from custrel.clv.evidence.nested import nesting_of, said_of
from custrel.clv.evidence.same_customers import SLACK, same_customers
from custrel.errors import ConvergenceError, DomainError, one_of
from custrel.fit import Fit

if TYPE_CHECKING:
    from custrel.clv.evidence.nested import Nesting
    from custrel.history import History

__all__ = ["LikelihoodRatio", "likelihood_ratio"]


@dataclass(frozen=True)
class LikelihoodRatio:
    """Whether the data ask for the larger of two nested laws; it prints as a sentence.

    Parameters
    ----------
    smaller, larger
        Names of the laws.
    case
        Where the larger law is the smaller one, in words.
    inside
        Whether that is inside the larger law; if not, a parameter would have to be 0 or infinite there.
    statistic
        Twice the difference of the log-likelihoods.
    freedom
        How many numbers the larger law chooses on top.
    p
        How likely so large a statistic would be by chance, if the smaller law were true; by ``"split"`` at most so
        likely.
    n
        How many customers it rests on.
    method
        How p was found: ``"chi-square"``, ``"split"`` or ``"bootstrap"``.
    level
        The data ask for the larger law where p is below 1 - level.

    Examples
    --------
    >>> LikelihoodRatio("A", "B", "c = 1", True, 4.77, 1, p=0.029, n=900, method="chi-square", level=0.95)
    B tells these data better than A, its case where c = 1: statistic 4.77, p = 0.029 by chi-square, 900 customers
    """

    smaller: str
    larger: str
    case: str
    inside: bool
    statistic: float
    freedom: int
    p: float
    n: int
    method: str
    level: float

    @property
    def needed(self) -> bool:
        """Whether the data ask for the larger law."""
        return self.p < 1 - self.level

    def __repr__(self) -> str:
        sign = "<=" if self.method == "split" else "="
        chance = f"p {sign} {self.p:.2g}" if self.p > 0 else "p < 1e-300"
        figures = f"statistic {self.statistic:.2f}, {chance} by {self.method}, {self.n:,} customers"
        if self.needed:
            return f"{self.larger} tells these data better than {self.smaller}, its case where {self.case}: {figures}"
        case = f"{self.smaller}, its case where {self.case}, does as well"
        cautious = " (a split is cautious; a bootstrap may see more)" if self.method == "split" and self.p < 1 else ""
        return f"The data do not ask for {self.larger}: {case}: {figures}{cautious}"


def likelihood_ratio(
    smaller: Fit[Any],
    larger: Fit[Any],
    h: History | None = None,
    *,
    method: str | None = None,
    repeats: int = 200,
    seed: int = 0,
    level: float = 0.95,
) -> LikelihoodRatio:
    """Whether the data ask for the larger of two nested laws that were fitted to the same customers.

    Where the larger law's `fit` finds no peak there is nothing to test: its likelihood is at its best where it turns
    into a smaller law, and the data do not ask for more.

    Parameters
    ----------
    smaller, larger
        The two fits; the law of the first is a case of that of the second. A law with covariates has those without
        some of them for cases, too.
    h
        The history that both were fitted to. It is needed for fits that came from JSON, and to split customers for a
        law of regular purchases; else the fits keep what they need.
    method
        ``"chi-square"``, where the distribution is known for many customers; ``"split"``, which holds for any number
        but is cautious; ``"bootstrap"``, which simulates and fits many crowds, and takes as many times as long as both
        fits did. If not given, chi-square where it is known, else the split.
    repeats
        How many crowds the bootstrap simulates; its smallest p is 1 / (1 + repeats).
    seed
        Where the split and the bootstrap start; the same seed gives the same p.
    level
        How sure the answer must be.

    Raises
    ------
    DomainError
        If the first law is no case of the second, the fits are not of the same customers, or the method cannot be used.
    ConvergenceError
        If the larger law's likelihood is below that of its case, so that its search did not find the top.

    Examples
    --------
    The "high end" customers of Fader & Hardie (2007), four years and seven years of them.

    >>> from custrel.clv import NBD, BetaDiscreteWeibull, BGNBD, ShiftedBetaGeometric, Tenures
    >>> both = ShiftedBetaGeometric, BetaDiscreteWeibull
    >>> tenures = Tenures.from_survivors([1000, 869, 743, 653, 593], unit="year")
    >>> likelihood_ratio(*(law.fit(tenures) for law in both))  # doctest: +NORMALIZE_WHITESPACE
    BetaDiscreteWeibull tells these data better than ShiftedBetaGeometric, its case where c = 1:
    statistic 4.77, p = 0.029 by chi-square, 1,000 customers

    Does anybody leave, at CDNOW?

    >>> from custrel.datasets import cdnow_summary
    >>> h = cdnow_summary()
    >>> ratio = likelihood_ratio(NBD.fit(h), BGNBD.fit(h))
    >>> round(ratio.statistic, 2), ratio.method, ratio.p < 1e-30
    (362.46, 'split', True)
    """
    checked_level(level)
    start, count = checked_count("seed", seed, least=0), checked_count("repeats", repeats)
    if method is not None:
        one_of("method", method, ["chi-square", "split", "bootstrap"])
    for fit in (smaller, larger):
        if not isinstance(fit, Fit):
            raise DomainError(f"likelihood_ratio needs two fits, the smaller law's first, got {fit!r:.80}")
    nesting = nesting_of(smaller, larger)
    customers = same_customers(smaller, larger, h)
    statistic = _statistic(smaller, larger)
    way = method or ("chi-square" if nesting.chances else "split")
    if way == "chi-square":
        p = _known(nesting, smaller, larger).p_value(statistic)
    elif way == "split":
        p = by_split(smaller, larger, customers, np.random.default_rng(start))
    else:
        p = by_crowds(smaller, larger, customers, statistic, np.random.default_rng(start), repeats=count)
    names, freedom = (said_of(smaller), said_of(larger)), _freedom(larger) - _freedom(smaller)
    return LikelihoodRatio(*names, nesting.case, nesting.inside, statistic, freedom, p, larger.n, way, level)


def _freedom(fit: Fit[Any]) -> int:
    """How many numbers the data chose."""
    return int(fit.parameters.size) + fit.chosen


def _known(nesting: Nesting, smaller: Fit[Any], larger: Fit[Any]) -> Nesting:
    """The nesting, if a table holds for it."""
    if not nesting.chances:
        raise DomainError(
            f"likelihood_ratio: {said_of(smaller)} is {said_of(larger)} where {nesting.case}; there other parameters "
            "mean nothing, so that no table of chi-square holds: ask for method='split' or 'bootstrap'"
        )
    return nesting


def _statistic(smaller: Fit[Any], larger: Fit[Any]) -> float:
    """Twice the difference, which is never below 0 where both searches found the top."""
    apart = larger.log_likelihood - smaller.log_likelihood
    if apart < -SLACK * (1 + abs(smaller.log_likelihood)):
        raise ConvergenceError(
            f"likelihood_ratio: the log-likelihood of {said_of(larger)} is {larger.log_likelihood:,.2f}, below the "
            f"{smaller.log_likelihood:,.2f} of {said_of(smaller)}, which is a case of it: its search ended on a lower "
            "hill; keep the smaller law"
        )
    return max(0.0, 2 * apart)
