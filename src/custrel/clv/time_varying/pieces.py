"""Pieces: spans of time of customers, side by side in the order of customers and times; sums that never mix them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Mapping

    from custrel.stats.estimate import Array

__all__ = ["Numbers", "distinct_rows", "in_force", "joined", "running_sums"]

Numbers = NDArray[np.intp]


def in_force(who: Numbers, since: NDArray[Any], customer: Numbers, moment: NDArray[Any]) -> Numbers:
    """Of rows sorted by customer and moment, the last one of each customer that is not after a moment; -1: none.

    >>> in_force(np.array([0, 0, 1]), np.array([0, 5, 0]), np.array([0, 0, 1]), np.array([4, 5, -1]))
    array([ 0,  1, -1])
    """
    rows, asked = who.size, customer.size
    kind = np.repeat([0, 1], [rows, asked])  # what begins at a moment holds at that moment
    order = np.lexsort((kind, np.concatenate([since, moment]), np.concatenate([who, customer])))
    last = np.empty(rows + asked, dtype=np.intp)
    last[order] = np.cumsum(kind[order] == 0) - 1
    found = last[rows:]
    return np.where((found >= 0) & (who[found] == customer), found, -1) if rows else found


def distinct_rows(columns: Mapping[str, NDArray[Any]], rows: int) -> tuple[Numbers, dict[str, NDArray[Any]]]:
    """Which of the distinct rows each row is, and these.

    >>> distinct_rows({"web": np.array([1.0, 0.0, 1.0])}, 3)
    (array([1, 0, 1]), {'web': array([0., 1.])})
    """
    level, first = np.zeros(rows, dtype=np.intp), np.zeros(min(rows, 1), dtype=np.intp)
    for values in columns.values():
        codes = _codes(values)
        both = level * (int(codes.max(initial=0)) + 1) + codes
        _, first, level = np.unique(both, return_index=True, return_inverse=True)
        level = level.reshape(-1)
    return level, {name: values[first] for name, values in columns.items()}


def _codes(values: NDArray[Any]) -> Numbers:
    """A whole number for each value."""
    if values.dtype != object:
        return np.asarray(np.unique(values, return_inverse=True)[1].reshape(-1))
    seen = {one: code for code, one in enumerate(dict.fromkeys(values.tolist()))}
    return np.fromiter((seen[one] for one in values.tolist()), dtype=np.intp, count=values.size)


def joined(customer: Numbers, start: Array, level: Numbers, cut: Array) -> tuple[Numbers, Array, Numbers]:
    """Sorted pieces, joined where nothing changes, but with a cut at one moment of each customer.

    >>> joined(np.array([0, 0, 0]), np.array([0.0, 2, 5]), np.array([1, 1, 0]), np.array([3.0]))
    (array([0, 0, 0]), array([0., 3., 5.]), array([1, 1, 0]))
    """
    everyone = np.arange(cut.size)
    who, since = np.concatenate([customer, everyone]), np.concatenate([start, cut])
    what = np.concatenate([level, level[in_force(customer, start, everyone, cut)]])
    order = np.lexsort((since, who))
    who, since, what = who[order], since[order], what[order]
    alone = np.ones(min(1, who.size), dtype=np.bool_)
    other = np.append(alone, (np.diff(who) != 0) | (np.diff(what) != 0))
    twice = np.append(~alone, (np.diff(who) == 0) & (np.diff(since) == 0))
    kept = (other | (since == cut[who])) & ~twice
    return who[kept], since[kept], what[kept]


def running_sums(each: Array, customer: Numbers, first: Numbers) -> tuple[Array, Array]:
    """Sums up to the beginning of each piece, and over all pieces of each customer.

    They run piece by piece, whoever else is there; the last axis of what is summed is that of the pieces.

    Parameters
    ----------
    each
        What is summed.
    customer
        Whose each piece is.
    first
        Number of each customer's first piece.

    Examples
    --------
    >>> running_sums(np.array([1.0, 2.0, 5.0]), np.array([0, 0, 1]), np.array([0, 2]))
    (array([0., 1., 0.]), array([3., 5.]))
    """
    place = np.arange(customer.size) - first[customer]
    grid = np.zeros((*each.shape[:-1], int(place.max(initial=0)) + 2, first.size))
    grid[..., place + 1, customer] = each
    sums = np.cumsum(grid, axis=-2)
    return sums[..., place, customer], sums[..., -1, :]
