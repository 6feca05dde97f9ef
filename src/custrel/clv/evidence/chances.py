"""Chances: whose law is asked when a fit, or a law, is held against the customers of a history."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from custrel.clv.law import PurchaseLaw
from custrel.errors import DomainError
from custrel.fit import Fit
from custrel.history import checked_history

if TYPE_CHECKING:
    from custrel.history import History

__all__ = ["law_of", "of_rows"]


def law_of(given: Any, h: History, *, asked: str) -> PurchaseLaw:
    """The law of the customers of a history: a fit's, or as it is given; with covariates, that of each customer.

    >>> from custrel import History
    >>> law_of("BGNBD", History(x=[0], t_x=[0], T=[9]), asked="chi_square_of_counts")
    Traceback (most recent call last):
    custrel.errors.DomainError: chi_square_of_counts needs a fit of a law of purchases, or such a law, got 'BGNBD'
    """
    checked_history(h, law=asked)
    law = given.model if isinstance(given, Fit) else given
    law = law.of(h) if hasattr(law, "of") else law
    if not isinstance(law, PurchaseLaw):
        raise DomainError(f"{asked} needs a fit of a law of purchases, or such a law, got {given!r:.80}")
    law.refuse_another_unit(h.unit, "the history counts")
    if odd := [name for name, value in zip(law.names(), law, strict=True) if np.shape(value) not in {(), (len(h),)}]:
        found = f"{odd[0]} has the shape {np.shape(getattr(law, odd[0]))}"
        raise DomainError(f"{asked} needs one law for all, or one for each of {len(h):,} customers; {found}")
    return law


def of_rows(law: PurchaseLaw, rows: Any) -> PurchaseLaw:
    """The law of some customers.

    >>> from custrel.clv import NBD
    >>> of_rows(NBD(r=0.4, alpha=[12.0, 6.0]), slice(1, 2)).alpha
    array([6.])
    """
    own = {name: value[rows] for name, value in zip(law.names(), law, strict=True) if np.ndim(value)}
    return replace(law, **own) if own else law
