"""A specimen of each law of purchases, which whatever judges laws must be able to judge."""

import inspect

import pytest

from custrel import clv
from custrel.clv import (
    BGBB,
    BGNBD,
    MBGNBD,
    NBD,
    BGCNBDk,
    CorrelatedParetoNBD,
    GGompertzNBD,
    MBGCNBDk,
    ParetoGGG,
    ParetoNBD,
)
from custrel.clv.law import PurchaseLaw

LAWS = [
    BGNBD(r=0.9, alpha=4.4, a=0.8, b=2.4),
    MBGNBD(r=0.9, alpha=6.2, a=0.9, b=1.6),
    NBD(r=0.8, alpha=12.0),
    ParetoNBD(r=0.9, alpha=10.6, s=0.6, beta=11.7),
    GGompertzNBD(r=0.8, alpha=3.0, b=0.05, s=0.6, beta=5.0),
    BGCNBDk(r=0.9, alpha=2.5, a=0.8, b=2.4, k=2),
    MBGCNBDk(r=0.9, alpha=2.0, a=0.9, b=1.6, k=3),
    CorrelatedParetoNBD(r=0.553, alpha=10.578, s=0.606, beta=11.669, dependence=0.8),
    ParetoGGG(t=8.0, gamma=4.0, r=0.9, alpha=10.0, s=0.6, beta=12.0),
    BGBB(alpha=1.2, beta=1.5, gamma=0.7, delta=2.8),
]
EXPORTED = {thing for thing in map(vars(clv).get, clv.__all__) if inspect.isclass(thing)}
if lacking := {law for law in EXPORTED if issubclass(law, PurchaseLaw)} - {type(law) for law in LAWS}:
    raise AssertionError(f"no specimen of {lacking}")


@pytest.fixture(params=LAWS, ids=lambda law: type(law).__name__)
def law(request):
    """Each law in turn."""
    return request.param
