r"""Nested: which law is a case of which, and what the likelihood ratio of the two does by chance.

Twice the logarithm of the ratio is chi-square distributed if the smaller law is true [1]_, with a degree of freedom for
each parameter that it lacks, provided that it lies inside the larger one. Where it lies on the edge, since a parameter
of the larger law would have to be 0 or infinite there, half the data ask for values beyond the edge, and for each such
parameter the distribution is an even mixture of chi-squares with and without its degree of freedom [2]_. Where other
parameters mean nothing at the edge, as the spread of chances to leave where nobody leaves, no table holds [3]_.

References
----------
.. [1] Wilks, S. S. (1938). The Large-Sample Distribution of the Likelihood Ratio for Testing Composite Hypotheses.
   Annals of Mathematical Statistics 9(1), 60-62. https://doi.org/10.1214/aoms/1177732360
.. [2] Self, S. G., & Liang, K.-Y. (1987). Asymptotic Properties of Maximum Likelihood Estimators and Likelihood Ratio
   Tests Under Nonstandard Conditions. Journal of the American Statistical Association 82(398), 605-610.
   https://doi.org/10.1080/01621459.1987.10478472
.. [3] Davies, R. B. (1987). Hypothesis Testing When a Nuisance Parameter Is Present Only Under the Alternative.
   Biometrika 74(1), 33-43. https://doi.org/10.1093/biomet/74.1.33
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import gammaincc

from custrel.clv.beta_discrete_weibull import BetaDiscreteWeibull
from custrel.clv.bgcnbdk import BGCNBDk, RegularLaw
from custrel.clv.bgnbd import BGNBD
from custrel.clv.correlatedparetonbd import CorrelatedParetoNBD
from custrel.clv.ggompertznbd import GGompertzNBD
from custrel.clv.mbgcnbdk import MBGCNBDk
from custrel.clv.mbgnbd import MBGNBD
from custrel.clv.nbd import NBD
from custrel.clv.paretoggg import ParetoGGG
from custrel.clv.paretonbd import ParetoNBD
from custrel.clv.shifted_beta_geometric import ShiftedBetaGeometric
from custrel.covariates import of_one
from custrel.errors import DomainError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from custrel.fit import Fit

__all__ = ["NESTED", "Nesting", "case_by_effects", "law_in", "nesting_of", "said_of"]


@dataclass(frozen=True)
class Nesting:
    """How one law is a case of another.

    Parameters
    ----------
    case
        The case in words.
    chances
        Degrees of freedom to the weight of that chi-square in the distribution of the likelihood ratio; empty where
        none is known.

    Examples
    --------
    >>> round(Nesting("c = 1", {1: 1.0}).p_value(3.8415), 4)
    0.05
    >>> round(Nesting("leaving does not hasten with age", {0: 0.5, 1: 0.5}).p_value(3.8415), 4)
    0.025
    """

    case: str
    chances: Mapping[int, float] = field(default_factory=dict)

    @property
    def inside(self) -> bool:
        """Whether the smaller law lies inside the larger one, not on its edge."""
        return len(self.chances) == 1

    def p_value(self, statistic: float) -> float:
        """Probability of so large a ratio if the smaller law is true; of 0 degrees of freedom none is above 0."""
        tails = {df: gammaincc(df / 2, statistic / 2) if df else float(statistic <= 0) for df in self.chances}
        return float(sum(self.chances[df] * tail for df, tail in tails.items()))


_LISTED = 3  # effects that a sentence names

_NOBODY_LEAVES = Nesting("nobody leaves")
_AT_RANDOM = Nesting("purchases come at random, k = 1")

NESTED: Mapping[tuple[type, type], Nesting] = MappingProxyType(
    {
        (NBD, BGNBD): _NOBODY_LEAVES,
        (NBD, MBGNBD): _NOBODY_LEAVES,
        (NBD, ParetoNBD): _NOBODY_LEAVES,
        (NBD, GGompertzNBD): _NOBODY_LEAVES,
        (NBD, BGCNBDk): Nesting("nobody leaves, and purchases come at random"),
        (NBD, MBGCNBDk): Nesting("nobody leaves, and purchases come at random"),
        (NBD, ParetoGGG): Nesting("nobody leaves, and purchases come at random"),
        (BGNBD, BGCNBDk): _AT_RANDOM,
        (MBGNBD, MBGCNBDk): _AT_RANDOM,
        # b may be 0 only from above; s, and beta / b, keep their meaning there.
        (ParetoNBD, GGompertzNBD): Nesting("leaving does not hasten with age", {0: 0.5, 1: 0.5}),
        # The variance of k among customers may be 0 only from above; the mean of k may be less than 1 or more.
        (ParetoNBD, ParetoGGG): Nesting("purchases of all customers come at random, k = 1", {1: 0.5, 2: 0.5}),
        (ParetoNBD, CorrelatedParetoNBD): Nesting("the two rates are independent, dependence = 0", {1: 1.0}),
        (ShiftedBetaGeometric, BetaDiscreteWeibull): Nesting("c = 1", {1: 1.0}),
    }
)
"""The smaller and the larger law, and how the one is a case of the other. A new pair is a line here."""


def nesting_of(smaller: Fit[Any], larger: Fit[Any]) -> Nesting:
    """How the law of one fit is a case of that of another.

    Raises
    ------
    DomainError
        If it is none.
    """
    one, other = law_in(smaller), law_in(larger)
    more = _more_effects(smaller.model, larger.model)
    if type(one) is type(other) and not isinstance(one, RegularLaw) and more:
        return Nesting(_lacking(smaller.model, larger.model, more), {more: 1.0})
    found = NESTED.get((type(one), type(other)))
    if found and more == 0 and not _held_fast(one, other, larger):
        return found
    raise DomainError(
        f"likelihood_ratio: {said_of(smaller)} is no case of {said_of(larger)} that is known here"
        f"{_turned(one, other)}: ask clv.prefer, which compares laws that are not cases of each other"
    )


def case_by_effects(smaller: Fit[Any], larger: Fit[Any]) -> bool:
    """Whether the law of one fit is that of another with some effects of covariates at 0, or shared."""
    return bool(_more_effects(smaller.model, larger.model))


def _more_effects(smaller: Any, larger: Any) -> int | None:
    """How many effects of covariates the larger law has on top of the smaller one's; None if it lacks one of those."""
    few, many = (
        {p: set(design.names) for p, design in getattr(law, "designs", {}).items()} for law in (smaller, larger)
    )
    if any(not names <= many.get(process, set()) for process, names in few.items()):
        return None
    tied = set(getattr(larger, "shared", ())) - set(getattr(smaller, "shared", ()))
    if any(of_one(column, tied) for names in few.values() for column in names):  # one effect there, two here
        return None
    return int(np.size(getattr(larger, "effects", ())) - np.size(getattr(smaller, "effects", ())))


