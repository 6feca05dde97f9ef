"""Cells: how many customers bought 0, 1, 2, ... times, and how many a law expects to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from custrel.clv.evidence.chances import of_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from custrel.clv.law import PurchaseLaw
    from custrel.history import History
    from custrel.stats.estimate import Array

__all__ = ["counted", "expected_counts", "first_of_cells", "top_of"]

_CELLS = 1 << 17  # counts x customers at a time
_TIMES = 4096  # that are told apart


def counted(h: History, top: int) -> Array:
    """Customers who bought 0, 1, ..., top or more times.

    >>> from custrel import History
    >>> counted(History(x=[0, 0, 1, 9], t_x=[0, 0, 3, 38], T=[39, 39, 39, 39]), 2)
    array([2., 1., 1.])
    """
    cell = np.minimum(h.x, top).astype(np.intp)
    return np.bincount(cell, weights=h.weights, minlength=top + 1).astype(np.float64)


def expected_counts(law: PurchaseLaw, h: History, top: int) -> tuple[Array, Array]:
    """Customers expected to do so, and the sum over customers of the products of their chances in every two cells."""
    T, customers = _watched(law, h)
    sums, products = np.zeros(top + 1), np.zeros((top + 1, top + 1))
    counts, size = np.arange(float(top))[:, None], max(1, _CELLS // (top + 1))
    for start in range(0, T.size, size):
        rows = slice(start, start + size)
        below = of_rows(law, rows).probability_of_new(counts, T[rows])
        p = np.concatenate([below, np.maximum(0.0, 1 - below.sum(axis=0, keepdims=True))])
        sums += p @ customers[rows]
        products += (p * customers[rows]) @ p.T
    return sums, products


def top_of(law: PurchaseLaw, h: History, few: float) -> int:
    """The last number of purchases that so many customers are expected to make, or to exceed; 1 at least."""
    T, customers = _watched(law, h)
    left, last = h.customers, int(h.x.max()) + 1
    for n in range(last):
        left -= float(customers @ law.probability_of_new(n, T))
        if left < few:
            return max(n, 1)
    return last


def first_of_cells(expected: Array, enough: float) -> NDArray[np.intp]:
    """Where cells of enough expected customers begin, merged from the top; what is left joins the lowest.

    >>> first_of_cells(np.array([3.0, 40.0, 9.0, 4.0, 2.0]), 5.0)
    array([0, 2, 3])
    """
    first, held = [], 0.0
    for n in reversed(range(expected.size)):
        held += expected[n]
        if held > 0 and held >= enough:
            first.append(n)
            held = 0.0
    return np.array([0, *first[-2::-1]], dtype=np.intp)


def _watched(law: PurchaseLaw, h: History) -> tuple[Array, Array]:
    """Times watched, and how many customers: those of one time share a row if they share the law, too.

    Chances bend slowly in time: of very many times each is split between its neighbours on a grid, which moves no
    expectation by more than a hundred-thousandth of the customers.
    """
    if any(np.ndim(value) for value in law):
        return h.T, h.weights
    T, rows = np.unique(h.T, return_inverse=True)
    customers = np.bincount(rows, weights=h.weights).astype(np.float64)
    if T.size <= _TIMES:
        return T, customers
    grid = np.linspace(T[0], T[-1], _TIMES)
    place = (T - T[0]) / (grid[1] - grid[0])
    left = np.minimum(place.astype(np.intp), _TIMES - 2)
    right = customers * (place - left)
    split = np.bincount(left, customers - right, _TIMES) + np.bincount(left + 1, right, _TIMES)
    return grid, split.astype(np.float64)
