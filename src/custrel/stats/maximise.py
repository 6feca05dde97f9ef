"""Find the peak of a likelihood, prove that it is one, or say why there is none.

The parameters move on the log scale, where a handful of Newton steps with the exact score suffices. Far from the top
the outer product of the score stands in for the Hessian, as Berndt, Hall, Hall and Hausman have it, since it costs
nothing; near the top come differences of the score. Several starts climb on a sample of the rows, and the best goes on
to all of them. (SciPy's L-BFGS-B took four times the evaluations, and its BLAS threads more time than the likelihood.)
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from custrel.stats.estimate import Array

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["BOX", "Hill", "Peak", "maximise", "top_near"]

BOX = 16.0  # a parameter may move by exp(16), nine million fold, from its natural scale
FLAT = 1e-7  # per customer: what counts as a gradient of zero
NEAR = 1e-3  # on the log scale: a step this small changes nothing that a user sees
STRIDE = 2.0  # longest step on the log scale
FLATTEST = 1e10  # a condition number beyond this cannot be told from a ridge


CLOSE = 1e-4  # per customer: a step that promises less leads to where Newton's method is safe
ROUGH = 2e-3  # of the steepest axis: what stands in for a Hessian knows no flatter one
NOTHING = 1e-10  # per customer: a gain that no comparison of laws would see
SAME = 0.3  # on the log scale: steps that lead so near each other lead to one place


class Hill(ABC):
    """What is climbed: a height and its slope at each place, both per customer.

    Examples
    --------
    >>> class Bowl(Hill):
    ...     def value(self, q):
    ...         return -float(q @ q)
    ...
    ...     def gradient(self, q):
    ...         return -2 * q
    >>> Bowl().slope(np.array([1.0]))[1].round(3)
    array([[-2.]])
    """

    @abstractmethod
    def value(self, position: Array) -> float:
        """Mean log-likelihood."""

    @abstractmethod
    def gradient(self, position: Array) -> Array:
        """Its exact gradient."""

    def slope(self, position: Array) -> tuple[Array, Array]:
        """The gradient, and what may stand in for the Hessian far from the top."""
        gradient = self.gradient(position)
        return gradient, self.rough_hessian(position, gradient)

    def hessian(self, position: Array, step: float = 1e-4) -> Array:
        """Hessian by central differences of the exact gradient (error of the order step squared)."""
        moves = step * np.eye(len(position))
        rows = np.asarray(
            [(self.gradient(position + move) - self.gradient(position - move)) / (2 * step) for move in moves]
        )
        return np.asarray((rows + rows.T) / 2)

    def rough_hessian(self, position: Array, gradient: Array, step: float = 1e-5) -> Array:
        """The same by forward differences: half the work, and exact enough to point the way."""
        moves = step * np.eye(len(position))
        rows = np.asarray([(self.gradient(position + move) - gradient) / step for move in moves])
        return np.asarray((rows + rows.T) / 2)


@dataclass(frozen=True)
class Peak:
    """Where the climb ended, and what the ground is like there (all per customer).

    Parameters
    ----------
    position
        Parameters on the log scale.
    value, gradient, hessian
        Mean log-likelihood per customer and its derivatives there.
    starts, agreeing
        How many starts were tried; how many ended at the same place.
    distance
        How far each parameter moved from the middle of the box.

    Examples
    --------
    >>> class Bowl(Hill):
    ...     def value(self, q):
    ...         return -float(q @ q)
    ...
    ...     def gradient(self, q):
    ...         return -2 * q
    >>> peak = maximise(Bowl(), [np.array([1.0]), np.array([-2.0])])
    >>> abs(peak.position) < 1e-6, peak.agreeing, peak.is_peak
    (array([ True]), 2, True)
    """

    position: Array
    value: float
    gradient: Array
    hessian: Array
    starts: int
    agreeing: int
    distance: Array

    @property
    def at_edge(self) -> NDArray[np.bool_]:
        """Which parameters ran to the edge of the box."""
        return np.asarray(np.abs(self.distance) > BOX - 2)

    @property
    def condition(self) -> float:
        """Condition number of the Hessian: the steepest direction against the flattest; inf where it is no hilltop."""
        steep = -np.linalg.eigvalsh(self.hessian)
        return float(steep.max() / steep.min()) if steep.min() > 0 else float("inf")

    @property
    def far(self) -> bool:
        """Whether a parameter ran half the way to the edge and more."""
        return bool(np.abs(self.distance).max() > BOX / 2)

    @property
    def level(self) -> bool:
        """Whether the gradient is zero."""
        return bool(np.abs(self.gradient).max() < FLAT)

    @property
    def left(self) -> float:
        """How far the Newton step that is left would go: on a ridge far, though the ground is level."""
        return float(np.abs(np.linalg.lstsq(self.hessian, self.gradient, rcond=None)[0]).max())

    @property
    def is_peak(self) -> bool:
        """Inside the box, level, falling in every direction, and with nowhere left to go."""
        steep = self.condition < FLATTEST and self.left < NEAR
        return self.level and not self.at_edge.any() and steep


def maximise(hill: Hill, starts: Sequence[Array], *, foothill: Hill | None = None) -> Peak:
    """Climb from several starts, then prove the peak.

    Parameters
    ----------
    hill
        The mean log-likelihood on the log scale of the parameters.
    starts
        Places to start from; the first is the middle of the search box, which reaches `BOX` to each side.
    foothill
        The same on fewer rows, where the first climb is done; the hill itself if not given.

    Returns
    -------
    The best place found with its derivatives; `Peak.is_peak` says whether it is a peak.

    Examples
    --------
    Counts with mean 3 are likeliest under a Poisson law whose rate is 3:

    >>> class Poisson(Hill):
    ...     def value(self, q):
    ...         return float(3 * q[0] - np.exp(q[0]))
    ...
    ...     def gradient(self, q):
    ...         return 3 - np.exp(q)
    >>> np.exp(maximise(Poisson(), [np.array([0.0])]).position).round(6)
    array([3.])
    """
    easy = foothill or hill
    middle = starts[0]
    ends = sorted((_approach(easy, start, middle) for start in starts), key=lambda end: -end[0])
    top = _climb(easy, ends[0], middle)
    agreeing = 1
    for end in ends[1:]:
        if np.abs(end[1] + _stride(end[1], end[2], top.curvature, middle) - top.position).max() < SAME:
            agreeing += 1
            continue
        other = _climb(easy, end, middle)
        apart = other.height - top.height
        agreeing = agreeing + 1 if abs(apart) < 10 * FLAT else 1 if apart > 0 else agreeing
        top = other if apart > 0 else top
    many = foothill is not None
    peak = _proved(hill, top, middle, len(starts), agreeing, many=many)
    if peak.is_peak:
        return peak
    far = _climb(easy, (top.height, top.position, easy.gradient(top.position)), middle, enough=0.0)
    return _proved(hill, far, middle, len(starts), agreeing, many=many)


def top_near(hill: Hill, start: Array) -> tuple[Array, float]:
    """The place of the top that a start near it leads to, and its height, without a proof that it is one.

    Examples
    --------
    >>> class Bowl(Hill):
    ...     def value(self, q):
    ...         return -float(q @ q)
    ...
    ...     def gradient(self, q):
    ...         return -2 * q
    >>> place, height = top_near(Bowl(), np.array([1.0]))
    >>> abs(place) < 1e-9, abs(height) < 1e-9
    (array([ True]), True)
    """
    top = _climb(hill, (hill.value(start), start, hill.gradient(start)), start)
    position, _ = _finish(hill, top.position, top.curvature, start, flat=FLAT / 100)
    return position, hill.value(position)


def _proved(hill: Hill, top: _Place, middle: Array, starts: int, agreeing: int, *, many: bool) -> Peak:
    """The last steps on all rows, and what the ground is like there."""
    position, gradient = _finish(hill, top.position, top.curvature, middle, flat=FLAT / 3 if many else FLAT / 1e4)
    # Of many rows by differences to one side: half the work, and exact to a millionth of what the data can tell.
    hessian = hill.rough_hessian(position, gradient, step=1e-6) if many else hill.hessian(position)
    return Peak(position, hill.value(position), gradient, hessian, starts, agreeing, position - middle)


@dataclass(frozen=True)
class _Place:
    """Where a climb came to."""

    position: Array
    height: float
    curvature: Array


def _approach(hill: Hill, start: Array, middle: Array) -> tuple[float, Array, Array]:
    """Steps judged by their slopes alone, to where a step promises little: height, position and gradient there."""
    position, (gradient, curvature) = start, hill.slope(start)
    for _ in range(60):
        step = _stride(position, gradient, curvature, middle, flattest=ROUGH)
        promise = float(gradient @ step)
        if promise < CLOSE:
            break
        ahead = hill.slope(position + step)
        while ahead[0] @ step < -promise / 2 and np.abs(step).max() > FLAT:  # beyond the top
            step = step * max(0.1, promise / (promise - float(ahead[0] @ step)))
            ahead, promise = hill.slope(position + step), float(gradient @ step)
        position, curvature = position + step, _corrected(ahead[1], step, ahead[0] - gradient)
        gradient = ahead[0]
    height, before = hill.value(position), hill.value(start)
    return (height, position, gradient) if height >= before else (before, start, hill.gradient(start))


def _climb(hill: Hill, end: tuple[float, Array, Array], middle: Array, *, enough: float = CLOSE**2) -> _Place:
    """Newton steps that never lose height, to where the next one promises no more than enough."""
    height, position, gradient = end
    curvature = hill.rough_hessian(position, gradient)
    for _ in range(100):
        step = _stride(position, gradient, curvature, middle)
        gain = -np.inf
        while not gain >= 0 and np.abs(step).max() > FLAT:
            gain = hill.value(position + step) - height
            step = step if gain >= 0 else step / 4
        if not gain > 0:
            break
        position, height = position + step, height + gain
        gradient = hill.gradient(position)
        ahead = _stride(position, gradient, curvature, middle)
        if gradient @ ahead < enough and np.abs(ahead).max() < SAME:  # on a ridge steps stay long
            break
        if gain < NOTHING and np.abs(position - middle).max() > BOX / 2:  # and at last nothing comes of them
            break
        curvature = hill.rough_hessian(position, gradient)
    return _Place(position, height, curvature)


def _finish(hill: Hill, position: Array, curvature: Array, middle: Array, *, flat: float) -> tuple[Array, Array]:
    """Newton steps to a gradient of zero; each corrects the Hessian, which is renewed when a step gains no digit."""
    gradient = hill.gradient(position)
    for _ in range(30):
        size = np.abs(gradient).max()
        if size < flat:
            break
        step = _stride(position, gradient, curvature, middle)
        ahead = hill.gradient(position + step)
        if not np.abs(ahead).max() < size / 10:
            curvature = hill.rough_hessian(position, gradient)
            step = _stride(position, gradient, curvature, middle)
            ahead = hill.gradient(position + step)
            if not np.abs(ahead).max() < size:
                break
        position, curvature = position + step, _corrected(curvature, step, ahead - gradient)
        gradient = ahead
    return position, gradient


def _corrected(curvature: Array, step: Array, change: Array) -> Array:
    """The symmetric change of rank one that makes a Hessian tell the change of the gradient along the last step."""
    missed = change - curvature @ step
    size = missed @ step
    if abs(size) < 1e-8 * np.linalg.norm(missed) * np.linalg.norm(step) or size == 0:
        return curvature
    return np.asarray(curvature + np.outer(missed, missed) / size)


def _stride(position: Array, gradient: Array, curvature: Array, middle: Array, *, flattest: float = 0.0) -> Array:
    """A Newton step uphill, also where the ground is no hilltop: at most `STRIDE` each way, and inside the box."""
    slope, axes = np.linalg.eigh(curvature)
    steepness = np.abs(slope)
    along = (axes.T @ gradient) / np.maximum(steepness, max(1e-12, flattest * steepness.max()))
    step = axes @ np.clip(along, -STRIDE, STRIDE)  # each axis by itself: a flat one must not hold up the steep ones
    return np.asarray(np.clip(position + step, middle - BOX, middle + BOX) - position)
