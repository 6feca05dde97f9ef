r"""Intervals: how far each parameter of a fitted law may be from the truth, by four ways to tell.

They are made on the log scale, so that none reaches below 0.

- *wald*: the curvature at the peak, as if the likelihood were a parabola there.
- *sandwich*: the same, but with the scatter of the customers' scores in the place of what the law says it is; right
  also where the law is not quite that of the data [1]_.
- *profile*: where the likelihood, at its best over all other parameters, has fallen by half a quantile of
  :math:`\chi^2_1` [2]_; the only one that sees how skew it is, and that a side may be open.
- *bootstrap*: the law fitted again to customers drawn from the customers [3]_.

References
----------
.. [1] White, H. (1982). Maximum Likelihood Estimation of Misspecified Models. Econometrica 50(1), 1-25.
   https://doi.org/10.2307/1912526
.. [2] Venzon, D. J., & Moolgavkar, S. H. (1988). A Method for Computing Profile-Likelihood-Based Confidence Intervals.
   Journal of the Royal Statistical Society C 37(1), 87-94. https://doi.org/10.2307/2347496
.. [3] Efron, B., & Tibshirani, R. J. (1993). An Introduction to the Bootstrap. Chapman & Hall.
   https://doi.org/10.1201/9780429246593
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtri

from custrel.errors import AssumptionWarning, ConvergenceError
from custrel.likelihood import likelihood_of
from custrel.stats.family import name_of
from custrel.stats.maximise import BOX, Hill, maximise, top_near

if TYPE_CHECKING:
    from custrel.likelihood import Likelihood, Rows
    from custrel.stats.estimate import Array
    from custrel.stats.family import Family

__all__ = ["bootstrap", "profile", "sandwich", "wald"]

_MOST_LOST = 0.1  # of the bootstrap's crowds: beyond it nothing is said


def wald(law: Family, log_covariance: Array, level: float) -> tuple[Array, Array, Array]:
    """Standard error of each parameter, and the bounds, by the delta method."""
    centre, half = law.to_log(), ndtri(0.5 + level / 2) * np.sqrt(np.diag(log_covariance))
    stretch = law.stretch(centre)
    errors = np.sqrt(np.diag(log_covariance * np.outer(stretch, stretch)))
    return errors, law.values(centre - half), law.values(centre + half)


def sandwich(law: Family, data: Rows, log_covariance: Array, level: float) -> tuple[Array, Array, Array]:
    """The same with White's covariance: the information inverted, around the scatter of the scores."""
    with likelihood_of(law, data) as likelihood:
        gradient, less = likelihood.slope(law.to_log())
    scatter = (np.outer(gradient, gradient) - less) * data.customers
    return wald(law, log_covariance @ scatter @ log_covariance, level)


def profile(law: Family, data: Rows, log_covariance: Array, level: float) -> tuple[Array, Array, Array]:
    """Wald's standard errors, and where the profile likelihood has fallen; 0 or inf where it never falls so far."""
    errors, _, _ = wald(law, log_covariance, level)
    centre = law.to_log()
    with likelihood_of(law, data) as likelihood:
        low, high = (
            [_fallen(likelihood, centre, log_covariance, chosen, side, level) for chosen in range(centre.size)]
            for side in (-1, 1)
        )
    return errors, law.values(np.array(low)), law.values(np.array(high))


def _fallen(likelihood: Likelihood, peak: Array, covariance: Array, chosen: int, side: int, level: float) -> float:
    """Where the root of twice the fall, which is nearly a straight line, comes to the quantile."""
    from scipy.optimize import brentq  # which takes a tenth of a second to import

    top, target = likelihood.value(peak), float(ndtri(0.5 + level / 2))
    along = covariance[:, chosen] / covariance[chosen, chosen]  # the others follow the one at first
    near = {0.0: peak}

    def beyond(distance: float) -> float:
        known = min(near, key=lambda one: abs(one - distance))
        start = near[known] + side * (distance - known) * along
        slice_ = _Slice(likelihood, chosen, peak[chosen] + side * distance)
        others, height = top_near(slice_, np.delete(start, chosen))
        near[distance] = slice_.whole(others)
        return float(np.sqrt(2 * likelihood.customers * max(0.0, top - height))) - target

    reach = target * float(np.sqrt(covariance[chosen, chosen]))
    while beyond(reach) < 0:
        reach *= 1.5
        if reach > BOX:
            return side * np.inf
    return float(peak[chosen] + side * brentq(beyond, 0.0, reach, xtol=1e-7))


@dataclass(frozen=True)
class _Slice(Hill):
    """A hill with one parameter held fast."""

    hill: Hill
    chosen: int
    fixed: float

    def whole(self, others: Array) -> Array:
        return np.insert(others, self.chosen, self.fixed)

    def value(self, position: Array) -> float:
        return self.hill.value(self.whole(position))

    def gradient(self, position: Array) -> Array:
        return np.delete(self.hill.gradient(self.whole(position)), self.chosen)


def bootstrap(law: Family, data: Rows, level: float, *, repeats: int, seed: int) -> tuple[Array, Array, Array]:
    """Standard deviations and quantiles of the parameters of so many crowds, each as large as the one observed."""
    rng, size = np.random.default_rng(seed), round(data.customers)
    shares, found = data.weights / data.customers, []
    for _ in range(repeats):
        drawn = rng.multinomial(size, shares)
        there = data.take(np.flatnonzero(drawn)).standing_for(drawn[drawn > 0].astype(np.float64))
        with likelihood_of(law, there) as likelihood:
            peak = maximise(likelihood, [law.to_log()])
        if peak.is_peak:
            found.append(peak.position)
    name, lost = name_of(law), repeats - len(found)
    if lost:
        said = f"{name}: {lost} of {repeats} bootstrapped crowds have no peak"
        if lost > _MOST_LOST * repeats:
            raise ConvergenceError(f"{said}, too many for an interval: ask for interval='profile'")
        warnings.warn(f"{said}; the intervals are those of the others", AssumptionWarning, stacklevel=3)
    parameters = law.values(np.array(found))
    low, high = np.quantile(parameters, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return parameters.std(axis=0, ddof=1), low, high
