"""Steps: sums that many rows take together, step by step, as far as each of them has to go."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from custrel.stats.estimate import Array

__all__ = ["longest_first"]


def longest_first(walk: Callable[..., tuple[Array, ...]], rows: tuple[Array, ...]) -> tuple[Array, ...]:
    """What a walk finds for each row, where it meets those first who have the longest way to go.

    Whoever is still on the way at a step are then the first so many, and a slice holds them.

    Parameters
    ----------
    walk
        Takes the rows in that order; gives arrays of their length.
    rows
        Arrays of one shape; the last says how long each way is.

    Examples
    --------
    >>> longest_first(lambda name, way: (name, 0 * name + np.arange(3)), (np.array([7, 8, 9]), np.array([1, 5, 2])))
    (array([7., 8., 9.]), array([2., 0., 1.]))
    """
    flat = [np.asarray(row, dtype=float).ravel() for row in rows]
    order = np.argsort(-flat[-1], kind="stable")
    back = np.argsort(order, kind="stable")
    return tuple(found[back].reshape(rows[0].shape) for found in walk(*(row[order] for row in flat)))
