"""Same customers: were two nested laws fitted to the same ones, and who are they?"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from custrel.clv.evidence.nested import law_in, said_of
from custrel.errors import DomainError
from custrel.history import History
from custrel.likelihood import kept

if TYPE_CHECKING:
    from custrel.fit import Fit

__all__ = ["SLACK", "same_customers"]

SLACK = 1e-6  # of a log-likelihood: more than a search leaves


def same_customers(smaller: Fit[Any], larger: Fit[Any], h: Any) -> Any:
    """The customers that both laws were fitted to.

    Parameters
    ----------
    smaller, larger
        The two fits.
    h
        The history or tenures that both are said to come from; None for what the fits keep.

    Raises
    ------
    DomainError
        If they were fitted to others.
    """
    if h is None:
        one, other = (_alone(kept(fit.data, "likelihood_ratio: without h it needs")) for fit in (smaller, larger))
        if not _alike(one, other):
            raise DomainError(
                f"likelihood_ratio: {said_of(smaller)} was fitted to {smaller.n:,} customers, and {said_of(larger)} to "
                f"{larger.n:,} who are not the same: fit both to one history"
            )
        return one if getattr(law_in(larger), "k", None) else other
    for fit in (smaller, larger):
        _refuse_others(fit, h)
    return h


def _alone(data: Any) -> Any:
    """What was fitted, without covariates."""
    return getattr(data, "told", data)


def _alike(one: Any, other: Any) -> bool:
    """Whether the same customers stand in both, in whatever rows."""
    if type(one) is not type(other):
        return False
    names = ("x", "t_x", "T", "n") if isinstance(one, History) else ("age", "ended", "n")
    few, many = (_plain(rows).distinct() for rows in (one, other))
    return len(few) == len(many) and all(np.allclose(getattr(few, name), getattr(many, name)) for name in names)


def _plain(rows: Any) -> Any:
    return replace(rows, log_gaps=None, spend=None, covariates={}) if isinstance(rows, History) else rows


def _refuse_others(fit: Fit[Any], h: Any) -> None:
    """The likelihoods of the history's customers add up to that of a fit that was made from it."""
    if not all(hasattr(h, name) for name in ("weights", "distinct")):
        raise DomainError(f"likelihood_ratio: h must be the History or Tenures that was fitted, got {type(h).__name__}")
    law = law_in(fit)
    told = law.told_by(h) if hasattr(law, "told_by") else h
    total = float(told.weights @ fit.model.log_likelihood(told))
    if not abs(total - fit.log_likelihood) < SLACK * (1 + abs(fit.log_likelihood)):
        raise DomainError(
            f"likelihood_ratio: {said_of(fit)} was fitted to {fit.n:,} customers with a log-likelihood of "
            f"{fit.log_likelihood:,.2f}; that of these {told.customers:,.0f} is {total:,.2f}: give the history fitted"
        )
