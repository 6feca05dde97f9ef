"""Compare: which law of purchases or of spend tells these data best, and which foretells what came next?"""

from __future__ import annotations

import time
from collections.abc import Iterable
from inspect import isabstract
from typing import TYPE_CHECKING, Any

import numpy as np

from custrel.clv.horizon import horizon_in
from custrel.clv.law import PurchaseLaw, log_gaps_of
from custrel.clv.spend import SpendLaw
from custrel.errors import ConvergenceError, DomainError
from custrel.frames import leave
from custrel.history import checked_history
from custrel.stats.scores import mean_absolute_error, total_error

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from custrel.fit import Fit
    from custrel.history import History
    from custrel.stats.estimate import Array

__all__ = ["compare"]


def compare(
    laws: Iterable[type[PurchaseLaw]] | Iterable[type[SpendLaw]],
    h: History,
    *,
    holdout: ArrayLike | None = None,
    horizon: float | str | None = None,
) -> Any:
    """Fit several laws to one history; a row for each, the smallest BIC first.

    Parameters
    ----------
    laws
        Classes of one kind: laws of purchases such as `BGNBD` and `ParetoNBD`, or laws of spend such as `GammaGamma`.
    h
        The history that all are fitted to. Of laws in continuous time the likelihoods are those of the same times and
        may be set beside each other; those of laws of spend are densities of the same mean values.
    holdout
        Purchases that each customer of the history made after T, ``(customers,)`` in the history's order, or what
        `Interactions.purchases_between` returns for them. Laws of spend foretell no purchases and take none.
    horizon
        How long after T these purchases were counted, in the unit of the history, or a duration such as ``"273D"``.

    Returns
    -------
    Frame of the history's library with the columns law, parameters, log_likelihood, aic, bic, seconds (CPU time of the
    fit), diagnosis; and with a holdout expected and actual (its purchases in all), total_error (expected less actual,
    by actual) and mean_absolute_error (of a customer's expected purchases). A law whose likelihood has no peak says so
    in its diagnosis and comes last, without figures.

    Raises
    ------
    DomainError
        If no law is given, one is none or of another kind than the rest, or the holdout is not one number for each
        customer with its horizon.

    Examples
    --------
    >>> from custrel.clv import BGNBD, NBD
    >>> from custrel.datasets import cdnow_summary
    >>> compare([NBD, BGNBD], cdnow_summary())[["law", "log_likelihood"]].round(2)
         law  log_likelihood
    0  BGNBD        -9582.43
    1    NBD        -9763.66
    """
    checked_history(h, law="compare")
    chosen = _checked_laws(laws)
    for law in chosen:
        if getattr(law, "needs_log_gaps", False):
            log_gaps_of(h, law.__name__)
    after = None if holdout is None and horizon is None else _held_out(h, holdout, horizon)
    if after and issubclass(chosen[0], SpendLaw):
        raise DomainError("compare: laws of spend foretell no purchases: leave holdout and horizon out")
    rows = sorted((_row(law, h, after) for law in chosen), key=lambda row: (np.isnan(row["bic"]), row["bic"]))
    kinds: dict[str, Any] = dict.fromkeys(("law", "parameters", "diagnosis"), object)
    columns = {name: np.array([row[name] for row in rows], dtype=kinds.get(name, float)) for name in rows[0]}
    return leave(columns, like=h.like)


def _checked_laws(laws: Any) -> list[type[PurchaseLaw]] | list[type[SpendLaw]]:
    listed = list(laws) if isinstance(laws, Iterable) else []
    for kind in (PurchaseLaw, SpendLaw):
        if listed and all(isinstance(law, type) and issubclass(law, kind) and not isabstract(law) for law in listed):
            return listed
    raise DomainError(
        "compare needs laws of purchases such as [BGNBD, ParetoNBD], or of spend such as [GammaGamma], the classes, "
        f"all of one kind, got {laws!r}"
    )


def _held_out(h: History, holdout: Any, horizon: float | str | None) -> tuple[Array, Any]:
    if holdout is None or horizon is None:
        raise DomainError("compare: a holdout needs its horizon, how long after T its purchases were counted")
    try:
        bought = np.asarray(getattr(holdout, "purchases", holdout), dtype=float)
    except (TypeError, ValueError) as error:
        raise DomainError(f"compare: holdout must hold numbers of purchases: {error}") from error
    if bought.shape != h.x.shape:
        raise DomainError(
            f"compare: holdout must hold the purchases of each of {len(h):,} customers, got shape {bought.shape}"
        )
    if bad := int(np.sum(~((bought >= 0) & np.isfinite(bought)))):
        raise DomainError(f"compare: holdout must hold finite numbers, 0 or more; {bad:,} of {len(h):,} are not")
    if hasattr(holdout, "customer_id") and not np.array_equal(holdout.customer_id, np.asarray(h.customer_id)):
        raise DomainError("compare: holdout counts other customers: ask purchases_between for customers=history")
    after = horizon_in(h, horizon)
    if np.shape(after) not in {(), h.x.shape}:
        raise DomainError(f"compare: horizon must be one, or one for each customer, got shape {np.shape(after)}")
    return bought, after


def _row(law: type[PurchaseLaw | SpendLaw], h: History, after: tuple[Array, Any] | None) -> dict[str, Any]:
    began = time.process_time()
    try:
        fit: Fit[Any] | None = law.fit(h)
        said = str(fit.diagnosis) if fit else ""
    except ConvergenceError as error:
        fit, said = None, str(error)
    seconds = time.process_time() - began
    figures = {"log_likelihood": np.nan, "aic": np.nan, "bic": np.nan}
    if fit:
        figures = {name: getattr(fit, name) for name in figures}
    row = {"law": law.__name__, "parameters": fit.found if fit else "", **figures}
    if after:
        row |= _errors(fit, h, *after)
    return {**row, "seconds": seconds, "diagnosis": said}


def _errors(fit: Fit[Any] | None, h: History, bought: Array, horizon: Any) -> dict[str, float]:
    actual = float(h.weights @ bought)
    if fit is None:
        return {"expected": np.nan, "actual": actual, "total_error": np.nan, "mean_absolute_error": np.nan}
    expected = fit.model.expected_purchases(h, horizon)
    both = total_error, mean_absolute_error
    errors = {error.__name__: error(expected, bought, weights=h.weights) for error in both}
    return {"expected": float(h.weights @ expected), "actual": actual, **errors}
