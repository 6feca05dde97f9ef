"""Inference data: a posterior as ArviZ takes it, so that its pictures, summaries and comparisons can be had.

ArviZ before version 1 has a type of its own for this, `InferenceData`; since then it is a `DataTree` of xarray. Both
hold groups, here `posterior` and, on request, `log_likelihood`, with the dimensions chain and draw.

All draws stand in one chain. Those of the Laplace and importance methods are independent of each other, and those of
walkers were shuffled: their order tells nothing. So what ArviZ makes of the order, its R-hat and its effective sample
size, says nothing about how the draws were made; what `Posterior` found of that stands in the attributes of the group.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from custrel.errors import DomainError, need
from custrel.stats.family import name_of

if TYPE_CHECKING:
    from custrel.likelihood import Rows
    from custrel.stats.estimate import Array

__all__ = ["inference_data"]

CELLS = 1 << 20  # draws x customers at a time
MOST = 1 << 26  # draws x customers: half a gigabyte


def inference_data(posterior: Any, data: Rows | None = None) -> Any:
    """A posterior as ArviZ's `InferenceData`, or as the `DataTree` that ArviZ has taken since version 1.

    Parameters
    ----------
    posterior
        The draws, a `custrel.Posterior`.
    data
        The customers that were fitted, a `History` or `Tenures`. With them there is a group `log_likelihood`, with the
        logarithm of the likelihood of each customer under each draw, which ArviZ's `loo` needs: a row that stands for n
        customers is told n times. Under a law of spend it holds those whom the law was fitted to.

    Returns
    -------
    Groups with the dimensions chain (one) and draw. The attributes of the group `posterior` are law, method, prior and
    effective, the unit of time where the law has one, k or r_hat where the method has one, and findings if there are
    any.

    Raises
    ------
    MissingExtraError
        If ArviZ is not installed.
    DomainError
        If data are no customers, rows stand for parts of customers, or draws times customers are too many for memory.

    Examples
    --------
    >>> from custrel.clv import BGNBD
    >>> from custrel.datasets import cdnow_summary
    >>> h = cdnow_summary()
    >>> posterior = BGNBD.fit(h).posterior(500, seed=1)
    >>> groups = posterior.to_arviz(h)
    >>> dict(groups["log_likelihood"].sizes)
    {'chain': 1, 'draw': 500, 'customer': 2357}
    """
    arviz = need("arviz", extra="arviz")
    groups = {"posterior": {name: draws.T for name, draws in _draws(posterior).items()}}
    more: dict[str, Any] = {}
    if data is not None:
        told = _told(posterior, data)
        groups["log_likelihood"] = {"log_likelihood": _each(posterior, told)[None]}
        more = {"coords": {"customer": _names(told)}, "dims": {"log_likelihood": ["customer"]}}
    old = int(arviz.__version__.partition(".")[0]) < 1
    made = arviz.from_dict(**groups, **more) if old else arviz.from_dict(groups, **more)
    made["posterior"].attrs.update(_attributes(posterior))
    return made


def _draws(posterior: Any) -> dict[str, Array]:
    return dict(zip(posterior.model.names(), posterior.model, strict=True))


def _attributes(posterior: Any) -> dict[str, str | float]:
    """What is known of how the draws were made, as text and numbers that any file format can hold."""
    law = posterior.model
    said = {"law": name_of(law), "method": posterior.method, "prior": posterior.prior}
    figures = {"effective": posterior.effective, "k": posterior.k, "r_hat": posterior.r_hat}
    known = {name: float(figure) for name, figure in figures.items() if np.isfinite(figure)}
    asides = {"unit": getattr(law, "unit", None), "findings": " ".join(posterior.findings)}
    return {"inference_library": "custrel"} | said | known | {name: text for name, text in asides.items() if text}


def _told(posterior: Any, data: Any) -> Rows:
    """The customers that tell the law something, whole ones, and not too many of them."""
    if not all(hasattr(data, name) for name in ("weights", "blocks", "take")):
        raise DomainError(
            f"inference_data needs the customers as a History or Tenures, got {type(data).__name__}: "
            "give what the law was fitted to"
        )
    law = getattr(posterior.model, "law", posterior.model)
    told: Rows = law.told_by(data) if hasattr(law, "told_by") else data
    n = told.weights
    if broken := int(np.sum(n != np.rint(n))):
        raise DomainError(
            f"inference_data: n must be whole to tell each customer by themselves; {broken:,} of {len(told):,} rows "
            f"stand for parts of customers, the first for {n[n != np.rint(n)][0]:g}"
        )
    if (size := posterior.draws * told.customers) > MOST:
        raise DomainError(
            f"inference_data: {posterior.draws:,} draws of {told.customers:,.0f} customers are {size:,.0f} numbers, "
            f"more than {MOST:,}: take {max(1, int(MOST / told.customers)):,} draws or fewer, or some of the customers"
        )
    return told


def _each(posterior: Any, told: Rows) -> Array:
    """The log-likelihood of each customer under each draw, ``(draws, customers)``."""
    step = max(1, CELLS // posterior.draws)
    parts = [
        np.repeat(posterior.model.log_likelihood(rows), np.rint(rows.weights).astype(np.intp), axis=1)
        for rows in told.blocks(step)
    ]
    return np.concatenate(parts, axis=1)


def _names(told: Any) -> Any:
    """Who they are; their numbers where rows stand for several."""
    if np.all(told.weights == 1) and hasattr(told, "customer_id"):
        return np.asarray(told.customer_id)
    return np.arange(round(told.customers))
