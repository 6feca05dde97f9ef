"""Integrals of hills: of functions whose logarithm is concave, for many rows at once, to the last digits.

On the logarithmic scale of time the integrands of the laws rise to one top and fall on both sides, and are analytic in
a strip around the line. So the hill is cut where it has fallen to exp(-42) of its top, and Gauss and Legendre's rule
takes the rest, with as many nodes as its width and its fall ask for.

What has two tops, or falls from its very beginning, is no such hill: `smooth_integral` takes it on a scale of its own.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from custrel.stats.estimate import Array

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

__all__ = ["FALL", "hill_integral", "smooth_integral"]

FALL = 42.0  # exp(-42) is 6e-19
_CELLS = 1 << 15  # nodes x rows at a time: a core's cache holds them

# Nodes that suffice for 1e-13, by width and by rise and fall; measured over the whole box of the laws.
_NODES = (
    (6, 0.5, 1.5),
    (8, 1.0, 4.5),
    (12, 2.0, 14.0),
    (16, 2.0, 28.0),
    (24, 4.0, 44.0),
    (40, 4.0, 90.0),
    (64, 12.0, 90.0),
    (96, 24.0, 90.0),
)
_MOST = 160

# The same for `smooth_integral`, by width alone.
_NODES_BY_WIDTH = (
    (6, 0.5),
    (8, 1.0),
    (10, 1.5),
    (12, 2.0),
    (16, 2.7),
    (20, 3.4),
    (24, 4.0),
    (32, 6.0),
    (40, 8.0),
    (64, 13.5),
    (96, 17.0),
)


def hill_integral(
    hill: Callable[..., tuple[Array, ...]],
    slope: Callable[..., Array],
    span: tuple[Array, Array],
    top: Array,
    rows: tuple[Array, ...],
) -> tuple[Array, ...]:
    r""":math:`\log \int_a^b e^{\phi(u)} du` for each row, and the means of other functions under :math:`e^\phi`.

    Parameters
    ----------
    hill
        Takes u and the parameters of some rows; gives the concave :math:`\phi`, and the functions to average.
    slope
        Takes the same; gives the derivative of :math:`\phi`.
    span
        a and b of each row, finite; nothing is lost where a = b, whose logarithm is -inf.
    top
        Where in the span :math:`\phi` is highest.
    rows
        The parameters, arrays of one length.

    Examples
    --------
    The logarithm of the integral of exp(-u**2 / 2) over the line, cut at 40 each way, and the variance:

    >>> def bell(u, v):
    ...     return -u * u / 2, u * u
    >>> far, zero = np.array([40.0]), np.array([0.0])
    >>> log_area, variance = hill_integral(bell, lambda u, v: -u, (-far, far), zero, (zero,))
    >>> np.exp(2 * log_area) / np.pi, variance
    (array([2.]), array([1.]))
    """
    height = hill(top, *rows)[0]
    (left, rise), (right, fall) = (_cut(hill, slope, end, top, height, rows) for end in span)
    width, change = right - left, rise + fall
    answers: list[Array] = []
    for nodes, some in _by_effort(width, change):
        part = tuple(one[some] for one in rows)
        places, weights = _rule(nodes)
        phi, *others = hill(left[some] + places * width[some], *part)
        mass = weights * np.exp(phi - height[some])
        # Python's sum adds node by node; NumPy's order would depend on how many rows there are.
        total = sum(mass)
        found = [total, *[sum(mass * other) / total for other in others]]
        answers = answers or [np.empty(width.shape) for _ in found]
        for answer, values in zip(answers, found, strict=True):
            answer[some] = values
    if not answers:
        return tuple(np.empty(0) for _ in hill(top, *rows))
    with np.errstate(divide="ignore"):
        return height + np.log(answers[0] * width), *answers[1:]


def smooth_integral(
    smooth: Callable[..., tuple[Array, ...]],
    span: tuple[Array, Array],
    bend: Array,
    rows: tuple[Array, ...],
    *,
    change: Array | None = None,
) -> tuple[Array, ...]:
    r""":math:`\log \int_a^b e^{\phi(d)} dd` for each row, and the means of other functions under :math:`e^\phi`.

    For functions with more than one top, or with one at the very edge. On the scale :math:`u = \log(1 + (d - a) / c)`
    they are analytic in a wide strip around the line if c is no more than the distance at which they begin to bend, so
    the width on that scale says how many nodes they need.

    Parameters
    ----------
    smooth
        Takes d and the parameters of some rows; gives :math:`\phi`, and the functions to average.
    span
        a and b of each row, finite, best cut to where something is left; the logarithm of nothing is -inf.
    bend
        The c of each row.
    rows
        The parameters, arrays of one length.
    change
        For functions with a top inside the span: how far they rise to it and fall behind it, which may need more nodes.

    Examples
    --------
    The integral of exp(-d) from 1 to 43, and the mean of d:

    >>> one, many = np.array([1.0]), np.array([43.0])
    >>> log_area, mean = smooth_integral(lambda d, v: (-v * d, d), (one, many), one, (one,))
    >>> bool(abs(log_area[0] + 1) < 1e-13), mean
    (True, array([2.]))
    """
    low, high = span
    width = np.log1p((high - low) / bend)
    answers: list[Array] = []
    for nodes, some in _by_width(width) if change is None else _by_effort(width, change):
        places, weights = _rule(nodes)
        u = places * width[some]
        phi, *others = smooth(low[some] + bend[some] * np.expm1(u), *(one[some] for one in rows))
        phi = phi + u
        height = phi.max(axis=0)
        mass = weights * np.exp(phi - height)
        total = sum(mass)  # node by node, as above
        with np.errstate(divide="ignore"):
            found = [height + np.log(total * width[some] * bend[some])]
        found += [sum(mass * other) / total for other in others]
        answers = answers or [np.empty(width.shape) for _ in found]
        for answer, values in zip(answers, found, strict=True):
            answer[some] = values
    return tuple(answers or [np.empty(0) for _ in smooth(low, *rows)])


@cache
def _rule(nodes: int) -> tuple[Array, Array]:
    """Nodes and weights on the unit interval, as columns."""
    places, weights = np.polynomial.legendre.leggauss(nodes)
    return (places[:, None] + 1) / 2, weights[:, None] / 2


def _cut(
    hill: Callable[..., tuple[Array, ...]],
    slope: Callable[..., Array],
    end: Array,
    top: Array,
    height: Array,
    rows: tuple[Array, ...],
) -> tuple[Array, Array]:
    """The end of the span, or where the hill has fallen by `FALL` on that side; and by how much it has fallen there."""
    fall = height - hill(end, *rows)[0]
    low = np.flatnonzero(fall > FALL)
    if not low.size:
        return end, fall
    # Newton's steps from outside never pass by.
    u, part, floor = end[low], tuple(one[low] for one in rows), height[low] - FALL
    moving = np.ones(low.size, dtype=np.bool_)
    for _ in range(200):
        step = np.where(moving, (hill(u, *part)[0] - floor) / slope(u, *part), 0.0)
        u = u - step
        moving &= np.abs(step) > 0.02 * np.abs(u - top[low])  # each row by itself, whoever else is asked for
        if not moving.any():
            break
    cut = end.copy()
    cut[low], fall[low] = u, height[low] - hill(u, *part)[0]
    return cut, fall


def _by_effort(width: Array, change: Array) -> Iterator[tuple[int, NDArray[np.intp]]]:
    """How many nodes, and for which rows, by width and by rise and fall."""
    effort = np.full(width.size, len(_NODES))
    for rank in reversed(range(len(_NODES))):
        _, widest, most = _NODES[rank]
        effort[(width <= widest) & (change <= most)] = rank
    return _in_parts(effort, [nodes for nodes, *_ in _NODES])


def _by_width(width: Array) -> Iterator[tuple[int, NDArray[np.intp]]]:
    """The same where the width alone says how many."""
    effort = np.searchsorted([widest for _, widest in _NODES_BY_WIDTH], width)
    return _in_parts(effort, [nodes for nodes, _ in _NODES_BY_WIDTH])


def _in_parts(effort: NDArray[np.intp], nodes_of: list[int]) -> Iterator[tuple[int, NDArray[np.intp]]]:
    """Rows of one effort together, so many at a time as the cache holds; beyond all efforts it takes the most nodes."""
    for rank in np.flatnonzero(np.bincount(effort, minlength=1)).tolist():
        nodes = nodes_of[rank] if rank < len(nodes_of) else _MOST
        rows = np.flatnonzero(effort == rank)
        size = _CELLS // nodes
        for start in range(0, rows.size, size):
            yield nodes, rows[start : start + size]
