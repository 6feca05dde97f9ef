"""Find the peak of a likelihood, prove that it is one, or say why there is none.

The parameters move on the log scale, where a handful of Newton steps with the exact score suffices; the Hessian comes
from central differences of that score. Several starts climb on a sample of the rows, and the best goes on to all of
them. (SciPy's L-BFGS-B took four times the evaluations, and its BLAS threads more time than the likelihood itself.)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from custrel.stats.estimate import Array

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Hill", "Peak", "maximise"]

BOX = 16.0  # a parameter may move by exp(16), nine million fold, from its natural scale
FLAT = 1e-7  # per customer: what counts as a gradient of zero
NEAR = 1e-3  # on the log scale: a step this small changes nothing that a user sees
STRIDE = 2.0  # longest step on the log scale
FLATTEST = 1e10  # a condition number beyond this cannot be told from a ridge


class Hill(Protocol):
    """What is climbed: a height and its slope at each place, both per customer."""

    def value(self, position: Array) -> float:
        """Mean log-likelihood."""
        ...

    def gradient(self, position: Array) -> Array:
        """Its exact gradient."""
        ...


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
    >>> class Bowl:
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

    >>> class Poisson:
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
    climbs = [_climb(easy, start, middle) for start in starts]
    heights = [easy.value(place) for place, _ in climbs]
    best = int(np.argmax(heights))
    agreeing = sum(heights[best] - height < 10 * FLAT for height in heights)
    position, curvature = climbs[best]
    position = _finish(hill, position, curvature, middle)
    ground = hill.value(position), hill.gradient(position), hessian_of(hill, position)
    return Peak(position, *ground, len(climbs), agreeing, position - middle)


def hessian_of(hill: Hill, position: Array, step: float = 1e-4) -> Array:
    """Hessian by central differences of the exact gradient (error of the order step squared)."""
    moves = step * np.eye(len(position))
    rows = np.asarray(
        [(hill.gradient(position + move) - hill.gradient(position - move)) / (2 * step) for move in moves]
    )
    return np.asarray((rows + rows.T) / 2)


def _rough_hessian(hill: Hill, position: Array, gradient: Array, step: float = 1e-5) -> Array:
    """The same by forward differences: half the work, and exact enough to point the way."""
    rows = np.asarray([(hill.gradient(position + move) - gradient) / step for move in step * np.eye(len(position))])
    return np.asarray((rows + rows.T) / 2)


def _climb(hill: Hill, position: Array, middle: Array) -> tuple[Array, Array]:
    """Newton steps that never lose height, to where a step gains nothing; the place, and the Hessian near it."""
    height, gradient = hill.value(position), hill.gradient(position)
    curvature = _rough_hessian(hill, position, gradient)
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
        if np.abs(gradient).max() < FLAT:
            break
        curvature = _rough_hessian(hill, position, gradient)
    return position, curvature


def _finish(hill: Hill, position: Array, curvature: Array, middle: Array) -> Array:
    """Newton steps to a gradient of zero; the Hessian is renewed only when a step gains less than a digit."""
    gradient = hill.gradient(position)
    for _ in range(30):
        size = np.abs(gradient).max()
        if size < FLAT / 100:
            break
        ahead = hill.gradient(position + _stride(position, gradient, curvature, middle))
        if not np.abs(ahead).max() < size / 10:
            curvature = _rough_hessian(hill, position, gradient)
            ahead = hill.gradient(position + _stride(position, gradient, curvature, middle))
            if not np.abs(ahead).max() < size:
                break
        position, gradient = position + _stride(position, gradient, curvature, middle), ahead
    return position


def _stride(position: Array, gradient: Array, curvature: Array, middle: Array) -> Array:
    """A Newton step uphill, also where the ground is no hilltop: at most `STRIDE` each way, and inside the box."""
    slope, axes = np.linalg.eigh(curvature)
    step = axes @ ((axes.T @ gradient) / np.maximum(np.abs(slope), 1e-12))
    step = step * min(1.0, STRIDE / max(np.abs(step).max(), 1e-300))
    return np.asarray(np.clip(position + step, middle - BOX, middle + BOX) - position)