def _lacking(smaller: Any, larger: Any, more: int) -> str:
    """Which effects are 0 in the smaller law, or how many it has less where some are shared."""
    missing = [name for name in larger.names() if name not in smaller.names()]
    if len(missing) == more and more <= _LISTED:
        return f"{' and '.join(missing)} = 0"
    return f"{more} {'effects are' if more > 1 else 'effect is'} 0, or shared"


def _held_fast(smaller: Any, larger: Any, fit: Fit[Any]) -> bool:
    """Whether the larger law is one of regular purchases whose k was given: with another k, or nothing but k = 1."""
    if not isinstance(larger, RegularLaw) or fit.chosen:
        return False
    return larger.k > 1 or not isinstance(smaller, NBD)


def law_in(fit: Fit[Any]) -> Any:
    """The law of a fit, without its covariates."""
    return getattr(fit.model, "law", fit.model)


def said_of(fit: Fit[Any]) -> str:
    """The name of its law, how many effects of covariates it has, and the k that it was given."""
    law, effects = law_in(fit), np.size(getattr(fit.model, "effects", ()))
    moved = f" with {effects} effect{'s' * (effects > 1)}" if effects else ""
    return type(law).__name__ + moved + ("" if getattr(law, "k", None) is None or fit.chosen else f" with k = {law.k}")


def _turned(one: Any, other: Any) -> str:
    """A hint where the two were given the other way round."""
    return " (but the other way round it may be: give the smaller law first)" * ((type(other), type(one)) in NESTED)
