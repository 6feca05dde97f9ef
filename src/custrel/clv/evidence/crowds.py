r"""Crowds: how far the likelihood ratio of two nested laws goes by chance, where no table says it.

- *split*: one half of the customers chooses the parameters of the larger law, and by the other half it is judged
  against the smaller one at its best there. By chance the ratio of these likelihoods exceeds 1 / p with a probability
  of p at most, whatever the laws and however few the customers [1]_; so does its mean over both ways round. The price
  is power: the p that it gives is a bound, and may be many times the true one.
- *bootstrap*: crowds like this one, as many customers watched for as long, are simulated from the smaller law, and both
  laws fitted to each. p is the share of crowds, the observed one among them, whose ratio is as large [2]_.

Where a likelihood has no peak, what it climbed to counts: the ratio is one of suprema.

References
----------
.. [1] Wasserman, L., Ramdas, A., & Balakrishnan, S. (2020). Universal Inference. Proceedings of the National Academy of
   Sciences 117(29), 16880-16890. https://doi.org/10.1073/pnas.1922664117
.. [2] McLachlan, G. J. (1987). On Bootstrapping the Likelihood Ratio Test Statistic for the Number of Components in a
   Normal Mixture. Journal of the Royal Statistical Society C 36(3), 318-324. https://doi.org/10.2307/2347790
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from custrel.clv.bgcnbdk import RegularLaw
from custrel.clv.law import PurchaseLaw
from custrel.errors import ConvergenceError, DomainError
from custrel.history import History
from custrel.stats.family import name_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from custrel.fit import Fit

__all__ = ["by_crowds", "by_split"]


def by_split(smaller: Fit[Any], larger: Fit[Any], customers: Any, rng: np.random.Generator) -> float:
    """A bound from above of the p-value of a likelihood ratio, by two halves of the customers.

    Parameters
    ----------
    smaller, larger
        The fits to all of them.
    customers
        The history that was fitted.
    rng
        Splits them.
    """
    h = _history(smaller, larger, customers, "split")
    if larger.model.needs_log_gaps and h.log_gaps is None:
        raise DomainError(
            f"likelihood_ratio: to split customers for {name_of(larger.model)} takes the times of their purchases: "
            "give the history as h, made with log.history(..., log_gaps=True)"
        )
    order = rng.permutation(_each(h))
    halves = [h.take(half).standing_for(np.ones(half.size)) for half in np.array_split(order, 2)]
    both = [_evidence(smaller, larger, *pair) for pair in (halves, halves[::-1])]
    return float(np.exp(min(0.0, np.log(2) - np.logaddexp.reduce(both))))


def _evidence(smaller: Fit[Any], larger: Fit[Any], learnt: History, judged: History) -> float:
    """Of the larger law as one half has it, against the smaller law at its best for the other: a log-likelihood ratio.

    A larger law that one half cannot choose gives none.
    """
    try:
        law = _fitted(larger, learnt).model
    except ConvergenceError:
        return -np.inf
    best = _height(smaller, judged)
    return float(judged.weights @ law.log_likelihood(judged)) - best if np.isfinite(best) else -np.inf


def by_crowds(
    smaller: Fit[Any],
    larger: Fit[Any],
    customers: Any,
    statistic: float,
    rng: np.random.Generator,
    *,
    repeats: int,
) -> float:
    """The share of simulated crowds in which twice the log-likelihood ratio is as large as the statistic.

    Parameters
    ----------
    smaller, larger
        The fits to the customers.
    customers
        The history that was fitted.
    statistic
        Theirs.
    rng
        Simulates the crowds.
    repeats
        How many.
    """
    h = _history(smaller, larger, customers, "bootstrap")
    T = h.T[_each(h)]
    as_large = 0
    for _ in range(repeats):
        crowd = smaller.model.simulate(T, rng, unit=h.unit).history(log_gaps=larger.model.needs_log_gaps)
        low, high = (_height(fit, crowd) for fit in (smaller, larger))
        apart = 2 * (high - low) if np.isfinite(low) else 0.0  # where nobody came back, no law is told from another
        as_large += max(0.0, apart) >= statistic
    return (1 + as_large) / (1 + repeats)


def _history(smaller: Fit[Any], larger: Fit[Any], customers: Any, method: str) -> History:
    """The history, if its customers can be split and simulated."""
    if not isinstance(customers, History) or not all(isinstance(f.model, PurchaseLaw) for f in (smaller, larger)):
        raise DomainError(
            f"likelihood_ratio: {method!r} fits laws of purchases without covariates again, which "
            f"{name_of(larger.model)} is not: ask for 'chi-square', or fit both laws without covariates"
        )
    return customers


def _each(h: History) -> NDArray[np.intp]:
    """The row of each customer."""
    n = np.rint(h.weights)
    if broken := int(np.sum(n != h.weights)):
        raise DomainError(
            f"likelihood_ratio: n must be whole to take single customers; {broken:,} of {len(h):,} rows are not"
        )
    return np.repeat(np.arange(len(h)), n.astype(np.intp))


def _fitted(fit: Fit[Any], h: History) -> Fit[Any]:
    """The same law fitted to others, with the k that was given, if one was."""
    law = fit.model
    if isinstance(law, RegularLaw) and not fit.chosen:
        return type(law).fit(h, law.k)
    found: Fit[Any] = type(law).fit(h)
    return found


def _height(fit: Fit[Any], h: History) -> float:
    """The log-likelihood that the law comes to with others, at a peak or without one."""
    try:
        return _fitted(fit, h).log_likelihood
    except ConvergenceError as error:
        return error.log_likelihood
